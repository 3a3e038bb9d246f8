"""Seq Mask R-CNN: the network, as functions on tensors. It knows frames and objects, but not what a video is."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmdet_vis.models.heads.mask import paste_masks
from mmdet_vis.ops import multiclass_nms
from mmdet_vis.ops.tf32 import tf32_products
from mmdet_vis.registry import MODELS
from mmdet_vis.structures.boxes import decode_boxes

Config = dict[str, Any]


@dataclass
class Features:
    """Features of B frames: ``stages`` C2..C5 of the backbone and ``levels`` P2..P6 of the neck."""

    stages: tuple[Tensor, ...]
    levels: tuple[Tensor, ...]

    def __getitem__(self, index: slice | list[int]) -> Features:
        """Some of the B frames."""
        return Features(tuple(x[index] for x in self.stages), tuple(x[index] for x in self.levels))

    def to(self, dtype: torch.dtype) -> Features:
        """The same in another number format."""
        return Features(tuple(x.to(dtype) for x in self.stages), tuple(x.to(dtype) for x in self.levels))


@dataclass
class Detections:
    """Objects found in one frame, in resized-image coordinates.

    Attributes:
        boxes: ``[N, 4]`` float32 inclusive boxes.
        scores: ``[N]`` float32.
        labels: ``[N]`` int64, 0-based category.
        masks: ``[N, h, w]`` uint8 (0 or 1) at the resized image's size.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    masks: NDArray[np.uint8]


@MODELS.register_module()
class SeqMaskRCNN(nn.Module):
    """Mask R-CNN with a propagation head (Propose-Reduce, figure 3).

    Args:
        backbone, neck, rpn_head, bbox_roi_extractor, bbox_head, mask_roi_extractor, mask_head, prop_head: configs of
            the parts. What a part needs to know of an earlier one (channels) is filled in unless the config says it.
        train_cfg: ``rpn``, ``rcnn`` and ``prop``: what training learns from, see :mod:`mmdet_vis.losses`; the
            published settings for what is not said.
        test_cfg: ``rpn`` (nms_pre, nms_post, max_num, nms_thr) and ``rcnn`` (score_thr, nms_thr, max_per_img,
            mask_thr_binary, and cross_nms_thr if detections of different classes suppress each other) settings.

    Parts that are None are left out: see :func:`without_detector`.
    """

    def __init__(
        self,
        backbone: Config,
        neck: Config | None,
        rpn_head: Config | None,
        bbox_roi_extractor: Config | None,
        bbox_head: Config | None,
        mask_roi_extractor: Config | None,
        mask_head: Config | None,
        prop_head: Config,
        test_cfg: Config,
        train_cfg: Config | None = None,
    ) -> None:
        super().__init__()
        self.backbone = MODELS.build(backbone)
        channels = tuple(self.backbone.out_channels)
        self.neck = _built(neck, in_channels=channels)
        width = 0 if self.neck is None else self.neck.out_channels
        self.rpn_head = _built(rpn_head, in_channels=width)
        self.bbox_roi_extractor = _built(bbox_roi_extractor)
        self.bbox_head = _built(bbox_head, in_channels=width)
        self.mask_roi_extractor = _built(mask_roi_extractor)
        self.mask_head = _built(mask_head, in_channels=width)
        inputs = prop_head_inputs(MODELS.get(prop_head["type"]), width, channels)
        self.prop_head = MODELS.build({**inputs, **prop_head})
        self.test_cfg = test_cfg
        self.train_cfg = train_cfg or {}
        # Copies of the neck, and of the backbone if the propagation head takes that, in a faster number format; in
        # lists, so that they are no part of the weights.
        self.fast_neck: list[nn.Module] = []
        self.fast_backbone: list[nn.Module] = []

    def extract(self, images: Tensor) -> Features:
        """Backbone and neck.

        Args:
            images: ``[B, 3, H, W]`` normalised and padded; H and W multiples of 32.
        """
        if self.fast_backbone:
            (backbone,) = self.fast_backbone
            stages = backbone(images.to(next(backbone.parameters()).dtype))
        else:
            stages = self.backbone(images)
        if self.fast_neck:
            (neck,) = self.fast_neck
            dtype = next(neck.parameters()).dtype
            return Features(tuple(stages), neck([x.to(dtype) for x in stages]))
        return Features(tuple(stages), () if self.neck is None else self.neck(stages))

    @tf32_products(False)
    def extract_for_detection(self, images: Tensor) -> Features:
        """:meth:`extract` in float32, whatever the precision of the rest.

        Which objects are found, and in which order, hangs on comparisons that a rounded feature can turn over; the few
        key frames cost little, so they are always computed exactly.
        """
        stages = self.backbone(images)
        return Features(tuple(stages), () if self.neck is None else self.neck(stages))

    @torch.no_grad()
    @tf32_products(False)
    def detect(self, levels: Sequence[Tensor], image_size: tuple[int, int]) -> list[Detections]:
        """Find the objects of frames (RPN, box head, mask head), in float32.

        Args:
            levels: P2..P6 of B frames.
            image_size: (height, width) of the unpadded frames.

        Returns:
            B detections, in the order described at :func:`mmdet_vis.ops.multiclass_nms`.
        """
        levels = [x.float() for x in levels]
        rcnn = self.test_cfg["rcnn"]
        found = [
            multiclass_nms(b, s, rcnn["score_thr"], rcnn["nms_thr"], rcnn["max_per_img"], rcnn.get("cross_nms_thr"))
            for b, s in self.candidates(levels, image_size)
        ]
        masks = self.segment_boxes(levels, [f[0] for f in found], [f[2] for f in found], image_size)
        return [Detections(*f, masks=m) for f, m in zip(found, masks, strict=True)]

    @torch.no_grad()
    @tf32_products(False)
    def candidates(self, levels: Sequence[Tensor], image_size: tuple[int, int]) -> list[tuple[Tensor, Tensor]]:
        """What may be objects, before any is dropped for its score or for another one.

        Args:
            levels: P2..P6 of B frames, float32.
            image_size: (height, width) of the unpadded frames.

        Returns:
            for each frame the boxes of each class ``[N, 4 * (C + 1)]`` and the class probabilities ``[N, C + 1]``.
        """
        proposals = self.rpn_head.propose(*self.rpn_head(levels), image_size, **self.test_cfg["rpn"])
        rois = torch.cat([rois_of(p[:, :4], b) for b, p in enumerate(proposals)])
        logits, deltas = self.bbox_head(self.bbox_roi_extractor(levels, rois))
        scores = logits.softmax(dim=1)
        boxes = decode_boxes(rois[:, 1:], deltas, self.bbox_head.stds, image_size)
        sizes = [len(p) for p in proposals]
        return list(zip(boxes.split(sizes), scores.split(sizes), strict=True))

    @torch.no_grad()
    @tf32_products(False)
    def segment_boxes(
        self, levels: Sequence[Tensor], boxes: list[Tensor], labels: list[Tensor], image_size: tuple[int, int]
    ) -> list[NDArray[np.uint8]]:
        """Masks of the objects in given boxes, by the mask head.

        Args:
            levels: P2..P6 of B frames, float32.
            boxes: of each frame, ``[N, 4]`` inclusive, inside it.
            labels: of each frame, ``[N]`` 0-based categories.
            image_size: (height, width) of the unpadded frames.

        Returns:
            for each frame ``[N, *image_size]`` uint8, 0 or 1.
        """
        rois = torch.cat([rois_of(b, i) for i, b in enumerate(boxes)])
        probability = self.mask_logits(levels, rois, torch.cat(labels)).sigmoid().cpu().numpy()
        threshold = self.test_cfg["rcnn"]["mask_thr_binary"]
        splits = np.cumsum([len(b) for b in boxes])[:-1]
        return [
            paste_masks(p, b.cpu().numpy(), image_size, threshold)
            for p, b in zip(np.split(probability, splits), boxes, strict=True)
        ]

    def mask_logits(self, levels: Sequence[Tensor], rois: Tensor, labels: Tensor) -> Tensor:
        """Mask logits of regions for their category: ``[N, 5]`` and ``[N]`` (0-based) to ``[N, 28, 28]``."""
        logits = self.mask_head(self.mask_roi_extractor(levels, rois))
        return logits[torch.arange(len(rois), device=rois.device), labels + 1]

    @torch.no_grad()
    @tf32_products(False)
    def classify(self, levels: Sequence[Tensor], rois: Tensor) -> Tensor:
        """Class probabilities of given regions, in float32.

        Args:
            levels: P2.. of B frames.
            rois: ``[N, 5]`` float32, (frame index, x1, y1, x2, y2).

        Returns:
            ``[N, C + 1]`` float32, index 0 is background.
        """
        return self.bbox_head.classify(self.bbox_roi_extractor(levels, rois))

    def encode_frame(self, features: Features) -> Any:
        """What the propagation head needs of frames, see its ``encode_frame``."""
        return self.prop_head.frame_terms(features.levels, features.stages)

    def forward(self, images: Tensor) -> Features:
        """Same as :meth:`extract`; the stages of the algorithm call the methods by name."""
        return self.extract(images)


