"""Run-length encodings as result and annotation files hold them: every accepted form, checked, without decoding.

pycocotools trusts its input: an encoding whose runs do not add up to the frame makes ``mask.iou`` loop for ever, and
one cut in the middle of a number is read past its end. Both are found here, for all masks of a video at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.structures.masks import RLE, as_text

# A compressed run is a base-32 number, least significant digit first, one character per digit starting at "0"; all
# but the last digit carry the continuation flag 32, and bit 16 of the last one is the sign.
_FIRST, _LAST = ord("0"), ord("0") + 63
_FLAG = 32
_CONTINUES = _FIRST + _FLAG
_MAX_DIGITS = 6  # 6 digits hold 29 bits and a sign: more than the pixels of any frame
_TOO_LONG = -(1 << 31)
# Values by character. Bit 16 of the last digit counts negatively; the others make up for that.
_LAST_DIGITS = ((np.arange(256, dtype=np.int32) - _FIRST) ^ 16) - 16
_OTHER_DIGITS = (np.arange(256, dtype=np.int32) & 31) ^ 16
_RUNS_CHUNK = 512  # strings at a time: the arrays of their runs then stay in the cache
_BAD_CHARACTERS = "has characters that no compressed RLE contains"
MAX_OUTSIDE = 10
"""Sides of the frame that a point of a polygon may lie away from its corner."""


class InvalidMaskError(ValueError):
    """A mask that is no run-length encoding of its frame; ``index`` is its position in the list."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


def to_rles(segmentations: list[Any], height: int, width: int) -> list[RLE | None]:
    """:func:`to_rle` of each frame's segmentation.

    Raises:
        InvalidMaskError: names the frame.
    """
    # Files usually hold nothing but compressed RLEs. That is seen without a call per mask, as there are millions.
    present = [mask for mask in segmentations if mask is not None]
    try:
        sizes, counts = [mask["size"] for mask in present], [mask["counts"] for mask in present]
    except (TypeError, KeyError):
        sizes, counts = [], [None]
    if sizes.count([height, width]) == len(counts) and set(map(type, counts)) <= {str}:
        return segmentations
    rles: list[RLE | None] = []
    for frame, segmentation in enumerate(segmentations):
        try:
            rles.append(to_rle(segmentation, height, width))
        except InvalidMaskError as error:
            raise InvalidMaskError(frame, f"has a mask for frame {frame} that {error.reason}") from None
    return rles


def to_rle(segmentation: Any, height: int, width: int) -> RLE | None:
    """Bring one segmentation of a file into the compressed form.

    Args:
        segmentation: ``None`` (or an empty list: the object is not visible), a dict with ``size`` and ``counts``
            (compressed string or bytes, or a list of run lengths), a list of polygons ``[x0, y0, x1, y1, ...]``, or
            one such polygon.
        height, width: frame size in pixels.

    Returns:
        The RLE, or ``None``. Compressed runs are not looked into: :func:`check_runs` does that for many at once.

    Raises:
        InvalidMaskError: if it is none of these or its size is not that of the frame.
    """
    if segmentation is None or segmentation == []:
        return None
    if isinstance(segmentation, list):
        if is_flat_polygon(segmentation):
            segmentation = [segmentation]
        return _from_polygons(segmentation, height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation or "size" not in segmentation:
        raise InvalidMaskError(0, "is not null, an RLE {size, counts} or a list of polygons")
    size, counts = segmentation["size"], segmentation["counts"]
    if not isinstance(size, (list, tuple)) or list(size) != [height, width]:
        raise InvalidMaskError(0, f"has size {size!s:.60}, the video is [height, width] = [{height}, {width}]")
    if isinstance(counts, str):
        return segmentation  # type: ignore[return-value]
    if isinstance(counts, bytes):
        return RLE(size=[height, width], counts=counts.decode("latin-1"))
    if not isinstance(counts, list) or not all(type(run) is int and run >= 0 for run in counts):
        raise InvalidMaskError(0, "has counts that are neither a string nor a list of whole numbers from 0")
    if max(counts, default=0) >= 2**32:  # what pycocotools counts with
        raise InvalidMaskError(0, "has runs longer than any frame")
    if sum(counts) != height * width:
        raise InvalidMaskError(0, f"has runs of {str(sum(counts))[:20]} pixels, the frame has {height * width}")
    return as_text(coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width))


