"""Objects that a person shows: from prompts to sequences of a result."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.corrections.check import CorrectionError
from mmdet_vis.corrections.edit import category_label, numbers_of
from mmdet_vis.data.categories import find_name
from mmdet_vis.errors import ConfigError
from mmdet_vis.propose_reduce import EngineSettings, ProposeReduceSettings
from mmdet_vis.propose_reduce.confidence import combine
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from mmdet_vis.propose_reduce.follow import Followed, Shown, follow
from mmdet_vis.propose_reduce.pipeline import not_finite
from mmdet_vis.propose_reduce.prompted import mask_of_box, mask_of_points
from mmdet_vis.propose_reduce.sequence_iou import sequence_iou
from mmdet_vis.result import VideoResult
from mmdet_vis.structures import RLE, InstanceSequence, Prompt, areas, decode_masks, empty_rle, encode_masks
from mmdet_vis.structures.masks import as_text
from mmdet_vis.structures.resize import rles_to_original, to_resized
from mmdet_vis.vis_model import VISModel

RIVAL_SCORE = 0.2
"""Sequences with this score, and those that a person had a hand in, compete with what is shown."""
CLAIMED = 0.5
"""Share of the smaller of two masks: a sequence that covers so much of what a person gave is no rival, but wrong."""


@dataclass
class Stage:
    """Where objects are followed.

    Attributes:
        model: the network.
        store: features of the video.
        engine: how the machine is used.
        resized: (height, width) of the network's input before padding.
        settings: of the algorithm.
    """

    model: VISModel
    store: FeatureStore
    engine: EngineSettings
    resized: tuple[int, int]
    settings: ProposeReduceSettings


@dataclass
class _Object:
    """An object that some prompts show.

    Attributes:
        track_id: its number in the result.
        before: the sequence that is corrected; None: it is a new object.
        new: masks by frame, at the video's own size.
        label: category that a person gave.
    """

    track_id: int
    before: InstanceSequence | None
    new: dict[int, RLE] = field(default_factory=dict)
    label: int | None = None


def show(
    stage: Stage, result: VideoResult, prompts: Sequence[Prompt], progress: Callable[[int, int], None] | None
) -> VideoResult:
    """Correct the sequences whose number is the ``id`` of a prompt, and add the objects of other prompts.

    Args:
        stage: where.
        result: of the video.
        prompts: masks, see :func:`draw`.
        progress: called with (frames swept, frames to sweep).

    Raises:
        ConfigError: the network gives numbers that are not finite.
    """
    for name in (*stage.model.categories, *(p.category for p in prompts if p.category is not None)):
        result, _ = category_label(result, name)
    objects = _objects(result, prompts)
    shown = [_shown(stage, result, one) for one in objects]
    rivals = _rivals(stage, result, objects)
    try:
        found = follow(
            stage.model.network, stage.store, shown, rivals, stage.resized, stage.settings.memory, stage.engine,
            progress, stage.model.classifies,
        )  # fmt: skip
    except FloatingPointError as error:
        raise ConfigError(not_finite(stage.engine.dtype)) from error
    sequences = [_sequence(stage, result, one, found, i) for i, one in enumerate(objects)]
    corrected = {one.track_id: s for one, s in zip(objects, sequences, strict=True) if one.before is not None}
    added = [s for one, s in zip(objects, sequences, strict=True) if one.before is None]
    others = [corrected.get(s.track_id, s) for s in result.sequences]
    return replace(result, sequences=[*added, *_not_covered(added, others, stage.settings)])


def draw(stage: Stage, original: tuple[int, int], prompts: Sequence[Prompt]) -> list[Prompt]:
    """The prompts with masks in the place of boxes and points.

    Args:
        stage: where.
        original: (height, width) of the video.
        prompts: of any kind.

    Raises:
        CorrectionError: no proposal has a prompt's points, or there is nothing in its box.
    """
    masks: dict[int, RLE] = {}
    scale_y, scale_x = stage.resized[0] / original[0], stage.resized[1] / original[1]
    network = stage.model.network
    drawn = [i for i, prompt in enumerate(prompts) if prompt.mask is None]
    if drawn and network.mask_head is None:
        what = f"prompt on frame {prompts[drawn[0]].frame}: this model has no detector: give the mask"
        raise CorrectionError("prompts", drawn[0], what)
    for frame, indices in groupby(sorted(drawn, key=lambda i: prompts[i].frame), key=lambda i: prompts[i].frame):
        levels = [x.float() for x in stage.store.compute([frame]).levels]
        for i in indices:
            prompt = prompts[i]
            label = None if prompt.category is None else find_name(prompt.category, stage.model.categories)
            if prompt.box is not None:
                x0, y0, x1, y1 = prompt.box
                box = x0 * scale_x, y0 * scale_y, x1 * scale_x, y1 * scale_y
                mask: NDArray[np.uint8] | None = mask_of_box(network, levels, box, label, stage.resized)
                what = f"the mask head sees no object in box={prompt.box}: give another box, or the mask"
            else:
                places = [((x + 0.5) * scale_x, (y + 0.5) * scale_y) for x, y in prompt.points]
                signs = prompt.labels or ()
                on, off = ([p for p, sign in zip(places, signs, strict=True) if sign is side] for side in (True, False))
                mask = mask_of_points(network, levels, on, off, label, stage.resized)
                what = f"no proposal has the positive and no negative one of point={list(prompt.points)}: give a box"
            if mask is not None:
                (masks[i],) = rles_to_original(encode_masks(mask[None]), stage.resized, original)
            if mask is None or not areas([masks[i]])[0]:
                raise CorrectionError("prompts", i, f"prompt on frame {frame}: {what}")
    return [Prompt(p.frame, masks.get(i, p.mask), category=p.category, id=p.id) for i, p in enumerate(prompts)]


def _objects(result: VideoResult, prompts: Sequence[Prompt]) -> list[_Object]:
    known = {s.track_id: s for s in result.sequences}
    objects: dict[int, _Object] = {}
    for number, prompt in zip(numbers_of(result, prompts), prompts, strict=True):
        one = objects.setdefault(number, _Object(number, known.get(number)))
        one.new[prompt.frame] = prompt.mask  # type: ignore[assignment]  # an RLE by now
        if prompt.category is not None:
            one.label = find_name(prompt.category, result.categories)
    return list(objects.values())


def _shown(stage: Stage, result: VideoResult, one: _Object) -> Shown:
    """The object as the engine wants it: masks at the size of the network's input."""
    given, hidden = dict(one.new), set()
    before = one.before
    if before is None:
        known = None
    else:
        seen = before.areas > 0
        given |= {t: before.masks[t] for t in before.given if seen[t] and t not in one.new}
        hidden = {t for t in before.given if not seen[t] and t not in one.new}

        def known(t: int) -> NDArray[np.uint8]:
            return to_resized(decode_masks([before.masks[t]])[0], stage.resized)

    small = {t: encode_masks(to_resized(decode_masks([mask])[0], stage.resized)[None])[0] for t, mask in given.items()}
    return Shown(small, set(one.new), hidden, known, None if before is None else before.proposed_on)


