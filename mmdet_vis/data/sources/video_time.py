"""When each frame of a video is shown: from its time stamps, whatever rate the container declares.

Rates are declared by habit: browsers record WebM files that say 1 ms per frame, screen recorders say 30 and leave out
what did not change. The time stamps are what players go by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

MAX_RATE = 1000.0
"""Frames per second from which on a rate is a unit of time, not a rate."""

MAX_LAST = 3600
"""Seconds that the last frame of a video may be shown; more is a damage."""

# Containers with units of milliseconds round their stamps: a constant rate may be off by one unit.
_MILLISECOND = Fraction(1, 1000)
# Broadcast rates, to which a rate that is measured from rounded stamps is set where it lies within the rounding.
_USUAL = tuple(Fraction(rate) for rate in (10, 12, 15, 20, 24, 25, 30, 48, 50, 60, 100, 120, 240)) + tuple(
    Fraction(1000 * rate, 1001) for rate in (24, 30, 48, 60, 120, 240)
)
_HONEST = 0.1  # A declared rate that is a tenth off the time stamps is not theirs.


@dataclass(frozen=True)
class Timing:
    """When the frames of a video are shown.

    Attributes:
        fps: average frame rate in frames per second; None if unknown.
        times: seconds of each frame since the first one, strictly increasing; None where the frames follow each other
            at ``fps``, or no time is known.
        last: seconds that the last frame is shown, where there are ``times``; None if unknown.
        problem: what was wrong or had to be guessed, to follow the file's name in a message; empty if nothing was.
    """

    fps: float | None
    times: list[float] | None = None
    problem: str = ""
    last: float | None = None


def timing(
    stamps: Sequence[int | None],
    time_base: Fraction | None,
    declared: Fraction | None,
    constant: bool = False,
    derived: bool = False,
    last: int | None = None,
) -> Timing:
    """Find out when frames are shown.

    Args:
        stamps: presentation time stamp of each frame, in units of ``time_base`` seconds.
        time_base: None if unknown.
        declared: frames per second as the container has it; None or not positive if it says nothing.
        constant: the container knows constant rates only (AVI), so that its stamps mean nothing.
        derived: the rate is an average of the stamps, which says nothing that they do not.
        last: how long the last frame is shown, in units of ``time_base``; None, or more than :data:`MAX_LAST`, if it
            is not known.
    """
    rate = declared if declared is not None and 0 < declared < MAX_RATE else None
    known = [stamp for stamp in stamps if stamp is not None]
    if constant and rate:
        return Timing(float(rate))
    missing = len(stamps) - len(known)
    if missing or not time_base:
        reason = f"{missing} of {len(stamps)} frames have no time stamp" if known else "no time stamps"
        return _without_stamps(len(stamps), rate, reason)
    back = sum(after < before for before, after in pairwise(known))
    same = sum(after == before for before, after in pairwise(known))
    if back or (same and known[0] == known[-1]):
        noun = "frame is" if back + same == 1 else "frames are"
        steps = sorted(after - before for before, after in pairwise(known) if after > before)
        usual = 1 / (steps[len(steps) // 2] * time_base) if steps else None
        reason = f"{back + same} {noun} stamped with a time that is not after the last one's"
        return _without_stamps(len(stamps), rate or usual, reason)
    if len(known) < 2:
        return Timing(float(rate) if rate else None)
    if same:
        found = timing(_spread(known), time_base / _PARTS, declared, constant, derived, last and last * _PARTS)
        noun = "frame has" if same == 1 else "frames have"
        shared = f"{same} {noun} the time stamp of the one before: shown between it and the next"
        return replace(found, problem="; ".join(filter(None, (found.problem, shared))))
    measured = (len(known) - 1) / ((known[-1] - known[0]) * time_base)
    tolerance = max(time_base, _MILLISECOND)
    claim = None if derived else declared
    shown = last * time_base if last and 0 < last * time_base <= MAX_LAST else None
    for candidate in (
        rate,
        *sorted(_USUAL, key=lambda usual: (usual.denominator > 1, abs(usual - measured))),
        measured,
    ):
        if candidate and _is_constant(known, time_base, candidate, tolerance):
            if shown is None or abs(shown - 1 / candidate) <= tolerance:
                return Timing(float(candidate), None, _dishonest(claim, float(candidate)))
            break  # a picture that is held at the end, as animations have it
    times = [float((stamp - known[0]) * time_base) for stamp in known]
    # The average counts the last frame's time as well, which only the container may know.
    near = rate is not None and abs(rate / measured - 1) <= _HONEST
    average = float(rate) if rate is not None and near else float(measured)
    return Timing(average, times, _dishonest(claim, average), None if shown is None else float(shown))


_PARTS = 1000
"""Parts of a unit of time in which frames with one stamp follow each other."""


def _spread(stamps: Sequence[int]) -> list[int]:
    """Stamps that never go back and are not all the same as increasing ones, in parts of their unit.

    Frames with one stamp share the time until the next one; the last of all, as much as the frame before had.
    """
    places = [index for index, stamp in enumerate(stamps) if not index or stamp > stamps[index - 1]]
    ends = [*(stamps[place] for place in places[1:]), 2 * stamps[-1] - stamps[places[-2]]]
    spread: list[int] = []
    for place, stop, end in zip(places, [*places[1:], len(stamps)], ends, strict=True):
        step = (end - stamps[place]) * _PARTS // (stop - place)
        spread += [stamps[place] * _PARTS + number * step for number in range(stop - place)]
    return spread


def _is_constant(stamps: Sequence[int], time_base: Fraction, rate: Fraction, tolerance: Fraction) -> bool:
    # In units of the time base, as floats: their error is far below the tolerance.
    step, most, first = float(1 / (rate * time_base)), float(tolerance / time_base) * 1.001, stamps[0]
    return all(abs(stamp - first - index * step) <= most for index, stamp in enumerate(stamps))


def _without_stamps(count: int, rate: Fraction | None, reason: str) -> Timing:
    if count < 2:
        return Timing(None if rate is None else float(rate))
    if rate is None:
        return Timing(None, None, f"{reason} and no frame rate: its {count} frames are shown at the default rate")
    problem = f"{reason}: its {count} frames are taken as {float(rate):g} per second"
    return Timing(float(rate), None, problem)


def _dishonest(declared: Fraction | None, rate: float) -> str:
    if not declared or declared < 0 or abs(float(declared) / rate - 1) <= _HONEST:
        return ""
    return f"declares {float(declared):g} frames/s, its time stamps give {rate:.3g}: the time stamps are used"
