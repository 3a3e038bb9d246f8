"""Corrections are checked in their order, each as the ones before leave the result."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.corrections.check import CorrectionError, check_corrections
from mmdet_vis.structures import Delete, Merge, Prompt, Rename, Split, Swap
from tests.structures.cases import make_result

MASK = np.ones((6, 9), bool)


@pytest.fixture
def result():
    return make_result(np.ones((3, 4, 6, 9), bool))


@pytest.mark.parametrize(
    ("corrections", "index", "reason"),
    [
        ([Split(1, 2), Merge((2, 4)), Delete(4)], 2, "there is no sequence 4 in the result of clip: it has 1, 2, 3"),
        ([Prompt(0, mask=MASK, id=1), Prompt(4, mask=MASK)], 1, "frame=4: the video has 4 frames, 0 to 3"),
        ([Prompt(1, mask=MASK, id=2), Swap(1, 2, 1), Prompt(1, mask=MASK, id=2)], 2, "two prompts for the object 2"),
        ([Delete(1), Prompt(0, mask=MASK[:5])], 1, "prompt on frame 0: mask of 9x5 pixels"),
        (
            [Prompt(0, mask=MASK, id=1, category="dog"), Prompt(1, mask=MASK, id=1, category="cat")],
            1,
            "the object 1 is called 'dog' by an earlier prompt: give one category",
        ),
        ([Delete(1), "delete 2"], 1, "'delete 2' is no correction"),
    ],
)
def test_the_first_that_does_not_fit_is_named(result, corrections, index, reason):
    with pytest.raises(CorrectionError, match=rf"^corrections\[{index}\]: {reason}") as caught:
        check_corrections(result, corrections)
    assert caught.value.index == index


def test_objects_that_prompts_add_can_be_corrected_further(result):
    """Those without a number get the lowest above all others, as when they are carried."""
    added = [Prompt(0, mask=MASK), Prompt(1, mask=MASK, id=9), Prompt(2, mask=MASK)]
    check_corrections(result, [*added, Rename(10, "otter"), Delete(11), Merge((1, 9)), Rename(10, "cat")])
    with pytest.raises(CorrectionError, match=r"corrections\[3\]: there is no sequence 12"):
        check_corrections(result, [*added, Delete(12)])
