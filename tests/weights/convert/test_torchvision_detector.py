"""torchvision's Mask R-CNN and ours give the same numbers from the same weights."""

from __future__ import annotations

import pytest
import torch
from torchvision.models.detection import MaskRCNN, maskrcnn_resnet50_fpn_v2
from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
from torchvision.models.detection.image_list import ImageList
from torchvision.ops import FrozenBatchNorm2d

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.errors import CheckpointError
from mmdet_vis.models.heads.rpn import RPN_STDS
from mmdet_vis.structures.boxes import decode_boxes, to_half_open
from mmdet_vis.weights.checkpoint import load_checkpoint, read_state_dict, write_state
from mmdet_vis.weights.convert import convert_weights
from mmdet_vis.weights.convert.torchvision_detector import OLD, PAIRS, categories

SIZE = (128, 192)  # multiples of 64, or torchvision squeezes the anchors of the last level
CONFIG = '_base_ = "{}"\nmodel = dict(bbox_head=dict(num_classes={}), mask_head=dict(num_classes={}))\n'
BASE = "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"


def detector(eps):
    """torchvision's model with weights at random that matter: every output varies."""
    torch.manual_seed(0)
    model = MaskRCNN(resnet_fpn_backbone(backbone_name="resnet50", weights=None), num_classes=91).eval()
    for module in model.modules():
        if isinstance(module, FrozenBatchNorm2d):
            module.eps = eps
            module.weight.uniform_(0.2, 0.6)
            module.running_mean.normal_(std=0.1)
            module.running_var.uniform_(2e-5, 1)  # small enough for the epsilon to count
    with torch.no_grad():
        levels = model.backbone(images())
        head = model.rpn.head
        spread = torch.cat([x.flatten() for x in head(list(levels.values()))[1]]).std()
        head.bbox_pred.weight *= 0.2 / spread
        head.bbox_pred.bias.normal_(std=0.1)
    return model


def images():
    return torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module")
def theirs():
    return detector(eps=0.0)


