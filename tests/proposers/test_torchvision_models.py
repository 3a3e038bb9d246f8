"""What the adapter gives is what torchvision's own model gives, on weights made here and real frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import detection

from mmdet_vis.errors import CheckpointError, ConfigError
from mmdet_vis.proposers import TorchvisionProposer
from tests.proposers.frames import real_frames

SMALL = {
    "min_size": 64,
    "max_size": 128,
    "box_score_thresh": 0.1,
    "box_detections_per_img": 6,
    "rpn_pre_nms_top_n_test": 40,
    "rpn_post_nms_top_n_test": 12,
}
COCO = 91


def made(name: str, classes: int = COCO, **options) -> detection.MaskRCNN:
    """The library's model with random weights that find something: initial ones give each class the same score."""
    torch.manual_seed(1)
    model = getattr(detection, name)(weights=None, weights_backbone=None, num_classes=classes, **options).eval()
    with torch.no_grad():
        model.roi_heads.box_predictor.cls_score.weight.normal_(std=0.3)
        model.roi_heads.mask_predictor.mask_fcn_logits.weight.normal_(std=0.5)
    return model


@pytest.fixture(scope="module")
def second(tmp_path_factory) -> tuple[Path, detection.MaskRCNN]:
    model = made("maskrcnn_resnet50_fpn_v2", **SMALL)
    path = tmp_path_factory.mktemp("torchvision") / "second.pth"
    torch.save(model.state_dict(), path)
    return path, model


def check_equal(proposer: TorchvisionProposer, model: detection.MaskRCNN, repository: Path) -> None:
    images, places = real_frames(repository)
    found = proposer.propose(images, places)
    with torch.no_grad():
        expected = model([torch.from_numpy(image).permute(2, 0, 1) / 255 for image in images])
    names = detection.MaskRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
    total = 0
    for one, theirs in zip(found, expected, strict=True):
        kept = [i for i, label in enumerate(theirs["labels"].tolist()) if names[label] != "N/A"]
        assert np.array_equal(one.boxes, theirs["boxes"][kept].numpy())
        assert np.array_equal(one.best, theirs["scores"][kept].numpy())
        assert [proposer.categories[i] for i in one.scores[:, 1:].argmax(axis=1)] == [
            names[label] for label in theirs["labels"][kept].tolist()
        ]
        assert np.array_equal(one.masks, (theirs["masks"][kept, 0] >= 0.5).numpy())
        total += len(kept)
    assert total >= 5
    assert any(one.masks.any() for one in found)


def test_the_second_model_is_torchvisions(second, repository):
    path, model = second
    proposer = TorchvisionProposer(str(path), **SMALL)
    assert len(proposer.categories) == 80
    assert proposer.categories[0] == "person"
    check_equal(proposer, model, repository)


@pytest.mark.slow
def test_the_first_model_is_torchvisions_with_both_kinds_of_norm(repository, tmp_path):
    model = made("maskrcnn_resnet50_fpn", **SMALL)
    torch.save(model.state_dict(), tmp_path / "batch_norm.pth")
    check_equal(TorchvisionProposer(str(tmp_path / "batch_norm.pth"), **SMALL), model, repository)
    state = {key: value for key, value in model.state_dict().items() if not key.endswith("num_batches_tracked")}
    torch.save(state, tmp_path / "frozen.pth")
    frozen = TorchvisionProposer(str(tmp_path / "frozen.pth"), **SMALL)
    assert any(type(module).__name__ == "FrozenBatchNorm2d" for module in frozen.model.modules())
    check_equal(frozen, frozen.model, repository)


def test_boxes_are_classified_as_the_library_does(second, repository):
    path, model = second
    proposer = TorchvisionProposer(str(path), **SMALL)
    images, _ = real_frames(repository, 2)
    boxes = [np.array([[10, 10, 60, 80], [50, 5, 150, 85]], np.float32), np.zeros((0, 4), np.float32)]
    scores, none = proposer.classify(images, boxes)
    assert none.shape == (0, 81)
    batch, _ = model.transform([torch.from_numpy(image).permute(2, 0, 1) / 255 for image in images])
    height, width = batch.image_sizes[0]
    scaled = torch.from_numpy(boxes[0]) * torch.tensor([width / 160, height / 90] * 2)
    with torch.no_grad():
        heads, features = model.roi_heads, model.backbone(batch.tensors)
        pooled = heads.box_roi_pool(features, [scaled, scaled[:0]], batch.image_sizes)
        expected = heads.box_predictor(heads.box_head(pooled))[0].softmax(dim=1).numpy()
    assert np.array_equal(scores, expected[:, [0, *proposer.columns]])
    assert (scores.sum(axis=1) <= 1 + 1e-6).all()


def test_what_does_not_fit_is_one_line(tmp_path):
    with pytest.raises(CheckpointError, match="does not exist"):
        TorchvisionProposer(str(tmp_path / "none.pth"))
    torch.save({"backbone.weight": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="is not of torchvision's Mask R-CNN"):
        TorchvisionProposer(str(tmp_path / "other.pth"))
    heads = ("box_predictor.cls_score.weight", "mask_predictor.mask_fcn_logits.weight")
    torch.save({f"roi_heads.{head}": torch.zeros(4, 1) for head in heads}, tmp_path / "four.pth")
    with pytest.raises(ConfigError, match=r"has 3 categories, none are given: name them, as in"):
        TorchvisionProposer(str(tmp_path / "four.pth"))
    with pytest.raises(CheckpointError, match="does not fit torchvision's Mask R-CNN"):
        TorchvisionProposer(str(tmp_path / "four.pth"), categories=["a", "b", "c"])


def test_without_a_network_one_line_names_the_file(tmp_path, monkeypatch):
    def offline(*_: object, **__: object) -> None:
        raise OSError("Network is unreachable")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", offline)
    with pytest.raises(CheckpointError) as error:
        TorchvisionProposer()
    assert "Network is unreachable; get maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth in another way" in str(error.value)
    assert "torchvision:/path/to/maskrcnn_resnet50_fpn_v2_coco-73cbd019.pth" in str(error.value)
    assert list((tmp_path / "checkpoints").iterdir()) == []
