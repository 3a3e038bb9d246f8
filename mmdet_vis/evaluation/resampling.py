"""How sure a measure is: intervals by the bootstrap over videos, and paired tests of two results on the same videos.

Videos are drawn, not objects or frames, as those of one video are alike (Efron and Tibshirani, An Introduction to the
Bootstrap, 1993, chapters 13 and 15).
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.evaluation.tables import format_table
from mmdet_vis.evaluation.weighted import Weighted

DRAWS = 1000
"""Resamples, and permutations."""
LEVEL = 0.95
_ALL_SWAPS = 10
"""Videos up to which all permutations are tried, 2 to that power."""
_TOLERANCE = 1e-12

Numbers = NDArray[np.float64]


def resamples(num_videos: int, draws: int = DRAWS, seed: int = 0) -> Numbers:
    """How often each video is drawn in each resample, ``[draws, num_videos]``; each row sums to ``num_videos``."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(num_videos, np.full(num_videos, 1 / num_videos), size=draws).astype(np.float64)


def intervals(measures: Weighted, draws: int = DRAWS, seed: int = 0) -> dict[str, tuple[float, float]]:
    """95 % intervals of each measure: the 2.5th and 97.5th percentile over resamples of the videos.

    The same videos, draws and seed give the same intervals. From a single video nothing can be said: NaN.
    """
    found = measures(resamples(measures.num_videos, draws, seed))
    return {name: _interval(values, measures.num_videos) for name, values in found.items()}


def interval_table(found: Mapping[str, tuple[float, float]], num_videos: int) -> str:
    """Intervals as text for the terminal, in percent."""
    if num_videos < 2:
        return "intervals need more than one video"
    rows: list[list[str | float | int]] = [[name, low, high] for name, (low, high) in found.items()]
    title = f"95 % intervals (bootstrap over {num_videos} videos, {DRAWS} resamples)"
    return f"{title}\n{format_table(['metric', 'from', 'to'], rows)}"


def _interval(values: Numbers, num_videos: int) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if num_videos < 2 or not len(known):
        return float("nan"), float("nan")
    low, high = np.quantile(known, ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """A measure of two results on the same videos.

    Attributes:
        name: of the measure.
        a, b: its values.
        low, high: 95 % interval of ``b - a`` by the paired bootstrap; NaN for a single video.
        p: two-sided p-value of the permutation test: how often swapping the results of some videos between A and B
            makes a difference at least as large. If A and B are equally good, which is which does not matter.
    """

    name: str
    a: float
    b: float
    low: float
    high: float
    p: float

    @property
    def gain(self) -> float:
        """``b - a``."""
        return self.b - self.a

    @property
    def verdict(self) -> int:
        """1: B is better, -1: A is, 0: neither is shown. Interval and test must agree at the level of 95 %."""
        if self.p > 1 - LEVEL or not (self.low > 0 or self.high < 0):
            return 0
        return 1 if self.gain > 0 else -1


@dataclass(frozen=True)
class VideoGain:
    """What a video says of A and B.

    Attributes:
        video: its position.
        a, b: the first measure of this video alone; NaN if it has no object.
        effect: by how much the measure of A over all videos would rise if only this video's results were B's.
    """

    video: int
    a: float
    b: float
    effect: float


def find_differences(a: Weighted, b: Weighted, draws: int = DRAWS, seed: int = 0) -> list[Difference]:
    """Compare two results by every measure; the first one is the one that decides."""
    weights = resamples(a.num_videos, draws, seed)
    drawn_a, drawn_b = a(weights), b(weights)
    all_videos = np.ones((1, a.num_videos))
    value_a, value_b = a(all_videos), b(all_videos)
    swaps = _swaps(a.num_videos, draws, seed)
    both = a.beside(b)
    first, second = both(np.hstack([1 - swaps, swaps])), both(np.hstack([swaps, 1 - swaps]))
    found = []
    for name in value_a:
        low, high = _interval(drawn_b[name] - drawn_a[name], a.num_videos)
        swapped = np.abs(second[name] - first[name])
        gain = float(value_b[name][0] - value_a[name][0])
        # The first swap is none: what was measured is one of the outcomes, so no p-value is 0.
        p = float((swapped >= abs(gain) - _TOLERANCE).mean())
        found.append(Difference(name, float(value_a[name][0]), float(value_b[name][0]), low, high, p))
    return found


def _swaps(num_videos: int, draws: int, seed: int) -> Numbers:
    """Which videos change sides in each permutation, ``[P, num_videos]`` of 0 and 1; the first row swaps none."""
    if num_videos <= _ALL_SWAPS:
        return np.array(list(itertools.product((0.0, 1.0), repeat=num_videos)))
    swaps = np.random.default_rng([seed, 1]).integers(0, 2, (draws, num_videos)).astype(np.float64)
    swaps[0] = 0
    return swaps


def video_gains(a: Weighted, b: Weighted) -> list[VideoGain]:
    """The videos by what they add to the difference of the first measure, the largest gain first."""
    number = a.num_videos
    one = np.eye(number)
    both, base = a.beside(b)(np.hstack([1 - one, one])), a(np.ones((1, number)))
    alone_a, alone_b = a(one), b(one)
    name = next(iter(base))
    gains = [
        VideoGain(v, float(alone_a[name][v]), float(alone_b[name][v]), float(both[name][v] - base[name][0]))
        for v in range(number)
    ]
    return sorted(gains, key=lambda gain: (-gain.effect, gain.video))


def sentence(found: Difference, num_videos: int, names: tuple[str, str] = ("A", "B")) -> str:
    """The outcome in one sentence."""
    if np.isnan(found.a) or np.isnan(found.b):
        return "Nothing can be said: no object is annotated."
    (first, second), videos = names, f"{num_videos} video{'s' * (num_videos != 1)}"
    figures = f"{found.name} {100 * found.b:.2f} against {100 * found.a:.2f}"
    if found.verdict < 0:
        figures = f"{found.name} {100 * found.a:.2f} against {100 * found.b:.2f}"
    sure = f"{100 * found.gain:+.2f} points for {second}"
    if not np.isnan(found.low):
        sure += f", 95 % interval {100 * found.low:+.2f} to {100 * found.high:+.2f}"
    sure += f", p = {found.p:.2g}, {videos}" if found.p >= 0.001 else f", p < 0.001, {videos}"
    if found.verdict:
        better, worse = (second, first) if found.verdict > 0 else (first, second)
        return f"{better} is better than {worse}: {figures} ({sure})."
    least = 2 / 2**num_videos
    if found.gain and least > 1 - LEVEL:
        sure += f"; with so few videos p cannot fall below {least:.2g}"
    return f"It is not shown that {second} is better than {first}, or worse: {figures} ({sure})."
