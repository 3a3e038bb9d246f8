"""The program ``mmdet-vis``: its help, its version, its subcommands, and what a mistyped one says."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet_vis.commands.main import COMMANDS, NAMES, main, usage
from mmdet_vis.errors import UserError
from mmdet_vis.version import __version__

HEAVY = ("torch", "torchvision", "mmengine", "cv2", "av", "matplotlib", "pycocotools", "scipy", "gradio", "timm")
NUMPY_NEEDED = {"synth"}
"""Their defaults are those of the data they make."""


def program(repository: Path, *words: str, blocked: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    code = f"import runpy, sys; sys.modules.update(dict.fromkeys({blocked!r}))"
    code += "; runpy.run_module('mmdet_vis', run_name='__main__', alter_sys=True)"
    return subprocess.run(
        [sys.executable, "-c", code, *words],
        env={**os.environ, "PYTHONPATH": str(repository)},
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_help_and_version_wait_for_nothing(repository, tmp_path):
    done = program(repository, "--help", blocked=HEAVY)
    assert done.returncode == 0, done.stderr
    for name, text in ((name, text) for group in COMMANDS.values() for name, text in group.items()):
        assert f"  {name} " in done.stdout
        assert text in done.stdout
    version = program(repository, "--version", blocked=HEAVY)
    assert version.stdout == f"mmdet-vis {__version__}\n"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NUMPY_NEEDED])
def test_help_of_each_command_waits_for_nothing(name, monkeypatch, capsys):
    for module in [module for module in sys.modules if module.startswith("mmdet_vis.commands.")]:
        if module != "mmdet_vis.commands.main":
            monkeypatch.delitem(sys.modules, module)
    for module in HEAVY:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SystemExit) as ended:
        main([name, "--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: mmdet-vis {name} ")


def test_every_command_is_listed(repository):
    modules = {path.stem for path in (repository / "mmdet_vis/commands").glob("*.py")}
    others = {"__init__", "main", "arguments", "run_arguments", "test_vis", "original"}
    assert modules - others == {name.replace("-", "_") for name in NAMES}


def test_without_a_command_the_help_is_shown(repository):
    done = program(repository, blocked=HEAVY)
    assert done.returncode == 2
    assert done.stderr == usage() + "\n"


@pytest.mark.parametrize(
    ("word", "end"),
    [
        ("segmnt", "; did you mean segment?"),
        ("convert_weights", "; did you mean convert-weights?"),
        ("README.md", "; to segment a video: mmdet-vis segment README.md"),
        ("xyzzy", ": use one of segment, "),
    ],
)
def test_a_mistyped_command_is_one_line(repository, monkeypatch, word, end):
    monkeypatch.chdir(repository)
    with pytest.raises(UserError) as caught:
        main([word])
    assert str(caught.value).startswith(f"{word!r} is not a command of mmdet-vis{end}")


def test_errors_and_exit_codes_are_the_programs(repository, tmp_path):
    done = program(repository, "check", str(tmp_path / "no.json"), "--img-prefix", str(tmp_path))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert "no.json" in line
