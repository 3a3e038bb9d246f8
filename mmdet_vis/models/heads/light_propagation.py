"""A light propagation head: one key per frame, few channels where maps are large, and "not visible here" as an output.

It follows space-time memory networks like :class:`~mmdet_vis.models.heads.propagation.SeqPropHead`, and differs where
the time goes: attention keys come from the frame alone, so that one affinity serves all objects that remember the same
frames (space-time correspondence networks, section 3); what is computed per object has most of its channels at 1/16 of
the image; and masks enter and leave at 1/4.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.models.layers import ResBlock
from mmdet_vis.registry import MODELS


@dataclass
class LightTerms:
    """Everything :class:`LightPropHead` needs of a frame, whatever the objects; ``B`` frames of ``H x W`` pixels.

    Attributes:
        key: ``[B, D, H/16, W/16]`` attention keys of length 1, of the frame as query and as memory.
        value: ``[B, C, H/16, W/16]`` the frame's share of what is remembered of its objects.
        query: ``[B, C, H/16, W/16]`` its share of the decoder's first stage.
        skip3: ``[B, M, H/8, W/8]`` its share of the 1/8 decoder stage.
        skip2: ``[B, F, H/4, W/4]`` its share of the 1/4 decoder stage.
    """

    key: Tensor
    value: Tensor
    query: Tensor
    skip3: Tensor
    skip2: Tensor

    def tensors(self) -> tuple[Tensor, ...]:
        """All tensors, for measuring and moving."""
        return self.key, self.value, self.query, self.skip3, self.skip2

    def own(self, index: slice, p2: Tensor | None) -> LightTerms:
        """Copies of some of the B frames, which hold no memory of the others."""
        return LightTerms(*(t[index].clone() for t in self.tensors()))

    def __getitem__(self, index: slice | Tensor) -> LightTerms:
        """The terms of some of the B frames."""
        return LightTerms(*(t[index] for t in self.tensors()))


class LightMasks(NamedTuple):
    """N objects in a frame.

    Attributes:
        logits: ``[N, H/4, W/4]`` float32, before the objects compete.
        visible: ``[N]`` float32 logits of the object being there at all.
    """

    logits: Tensor
    visible: Tensor


class Attention(NamedTuple):
    """Attention of a frame to a remembered one, before the weights for all of them add up to 1.

    Attributes:
        weights: ``[P, P]`` in [0, 1] in the head's number format, 0 beyond the ``top_k`` largest of each row.
        total: ``[P]`` float32, the sum of each row.
    """

    weights: Tensor
    total: Tensor


class InputNorm(nn.BatchNorm2d):
    """Brings a backbone's stage to zero mean and unit variance per channel, by statistics that are measured once."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, affine=False)

    def train(self, mode: bool = True) -> InputNorm:
        """The statistics do not follow the batches of training; see :meth:`measure`."""
        super().train(False)
        return self

    @torch.no_grad()
    def measure(self, batches: Sequence[Tensor]) -> None:
        """Take the statistics of some features ``[B, C, h, w]``."""
        flat = torch.cat([x.float().transpose(0, 1).flatten(1) for x in batches], dim=1)
        state = self.state_dict()
        state["running_mean"].copy_(flat.mean(dim=1))
        state["running_var"].copy_(flat.var(dim=1))
        state["num_batches_tracked"].fill_(1)

    @property
    def measured(self) -> bool:
        """Whether the statistics are those of features."""
        return bool(self.state_dict()["num_batches_tracked"])


