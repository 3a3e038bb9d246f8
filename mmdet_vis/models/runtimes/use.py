"""A network whose functions are computed by another runtime."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from mmdet_vis.models.heads.light_propagation import Attention, LightMasks, LightPropHead, LightTerms
from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN

RunGraph = Callable[..., list[Tensor]]
"""Runs one of the graphs of :func:`mmdet_vis.models.runtimes.graphs.graphs_of` in some runtime: called with its name
and float32 CPU tensors, one after the other, it gives the outputs in order."""


def use_graphs(network: SeqMaskRCNN, exact: RunGraph, fast: RunGraph | None = None) -> None:
    """Let a runtime compute the network's functions; its own weights are not used any more.

    Args:
        network: on the CPU; changed in place.
        exact: computes in float32.
        fast: computes what is done for every frame and object in a faster number format; None: in float32, too.
    """
    network.eval().requires_grad_(False)
    network.fast_backbone, network.fast_neck = [], []
    if fast is not None and getattr(network.prop_head, "reduces_backbone", False):
        network.fast_backbone = [_serve_backbone(copy.copy(network.backbone), fast)]
    if fast is not None:
        network.fast_neck = [_serve_neck(copy.copy(network.neck), fast)]
    _serve_backbone(network.backbone, exact)
    _serve_neck(network.neck, exact)
    _serve(network.rpn_head, forward=lambda levels: _halves(exact("rpn_head", *levels)))
    _serve(
        network.bbox_head,
        forward=lambda regions: tuple(exact("bbox_head", regions)),
        classify=lambda regions: exact("bbox_head", regions)[0].softmax(dim=1),
    )
    _serve(network.mask_head, forward=lambda regions: exact("mask_head", regions)[0])
    if isinstance(network.prop_head, LightPropHead):
        _serve_light(network.prop_head, fast or exact, exact)
    else:
        assert isinstance(network.prop_head, SeqPropHead)  # graphs_of has no others
        _serve_published(network.prop_head, fast or exact, exact)


def _serve(part: nn.Module, **methods: Callable[..., Any]) -> nn.Module:
    """Put functions in the place of a part's methods."""
    for name, function in methods.items():
        object.__setattr__(part, name, function)
    return part


def _serve_backbone(backbone: nn.Module, run: RunGraph) -> nn.Module:
    return _serve(backbone, forward=lambda images: tuple(run("backbone", images)))


def _serve_neck(neck: nn.Module, run: RunGraph) -> nn.Module:
    return _serve(neck, forward=lambda stages: tuple(run("neck", *stages)))


def _halves(found: Sequence[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    middle = len(found) // 2
    return list(found[:middle]), list(found[middle:])


def _serve_light(head: LightPropHead, run: RunGraph, exact: RunGraph) -> None:
    none: dict[int, Tensor] = {}  # what is added where the distance does not count

    def attention(query: Tensor, key: Tensor, distance: Tensor | None) -> Attention:
        size = len(key)
        if distance is None:
            if size not in none:
                none.clear()
                none[size] = torch.zeros(size, size)
            distance = none[size]
        return Attention(*exact("attention", query, key, distance))

    _serve(
        head,
        encode_frame=lambda stages: LightTerms(*run("encode_frame", *stages[:3])),
        memorize=lambda terms, masks, rivals: run("memorize", terms.value, masks, rivals)[0],
        attention=attention,
        look_up=lambda weights, total, values: run("look_up", weights, total, values)[0],
        decode=lambda read, terms, before, rivals: LightMasks(
            *run("decode", read, terms.query, terms.skip3, terms.skip2, before, rivals)
        ),
    )


def _serve_published(head: SeqPropHead, run: RunGraph, exact: RunGraph) -> None:
    def memorize(p2: Tensor, masks: Tensor, skip: object = None) -> tuple[Tensor, Tensor]:
        height, width = 4 * p2.shape[-2] - masks.shape[-2], 4 * p2.shape[-1] - masks.shape[-1]
        keys, values = run("memorize", p2, torch.nn.functional.pad(masks.float(), (0, width, 0, height)))
        return keys, values

    _serve(
        head,
        # Queries stay in float32, as everywhere.
        encode_frame=lambda p2, c2, c3: FrameTerms(p2, *exact("encode_frame", p2, c2, c3)),
        composed_skip=lambda: None,
        frame_skip=lambda p2: None,
        memorize=memorize,
        read=lambda query, keys, values: run("look_up", query, keys, values)[0],
        decode=lambda read, terms: run("decode", read, terms.query_value, terms.skip3, terms.skip2)[0],
    )
