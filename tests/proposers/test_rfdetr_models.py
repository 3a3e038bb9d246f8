"""What the adapter gives is what rfdetr's own model finds; needs the package, whose weights are made here."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from mmdet_vis.errors import ConfigError
from mmdet_vis.proposers import RFDETRProposer
from tests.proposers.frames import real_frames


@pytest.mark.slow
def test_objects_are_those_of_the_library(repository, tmp_path):
    rfdetr = pytest.importorskip("rfdetr")
    torch.manual_seed(0)
    model = rfdetr.RFDETRSegNano(pretrain_weights=None, num_classes=3, resolution=120)
    with torch.no_grad():
        model.model.model.class_embed.weight.normal_(std=0.3)
        model.model.model.class_embed.bias.zero_()
    config = {"pretrain_weights": "rf-detr-seg-nano.pt", "num_classes": 3, "class_names": ["cat", "dog", "bird"]}
    path = tmp_path / "rf-detr-seg-nano.pth"
    torch.save({"model": model.model.model.state_dict(), "args": config, "model_name": "RFDETRSegNano"}, path)
    proposer = RFDETRProposer(str(path), score_thr=0.1, resolution=120)
    assert proposer.categories == ("cat", "dog", "bird")
    proposer.to(torch.device("cpu"))
    images, places = real_frames(repository, 2)
    found = proposer.propose(images, places)
    expected = model.predict(list(images), threshold=0.1)
    for one, theirs in zip(found, expected, strict=True):
        kept = [i for i, label in enumerate(theirs.class_id) if label < 3]
        assert len(kept) > 2
        assert np.array_equal(one.boxes, theirs.xyxy[kept])
        assert np.array_equal(one.best, theirs.confidence[kept])
        assert one.scores[:, 1:].argmax(axis=1).tolist() == theirs.class_id[kept].tolist()
        assert np.array_equal(one.masks, theirs.mask[kept])


def test_without_the_package_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "rfdetr", None)
    with pytest.raises(ConfigError, match=r"needs the package rfdetr: pip install rfdetr"):
        RFDETRProposer()