@pytest.fixture(scope="module")
def folder(theirs, repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("torchvision")
    for classes in (91, 3):
        (folder / f"{classes}.py").write_text(CONFIG.format((repository / BASE).as_posix(), classes, classes))
    torch.save(theirs.state_dict(), folder / "theirs.pth")
    return folder


@pytest.fixture(scope="module")
def report(folder):
    return convert_weights(folder / "theirs.pth", folder / "ours.safetensors", "torchvision", config=folder / "91.py")


@pytest.fixture(scope="module")
def ours(folder, report):
    model = build_model(load_config(folder / "91.py")).eval()
    model.load_state_dict(read_state_dict(folder / "ours.safetensors"), strict=False)
    return model


@pytest.fixture(scope="module")
def features(theirs, ours):
    with torch.no_grad():
        return theirs.backbone(images()), ours.extract(images()).levels


def close(a, b, tolerance=1e-5):
    assert a.shape == b.shape
    assert (a - b).abs().max() <= tolerance * a.abs().max()


def test_report(report, theirs):
    assert len(report.used) == len(theirs.state_dict())
    assert not report.dropped
    assert report.random
    assert all(name.startswith("prop_head.") for name in report.random)
    assert "epsilon 0 " in str(report)


def test_pyramid(features):
    theirs, ours = features
    for a, b in zip(theirs.values(), ours, strict=True):
        close(a, b)


@torch.no_grad()
def test_proposals(theirs, ours, features):
    """Scores are equal; boxes are, but for the rounding of anchors to whole pixels."""
    levels = list(features[0].values())
    scores, changes = theirs.rpn.head(levels)
    anchors = theirs.rpn.anchor_generator(ImageList(torch.zeros(1, 3, *SIZE), [SIZE]), levels)[0]
    sizes = [s.numel() for s in scores]
    logits, deltas = ours.rpn_head(features[1])
    for i, anchor in enumerate(anchors.split(sizes)):
        close(scores[i].permute(0, 2, 3, 1), logits[i])
        delta = changes[i].permute(0, 2, 3, 1).reshape(-1, 4)
        expected = theirs.rpn.box_coder.decode(delta, [anchor])[:, 0]
        grid = ours.rpn_head.anchors.grid(i, *logits[i].shape[1:3], torch.device("cpu"))
        found = to_half_open(decode_boxes(grid, deltas[i].reshape(-1, 4), RPN_STDS))
        assert (delta.std(0) > 0.01).all()
        assert (expected - found).abs().max() < 0.1
        uncorrected = to_half_open(decode_boxes(grid, delta, RPN_STDS))
        assert (expected - uncorrected).abs().max() > 0.45 * 2 ** (i + 2)


@torch.no_grad()
def test_box_and_mask_heads(theirs, ours, features):
    """A half-open box of torchvision is ours with both last pixels one less."""
    boxes = torch.tensor([[3.0, 5.0, 60.5, 70.0], [10.0, 2.0, 150.0, 120.0], [40.2, 30.1, 52.0, 41.0]])
    rois = torch.cat((torch.zeros(3, 1), boxes - torch.tensor([0.0, 0.0, 1.0, 1.0])), dim=1)
    heads = theirs.roi_heads
    pooled = heads.box_head(heads.box_roi_pool(features[0], [boxes], [SIZE]))
    logits, deltas = heads.box_predictor(pooled)
    found_logits, found_deltas = ours.bbox_head(ours.bbox_roi_extractor(features[1], rois))
    close(logits, found_logits)
    expected = heads.box_coder.decode(deltas, [boxes])
    found = decode_boxes(rois[:, 1:], found_deltas, ours.bbox_head.stds).reshape(3, 91, 4)
    close(expected, to_half_open(found))
    assert (expected - boxes[:, None]).abs().max() > 0.1
    masks = heads.mask_predictor(heads.mask_head(heads.mask_roi_pool(features[0], [boxes], [SIZE])))
    close(masks, ours.mask_head(ours.mask_roi_extractor(features[1], rois)))


def test_back_to_torchvision(theirs, ours, folder):
    write_state(ours.state_dict(), folder / "whole.safetensors")
    report = convert_weights(folder / "whole.safetensors", folder / "back.pth", "ours", "torchvision")
    found = read_state_dict(folder / "back.pth")
    assert found.keys() == theirs.state_dict().keys()
    for name, value in theirs.state_dict().items():
        assert torch.allclose(value, found[name], rtol=1e-6, atol=1e-7), name
    assert any(name.startswith("prop_head.") for name in report.dropped)
    assert sum(name.endswith("num_batches_tracked") for name in report.dropped) == 53


def test_names_of_the_published_file(theirs, folder):
    """The same weights under torchvision's names before 0.13, which its COCO file still has."""
    new = {ours: name for name, ours in PAIRS}
    state = theirs.state_dict()
    for old, ours in OLD:
        state = {old + k.removeprefix(new[ours]) if k.startswith(new[ours]) else k: v for k, v in state.items()}
    assert "backbone.fpn.inner_blocks.0.weight" in state
    assert "roi_heads.mask_head.mask_fcn1.weight" in state
    torch.save(state, folder / "old.pth")
    convert_weights(folder / "old.pth", folder / "old.safetensors", "torchvision", config=folder / "91.py")
    expected = read_state_dict(folder / "ours.safetensors")
    found = read_state_dict(folder / "old.safetensors")
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_second_version_gives_its_backbone(folder):
    with torch.device("meta"):
        model = maskrcnn_resnet50_fpn_v2(weights=None, weights_backbone=None)
    torch.save({k: torch.zeros(v.shape) for k, v in model.state_dict().items()}, folder / "v2.pth")
    report = convert_weights(folder / "v2.pth", folder / "v2.safetensors", "torchvision", config=folder / "91.py")
    assert all(name.startswith("backbone.") for name in report.used)
    assert {loss.reason for loss in report.dropped.values()} == {"another architecture (v2)"}
    assert any(name.startswith("neck.") for name in report.random)
    assert len(report.notes) == 1
    assert "maskrcnn_resnet50_fpn_v2" in report.notes[0]


def test_chosen_classes(theirs, folder):
    target = folder / "chosen.safetensors"
    convert_weights(folder / "theirs.pth", target, "torchvision", config=folder / "3.py", classes=["dog", "1"])
    found, state = read_state_dict(target), theirs.state_dict()
    rows = [0, categories().index("dog"), 1]
    assert torch.equal(found["bbox_head.fc_cls.weight"], state["roi_heads.box_predictor.cls_score.weight"][rows])
    expected = state["roi_heads.box_predictor.bbox_pred.weight"].reshape(91, 4, -1)[rows].reshape(12, -1)
    assert torch.equal(found["bbox_head.fc_reg.weight"], expected)
    expected = state["roi_heads.mask_predictor.mask_fcn_logits.bias"][rows]
    assert torch.equal(found["mask_head.conv_logits.bias"], expected)


def test_other_numbers_of_classes(folder):
    convert = (folder / "theirs.pth", folder / "few.safetensors", "torchvision", "ours", folder / "3.py")
    report = convert_weights(*convert)
    assert {loss.ours for loss in report.dropped.values()} == {
        f"{layer}.{kind}"
        for layer in ("bbox_head.fc_cls", "bbox_head.fc_reg", "mask_head.conv_logits")
        for kind in ("weight", "bias")
    }
    assert "91 classes with the background, the model 3" in str(report)
    dropped = convert_weights(*convert, drop_classes=True)
    assert dropped.used == report.used
    assert {loss.reason for loss in dropped.dropped.values()} == {"depends on the classes"}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (["dgo"], "no class 'dgo'; did you mean 'dog'"),
        (["91"], "no class '91'; use names or numbers 1 to 90"),
        (["0"], "no class '0'"),
        (["person", "1"], "'1' is listed twice"),
    ],
)
def test_wrong_classes(folder, classes, message):
    with pytest.raises(CheckpointError, match=message):
        convert_weights(
            folder / "theirs.pth", folder / "no.pth", "torchvision", config=folder / "3.py", classes=classes
        )
    assert not (folder / "no.pth").exists()


def test_whole_checkpoint_loads_strictly_after_a_round_trip(ours, folder):
    """Published names are ours, so what comes out of them is a whole checkpoint again."""
    write_state(ours.state_dict(), folder / "whole.safetensors")
    convert_weights(folder / "whole.safetensors", folder / "published.pth", "ours", "published")
    convert_weights(folder / "published.pth", folder / "again.pth", "published", config=folder / "91.py")
    other = build_model(load_config(folder / "91.py"))
    load_checkpoint(other, folder / "again.pth")
    assert all(torch.equal(a, b) for a, b in zip(ours.state_dict().values(), other.state_dict().values(), strict=True))
