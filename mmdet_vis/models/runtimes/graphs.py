"""The network as its few graphs: plain functions on tensors, which other runtimes can run.

What decides (RPN's proposals, NMS, pasting masks, pooling regions) is no part of them and stays exact.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmdet_vis.errors import ConfigError
from mmdet_vis.models.heads.light_propagation import LightPropHead, LightTerms
from mmdet_vis.models.heads.propagation import FrameTerms, SeqPropHead
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN

Axis = int | str

COUNTS = {"N": 3, "R": 5, "M": 2}
"""Axes that change from call to call, and their lengths in examples: objects, regions, remembered frames."""

EXACT = ("backbone", "neck", "rpn_head", "bbox_head", "mask_head")
"""Graphs of detection and scoring, which run in float32 whatever the precision of the rest."""


@dataclass(frozen=True)
class Graph:
    """One function of the network.

    Attributes:
        name: of the file, and in :func:`mmdet_vis.models.runtimes.use_graphs`.
        module: the function, in float32.
        inputs: axes of each input by name: a length, or where it is not fixed ``B`` (frames), ``N``, ``R`` and ``M``
            (:data:`COUNTS`), ``H/4`` and so on (a share of the padded image's sides), ``P`` (positions at 1/16) or
            ``M*P``.
        outputs: their names.
    """

    name: str
    module: nn.Module
    inputs: Mapping[str, tuple[Axis, ...]]
    outputs: tuple[str, ...]

    def examples(self, height: int, width: int, seed: int = 0) -> tuple[Tensor, ...]:
        """Inputs of a padded image of that size, at random in [0, 0.25): keys of attention are no longer than 1."""
        generator = torch.Generator().manual_seed(seed)
        shapes = [[length(axis, height, width) for axis in axes] for axes in self.inputs.values()]
        return tuple(0.25 * torch.rand(shape, generator=generator) for shape in shapes)


def length(axis: Axis, height: int, width: int) -> int:
    """How long an axis is in an example; see :class:`Graph`."""
    if isinstance(axis, int):
        return axis
    positions = height // 16 * (width // 16)
    known = {"B": 1, "P": positions, "M*P": COUNTS["M"] * positions, **COUNTS}
    if axis in known:
        return known[axis]
    side, _, share = axis.partition("/")
    full = {"H": height, "W": width}[side]
    return -(-full // int(share or 1))


def graphs_of(network: SeqMaskRCNN) -> list[Graph]:
    """All graphs of a network with its weights, as it was built: on the CPU, not yet placed on a device.

    Raises:
        ConfigError: a part of it is of a kind that has no graphs.
    """
    plain = plain_network(network)
    stages = {f"c{i}": ("B", c, f"H/{2**i}", f"W/{2**i}") for i, c in enumerate(plain.backbone.out_channels, start=2)}
    width = plain.neck.out_channels
    levels = {f"p{i}": ("B", width, f"H/{2**i}", f"W/{2**i}") for i in range(2, 2 + plain.neck.num_outs)}
    rpn = tuple(f"{kind}{i}" for kind in ("logits", "deltas") for i in range(2, 2 + plain.neck.num_outs))
    box, mask = plain.bbox_roi_extractor.output_size, plain.mask_roi_extractor.output_size
    graphs = [
        Graph("backbone", _Function(plain.backbone), {"images": ("B", 3, "H", "W")}, tuple(stages)),
        Graph("neck", _Function(plain.neck, lambda *x: plain.neck(x)), stages, tuple(levels)),
        Graph("rpn_head", _Function(plain.rpn_head, lambda *x: plain.rpn_head(x)), levels, rpn),
        Graph("bbox_head", _Function(plain.bbox_head), {"regions": ("R", width, box, box)}, ("logits", "deltas")),
        Graph("mask_head", _Function(plain.mask_head), {"regions": ("R", width, mask, mask)}, ("logits",)),
    ]
    head = plain.prop_head
    if isinstance(head, LightPropHead):
        return graphs + _light_graphs(head, stages)
    if isinstance(head, SeqPropHead):
        return graphs + _published_graphs(head, levels["p2"], stages)
    raise ConfigError(f"prop_head of type {type(head).__name__} has no graphs: use LightPropHead or SeqPropHead")


def _light_graphs(head: LightPropHead, stages: Mapping[str, tuple[Axis, ...]]) -> list[Graph]:
    size16, size4 = ("H/16", "W/16"), ("H/4", "W/4")
    value, skip3 = (1, head.channels, *size16), (1, head.skip3.out_channels, "H/8", "W/8")
    skip2, masks = (1, head.skip2.out_channels, *size4), ("N", *size4)
    query = (1, head.key_channels, *size16)

    def terms(query: Tensor, skip3: Tensor, skip2: Tensor) -> LightTerms:
        return LightTerms(query, query, query, skip3, skip2)

    return [
        Graph(
            "encode_frame",
            _Function(head, lambda *c: head.encode_frame(c).tensors()),
            {name: stages[name] for name in ("c2", "c3", "c4")},
            ("key", "value", "query", "skip3", "skip2"),
        ),
        Graph(
            "memorize",
            _Function(head, lambda value, masks, rivals: head.memorize(terms(value, value, value), masks, rivals)),
            {"value": value, "masks": masks, "rivals": masks},
            ("entry",),
        ),
        Graph(
            "attention",
            _Function(head, lambda *inputs: tuple(head.attention(*inputs))),
            {"query": query, "key": ("P", head.key_channels), "distance": ("P", "P")},
            ("weights", "total"),
        ),
        Graph(
            "look_up",
            _Function(head, head.look_up),
            {"weights": ("P", "M*P"), "total": ("P",), "values": ("M*P", "N", head.channels)},
            ("read",),
        ),
        Graph(
            "decode",
            _Function(head, lambda r, q, s3, s2, mask, rival: tuple(head.decode(r, terms(q, s3, s2), mask, rival))),
            {"read": ("N", "P", head.channels), "query": value, "skip3": skip3, "skip2": skip2, "before": masks,
             "rivals": masks},
            ("logits", "visible"),
        ),
    ]  # fmt: skip


def _published_graphs(head: SeqPropHead, p2: tuple[Axis, ...], stages: Mapping[str, tuple[Axis, ...]]) -> list[Graph]:
    size16 = ("H/16", "W/16")
    value = (1, head.channels, *size16)

    def decode(read: Tensor, value: Tensor, skip3: Tensor, skip2: Tensor) -> Tensor:
        return head.decode(read, FrameTerms(skip2, value, value, skip3, skip2))

    def read(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        # The plain products in one piece: a runtime cannot cut them by the bytes that they take.
        asked = query.flatten(1).t() / query.shape[0] ** 0.5
        found = torch.matmul(torch.matmul(asked, keys.transpose(1, 2)).softmax(dim=2), values)
        return found.transpose(1, 2).unflatten(2, (query.shape[1], query.shape[2]))

    return [
        Graph(
            "encode_frame",
            _Function(head, lambda p2, c2, c3: head.encode_frame(p2, c2, c3).tensors()[1:]),
            {"p2": p2, "c2": stages["c2"], "c3": stages["c3"]},
            ("key", "value", "skip3", "skip2"),
        ),
        Graph(
            "memorize",
            _Function(head, head.memorize),
            {"p2": (1, *p2[1:]), "masks": ("N", "H", "W")},
            ("keys", "values"),
        ),
        Graph(
            "look_up",
            _Function(head, read),
            {"query": (head.key_channels, *size16), "keys": ("N", "M*P", head.key_channels),
             "values": ("N", "M*P", head.channels)},
            ("read",),
        ),
        Graph(
            "decode",
            _Function(head, decode),
            {"read": ("N", *value[1:]), "value": value, "skip3": (1, head.channels, "H/8", "W/8"),
             "skip2": (1, head.channels, "H/4", "W/4")},
            ("probability",),
        ),
    ]  # fmt: skip


class _Function(nn.Module):
    """A part, or a function that uses its weights; its results, however nested, come as one flat tuple."""

    def __init__(self, part: nn.Module, function: Callable[..., Any] | None = None) -> None:
        super().__init__()
        self.part, self.function = part, function or part.forward

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        return tuple(_flat(self.function(*inputs)))


def _flat(found: Any) -> Sequence[Tensor]:
    return [found] if isinstance(found, Tensor) else [tensor for part in found for tensor in _flat(part)]


def plain_network(network: SeqMaskRCNN) -> SeqMaskRCNN:
    """A copy in evaluation mode of operators that every runtime has: normalisation merged, padding even or explicit."""
    plain = copy.deepcopy(network).eval().requires_grad_(False).float().cpu()
    if hasattr(plain.backbone, "fold_batch_norm"):
        plain.backbone.fold_batch_norm()
    for owner in list(plain.modules()):
        for name, conv in list(owner.named_children()):
            if isinstance(conv, nn.Conv2d) and any(kind.__name__ == "Conv2dSame" for kind in type(conv).__mro__):
                setattr(owner, name, _explicit_padding(conv))
    return plain


def _explicit_padding(conv: nn.Conv2d) -> nn.Module:
    """TensorFlow's "SAME" of sides that the stride divides, without asking the input for its size."""
    (rows, columns), (down, across) = conv.kernel_size, conv.stride
    around = max(rows - down, 0), max(columns - across, 0)
    (top, left), (bottom, right) = ([a // 2 for a in around], [a - a // 2 for a in around])
    even = (top, left) == (bottom, right)
    conv.__class__, conv.padding = nn.Conv2d, (top, left) if even else (0, 0)
    return conv if even else nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), conv)
