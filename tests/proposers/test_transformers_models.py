"""What the adapter gives is what transformers' own processor makes of a tiny model's output, on real frames."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from mmdet_vis.errors import CheckpointError, ConfigError
from mmdet_vis.proposers import TransformersProposer
from tests.proposers.frames import real_frames

NAMES = {0: "cat", 1: "dog", 2: "bird"}


def backbone(transformers):
    return transformers.SwinConfig(
        image_size=64,
        embed_dim=16,
        depths=[1, 1, 1, 1],
        num_heads=[1, 1, 2, 2],
        window_size=4,
        out_features=["stage1", "stage2", "stage3", "stage4"],
    )


def mask2former(transformers):
    config = transformers.Mask2FormerConfig(
        backbone_config=backbone(transformers),
        feature_size=32,
        mask_feature_size=32,
        hidden_dim=32,
        encoder_feedforward_dim=64,
        encoder_layers=1,
        decoder_layers=2,
        num_attention_heads=2,
        dim_feedforward=32,
        num_queries=6,
        id2label=NAMES,
    )
    return transformers.Mask2FormerForUniversalSegmentation(config), transformers.Mask2FormerImageProcessor


def maskformer(transformers):
    config = transformers.MaskFormerConfig(
        backbone_config=backbone(transformers),
        decoder_config=transformers.DetrConfig(
            d_model=32, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2, decoder_attention_heads=2,
            encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=6,
        ),
        fpn_feature_size=32,
        mask_feature_size=32,
        id2label=NAMES,
    )  # fmt: skip
    return transformers.MaskFormerForInstanceSegmentation(config), transformers.MaskFormerImageProcessor


@pytest.mark.parametrize("make", [mask2former, maskformer])
def test_objects_are_those_of_the_library(make, repository, tmp_path):
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    model, processor = make(transformers)
    with torch.no_grad():
        model.class_predictor.weight.normal_(std=8.0)
        model.class_predictor.bias[-1] = -50  # "no object"
        for name, parameter in model.named_parameters():
            if "mask_embed" in name:
                parameter.normal_(std=0.5)
    model.eval().save_pretrained(tmp_path)
    processor(size={"height": 64, "width": 64}, ignore_index=255, do_resize=True).save_pretrained(tmp_path)
    proposer = TransformersProposer(str(tmp_path), score_thr=0.1)
    assert proposer.categories == ("cat", "dog", "bird")
    images, places = real_frames(repository, 2)
    found = proposer.propose(images, places)
    theirs = transformers.AutoImageProcessor.from_pretrained(tmp_path)
    with torch.no_grad():
        output = model(**theirs(images=list(images), return_tensors="pt"))
    expected = theirs.post_process_instance_segmentation(
        output, threshold=0.1, target_sizes=[(90, 160)] * 2, return_binary_maps=True
    )
    for one, raw in zip(found, expected, strict=True):
        shown = [i for i, mask in enumerate(raw["segmentation"]) if mask.any()]
        assert shown
        assert np.array_equal(one.masks, raw["segmentation"][shown].numpy())
        infos = [raw["segments_info"][i] for i in shown]
        assert np.allclose(one.best, [info["score"] for info in infos], rtol=0, atol=1e-6)
        assert one.scores[:, 1:].argmax(axis=1).tolist() == [info["label_id"] for info in infos]
        for mask, box in zip(one.masks, one.boxes, strict=True):
            ys, xs = mask.nonzero()
            assert box.tolist() == [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]


def test_what_cannot_be_used_is_one_line(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    with pytest.raises(CheckpointError, match=r"is no folder with a config\.json"):
        TransformersProposer(str(tmp_path))
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CheckpointError, match="cannot be read as an instance segmenter"):
        TransformersProposer(str(tmp_path))
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ConfigError, match=r"needs the package transformers: pip install transformers"):
        TransformersProposer(str(tmp_path))


def test_without_a_network_one_line_says_what_to_do(tmp_path, monkeypatch):
    pytest.importorskip("transformers")
    import huggingface_hub
    from huggingface_hub.errors import LocalEntryNotFoundError

    def offline(*_: object, local_files_only: bool = False, **__: object) -> None:
        raise LocalEntryNotFoundError("not here") if local_files_only else OSError("Network is unreachable")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(CheckpointError, match=r"Network is unreachable; get the folder .*transformers:FOLDER"):
        TransformersProposer()