def is_flat_polygon(segmentation: Any) -> bool:
    """Whether it is one polygon ``[x0, y0, x1, y1, ...]`` where the format wants a list of polygons."""
    return isinstance(segmentation, list) and bool(segmentation) and type(segmentation[0]) in (int, float)


def _from_polygons(polygons: list[Any], height: int, width: int) -> RLE:
    for polygon in polygons:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise InvalidMaskError(0, "is a list but not of polygons [x0, y0, x1, y1, x2, y2, ...]")
        # pycocotools takes time and memory with the length of the outline, and its numbers have 32 bits.
        most = MAX_OUTSIDE * max(height, width)
        if not all(isinstance(value, (int, float)) and abs(value) <= most for value in polygon):
            raise InvalidMaskError(0, "has a polygon with points that are not finite, or far outside the frame")
    return as_text(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)))


def checked_rle(segmentation: Any, height: int, width: int) -> RLE | None:
    """:func:`to_rle`, its runs checked, too: what comes out is safe to decode.

    Raises:
        InvalidMaskError: it is not a mask of this size.
    """
    rle = to_rle(segmentation, height, width)
    if rle is not None:
        check_rles([rle])
    return rle


def check_rles(rles: Sequence[RLE]) -> None:
    """Check that compressed RLEs of one size are safe to decode: :func:`check_characters` and :func:`check_runs`.

    Raises:
        InvalidMaskError: for the first one of which either fails.
    """
    check_characters([rle["counts"] for rle in rles])
    check_runs(rles)


def check_characters(counts: Sequence[str]) -> None:
    """Check that compressed strings can be parsed safely (any run lengths).

    Raises:
        InvalidMaskError: for the first string that is empty, cut off, or has characters outside ``0`` to ``o``.
    """
    if len(counts) == 0:
        return
    data, stops = _joined(counts)
    empty = np.diff(stops, prepend=0) == 0
    if empty.any():
        raise InvalidMaskError(int(np.argmax(empty)), "has no runs")
    if data.min() < _FIRST or data.max() > _LAST:
        position = int(np.argmax((data < _FIRST) | (data > _LAST)))
        raise InvalidMaskError(int(np.searchsorted(stops, position, side="right")), _BAD_CHARACTERS)
    cut = data[stops - 1] >= _CONTINUES
    if cut.any():
        raise InvalidMaskError(int(np.argmax(cut)), "ends in the middle of a run")


def check_runs(rles: Sequence[RLE]) -> None:
    """Check that the runs of each compressed RLE of one size, which passed :func:`check_characters`, add up to it.

    Raises:
        InvalidMaskError: for the first one whose runs do not.
    """
    if not rles:
        return
    pixels = rles[0]["size"][0] * rles[0]["size"][1]
    for begin in range(0, len(rles), _RUNS_CHUNK):
        totals, smallest = _run_totals([rle["counts"] for rle in rles[begin : begin + _RUNS_CHUNK]])
        wrong = (totals != pixels) | (smallest < 0)
        if wrong.any():
            index = int(np.argmax(wrong))
            if smallest[index] < 0:
                raise InvalidMaskError(begin + index, "has a run of negative length")
            raise InvalidMaskError(begin + index, f"has runs of {totals[index]} pixels, the frame has {pixels}")