@MODELS.register_module()
class LightPropHead(nn.Module):
    """Carries masks from frame to frame by a memory with shared keys, and by the masks of the frame before.

    Args:
        stage_channels: channels of the backbone stages at strides 4, 8, 16 (and more); filled in by the builder.
        channels: channels per object at 1/16: of the memory's values and of the first decoder stage.
        mid_channels, fine_channels: channels per object at 1/8 and at 1/4.
        key_channels: channels of the attention keys.
        trunk_channels: channels of what is computed once per frame at 1/16.
        top_k: each query attends to this many positions of each remembered frame; None: to all.
    """

    stride = 4
    reduces_backbone = True
    """It is trained on stages in reduced precision, and so may be used on them."""

    def __init__(
        self,
        stage_channels: Sequence[int],
        channels: int = 64,
        mid_channels: int = 32,
        fine_channels: int = 16,
        key_channels: int = 32,
        trunk_channels: int = 96,
        top_k: int | None = None,
    ) -> None:
        super().__init__()
        c2, c3, c4 = stage_channels[:3]
        self.channels, self.key_channels, self.top_k = channels, key_channels, top_k
        self.norm2, self.norm3, self.norm4 = InputNorm(c2), InputNorm(c3), InputNorm(c4)
        # Once per frame.
        self.lateral4 = nn.Conv2d(c4, trunk_channels, 1)
        self.lateral3 = nn.Conv2d(c3, trunk_channels, 3, stride=2, padding=1)
        self.trunk = nn.Sequential(ResBlock(trunk_channels, trunk_channels), ResBlock(trunk_channels, trunk_channels))
        self.key = nn.Conv2d(trunk_channels, key_channels, 1)
        self.frame_value = nn.Conv2d(trunk_channels, channels, 1)
        self.frame_query = nn.Conv2d(trunk_channels, channels, 1)
        self.skip3 = nn.Conv2d(c3, mid_channels, 1)
        self.down3 = nn.Conv2d(trunk_channels, mid_channels, 1)
        self.block3 = ResBlock(mid_channels, mid_channels)
        self.skip2 = nn.Conv2d(c2, fine_channels, 1)
        self.down2 = nn.Conv2d(mid_channels, fine_channels, 1)
        self.block2 = ResBlock(fine_channels, fine_channels)
        # Per object: writing. A mask and its rivals at 1/4 are 2 x 16 channels at 1/16.
        self.write_mask = nn.Conv2d(32, channels, 3, padding=1)
        self.write = ResBlock(channels, channels)
        self.write_value = nn.Conv2d(channels, channels - 2, 1)
        # Per object: reading.
        self.read_value = nn.Conv2d(channels, channels, 1)
        self.before16 = nn.Conv2d(32, channels, 3, padding=1)
        self.decode16 = nn.Sequential(ResBlock(channels, channels), ResBlock(channels, channels))
        self.object = nn.Linear(2 * channels, 1)
        self.up8 = nn.Conv2d(channels, mid_channels, 1)
        self.before8 = nn.Conv2d(8, mid_channels, 3, padding=1)
        self.decode8 = ResBlock(mid_channels, mid_channels)
        self.up4 = nn.Conv2d(mid_channels, fine_channels, 1)
        self.logit = nn.Conv2d(fine_channels, 1, 3, padding=1)
        # Sharpness of the attention, and how far an object is looked for around its last place, in positions.
        self.log_scale = nn.Parameter(torch.tensor(math.log(12.0)))
        self.log_reach = nn.Parameter(torch.tensor(math.log(8.0)))
        self._start_gently()

    def _start_gently(self) -> None:
        """Residual branches start small, which makes up for the lack of normalisation."""
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
        for module in self.modules():
            if isinstance(module, ResBlock):
                module.conv2.weight.data.mul_(0.3)
        for layer in (self.logit, self.key):
            layer.weight.data.mul_(0.3)

    # Once per frame.

    def encode_frame(self, stages: Sequence[Tensor]) -> LightTerms:
        """Compute what all objects of B frames share from the backbone's stages at strides 4, 8 and 16."""
        c2, c3, c4 = self.norm2(stages[0]), self.norm3(stages[1]), self.norm4(stages[2])
        trunk = F.relu(self.trunk(self.lateral4(c4) + self.lateral3(c3)))
        key = F.normalize(self.key(trunk).float(), dim=1)
        skip3 = self.block3(self.skip3(c3) + _double(self.down3(trunk)))
        skip2 = self.block2(self.skip2(c2) + _double(self.down2(F.relu(skip3))))
        return LightTerms(key, self.frame_value(trunk), self.frame_query(trunk), skip3, skip2)

    def frame_terms(self, levels: Sequence[Tensor], stages: Sequence[Tensor]) -> LightTerms:
        """:meth:`encode_frame`; the pyramid is not used."""
        dtype = self.lateral4.weight.dtype
        return self.encode_frame([x.to(dtype) for x in stages[:3]])

    def reduce_precision(self, dtype: torch.dtype) -> None:
        """Compute in another number format; keys are made and compared in float32."""
        self.to(dtype)
        for part in (self.log_scale, self.log_reach):
            part.data = part.data.float()

    # Per object.

    def shrink(self, masks: Tensor, size: tuple[int, int]) -> Tensor:
        """Masks ``[N, h, w]`` of images that were padded to 4 times ``size`` as ``[N, *size]``, averaged."""
        pad = F.pad(masks.float(), (0, 4 * size[1] - masks.shape[-1], 0, 4 * size[0] - masks.shape[-2]))
        return F.avg_pool2d(pad[:, None], 4)[:, 0]

    def memorize(self, terms: LightTerms, masks: Tensor, rivals: Tensor) -> Tensor:
        """Write objects of one frame into memory form; their keys are the frame's.

        Args:
            terms: of the frame.
            masks: ``[N, H/4, W/4]`` in [0, 1].
            rivals: the same of everything else that competes with each of them, see :func:`rivals_of`.

        Returns:
            ``[N, P, C]``, ``P = H/16 * W/16`` positions. The last two channels are the shares of mask and rivals.
        """
        dtype = self.write_mask.weight.dtype
        both = torch.stack((masks, rivals), dim=1).to(dtype)
        x = self.write(self.write_mask(F.pixel_unshuffle(both, 4)).add(terms.value))
        value = torch.cat((self.write_value(F.relu(x)), F.avg_pool2d(both, 4).to(x.dtype)), dim=1)
        return value.flatten(2).transpose(1, 2)

    def attend(self, terms: LightTerms, key: Tensor, just_before: bool) -> Attention:
        """How much each position of a frame looks at each position of a remembered one.

        Both keys have length 1, so the exponential needs no maximum to be safe, and the weights for one remembered
        frame serve all objects whose memory holds it.

        Args:
            terms: of one frame, P positions.
            key: ``[P, D]`` of the remembered frame.
            just_before: whether that is the frame just passed; what is near is preferred there.
        """
        height, width = terms.key.shape[-2:]
        return self.attention(terms.key, key, _distance(height, width, key.device) if just_before else None)

    def attention(self, query: Tensor, key: Tensor, distance: Tensor | None) -> Attention:
        """:meth:`attend` on tensors.

        Args:
            query: ``[1, D, h, w]`` keys of a frame.
            key: ``[P, D]`` of the remembered frame.
            distance: ``[P, P]`` squared distance of any two positions, which lowers the weights; None: it does not.
        """
        scale = self.log_scale.exp()
        weights = torch.addmm(-scale, query[0].float().flatten(1).t() * scale, key.float().t())
        if self.top_k is not None and self.top_k < len(key):
            least = weights.topk(self.top_k, dim=1).values[:, -1:]
            weights = weights.masked_fill(weights < least, -math.inf)
        if distance is not None:
            weights = weights - distance * (0.5 * torch.exp(-2 * self.log_reach))
        weights = weights.exp() if weights.requires_grad else weights.exp_()
        return Attention(weights.to(self.write_mask.weight.dtype), weights.sum(dim=1))

    def read(self, attention: Sequence[Attention], values: Tensor) -> Tensor:
        """Look N objects up in their memory.

        Args:
            attention: to each of the M frames that it holds, see :meth:`attend`.
            values: ``[M * P, N, C]``, the entries of these frames one after the other.

        Returns:
            ``[N, P, C]``: the values weighted by the attention, whose weights add up to 1.
        """
        weights = torch.cat([a.weights.to(values.dtype) for a in attention], dim=1)
        return self.look_up(weights, torch.stack([a.total for a in attention]).sum(dim=0), values)

    def look_up(self, weights: Tensor, total: Tensor, values: Tensor) -> Tensor:
        """:meth:`read` on tensors: ``[P, M * P]``, ``[P]`` and ``[M * P, N, C]`` to ``[N, P, C]``."""
        found = (weights @ values.flatten(1)).unflatten(1, values.shape[1:])
        return (found / total[:, None, None].to(found.dtype)).transpose(0, 1)

    def decode(self, read: Tensor, terms: LightTerms, before: Tensor, rivals: Tensor) -> LightMasks:
        """Draw N objects into a frame.

        Args:
            read: ``[N, P, C]`` from :meth:`read`.
            terms: of the frame.
            before: ``[N, H/4, W/4]`` masks of the frame before.
            rivals: the same of their rivals.
        """
        height, width = terms.key.shape[-2:]
        dtype = self.before16.weight.dtype
        both = torch.stack((before, rivals), dim=1).to(dtype)
        x = self.read_value(read.transpose(1, 2).unflatten(2, (height, width)).to(dtype))
        x = x + self.before16(F.pixel_unshuffle(both, 4)) + terms.query
        x = F.relu(self.decode16(x))
        seen = self.object(torch.cat((x.amax(dim=(2, 3)), x.mean(dim=(2, 3))), dim=1))[:, 0].float()
        x = _double(self.up8(x)) + self.before8(F.pixel_unshuffle(both, 2)) + terms.skip3
        x = F.relu(self.decode8(x))
        x = F.relu(_double(self.up4(x)) + terms.skip2)
        return LightMasks(self.logit(x)[:, 0].float(), seen)


def _double(x: Tensor) -> Tensor:
    """A map at twice the resolution."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


@lru_cache(maxsize=4)
def _distance(height: int, width: int, device: torch.device) -> Tensor:
    """Squared distance of any two positions of a map: ``[P, P]`` float32."""
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    place = torch.stack((y.flatten(), x.flatten()), dim=1).float().to(device)
    return (place[:, None] - place[None]).square().sum(dim=2)


def rivals_of(masks: Tensor, sizes: Sequence[int]) -> Tensor:
    """For each object the others of its group, as one mask: ``[N, h, w]`` in [0, 1] to the same.

    The masks are of all groups, one after the other, which have so many objects each.
    """
    parts = [part.sum(dim=0, keepdim=True) - part for part in masks.split(list(sizes))]
    return torch.cat(parts).clamp(0, 1)
