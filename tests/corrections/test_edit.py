"""Corrections that rearrange a result, on masks that can be told apart."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis import refine
from mmdet_vis.corrections import edit_result
from mmdet_vis.errors import ConfigError
from mmdet_vis.result import VideoResult
from mmdet_vis.structures import Delete, Merge, NotVisible, Rename, Split, Swap
from tests.structures.cases import make_result, random_masks


@pytest.fixture
def result():
    made = make_result(random_masks(), VideoResult)
    for number, sequence in enumerate(made.sequences):
        sequence.confidence = np.linspace(0.1, 0.4, 4).round(3).astype(np.float32) + np.float32(number / 8)
        sequence.proposed_on = number
    made.sequences[1].given = (0, 3)
    return made


def of(result, track_id):
    return result.sequence(track_id).masks_array()


def test_delete_leaves_the_others_alone(result):
    left = edit_result(result, [Delete(2)])
    assert left.sequences == [result.sequences[0], result.sequences[2]]
    assert len(result.sequences) == 3


def test_rename_keeps_the_score_and_adds_a_category_that_is_not_there(result):
    found = edit_result(result, [Rename(1, "bird"), Rename(2, "otter")])
    first, second = found.sequences[:2]
    assert (found.category_of(first), first.score) == ("bird", result.sequences[0].score)
    assert first.class_scores.argmax() == first.label
    assert first.class_scores.max() == first.class_scores[2]
    assert found.categories == (*result.categories, "otter")
    assert found.category_ids == (1, 2, 3, 4)
    assert all(len(s.class_scores) == 4 for s in found.sequences)
    assert (found.category_of(second), second.score, second.named) == ("otter", result.sequences[1].score, True)
    assert not found.sequences[2].by_hand


def test_spellings_are_one_category_and_new_ones_are_said(result, caplog):
    found = refine(result, [Rename(1, " Dog"), Rename(2, "BIRD")])
    assert found.categories == result.categories
    assert [found.category_of(s) for s in found.sequences[:2]] == ["dog", "bird"]
    assert not caplog.records
    assert refine(result, [Rename(2, "persn ")]).categories[-1] == "persn"
    assert "category 'persn' is new, beside 3 others; there is 'person'" in caplog.text


def test_what_is_visible_nowhere_any_more_is_left_out(result, caplog):
    found = refine(result, [NotVisible(1, 0, 3), Split(3, 2)])
    assert [s.track_id for s in found.sequences] == [2, 3]
    assert "sequence 1 (person) is visible in no frame any more: left out" in caplog.text
    result.sequences[0] = edit_result(result, [NotVisible(1, 0, 3)]).sequences[0]
    assert refine(result, [Delete(2)]).sequences == [result.sequences[0], result.sequences[2]]


def test_not_visible_empties_these_frames_and_remembers_it(result):
    found = edit_result(result, [NotVisible(1, 1, 2)])
    expected = of(result, 1)
    expected[1:3] = False
    np.testing.assert_array_equal(of(found, 1), expected)
    assert found.sequence(1).given == (1, 2)
    np.testing.assert_array_equal(found.sequence(1).confidence[1:3], 1)
    assert found.sequences[1:] == result.sequences[1:]


def test_split_then_merge_gives_the_masks_back(result):
    parts = edit_result(result, [Split(2, 2)])
    assert [s.track_id for s in parts.sequences] == [1, 2, 4, 3]
    assert not of(parts, 2)[2:].any()
    assert not of(parts, 4)[:2].any()
    assert (parts.sequence(2).given, parts.sequence(4).given) == ((0,), (3,))
    assert (parts.sequence(2).proposed_on, parts.sequence(4).proposed_on) == (1, None)
    whole = edit_result(parts, [Merge((2, 4))])
    assert whole.sequence(2).masks == result.sequence(2).masks
    assert whole.sequence(2).given == (0, 3)
    np.testing.assert_allclose(whole.sequence(2).class_scores.max(), result.sequence(2).class_scores.max())


def test_merge_joins_masks_and_weighs_scores_by_visible_frames(result):
    found = edit_result(result, [Merge((1, 3))])
    np.testing.assert_array_equal(of(found, 1), of(result, 1) | of(result, 3))
    merged = found.sequence(1)
    assert len(found.sequences) == 2
    # Object 1 is visible in 4 frames with 0.9, object 3 in one with 0.5 for another category.
    np.testing.assert_allclose(merged.class_scores, [0.9 * 4 / 5, 0, 0.5 / 5], atol=1e-6)
    assert merged.label == 0
    assert merged.score == pytest.approx(0.72)
    np.testing.assert_allclose(merged.confidence, [0.1, 0.2, 0.3, 0.4], atol=1e-6)


def test_a_merged_frame_is_given_where_all_that_is_visible_was(result):
    first, second = (np.flatnonzero(result.sequence(i).areas) for i in (1, 2))
    both = int(np.intersect1d(first, second)[-1])
    hidden = edit_result(result, [NotVisible(2, both, both), Merge((1, 2))])
    assert both not in hidden.sequence(1).given
    assert hidden.sequence(1).masks[both] == result.sequence(1).masks[both]
    gone = edit_result(result, [NotVisible(2, both, both), NotVisible(1, both, both), Merge((1, 2))])
    assert both in gone.sequence(1).given


def test_swap_exchanges_the_rest_and_twice_is_nothing(result):
    found = edit_result(result, [Swap(1, 2, 2)])
    np.testing.assert_array_equal(of(found, 1), np.concatenate((of(result, 1)[:2], of(result, 2)[2:])))
    np.testing.assert_array_equal(of(found, 2), np.concatenate((of(result, 2)[:2], of(result, 1)[2:])))
    assert (found.sequence(1).given, found.sequence(2).given) == ((3,), (0,))
    again = edit_result(found, [Swap(1, 2, 2)])
    assert [s.masks for s in again.sequences] == [s.masks for s in result.sequences]
    assert [s.given for s in again.sequences] == [s.given for s in result.sequences]


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda: Delete(9), "there is no sequence 9 in the result of clip: it has 1, 2, 3"),
        (lambda: Split(1, 4), "split: frame=4: clip has 4 frames, use 1 to 3"),
        (lambda: Split(1, 2, new_id=3), "split: new_id=3 is taken"),
        (lambda: Merge((1,)), "merge: ids=.1.: give at least two"),
        (lambda: Merge((1, 7)), "no sequence 7"),
        (lambda: Swap(2, 2, 1), "same sequence"),
        (lambda: Swap(1, 2, 4), "swap: frame=4"),
        (lambda: NotVisible(1, 3, 2), "first must be 0 to last"),
        (lambda: NotVisible(1, 3, 4), "last=4: clip has 4 frames"),
        (lambda: Rename(1, " "), "category=' ' must be a name"),
        (lambda: Rename(1, "dog\n\0"), "holds a line break or another control character"),
        (lambda: "delete 1", "is no correction"),
        (lambda: Split(1, "2"), "split: frame='2' must be a whole number from 0"),
        (lambda: NotVisible(1, 0.5, 2), "not visible: first=0.5 must be a whole number"),
        (lambda: Merge(3), "merge: ids is of type int: give a list"),
        (lambda: Rename(1, None), "category=None must be a name"),
    ],
)
def test_what_does_not_fit_is_one_line(result, edit, message):
    with pytest.raises(ConfigError, match=message):
        edit_result(result, [edit()])


def test_a_corrected_result_is_saved_whole(result, tmp_path):
    found = edit_result(result, [Swap(1, 2, 1), Rename(3, "otter"), NotVisible(2, 0, 1)])
    found.save(tmp_path / "corrected.json")
    assert VideoResult.load(tmp_path / "corrected.json") == found
    assert found != result
    # What a person had a hand in is kept whatever its score.
    assert [s.track_id for s in found.filter(score=0.95).sequences] == [1, 2, 3]
    assert [s.track_id for s in result.filter(score=0.95).sequences] == [2]
