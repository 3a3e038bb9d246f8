"""Propagation head: carries the masks of one frame to another through a memory (Propose-Reduce, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.models.layers import ResBlock
from mmdet_vis.ops.attention import read_memory
from mmdet_vis.registry import MODELS


@dataclass
class FrameTerms:
    """Everything the propagation head needs of a frame, whatever the objects: computed once per frame.

    Sizes are those of the padded image ``H x W``; ``B`` frames.

    Attributes:
        p2: ``[B, C, H/4, W/4]`` finest pyramid level.
        query_key: ``[B, 64, H/16, W/16]``.
        query_value: ``[B, 256, H/16, W/16]`` the query value after its half of ``convFM``, bias included.
        skip3: ``[B, 256, H/8, W/8]`` skip branch of the 1/8 decoder stage.
        skip2: ``[B, 256, H/4, W/4]`` skip branch of the 1/4 decoder stage.
    """

    p2: Tensor
    query_key: Tensor
    query_value: Tensor
    skip3: Tensor
    skip2: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, for measuring and moving."""
        return self.p2, self.query_key, self.query_value, self.skip3, self.skip2

    def own(self, index: slice, p2: Tensor) -> FrameTerms:
        """Copies of some of the B frames, which hold no memory of the others; ``p2`` is theirs already."""
        return FrameTerms(p2, *(t[index].clone() for t in self.tensors()[1:]))

    def __getitem__(self, index: slice | Tensor) -> FrameTerms:
        """The terms of some of the B frames (an index tensor repeats a frame for each of its objects)."""
        return FrameTerms(*(t[index] for t in self.tensors()))


class RefineBlock(nn.Module):
    """Decoder stage: a skip branch of the image and a branch of the objects from the coarser stage."""

    def __init__(self, skip_channels: int, channels: int) -> None:
        super().__init__()
        self.convFS = nn.Conv2d(skip_channels, channels, 3, padding=1)
        self.ResFS = ResBlock(channels, channels)
        self.ResMM = ResBlock(channels, channels)

    def skip(self, features: Tensor) -> Tensor:
        """The branch that sees the image only: ``[B, skip_channels, h, w]`` to ``[B, channels, h, w]``."""
        return self.ResFS(self.convFS(features))

    def forward(self, skip: Tensor, coarse: Tensor) -> Tensor:
        """``[1 or N, C, 2h, 2w]`` skip and ``[N, C, h, w]`` objects to ``[N, C, 2h, 2w]``."""
        up = F.interpolate(coarse, size=skip.shape[-2:], mode="bilinear", align_corners=False)
        return self.ResMM(up.add_(skip))


