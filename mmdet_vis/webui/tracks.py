"""The table of a result: one row per object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.structures import VideoResult, areas
from mmdet_vis.visualization.palette import track_colour

# Units of the drawing, which the page scales to its width.
_LABELS, _CHART, _RIGHT = 200, 680, 20
_ROW, _BAR, _AXIS = 24, 16, 34
_MOST_TICKS = 9
_LONGEST_LABEL = 24


def timeline_svg(tracks: Sequence[Track], num_frames: int, fps: float | None) -> str:
    """Draw the objects of a video as an SVG.

    Args:
        tracks: N objects, from the top down; none gives an axis alone.
        num_frames: T, at least 1.
        fps: frames per second: the axis counts seconds. None: it counts frames.

    Returns:
        an ``<svg>`` element. Bars have the colours of the overlay and say on hovering which frames they cover; the
        text has the colour of its surroundings.
    """
    width, height = _LABELS + _CHART + _RIGHT, _ROW * len(tracks) + _AXIS
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="100%" role="img" '
        f'aria-label="{len(tracks)} objects over {num_frames} frames" fill="currentColor" font-size="13" '
        'font-family="system-ui, sans-serif">'
    ]
    for index, track in enumerate(tracks):
        parts += _row(track, index * _ROW, num_frames)
    parts += _axis(_ROW * len(tracks), num_frames, fps)
    return "".join([*parts, "</svg>"])


def visible_runs(visible: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Stretches of frames without a gap, ``[T]`` bool to half-open ranges (first, one past the last)."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], visible.astype(np.int8), [0]])))
    return [(int(start), int(stop)) for start, stop in edges.reshape(-1, 2)]


def _row(track: Track, top: int, num_frames: int) -> list[str]:
    blue, green, red = track_colour(track.track_id)
    label = f"#{track.track_id} {track.category.replace('_', ' ')}"
    short = label if len(label) <= _LONGEST_LABEL else f"{label[: _LONGEST_LABEL - 1]}…"
    middle = top + _ROW / 2
    parts = [
        f'<g class="track"><text x="{_LABELS - 10}" y="{middle}" text-anchor="end" dominant-baseline="central">'
        f"{escape(short)} {track.score:.2f}</text>",
        f'<rect x="{_LABELS}" y="{top + (_ROW - _BAR) / 2}" width="{_CHART}" height="{_BAR}" fill-opacity="0.08"/>',
    ]
    for start, stop in visible_runs(track.visible):
        left, right = (_LABELS + _CHART * frame / num_frames for frame in (start, stop))
        parts.append(
            f'<rect class="run" x="{left:.2f}" y="{top + (_ROW - _BAR) / 2}" width="{right - left:.2f}" '
            f'height="{_BAR}" fill="#{red:02x}{green:02x}{blue:02x}">'
            f"<title>{escape(label)}: frames {start} to {stop - 1}</title></rect>"
        )
    return [*parts, "</g>"]


def _axis(top: int, num_frames: int, fps: float | None) -> list[str]:
    end = num_frames / fps if fps else num_frames
    unit = "s" if fps else "frames"
    parts = [f'<path d="M{_LABELS} {top + 4}h{_CHART}" stroke="currentColor" stroke-opacity="0.5"/>']
    step = tick_step(end)
    for tick in range(int(end / step + 1e-9) + 1):
        x = _LABELS + _CHART * tick * step / end
        parts.append(
            f'<path d="M{x:.2f} {top + 4}v5" stroke="currentColor" stroke-opacity="0.5"/>'
            f'<text class="tick" x="{x:.2f}" y="{top + 24}" text-anchor="middle">{tick * step:g}</text>'
        )
    return [*parts, f'<text x="{_LABELS - 24}" y="{top + 24}" text-anchor="end" fill-opacity="0.7">{unit}</text>']


def tick_step(end: float) -> float:
    """Distance of the marks on an axis from 0 to ``end``: 1, 2 or 5 times a power of ten, at most ten marks."""
    power = 10.0 ** np.floor(np.log10(end / _MOST_TICKS))
    return float(next(m * power for m in (1, 2, 5, 10) if m * power * _MOST_TICKS >= end * (1 - 1e-9)))


HEADERS = ("track", "category", "score", "first frame", "last frame", "frames visible", "mean area (px)")


@dataclass(frozen=True)
class Track:
    """When and how large an object is seen.

    Attributes:
        track_id: 1-based.
        category: name of the best category.
        score: in [0, 1].
        areas: ``[T]`` int64, pixels of the mask per frame, 0 where the object is not visible.
    """

    track_id: int
    category: str
    score: float
    areas: NDArray[np.int64]

    @property
    def visible(self) -> NDArray[np.bool_]:
        """``[T]`` bool: whether the object is visible."""
        return self.areas > 0

    def row(self) -> list[int | float | str | None]:
        """Values in the order of :data:`HEADERS`; frames count from 0, and are None if the object is never visible."""
        seen = np.flatnonzero(self.visible)
        first, last = (int(seen[0]), int(seen[-1])) if len(seen) else (None, None)
        mean = round(float(self.areas[seen].mean())) if len(seen) else 0
        return [self.track_id, self.category, round(self.score, 3), first, last, len(seen), mean]


def tracks_of(result: VideoResult) -> list[Track]:
    """One :class:`Track` per sequence, in their order."""
    return [Track(s.track_id, result.category_of(s), s.score, areas(s.masks)) for s in result.sequences]
