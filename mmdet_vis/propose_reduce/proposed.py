"""PROPOSE with any detector: its objects as groups that are carried, and scores of sequences from what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.errors import ConfigError
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN, rois_of
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from mmdet_vis.propose_reduce.propose import Group
from mmdet_vis.propose_reduce.proposer import Images, Place, Proposals, Proposer
from mmdet_vis.propose_reduce.sequence_iou import mask_nms
from mmdet_vis.structures.boxes import clip_boxes
from mmdet_vis.structures.masks import RLE, areas, decode_masks, encode_masks, rle_boxes
from mmdet_vis.structures.resize import to_resized

OVERLAPS = 0.5
"""IoU from which a detection is taken for the object of a sequence."""


@dataclass
class Found:
    """Objects of a key frame.

    Attributes:
        masks: N RLEs at the size of the network's input before padding.
        scores: ``[N, C + 1]`` float32, best category first.
    """

    masks: list[RLE]
    scores: NDArray[np.float32]


def find(
    proposer: Proposer, model: SeqMaskRCNN, store: FeatureStore, keys: Sequence[int], image_size: tuple[int, int]
) -> dict[int, Found]:
    """Ask a proposer for the objects of the key frames, in batches.

    Args:
        model: its mask head draws the objects of proposers that give boxes only.
        keys: indices of the key frames, increasing.
        image_size: (height, width) of the network's input before padding.

    Returns:
        for each key frame its objects, sorted by the score of their best category; those without a pixel are left out.

    Raises:
        ConfigError: what the proposer gives does not fit the frames, or there is no mask head for its boxes.
    """
    found: dict[int, Found] = {}
    for start in range(0, len(keys), store.batch_size):
        batch = keys[start : start + store.batch_size]
        images, places = frames_of(store, batch)
        proposals = proposer.propose(images, places)
        check_proposals(proposals, images, len(proposer.categories), type(proposer).__name__)
        levels = store.compute(batch).levels  # they are kept for the sweeps, as those that the network detects on
        for index, (key, one) in enumerate(zip(batch, proposals, strict=True)):
            order = np.argsort(-one.best, kind="stable")
            if one.masks is not None:
                masks = [to_resized(one.masks[i].astype(np.uint8), image_size) for i in order]
            elif not len(order):
                masks = []
            else:
                frame = [level[index : index + 1].float() for level in levels]
                masks = list(_drawn(model, frame, one.boxes[order], images.shape[1:3], image_size))
            rles = encode_masks(np.stack(masks)) if masks else []
            shown = np.flatnonzero(areas(rles))
            found[key] = Found([rles[i] for i in shown], one.scores[order][shown])
    return found


def groups_of(found: Mapping[int, Found], score_thr: float, max_num: int, mask_nms_thr: float) -> Iterator[Group]:
    """The objects that are worth carrying, by key frame; see :func:`mmdet_vis.propose_reduce.propose.propose`.

    Args:
        score_thr: objects whose best category scores less are not carried.
        max_num: most objects of a key frame.
        mask_nms_thr: objects whose mask overlaps a better one by this IoU are dropped.
    """
    for key, one in found.items():
        good = np.flatnonzero(one.scores[:, 1:].max(axis=1, initial=0) > score_thr)[:max_num]
        rles = [one.masks[i] for i in good]
        kept = mask_nms(rles, mask_nms_thr)
        if kept:
            yield Group(key, [rles[i] for i in kept])


def scores_of(
    sequences: Sequence[Sequence[RLE]],
    proposer: Proposer,
    found: Mapping[int, Found],
    store: FeatureStore,
    image_size: tuple[int, int],
    how: str,
) -> NDArray[np.float32]:
    """Class scores ``[N, C + 1]`` of sequences: :func:`scores_from_detections` or, ``how="boxes"``, of their boxes.

    Raises:
        ConfigError: the proposer cannot classify boxes.
    """
    classes = len(proposer.categories) + 1
    if how == "detections":
        return scores_from_detections(sequences, found, classes)
    classify = getattr(proposer, "classify", None)
    if classify is None:
        raise ConfigError(
            f"propose_reduce.proposal_scores={how!r}: a {type(proposer).__name__} cannot classify boxes: "
            "use 'detections'"
        )
    return scores_from_boxes(sequences, store, classify, image_size, classes)


def scores_from_detections(
    sequences: Sequence[Sequence[RLE]], found: Mapping[int, Found], classes: int
) -> NDArray[np.float32]:
    """Class scores of sequences from the objects of the key frames that they overlap.

    On each key frame, the score of a category is the best one among the detections that the sequence overlaps by
    :data:`OVERLAPS`; where there is none, the frame was missed and counts as 0. The score of the sequence is the mean
    over the key frames on which it is visible, as the paper's (section 3.3, equation 1) is over all frames.

    Args:
        sequences: N sequences of T RLEs of one size, padding on the right and at the bottom.
        found: by key frame.
        classes: C + 1.

    Returns:
        ``[N, C + 1]`` float32; one that is visible on no key frame is background.
    """
    sums = np.zeros((len(sequences), classes), np.float64)
    seen = np.zeros(len(sequences))
    for key, one in found.items():
        masks = [sequence[key] for sequence in sequences]
        visible = np.flatnonzero(areas(masks))
        seen[visible] += 1
        if not len(visible) or not one.masks:
            continue
        height, width = masks[0]["size"]
        small = decode_masks(one.masks)
        padded = np.pad(small, ((0, 0), (0, height - small.shape[1]), (0, width - small.shape[2])))
        iou = np.asarray(coco_mask.iou([masks[i] for i in visible], encode_masks(padded), [0] * len(padded)))
        matched = np.where((iou >= OVERLAPS)[:, :, None], one.scores[None], 0)
        sums[visible] += matched.max(axis=1)
    return _with_background(sums / np.maximum(seen, 1)[:, None])


@torch.no_grad()
def scores_from_boxes(
    sequences: Sequence[Sequence[RLE]],
    store: FeatureStore,
    classify: Callable[[Images, Sequence[NDArray[np.float32]]], list[NDArray[np.float32]]],
    image_size: tuple[int, int],
    classes: int,
) -> NDArray[np.float32]:
    """Class scores of sequences from a proposer that classifies the boxes of their masks on every frame.

    They are the means over the frames in which a sequence is visible (paper section 3.3, equation 1). Boxes are a pixel
    wider than the masks, as those that the network classifies.

    Args:
        sequences: N sequences of T RLEs of one size, padding on the right and at the bottom.
        store: where the frames are read.
        classify: see :class:`~mmdet_vis.propose_reduce.proposer.Classifier`.
        image_size: (height, width) of the network's input before padding.
        classes: C + 1.

    Returns:
        ``[N, C + 1]`` float32; one that is never visible is background.
    """
    sums = np.zeros((len(sequences), classes), np.float64)
    seen = np.zeros(len(sequences))
    length = len(sequences[0]) if sequences else 0
    for start in range(0, length, store.batch_size):
        batch = range(start, min(start + store.batch_size, length))
        images, _ = frames_of(store, batch)
        scale = np.array([images.shape[2] / image_size[1], images.shape[1] / image_size[0]] * 2)
        limit = np.array([image_size[1], image_size[0]] * 2)
        boxes, shown = [], []
        for t in batch:
            corners = rle_boxes([sequence[t] for sequence in sequences])
            visible = np.flatnonzero(~np.isnan(corners[:, 0]))
            wider = np.clip(corners[visible] + [-1, -1, 1, 1], 0, limit)
            boxes.append((wider * scale).astype(np.float32))
            shown.append(visible)
        if any(len(visible) for visible in shown):
            for visible, rows in zip(shown, classify(images, boxes), strict=True):
                sums[visible] += rows
                seen[visible] += 1
    return _with_background(sums / np.maximum(seen, 1)[:, None])


def frames_of(store: FeatureStore, indices: Sequence[int]) -> tuple[Images, list[Place]]:
    """Frames of a video as a proposer gets them, ``[K, H, W, 3]`` uint8 RGB, and where they come from."""
    source = store.source
    names = getattr(source, "frame_names", None)
    images = np.stack([source.read(t, t + 1)[0] for t in indices])[..., ::-1]
    video = str(getattr(source, "name", ""))
    return np.ascontiguousarray(images), [Place(video, t, names[t] if names else str(t)) for t in indices]


def check_proposals(found: Sequence[Proposals], images: Images, categories: int, name: str) -> None:
    """Check that proposals fit the images that they are of.

    Raises:
        ConfigError: a shape is wrong, or a number is none; the line says of which image.
    """
    if len(found) != len(images):
        raise ConfigError(f"{name}: proposals for {len(found)} images, {len(images)} were given")
    for index, one in enumerate(found):
        number = len(one.boxes)
        shapes = {"boxes": (number, 4), "scores": (number, categories + 1), "masks": (number, *images.shape[1:3])}
        for part, wanted in shapes.items():
            value = getattr(one, part)
            if value is not None and np.shape(value) != wanted:
                raise ConfigError(f"{name}: image {index}: {part} are {list(np.shape(value))}, not {list(wanted)}")
        if not (np.isfinite(one.boxes).all() and (one.scores >= 0).all() and (one.scores <= 1 + 1e-4).all()):
            raise ConfigError(f"{name}: image {index}: boxes must be finite numbers, scores from 0 to 1")


def _drawn(
    model: SeqMaskRCNN,
    levels: Sequence[torch.Tensor],
    boxes: NDArray[np.float32],
    original: tuple[int, int],
    image_size: tuple[int, int],
) -> NDArray[np.uint8]:
    """Masks ``[N, *image_size]`` of boxes (ends exclusive) at the video's size, by the network's mask head."""
    if getattr(model, "mask_head", None) is None:
        raise ConfigError("the proposer gives boxes without masks, and this model has no mask head to draw them")
    scale = torch.tensor([image_size[1] / original[1], image_size[0] / original[0]] * 2)
    inclusive = torch.from_numpy(boxes) * scale - torch.tensor([0.0, 0.0, 1.0, 1.0])
    inside = clip_boxes(inclusive, *image_size).to(levels[0].device)
    # The categories are the proposer's. A mask head that draws each category in its own way takes the nearest one.
    labels = model.classify(levels, rois_of(inside, 0))[:, 1:].argmax(dim=1)
    (masks,) = model.segment_boxes(levels, [inside], [labels], image_size)
    return masks


def _with_background(scores: NDArray[np.float64]) -> NDArray[np.float32]:
    """Fill in the first column: what the best category leaves."""
    result = scores.astype(np.float32)
    result[:, 0] = 1 - result[:, 1:].max(axis=1, initial=0)
    return result
