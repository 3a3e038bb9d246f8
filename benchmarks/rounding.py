#!/usr/bin/env python3
"""How much bfloat16 in a single part of the propagation changes the masks, everything else in float32.

The rows "output rounded once" compute nothing in bfloat16: one tensor is rounded to it where it leaves the part. They
bound what any engine can reach that keeps this tensor in bfloat16.
"""

from __future__ import annotations

import argparse
import copy
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.common import build, comparison_arguments, machine, read_clip
from benchmarks.equivalence import proposed
from mmdet_vis.api import VISModel
from mmdet_vis.baselines.agreement import agreement
from mmdet_vis.errors import run_command
from mmdet_vis.models.heads.propagation import FrameTerms
from mmdet_vis.models.seq_mask_rcnn import Features

LOW = torch.bfloat16


def to(values: Any, dtype: torch.dtype) -> Any:
    """A tensor, a tuple of them, the terms of a frame or None in another format."""
    if isinstance(values, FrameTerms):
        return FrameTerms(*(to(x, dtype) for x in values.tensors()))
    if isinstance(values, tuple):
        return tuple(to(x, dtype) for x in values)
    return values.to(dtype) if isinstance(values, Tensor) else values


def lowered(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of a bfloat16 module with inputs and outputs in float32."""

    def run(*args: Any, **kwargs: Any) -> Any:
        given = {k: to(v, LOW) for k, v in kwargs.items()}
        return to(function(*to(args, LOW), **given), torch.float32)

    return run


def rounded(function: Callable[..., Any]) -> Callable[..., Any]:
    """A float32 function whose outputs are rounded."""

    def run(*args: Any, **kwargs: Any) -> Any:
        return to(to(function(*args, **kwargs), LOW), torch.float32)

    return run


class Parts:
    """The parts of a float32 model, each with its stand-in."""

    def __init__(self, model: VISModel) -> None:
        self.network, self.head = model.network, model.network.prop_head
        low = copy.deepcopy(self.head)
        low.reduce_precision(LOW)
        neck = lowered(copy.deepcopy(self.network.neck).to(LOW))

        def extract(images: Tensor) -> Features:
            stages = self.network.backbone(images)
            return Features(tuple(stages), neck(tuple(stages)))

        exact_terms, low_terms = self.head.encode_frame, lowered(low.encode_frame)

        def encode_frame(*levels: Tensor) -> FrameTerms:
            exact, other = exact_terms(*levels), low_terms(*levels)
            return FrameTerms(exact.p2, exact.query_key, other.query_value, other.skip3, other.skip2)

        self.stand_ins: dict[str, tuple[Any, str, Callable[..., Any]]] = {
            "decoder": (self.head, "decode_logits", lowered(low.decode_logits)),
            "memory encoder": (self.head, "memorize", lowered(low.memorize)),
            "memory read": (self.head, "read", lowered(low.read)),
            "neck": (self.network, "extract", extract),
            "frame terms": (self.head, "encode_frame", encode_frame),
            "memory encoder, output rounded once": (self.head, "memorize", rounded(self.head.memorize)),
            "memory read, output rounded once": (self.head, "read", rounded(self.head.read)),
        }

    @contextmanager
    def exchanged(self, name: str) -> Iterator[None]:
        """Run with one part's stand-in."""
        owner, method, stand_in = self.stand_ins[name]
        with mock.patch.dict(owner.__dict__, {method: stand_in}):
            yield


def main() -> None:
    """Run the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    comparison_arguments(parser)
    args = parser.parse_args()
    frames = read_clip(args.clip, args.frames)
    model = build(args.config, args.checkpoint, "float32", "cpu", {})
    print(machine(model.device))
    parts = Parts(model)
    reference = proposed(model, frames, args.key_num)
    for name in parts.stand_ins:
        with parts.exchanged(name):
            print(agreement(name, reference, proposed(model, frames, args.key_num), args.score_thr))


if __name__ == "__main__":
    run_command(main)