def _rivals(stage: Stage, result: VideoResult, objects: Sequence[_Object]) -> Callable[[int], NDArray[np.uint8] | None]:
    """The union of the other sequences on a frame, without those that claim what a person gave to another."""
    numbers = {one.track_id for one in objects}

    def claims(sequence: InstanceSequence) -> bool:
        return any(_shared(sequence.masks[t], mask) > CLAIMED for one in objects for t, mask in one.new.items())

    rivals = [s for s in result.sequences if s.track_id not in numbers and s.reaches(RIVAL_SCORE) and not claims(s)]

    def union(t: int) -> NDArray[np.uint8] | None:
        masks = [s.masks[t] for s in rivals]
        masks = [mask for mask, area in zip(masks, areas(masks), strict=True) if area]
        if not masks:
            return None
        return to_resized(decode_masks([as_text(coco_mask.merge(masks))])[0], stage.resized)

    return union


def _shared(a: RLE, b: RLE) -> float:
    """The part of the smaller of two masks that both have."""
    smaller = min(areas([a, b]))
    return float(coco_mask.area(coco_mask.merge([a, b], intersect=True)) / smaller) if smaller else 0.0


def _sequence(stage: Stage, result: VideoResult, one: _Object, found: Followed, index: int) -> InstanceSequence:
    """A followed object at the video's own size."""
    before, size = one.before, (result.height, result.width)
    changed = [t for t, mask in enumerate(found.masks[index]) if mask is not None]
    drawn = rles_to_original([found.masks[index][t] for t in changed], stage.resized, size)  # type: ignore[misc]
    masks = [empty_rle(*size)] * result.num_frames if before is None else list(before.masks)
    for t, mask in zip(changed, drawn, strict=True):
        if before is None or t not in before.given:
            masks[t] = mask
    for t, mask in one.new.items():
        masks[t] = mask
    given = tuple(sorted({*one.new, *(before.given if before is not None else ())}))
    scores = found.scores[index : index + 1]
    if stage.settings.reduction.calibration is not None:
        scores = stage.settings.reduction.calibration(scores)
    class_scores = np.zeros(len(result.categories), np.float32)
    if stage.model.classifies:
        class_scores[[category_label(result, name)[1] for name in stage.model.categories]] = scores[0, 1:]
    elif before is not None:
        class_scores[: len(before.class_scores)] = before.class_scores
    elif one.label is not None or len(stage.model.categories) == 1:
        class_scores[one.label or 0] = 1  # nobody but the person knows
    label, named = int(class_scores.argmax()), one.label is not None or (before is not None and before.named)
    if named:  # the category that a person gave takes the place of the best one
        own = one.label if one.label is not None else before.label  # type: ignore[union-attr]
        class_scores[[own, label]] = class_scores[[label, own]]
        label = own
    return InstanceSequence(
        track_id=one.track_id,
        label=label,
        score=float(class_scores[label]),
        class_scores=class_scores,
        masks=masks,
        confidence=_confidence(found, index, masks, given, changed, before),
        proposed_on=None if before is None else before.proposed_on,
        given=given,
        named=named,
    )


def _confidence(
    found: Followed,
    index: int,
    masks: Sequence[RLE],
    given: Sequence[int],
    changed: Sequence[int],
    before: InstanceSequence | None,
) -> NDArray[np.float32]:
    """Of masks that stay, what it was; of those that a person gave, 1."""
    one = slice(index, index + 1)
    unknown = np.full((1, len(masks)), np.nan, np.float32)
    values = combine(unknown, found.classes[one], found.sharp[one], areas(masks)[None] > 0)[0]
    if before is not None and before.confidence is not None:
        stays = np.setdiff1d(np.arange(len(masks)), changed)
        values[stays] = before.confidence[stays]
    values[list(given)] = 1
    return values


def _not_covered(
    added: Sequence[InstanceSequence], others: Sequence[InstanceSequence], settings: ProposeReduceSettings
) -> list[InstanceSequence]:
    """The other sequences without those that were found and are one of the added objects."""
    if not added or not others:
        return list(others)
    threshold = getattr(settings.reduction.rule, "iou_thr", 0.5)
    overlap = sequence_iou([s.masks for s in (*added, *others)])[len(added) :, : len(added)]
    return [s for s, iou in zip(others, overlap, strict=True) if s.by_hand or iou.max() < threshold]
