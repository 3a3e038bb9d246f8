"""Graphs in whole numbers: post-training quantisation by ONNX Runtime, on frames of the user's own."""

from __future__ import annotations

import copy
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor

from mmdet_vis.errors import ConfigError
from mmdet_vis.models.runtimes import Graph, use_graphs
from mmdet_vis.models.runtimes.onnx_runtime import INT8
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN

MOST_CALLS = 48
"""Calls of a graph that are looked at, evenly spread over all."""

QUANTISED = ("Conv", "MatMul", "Gemm")
"""Operations in whole numbers: those that take the time. Additions and activations between them stay as they are."""

EXACT_IN_INT8 = ("attention", "look_up")
"""Graphs that stay in float32: products of what was computed, without weights, and little of the time."""

Inputs = tuple[Tensor, ...]


class Recorder:
    """Runs graphs in PyTorch and keeps what some of them are given; a RunGraph."""

    def __init__(self, graphs: Sequence[Graph]) -> None:
        self._graphs = {graph.name: graph.module for graph in graphs}
        self._step: dict[str, int] = defaultdict(lambda: 1)
        self._calls: dict[str, int] = defaultdict(int)
        self.inputs: dict[str, list[Inputs]] = defaultdict(list)

    def run(self, name: str, *inputs: Tensor) -> list[Tensor]:
        """See :class:`~mmdet_vis.models.runtimes.use.RunGraph`."""
        with torch.no_grad():
            return list(self._graphs[name](*(x.float() for x in inputs)))

    def __call__(self, name: str, *inputs: Tensor) -> list[Tensor]:
        """:meth:`run`, and keep the inputs; of more than twice :data:`MOST_CALLS` every other one is forgotten."""
        if self._calls[name] % self._step[name] == 0:
            kept = self.inputs[name]
            kept.append(tuple(x.detach().float().clone() for x in inputs))
            if len(kept) > 2 * MOST_CALLS:
                del kept[1::2]
                self._step[name] *= 2
        self._calls[name] += 1
        return self.run(name, *inputs)


def recorded_inputs(
    network: SeqMaskRCNN, graphs: Sequence[Graph], segment: Callable[[SeqMaskRCNN], Any]
) -> dict[str, list[Inputs]]:
    """What a network's graphs that may be computed in a faster number format are given while it segments some videos.

    It has its weights, is not yet placed on a device, and stays as it is.

    Raises:
        ConfigError: a graph was never used, as nothing was found in the videos.
    """
    recorder = Recorder(graphs)
    copied = copy.deepcopy(network)
    use_graphs(copied, recorder.run, recorder)
    segment(copied)
    if not recorder.inputs.get("decode"):
        raise ConfigError("int8: nothing was found in the frames to calibrate on: give others, with objects in them")
    return dict(recorder.inputs)


def quantise(path: Path, names: Sequence[str], calls: Sequence[Inputs]) -> Path:
    """Write a graph in whole numbers beside ``NAME.onnx``: weights per channel, activations by their range.

    The ranges come from the inputs, by their names, of some calls. The new file, ``NAME.int8.onnx``, is returned; ONNX
    Runtime and OpenVINO read it.

    Raises:
        ConfigError: ONNX Runtime is not installed.
    """
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise ConfigError("int8 graphs are made with onnxruntime: pip install onnxruntime") from error
    target = path.with_name(path.stem + INT8)
    step = -(-len(calls) // MOST_CALLS)
    left = iter([{n: x.contiguous().numpy() for n, x in zip(names, call, strict=True)} for call in calls[::step]])
    reader = SimpleNamespace(get_next=lambda: next(left, None))
    with _quiet():
        quantization.quantize_static(
            str(path), str(target), reader, quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=list(QUANTISED), per_channel=True,
            activation_type=quantization.QuantType.QUInt8, weight_type=quantization.QuantType.QInt8,
        )  # fmt: skip
    return target


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's advice to the root logger, which is for graphs of other makers."""
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(logging.NOTSET)
