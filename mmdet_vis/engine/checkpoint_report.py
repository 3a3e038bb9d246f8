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
    r"|.*\.num_batches_tracked"
)
"""Keys of published checkpoints that no forward pass uses."""

DEPTHS = {6: "r50", 23: "r101"}
BACKBONES = {"r50": "ResNet-50", "r101": "ResNet-101", "x101": "ResNeXt-101"}
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
    guess = guess_config(state)
    advice = f"; it looks made for {guess}" if guess else "; it does not look like a Seq Mask R-CNN checkpoint"
    return f"checkpoint {path} does not fit this config: {', '.join(parts)}{advice}"


def guess_config(state: Mapping[str, Tensor]) -> str | None:
    """The published config that a state dict seems to belong to, or None.

    The number of blocks gives the depth, the width of a grouped convolution tells ResNeXt from ResNet, and the
    classifier tells DAVIS (2 classes) from YouTube-VIS (41).
    """
    blocks = {m.group(1) for k in state if (m := re.match(r"backbone\.layer3\.(\d+)\.", k))}
    network = DEPTHS.get(len(blocks))
    classifier = state.get("bbox_head.fc_cls.weight")
    if network is None or classifier is None:
        return None
    grouped = state.get("backbone.layer1.0.conv2.weight")
    if network == "r101" and grouped is not None and grouped.shape[1] != grouped.shape[0]:
        network = "x101"
    classes = classifier.shape[0]
    data = {2: "davisuvos", 41: "youtubevis19"}.get(classes)
    if data is None:
        return f"a {BACKBONES[network]} config with num_classes={classes}"
    return f"configs/SeqMaskRCNN/seq_mask_rcnn_{network}_fpn_1x_{data}_ftstage.py" + (
        " (or its YouTube-VIS 2021 or category-aware sister)" if classes == 41 else ""
    )


def _list(items: list[str]) -> str:
    more = len(items) - SHOWN
    return ", ".join(items[:SHOWN]) + (f" and {more} more" if more > 0 else "")
