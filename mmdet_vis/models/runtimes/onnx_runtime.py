"""Graphs in ONNX Runtime, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmdet_vis.errors import CheckpointError, ConfigError, is_out_of_memory, option

INT8 = ".int8.onnx"
"""Ending of graphs in whole numbers."""


def graph_file(folder: Path, name: str, precision: str) -> Path:
    """The ONNX file of a graph: ``NAME.int8.onnx`` for ``int8`` if it is there, else ``NAME.onnx``."""
    whole = folder / f"{name}{INT8}"
    return whole if precision == "int8" and whole.is_file() else folder / f"{name}.onnx"


class OnnxRuntime:
    """Runs ``FOLDER/NAME.onnx``; a :class:`~mmdet_vis.models.runtimes.use.RunGraph`.

    Args:
        folder: of the graphs.
        precision: ``float32``, or ``int8``: the graphs in whole numbers where there are some.
        threads: of the CPU.

    Raises:
        ConfigError: the runtime is not installed, or cannot compute in this precision.
        CheckpointError: when it is called: a graph cannot be run.
    """

    def __init__(self, folder: Path, precision: str, threads: int) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConfigError(
                f"{option('runtime', 'onnxruntime')} needs onnxruntime: pip install onnxruntime"
            ) from error
        if precision not in ("float32", "int8"):
            raise ConfigError(
                f"{option('precision', precision)}: ONNX Runtime computes in float32 or int8 on the CPU; use "
                f"{option('precision', 'float32')} or {option('runtime', 'openvino')}"
            )
        self._runtime, self._folder, self._precision = onnxruntime, folder, precision
        self._options = onnxruntime.SessionOptions()
        self._options.intra_op_num_threads = threads
        # Its threads would go on spinning between two graphs and hold up those of PyTorch: a third of the speed.
        self._options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._options.log_severity_level = 3
        self._sessions: dict[str, Any] = {}

    def __call__(self, name: str, *inputs: Tensor) -> list[Tensor]:
        """See :class:`~mmdet_vis.models.runtimes.use.RunGraph`."""
        path = graph_file(self._folder, name, self._precision)
        arrays = [tensor.float().contiguous().numpy() for tensor in inputs]
        try:
            if name not in self._sessions:
                self._sessions[name] = self._runtime.InferenceSession(
                    str(path), self._options, providers=["CPUExecutionProvider"]
                )
            session = self._sessions[name]
            names = [node.name for node in session.get_inputs()]
            found = session.run(None, dict(zip(names, arrays, strict=True)))
        except Exception as error:  # ONNX Runtime's have no class in common.
            if is_out_of_memory(error):
                raise
            raise CheckpointError(f"{path} is no graph that ONNX Runtime runs: export the model again") from error
        return [torch.from_numpy(array) for array in found]
