"""What users of the original type is answered with what to type here."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import pytest

from mmdet_vis.commands import original, segment, test_vis, train
from mmdet_vis.errors import UserError
from tests import programs

ROOT = Path(__file__).resolve().parents[2]


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
        "--key-num",
        "3",
    ]
    with pytest.raises(UserError) as caught:
        original.answer(script, words)
    line = str(caught.value).split(": python tools/test_vis.py ")[1]
    args = test_vis.build_parser().parse_args(shlex.split(line))
    assert (args.device, args.key_num, args.format) == ("cuda:0", 3, ("json", "overlay", "video"))


@pytest.mark.parametrize(
    ("command", "words", "message"),
    [
        (segment, ["--gpu", "1"], "--gpu is an option of the original ProposeReduce; here it is --device cuda:N"),
        (test_vis, ["--show"], "here it is --format json,overlay,video"),
        (segment, ["--network=r50"], "leave it out, --save-dir names that"),
        (test_vis, ["--max-agg", "3"], "it had no effect: leave it out"),
        (train, ["--work_dir", "w"], "here it is --work-dir DIR"),
        (train, ["--resume_from=a.pth"], "here it is --resume; the newest checkpoint of --work-dir is taken"),
        (train, ["--gpu", "0,1"], "start `torchrun --nproc-per-node N"),
        (train, ["--validate"], "val_cfg of the config"),
    ],
)
def test_options_are_answered_in_one_line(command, words, message):
    with pytest.raises(UserError) as caught:
        command.main(["config.py", *words])
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_of_now_are_no_old_ones():
    for command, old in ((segment, original.SEGMENT), (test_vis, original.SEGMENT), (train, original.TRAIN)):
        assert not set(old) & set(command.build_parser()._option_string_actions)
    args = test_vis.build_parser().parse_args(["c.py", "w.pth", "--save-dir", "out", "--show-thr", "0.5"])
    assert args.show_thr == 0.5
