"""``tools/train.py`` as a user runs it: killed, resumed, on two processes, and on bad input."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch

from tests import programs
from tests.tiny_training import AND_THREADS, command, curve, last_iteration, train, weights, write_training


@pytest.fixture(scope="module")
def whole(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config, its dataset, and an uninterrupted run in ``whole``, which also validates."""
    folder = tmp_path_factory.mktemp("training")
    config = write_training(folder, repository)
    done = train(repository, config, "--work-dir", folder / "whole")
    assert done.returncode == 0, done.stderr
    return folder


def same_weights(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor], tolerance: float) -> bool:
    return a.keys() == b.keys() and all(torch.allclose(a[k], b[k], rtol=0, atol=tolerance) for k in a)


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    for _ in range(1200):
        if path.exists() or process.poll() is not None:
            break
        time.sleep(0.1)
    assert path.exists(), "the run ended before its first checkpoint"


def test_run_learns_validates_and_keeps_the_best(whole: Path) -> None:
    losses = curve(whole / "whole")
    assert sorted(losses) == [1, 2, 3, 4, 5, 6]
    assert losses[6] < losses[1]
    assert list((whole / "whole").glob("best_AP_iter_6.pth"))
    log = next((whole / "whole").glob("*/*.log")).read_text()
    assert "AP" in log
    lines = log.splitlines()
    first = next(number for number, line in enumerate(lines) if "loss: " in line)
    assert first < 24  # a screen
    (said,) = [line for line in lines[:first] if " - training SeqMaskRCNN with " in line]
    assert " from random weights on " in said or ".pth on " in said or ".safetensors on " in said
    assert "6 steps of " in said
    assert ".json" in said.partition(" clips of ")[2]
    order = [line for line in lines if "Iter(train) [" in line or "Iter(val) [2/2]" in line]
    assert "Iter(val)" in order[-1]  # it happened after the sixth step
    assert "[6/6]" in order[-2]
    assert any("validating 2 videos after iteration 6 of 6" in line for line in lines)
    assert "Iter(val) [2/2]" in log  # the videos that are validated, of five


def test_checkpoint_is_read_by_the_other_tools(whole: Path) -> None:
    """It holds the average of the weights, and nothing that would have to be executed."""
    from mmdet_vis.api import load_model

    model = load_model(whole / "training.py", whole / "whole" / "iter_6.pth", device="cpu")
    averaged = torch.load(whole / "whole" / "iter_6.pth", weights_only=True)
    key = "bbox_head.fc_cls.weight"
    assert torch.equal(model.network.state_dict()[key], averaged["state_dict"][key])
    assert not torch.equal(averaged["raw_state_dict"][key], averaged["state_dict"][key])


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        (signal.SIGKILL, 2),
        *(pytest.param(number, 0, marks=pytest.mark.slow) for number in (signal.SIGTERM, signal.SIGUSR1)),
    ],
)
def test_killed_and_resumed_equals_uninterrupted(
    whole: Path, repository: Path, number: signal.Signals, workers: int
) -> None:
    folder = whole / number.name
    # Longer than the whole run: it is killed somewhere on the way, wherever that is.
    loading = ["--cfg-options", f"train.num_workers={workers}"]
    options = [*loading, "train_cfg.max_iters=100000"]
    again = ["--resume", "auto"] if number == signal.SIGUSR1 else []
    start = command(repository, whole / "training.py", "--work-dir", folder, *again, *options)
    with programs.Popen(start) as process:
        wait_for(folder / "iter_2.pth", process)
        process.send_signal(number)
        code = process.wait(60)
    assert code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not list(folder.glob(".tmp*")) or number == signal.SIGKILL
    for path in folder.glob("iter_*.pth"):  # back to where the whole run can be compared with
        if int(path.stem[5:]) > 4:
            path.unlink()
    assert last_iteration(folder) in (2, 3, 4)
    done = train(repository, whole / "training.py", "--work-dir", folder, *(again or ["--resume"]), *loading)
    assert done.returncode == 0, done.stderr
    resumed, expected = curve(folder), curve(whole / "whole")
    assert resumed.keys() >= expected.keys()
    assert all(resumed[i] == pytest.approx(expected[i], rel=1e-5) for i in expected)
    assert same_weights(weights(folder, 6), weights(whole / "whole", 6), 1e-6)


@pytest.mark.slow
def test_two_processes_follow_one(whole: Path, repository: Path) -> None:
    folder = whole / "two"
    options = ["--cfg-options", "train.batch_size=1"]
    done = train(repository, whole / "training.py", "--work-dir", folder, *options, processes=2)
    assert done.returncode == 0, done.stderr
    ours, expected = curve(folder), curve(whole / "whole")
    assert all(ours[i] == pytest.approx(expected[i], rel=1e-4) for i in expected)
    assert same_weights(weights(folder, 6), weights(whole / "whole", 6), 1e-5)


