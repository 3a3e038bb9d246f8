"""MMDetection's Mask R-CNN, and published weights, to and from our names."""

from __future__ import annotations

import json

import pytest
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.errors import CheckpointError
from mmdet_vis.models.heads.rpn import RPN_STDS
from mmdet_vis.structures.boxes import decode_boxes, to_half_open
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.weights.convert import FORMATS, convert_weights
from mmdet_vis.weights.convert.mmdet import categories
from mmdet_vis.weights.convert.translation import Options
from mmdet_vis.weights.published import UNUSED

BASE = "configs/SeqMaskRCNN/seq_mask_rcnn_{}_fpn_1x_youtubevis19_ftstage.py"
HEADS = ("bbox_head.", "mask_head.")


def random_state(model):
    generator = torch.Generator().manual_seed(0)
    return {k: torch.randn(v.shape, generator=generator) * 0.1 for k, v in model.state_dict().items()}


@pytest.fixture(scope="module")
def model(tiny):
    """Three categories: a box head of four rows here, of three and the background there."""
    return build_model(load_config(tiny[0])).eval()


@pytest.fixture(scope="module")
def theirs(model):
    """A state dict as MMDetection names and shapes it, without the part that only we have."""
    state = {}
    for name, value in random_state(model).items():
        if name.startswith("prop_head."):
            continue
        rows = {"bbox_head.fc_reg": 4, "mask_head.conv_logits": 1}.get(name.rpartition(".")[0], 0)
        state[f"roi_head.{name}" if name.startswith(HEADS) else name] = value[rows:] if rows else value
    return state


@pytest.fixture
def report(theirs, tiny, tmp_path):
    torch.save({"meta": {"epoch": 12}, "state_dict": theirs}, tmp_path / "theirs.pth")
    return convert_weights(tmp_path / "theirs.pth", tmp_path / "ours.safetensors", "mmdet", config=tiny[0])


def test_everything_but_the_propagation_head_is_there(report, theirs):
    assert set(report.used.values()) == set(theirs)
    assert not report.dropped
    assert all(name.startswith("prop_head.") for name in report.random)


@torch.no_grad()
def test_heads(report, model, theirs, tmp_path):
    """Class c of theirs is class c + 1 of ours; their last is our background."""
    model.load_state_dict(read_state_dict(tmp_path / "ours.safetensors"), strict=False)
    regions = torch.randn(5, 16, 7, 7, generator=torch.Generator().manual_seed(1))
    logits, deltas = model.bbox_head(regions)
    hidden = model.bbox_head.embed(regions)
    head = {k.removeprefix("roi_head.bbox_head."): v for k, v in theirs.items()}
    expected = hidden @ head["fc_cls.weight"].T + head["fc_cls.bias"]
    assert torch.allclose(logits[:, 1:], expected[:, :3], atol=1e-5)
    assert torch.allclose(logits[:, 0], expected[:, 3], atol=1e-5)
    expected = hidden @ head["fc_reg.weight"].T + head["fc_reg.bias"]
    assert torch.allclose(deltas.reshape(5, 4, 4)[:, 1:], expected.reshape(5, 3, 4), atol=1e-5)
    assert not deltas[:, :4].any()
    logits = theirs["roi_head.mask_head.conv_logits.weight"]
    assert torch.equal(model.mask_head.conv_logits.weight[1:], logits)
    assert not model.mask_head.conv_logits.weight[0].any()


@torch.no_grad()
def test_proposals(report, model, theirs, tmp_path):
    """MMDetection's anchors are not rounded and centred on the corner of their cell."""
    model.load_state_dict(read_state_dict(tmp_path / "ours.safetensors"), strict=False)
    generator = torch.Generator().manual_seed(1)
    levels = [torch.randn(1, 16, 3, 5, generator=generator) for _ in range(5)]
    _, deltas = model.rpn_head(levels)
    bias = theirs["rpn_head.rpn_reg.bias"] - model.rpn_head.rpn_reg.bias
    for level, delta in enumerate(deltas):
        stride = 4 * 2**level
        root = torch.tensor([0.5, 1, 2]).sqrt()
        size = torch.stack((8 * stride / root, 8 * stride * root), dim=1)
        y, x = torch.meshgrid(torch.arange(3.0), torch.arange(5.0), indexing="ij")
        centre = (torch.stack((x, y), dim=2) * stride)[:, :, None]
        change = (delta + bias).reshape(3, 5, 3, 4)
        middle = centre + size * change[..., :2]
        half = 0.5 * size * change[..., 2:].exp()
        expected = torch.cat((middle - half, middle + half), dim=-1).reshape(-1, 4)
        grid = model.rpn_head.anchors.grid(level, 3, 5, torch.device("cpu"))
        found = to_half_open(decode_boxes(grid, delta.reshape(-1, 4), RPN_STDS))
        apart = (expected - found).abs().reshape(-1, 3, 4).amax(dim=(0, 2))
        assert apart[1] < 1e-3  # square anchors are whole numbers
        assert apart.max() < 2  # of the others, 23 to 724 pixels long, ours are rounded


