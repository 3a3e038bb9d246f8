"""A network's graphs as a folder of files for other runtimes: checked as they are written, with the config inside."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import re
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import torch
from mmengine.config import Config

from mmdet_vis.config.load import apply_options
from mmdet_vis.errors import CheckpointError, ConfigError, OutputError, option
from mmdet_vis.files.atomic import ensure_writable_dir
from mmdet_vis.models.runtimes import RunGraph, graphs_of
from mmdet_vis.models.runtimes.graphs import Graph
from mmdet_vis.models.runtimes.onnx_runtime import INT8, OnnxRuntime
from mmdet_vis.models.runtimes.open_vino import OpenVINO
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.version import __version__
from mmdet_vis.weights.find import home, sha256_of
from mmdet_vis.weights.int8 import EXACT_IN_INT8, quantise, recorded_inputs
from mmdet_vis.weights.model_file import MAX_CONFIG, check_fits, config_text, embedded_config, parse_config

_LOGGER = logging.getLogger(__name__)

INDEX = "graphs.json"
FORMATS = ("onnx", "openvino", "torch-export")
"""What graphs can be written as; the first two are what :data:`mmdet_vis.choices.RUNTIMES` run."""
MOST_DIFFERENT = 1e-4
"""Largest difference of a graph from PyTorch, as a share of its largest output where that is above 1."""
OPSET = 18
_OLD = "-old"
CHECKED_SIZES = ((96, 160), (128, 96))
"""Heights and widths of padded images with which graphs are checked; the first is what they are traced with."""
EXPORTED_SIZE = (288, 512)
"""Size for ``torch-export``, whose graphs are for one size of images."""


@dataclass(frozen=True)
class GraphFolder:
    """A folder of graphs.

    Attributes:
        path: it.
        config: what the network was built from.
        axes: of the inputs of each graph, see :class:`~mmdet_vis.models.runtimes.graphs.Graph`.
        differences: the largest difference of each graph from PyTorch, as a share of its largest output (at least 1).
        digests: SHA-256 of each file as it was written.
    """

    path: Path
    config: Config
    axes: dict[str, list[list[int | str]]]
    differences: dict[str, float]
    digests: dict[str, str]


def is_graph_folder(path: str | Path) -> bool:
    """Whether a path is a folder that :func:`export_graphs` wrote."""
    return (Path(path) / INDEX).is_file()


def export_graphs(
    network: SeqMaskRCNN,
    config: Config,
    target: str | Path,
    kind: str = "onnx",
    size: tuple[int, int] = EXPORTED_SIZE,
    on_graph: Callable[[str, float], None] | None = None,
    segment: Callable[[SeqMaskRCNN], Any] | None = None,
) -> GraphFolder:
    """Write a network's graphs, each compared with PyTorch in float32.

    Images, objects and remembered frames may be of any number and size; of ``torch-export`` images have one size.

    Args:
        network: with its weights, not yet placed on a device.
        config: what it was built from; it goes into the files.
        target: folder to write; replaced if it is an earlier export, refused if it holds anything else.
        kind: one of :data:`FORMATS`.
        size: (height, width) of the padded images for ``torch-export``; multiples of 32.
        on_graph: called with the name of each graph that is done and its difference.
        segment: if given, what is done for every frame and object is also written in whole numbers (int8, ``onnx``
            only): segments the videos from which the ranges of the numbers come, with a network it is given.

    Raises:
        ConfigError: a library is missing, the network has parts without graphs, or nothing is found in the videos.
        CheckpointError: a graph differs from PyTorch by more than :data:`MOST_DIFFERENT`.
        OutputError: the folder cannot be written.
    """
    _check_libraries(kind)
    target = Path(target)
    ensure_writable_dir(target.parent)
    if target.exists() and not is_graph_folder(target) and (not target.is_dir() or any(target.iterdir())):
        raise OutputError(f"{target} is there and holds no graphs: choose another folder")
    content = config_text(config)
    axes, differences = {}, {}
    with _folder_beside(target) as folder:
        graphs = graphs_of(network)
        for graph in graphs:
            axes[graph.name] = [list(axes) for axes in graph.inputs.values()]
            differences[graph.name] = _write_graph(graph, folder, kind, content, size)
            if on_graph is not None:
                on_graph(graph.name, differences[graph.name])
        if segment is not None:
            for name, calls in recorded_inputs(network, graphs, segment).items():
                inputs = next(list(graph.inputs) for graph in graphs if graph.name == name)
                if name not in EXACT_IN_INT8:
                    quantise(folder / f"{name}.onnx", inputs, calls)
        index = {
            "version": __version__,
            "format": kind,
            "config": json.loads(content),
            "axes": axes,
            "differences": differences,
            "sha256": {path.name: sha256_of(path) for path in sorted(folder.iterdir())},
        }
        (folder / INDEX).write_text(json.dumps(index, indent=1))
        if target.exists():  # moved away as a whole: half of it would be no export any more
            os.replace(target, folder.with_name(f"{folder.name}{_OLD}"))
        os.replace(folder, target)
    return open_graph_folder(target)


def open_graph_folder(path: str | Path) -> GraphFolder:
    """What :func:`export_graphs` wrote; the config is read as data.

    Raises:
        CheckpointError: it is damaged, or no such folder.
    """
    path = Path(path)
    if not is_graph_folder(path):
        raise CheckpointError(f"checkpoint {path} is a folder: give the file in it, or graphs of `mmdet-vis export`")
    damaged = CheckpointError(f"{path / INDEX} is damaged: export the model again")
    try:
        text = (path / INDEX).read_text(encoding="utf-8")
        index: Any = json.loads(text) if len(text) <= 2 * MAX_CONFIG else None
        config = parse_config(json.dumps(index["config"]), str(path))
        axes = {
            str(name): [[a if isinstance(a, int) else str(a) for a in axes] for axes in inputs]
            for name, inputs in index["axes"].items()
        }
        differences = {str(name): float(value) for name, value in index["differences"].items()}
        digests = {str(name): str(value) for name, value in index["sha256"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        raise damaged from error
    return GraphFolder(path, config, axes, differences, digests)


def carried_config(path: str | Path, options: Mapping[str, Any] | None = None) -> Config:
    """The config that weights carry, of a model file or a folder of graphs, overridden by dotted keys and values.

    Raises:
        ConfigError, CheckpointError: see :func:`~mmdet_vis.weights.model_file.embedded_config` and
            :func:`~mmdet_vis.weights.model_file.check_fits`.
    """
    if is_graph_folder(path):
        return apply_options(open_graph_folder(path).config, options or {})
    config = embedded_config(path, options)
    check_fits(config, path)
    return config


def run_graphs(folder: GraphFolder, runtime: str, precision: str = "float32") -> RunGraph:
    """The graphs of a folder in a runtime, ``onnxruntime`` or ``openvino``, with as many threads as PyTorch has.

    Raises:
        ConfigError: the runtime is not installed or cannot compute in that precision; or the folder is not for it.
        CheckpointError: a file is not as it was written.
    """
    if precision == "int8" and not any(name.endswith(INT8) for name in folder.digests):
        raise ConfigError(
            f"{folder.path} holds no graphs in whole numbers: export the model with frames like yours, "
            "mmdet-vis export CONFIG WEIGHTS FOLDER --to onnx --int8 CLIP"
        )
    _check_whole(folder)
    threads = torch.get_num_threads()
    here = {path.suffix for path in folder.path.iterdir()}
    if not here & ({".onnx"} if runtime == "onnxruntime" else {".onnx", ".xml"}):
        wanted = option("kind", "onnx")
        raise ConfigError(f"{folder.path} holds no graphs for {runtime}: export the model with {wanted}")
    if runtime == "onnxruntime":
        return OnnxRuntime(folder.path, precision, threads)
    return OpenVINO(folder.path, folder.axes, precision, threads, folder.path / "compiled")


def _check_whole(folder: GraphFolder) -> None:
    """Runtimes are native code, and say little of what they cannot read."""
    for name, digest in folder.digests.items():
        file = folder.path / name
        if Path(name).name != name or not file.is_file() or sha256_of(file) != digest:
            raise CheckpointError(f"{file} is missing or not as it was written: export the model again")


def cached_graphs(network: SeqMaskRCNN, config: Config) -> GraphFolder:
    """The network's graphs as ONNX in the user's own folder, written when they are first asked for.

    Args, Raises: of :func:`export_graphs`.
    """
    digest = hashlib.sha256(f"{__version__} {torch.__version__} {config_text(config)}".encode())
    for name, tensor in network.state_dict().items():
        digest.update(name.encode())
        digest.update(tensor.detach().float().contiguous().numpy().tobytes())
    target = home() / "graphs" / digest.hexdigest()[:32]
    ensure_writable_dir(target.parent)
    with filelock.FileLock(target.with_suffix(".lock")):
        if is_graph_folder(target):
            with suppress(CheckpointError):
                return open_graph_folder(target)
        _LOGGER.info("preparing the network for another runtime, once: %s", target)
        return export_graphs(network, config, target)


def _check_libraries(kind: str) -> None:
    if kind not in FORMATS:
        raise ConfigError(f"graphs cannot be written as {kind!r}: use one of {', '.join(FORMATS)}")
    needed = {"onnx": ("onnx",), "openvino": ("onnx", "openvino"), "torch-export": ()}[kind]
    missing = [module for module in needed if importlib.util.find_spec(module) is None]
    if missing:
        raise ConfigError(f"graphs are written with {missing[0]}: pip install {missing[0]}")


def _write_graph(graph: Graph, folder: Path, kind: str, config: str, size: tuple[int, int]) -> float:
    """Write a graph; returns how much it differs from PyTorch."""
    if kind == "torch-export":
        examples = graph.examples(*size)
        named = {"N": torch.export.Dim("N", min=2, max=4096), "R": torch.export.Dim("R", min=2, max=8192)}
        free = tuple(
            {i: named[axis] for i, axis in enumerate(axes) if axis in named} or None for axes in graph.inputs.values()
        )
        program = torch.export.export(graph.module, examples, dynamic_shapes={"inputs": free}, strict=False)
        torch.export.save(program, folder / f"{graph.name}.pt2", extra_files={"config.json": config})
        return _difference(graph, lambda *inputs: list(program.module()(*inputs)), [size])
    path = folder / f"{graph.name}.onnx"
    dynamic = {
        name: {i: axis.replace("*", "") for i, axis in enumerate(axes) if isinstance(axis, str)}
        for name, axes in graph.inputs.items()
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of constants that tracing takes for granted: the check below is the judge
        torch.onnx.export(
            graph.module, graph.examples(*CHECKED_SIZES[0]), str(path), dynamo=False, opset_version=OPSET,
            input_names=list(graph.inputs), output_names=list(graph.outputs), dynamic_axes=dynamic,
        )  # fmt: skip
    _add_metadata(path, {"mmdet_vis.version": __version__, "mmdet_vis.graph": graph.name, "mmdet_vis.config": config})
    axes = {graph.name: [list(axes) for axes in graph.inputs.values()]}
    if kind == "openvino":
        import openvino

        openvino.save_model(openvino.Core().read_model(path), path.with_suffix(".xml"), compress_to_fp16=False)
        path.unlink()
    run: RunGraph
    if kind == "openvino" or importlib.util.find_spec("onnxruntime") is None:
        run = OpenVINO(folder, axes, "float32", torch.get_num_threads())
    else:
        run = OnnxRuntime(folder, "float32", torch.get_num_threads())
    return _difference(graph, lambda *inputs: run(graph.name, *inputs), CHECKED_SIZES)


def _difference(graph: Graph, run: Callable[..., list[torch.Tensor]], sizes: Sequence[tuple[int, int]]) -> float:
    largest = 0.0
    for seed, (height, width) in enumerate(sizes, start=1):
        inputs = graph.examples(height, width, seed)
        with torch.no_grad():
            expected, found = graph.module(*inputs), run(*inputs)
        for e, f in zip(expected, found, strict=True):
            if e.shape != f.shape:
                raise CheckpointError(f"graph {graph.name} gives {tuple(f.shape)} where PyTorch gives {tuple(e.shape)}")
            scale = max(1.0, float(e.abs().max()))
            largest = max(largest, float((e - f).abs().max()) / scale)
    if not largest <= MOST_DIFFERENT:
        raise CheckpointError(f"graph {graph.name} differs from PyTorch by {largest:.2g}, allowed {MOST_DIFFERENT:g}")
    return largest


def _add_metadata(path: Path, entries: Mapping[str, str]) -> None:
    import onnx

    model = onnx.load(str(path))
    onnx.helper.set_model_props(model, dict(entries))
    onnx.save(model, str(path))


@contextmanager
def _folder_beside(target: Path) -> Any:
    """A temporary folder on the same disk, which is gone afterwards unless it was renamed.

    What stood in its place, or was left when an export to this target was killed, goes too.
    """
    name = f".tmp-{target.name}-"
    left = re.compile(rf"{re.escape(name)}\w{{8}}({_OLD})?")
    for path in [path for path in target.parent.iterdir() if left.fullmatch(path.name) and path.is_dir()]:
        shutil.rmtree(path, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=name, dir=target.parent))
    try:
        yield folder
    except OSError as error:
        raise OutputError(f"cannot write {target}: {error.strerror or error}") from error
    finally:
        for path in (folder, folder.with_name(f"{folder.name}{_OLD}")):
            shutil.rmtree(path, ignore_errors=True)
