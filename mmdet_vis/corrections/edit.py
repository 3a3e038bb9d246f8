"""Corrections that rearrange the sequences of a result: no network is asked, and what they do not name stays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import singledispatch
from itertools import count
from typing import TypeVar

import numpy as np
from pycocotools import mask as coco_mask

from mmdet_vis.data.categories import find_name
from mmdet_vis.errors import ConfigError
from mmdet_vis.structures import (
    RLE,
    Delete,
    Edit,
    InstanceSequence,
    Merge,
    NotVisible,
    Prompt,
    Rename,
    Split,
    Swap,
    VideoResult,
    areas,
    empty_rle,
)
from mmdet_vis.structures.masks import as_text

_Result = TypeVar("_Result", bound=VideoResult)


def edit_result(result: _Result, edits: Iterable[Edit]) -> _Result:
    """Apply corrections one after the other.

    Scores stay what they were. A merged sequence has the mean of the class scores of its parts, weighted by the frames
    in which each is visible, and the category of the first. Sequences keep their order; a new one comes after the one
    that it was split from. The result that is given stays as it is; masks that do not change are shared with it.

    Raises:
        ConfigError: a sequence or frame that the result does not have; the line names the correction.
    """
    for edit in edits:
        result = _apply(edit, result)  # type: ignore[assignment]  # the class of a result stays
    return result


def free_id(result: VideoResult) -> int:
    """The lowest ``track_id`` above all that the result has."""
    return max((s.track_id for s in result.sequences), default=0) + 1


def numbers_of(result: VideoResult, prompts: Sequence[Prompt]) -> list[int]:
    """The ``track_id`` of each prompt's object; those that have none take the lowest above all others, in order."""
    free = max([free_id(result), *(prompt.id + 1 for prompt in prompts if prompt.id is not None)])
    new = count(free)
    return [next(new) if prompt.id is None else prompt.id for prompt in prompts]


def category_label(result: _Result, name: str) -> tuple[_Result, int]:
    """The 0-based label of a category, and the result, to which the category is added if it lacks it.

    Case, spaces and what stands between words do not make another category.
    """
    label = find_name(name, result.categories)
    if label is not None:
        return result, label
    sequences = [replace(s, class_scores=np.append(s.class_scores, np.float32(0))) for s in result.sequences]
    ids = (*result.category_ids, max(result.category_ids, default=0) + 1)
    added = replace(result, sequences=sequences, categories=(*result.categories, name), category_ids=ids)
    return added, len(result.categories)


@singledispatch
def _apply(edit: object, result: VideoResult) -> VideoResult:
    raise ConfigError(f"{edit!r:.60} is no correction: give Prompt, Delete, Split, Merge, Swap, Rename or NotVisible")


@_apply.register
def _(edit: Delete, result: VideoResult) -> VideoResult:
    return _with(result, {result.sequence(edit.id).track_id: []})


@_apply.register
def _(edit: Rename, result: VideoResult) -> VideoResult:
    result.sequence(edit.id)
    result, label = category_label(result, edit.category)
    sequence = result.sequence(edit.id)
    scores = sequence.class_scores.copy()
    # The new category takes the place of the one that was best, with its score.
    scores[[label, sequence.label]] = scores[[sequence.label, label]]
    return _with(result, {edit.id: [replace(sequence, label=label, class_scores=scores, named=True)]})


@_apply.register
def _(edit: NotVisible, result: VideoResult) -> VideoResult:
    sequence = result.sequence(edit.id)
    _check_frame(result, "not visible: last", edit.last)
    frames = range(edit.first, edit.last + 1)
    empty = empty_rle(result.height, result.width)
    masks = [empty if t in frames else mask for t, mask in enumerate(sequence.masks)]
    given = tuple(sorted({*sequence.given, *frames}))
    sure = None if sequence.confidence is None else sequence.confidence.copy()
    if sure is not None:
        sure[frames.start : frames.stop] = 1
    return _with(result, {edit.id: [replace(sequence, masks=masks, given=given, confidence=sure)]})


