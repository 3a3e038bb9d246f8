"""docs/own-data.md and its notebook: executed as they are written, from a folder of videos to an AP."""

from __future__ import annotations

import ast
import contextlib
import importlib
import io
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mmdet_vis.config.load import load_config
from mmdet_vis.corrections.files import read_corrections
from mmdet_vis.training import check as training_check
from tests.documents import blocks

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "own-data.md"
NOTEBOOK = ROOT / "docs" / "own-data.ipynb"
END = "Many videos: everything learns"
"""From this heading on the page has examples for other data."""


def steps() -> list[tuple[str, str]]:
    """The blocks that belong together: ``sh`` is to be run, ``python`` is a file whose name is in its first line."""
    found = [(language, text) for language, text in blocks(PAGE, END) if language in ("sh", "python")]
    assert len(found) >= 10
    return found


def written(text: str, folder: Path) -> Path:
    """A block of Python as the file that its first line names."""
    path = folder / text.splitlines()[0].removeprefix("# ")
    path.write_text(text)
    return path


def cells() -> list[str]:
    content = json.loads(NOTEBOOK.read_text())
    assert all(not cell.get("outputs") for cell in content["cells"])
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == "code"]


def commands() -> list[list[str]]:
    """The words of each ``mmdet-vis`` in the blocks that are run."""
    lines = "\n".join(text for language, text in steps() if language == "sh").replace("\\\n", " ").splitlines()
    return [shlex.split(line.partition(" > ")[0])[1:] for line in lines if line.startswith("mmdet-vis ")]


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[:2]))
def test_every_command_of_the_page_parses(words: list[str]) -> None:
    module = importlib.import_module(f"mmdet_vis.commands.{words[0].replace('-', '_')}")
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors):
            module.build_parser("mmdet-vis").parse_args(words[1:])
    except SystemExit:
        pytest.fail(errors.getvalue())


def test_files_of_the_page_and_cells_of_the_notebook_are_sound(tmp_path: Path) -> None:
    for language, text in steps():
        if language == "python":
            ast.parse(written(text, tmp_path).read_text())
        elif "<<" in text:
            subprocess.run(["sh", "-c", text.split("mmdet-vis")[0]], cwd=tmp_path, check=True)
    assert len(read_corrections(tmp_path / "fixes.json")) == 1
    base = ROOT / "configs" / "SeqMaskRCNN" / "seq_mask_rcnn_mobilenetv2_fpn_stills.py"
    (tmp_path / "base.py").write_text(load_config(base).pretty_text)
    config = load_config(tmp_path / "my_videos.py")
    training_check.check_training(config)
    assert training_check.train_settings(config)
    for cell in cells():
        ast.parse(cell)


def shell(text: str, folder: Path) -> str:
    """Run a block; its output."""
    paths = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["sh", "-e", "-c", text], cwd=folder, env={**os.environ, **paths}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{text}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    print(text, done.stdout, done.stderr[-3000:], sep="\n")
    return done.stdout


@pytest.mark.slow
def test_the_page_as_it_is_written(tmp_path: Path) -> None:
    """``python -m pytest -m slow -s tests/test_own_data.py``; figures of the page are what it prints."""
    (tmp_path / "mmdet_vis").symlink_to(ROOT)
    folder = tmp_path / "work"
    folder.mkdir()
    for language, text in steps():
        if language == "python":
            written(text, folder)
        else:
            shell(text, folder)
    aps = {}
    for name in ("before", "after"):
        shell(f"mmdet-vis eval {name} data/annotations_val.json --no-intervals --out {name}.json", folder)
        aps[name] = json.loads((folder / f"{name}.json").read_text())["AP"]
    assert aps["after"] > aps["before"]
    assert (folder / "my_model.safetensors").is_file()


@pytest.mark.slow
def test_the_notebook_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo").symlink_to(ROOT / "demo")
    (tmp_path / "docs").mkdir()
    monkeypatch.chdir(tmp_path / "docs")
    names: dict[str, Any] = {}
    for number, cell in enumerate(cells()):
        exec(compile(cell, f"own-data.ipynb, cell {number}", "exec"), names)
    assert names["after"] > names["before"]
    assert Path("own_data/my_model.safetensors").is_file()
