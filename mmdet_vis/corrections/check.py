"""Whether prompts and corrections fit a video and its result: said before any network is asked."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from itertools import groupby
from typing import Any, TypeVar

import numpy as np

from mmdet_vis.checks import as_list
from mmdet_vis.corrections.edit import edit_result, numbers_of
from mmdet_vis.data.categories import find_name, plain_name
from mmdet_vis.data.sources import FrameSource
from mmdet_vis.errors import ConfigError, SourceError, counted
from mmdet_vis.structures import Correction, Edit, InstanceSequence, Prompt, Rename, VideoResult, empty_rle

_LOGGER = logging.getLogger(__name__)
_Result = TypeVar("_Result", bound=VideoResult)
UNNAMED = {"array", "images"}
"""What videos are called that were given as arrays or pictures."""


class CorrectionError(ConfigError):
    """A prompt or correction that does not fit: the list that it is in, its place there, from 0, and the reason."""

    def __init__(self, what: str, index: int, reason: str) -> None:
        super().__init__(f"{what}[{index}]{' ' if reason.startswith('is ') else ': '}{reason}")
        self.index, self.reason = index, reason


def listed(corrections: Any) -> list[Correction]:
    """Corrections as a list.

    Raises:
        ConfigError: they are none.
    """
    return as_list("corrections", corrections, "Prompt, Delete, Split, Merge, Swap, Rename and NotVisible")


def check_result(result: object) -> None:
    """Refuse what is no result.

    Raises:
        ConfigError: see there.
    """
    if not isinstance(result, VideoResult):
        raise ConfigError(f"result is of type {type(result).__name__}: give a result, e.g. of VideoResult.load(path)")


def check_same_video(result: VideoResult, video: FrameSource) -> None:
    """Check that a result may be of a video.

    Raises:
        ConfigError: it is no result.
        SourceError: it has another size, or another number of frames.
    """
    check_result(result)
    sizes = [(result.width, result.height, result.num_frames), (video.width, video.height, len(video))]
    if sizes[0] != sizes[1]:
        was, here = (f"{counted(number, 'frame')} of {width}x{height}" for width, height, number in sizes)
        raise SourceError(f"{video.name} has {here}, the result of {result.name} has {was}: give its own video")


def tell_other_name(result: VideoResult, video: FrameSource) -> None:
    """Warn of a video that is not called as the result's was: another one of its size and length, or renamed."""
    if result.name != video.name and not {result.name, video.name} & UNNAMED:
        _LOGGER.warning("the result is of %s, and corrected with the video %s", result.name, video.name)


def tell_other_model(result: VideoResult, categories: Sequence[str]) -> None:
    """Warn of a model with categories that the result lacks, and gets: it is of another model, or has a proposer's."""
    new = [name for name in categories if find_name(name, result.categories) is None]
    if new:
        _LOGGER.warning(
            "the result of %s is of another model, or of a proposer: this one adds %s (%s, ...) and uses them",
            result.name,
            counted(len(new), "category"),
            new[0],
        )


def tell_gone(before: VideoResult, after: VideoResult) -> None:
    """Warn of sequences that gave way to an object that was shown and is the same."""
    there = {sequence.track_id for sequence in after.sequences}
    for sequence in before.sequences:
        if sequence.track_id not in there:
            _LOGGER.warning(
                "sequence %d (%s) gave way to a prompt for the same object: with its id, a prompt corrects it instead",
                sequence.track_id,
                before.category_of(sequence),
            )


def tell_new_categories(corrections: Iterable[Correction], known: Sequence[str]) -> None:
    """Say which categories of prompts and corrections are none of the known ones; a slip of the pen founds one, too."""
    given = (correction.category for correction in corrections if isinstance(correction, Prompt | Rename))
    new = [name for name in dict.fromkeys(given) if name is not None and find_name(name, known) is None]
    plain = {plain_name(name): name for name in known}
    for name in new:
        like = [plain[other] for other in get_close_matches(plain_name(name), plain, n=1)]
        hint = f"; there is {like[0]!r}" if like else ""
        level = logging.WARNING if like else logging.INFO
        _LOGGER.log(level, "category %r is new, beside %s%s", name, counted(len(plain), "other"), hint)


