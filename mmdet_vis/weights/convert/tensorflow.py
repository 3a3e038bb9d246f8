"""MobileNetV2 out of a frozen TensorFlow graph of an SSD detector (``ssd_mobilenet_v2_coco`` of the model zoo).

The graph is read as the protocol buffer that it is: only its constants are looked at, nothing in it is executed. Its
convolutions of stride 2 pad at the right and below only, which timm does with ``pad_type="same"``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import count, takewhile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmdet_vis.errors import CheckpointError
from mmdet_vis.weights.convert.imagenet import BODY
from mmdet_vis.weights.convert.translation import Options, State, Translation, stages, translate

# Numbers of the fields in TensorFlow's .proto files.
GRAPH_NODE = 1
NODE_NAME, NODE_OPERATION, NODE_ATTRIBUTE = 1, 2, 5
ENTRY_KEY, ENTRY_VALUE = 1, 2
VALUE_TENSOR = 8
TENSOR_TYPE, TENSOR_SHAPE, TENSOR_CONTENT = 1, 2, 4
SHAPE_DIMENSION, DIMENSION_SIZE = 2, 1
FLOAT32 = 1

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
"""Kinds of values in a protocol buffer."""

EPSILON_GAP = 1e-3 - 1e-5
"""The graph's batch normalisation adds 0.001 to the variance, timm's 0.00001."""

LAYER = re.compile(
    r"FeatureExtractor/MobilenetV2/(?:(Conv)|expanded_conv(?:_(\d+))?/(\w+))/(?:(?:depthwise_)?weights|BatchNorm/(\w+))"
)
STATISTICS = {"gamma": "weight", "beta": "bias", "moving_mean": "running_mean", "moving_variance": "running_var"}
FIRST_BLOCK = {"depthwise": ("conv_dw", "bn1"), "project": ("conv_pw", "bn2")}
BLOCK = {"expand": ("conv_pw", "bn1"), "depthwise": ("conv_dw", "bn2"), "project": ("conv_pwl", "bn3")}


def read_graph(path: Path) -> dict[str, Tensor]:
    """The float32 constants of a frozen graph by name, as TensorFlow lays them out.

    Raises:
        CheckpointError: it cannot be read, or is no such file.
    """
    try:
        data = memoryview(path.read_bytes())
        found = {}
        for number, node in _fields(data):
            if number == GRAPH_NODE and isinstance(node, memoryview):
                name, tensor = _constant(node)
                if tensor is not None:
                    found[name] = tensor
    except OSError as error:
        raise CheckpointError(f"checkpoint {path} cannot be opened: {error.strerror or error}") from error
    except (ValueError, IndexError, OverflowError) as error:
        raise CheckpointError(f"checkpoint {path} is no frozen TensorFlow graph: give the .pb file") from error
    return found


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview | int]]:
    """Fields of a message: (number, value); of numbers with a fixed size, their bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, at = _varint(data, at)
        elif kind in (FIXED32, FIXED64):
            size = 4 if kind == FIXED32 else 8
        else:
            raise ValueError("not a protocol buffer")
        if at + size > len(data):
            raise ValueError("cut off")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    """A number of seven bits per byte, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, at
    raise ValueError("a number is too long")


def _constant(node: memoryview) -> tuple[str, Tensor | None]:
    """Name of a node, and its value if it is a constant of float32 written as one block, as weights are."""
    name, operation, value = "", b"", None
    for number, field in _fields(node):
        if isinstance(field, int):
            continue
        if number == NODE_NAME:
            name = bytes(field).decode()
        elif number == NODE_OPERATION:
            operation = bytes(field)
        elif number == NODE_ATTRIBUTE:
            attribute = _message(_message(field).get(ENTRY_VALUE)).get(VALUE_TENSOR)
            value = attribute if attribute is not None else value
    if operation != b"Const":
        return name, None
    parts = _message(value)
    content = parts.get(TENSOR_CONTENT)
    if parts.get(TENSOR_TYPE) != FLOAT32 or not isinstance(content, memoryview):
        return name, None
    shape = parts.get(TENSOR_SHAPE)
    sides = []
    if isinstance(shape, memoryview):
        sides = [_message(size).get(DIMENSION_SIZE, 0) for number, size in _fields(shape) if number == SHAPE_DIMENSION]
    if any(not isinstance(side, int) for side in sides):
        raise ValueError("a shape is damaged")
    values = np.frombuffer(content, "<f4")
    return name, torch.from_numpy(values.reshape([int(side) for side in sides]).copy())


def _message(data: memoryview | int | None) -> dict[int, memoryview | int]:
    """Fields of a message in which each comes once; nothing of what is no message."""
    return dict(_fields(data)) if isinstance(data, memoryview) else {}


def read(state: State, options: Options) -> Translation:
    """The graph's MobileNetV2 as ``TimmBackbone`` with ``mobilenetv2_100``; the detector's own layers are left out."""
    scope = "FeatureExtractor/MobilenetV2/expanded_conv"
    found = (state.get(f"{scope}{f'_{number}' if number else ''}/project/weights") for number in count())
    places = stages(weight.shape[-1] for weight in takewhile(lambda w: w is not None, found) if weight is not None)
    names = {}
    for key in state:
        match = LAYER.fullmatch(key)
        if match is None:
            continue
        stem, number, step, statistic = match.groups()
        block = int(number or 0)
        layers = ("conv_stem", "bn1") if stem else (FIRST_BLOCK if not block else BLOCK).get(step)
        if layers is None or (not stem and block not in places):
            continue
        prefix = "" if stem else "blocks.{}.{}.".format(*places[block])
        names[key] = f"{BODY}{prefix}{layers[bool(statistic)]}.{STATISTICS.get(statistic, 'weight')}"
    result = translate(state, names, "not in the backbone")
    for name, value in result.weights.items():
        if name.endswith("running_var"):
            result.weights[name] = value + EPSILON_GAP
        elif value.ndim == 4:  # height, width, in, out; of a depthwise convolution, channels and 1
            result.weights[name] = value.permute((2, 3, 0, 1) if ".conv_dw." in name else (3, 2, 0, 1)).contiguous()
    return result