@pytest.mark.slow
def test_accumulating_processes_follow_one_that_accumulates(whole: Path, repository: Path) -> None:
    short = ["--cfg-options", "train.accumulate=2", "train_cfg.max_iters=2", "val_cfg=None"]
    short.append("default_hooks.checkpoint.save_best=None")
    script = whole / "and_threads.py"
    script.write_text(AND_THREADS)
    for name, processes in (("parts", 1), ("parts_of_two", 2)):
        options = [*short, f"train.batch_size={2 // processes}"]
        line = command(
            repository, whole / "training.py", "--work-dir", whole / name, *options, processes=processes, script=script
        )
        done = programs.run(line, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("trained 2 iterations") == 1, "one process speaks"
        threads = [row for row in done.stdout.splitlines() if row.startswith("threads: ")]
        assert len(threads) == processes
        # Threads of the group that outlive it may abort the process while it ends.
        assert "gloo" not in "".join(threads)
    ours, expected = curve(whole / "parts_of_two"), curve(whole / "parts")
    assert sorted(expected) == [1, 2]
    assert all(ours[i] == pytest.approx(expected[i], rel=1e-4) for i in expected)
    assert same_weights(weights(whole / "parts_of_two", 2), weights(whole / "parts", 2), 1e-5)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--resume"], "no iter_*.pth to continue from"),
        (["--cfg-options", "train.batch=3"], "train has unknown key 'batch'; did you mean 'batch_size'?"),
        (["--cfg-options", "train.batch_size=0"], "train.batch_size=0 must be a whole number"),
        (["--cfg-options", "model.train_cfg.prop.objects=3"], "did you mean 'max_objects'?"),
        (["--cfg-options", "train.dataset.ann_file=none.json"], "none.json does not exist"),
        (["--cfg-options", "optim_wrapper.precision=half"], "precision='half' must be one of"),
        (["--cfg-options", "optim_wrapper.optimizer.type=SDG"], "SDG"),
        (["--precision", "float16"], "needs a GPU"),
        (["--load-from", "nothing.pth"], "nothing.pth does not exist"),
        (["--cfg-options", "train_cfg.max_epochs=2"], "either max_iters or max_epochs"),
        (["--cfg-options", "train_cfg.val_intervall=2"], "did you mean 'val_interval'?"),
        (["--cfg-options", "train_cfg.val_interval=0"], "train_cfg.val_interval=0 must be a whole number"),
        (["--cfg-options", "val_cfg.precision=int8"], "val_cfg.precision='int8' must be one of"),
        (["--cfg-options", "optim_wrapper.optimizer.lr=fast"], "a learning rate 'lr' above 0"),
        (["--cfg-options", "model.train_cfg.prop.true_mask_share=5"], "must be a number from 0 to 1"),
        (["--cfg-options", "default_hooks.checkpoint.save_best=APP"], "save_best='APP' must be one of AP"),
        (["--cfg-options", "default_hooks.checkpoint.by_epoch=True"], "set by_epoch=False"),
        (["--cfg-options", "param_scheduler.0.type=LinearRL"], "LinearRL"),
        (["--cfg-options", "train_cfg.val_begin=7"], "val_begin=7 is beyond the end of training after 6 iterations"),
        (["--cfg-options", "train.dataset.type=YTVISDataset"], "YTVISDataset, which is not for training; use YTVISCl"),
        (["--seed", "-1"], "argument --seed: '-1': use a whole number from 0 to 4294967295"),
        (["--seed", "99999999999999999999"], "argument --seed"),
        (["--threads", "-3"], "argument --threads: '-3': use a whole number of at least 1"),
    ],
)
def test_bad_input_is_one_line(whole: Path, repository: Path, tmp_path: Path, arguments: list[str], words: str) -> None:
    done = train(repository, whole / "training.py", "--work-dir", tmp_path / "bad", *arguments)
    assert done.returncode == 2, done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith(("error: ", "train.py: error: "))
    assert words in last
    assert "Traceback" not in done.stderr


def test_used_folder_needs_resume(whole: Path, repository: Path) -> None:
    done = train(repository, whole / "training.py", "--work-dir", whole / "whole")
    assert done.returncode == 2
    assert "add --resume to continue" in done.stderr
    assert last_iteration(whole / "whole") == 6


def test_other_settings_are_not_resumed(whole: Path, repository: Path) -> None:
    options = ["--cfg-options", "train.batch_size=1", "train.accumulate=2", "model.train_cfg.prop.bce_weight=3"]
    done = train(repository, whole / "training.py", "--work-dir", whole / "whole", "--resume", *options)
    assert done.returncode == 2
    words = "accumulate (1 before, 2 now), model.train_cfg.prop.bce_weight (null before, 3 now): resume with the same"
    assert words in done.stderr


def test_checkpoint_of_an_older_version_is_resumed(whole: Path, repository: Path, tmp_path: Path) -> None:
    """One without history, and with less about the run."""
    content = torch.load(whole / "whole" / "iter_4.pth", weights_only=True)
    del content["history"]
    known = ("clips per step", "steps per epoch", "optim_wrapper", "param_scheduler")
    content["meta"]["run"] = {key: content["meta"]["run"][key] for key in known}
    torch.save(content, tmp_path / "iter_4.pth")
    done = train(repository, whole / "training.py", "--work-dir", tmp_path, "--resume")
    assert done.returncode == 0, done.stderr
    assert same_weights(weights(tmp_path, 6), weights(whole / "whole", 6), 1e-6)


def test_damaged_checkpoint_is_to_be_removed(whole: Path, repository: Path, tmp_path: Path) -> None:
    (tmp_path / "iter_2.pth").touch()
    (tmp_path / "iter_4.pth").write_bytes((whole / "whole" / "iter_4.pth").read_bytes()[:-5000])
    done = train(repository, whole / "training.py", "--work-dir", tmp_path, "--resume")
    assert done.returncode == 2
    assert "iter_4.pth is damaged: remove it, and --resume goes on from iter_2.pth" in done.stderr
    assert "Traceback" not in done.stderr


def test_config_without_training_says_so(repository: Path, tmp_path: Path) -> None:
    config = repository / "configs/SeqMaskRCNN/CateAwareReduce/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
    done = train(repository, config, "--work-dir", tmp_path)
    assert done.returncode == 2
    assert "cannot train: it needs train=dict(" in done.stderr
