"""torchvision's compiled operators, without its Python side."""

from __future__ import annotations

import sys
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch


@cache
def torchvision_ops() -> Any:
    """The namespace with ``nms`` and ``roi_align``.

    Importing torchvision takes as long as importing torch (models, transforms, torch's compiler), which every start of
    a command would pay for two functions. Only inference may use them so: gradients and autocast of the operators are
    registered by torchvision itself in newer versions, so training imports it, see :func:`with_gradients`.
    """
    if "torchvision" not in sys.modules:
        spec = find_spec("torchvision")
        folders = (spec.submodule_search_locations if spec is not None else None) or ()
        libraries = [file for folder in folders for file in sorted(Path(folder).glob("_C*")) if file.is_file()]
        for library in libraries:
            try:
                torch.ops.load_library(str(library))
            except OSError:  # built for another torch, which torchvision's own import explains
                break
    if not hasattr(torch.ops.torchvision, "nms") or not hasattr(torch.ops.torchvision, "roi_align"):
        return with_gradients()
    return torch.ops.torchvision


@cache
def with_gradients() -> Any:
    """The same namespace after torchvision has registered everything that training and compiling need."""
    import torchvision

    return torchvision.ops and torch.ops.torchvision
