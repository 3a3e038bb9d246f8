"""What a person says about a video: where an object is (prompts), and what is wrong with a result (corrections)."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.checks import as_list, is_whole, short
from mmdet_vis.errors import ConfigError, counted
from mmdet_vis.structures.masks import RLE, areas, encode_masks
from mmdet_vis.structures.rle import InvalidMaskError, checked_rle

MOST_ID = 2**31
"""Highest number of an object: that of a result that can be saved."""
_NO_TEXT = ("Cc", "Cs", "Zl", "Zp")
"""Control characters, halves of characters, and ends of lines and paragraphs."""
Box = tuple[float, float, float, float]
Point = tuple[float, float]


@dataclass(frozen=True, repr=False)
class Prompt:
    """Where an object is on one frame: its mask, a box around it, or points on it. Exactly one of the three.

    Several prompts with one ``id`` are the same object, shown on several frames; each frame takes one of them. In
    :func:`mmdet_vis.refine` the ``id`` of a sequence (its ``track_id``) corrects it, any other adds an object.

    Args:
        frame: 0-based number of the frame.
        mask: ``[H, W]`` bool, or numbers of which all but 0 are the object, at the video's size; or an RLE. It is taken
            as it is: the result has this mask on this frame.
        box: ``(x0, y0, x1, y1)`` in pixels of the video, ends exclusive; the mask head says which pixels in it are
            the object's.
        point: ``(x, y)`` in pixels of the video, or several of them: the best-scoring proposal is taken, however low
            its score, whose mask contains all positive points and no negative one.
        labels: one for each point: 1 (or True) is positive, on the object, 0 (or False) is negative, off it. All
            positive unless given; at least one must be.
        category: name of the object's category; None: it is scored like that of any object.
        id: which object this is, from 1; None: a new one.

    Attributes:
        mask: as an RLE at the video's size, or None.
        point: tuple of ``(x, y)``, or None.
        labels: tuple of bool, as many as there are points, or None.

    Raises:
        ConfigError: not exactly one of the three is given, or something is out of range; the line names the argument.
    """

    frame: int
    mask: RLE | NDArray[Any] | None = None
    box: Box | None = None
    point: Point | Sequence[Point] | None = None
    labels: Sequence[int | bool] | None = None
    category: str | None = None
    id: int | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("mask", "box", "point") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ConfigError(
                f"a prompt takes one of mask, box and point, got {' and '.join(given) or 'none of them'}: give one, or "
                "one prompt for each"
            )
        object.__setattr__(self, "frame", _whole("prompt: frame", self.frame, 0))
        if self.id is not None:
            object.__setattr__(self, "id", _whole("prompt: id", self.id, 1))
        object.__setattr__(self, "category", _text("category", self.category))
        if self.labels is not None and self.point is None:
            raise ConfigError("labels are those of points: leave them out without point")
        convert = {"mask": _mask, "box": _box, "point": _points}[given[0]]
        object.__setattr__(self, given[0], convert(getattr(self, given[0])))
        if self.point is not None:
            object.__setattr__(self, "labels", _labels(self.labels, len(self.point)))

    def __repr__(self) -> str:
        given = {f.name: repr(getattr(self, f.name)) for f in fields(self) if getattr(self, f.name) is not None}
        if self.mask is not None:
            given["mask"] = f"<{areas([self.mask])[0]} pixels>"  # type: ignore[list-item]  # it is an RLE by now
        return f"Prompt({', '.join(f'{name}={value}' for name, value in given.items())})"

    def check(self, num_frames: int, height: int, width: int) -> None:
        """Check that the prompt fits a video.

        Raises:
            ConfigError: the video has no such frame, or frames of another size; the line names the argument.
        """
        if self.frame >= num_frames:
            held = counted(num_frames, "frame")
            raise ConfigError(f"frame={self.frame}: the video has {held}, 0 to {num_frames - 1}")
        where = f"prompt on frame {self.frame}"
        if self.mask is not None and list(self.mask["size"]) != [height, width]:
            high, wide = self.mask["size"]
            raise ConfigError(
                f"{where}: mask of {wide}x{high} pixels, the video has {width}x{height}: make it that size"
            )
        if self.box is not None:
            x0, y0, x1, y1 = self.box
            if min(x1, width) - max(x0, 0) < 1 or min(y1, height) - max(y0, 0) < 1:
                raise ConfigError(f"{where}: box={self.box} lies outside the frame of {width}x{height}")
        for x, y in self.points:
            if not (0 <= x < width and 0 <= y < height):
                raise ConfigError(f"{where}: point ({x:g}, {y:g}) lies outside the frame of {width}x{height}")

    @property
    def points(self) -> tuple[Point, ...]:
        """The points; none if it is another kind of prompt."""
        return self.point or ()  # type: ignore[return-value]


@dataclass(frozen=True)
class Delete:
    """The sequence ``id`` is no object: it goes."""

    id: int

    def __post_init__(self) -> None:
        _whole_ones(self, id=1)


@dataclass(frozen=True)
class Split:
    """The sequence ``id`` is another object from ``frame`` on: that part becomes a sequence of its own.

    Args:
        id: of the sequence, which keeps what is before.
        frame: first frame of the new one.
        new_id: its ``track_id``; the lowest that is free unless given.
    """

    id: int
    frame: int
    new_id: int | None = None

    def __post_init__(self) -> None:
        _whole_ones(self, id=1, frame=0, **({} if self.new_id is None else {"new_id": 1}))


@dataclass(frozen=True)
class Merge:
    """Sequences are one object: the first of ``ids`` takes the masks of the others, which go."""

    ids: tuple[int, ...]

    def __post_init__(self) -> None:
        ids = as_list("merge: ids", self.ids, "whole numbers")
        object.__setattr__(self, "ids", tuple(_whole("merge: id", number, 1) for number in ids))
        if len(set(self.ids)) != len(self.ids) or len(self.ids) < 2:
            raise ConfigError(f"merge: ids={list(self.ids)}: give at least two different ones")


@dataclass(frozen=True)
class Swap:
    """The sequences ``a`` and ``b`` change places from ``frame`` on."""

    a: int
    b: int
    frame: int

    def __post_init__(self) -> None:
        _whole_ones(self, a=1, b=1, frame=0)
        if self.a == self.b:
            raise ConfigError(f"swap: a={self.a} and b={self.b} are the same sequence")


@dataclass(frozen=True)
class Rename:
    """The sequence ``id`` is of this category; a name that the result does not have is added to its categories."""

    id: int
    category: str

    def __post_init__(self) -> None:
        _whole_ones(self, id=1)
        if self.category is None:
            raise ConfigError("rename: category=None must be a name of up to 200 characters")
        object.__setattr__(self, "category", _text("category", self.category))


@dataclass(frozen=True)
class NotVisible:
    """The object of the sequence ``id`` cannot be seen in frames ``first`` to ``last``, both included."""

    id: int
    first: int
    last: int

    def __post_init__(self) -> None:
        _whole_ones(self, id=1, first=0, last=0)
        if not self.first <= self.last:
            raise ConfigError(f"not visible: frames {self.first} to {self.last}: first must be 0 to last")


Edit = Delete | Split | Merge | Swap | Rename | NotVisible
"""Corrections that rearrange what is there; no network is asked."""
Correction = Prompt | Edit
"""What :func:`mmdet_vis.refine` takes; a prompt is propagated."""


def _whole(name: str, value: Any, least: int) -> int:
    """A whole number as Python's own: NumPy's cannot be written to files."""
    if not is_whole(value, least):
        raise ConfigError(f"{name}={short(value)} must be a whole number from {least}")
    if value > MOST_ID:
        raise ConfigError(f"{name}={short(value)} must be a whole number from {least} to {MOST_ID}")
    return int(value)


def _whole_ones(edit: object, **least: int) -> None:
    kind = type(edit).__name__.replace("V", " v").lower()
    for name, value in least.items():
        object.__setattr__(edit, name, _whole(f"{kind}: {name}", getattr(edit, name), value))


def _text(name: str, value: object) -> str | None:
    """A name without the spaces at its ends."""
    if value is not None and (not isinstance(value, str) or not value.strip() or len(value) > 200):
        raise ConfigError(f"{name}={value!r:.40} must be a name of up to 200 characters")
    if value is not None and any(unicodedata.category(letter) in _NO_TEXT for letter in value):
        raise ConfigError(f"{name}={value!r:.40} holds a line break or another control character: leave that out")
    return None if value is None else value.strip()


def _mask(mask: Any) -> RLE:
    if isinstance(mask, Mapping):
        size = mask.get("size")
        if not (isinstance(size, list | tuple) and len(size) == 2 and all(type(n) is int and n > 0 for n in size)):
            raise ConfigError(f"prompt: mask is no RLE {{size: [height, width], counts}}: size is {size!r:.40}")
        try:
            rle = checked_rle(dict(mask), *size)
        except InvalidMaskError as error:
            raise ConfigError(f"prompt: mask {error.reason}") from None
    else:
        array = np.asarray(mask)
        if array.ndim == 0:
            raise ConfigError(
                f"prompt: mask is of type {type(mask).__name__}: give [H, W] of bool or numbers, or an RLE"
            )
        if array.ndim != 2 or array.dtype.kind not in "biuf":
            raise ConfigError(
                f"prompt: mask must be [H, W] of bool or numbers, or an RLE; got {array.dtype} {list(array.shape)}"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ConfigError("prompt: mask has numbers that are not finite: give 0 and 1, or bool")
        rle = encode_masks((array != 0)[None].astype(np.uint8))[0]
    if rle is None or not areas([rle])[0]:
        raise ConfigError("prompt: mask is empty: say that an object cannot be seen with NotVisible")
    return rle


def _numbers(name: str, value: Any, count: int) -> tuple[float, ...]:
    try:
        values = [] if isinstance(value, str) else list(value)
        numbers = () if any(isinstance(v, str | bytes) for v in values) else tuple(map(float, values))
    except (TypeError, ValueError, OverflowError):
        numbers = ()
    if len(numbers) != count or not np.isfinite(numbers).all():
        raise ConfigError(f"prompt: {name}={value!r:.60} must be {count} numbers")
    return numbers


def _box(box: Any) -> Box:
    x0, y0, x1, y1 = _numbers("box", box, 4)
    if x1 <= x0 or y1 <= y0:
        raise ConfigError(f"prompt: box={(x0, y0, x1, y1)}: write x0, y0, x1, y1 with x0 < x1 and y0 < y1")
    return x0, y0, x1, y1


def _points(point: Any) -> tuple[Point, ...]:
    try:
        values = list(point)
    except TypeError:
        values = []
    if values and not np.isscalar(values[0]):
        return tuple(_numbers("point", value, 2) for value in values)  # type: ignore[misc]
    return (_numbers("point", point, 2),)  # type: ignore[return-value]


def _labels(labels: Any, count: int) -> tuple[bool, ...]:
    values: list[Any]
    if labels is None:
        values = [1] * count
    elif isinstance(labels, Real):  # one number for one point
        values = [labels]
    else:
        values = as_list("prompt: labels", labels, "1 and 0, one for each point")
    if len(values) != count:
        raise ConfigError(f"prompt: {len(values)} labels for {count} points: give one for each")
    if any(value not in (0, 1) for value in values) or not any(values):
        raise ConfigError(f"prompt: labels={values!r:.60} must be 1 (on the object) or 0 (off it), at least one a 1")
    return tuple(bool(value) for value in values)