def without_emptied(before: VideoResult, result: _Result) -> _Result:
    """A corrected result without the sequences that, unlike ``before``, have no visible pixel; they are said."""
    earlier = {sequence.track_id: sequence for sequence in before.sequences}
    kept = []
    for sequence in result.sequences:
        old = earlier.get(sequence.track_id)
        if sequence.areas.any() or (old is not None and not old.areas.any()):
            kept.append(sequence)
            continue
        name = result.category_of(sequence)
        _LOGGER.warning("sequence %d (%s) is visible in no frame any more: left out", sequence.track_id, name)
    return result if len(kept) == len(result.sequences) else replace(result, sequences=kept)


def check_prompts(prompts: Iterable[Any], video: FrameSource) -> None:
    """Check that prompts fit a video.

    Raises:
        CorrectionError: one does not, or is none.
    """
    places: set[tuple[int, int]] = set()
    names: dict[int, str] = {}
    for index, prompt in enumerate(prompts):
        if not isinstance(prompt, Prompt):
            what = f"is of type {type(prompt).__name__}: give a list of Prompt"
            raise CorrectionError("prompts", index, what)
        try:
            _check_prompt(prompt, places, len(video), video.height, video.width)
            _check_name(prompt, names)
        except ConfigError as error:
            raise CorrectionError("prompts", index, str(error)) from None


def check_corrections(result: VideoResult, corrections: Iterable[Correction]) -> None:
    """Check that corrections fit a result, one after the other, each as the ones before have left it.

    What a prompt's object takes the place of is only known when it has been carried through the video.

    Raises:
        CorrectionError: one does not fit.
    """
    places: set[tuple[int, int]] = set()
    for is_prompt, chunk in chunks(corrections):
        if not is_prompt:
            result = apply_edits(result, chunk)
            continue
        prompts: list[Prompt] = [prompt for _, prompt in chunk]
        names: dict[int, str] = {}
        for index, prompt in chunk:
            try:
                _check_prompt(prompt, places, result.num_frames, result.height, result.width)
                _check_name(prompt, names)
            except ConfigError as error:
                raise CorrectionError("corrections", index, str(error)) from None
        known = {sequence.track_id for sequence in result.sequences}
        empty = [empty_rle(result.height, result.width)] * result.num_frames
        scores = np.zeros(len(result.categories), np.float32)
        added = [
            InstanceSequence(track_id=number, label=0, score=0.0, class_scores=scores, masks=empty)
            for number in dict.fromkeys(numbers_of(result, prompts))
            if number not in known
        ]
        result = replace(result, sequences=[*added, *result.sequences])


def apply_edits(result: _Result, numbered: Iterable[tuple[int, Edit]]) -> _Result:
    """:func:`edit_result` of corrections with their places in a list.

    Raises:
        CorrectionError: one does not fit.
    """
    for index, edit in numbered:
        try:
            result = edit_result(result, [edit])
        except ConfigError as error:
            raise CorrectionError("corrections", index, str(error)) from None
    return result


def chunks(corrections: Iterable[Correction]) -> Iterator[tuple[bool, list[tuple[int, Any]]]]:
    """Corrections with their places in the list; neighbouring prompts are together, since they are carried at once.

    Yields:
        whether the next ones are prompts, and those.
    """
    for is_prompt, chunk in groupby(enumerate(corrections), key=lambda entry: isinstance(entry[1], Prompt)):
        yield is_prompt, list(chunk)


def _check_prompt(prompt: Prompt, places: set[tuple[int, int]], frames: int, height: int, width: int) -> None:
    prompt.check(frames, height, width)
    if prompt.id is not None:
        if (prompt.id, prompt.frame) in places:
            raise ConfigError(f"two prompts for the object {prompt.id} on frame {prompt.frame}: give one")
        places.add((prompt.id, prompt.frame))


def _check_name(prompt: Prompt, names: dict[int, str]) -> None:
    if prompt.id is not None and prompt.category is not None:
        other = names.setdefault(prompt.id, prompt.category)
        if plain_name(other) != plain_name(prompt.category):
            raise ConfigError(f"the object {prompt.id} is called {other!r} by an earlier prompt: give one category")
