"""What training programs put around weights: dicts that hold a state dict, and prefixes of its names."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from mmdet_vis.errors import few

_LOGGER = logging.getLogger(__name__)

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


def unwrapped(path: Path, content: object) -> object:
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


def without_wrappers(path: Path, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Remove :data:`PREFIXES` and what wrappers around parts put into names; what is left out is named in the log."""
    return _without_prefixes(path, _without_inner(state))


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
