"""docs/proposers.md: its programs run, its configs are read, its commands are taken."""

from __future__ import annotations

import json
import sys

import pytest

import mmdet_vis.proposers
from mmdet_vis import load_model, segment_video
from mmdet_vis.api import load_propagator
from mmdet_vis.choices import PROPOSAL_SCORES
from mmdet_vis.commands.stream import build_parser
from mmdet_vis.config.read import load_config
from mmdet_vis.registry import PROPOSERS
from mmdet_vis.visualization.video_writer import VideoWriter
from tests.documents import named_block, python_blocks, table_cells
from tests.test_proposers import SMALL
from tests.tiny import moving_frames

FRAMES = moving_frames(6, 64, 96)


@pytest.fixture
def page(repository):
    return repository / "docs" / "proposers.md"


@pytest.fixture
def clip(tmp_path, monkeypatch):
    with VideoWriter(tmp_path / "clip.mp4", 25, (64, 96)) as video:
        for frame in FRAMES:
            video.write(frame)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_detector_of_ones_own_in_fifteen_lines(page, clip, capsys, monkeypatch):
    block = python_blocks(page)[0]
    assert len([line for line in block.splitlines() if line.strip()]) <= 15
    small = {"device": "cpu", "cfg_options": SMALL}
    monkeypatch.setattr(mmdet_vis, "load_model", lambda **given: load_model(**small, **given), raising=False)
    exec(compile(block, "proposers.md", "exec"), {})
    number, name, score = capsys.readouterr().out.splitlines()[0].split()
    assert (number, name, score) == ("1", "lamp", "0.9")


def test_a_registered_detector_is_named_in_a_config(page, clip, repository, monkeypatch):
    (clip / "my_detector.py").write_text(named_block(page, "# my_detector.py"))
    (clip / "configs").symlink_to(repository / "configs")
    (clip / "my_config.py").write_text(named_block(page, "# my_config.py"))
    monkeypatch.syspath_prepend(str(clip))
    try:
        config = load_config(clip / "my_config.py")
        config.merge_from_dict(SMALL)
        model = load_propagator(config, device="cpu")
        assert (model.categories, model.proposer.brightness) == (("lamp",), 200)
        assert segment_video(model, FRAMES).categories == ("lamp",)
    finally:
        sys.modules.pop("my_detector", None)
        PROPOSERS.module_dict.pop("Lamps", None)


def test_masks_of_anyone(page, clip, monkeypatch):
    small = {"device": "cpu", "cfg_options": SMALL}
    monkeypatch.setattr(mmdet_vis, "load_propagator", lambda: load_propagator(**small), raising=False)
    exec(compile(python_blocks(page)[3], "proposers.md", "exec"), {})


def test_names_are_those_of_the_program(page):
    names = {cells[0].partition(":")[0] for cells in table_cells(page, 0)[:5]}
    assert names == {"network", "torchvision", "transformers", "rfdetr", "files"}
    PROPOSERS.import_from_location()
    assert names - {"network"} <= PROPOSERS.module_dict.keys()
    assert {cells[0] for cells in table_cells(page, 0)[5:]} == set(PROPOSAL_SCORES)
    stream = build_parser().parse_args(["0", "--save-dir", "x", "--proposer", "torchvision"])
    assert stream.proposer == "torchvision"
    example = page.read_text().split("```json\n")[1].split("```")[0]
    assert json.loads(example)[0]["category_id"] == 18
