"""The weights that the reference's results were computed with: drawn anew for each key, by rules and a few tables.

Each key has a random stream of its own, seeded with the CRC-32 of its name. Convolutions and linear layers are normal
with a variance of 2 / fan-in, batch normalisations are close to neutral. Factors and shifts then make the network find
something: proposals of a useful size, few classes that win, memory keys that tell places apart.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Callable, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Draw = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float64]]

_NORM = r"backbone\.(bn1|layer\d+\.\d+\.(bn\d|downsample\.1))\."
RULES: list[tuple[str, Draw]] = [
    (r"backbone\.layer\d+\.\d+\.bn3\.weight", lambda rng, shape: rng.uniform(0.1, 0.3, shape)),
    (rf"{_NORM}weight", lambda rng, shape: rng.uniform(0.8, 1.2, shape)),
    (rf"{_NORM}bias", lambda rng, shape: rng.normal(0.0, 0.05, shape)),
    (rf"{_NORM}running_mean", lambda rng, shape: rng.normal(0.0, 0.1, shape)),
    (rf"{_NORM}running_var", lambda rng, shape: rng.uniform(0.8, 1.2, shape)),
    (r".*\.weight", lambda rng, shape: rng.normal(0.0, np.sqrt(2.0 / math.prod(shape[1:])), shape)),
    (r".*\.bias", lambda rng, shape: rng.normal(0.0, 0.01, shape)),
]
"""How a tensor is drawn: the first rule that its name fits."""

SAME_STREAM = {"prop_head.qry_fuse.": "prop_head.enc_fuse.", "prop_head.qry_atn_key.": "prop_head.atn_key."}
"""The encoder of queries is a copy of that of the memory, so that a frame finds itself."""

FACTORS = {
    "neck.fpn_convs.0.conv": 0.15, "neck.fpn_convs.1.conv": 0.25, "neck.fpn_convs.2.conv": 0.4,
    "neck.fpn_convs.3.conv": 0.5, "rpn_head.rpn_cls": 0.3, "rpn_head.rpn_reg": 0.1, "bbox_head.fc_cls": 1.5,
    "bbox_head.fc_reg": 0.5, "mask_head.conv_logits": 3.0, "prop_head.enc_pos": 2.0, "prop_head.atn_key": 0.4,
    "prop_head.qry_atn_key": 0.4, "prop_head.qry_atn_value": 0.1, "prop_head.RF3.convFS": 0.3,
    "prop_head.RF2.convFS": 0.3, "prop_head.pred2": -0.18,
}  # fmt: skip
"""Of the weights of some layers."""

SHIFTS = {
    "rpn_head.rpn_reg": [(0.5, (2, 3, 6, 7, 10, 11))], "bbox_head.fc_cls": [(6.8, (0,)), (-4.0, (4, 21, 27))],
    "mask_head.conv_logits": [(-2.5, (26,))], "prop_head.pred2": [(-1.5, (1,))],
}  # fmt: skip
"""Of the biases of some layers, and at which places; those that a layer lacks are left out."""

KEY_BIAS = (
    -0.04, -0.58, 0.38, -0.91, -1.56, 0.75, -1.22, 0.87, -0.2, -0.08, 0.59, 0.62, 1.46, 0.11, -0.8, 0.17, 0.06, 1.34,
    -0.22, 0.33, -1.52, -0.86, -0.04, -0.69, -0.31, -0.61, -1.18, 0.61, -0.78, 0.96, 0.57, 0.39, -0.82, 0.46, -0.81,
    -0.55, -1.18, 0.8, -1.22, -1.08, -0.58, 0.04, -0.27, -0.87, 1.39, -0.43, -1.0, -0.66, -0.51, -0.25, -0.28, -0.43,
    1.91, 0.77, 0.29, -0.59, 1.4, 0.74, 0.54, 0.3, 0.44, -0.06, -0.94, -0.93,
)  # fmt: skip
"""Of both attention keys: it centres them, so that memory is read close to where it was written."""


def generated_weights(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, Tensor]:
    """Weights by key for the shapes by key; counters are 0."""
    return {key: torch.from_numpy(_draw(key, tuple(shape))) for key, shape in shapes.items()}


def _draw(key: str, shape: tuple[int, ...]) -> NDArray[np.float32] | NDArray[np.int64]:
    layer, _, kind = key.rpartition(".")
    if kind == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    if key in ("prop_head.atn_key.bias", "prop_head.qry_atn_key.bias"):
        return np.array(KEY_BIAS, np.float32)
    seed = key
    for ours, theirs in SAME_STREAM.items():
        seed = seed.replace(ours, theirs)
    draw = next(draw for pattern, draw in RULES if re.fullmatch(pattern, key))
    values = draw(np.random.default_rng(zlib.crc32(seed.encode())), shape)
    if kind == "weight":
        values = values * FACTORS.get(layer, 1.0)
    elif kind == "bias":
        flat = values.reshape(-1)
        for amount, places in SHIFTS.get(layer, []):
            for place in places:
                if place < flat.size:
                    flat[place] += amount
    return values.astype(np.float32)
