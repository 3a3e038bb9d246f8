"""Published checkpoints: every key and shape of the twelve configurations."""

from __future__ import annotations

import json

import pytest
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.weights.checkpoint import compare
from mmdet_vis.weights.published import UNUSED, guess_config

NAMES = (
    [f"seq_mask_rcnn_{b}_fpn_1x_youtubevis19_ftstage" for b in ("r50", "r101", "x101")]
    + [f"seq_mask_rcnn_{b}_fpn_1x_youtubevis21_ftstage" for b in ("r50", "x101")]
    + [f"seq_mask_rcnn_{b}_fpn_1x_davisuvos_ftstage" for b in ("r101", "x101")]
)
NAMES += [f"CateAwareReduce__{n}" for n in NAMES if "davis" not in n]


@pytest.mark.parametrize("name", NAMES)
def test_keys_and_shapes_agree(repository, shared, name):
    contract = json.loads((shared / "reference" / "contracts" / f"contract_{name}.json").read_text())
    with torch.device("meta"):
        model = build_model(load_config(repository / contract["config"]))
        state = {k: torch.empty(v[0]) for k, v in contract["state_dict"].items()}
    ours = {k: tuple(v.shape) for k, v in model.state_dict().items()}
    theirs = {k: tuple(v.shape) for k, v in state.items() if k not in contract["unused_at_inference"]}
    assert ours == theirs
    assert all(UNUSED.fullmatch(k) for k in contract["unused_at_inference"])
    assert compare(ours, state).fits
    assert guess_config(state).split()[0] == contract["config"].replace("CateAwareReduce/", "").replace(
        "youtubevis21", "youtubevis19"
    )


def test_all_configs_of_the_zoo_are_covered(repository):
    files = {p.stem for p in (repository / "configs" / "SeqMaskRCNN").glob("*ftstage.py")}
    files |= {f"CateAwareReduce__{p.stem}" for p in (repository / "configs/SeqMaskRCNN/CateAwareReduce").glob("*.py")}
    assert files == set(NAMES)
