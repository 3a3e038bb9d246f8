"""MobileNetV2 out of a frozen TensorFlow graph, which the test writes as the protocol buffer that it is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor

from mmdet_vis.errors import CheckpointError
from mmdet_vis.models.backbones.timm_backbone import TimmBackbone
from mmdet_vis.weights.convert import convert_weights
from mmdet_vis.weights.convert.tensorflow import read_graph

CONFIG = "configs/SeqMaskRCNN/seq_mask_rcnn_mobilenetv2_fpn_stills.py"
SCOPE = "FeatureExtractor/MobilenetV2/"
BLOCKS = [(1, 16, 1), (6, 24, 2), (6, 24, 1), (6, 32, 2), (6, 32, 1), (6, 32, 1), *[(6, 64, 2)], *[(6, 64, 1)] * 3]
BLOCKS += [(6, 96, 1)] * 3 + [(6, 160, 2)] + [(6, 160, 1)] * 2 + [(6, 320, 1)]
"""Expansion, channels and stride of each block: table 2 of the paper."""


def number(value: int) -> bytes:
    out = b""
    while value > 127:
        out += bytes([value & 127 | 128])
        value >>= 7
    return out + bytes([value])


def field(place: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return number(place << 3) + number(value)
    return number(place << 3 | 2) + number(len(value)) + value


def constant(name: str, value: NDArray[np.float32], last: bool) -> bytes:
    """A node of the graph; its attributes may come in any order."""
    shape = b"".join(field(2, field(1, side)) for side in value.shape)
    tensor = field(1, 1) + field(2, shape) + field(4, value.astype("<f4").tobytes())
    attributes = [
        field(5, field(1, b"dtype") + field(2, field(6, 1))),
        field(5, field(1, b"value") + field(2, field(8, tensor))),
    ]
    return field(1, field(1, name.encode()) + field(2, b"Const") + b"".join(attributes if last else attributes[::-1]))


@pytest.fixture(scope="module")
def weights() -> dict[str, NDArray[np.float32]]:
    """Random weights under the graph's names, convolutions as TensorFlow lays them out."""
    rng = np.random.default_rng(0)
    found: dict[str, NDArray[np.float32]] = {}

    def layer(name: str, kernel: int, inputs: int, outputs: int, kind: str = "weights") -> None:
        fan = kernel * kernel * (inputs if kind == "weights" else 1)
        found[f"{name}/{kind}"] = rng.normal(0, (2 / fan) ** 0.5, (kernel, kernel, inputs, outputs)).astype(np.float32)
        width = outputs if kind == "weights" else inputs
        for part in ("gamma", "moving_variance"):
            found[f"{name}/BatchNorm/{part}"] = rng.uniform(0.5, 1.5, width).astype(np.float32)
        for part in ("beta", "moving_mean"):
            found[f"{name}/BatchNorm/{part}"] = rng.normal(0, 0.1, width).astype(np.float32)

    layer(f"{SCOPE}Conv", 3, 3, 32)
    width = 32
    for index, (expansion, channels, _) in enumerate(BLOCKS):
        name = f"{SCOPE}expanded_conv{f'_{index}' if index else ''}"
        if expansion > 1:
            layer(f"{name}/expand", 1, width, width * expansion)
        layer(f"{name}/depthwise", 3, width * expansion, 1, "depthwise_weights")
        layer(f"{name}/project", 1, width * expansion, channels)
        width = channels
    layer("BoxPredictor_0/ClassPredictor", 1, 8, 12)
    return found


@pytest.fixture
def graph(weights: dict[str, NDArray[np.float32]], tmp_path: Path) -> Path:
    nodes = [constant(name, value, bool(i % 2)) for i, (name, value) in enumerate(weights.items())]
    nodes.insert(3, field(1, field(1, b"image_tensor") + field(2, b"Placeholder")))
    file = tmp_path / "frozen_inference_graph.pb"
    file.write_bytes(b"".join(nodes) + field(4, field(1, 21)))
    return file


def last_stage(weights: dict[str, NDArray[np.float32]], x: Tensor) -> Tensor:
    """What TensorFlow computes: SAME padding, and batch normalisation with an epsilon of 0.001."""

    def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
        depthwise = f"{name}/depthwise_weights" in weights
        value = torch.from_numpy(weights[f"{name}/{'depthwise_' * depthwise}weights"])
        kernel = value.permute((2, 3, 0, 1) if depthwise else (3, 2, 0, 1))
        over = max((-(-x.shape[2] // stride) - 1) * stride + kernel.shape[-1] - x.shape[2], 0)
        x = F.pad(x, [over // 2, over - over // 2] * 2)
        x = F.conv2d(x, kernel, stride=stride, groups=x.shape[1] if depthwise else 1)
        parts = ("moving_mean", "moving_variance", "gamma", "beta")
        return F.batch_norm(x, *(torch.from_numpy(weights[f"{name}/BatchNorm/{part}"]) for part in parts), eps=1e-3)

    x = F.relu6(layer(x, f"{SCOPE}Conv", 2))
    for index, (expansion, channels, stride) in enumerate(BLOCKS):
        name, before = f"{SCOPE}expanded_conv{f'_{index}' if index else ''}", x
        if expansion > 1:
            x = F.relu6(layer(x, f"{name}/expand"))
        x = layer(F.relu6(layer(x, f"{name}/depthwise", stride)), f"{name}/project")
        if stride == 1 and before.shape[1] == channels:
            x = x + before
    return x


@torch.no_grad()
def test_the_backbone_computes_what_the_graph_does(
    weights: dict[str, NDArray[np.float32]], graph: Path, repository: Path, tmp_path: Path
) -> None:
    report = convert_weights(graph, tmp_path / "b.safetensors", "tensorflow", config=repository / CONFIG)
    assert all(name.startswith("BoxPredictor_0") for name in report.dropped)
    assert len(report.used) + len(report.dropped) == len(weights)
    assert not any(name.startswith("backbone.") for name in report.random)
    assert not report.notes  # the config's mean and deviation are what the weights expect
    backbone = TimmBackbone("mobilenetv2_100", pad_type="same").eval()
    state = load_file(tmp_path / "b.safetensors")
    backbone.load_state_dict({name.removeprefix("backbone."): value for name, value in state.items()}, strict=False)
    image = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    expected = last_stage(weights, image)
    assert expected.std() > 0.05
    torch.testing.assert_close(backbone(image)[3], expected, rtol=1e-3, atol=1e-3 * float(expected.std()))


@pytest.mark.parametrize("damage", ["cut", "text", "missing"])
def test_what_is_no_graph_is_said(damage: str, graph: Path) -> None:
    if damage == "cut":
        graph.write_bytes(graph.read_bytes()[:-5000])
    elif damage == "text":
        graph.write_text("this is no graph")
    else:
        graph.unlink()
    with pytest.raises(CheckpointError, match=r"frozen_inference_graph\.pb (is no frozen|cannot be opened)"):
        read_graph(graph)
