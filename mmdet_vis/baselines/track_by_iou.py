"""Tracking by detection with the same network: Mask R-CNN on every frame, linked by overlap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from mmdet_vis.baselines.linking import OVERLAPS, FrameObjects, IoULinker, Overlap
from mmdet_vis.data.sources import FrameSource, Prefetcher
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN, rois_of
from mmdet_vis.propose_reduce.feature_store import EngineSettings, Preprocess
from mmdet_vis.propose_reduce.pipeline import Sequences
from mmdet_vis.propose_reduce.sequence_iou import mask_nms
from mmdet_vis.registry import TASK_UTILS
from mmdet_vis.structures.masks import empty_rle, encode_masks


@TASK_UTILS.register_module()
@dataclass
class TrackByIoU:
    """Detect on every frame and link the detections of a category by overlap (``propose_reduce.method``).

    Nothing is propagated: an object has a mask where it was detected. As in Propose-Reduce, detection runs in float32,
    and the scores of a sequence are the mean class probabilities of its boxes, here those of the detections.

    Args:
        iou: ``mask`` or ``box``: what has to overlap.
        iou_thr: smallest IoU with the latest detection of a track, in [0, 1].
        max_lost: so many consecutive frames without a detection do not end a track.
        score_thr: detections below are not used; those below ``model.test_cfg.rcnn.score_thr`` are never made.
        mask_nms_thr: of detections of one frame, whatever their category, whose masks overlap by this IoU, only the one
            with the highest score is used.
    """

    iou: Overlap = "mask"
    iou_thr: float = 0.3
    max_lost: int = 5
    score_thr: float = 0.0
    mask_nms_thr: float = 0.5

    def __post_init__(self) -> None:
        if self.iou not in OVERLAPS:
            raise ValueError(f"iou must be one of {', '.join(OVERLAPS)}, got {self.iou!r}")

    def __call__(
        self,
        model: SeqMaskRCNN,
        source: FrameSource,
        preprocess: Preprocess,
        image_size: tuple[int, int],
        engine: EngineSettings,
        progress: Callable[[int, int], None] | None = None,
    ) -> Sequences:
        """Segment all objects of a video; see :data:`mmdet_vis.propose_reduce.pipeline.SequenceMethod`."""
        num_frames = len(source)
        linker = IoULinker(self.iou, self.iou_thr, self.max_lost)
        for frame, objects in enumerate(self._detect(model, source, preprocess, image_size, engine)):
            linker.add(frame, objects)
            if progress is not None:
                progress(frame + 1, num_frames)
        tracks = sorted(linker.tracks, key=lambda track: -float(track.class_scores[1:].max()))
        empty = empty_rle(*image_size)
        masks = [[track.masks.get(t, empty) for t in range(num_frames)] for track in tracks]
        scores = np.array([track.class_scores for track in tracks], np.float32)
        scores = scores.reshape(-1, model.bbox_head.num_classes)
        return Sequences(masks, scores, proposed=len(tracks))

    def _detect(
        self, model: SeqMaskRCNN, source: FrameSource, preprocess: Preprocess, image_size: tuple[int, int],
        engine: EngineSettings,
    ) -> Iterator[FrameObjects]:  # fmt: skip
        """The detections of each frame, in batches; the next batch is read meanwhile."""
        total, step = len(source), max(1, engine.batch_size)
        chunks = [(start, min(start + step, total)) for start in range(0, total, step)]
        with Prefetcher(source, chunks, depth=1, transform=preprocess) as batches:
            for _, _, images in batches:
                images = images.to(engine.device, torch.float32, non_blocking=True)
                yield from self._detect_batch(model, images, image_size)

    @torch.no_grad()
    def _detect_batch(
        self, model: SeqMaskRCNN, images: torch.Tensor, image_size: tuple[int, int]
    ) -> list[FrameObjects]:
        features = model.extract_for_detection(images.contiguous(memory_format=torch.channels_last))
        found = model.detect(features.levels, image_size)
        levels = [level.float() for level in features.levels]
        rois = torch.cat([rois_of(detections.boxes, index) for index, detections in enumerate(found)])
        probabilities = model.classify(levels, rois).split([len(detections.boxes) for detections in found])
        objects = []
        for detections, rows in zip(found, probabilities, strict=True):
            scores = detections.scores.cpu().numpy()
            order = [int(i) for i in np.argsort(-scores, kind="stable") if scores[i] >= self.score_thr]
            rles = encode_masks(detections.masks[order])
            kept = mask_nms(rles, self.mask_nms_thr)
            chosen = [order[i] for i in kept]
            objects.append(
                FrameObjects(
                    boxes=detections.boxes[chosen].cpu(),
                    labels=detections.labels[chosen].tolist(),
                    masks=[rles[i] for i in kept],
                    class_scores=rows[chosen].cpu().numpy(),
                )
            )
        return objects
