"""The balanced choice of boxes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmdet_vis.losses.targets import random_choice, sample


def first(indices: Tensor, number: int) -> Tensor:
    return indices[:number]


def last(indices: Tensor, number: int) -> Tensor:
    return indices[len(indices) - number :]


def assigned(text: str) -> Tensor:
    """One box per letter: ``o`` object, ``-`` background, ``x`` neither."""
    return torch.tensor([{"o": 3, "-": 0, "x": -1}[c] for c in text])


def test_share_of_objects_and_number_in_all() -> None:
    """At most 8 * 0.25 objects; background fills up to 8."""
    chosen = sample(assigned("oxo-o--x-----o"), 8, 0.25, first)
    assert chosen.positive.tolist() == [0, 2]
    assert chosen.negative.tolist() == [3, 5, 6, 8, 9, 10]


def test_the_chooser_decides() -> None:
    chosen = sample(assigned("oxo-o--x-----o"), 8, 0.25, last)
    assert chosen.positive.tolist() == [4, 13]
    assert chosen.negative.tolist() == [6, 8, 9, 10, 11, 12]


def test_background_fills_what_objects_leave() -> None:
    """One object where four would do: seven of background."""
    chosen = sample(assigned("-----o---xx--"), 8, 0.5, first)
    assert chosen.positive.tolist() == [5]
    assert chosen.negative.tolist() == [0, 1, 2, 3, 4, 6, 7]


def test_fewer_than_asked() -> None:
    """All are taken, and none that is neither; objects do not fill what background leaves."""
    chosen = sample(assigned("ox-o-"), 64, 0.5, first)
    assert chosen.positive.tolist() == [0, 3]
    assert chosen.negative.tolist() == [2, 4]
    few = sample(assigned("oooooo-"), 4, 0.5, first)
    assert (few.positive.tolist(), few.negative.tolist()) == ([0, 1], [6])


@pytest.mark.parametrize(("text", "positive", "negative"), [("", [], []), ("xx", [], []), ("--", [], [0, 1])])
def test_nothing_to_choose(text: str, positive: list[int], negative: list[int]) -> None:
    chosen = sample(assigned(text), 8, 0.5, first)
    assert (chosen.positive.tolist(), chosen.negative.tolist()) == (positive, negative)


def test_a_share_that_is_no_whole_number_is_rounded_down() -> None:
    chosen = sample(assigned("oooo----"), 7, 0.25, first)
    assert (len(chosen.positive), len(chosen.negative)) == (1, 4)


def test_true_boxes_are_always_taken() -> None:
    """The first three count for the share of 4 * 0.5 but exceed it; one place is left for background."""
    chosen = sample(assigned("ooooo---"), 4, 0.5, first, always=3)
    assert chosen.positive.tolist() == [0, 1, 2]
    assert chosen.negative.tolist() == [5]


def test_true_boxes_leave_the_rest_of_the_share() -> None:
    chosen = sample(assigned("ooooo----"), 8, 0.5, last, always=2)
    assert chosen.positive.tolist() == [0, 1, 3, 4]


def test_more_true_boxes_than_asked() -> None:
    """They take all places: no background."""
    chosen = sample(assigned("oooooo---"), 4, 0.25, first, always=6)
    assert chosen.positive.tolist() == [0, 1, 2, 3, 4, 5]
    assert chosen.negative.tolist() == []


def test_without_background() -> None:
    chosen = sample(assigned("-oo-o---"), 4, 0.5, first, negatives=False)
    assert chosen.positive.tolist() == [1, 2]
    assert chosen.negative.tolist() == []
    assert chosen.negative.dtype == torch.int64


def test_choices_follow_from_the_seed() -> None:
    many = torch.arange(100, 1100)
    runs = []
    for seed in (5, 5, 6):
        choose = random_choice(seed)
        runs.append([choose(many, 50).tolist() for _ in range(2)])
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]
    assert runs[0][0] != runs[0][1]  # each choice of a chooser is another one


def test_choices_are_of_the_given_without_repetition() -> None:
    chosen = random_choice(1)(torch.arange(100, 1100), 400).tolist()
    assert len(set(chosen)) == 400
    assert set(chosen) <= set(range(100, 1100))
    assert random_choice(1)(torch.arange(3), 10).sort().values.tolist() == [0, 1, 2]


def test_every_index_is_as_likely() -> None:
    """3 of 10 in 2000 choices: each 600 times, give or take five standard deviations of 20.5."""
    counts = torch.zeros(10)
    for seed in range(2000):
        counts[random_choice(seed)(torch.arange(10), 3)] += 1
    assert counts.sum() == 6000
    assert (counts - 600).abs().max() < 103


def test_choices_do_not_touch_other_random_numbers() -> None:
    """Neither does the global state change a choice, nor a choice the global state."""
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    chosen = random_choice(9)(torch.arange(50), 20)
    assert torch.equal(torch.rand(3), expected)
    torch.manual_seed(123)
    assert torch.equal(random_choice(9)(torch.arange(50), 20), chosen)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_choices_are_the_same_on_a_gpu() -> None:
    indices = torch.arange(50)
    chosen = random_choice(9)(indices.cuda(), 20)
    assert chosen.is_cuda
    assert torch.equal(chosen.cpu(), random_choice(9)(indices, 20))
