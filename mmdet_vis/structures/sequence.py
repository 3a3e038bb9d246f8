"""What the program returns: the object sequences of a video."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields, replace
from html import escape
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.checks import as_list, check_number, is_whole, short
from mmdet_vis.errors import ConfigError, ViewError, counted
from mmdet_vis.structures.frame import FrameObjects
from mmdet_vis.structures.masks import RLE, areas, decode_masks, rle_boxes

if TYPE_CHECKING:
    import pandas

_Result = TypeVar("_Result", bound="VideoResult")
SHOW_SCORE_THR = 0.2
"""Lowest score of a sequence that is drawn unless a model recommends another, as in the published demo."""

_SHOWN = 8
"""Sequences that a repr lists."""
_PLAIN = ("track_id", "label", "score", "masks", "proposed_on", "given", "named")
_COLUMNS = ["track_id", "category", "score", "frame", "frame_name", "time", "x0", "y0", "x1", "y1", "area"]


def frame_stems(result: VideoResult) -> list[str]:
    """File names without ending for the T frames of ``result``.

    These are its ``frame_names``; when it has none, or two frames share a name (``0.jpg`` beside ``0.png``),
    the frames are numbered ``"00000"``, ``"00001"``, … so that no file overwrites another.

    Raises:
        ValueError: if there are names, but not one for each frame.
    """
    names = list(result.frame_names)
    if names and len(names) != result.num_frames:
        raise ValueError(f"{result.name} has {result.num_frames} frames but {len(names)} frame names")
    if not names or len(set(names)) < len(names):
        return [f"{index:05d}" for index in range(result.num_frames)]
    return names


@dataclass(eq=False, repr=False)
class InstanceSequence:
    """One object through a whole video.

    Attributes:
        track_id: 1-based rank of the sequence in its video.
        label: best category as an index into ``VideoResult.categories`` (0-based).
        score: score of that category, in [0, 1].
        class_scores: ``[C]`` float32, the score of each category; -1 where category-aware reduction dropped it.
        masks: T RLEs at the video's original size, all-zero where the object is not visible.
        confidence: ``[T]`` float32 in [0, 1]: how far the mask of each frame can be trusted, see
            :mod:`mmdet_vis.propose_reduce.confidence`; None where nobody knows.
        proposed_on: the frame on which the object was detected; None if a person showed it, or nobody knows.
        given: frames, ascending, on which a person said what is to be seen: the mask, or that there is none.
        named: a person gave the category.
    """

    track_id: int
    label: int
    score: float
    class_scores: NDArray[np.float32]
    masks: list[RLE]
    confidence: NDArray[np.float32] | None = None
    proposed_on: int | None = None
    given: tuple[int, ...] = ()
    named: bool = False

    @property
    def by_hand(self) -> bool:
        """Whether a person had a hand in it: it is then never left out for its score."""
        return bool(self.given) or self.named

    def reaches(self, score: float) -> bool:
        """Whether it is kept at a threshold: by its score, or because a person had a hand in it."""
        return self.score >= score or self.by_hand

    def masks_array(self) -> NDArray[np.bool_]:
        """The masks of all frames, ``[T, H, W]`` bool: T x H x W bytes. One frame: ``result.frame(t).masks``."""
        return decode_masks(self.masks).view(np.bool_)

    @property
    def areas(self) -> NDArray[np.int64]:
        """Pixels in each frame, ``[T]``; 0 where the object is not visible."""
        return areas(self.masks)

    @property
    def boxes(self) -> NDArray[np.float32]:
        """Tight boxes of the masks, ``[T, 4]`` float32: x0, y0, x1, y1 in pixels; NaN where the object is not visible.

        Ends are exclusive: ``image[y0:y1, x0:x1]`` is what a box holds, and ``x1 - x0`` its width.
        """
        return rle_boxes(self.masks).astype(np.float32)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InstanceSequence):
            return NotImplemented
        return (
            all(getattr(self, name) == getattr(other, name) for name in _PLAIN)
            and np.array_equal(self.class_scores, other.class_scores)
            and np.array_equal(self.confidence, other.confidence)  # type: ignore[arg-type]
        )

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        frames = sum(1 for area in self.areas if area)
        return (
            f"InstanceSequence(track_id={self.track_id}, label={self.label}, score={self.score:.3f}, "
            f"visible in {frames} of {counted(len(self.masks), 'frame')})"
        )


@dataclass(eq=False, repr=False)
class VideoResult:
    """The sequences of one video, in the order of the reduction: descending score.

    Category-aware reduction keeps this order although it lowers the scores of single categories afterwards. Results are
    equal if all that they hold is. Those of :func:`mmdet_vis.segment_video` are of a class that can also save, load and
    draw, :class:`mmdet_vis.result.VideoResult`.

    Attributes:
        name: name of the video (folder name, or file name without its ending).
        height, width: original frame size in pixels.
        num_frames: T.
        sequences: kept sequences.
        categories: C category names.
        category_ids: C ids of these categories in the dataset's annotation file (1-based in YouTube-VIS).
        frame_names: T names without ending, e.g. ``"00005"``; used to name per-frame files.
        fps: frames per second of the source, if it has any.
        show_thr: score from which on sequences are drawn unless the user says it: the model's recommendation for this
            video, see :class:`mmdet_vis.config.load.Recommended`.
    """

    name: str
    height: int
    width: int
    num_frames: int
    sequences: list[InstanceSequence]
    categories: tuple[str, ...]
    category_ids: tuple[int, ...]
    frame_names: list[str] = field(default_factory=list)
    fps: float | None = None
    show_thr: float = SHOW_SCORE_THR

    def category_of(self, sequence: InstanceSequence) -> str:
        """Name of the best category of ``sequence``."""
        if not isinstance(sequence, InstanceSequence):
            raise ConfigError(f"sequence is of type {type(sequence).__name__}: give one of result.sequences")
        return self.categories[sequence.label]

    def shown(self, score_thr: float | None = None) -> list[InstanceSequence]:
        """The sequences that are drawn: those from ``score_thr`` on, from ``show_thr`` on unless it is given."""
        if score_thr is not None:
            check_number("score_thr", score_thr, high=math.inf)
        least = self.show_thr if score_thr is None else score_thr
        return [sequence for sequence in self.sequences if sequence.reaches(least)]

    def frame(self, index: int) -> FrameObjects:
        """The objects that are visible on a frame, in the order of the sequences.

        Args:
            index: 0-based; negative ones count from the end.

        Raises:
            ViewError: the video has no such frame (an IndexError, too).
            ConfigError: it is no number of a frame.
        """
        if not is_whole(index):
            raise ConfigError(f"index={short(index)} must be a whole number: the 0-based number of a frame")
        if not -self.num_frames <= index < self.num_frames:
            raise ViewError(f"{self.name} has {self.num_frames} frames, there is no frame {index}")
        index %= self.num_frames
        shown = [sequence for sequence in self.sequences if areas([sequence.masks[index]])[0]]
        return FrameObjects(
            index=index,
            name=frame_stems(self)[index],
            time=None if self.fps is None else index / self.fps,
            height=self.height,
            width=self.width,
            track_ids=np.array([s.track_id for s in shown], np.int64),
            labels=np.array([s.label for s in shown], np.int64),
            categories=[self.category_of(s) for s in shown],
            scores=np.array([s.score for s in shown], np.float64),
            rles=[s.masks[index] for s in shown],
        )

    def frames(self) -> Iterator[FrameObjects]:
        """:meth:`frame` of each of the T frames in order."""
        return (self.frame(index) for index in range(self.num_frames))

    def filter(self: _Result, score: float = 0.0, category: str | Collection[str] | None = None) -> _Result:
        """A result with some of the sequences; these keep their order and their ``track_id``.

        Args:
            score: lowest score that is kept; what a person gave, corrected or named is kept whatever its score.
            category: the name, or the names, of what is kept; None keeps all.

        Raises:
            ConfigError: a category that the model does not know.
        """
        check_number("score", score, high=math.inf)
        names = None
        if category is not None:
            names = {category} if isinstance(category, str) else set(as_list("category", category, "names"))
        unknown = sorted((names or set()) - set(self.categories))
        if unknown:
            raise ConfigError(f"category {unknown[0]!r} is none of the model's: {', '.join(self.categories):.300}")
        kept = [s for s in self.sequences if s.reaches(score)]
        return replace(self, sequences=[s for s in kept if names is None or self.category_of(s) in names])

    def sequence(self, track_id: int) -> InstanceSequence:
        """The sequence with this ``track_id``.

        Raises:
            ConfigError: there is none.
        """
        for sequence in self.sequences:
            if sequence.track_id == track_id:
                return sequence
        known = ", ".join(str(s.track_id) for s in self.sequences) or "none"
        raise ConfigError(f"there is no sequence {track_id!r:.40} in the result of {self.name}: it has {known:.200}")

    def to_pandas(self) -> pandas.DataFrame:
        """A table with one row per sequence and frame on which it is visible, in that order.

        Columns: ``track_id``, ``category``, ``score``, ``frame`` (0-based), ``frame_name``, ``time`` (seconds; NaN
        without a frame rate), ``x0``, ``y0``, ``x1``, ``y1`` (the box in pixels, ends exclusive), ``area`` (pixels).

        Raises:
            ConfigError: pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise ConfigError("to_pandas() needs the package pandas: pip install pandas") from None
        stems, tables = frame_stems(self), []
        for sequence in self.sequences:
            pixels = sequence.areas
            shown = np.flatnonzero(pixels)
            boxes = sequence.boxes[shown]
            columns: dict[str, Any] = {
                "track_id": np.full(len(shown), sequence.track_id),
                "category": [self.category_of(sequence)] * len(shown),
                "score": np.full(len(shown), sequence.score),
                "frame": shown,
                "frame_name": [stems[t] for t in shown],
                "time": shown / (self.fps or np.nan),
            }
            columns |= {name: boxes[:, i] for i, name in enumerate(("x0", "y0", "x1", "y1"))}
            tables.append(pandas.DataFrame(columns | {"area": pixels[shown]}))
        if not tables:
            return pandas.DataFrame(columns=_COLUMNS)
        return pandas.concat(tables, ignore_index=True)

    def to_supervision(self, index: int) -> Any:
        """The objects on a frame as ``supervision.Detections``, see :meth:`FrameObjects.to_supervision`."""
        return self.frame(index).to_supervision()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VideoResult):
            return NotImplemented
        return all(getattr(self, f.name) == getattr(other, f.name) for f in fields(VideoResult))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        listed = [f"#{s.track_id} {self.category_of(s)} {s.score:.2f}" for s in self.sequences[:_SHOWN]]
        more = ["…"] if len(self.sequences) > _SHOWN else []
        noun = "sequence" if len(self.sequences) == 1 else "sequences"
        return (
            f"{type(self).__name__}({self.name!r}, {counted(self.num_frames, 'frame')} of {self.width}x{self.height}, "
            f"{len(self.sequences)} {noun}{': ' if listed else ''}{', '.join(listed + more)})"
        )

    def _repr_html_(self) -> str:
        rows = []
        for sequence in self.sequences:
            shown = np.flatnonzero(sequence.areas)
            frames = f"{shown[0]} to {shown[-1]}" if len(shown) else "never"
            cells = (sequence.track_id, self.category_of(sequence), f"{sequence.score:.3f}", frames, len(shown))
            rows.append("".join(f"<td>{escape(str(cell))}</td>" for cell in cells))
        head = "".join(f"<th>{name}</th>" for name in ("track", "category", "score", "frames", "visible in"))
        caption = f"{escape(self.name)}: {counted(self.num_frames, 'frame')} of {self.width}x{self.height}"
        body = "".join(f"<tr>{row}</tr>" for row in rows)
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
