"""Reading and writing weights. Nothing that is read is ever executed: ``weights_only`` or safetensors, always."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections.abc import Mapping
from pathlib import Path

import safetensors
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mmdet_vis.engine.checkpoint_report import compare, describe_mismatch
from mmdet_vis.errors import CheckpointError

WRAPPERS = ("state_dict", "model", "model_state")
"""Keys under which training programs wrap a state dict."""


def read_state_dict(path: str | Path) -> dict[str, Tensor]:
    """Read a checkpoint file.

    Args:
        path: ``.safetensors``, or a file of ``torch.save`` (old and new formats): a dict of tensors, plain or under
            ``state_dict`` / ``model``. A ``module.`` before every key is removed.

    Returns:
        names and tensors, on the CPU.

    Raises:
        CheckpointError: the file is missing, damaged, holds code, or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist: check the path, or see README.md for where to get it")
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (safetensors.SafetensorError, OSError, ValueError) as error:
            raise CheckpointError(f"checkpoint {path} is not a readable safetensors file: {error}") from error
    content = _read_torch(path)
    for wrapper in WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(wrapper), Mapping):
            content = content[wrapper]
    if not isinstance(content, Mapping):
        raise CheckpointError(f"checkpoint {path} holds a {type(content).__name__}, not a dict of weights")
    state = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    if not state:
        raise CheckpointError(f"checkpoint {path} holds no weights (keys: {', '.join(map(str, list(content)[:5]))})")
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state


def _read_torch(path: Path) -> object:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "nsupported" in str(error) or "GLOBAL" in str(error):
            raise CheckpointError(
                f"checkpoint {path} was refused: it holds Python objects besides weights, which could run code when "
                "loaded; ask its author for a file with tensors only, or a safetensors file"
            ) from error
        raise CheckpointError(f"checkpoint {path} is damaged or not a PyTorch file; download it again") from error
    except (
        RuntimeError,
        EOFError,
        OSError,
        ValueError,
        KeyError,
        AttributeError,
        IndexError,
        TypeError,
    ) as error:
        raise CheckpointError(f"checkpoint {path} is damaged or not a PyTorch file; download it again") from error


def load_checkpoint(model: nn.Module, path: str | Path) -> None:
    """Load weights into a model, strictly: every tensor must be there, fit, and be used.

    Keys that published checkpoints carry and no forward pass uses are ignored by name.

    Raises:
        CheckpointError: see :func:`read_state_dict`; or the weights belong to another model: the message lists what is
            missing, left over or of another shape, and guesses the config.
    """
    state = read_state_dict(path)
    comparison = compare({k: tuple(v.shape) for k, v in model.state_dict().items()}, state)
    if not comparison.fits:
        raise CheckpointError(describe_mismatch(Path(path), comparison, state))
    model.load_state_dict({k: state[k] for k in comparison.usable}, strict=False)


def save_safetensors(model: nn.Module, path: str | Path, metadata: Mapping[str, str] | None = None) -> None:
    """Write the weights of a model as safetensors; the file appears under its name only when it is complete.

    Args:
        metadata: strings stored beside the weights.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    tensors = {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items()}
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, temporary, metadata=dict(metadata or {}))
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
