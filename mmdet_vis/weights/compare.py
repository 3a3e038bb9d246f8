"""Comparing a checkpoint with a model, and saying in one line what is wrong and which config would fit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

UNUSED = re.compile(
    r"prop_head\.(convs\.[0-3]\.conv|upsample|conv_logits)\.(weight|bias)"
    # Counters of training steps: present or not, no forward pass reads them.
    r"|backbone\..*\.num_batches_tracked"
)
"""Keys of published checkpoints that no forward pass uses."""

DEPTHS = {6: 50, 23: 101, 36: 152}
"""Depth of a ResNet by the number of blocks in its third stage."""

PUBLISHED = {"ResNet-50": "r50", "ResNet-101": "r101", "ResNeXt-101 64x4d": "x101"}
DATASETS = {2: "davisuvos", 41: "youtubevis19"}
SHOWN = 3


@dataclass
class Comparison:
    """Keys of a model against those of a checkpoint.

    Attributes:
        usable: keys that fit.
        missing: keys that the model needs and the checkpoint lacks.
        unexpected: keys that the model does not know.
        reshaped: key, shape in the model, shape in the checkpoint.
    """

    usable: list[str]
    missing: list[str]
    unexpected: list[str]
    reshaped: list[tuple[str, tuple[int, ...], tuple[int, ...]]]

    @property
    def fits(self) -> bool:
        """Whether the checkpoint belongs to the model."""
        return not (self.missing or self.unexpected or self.reshaped)


def compare(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, Tensor]) -> Comparison:
    """Compare the shapes that a model expects with the tensors of a checkpoint."""
    shared = [k for k in expected if k in state]
    reshaped = [(k, expected[k], tuple(state[k].shape)) for k in shared if expected[k] != tuple(state[k].shape)]
    different = {k for k, _, _ in reshaped}
    return Comparison(
        usable=[k for k in shared if k not in different],
        missing=[k for k in expected if k not in state and not UNUSED.fullmatch(k)],
        unexpected=[k for k in state if k not in expected and not UNUSED.fullmatch(k)],
        reshaped=reshaped,
    )


def describe_mismatch(path: Path, comparison: Comparison, state: Mapping[str, Tensor]) -> str:
    """One line: what does not fit, and the config that the checkpoint seems made for."""
    parts = []
    if comparison.missing:
        parts.append(f"{len(comparison.missing)} missing ({_list(comparison.missing)})")
    if comparison.unexpected:
        parts.append(f"{len(comparison.unexpected)} left over ({_list(comparison.unexpected)})")
    if comparison.reshaped:
        shown = [f"{k} is {list(got)} instead of {list(want)}" for k, want, got in comparison.reshaped]
        parts.append(f"{len(comparison.reshaped)} of another shape ({_list(shown)})")
    return f"checkpoint {path} does not fit this config: {', '.join(parts)}; {_origin(comparison, state)}"


def _origin(comparison: Comparison, state: Mapping[str, Tensor]) -> str:
    guess = guess_config(state)
    if guess is not None:
        return f"it looks made for {guess}"
    classifier = state.get("bbox_head.fc_cls.weight")
    if classifier is None or not classifier.ndim or not any(key.startswith("prop_head.") for key in state):
        return "it does not look like a Seq Mask R-CNN checkpoint"
    backbone = guess_backbone(state)
    wrong = comparison.missing + comparison.unexpected + [key for key, _, _ in comparison.reshaped]
    if any(key.startswith("backbone.") for key in wrong):
        return f"it was made for another backbone ({backbone or 'of an unknown kind'})"
    return f"it was made for a config with num_classes={len(classifier)}"


def guess_backbone(state: Mapping[str, Tensor]) -> str | None:
    """The backbone of a state dict, e.g. ``ResNet-152``, or None.

    The number of blocks gives the depth; the width of a grouped convolution tells ResNeXt from ResNet.
    """
    if any(key.startswith("backbone.body.") for key in state):
        return "a timm model"
    blocks = {m.group(1) for k in state if (m := re.match(r"backbone\.layer3\.(\d+)\.", k))}
    depth = DEPTHS.get(len(blocks))
    grouped = state.get("backbone.layer1.0.conv2.weight")
    if depth is None or grouped is None or grouped.ndim != 4:
        return None
    channels, width = grouped.shape[:2]
    if channels == width:
        return f"ResNet-{depth}"
    return f"ResNeXt-{depth} {channels // max(width, 1)}x{width}d"


def guess_config(state: Mapping[str, Tensor]) -> str | None:
    """The published config that a state dict seems to belong to, or None.

    The classifier tells DAVIS (2 classes) from YouTube-VIS (41).
    """
    network = PUBLISHED.get(guess_backbone(state) or "")
    classifier = state.get("bbox_head.fc_cls.weight")
    data = DATASETS.get(len(classifier)) if classifier is not None and classifier.ndim else None
    if network is None or data is None or not any(key.startswith("prop_head.") for key in state):
        return None
    return f"configs/SeqMaskRCNN/seq_mask_rcnn_{network}_fpn_1x_{data}_ftstage.py" + (
        " (or its YouTube-VIS 2021 or category-aware sister)" if data == "youtubevis19" else ""
    )


def _list(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
