"""The scripts that reproduce published rows: their command lines, with a stand-in for Python."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.benchmark_layouts import ROWS, script_of

SHELLS = [shell for shell in ("dash", "bash --posix", "busybox sh") if shutil.which(shell.split()[0])]
STAND_IN = """#!/bin/sh
case " $* " in
  *check_env.py*) exit 0 ;;
  *) for argument; do printf '%s\\n' "$argument"; done ;;
esac
"""


class Checkout:
    """The scripts in a repository with every checkpoint and dataset in place, and an environment that only prints."""

    def __init__(self, repository: Path, folder: Path) -> None:
        self.root = folder / "a check out"
        self.elsewhere = folder / "else where"
        self.elsewhere.mkdir(parents=True)
        shutil.copytree(repository / "scripts", self.root / "scripts")
        (self.root / "configs").symlink_to(repository / "configs")
        for _, backbone, name, *_ in ROWS:
            self.touch(f"pretrained/seq_mask_rcnn_{backbone}_{name}.pth")
        self.touch("data/valid_ytv19.json", "data/valid_ytv21.json", "data/trainvalset_davis/ImageSets")
        self.environment = folder / "environment"
        python = self.environment / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(STAND_IN)
        python.chmod(0o755)

    def touch(self, *names: str) -> None:
        for name in names:
            (self.root / name).parent.mkdir(parents=True, exist_ok=True)
            (self.root / name).touch()

    def run(self, script: str, *options: str, shell: str = "sh", **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": os.environ["PATH"], "VIRTUAL_ENV": str(self.environment), **variables}
        command = [*shell.split(), str(self.root / script), *options]
        return subprocess.run(command, cwd=self.elsewhere, env=environment, capture_output=True, text=True)

    def arguments(self, script: str, *options: str, shell: str = "sh", **variables: str) -> list[str]:
        done = self.run(script, *options, shell=shell, **variables)
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def checkout(repository: Path, tmp_path: Path) -> Checkout:
    return Checkout(repository, tmp_path)


def test_there_is_a_script_for_each_row_and_no_other(repository: Path) -> None:
    found = {path.relative_to(repository).as_posix() for path in repository.glob("scripts/**/eval_vis_*.sh")}
    assert found == {script_of(folder, backbone, ca) for folder, backbone, *_, ca in ROWS}


@pytest.mark.parametrize(("folder", "backbone", "name", "data", "key_num", "category_aware"), ROWS)
def test_settings_of_each_row(
    checkout: Checkout, folder: str, backbone: str, name: str, data: str, key_num: int, category_aware: bool
) -> None:
    subfolder, variant = ("CateAwareReduce/", "Ft_CAReduce") if category_aware else ("", "Ft")
    config = checkout.root / f"configs/SeqMaskRCNN/{subfolder}seq_mask_rcnn_{backbone}_fpn_1x_{data}_ftstage.py"
    assert config.is_file()
    assert checkout.arguments(script_of(folder, backbone, category_aware), "--resume", "two words") == [
        *[str(checkout.root / "tools/test_vis.py"), str(config)],
        str(checkout.root / f"pretrained/seq_mask_rcnn_{backbone}_{name}.pth"),
        *["--save-dir", str(checkout.root.parent / f"Results_{name}/vis_{backbone}_{variant}-k{key_num}")],
        *["--key-num", str(key_num), "--cfg-options", f"test.dataset.data_root={checkout.root / 'data'}"],
        *(["--use-cate-reduce", "--score-thr", "0.001"] if category_aware else []),
        *["--resume", "two words"],
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_gpus_and_other_variables(checkout: Checkout, shell: str) -> None:
    (checkout.elsewhere / "my weights.pth").touch()
    script = script_of("YTV2019", "r50", False)
    variables = {"CHECKPOINT": "my weights.pth", "SAVE_DIR": "my results", "DATA_ROOT": "../a check out/data"}
    for options in (["--key-num", "3"], ["--key-num=3"]):
        arguments = checkout.arguments(script, *options, shell=shell, GPUS="4", **variables)
        assert arguments[:5] == ["-m", "mmdet_vis.run.launch", "--standalone", "--nproc_per_node", "4"]
        assert arguments[7:12] == ["my weights.pth", "--save-dir", "my results/vis_r50_Ft-k3", "--key-num", "3"]
        assert "test.dataset.data_root=../a check out/data" in arguments
        assert arguments[-len(options) :] == options
    # A 1 of the user's, which the processes could not tell from torchrun's.
    arguments = checkout.arguments(script, "--threads", "2", shell=shell, GPUS="2", OMP_NUM_THREADS="1")
    assert arguments[-4:] == ["--threads", "1", "--threads", "2"]
    assert checkout.arguments(script, shell=shell, GPUS="1")[0] == str(checkout.root / "tools/test_vis.py")


def test_what_is_missing_is_named(checkout: Checkout) -> None:
    script = script_of("YTV2021", "x101", True)
    for variables, word in (
        ({"GPUS": "two"}, "GPUS=two"),
        ({"GPUS": "0"}, "GPUS=0"),
        ({"CHECKPOINT": "no.pth"}, "no checkpoint at no.pth"),
        ({"CONFIG": "no.py"}, "no configuration at no.py"),
        ({"DATA_ROOT": "nowhere"}, "nowhere/valid_ytv21.json"),
    ):
        done = checkout.run(script, **variables)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert word in done.stderr
        assert done.stderr.count("\n") == 1
    (checkout.root / "pretrained/seq_mask_rcnn_x101_ytv21.pth").unlink()
    done = checkout.run(script)
    assert done.returncode == 2
    assert "https://github.com/dvlab-research/ProposeReduce" in done.stderr


def test_help(checkout: Checkout) -> None:
    done = checkout.run(script_of("DAVIS", "r101", False), "--help", DATA_ROOT="nowhere")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: ")
    assert "8 key frames" in done.stdout
