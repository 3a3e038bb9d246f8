"""Weights read, compared with a network, and written.

Nothing that is read is ever executed: ``weights_only`` or safetensors, always.
"""

from __future__ import annotations

import logging
import math
import re
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmdet_vis.choices import WEIGHTS
from mmdet_vis.errors import CheckpointError, OutputError, few
from mmdet_vis.files.atomic import temporary_path
from mmdet_vis.files.zips import ZIP_ERRORS
from mmdet_vis.weights.published import UNUSED, guess_backbone, guess_config
from mmdet_vis.weights.torch_files import no_tensors, no_weights, read_torch

_LOGGER = logging.getLogger(__name__)

HEAD = 512
"""Bytes that are looked at."""

IMAGES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM")
ARCHIVES = (b"\x1f\x8b", b"7z\xbc\xaf", b"Rar!", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")
WEB = (b"<!doctype", b"<html", b"<head", b"<?xml", b"<script")

WRAPPERS = (
    "state_dict", "model", "model_state", "model_state_dict", "net", "network", "weights", "params", "module",
    "ema_state_dict", "model_ema", "ema_model", "ema", "teacher", "student",
)  # fmt: skip
"""Keys under which training programs wrap a state dict; where a file has several, the first one here counts."""

PREFIXES = (
    "module.", "model.", "net.", "network.", "ema.", "ema_model.", "model_ema.", "_orig_mod.", "_forward_module.",
    "_fsdp_wrapped_module.", "detector.", "teacher.", "student.",
)  # fmt: skip
"""What DistributedDataParallel, Lightning, averages of weights, torch.compile, Fabric, FSDP, MMTracking and training
with a teacher put before every name."""

_INNER = re.compile(r"(?<=\.)(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.")
"""What they put into names where they wrap a part of the network."""


def file_format(path: Path) -> str:
    """``"torch"`` (a zip or a pickle) or ``"safetensors"``.

    Raises:
        CheckpointError: there is no such file, it cannot be opened, or it is something else; the message says what.
    """
    if path.is_dir():
        raise CheckpointError(f"checkpoint {path} is a folder: give the file in it")
    if path.exists() and not path.is_file():
        raise CheckpointError(f"checkpoint {path} is not a file: give the file with the weights")
    try:
        with path.open("rb") as file:
            head = file.read(HEAD)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"checkpoint {path} does not exist: check the path, or see README.md for where to get it"
        ) from error
    except OSError as error:
        raise CheckpointError(
            f"checkpoint {path} cannot be opened: {error.strerror or error}; check its permissions"
        ) from error
    if head.startswith(b"PK"):
        _refuse_zip_around_weights(path)
        return "torch"
    if head[:2] in (b"\x80\2", b"\x80\3", b"\x80\4", b"\x80\5"):
        _refuse_plain_pickle(path, head)
        return "torch"
    if head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 100_000_000:
        return "safetensors"
    raise CheckpointError(f"checkpoint {path} is not a checkpoint{_looks_like(path, head)}")


def _refuse_zip_around_weights(path: Path) -> None:
    """Files of ``torch.save`` are zips, which hold ``data.pkl``; others may be archives that hold such a file."""
    try:
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
    except (*ZIP_ERRORS, ValueError):
        return  # damaged, which reading it says
    within = [name for name in names if name.lower().endswith(WEIGHTS)]
    if within and not any(name.endswith(("data.pkl", "constants.pkl")) for name in names):
        raise CheckpointError(
            f"checkpoint {path} is a zip archive around {within[0]!r:.80}: unpack it and give the file with the weights"
        )


def _refuse_plain_pickle(path: Path, head: bytes) -> None:
    """Every file of ``torch.save`` that is not a zip starts with its magic number, a long integer (opcode 0x8a)."""
    framed = head[2:3] == b"\x95"  # protocols 4 and 5 may put a frame of 8 bytes of length around it
    if not head[11 if framed else 2 :].startswith(b"\x8a"):
        raise CheckpointError(
            f"checkpoint {path} was refused: it is a plain Python pickle, not a file of torch.save, and could run code "
            "when loaded; ask its author for a file with tensors only, or a safetensors file"
        )


