"""What users of the original type is answered with what to type here."""

from __future__ import annotations

import shlex
import sys
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmdet_vis.commands import original, segment, train
from mmdet_vis.errors import UserError
from tests import programs

ROOT = Path(__file__).resolve().parents[2]
test_vis = SimpleNamespace(main=partial(segment.main, tool=True), build_parser=partial(segment.build_parser, tool=True))
test_vis.__test__ = False


def error_of(script: str, *words: str) -> str:
    done = programs.run([sys.executable, ROOT / script, *words], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


def test_scripts_answer_with_the_new_command():
    demo = error_of("tools/demo.py", "c.py", "w.pth", "--input-dir", "my videos", "--save-dir=out", "--gpu", "1")
    assert demo == (
        "error: tools/demo.py is tools/test_vis.py here: python tools/test_vis.py c.py w.pth --input-dir 'my videos' "
        "--save-dir=out --device cuda:1 --key-num 5 --mem-step 5"
    )
    assert error_of("tools/test_video_seq.py") == (
        "error: tools/test_video_seq.py is tools/test_vis.py here: python tools/test_vis.py CONFIG CHECKPOINT "
        "--save-dir DIR"
    )
    assert "--format json,overlay,video" in error_of("tools/test_video_seq_davis.py", "c.py", "w.pth", "--show")


@pytest.mark.parametrize("script", original.SCRIPTS)
def test_what_is_answered_can_be_typed(script):
    words = [
        "c.py",
        "w.pth",
        "--save-dir",
        "out",
        "--gpu=0",
        "--show",
        "--network",
        "r50",
        "--out",
        "x",
        "--eval",
        "bbox",
        "segm",
        "--options",
        "propose_reduce.key_num=4",
        "model.type=SeqMaskRCNN",
        "--key-num",
        "3",
    ]
    with pytest.raises(UserError) as caught:
        original.answer(script, words)
    line = str(caught.value).split(": python tools/test_vis.py ")[1]
    args = test_vis.build_parser().parse_args(shlex.split(line))
    assert (args.device, args.key_num, args.format) == ("cuda:0", 3, ("json", "overlay", "video"))
    assert args.eval
    assert args.cfg_options == {"propose_reduce.key_num": 4, "model.type": "SeqMaskRCNN"}
    assert args.save_dir == Path("out")


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        (segment, ["--gpu", "1"], "--gpu is an option of the original ProposeReduce; here it is --device cuda:N"),
        (test_vis, ["--show"], "here it is --format json,overlay,video"),
        (segment, ["--network=r50"], "leave it out, --save-dir names that"),
        (test_vis, ["--max-agg", "3"], "it had no effect: leave it out"),
        (train, ["--work_dir", "w"], "--work_dir is written --work-dir here"),
        (train, ["--resume_from=a.pth"], "here it is --resume; the newest checkpoint of --work-dir is taken"),
        (train, ["--gpu", "0,1"], "for N GPUs start with `torchrun --nproc-per-node N`"),
        (train, ["--validate"], "val_cfg of the config"),
        (segment, ["--key_num", "3"], "--key_num is written --key-num here"),
        (test_vis, ["--eval", "bbox", "segm"], "--eval takes no names here, the dataset says what is measured: leave"),
        (segment, ["--eval=segm"], "leave segm out"),
        (test_vis, ["--out", "r.pkl"], "the results go to --save-dir: leave it out"),
        (test_vis, ["--format-only"], "--format-only is an option of MMDetection; results.json and submission.zip"),
        (test_vis, ["--show-dir", "d"], "here it is --save-dir DIR --format json,overlay,video"),
        (test_vis, ["--show-score-thr", "0.3"], "here it is --show-thr SCORE"),
        (test_vis, ["--options", "a=1", "b=2"], "here it is --cfg-options KEY=VALUE ..."),
        (test_vis, ["--work-dir", "w"], "here it is --save-dir DIR"),
        (test_vis, ["--launcher", "pytorch"], "start with `torchrun --nproc-per-node N`"),
        (test_vis, ["--local_rank=1"], "start with `torchrun --nproc-per-node N`"),
        (test_vis, ["--gpu-ids", "0", "1"], "one GPU is --device cuda:N"),
        (test_vis, ["--seed", "1"], "nothing is left to chance"),
        (segment, ["--deterministic"], "results are the same each time"),
        (segment, ["--fuse-conv-bn"], "leave it out"),
        (train, ["--resume-from", "a.pth"], "here it is --resume; the newest checkpoint of --work-dir is taken"),
        (train, ["--auto-resume"], "here it is --resume auto"),
        (train, ["--no-validate"], "here it is --cfg-options val_cfg=None"),
        (train, ["--gpus", "8"], "for N GPUs start with `torchrun --nproc-per-node N`"),
        (train, ["--gpu-ids", "0", "1"], "one is --device cuda:N"),
        (train, ["--gpu-id", "1"], "here it is --device cuda:N"),
        (train, ["--deterministic"], "the same seed always trains the same"),
        (train, ["--launcher", "pytorch"], "which is noticed: leave it out"),
        (train, ["--amp"], "here it is --precision float16; or bfloat16"),
    ],
)
def test_options_are_answered_in_one_line(command, words, message):
    with pytest.raises(UserError) as caught:
        command.main(["config.py", *words])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_option_that_is_none_is_answered_with_the_nearest(capsys):
    with pytest.raises(SystemExit, match="2"):
        test_vis.build_parser("test_vis").parse_args(["c.py", "w.pth", "--save-dir", "o", "--keynum=3"])
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "test_vis: error: unrecognized arguments: --keynum=3; did you mean --key-num?"


def test_who_leaves_out_what_a_command_needs_sees_its_usage(capsys):
    with pytest.raises(SystemExit, match="2"):
        test_vis.build_parser("test_vis").parse_args(["c.py"])
    first, *_, last = capsys.readouterr().err.splitlines()
    assert first.startswith("usage: test_vis ")
    assert last == "test_vis: error: the following arguments are required: checkpoint, --save-dir"


def test_options_of_now_are_no_old_ones():
    for command, old in ((segment, original.SEGMENT), (test_vis, original.SEGMENT), (train, original.TRAIN)):
        assert not set(old) & set(command.build_parser()._option_string_actions)
    args = test_vis.build_parser().parse_args(["c.py", "w.pth", "--save-dir", "out", "--show-thr", "0.5"])
    assert args.show_thr == 0.5
