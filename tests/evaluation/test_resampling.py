"""Intervals and paired tests on cases whose outcome is known."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.evaluation.resampling import find_differences, intervals, resamples, sentence, video_gains
from mmdet_vis.evaluation.weighted import WeightedMeans


def means(values: list[float] | np.ndarray) -> WeightedMeans:
    """One object a video with this value of "J"."""
    return WeightedMeans(np.array(values, float)[:, None, None], ("J",))


def test_an_interval_is_that_of_resampled_means():
    values = np.random.default_rng(3).random(40)
    (low, high) = intervals(means(values))["J"]
    drawn = [np.repeat(values, times.astype(int)).mean() for times in resamples(40)]
    assert (low, high) == pytest.approx(tuple(np.quantile(drawn, (0.025, 0.975))))
    # For means the bootstrap is close to the normal interval.
    half = 1.96 * values.std() / np.sqrt(40)
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.012)
    assert intervals(means(values)) == intervals(means(values))
    assert intervals(means(values), seed=1) != intervals(means(values))


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        low, high = intervals(means(rng.normal(0.5, 0.1, 30)), draws=300)["J"]
        held += low <= 0.5 <= high
    assert 175 <= held <= 199  # 190 of 200; the percentile interval is a little narrow


def test_all_swaps_of_few_videos():
    """Four equal gains: of the 16 ways to swap, only none and all make so large a difference."""
    (found,) = find_differences(means([0.1, 0.2, 0.3, 0.4]), means([0.2, 0.3, 0.4, 0.5]))
    assert found.gain == pytest.approx(0.1)
    assert found.p == 2 / 16
    assert (found.low, found.high) == pytest.approx((0.1, 0.1))
    assert found.verdict == 0
    text = sentence(found, 4)
    assert text.startswith("It is not shown that B is better than A, or worse: J 35.00 against 25.00 (+10.00 points")
    assert text.endswith("4 videos; with so few videos p cannot fall below 0.12).")


def test_a_gain_in_nearly_every_video_is_shown_and_the_other_way_round():
    rng = np.random.default_rng(1)
    a = rng.random(30) * 0.5
    b = a + rng.normal(0.05, 0.05, 30)
    (found,) = find_differences(means(a), means(b))
    assert found.verdict == 1
    assert 0 < found.low < found.gain < found.high
    assert found.p < 0.01
    assert sentence(found, 30).startswith("B is better than A: J ")
    (back,) = find_differences(means(b), means(a))
    assert back.verdict == -1
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    assert sentence(back, 30, ("old", "new")).startswith("old is better than new: J ")


def test_equal_results_are_not_called_better():
    a = np.random.default_rng(1).random(30)
    (found,) = find_differences(means(a), means(a))
    assert (found.gain, found.p, found.verdict) == (0, 1, 0)


def test_chance_is_called_better_in_about_one_case_of_twenty():
    rng = np.random.default_rng(5)
    outcomes = [find_differences(means(rng.random(25)), means(rng.random(25)), draws=200)[0] for _ in range(200)]
    assert sum(found.verdict != 0 for found in outcomes) <= 20
    assert 2 <= sum(found.p <= 0.05 for found in outcomes) <= 22


def test_one_video_says_nothing():
    (found,) = find_differences(means([0.2]), means([0.9]))
    assert np.isnan(found.low)
    assert (found.p, found.verdict) == (1, 0)
    assert "interval" not in sentence(found, 1)
    assert np.isnan(intervals(means([0.2]))["J"]).all()


def test_videos_by_what_they_add():
    gains = video_gains(means([0.5, 0.5, 0.5]), means([0.5, 0.2, 0.8]))
    assert [gain.video for gain in gains] == [2, 0, 1]
    assert [gain.effect for gain in gains] == pytest.approx([0.1, 0, -0.1])
    assert (gains[0].a, gains[0].b) == (0.5, 0.8)