def _looks_like(path: Path, head: bytes) -> str:
    """The end of the sentence "… is not a checkpoint": what the file is, and what to do."""
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if not head:
        return " (it is empty): download it again"
    if head.startswith(b"version https://git-lfs"):
        return " (it looks like a Git LFS pointer): get the file itself with `git lfs pull`"
    if text.startswith(WEB) or b"<html" in text:
        return " (it looks like a web page): download the file itself, not the page that offers it"
    if head.startswith(IMAGES):
        return " (it looks like an image): give the file with the weights"
    if head.startswith(ARCHIVES) or head[257:262] == b"ustar":
        return " (it looks like an archive): unpack it and give the file with the weights"
    if text.startswith((b"{", b"[")):
        return " (it looks like JSON): download it again"
    if not any(byte < 9 or 13 < byte < 32 for byte in head):
        return " (it looks like text): download it again"
    return " of PyTorch or safetensors: download it again"


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Names and tensors of a checkpoint file, on the CPU.

    Args:
        path: a safetensors file, or one of ``torch.save`` (old and new formats), whatever its name: a dict of tensors,
            plain or in what training programs put around it and before every key (:data:`WRAPPERS`, :data:`PREFIXES`).
            Objects beside the weights are left out, without running anything of theirs; one line in the log names them.

    Raises:
        CheckpointError: the file is missing, damaged, holds code, or holds no weights.
    """
    path = Path(path)
    if file_format(path) == "safetensors":
        try:
            content: object = load_file(path)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"checkpoint {path} is a damaged safetensors file: download it again") from error
    else:
        content = read_torch(path, beside_objects=True)
    content = _unwrapped(path, content)
    if not isinstance(content, Mapping):
        raise no_weights(path, content)
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not state:
        raise no_tensors(path, content)
    _check_kinds(path, state)
    return _without_prefixes(path, _without_inner(state))


def _unwrapped(path: Path, content: object) -> object:
    """What is under :data:`WRAPPERS`, one in another; other weights that are left out are named in the log."""
    for _ in range(len(WRAPPERS)):  # a file may hold a dict that holds itself
        if not isinstance(content, Mapping):
            break
        held = [wrapper for wrapper in WRAPPERS if isinstance(content.get(wrapper), Mapping) and content[wrapper]]
        if not held:
            break
        if len(held) > 1:
            _LOGGER.warning("checkpoint %s: %s is used, left out %s", path, held[0], ", ".join(held[1:]))
        content = content[held[0]]
    return content


def _without_inner(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what wrappers around parts of a network put into names: ``backbone._orig_mod.``, ``backbone.module.``."""
    plain = {_INNER.sub("", key): value for key, value in state.items()}
    parts: dict[str, list[str]] = {}
    for key in plain:
        parts.setdefault(key.partition(".")[0], []).append(key)
    wrapped = {part for part, keys in parts.items() if all(key.startswith(f"{part}.module.") for key in keys)}
    renamed = {
        key.replace(".module.", ".", 1) if key.partition(".")[0] in wrapped else key: value
        for key, value in plain.items()
    }
    return renamed if len(renamed) == len(state) else state