@MODELS.register_module()
class SeqPropHead(nn.Module):
    """Space-time memory network on pyramid features, one object per batch entry.

    Parameter names are those of the published checkpoints (``enc_`` writes the memory, ``qry_`` asks it).

    Args:
        in_channels: channels of P2.
        c2_channels, c3_channels: channels of the backbone stages at strides 4 and 8; filled in by the builder.
        channels: channels of memory values and of the decoder.
        key_channels: channels of the attention keys.
        fuse_channels: channels of the encoders' last stage.
        key_norm: None as published; a number gives every attention key this length, and starts the query's encoder
            as a copy of the memory's. Free keys grow until each position attends to one other only, whichever that is
            at the time, and then have no gradient: training from nothing needs long to find matches.
    """

    def __init__(
        self,
        c2_channels: int,
        c3_channels: int,
        in_channels: int = 256,
        channels: int = 256,
        key_channels: int = 64,
        fuse_channels: int = 512,
        key_norm: float | None = None,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.key_channels = key_channels
        self.enc_pos = nn.Conv2d(1, in_channels, 7, padding=3)
        self.enc_fuse = self._fuse(in_channels, fuse_channels)
        self.atn_key = nn.Conv2d(fuse_channels, key_channels, 1)
        self.atn_value = nn.Conv2d(fuse_channels, channels, 1)
        self.qry_fuse = self._fuse(in_channels, fuse_channels)
        self.qry_atn_key = nn.Conv2d(fuse_channels, key_channels, 1)
        self.qry_atn_value = nn.Conv2d(fuse_channels, channels, 1)
        self.convFM = nn.Conv2d(2 * channels, channels, 3, padding=1)
        self.ResMM = ResBlock(channels, channels)
        self.RF3 = RefineBlock(c3_channels, channels)
        self.RF2 = RefineBlock(c2_channels, channels)
        self.pred2 = nn.Conv2d(channels, 2, 3, padding=1)
        self.key_norm = key_norm
        if key_norm is not None:
            self.qry_fuse.load_state_dict(self.enc_fuse.state_dict())
            self.qry_atn_key.load_state_dict(self.atn_key.state_dict())

    @staticmethod
    def _fuse(in_channels: int, out_channels: int) -> nn.Sequential:
        return nn.Sequential(
            ResBlock(in_channels, in_channels, stride=2), ResBlock(in_channels, out_channels, stride=2)
        )

    def reduce_precision(self, dtype: torch.dtype) -> None:
        """Compute what is done per object in another number format, and the skip branches; the query stays as it is.

        It is a small part of the time, while every object's masks hang on the query's keys.
        """
        self.to(dtype)
        for part in (self.qry_fuse, self.qry_atn_key, self.qry_atn_value):
            part.float()

    def query(self, p2: Tensor) -> tuple[Tensor, Tensor]:
        """What frames ask: P2 ``[B, C, h, w]`` to keys ``[B, 64, h/4, w/4]`` and values ``[B, 256, h/4, w/4]``."""
        fused = self.qry_fuse(p2)
        return self._scaled(self.qry_atn_key(fused)), self.qry_atn_value(fused)

    def _scaled(self, keys: Tensor) -> Tensor:
        """Attention keys ``[B, 64, h, w]`` at the length that they should have."""
        if self.key_norm is None:
            return keys
        return F.normalize(keys.float(), dim=1).mul(self.key_norm).to(keys.dtype)

    def frame_terms(self, levels: Sequence[Tensor], stages: Sequence[Tensor]) -> FrameTerms:
        """:meth:`encode_frame` of a pyramid P2.. and a backbone's stages C2.. of B frames."""
        return self.encode_frame(levels[0], stages[0], stages[1])

    def encode_frame(self, p2: Tensor, c2: Tensor, c3: Tensor) -> FrameTerms:
        """Compute once what every object of a frame shares.

        Args:
            p2: ``[B, C, H/4, W/4]`` finest pyramid level.
            c2, c3: ``[B, C2, H/4, W/4]`` and ``[B, C3, H/8, W/8]`` backbone stages.
        """
        key, value = self.query(p2.to(self.qry_atn_key.weight.dtype))
        # convFM sees [read, query value] side by side; it is linear, so the image's half is added up here.
        weight, bias = self.convFM.weight[:, self.channels :], self.convFM.bias
        image_half = F.conv2d(value.to(weight.dtype), weight, bias, padding=1)
        return FrameTerms(p2, key.to(p2.dtype), image_half, self.RF3.skip(c3), self.RF2.skip(c2))

    def _first_stage(self) -> tuple[ResBlock, nn.Conv2d]:
        """The memory encoder's first block and its skip branch."""
        block = cast(ResBlock, self.enc_fuse[0])
        assert block.downsample is not None
        return block, block.downsample

    @torch.no_grad()
    def composed_skip(self) -> Tensor:
        """The kernel that takes masks to the memory encoder's first skip branch: equal for all frames."""
        return compose(self.enc_pos.weight, self._first_stage()[1].weight)

    def frame_skip(self, p2: Tensor) -> Tensor:
        """What all objects of a frame share in that branch: P2 ``[1, C, h, w]`` to ``[1, C, h/2, w/2]``."""
        assert self.enc_pos.bias is not None
        return self._first_stage()[1](p2 + self.enc_pos.bias[:, None, None])

    def memorize(self, p2: Tensor, masks: Tensor, skip: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        """Write objects into memory form.

        Args:
            p2: ``[1 or N, C, H/4, W/4]`` finest pyramid level of the frame.
            masks: ``[N, h, w]`` float, probabilities in [0, 1] at image resolution with ``h <= H``, ``w <= W``.
            skip: :meth:`frame_skip` and :meth:`composed_skip`, which save a sixth of the time for all objects but one;
                None computes the branch for each object.

        Returns:
            keys ``[N, P, 64]`` and values ``[N, P, 256]``, ``P = H/16 * W/16`` positions.
        """
        height, width = p2.shape[-2:]
        pad_h, pad_w = 4 * height - masks.shape[-2], 4 * width - masks.shape[-1]
        x = F.pad(masks[:, None].to(p2.dtype), (0, pad_w, 0, pad_h))
        x = F.interpolate(x, size=(height, width), mode="bilinear", align_corners=False)
        fused = self.enc_pos(x).add_(p2)
        if skip is None:
            fused = self.enc_fuse(fused)
        else:
            first, down = self._first_stage()
            branch = mask_skip(x, self.enc_pos, down, skip[1]).add_(skip[0])
            fused = self.enc_fuse[1:](first.residual(fused).add_(branch))
        return positions(self._scaled(self.atn_key(fused))), positions(self.atn_value(fused))

    def read(self, query_key: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """Look objects up in their memory.

        Args:
            query_key: ``[64, h, w]`` of one frame.
            keys, values: ``[N, S, 64]`` and ``[N, S, 256]``, all remembered positions of each object.

        Returns:
            ``[N, 256, h, w]``.
        """
        height, width = query_key.shape[-2:]
        read = read_memory(query_key.flatten(1).t(), keys, values)
        return read.transpose(1, 2).unflatten(2, (height, width))

    def decode(self, read: Tensor, terms: FrameTerms) -> Tensor:
        """Foreground probability of each object, before the objects of a frame compete.

        See :meth:`decode_logits`; ``[N, H, W]`` float32 in [0, 1] at the padded image's resolution.
        """
        return self.decode_logits(read, terms).sigmoid()

    def decode_logits(self, read: Tensor, terms: FrameTerms) -> Tensor:
        """Foreground logit of each object, before the objects of a frame compete.

        Args:
            read: ``[N, 256, H/16, W/16]`` from :meth:`read`.
            terms: of one frame (shared by all objects), or of N frames (one per object).

        Returns:
            ``[N, H, W]`` float32 at the padded image's resolution.
        """
        x = F.conv2d(read, self.convFM.weight[:, : self.channels], padding=1).add_(terms.query_value)
        x = self.ResMM(x)
        x = self.RF3(terms.skip3, x)
        x = self.RF2(terms.skip2, x)
        logits = self.pred2(F.relu_(x)).float()
        # The softmax over (background, foreground) is the sigmoid of their difference.
        margin = F.interpolate(logits[:, 1:] - logits[:, :1], scale_factor=4, mode="bilinear", align_corners=False)
        return margin[:, 0]


def positions(features: Tensor) -> Tensor:
    """Maps ``[N, C, h, w]`` as lists of positions ``[N, h * w, C]``."""
    return features.flatten(2).transpose(1, 2)


def soft_aggregate(probability: Tensor) -> Tensor:
    """Let the objects of a frame compete for each pixel (soft aggregation; space-time memory networks, section 3.4).

    The background has probability ``prod(1 - p_k)``. The softmax over the logits ``log(p / (1 - p))`` is written as
    the share of each object's odds, which is the same number.

    Args:
        probability: ``[K, H, W]`` float32 in [0, 1].

    Returns:
        ``[K, H, W]`` float32; over the objects they sum to less than 1.
    """
    background = (1 - probability).prod(dim=0, keepdim=True)
    odds = torch.cat((background, probability)).clamp_(1e-7, 1 - 1e-7)
    odds = odds / (1 - odds)
    return odds[1:] / odds.sum(dim=0, keepdim=True)


def mask_skip(masks: Tensor, position: nn.Conv2d, down: nn.Conv2d, composed: Tensor) -> Tensor:
    """``down(position(masks))`` less the share of both biases: two linear maps are one, from a single channel.

    The composed kernel sees ``position`` continued by one row and one column above and left of the map, where ``down``
    has its padding of zeros: their share is taken off the first row and the first column. Below and at the right,
    ``down`` does not reach beyond an even map.

    Args:
        masks: ``[N, 1, h, w]``, h and w even and above 2.
        position: from 1 channel to C, 7x7, stride 1, padding 3.
        down: from C channels to D, 3x3, stride 2, padding 1.
        composed: :func:`compose` of their weights.

    Returns:
        ``[N, D, h/2, w/2]``.
    """
    out = F.conv2d(masks, composed, stride=2, padding=4)
    above = F.conv2d(F.pad(masks[:, :, :3], (4, 3, 4, 0)), position.weight)  # row -1 from column -1 on
    out[:, :, :1] -= F.conv2d(above, down.weight[:, :, :1], stride=(1, 2))
    left = F.conv2d(F.pad(masks[..., :3], (4, 0, 3, 3)), position.weight)  # column -1 from row 0 on
    out[..., :1] -= F.conv2d(F.pad(left, (0, 0, 1, 0)), down.weight[..., :1], stride=(2, 1))
    return out


def compose(position: Tensor, down: Tensor) -> Tensor:
    """The kernel ``[D, 1, 9, 9]`` of ``position`` ``[C, 1, 7, 7]`` followed by ``down`` ``[D, C, 3, 3]``."""
    # A correlation with one kernel after the other is that with their convolution.
    precise = torch.promote_types(down.dtype, torch.float32)
    flipped = position.to(precise).transpose(0, 1).flip(2, 3)
    return F.conv2d(down.to(precise), flipped, padding=6).to(down.dtype)
