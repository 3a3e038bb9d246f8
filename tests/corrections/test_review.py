"""Which frames are worth a look."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.corrections.review import worth_a_look
from mmdet_vis.errors import ConfigError
from tests.structures.cases import make_result, random_masks


@pytest.fixture
def result():
    made = make_result(random_masks(frames=8))
    rows = ([0.9, 0.2, 0.1, 0.3, 0.8, 0.7, 0.15, 0.9], [0.5] * 8, [0.01] * 8)
    for sequence, row in zip(made.sequences, rows, strict=True):
        sequence.confidence = np.array(row, np.float32)
    return made


def test_the_least_sure_come_first_and_not_side_by_side(result):
    found = worth_a_look(result, number=3, score_thr=0.6, apart=3)
    assert [(d.track_id, d.frame) for d in found] == [(1, 2), (1, 6), (2, 0)]
    # Weak sequences are left out; with a lower threshold they lead.
    assert worth_a_look(result, number=1, score_thr=0.0)[0].track_id == 3


def test_what_a_person_gave_is_not_listed(result):
    result.sequences[0].given = (2, 6)
    assert [d.frame for d in worth_a_look(result, 1, 0.6, 3)] == [1]


def test_a_result_without_confidences():
    with pytest.raises(ConfigError, match="clip has no confidences: segment the video again"):
        worth_a_look(make_result(random_masks()))
    assert worth_a_look(make_result(random_masks()), score_thr=1.0) == []


@pytest.mark.parametrize("wrong", [{"number": 0}, {"number": -1}, {"apart": 0}, {"result": "x"}])
def test_arguments_are_checked(result, wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        worth_a_look(**({"result": result} | wrong))
