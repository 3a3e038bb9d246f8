"""Graphs in OpenVINO, on the CPU."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmdet_vis.errors import CheckpointError, ConfigError, is_out_of_memory, option

PRECISIONS = {"float32": "f32", "bfloat16": "bf16"}
"""Not int8: on a CPU with AMX the process then ended, at some later signal, with a segmentation fault."""
MOST_SHAPES = 4
"""Sizes of images for which compiled graphs are kept."""

LOOSE = ("N", "R", "M*P")
"""Axes that change from frame to frame: compiled once for any length. Others are compiled for their length."""


class OpenVINO:
    """Runs ``FOLDER/NAME.xml`` or ``NAME.onnx``; a :class:`~mmdet_vis.models.runtimes.use.RunGraph`.

    Args:
        folder: of the graphs.
        axes: of the inputs of each graph, see :class:`~mmdet_vis.models.runtimes.graphs.Graph`.
        precision: ``float32`` or ``bfloat16``.
        threads: of the CPU.
        cache: folder for compiled graphs, which makes the next start faster.

    Raises:
        ConfigError: the runtime is not installed, or cannot compute in this precision.
        CheckpointError: when it is called: a graph cannot be run.
    """

    def __init__(
        self,
        folder: Path,
        axes: Mapping[str, Sequence[Sequence[int | str]]],
        precision: str,
        threads: int,
        cache: Path | None = None,
    ) -> None:
        try:
            import openvino
        except ImportError as error:
            raise ConfigError(f"{option('runtime', 'openvino')} needs openvino: pip install openvino") from error
        if precision not in PRECISIONS:
            raise ConfigError(
                f"{option('precision', precision)}: OpenVINO computes in float32 or bfloat16 on the CPU; int8 is for "
                f"{option('runtime', 'onnxruntime')}"
            )
        self._openvino, self._folder, self._axes = openvino, folder, axes
        self._core = openvino.Core()
        self._options = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[precision],
            "INFERENCE_NUM_THREADS": str(threads),
            "PERFORMANCE_HINT": "LATENCY",
        }
        if cache is not None:
            self._options["CACHE_DIR"] = str(cache)
        self._compiled: OrderedDict[tuple[Any, ...], Any] = OrderedDict()

    def __call__(self, name: str, *inputs: Tensor) -> list[Tensor]:
        """See :class:`~mmdet_vis.models.runtimes.use.RunGraph`."""
        arrays = [tensor.float().contiguous().numpy() for tensor in inputs]
        try:
            found = self._request(name, [array.shape for array in arrays]).infer(arrays, share_inputs=True)
        except (RuntimeError, KeyError, ValueError) as error:  # the last two: inputs are others than it has
            if is_out_of_memory(error):
                raise
            path = self._path(name)
            raise CheckpointError(f"{path} is no graph that OpenVINO runs: export the model again") from error
        return [torch.from_numpy(array.copy()) for array in found.to_tuple()]

    def _path(self, name: str) -> Path:
        path = self._folder / f"{name}.xml"
        return path if path.is_file() else path.with_suffix(".onnx")

    def _request(self, name: str, shapes: Sequence[tuple[int, ...]]) -> Any:
        fixed = tuple(
            tuple(-1 if axis in LOOSE else size for axis, size in zip(axes, shape, strict=True))
            for axes, shape in zip(self._axes[name], shapes, strict=True)
        )
        key = (name, fixed)
        if key not in self._compiled:
            same = [k for k in self._compiled if k[0] == name]
            if len(same) >= MOST_SHAPES:
                del self._compiled[same[0]]
            self._compiled[key] = self._compile(name, fixed)
        self._compiled.move_to_end(key)
        return self._compiled[key]

    def _compile(self, name: str, shapes: Sequence[Sequence[int]]) -> Any:
        model = self._core.read_model(self._path(name))
        model.reshape({index: self._openvino.PartialShape(list(shape)) for index, shape in enumerate(shapes)})
        return self._core.compile_model(model, "CPU", self._options).create_infer_request()
