"""tf32 is allowed where the user wants it, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.device import Precision
from mmdet_vis.ops.tf32 import tf32_products
from tests.tiny import moving_frames


def allowed():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_the_switch_is_put_back():
    before = allowed()
    with tf32_products(True):
        assert allowed() == (True, True)
        with tf32_products(False):
            assert allowed() == (False, False)
        assert allowed() == (True, True)
    assert allowed() == before
    with pytest.raises(KeyError):
        raise_within()
    assert allowed() == before


@tf32_products(False)
def raise_within():
    raise KeyError


def test_detection_and_scores_stay_in_float32(tiny, monkeypatch):
    model = load_model(*tiny, device="cpu")
    model.precision = Precision("tf32", torch.float32, tf32=True)
    network, seen = model.network, {}

    def spy(part):
        module = network.get_submodule(part)
        forward = module.forward

        def noted(*args, **kwargs):
            seen.setdefault(part, set()).add(allowed())
            return forward(*args, **kwargs)

        monkeypatch.setattr(module, "forward", noted)

    for part in ("rpn_head", "bbox_head.fc_cls", "mask_head", "prop_head.pred2", "backbone"):
        spy(part)
    segment_video(model, moving_frames(4), key_num=2)
    on, off = (True, True), (False, False)
    assert seen["rpn_head"] == seen["bbox_head.fc_cls"] == seen["mask_head"] == {off}
    assert seen["prop_head.pred2"] == {on}
    assert seen["backbone"] == {on, off}  # off for key frames
