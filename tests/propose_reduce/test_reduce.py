"""Parts that are dropped, and scores as probabilities: options of the reduction beyond the paper."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.propose_reduce import DropContained, PlattScores, Reduction, SeqNMS
from mmdet_vis.propose_reduce.sequence_iou import sequence_iou, sequence_overlaps
from mmdet_vis.structures import encode_masks


def boxes(*spans):
    """A sequence of one rectangle (y1, y2, x1, x2) per frame, None for none, as RLEs of 20x20."""
    masks = np.zeros((len(spans), 20, 20), np.uint8)
    for mask, span in zip(masks, spans, strict=True):
        if span is not None:
            mask[span[0] : span[1], span[2] : span[3]] = 1
    return encode_masks(masks)


BODY = boxes((2, 18, 2, 18), (2, 18, 3, 19), (2, 18, 4, 20))
FACE = boxes((3, 8, 4, 9), (3, 8, 5, 10), None)  # inside the body wherever it is seen
LEAVING = boxes((3, 8, 4, 9), (3, 8, 5, 10), (0, 5, 0, 5))  # outside in the last frame
NOWHERE = boxes(None, None, None)


def test_inside_is_the_least_share_over_the_frames_that_show_it():
    iou, inside = sequence_overlaps([BODY, FACE, LEAVING, NOWHERE])
    assert (iou == sequence_iou([BODY, FACE, LEAVING, NOWHERE])).all()
    assert inside[1].tolist() == [1.0, 1.0, 1.0, 0.0]
    assert inside[2, 0] == pytest.approx(3 / 25)  # the last frame: (0..5)x(0..5) with the body from (2, 4)
    assert inside[0, 1] == 0  # the face is not seen in the last frame
    assert inside[3].tolist() == [0.0] * 4


def scores(*rows):
    return np.array([[1 - sum(row), *row] for row in rows], np.float32)


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(0.8, 0.1), (0.5, 0.1), (0.4, 0.1)], [0, 2]),  # the face goes
        ([(0.8, 0.1), (0.1, 0.5), (0.4, 0.1)], [0, 1, 2]),  # another category
        ([(0.3, 0.1), (0.5, 0.1), (0.4, 0.1)], [1, 2, 0]),  # the face is the better one
    ],
)
def test_parts_of_better_sequences_of_the_same_category_go(rows, kept):
    reduction = Reduction(SeqNMS(0.9, 0.0), containment=DropContained(0.9))
    found, values = reduction([BODY, FACE, LEAVING], scores(*rows))
    assert found == kept
    assert values.tolist() == scores(*rows)[kept].tolist()
    assert sorted(Reduction(SeqNMS(0.9, 0.0))([BODY, FACE, LEAVING], scores(*rows))[0]) == [0, 1, 2]


def test_a_part_of_a_dropped_part_stays_by_its_own_container():
    nested = boxes((4, 6, 5, 7), (4, 6, 6, 8), None)
    found, _ = Reduction(SeqNMS(0.5, 0.0), containment=DropContained(0.9))(
        [BODY, FACE, nested], scores((0.8, 0.0), (0.6, 0.0), (0.4, 0.0))
    )
    assert found == [0]


def test_scores_become_probabilities_and_keep_their_order():
    calibrate = PlattScores(slope=2.0, offset=-1.0)
    before = scores((0.5, 0.2), (0.9, 0.05), (0.1, -1))
    after = calibrate(before)
    assert after[0, 1] == pytest.approx(1 / (1 + np.exp(1.0)), abs=1e-6)  # the logit of 0.5 is 0
    assert after[1, 1] == pytest.approx(1 / (1 + np.exp(1 - 2 * np.log(9))), abs=1e-5)
    assert after[2, 2] == -1
    assert (after[:, 0] == before[:, 0]).all()
    assert (np.argsort(after[:, 1]) == np.argsort(before[:, 1])).all()
    found, values = Reduction(SeqNMS(0.5, 0.0), calibration=calibrate)([BODY], scores((0.5, 0.2)))
    assert found == [0]
    assert values[0, 1] == pytest.approx(after[0, 1])
    with pytest.raises(ValueError, match="above 0"):
        PlattScores(0.0, 1.0)