def _without_prefixes(path: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove what wrappers put before every name, and with it their counters, which have no dot (``n_averaged``)."""
    inner = {key: value for key, value in state.items() if "." in key}
    left = [key for key in state if "." not in key]
    found = True
    while inner and found:
        found = False
        for prefix in PREFIXES:
            within = {key for key in inner if key.startswith(prefix)}
            # Of several networks in a file (an average, a teacher, a loss), the first that has a backbone.
            several = any(key.startswith(f"{prefix}backbone.") for key in within)
            if within and (
                len(within) == len(inner) or (several and not any(k.startswith("backbone.") for k in inner))
            ):
                left += [key for key in inner if key not in within]
                inner = {key.removeprefix(prefix): inner[key] for key in inner if key in within}
                found = True
    if not inner or inner.keys() <= state.keys():
        return state
    if left:
        _LOGGER.warning("checkpoint %s: left out %s of the wrapper around the model", path, few(left))
    return inner


def _check_kinds(path: Path, state: Mapping[str, Tensor]) -> None:
    for key, tensor in state.items():
        kinds = {"nested": tensor.is_nested, "quantized": tensor.is_quantized, "meta (without values)": tensor.is_meta}
        kinds["sparse"] = tensor.layout != torch.strided
        if kind := next((kind for kind, is_so in kinds.items() if is_so), None):
            raise CheckpointError(
                f"checkpoint {path}: {key} is a {kind} tensor, not a dense one of numbers: save the weights as they "
                "are in a network of float32"
            )


def check_types(path: str | Path, weights: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> None:
    """Check that what is to be real numbers in a network is so in a file; copying would take whole ones for them.

    ``own`` are the network's weights, with the keys of the file's and more.

    Raises:
        CheckpointError: it is not.
    """
    for key, tensor in weights.items():
        if own[key].is_floating_point() and not tensor.is_floating_point():
            raise CheckpointError(
                f"checkpoint {path}: {key} holds numbers of type {str(tensor.dtype).removeprefix('torch.')}, not real "
                "ones: it was quantized or converted; use the weights as they were trained (float32, float16, bfloat16)"
            )


def load_checkpoint(model: nn.Module, path: str | Path, parts: Collection[str] | None = None) -> None:
    """Load weights into a model, strictly: every tensor must be there, fit, and be used.

    Keys that published checkpoints carry and no forward pass uses are ignored by name.

    Args:
        model: the network.
        path: see :func:`read_state_dict`.
        parts: the file's weights of other parts than these, as ``rpn_head`` is one, are left out; None: all are used.

    Raises:
        CheckpointError: see :func:`read_state_dict`; or the weights belong to another model: the message lists what is
            missing, left over or of another shape, and guesses the config; or a
            weight is not finite.
    """
    state = read_state_dict(path)
    if parts is not None:
        state = {key: value for key, value in state.items() if key.partition(".")[0] in parts}
    comparison = compare({k: tuple(v.shape) for k, v in model.state_dict().items()}, state)
    if not comparison.fits:
        raise CheckpointError(describe_mismatch(Path(path), comparison, state))
    weights = {k: state[k] for k in comparison.usable}
    check_types(path, weights, model.state_dict())
    _check_finite(path, weights)
    model.load_state_dict(weights, strict=False)


def _check_finite(path: str | Path, weights: Mapping[str, Tensor]) -> None:
    for key, tensor in weights.items():
        if not tensor.is_floating_point():
            continue
        values = tensor.float()
        # A sum is finite only if every summand is, and ten times faster than a test of each; it may overflow, though.
        if not math.isfinite(values.sum().item()) and not bool(values.isfinite().all()):
            raise CheckpointError(
                f"checkpoint {path}: {key} holds values that are not finite (NaN or infinity): the training diverged "
                "or the file is damaged; use an earlier checkpoint or download it again"
            )


SHOWN = 3
"""Keys that a message names."""


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
        parts.append(f"{len(comparison.missing)} missing ({few(comparison.missing, SHOWN)})")
    if comparison.unexpected:
        parts.append(f"{len(comparison.unexpected)} left over ({few(comparison.unexpected, SHOWN)})")
    if comparison.reshaped:
        shown = [f"{k} is {list(got)} instead of {list(want)}" for k, want, got in comparison.reshaped]
        parts.append(f"{len(comparison.reshaped)} of another shape ({few(shown, SHOWN)})")
    return f"checkpoint {path} does not fit this config: {', '.join(parts)}; {_origin(comparison, state)}"


def _origin(comparison: Comparison, state: Mapping[str, Tensor]) -> str:
    guess = guess_config(state)
    if guess is not None:
        return f"it looks made for {guess}"
    classifier = state.get("bbox_head.fc_cls.weight")
    if classifier is None or not classifier.ndim or not any(key.startswith("prop_head.") for key in state):
        return "it does not look like a Seq Mask R-CNN checkpoint"
    backbone = guess_backbone(state)
    wrong = comparison.missing + comparison.unexpected + [key for key, _, _ in comparison.reshaped]
    if any(key.startswith("backbone.") for key in wrong):
        return f"it was made for another backbone ({backbone or 'of an unknown kind'})"
    return f"it was made for a config with num_classes={len(classifier)}"


def write_state(state: Mapping[str, Tensor], path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors to a ``.safetensors`` file, or by ``torch.save`` under any other ending.

    Raises:
        OutputError: the file cannot be written.
    """
    # Copies, because safetensors takes no tensors that share memory.
    tensors = {k: v.detach().cpu().clone(memory_format=torch.contiguous_format) for k, v in state.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    with temporary_path(path) as temporary:
        try:
            if path.suffix.lower() == ".safetensors":
                temporary.touch()
                mode = temporary.stat().st_mode
                save_file(tensors, temporary, metadata=dict(metadata or {}))
                temporary.chmod(mode)  # as of other files; safetensors gives permissions to the owner alone
            else:
                torch.save(tensors, temporary)
        except (RuntimeError, safetensors.SafetensorError) as error:  # both hide the system's error in their own
            raise OutputError(f"cannot write {path}: {error}; check the folder and its free space") from error