def _built(part: Config | None, **inputs: Any) -> Any:
    """A part of the network, with what it needs to know of an earlier one; None if there is none."""
    return None if part is None else MODELS.build({**inputs, **part})


DETECTOR = ("rpn_head", "bbox_roi_extractor", "bbox_head", "mask_roi_extractor", "mask_head")


def without_detector(model: Config) -> Config:
    """The config of a network that carries masks and detects nothing; of its parts, what the propagation head takes.

    The heads and the RoI extractors go, and the neck if the propagation head works on the backbone's stages.
    """
    kind = MODELS.get(model["prop_head"]["type"])
    takes_levels = kind is None or "in_channels" in inspect.signature(kind).parameters
    return {**model, **dict.fromkeys(DETECTOR), "neck": model["neck"] if takes_levels else None}


def prop_head_inputs(kind: Any, width: int, channels: Sequence[int]) -> Config:
    """What a type of propagation head needs to know of the pyramid and the backbone, by the names of its arguments."""
    known = {"in_channels": width, "c2_channels": channels[0], "c3_channels": channels[1], "stage_channels": channels}
    return {k: v for k, v in known.items() if kind is not None and k in inspect.signature(kind).parameters}


def rois_of(boxes: Tensor, image: int) -> Tensor:
    """Boxes ``[N, 4]`` of one image as regions ``[N, 5]`` that carry its index in the batch."""
    return torch.cat((boxes.new_full((len(boxes), 1), image), boxes), dim=1)
