"""Which device and which number format the network runs in."""

from __future__ import annotations

import copy
import importlib.util
import os
import re
import shutil
from dataclasses import dataclass, replace

import torch

from mmdet_vis.checks import is_whole
from mmdet_vis.choices import PRECISIONS, RUNTIMES
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.models.fast_conv import use_direct_convolutions, use_fast_convolutions
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN

UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


@dataclass(frozen=True)
class Precision:
    """Number format of neck and propagation head, which take most of the time; everything else runs in float32.

    Backbone and queries, too: in bfloat16 they would save a sixth of the time, but a mask that is carried through a
    video adds up what they are rounded by (``benchmarks/README.md``, "Precision").

    Attributes:
        name: as the user gave it, ``auto`` resolved.
        dtype: of neck and propagation head, and of stored features.
        tf32: whether a GPU may round float32 products to tf32, other than those of detection and scoring.
    """

    name: str
    dtype: torch.dtype
    tf32: bool = False


def resolve_device(name: str) -> torch.device:
    """``auto`` (a CUDA GPU if there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:1`` … or ``mps`` as a device.

    Raises:
        ConfigError: unknown name, or the device is not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError) as error:
        raise ConfigError(f"{option('device', name)} is not a device: use auto, cpu, cuda, cuda:N or mps") from error
    if device.type not in ("cpu", "cuda", "mps"):
        raise ConfigError(f"{option('device', name)} is not supported: use auto, cpu, cuda, cuda:N or mps")
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"{option('device', name)}: this machine has no Apple GPU that PyTorch can use; use cpu")
    if device.type == "cuda":
        number = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= number:
            raise ConfigError(
                f"{option('device', name)}: this machine has {number} usable GPUs; use {option('device', 'cpu')}"
            )
    return device


def check_runtime(name: str, device: torch.device) -> None:
    """Refuse a runtime that is not known, or does not run on this device. Raises :class:`ConfigError`."""
    if name not in RUNTIMES:
        raise ConfigError(f"{option('runtime', name)} is not known: use one of {', '.join(RUNTIMES)}")
    if name != "torch" and device.type != "cpu":
        raise ConfigError(
            f"{option('runtime', name)} runs on the CPU: use {option('device', 'cpu')} or {option('runtime', 'torch')}"
        )


def resolve_precision(name: str, device: torch.device, runtime: str = "torch") -> Precision:
    """The number format of that name on that device; ``auto`` is the fastest that the device does well.

    Other runtimes take and give float32, whatever they compute in.

    Raises:
        ConfigError: unknown name, float16 or tf32 without a GPU, or int8 in PyTorch.
    """
    if runtime != "torch":
        if name == "auto" and runtime == "onnxruntime":
            name = "float32"  # its products in bfloat16 are no faster on a CPU
        if name == "int8" and runtime == "openvino":
            raise ConfigError(f"{option('precision', name)} is for {option('runtime', 'onnxruntime')}")
        if name == "int8":
            return Precision(name, torch.float32)
        return replace(resolve_precision(name, device), dtype=torch.float32)
    if name == "int8":
        raise ConfigError(
            f"{option('precision', name)} is for other runtimes, with graphs exported with frames to calibrate on "
            f"(mmdet-vis export --int8): use {option('runtime', 'onnxruntime')}"
        )
    if name not in PRECISIONS:
        raise ConfigError(f"{option('precision', name)} is not known: use one of {', '.join(PRECISIONS)}")
    if name == "auto":
        if device.type == "cuda":  # from Ampere on tensor cores multiply bfloat16, from Volta on float16
            generation = torch.cuda.get_device_capability(device)[0]
            name = "bfloat16" if generation >= 8 else "float16" if generation >= 7 else "float32"
        else:
            name = "bfloat16" if device.type == "cpu" and cpu_has_fast_bfloat16() else "float32"
    if name in ("float16", "tf32") and device.type != "cuda":
        raise ConfigError(f"{option('precision', name)} needs a GPU with CUDA: elsewhere use float32, bfloat16 or auto")
    dtype = {"bfloat16": torch.bfloat16, "float16": torch.float16}.get(name, torch.float32)
    return Precision(name, dtype, tf32=name != "float32")


def cpu_has_fast_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 matrices in hardware (AMX or AVX512-BF16)."""
    # These are private in torch, so a version without them means "no" rather than an error.
    checks = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(bool(getattr(torch.cpu, check, lambda: False)()) for check in checks)


def place(model: SeqMaskRCNN, device: torch.device, precision: Precision) -> None:
    """Move a network to its device and number format, with channels-last weights, ready for inference.

    Channels-last is the faster layout for every convolution here, on CPUs and GPUs alike.
    """
    model.eval().requires_grad_(False)
    if hasattr(model.backbone, "fold_batch_norm"):
        model.backbone.fold_batch_norm()
    model.to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if device.type == "cpu" and torch.backends.mkldnn.is_available() and hasattr(model.backbone, "fuse"):
        model.backbone.fuse()
    model.fast_neck, model.fast_backbone = [], []
    if precision.dtype != torch.float32:
        model.fast_neck = [] if model.neck is None else [copy.deepcopy(model.neck).to(precision.dtype)]
        if getattr(model.prop_head, "reduces_backbone", False):
            model.fast_backbone = [copy.deepcopy(model.backbone).to(precision.dtype)]
        model.prop_head.reduce_precision(precision.dtype)
    if device.type == "cpu":
        use_fast_convolutions(model)


def compile_parts(model: SeqMaskRCNN) -> None:
    """Compile what takes the time: backbone, neck, and the propagation head's work per object.

    Raises:
        ConfigError: a compiler that it needs is not there.
    """
    kind, missing = next(model.parameters()).device.type, ""
    if kind == "cpu" and not has_program("CXX", "g++", "clang++", "c++"):
        missing = f"{option('compile', True)} on the CPU needs a C++ compiler (g++ or clang++): install one"
    elif kind == "cuda" and importlib.util.find_spec("triton") is None:
        missing = f"{option('compile', True)} on a GPU needs Triton (pip install triton): install it"
    elif kind == "cuda" and not has_program("CC", "gcc", "clang", "cc"):
        missing = f"{option('compile', True)} on a GPU needs a C compiler (gcc or clang): install one"
    if missing:
        raise ConfigError(f"{missing} or leave it out")
    use_direct_convolutions(model)  # those are what the compiler knows how to fuse
    for backbone in (model.backbone, *model.fast_backbone):
        backbone.compile()
    for neck in (model.neck, *model.fast_neck):
        if neck is not None:
            neck.compile()
    for method in ("encode_frame", "memorize", "decode"):
        # Objects come and go, so their number must not be built into the code.
        compiled = torch.compile(getattr(model.prop_head, method), dynamic=True)
        object.__setattr__(model.prop_head, method, compiled)


def has_program(variable: str, *names: str) -> bool:
    """Whether one of the programs can be run, or the one that an environment variable names."""
    return any(shutil.which(name) for name in (os.environ.get(variable), *names) if name)


def parse_bytes(text: str | int) -> int:
    """Bytes of a size like ``2GB``, ``500M`` or ``1048576``. Raises :class:`ConfigError`: not a size."""
    if is_whole(text, least=0):
        return int(text)
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)I?B?\s*", text.upper()) if isinstance(text, str) else None
    if match is None:
        raise ConfigError(f"{option('feature_memory')} {text!r:.40} is not a size: write it like 2GB, 500MB or 1048576")
    return int(min(float(match.group(1)), 2.0**40) * UNITS[match.group(2)])
