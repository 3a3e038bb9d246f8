"""What published checkpoints are known by: their backbone, the config they belong to, and keys that nothing uses."""

from __future__ import annotations

import re
from collections.abc import Mapping

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
