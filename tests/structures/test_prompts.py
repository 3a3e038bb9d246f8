"""Prompts: what they take, and the one line for what they do not."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.errors import ConfigError
from mmdet_vis.structures import Merge, Prompt, Split, encode_masks

MASK = np.zeros((6, 9), bool)
MASK[1:4, 2:5] = True


def test_masks_in_any_form_are_the_same():
    rle = encode_masks(MASK[None])[0]
    forms = (MASK, MASK.astype(np.uint8) * 255, MASK.astype(float), rle)
    assert all(Prompt(0, mask=form).mask == rle for form in forms)


def test_numbers_of_numpy_are_pythons_own():
    prompt = Prompt(np.int64(2), box=(0, 0, 1, 1), id=np.int32(3))
    merge, split = Merge(np.array([1, 2])), Split(np.uint8(1), np.int64(2), new_id=np.int64(9))
    numbers = (prompt.frame, prompt.id, *merge.ids, split.id, split.frame, split.new_id)
    assert numbers == (2, 3, 1, 2, 1, 2, 9)
    assert {type(number) for number in numbers} == {int}


def test_a_repr_is_short():
    assert repr(Prompt(1, mask=MASK, id=3)) == "Prompt(frame=1, mask=<9 pixels>, id=3)"
    assert repr(Prompt(1, point=(3, 4), category="cat")) == (
        "Prompt(frame=1, point=((3.0, 4.0),), labels=(True,), category='cat')"
    )


def test_one_point_or_several():
    assert Prompt(1, point=(3, 4)).points == ((3.0, 4.0),)
    assert Prompt(1, point=np.array([3, 4])).points == ((3.0, 4.0),)
    several = Prompt(1, point=[(3, 4), (5, 1)], labels=[1, 0])
    assert (several.points, several.labels) == (((3.0, 4.0), (5.0, 1.0)), (True, False))
    assert Prompt(0, box=(0, 0, 2, 3)).points == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"frame": 0}, "takes one of mask, box and point, got none"),
        ({"frame": 0, "mask": MASK, "box": (0, 0, 1, 1)}, "got mask and box"),
        ({"frame": -1, "box": (0, 0, 1, 1)}, "frame=-1 must be a whole number from 0"),
        ({"frame": 1.5, "box": (0, 0, 1, 1)}, "frame=1.5"),
        ({"frame": 0, "box": (5, 0, 1, 1)}, "x0 < x1"),
        ({"frame": 0, "box": (0, 0, 1)}, "box=.0, 0, 1. must be 4 numbers"),
        ({"frame": 0, "box": (0, 0, float("nan"), 1)}, "must be 4 numbers"),
        ({"frame": 0, "box": (0, 0, 10**400, 1)}, "must be 4 numbers"),
        ({"frame": 0, "point": "ab"}, "point='ab' must be 2 numbers"),
        ({"frame": 0, "point": [(1, 2)], "labels": [1, 1]}, "2 labels for 1 points"),
        ({"frame": 0, "point": [(1, 2)], "labels": [0]}, "at least one a 1"),
        ({"frame": 0, "point": [(1, 2), (3, 4)], "labels": 10**30}, "1 labels for 2 points"),
        ({"frame": 0, "mask": {"size": [2**62, 1], "counts": [2**62]}}, "runs longer than any frame"),
        ({"frame": 0, "box": (0, 0, 1, 1), "labels": [1]}, "labels are those of points"),
        ({"frame": 0, "mask": np.zeros((4, 4))}, "mask is empty: say that an object cannot be seen with NotVisible"),
        ({"frame": 0, "mask": np.zeros((4, 4, 3))}, "mask must be .H, W. of bool or numbers"),
        ({"frame": 0, "mask": {"size": [4, 4], "counts": "x"}}, "prompt: mask has runs|prompt: mask"),
        ({"frame": 0, "mask": {"counts": "x"}}, "mask is no RLE"),
        ({"frame": 0, "box": "1234"}, "box='1234' must be 4 numbers"),
        ({"frame": 0, "point": "12"}, "point='12' must be 2 numbers"),
        ({"frame": 0, "box": (0, 0, 1, 1), "id": 0}, "id=0 must be a whole number from 1"),
        ({"frame": 0, "box": (0, 0, 1, 1), "id": 2**31 + 1}, "id=2147483649 must be .* to 2147483648"),
        ({"frame": 0, "box": (0, 0, 1, 1), "category": ""}, "category='' must be a name"),
    ],
)
def test_what_a_prompt_cannot_be(arguments, message):
    with pytest.raises(ConfigError, match=message):
        Prompt(**arguments)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Prompt(4, point=(1, 1)), "frame=4: the video has 4 frames, 0 to 3"),
        (Prompt(0, point=(9, 1)), r"prompt on frame 0: point \(9, 1\) lies outside the frame of 9x6"),
        (Prompt(0, box=(9, 0, 12, 4)), "lies outside the frame of 9x6"),
        (Prompt(0, mask=MASK[:5]), "mask of 9x5 pixels, the video has 9x6"),
    ],
)
def test_a_prompt_that_does_not_fit_the_video(prompt, message):
    with pytest.raises(ConfigError, match=message):
        prompt.check(4, 6, 9)
    Prompt(3, mask=MASK).check(4, 6, 9)