@_apply.register
def _(edit: Split, result: VideoResult) -> VideoResult:
    sequence = result.sequence(edit.id)
    _check_frame(result, "split: frame", edit.frame, least=1)
    new_id = free_id(result) if edit.new_id is None else edit.new_id
    if any(s.track_id == new_id for s in result.sequences):
        raise ConfigError(f"split: new_id={new_id} is taken: leave it out, or give another one")
    empty = empty_rle(result.height, result.width)
    parts = []
    for number, frames in ((edit.id, range(edit.frame)), (new_id, range(edit.frame, result.num_frames))):
        masks = [mask if t in frames else empty for t, mask in enumerate(sequence.masks)]
        given, on = _part(sequence, frames)
        parts.append(replace(sequence, track_id=number, masks=masks, given=given, proposed_on=on))
    return _with(result, {edit.id: parts})


@_apply.register
def _(edit: Merge, result: VideoResult) -> VideoResult:
    parts = [result.sequence(track_id) for track_id in edit.ids]
    first, seen = parts[0], np.stack([s.areas > 0 for s in parts])
    masks = [_union(frame) for frame in zip(*(s.masks for s in parts), strict=True)]
    shown = seen.sum(axis=1, dtype=np.float32)
    weights = shown / max(shown.sum(), 1)
    scores = np.sum([w * np.maximum(s.class_scores, 0) for w, s in zip(weights, parts, strict=True)], axis=0)
    scores = scores.astype(np.float32) if shown.any() else first.class_scores
    confidence = None
    if all(s.confidence is not None for s in parts):
        # Of what is visible on a frame, the least sure; of what is not, nothing.
        values = np.stack([s.confidence for s in parts])  # type: ignore[misc]
        confidence = np.where(seen.any(axis=0), np.where(seen, values, 1).min(axis=0), values.min(axis=0))
    # A person gave the mask of a frame if that is so of all that is visible there.
    some = sorted(set().union(*(s.given for s in parts)))
    given = tuple(t for t in some if all(t in s.given for s, visible in zip(parts, seen, strict=True) if visible[t]))
    merged = replace(
        first, masks=masks, class_scores=scores, score=float(scores[first.label]), confidence=confidence, given=given
    )
    return _with(result, {edit.ids[0]: [merged], **{track_id: [] for track_id in edit.ids[1:]}})


@_apply.register
def _(edit: Swap, result: VideoResult) -> VideoResult:
    a, b = result.sequence(edit.a), result.sequence(edit.b)
    _check_frame(result, "swap: frame", edit.frame)
    early, late = range(edit.frame), range(edit.frame, result.num_frames)
    changed = {}
    for one, other in ((a, b), (b, a)):
        (given, on), (given_late, on_late) = _part(one, early), _part(other, late)
        confidence = None
        if one.confidence is not None and other.confidence is not None:
            confidence = np.concatenate((one.confidence[: edit.frame], other.confidence[edit.frame :]))
        changed[one.track_id] = [
            replace(
                one,
                masks=one.masks[: edit.frame] + other.masks[edit.frame :],
                confidence=confidence,
                given=given + given_late,
                proposed_on=on if on_late is None else on_late,
            )
        ]
    return _with(result, changed)


def _part(sequence: InstanceSequence, frames: range) -> tuple[tuple[int, ...], int | None]:
    """What a person gave, and where the object was detected, as far as it lies in these frames."""
    on = sequence.proposed_on
    return tuple(t for t in sequence.given if t in frames), on if on is not None and on in frames else None


def _union(masks: tuple[RLE, ...]) -> RLE:
    shown = [mask for mask, area in zip(masks, areas(masks), strict=True) if area]
    if len(shown) < 2:
        return shown[0] if shown else masks[0]
    return as_text(coco_mask.merge(shown))


def _check_frame(result: VideoResult, what: str, frame: int, least: int = 0) -> None:
    last = result.num_frames - 1
    if not least <= frame <= last:
        raise ConfigError(f"{what}={frame}: {result.name} has {last + 1} frames, use {least} to {last}")


def _with(result: _Result, changed: dict[int, list[InstanceSequence]]) -> _Result:
    """The result with other sequences in the place of some."""
    sequences = [new for old in result.sequences for new in changed.get(old.track_id, [old])]
    return replace(result, sequences=sequences)