def shift_right(rles: Sequence[RLE], frames: Sequence[int]) -> list[RLE]:
    """Put empty frames to the left of masks: only the first run of an encoding changes.

    Of encodings of one size ``[H, W]`` whose runs were checked, this gives those of ``[H, W * (frames + 1)]``, which
    must have fewer than 2**29 pixels.
    """
    if not rles:
        return []
    height, width = rles[0]["size"]
    heads = "".join([rle["counts"][:_MAX_DIGITS].ljust(_MAX_DIGITS, "0") for rle in rles])
    digits = np.frombuffer(heads.encode("ascii"), np.uint8).reshape(-1, _MAX_DIGITS).astype(np.int64) - _FIRST
    places = 5 * np.arange(_MAX_DIGITS)
    length = np.argmax(digits < _FLAG, axis=1) + 1
    used = np.arange(_MAX_DIGITS) < length[:, None]
    value = np.where(used, (digits & 31) << places, 0).sum(axis=1) + np.asarray(frames) * (height * width)
    # All six digits, though fewer might do: then they can be cut from one text.
    shifted = ((value[:, None] >> places) & 31) + _FIRST
    shifted[:, :-1] += _FLAG
    text = shifted.astype(np.uint8).tobytes().decode("ascii")
    return [
        RLE(size=[height, width * (n + 1)], counts=text[at : at + _MAX_DIGITS] + rle["counts"][skip:])
        for rle, n, skip, at in zip(rles, frames, length.tolist(), range(0, len(text), _MAX_DIGITS), strict=True)
    ]


def _joined(counts: Sequence[str]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Characters of all strings as one ``[L]`` array, and where each string stops in it: ``[N]``."""
    text = "".join(counts)
    if not text.isascii():
        index = next(i for i, string in enumerate(counts) if not string.isascii())
        raise InvalidMaskError(index, _BAD_CHARACTERS)
    data = np.frombuffer(text.encode("ascii"), np.uint8)
    return data, np.cumsum(np.fromiter(map(len, counts), np.int64, len(counts)))


def _numbers(data: NDArray[np.uint8]) -> tuple[NDArray[np.int32], NDArray[np.int64]]:
    """The numbers of the compressed form, ``[R]``, and the positions of their last digits in ``data``, ``[R]``."""
    ends = np.flatnonzero(data < _CONTINUES)
    values = _LAST_DIGITS.take(data.take(ends))
    # Digits before the last: most numbers have none.
    digit = data.take(ends - 1)
    more = longer = np.flatnonzero(digit >= _CONTINUES)
    for back in range(2, _MAX_DIGITS + 1):
        if not len(more):
            return values, ends
        values[more] = (values[more] << 5) + _OTHER_DIGITS.take(digit.take(longer))
        digit = data.take(ends.take(more) - back)
        longer = np.flatnonzero(digit >= _CONTINUES)
        more = more.take(longer)
    values[more] = _TOO_LONG
    return values, ends


def _run_totals(counts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Sum of the runs and the shortest run of each of N checked strings: two arrays ``[N]``.

    Runs are 32-bit and wrap around, as in pycocotools; those beyond 2**31 come out negative.
    """
    data, stops = _joined(counts)
    values, ends = _numbers(data)
    number = np.diff(np.searchsorted(ends, stops), prepend=0)
    first = np.cumsum(number) - number
    # From its fourth run on, a string holds the difference to the run before last: the runs are running sums over
    # every other number, in which the first background run takes no part. Sum over all strings at once, then take
    # away what the sums had reached where each string begins.
    leading = values[first]
    values[first] = 0
    for side in (0, 1):
        np.cumsum(values[side::2], dtype=np.int32, out=values[side::2])
    reached = np.stack([values[first], np.where(first > 0, values[first - 1], 0)])  # by even and odd runs
    for side in (0, 1):
        share = (first + number + 1 - side) // 2 - (first + 1 - side) // 2
        values[side::2] -= np.repeat(np.where(first % 2 == side, reached[0], reached[1]), share)
    values[first] = leading
    return np.add.reduceat(values, first, dtype=np.int64), np.minimum.reduceat(values, first)
