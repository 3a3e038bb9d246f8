"""Which frames of a result are most worth a look."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mmdet_vis.checks import check_whole
from mmdet_vis.corrections.check import check_result
from mmdet_vis.errors import ConfigError
from mmdet_vis.structures import VideoResult


class Doubt(NamedTuple):
    """A mask that may be wrong."""

    confidence: float
    track_id: int
    frame: int


def worth_a_look(result: VideoResult, number: int = 20, score_thr: float | None = None, apart: int = 5) -> list[Doubt]:
    """The masks that the program is least sure of, least sure first.

    A frame that a person gave is none of them.

    Args:
        result: with confidences, as :func:`mmdet_vis.segment_video` gives it.
        number: most masks that are listed.
        score_thr: sequences with a lower score are not looked at; None: those that are drawn are.
        apart: of a sequence, no two frames closer than this are listed: one correction carries to its neighbours.

    Raises:
        ConfigError: no sequence has a confidence; an argument cannot be used.
    """
    check_result(result)
    check_whole("number", number, 1)
    check_whole("apart", apart, 1)
    looked_at = result.shown(score_thr)
    known = [s for s in looked_at if s.confidence is not None]
    if looked_at and not known:
        raise ConfigError(f"the result of {result.name} has no confidences: segment the video again to have them")
    doubts = []
    for sequence in known:
        assert sequence.confidence is not None
        listed: list[int] = []
        for frame in np.argsort(sequence.confidence, kind="stable").tolist():
            if frame in sequence.given or any(abs(frame - other) < apart for other in listed):
                continue
            listed.append(frame)
            doubts.append(Doubt(float(sequence.confidence[frame]), sequence.track_id, frame))
            if len(listed) == number:
                break
    return sorted(doubts)[:number]
