"""The model of the page: the detectors that it offers, by names without folders, and what cannot be had."""

from __future__ import annotations

import json

import pytest

from mmdet_vis.errors import ConfigError, DatasetError, UserError
from mmdet_vis.webui.models import ModelStore


@pytest.fixture
def found(tmp_path):
    folder = tmp_path / "found"
    folder.mkdir()
    (folder / "categories.json").write_text(json.dumps([{"id": 7, "name": "lamp"}]))
    (folder / "clip.json").write_text("[]")
    return folder


def test_detectors_of_the_server_and_files_of_a_user(tiny, found):
    arguments = {"config": tiny[0], "weights": tiny[1], "device": "cpu"}
    models = ModelStore(arguments, "float32", ["network", f"files:{found}"])
    assert {name: one.categories for name, one in models.detectors.items()} == {"files (found)": ("lamp",)}
    own = models.get(None)
    assert own.categories == ("cat", "dog", "bird")
    assert models.get("float32") is own, "it is loaded once"
    for detector in ("files (found)", found / "clip.json"):
        assert models.get(None, detector).categories == ("lamp",)
    assert models.get(None).proposer is None
    with pytest.raises(ConfigError, match="is not on this server"):
        models.get(None, "torchvision")
    with pytest.raises(DatasetError, match="does not exist"):
        models.get(None, found / "gone.json")
    assert models.get(None).categories == own.categories, "what failed leaves nothing behind"


def test_a_detector_that_cannot_be_had_is_said_before_the_server_starts(tiny):
    arguments = {"config": tiny[0], "weights": tiny[1], "device": "cpu"}
    for named in ("nothing", "files:gone", "torchvision:gone.pth", "files:"):
        with pytest.raises(UserError):
            ModelStore(arguments, "float32", [named])
