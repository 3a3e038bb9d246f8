"""mmdet_vis: video instance segmentation with Propose-Reduce (Seq Mask R-CNN)."""

# ruff: noqa: F403, F405  (type checkers find what the names below are in one place, the API)

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmdet_vis.version import __version__

if TYPE_CHECKING:
    from mmdet_vis.api import *

__all__ = [
    "Delete",
    "InstanceSequence",
    "Merge",
    "NotVisible",
    "Prompt",
    "Rename",
    "Session",
    "Split",
    "Swap",
    "VISModel",
    "VideoResult",
    "__version__",
    "load_model",
    "load_propagator",
    "propagate",
    "refine",
    "segment_video",
]


def __getattr__(name: str) -> Any:
    # PyTorch takes a second to load: whoever only wants the version, or a command's --help, does not wait for it.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from mmdet_vis import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted({*__all__, *(name for name in globals() if name not in ("Any", "TYPE_CHECKING", "annotations"))})
