"""Propose-Reduce as the paper states it, one key frame after another and nothing shared: the yardstick of the engine.

It uses the network's weights but none of the engine: convolutions are called as the formulas say, features that do not
depend on the objects are computed again for every key frame, memories are concatenated. Results must agree with the
engine's to float rounding; its time is what the engine's is compared with.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import Module

from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.models.heads.propagation import SeqPropHead
from mmdet_vis.models.layers import ResBlock
from mmdet_vis.models.seq_mask_rcnn import Features, SeqMaskRCNN, rois_of
from mmdet_vis.structures.masks import RLE, encode_masks


def residual(block: ResBlock | Module, x: Tensor) -> Tensor:
    """A residual block (pre-activation): features ``[N, C, h, w]`` to ``[N, C', h, w]``."""
    assert isinstance(block, ResBlock)
    skip = x if block.downsample is None else block.downsample(x)
    return skip + block.conv2(F.relu(block.conv1(F.relu(x))))


def bilinear(x: Tensor, size: tuple[int, int]) -> Tensor:
    """``[N, C, h, w]`` at another (height, width)."""
    return F.interpolate(x, size=size, mode="bilinear", align_corners=False)


def memorize(head: SeqPropHead, p2: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """P2 ``[1, C, h, w]`` and masks ``[K, H, W]`` to key and value maps ``[K, 64 or 256, h/4, w/4]``."""
    h, w = p2.shape[-2:]
    masks = F.pad(masks[:, None], (0, 4 * w - masks.shape[-1], 0, 4 * h - masks.shape[-2]))
    x = p2 + head.enc_pos(bilinear(masks, (h, w)))
    for block in head.enc_fuse:
        x = residual(block, x)
    return head.atn_key(x), head.atn_value(x)


def segment(head: SeqPropHead, features: Features, keys: list[Tensor], values: list[Tensor]) -> Tensor:
    """Soft masks ``[K, H, W]`` of the objects whose memory is given, at one frame."""
    p2, c2, c3 = features.levels[0], features.stages[0], features.stages[1]
    x = p2
    for block in head.qry_fuse:
        x = residual(block, x)
    query, value = head.qry_atn_key(x), head.qry_atn_value(x)
    objects = keys[0].shape[0]
    memory_k = torch.stack(keys, dim=2).flatten(2)  # [K, 64, T'HW]
    memory_v = torch.stack(values, dim=2).flatten(2)
    affinity = memory_k.transpose(1, 2) @ query.flatten(2).expand(objects, -1, -1) / math.sqrt(query.shape[1])
    read = memory_v @ affinity.softmax(dim=1)
    read = read.unflatten(2, query.shape[-2:])
    x = residual(head.ResMM, head.convFM(torch.cat((read, value.expand(objects, -1, -1, -1)), dim=1)))
    for stage, skip in ((head.RF3, c3), (head.RF2, c2)):
        image = residual(stage.ResFS, stage.convFS(skip)).expand(objects, -1, -1, -1)
        x = residual(stage.ResMM, image + bilinear(x, (image.shape[-2], image.shape[-1])))
    logits = F.interpolate(head.pred2(F.relu(x)), scale_factor=4, mode="bilinear", align_corners=False)
    probability = logits.softmax(dim=1)[:, 1]
    background = (1 - probability).prod(dim=0, keepdim=True)
    p = torch.cat((background, probability)).clamp(1e-7, 1 - 1e-7)
    return torch.log(p / (1 - p)).softmax(dim=0)[1:]


def box_of(mask: NDArray[np.bool_]) -> list[int]:
    """Tight box of a mask, one pixel wider on each side and clipped to the canvas."""
    ys, xs = np.nonzero(mask)
    h, w = mask.shape
    return [max(xs.min() - 1, 0), max(ys.min() - 1, 0), min(xs.max() + 1, w - 1), min(ys.max() + 1, h - 1)]


def mask_iou(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
    """Intersection over union of two masks ``[H, W]``."""
    union = np.logical_or(a, b).sum()
    return np.logical_and(a, b).sum() / union if union else 0.0


class KeepAll:
    """Stands in for the reduction where the proposed sequences themselves are compared: notes all, keeps none."""

    masks: list[list[RLE]]
    scores: NDArray[np.float32]

    def __call__(self, masks: list[list[RLE]], scores: NDArray[np.float32]) -> tuple[list[int], NDArray[np.float32]]:
        """Note N lists of T RLEs and their class scores ``[N, C + 1]``."""
        self.masks, self.scores = masks, scores
        return [], scores[:0]


@torch.no_grad()
def plain_propose(
    network: SeqMaskRCNN,
    frames: Sequence[NDArray[np.uint8]],
    preprocess: Preprocessor,
    keys: Sequence[int],
    step: int = 1,
) -> tuple[list[list[RLE]], NDArray[np.float32]]:
    """All sequences of a clip before the reduction: N lists of T RLEs, and class scores ``[N, C + 1]``.

    Runs where the network is.
    """
    device = next(network.parameters()).device
    size = preprocess.geometry(*frames[0].shape[:2]).resized
    features = [network.extract(preprocess([f]).to(device)) for f in frames]
    head, sequences, scores = network.prop_head, [], []
    for key in keys:
        detected = network.detect(features[key].levels, size)[0].masks
        kept: list[NDArray[np.uint8]] = []
        for mask in detected:
            if all(mask_iou(mask, other) < 0.2 for other in kept):
                kept.append(mask)
        if not kept:
            continue
        start = memorize(head, features[key].levels[0], torch.from_numpy(np.stack(kept)).float().to(device))
        soft = [Tensor()] * len(frames)
        for order in (range(key, len(frames)), range(key - 1, -1, -1)):
            memory_k, memory_v = [start[0]], [start[1]]
            for t in order:
                soft[t] = segment(head, features[t], memory_k, memory_v)
                if t != key and abs(t - key) % step == 0:
                    k, v = memorize(head, features[t].levels[0], soft[t])
                    memory_k.append(k)
                    memory_v.append(v)
        for i in range(len(kept)):
            masks = [(s[i] >= 0.5).cpu().numpy() for s in soft]
            rows = [
                network.classify(f.levels, rois_of(torch.tensor([box_of(m)]).float().to(device), 0))[0].cpu().numpy()
                for f, m in zip(features, masks, strict=True)
                if m.any()
            ]
            scores.append(np.mean(rows, axis=0) if rows else np.eye(network.bbox_head.num_classes)[0])
            sequences.append(encode_masks(np.stack(masks)))
    return sequences, np.asarray(scores, np.float32).reshape(len(sequences), network.bbox_head.num_classes)