def test_names_of_categories():
    assert len(categories()) == 81
    assert categories()[1::79] == ["person", "toothbrush"]


def test_there_and_back(theirs):
    read = FORMATS["mmdet"].read(theirs, Options())
    found = FORMATS["mmdet"].write(read.weights, Options()).weights
    assert found.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.allclose(found[name], value, atol=1e-6), name


def test_other_anchors_lose_the_outputs_of_the_rpn(theirs, tiny, tmp_path):
    config = tmp_path / "other.py"
    config.write_text(f'_base_ = "{tiny[0].as_posix()}"\nmodel = dict(rpn_head=dict(scales=[4]))\n')
    torch.save(theirs, tmp_path / "theirs.pth")
    report = convert_weights(tmp_path / "theirs.pth", tmp_path / "ours.pth", "mmdet", config=config)
    lost = {f"rpn_head.{layer}.{kind}" for layer in ("rpn_cls", "rpn_reg") for kind in ("weight", "bias")}
    assert {name for name, loss in report.dropped.items() if loss.reason == "made for other anchors"} == lost
    assert lost < set(report.random)
    assert "rpn_head.rpn_conv.weight" in report.used


def test_regression_that_all_classes_share(theirs, tiny, tmp_path):
    state = dict(theirs)
    for kind in ("weight", "bias"):
        state[f"roi_head.bbox_head.fc_reg.{kind}"] = state[f"roi_head.bbox_head.fc_reg.{kind}"][:4]
    torch.save(state, tmp_path / "w.pth")
    report = convert_weights(tmp_path / "w.pth", tmp_path / "o.pth", "mmdet", config=tiny[0], classes=["3", "1", "2"])
    assert set(report.dropped) == {"roi_head.bbox_head.fc_reg.weight", "roi_head.bbox_head.fc_reg.bias"}
    found = read_state_dict(tmp_path / "o.pth")["bbox_head.fc_cls.bias"]
    assert torch.equal(found, theirs["roi_head.bbox_head.fc_cls.bias"][[3, 2, 0, 1]])


@pytest.mark.parametrize("network", ["r50", "r101", "x101"])
def test_published_names(shared, repository, network):
    """Names and shapes of published checkpoints pass both ways; only what no forward pass uses is missing."""
    name = f"contract_seq_mask_rcnn_{network}_fpn_1x_youtubevis19_ftstage.json"
    contract = json.loads((shared / "reference/contracts" / name).read_text())["state_dict"]
    with torch.device("meta"):
        state = {name: torch.empty(shape) for name, (shape, _) in contract.items()}
        model = build_model(load_config(repository / BASE.format(network)))
    read = FORMATS["published"].read(state, Options())
    assert read.weights.keys() == model.state_dict().keys()
    assert all(UNUSED.fullmatch(name) for name in read.dropped)
    written = FORMATS["published"].write(model.state_dict(), Options()).weights
    assert contract.keys() - written.keys() == read.dropped.keys()
    assert all(list(value.shape) == contract[name][0] for name, value in written.items())


@pytest.mark.parametrize("target", ["published", "torchvision", "mmdet"])
def test_backbones_of_timm_have_no_names_elsewhere(tiny, tmp_path, target):
    with pytest.raises(CheckpointError, match=f"{target} has no names for its backbone \\(a timm model\\)"):
        convert_weights(tiny[1], tmp_path / "w.pth", "ours", target)
    assert not list(tmp_path.iterdir())
