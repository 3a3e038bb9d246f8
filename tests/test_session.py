"""Prompts and corrections that are carried through a video, with a tiny network of each kind of propagation head."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import mmdet_vis.propose_reduce.follow as following
from mmdet_vis import Delete, NotVisible, Prompt, Rename, Session, load_model, refine, segment_video
from mmdet_vis.errors import ConfigError, SourceError
from mmdet_vis.propose_reduce import budget
from mmdet_vis.propose_reduce.follow import Shown, reaches
from mmdet_vis.structures import encode_masks
from tests.light import light_model
from tests.tiny import moving_frames

FRAMES = 9
SQUARE = np.zeros((64, 96), bool)
SQUARE[15:41, 13:34] = True
CORNER = np.zeros((64, 96), bool)
CORNER[40:62, 60:94] = True
EMPTY = np.zeros((64, 96), bool)


@pytest.fixture(scope="module")
def published(tiny):
    return load_model(*tiny, device="cpu")


@pytest.fixture(scope="module", params=["published", "light"])
def model(request, tiny, published, tmp_path_factory):
    if request.param == "published":
        return published
    return light_model(tmp_path_factory.mktemp("light"))


@pytest.fixture(scope="module")
def session(model):
    with Session(model, moving_frames(FRAMES)) as opened:
        yield opened


@pytest.fixture(scope="module")
def result(session):
    return session.segment(key_num=2)


def test_key_frames_are_told_before_anything_is_carried(session, result):
    told = []
    again = session.segment(
        key_num=2,
        on_key=lambda frame, masks: told.append((frame, [tuple(mask["size"]) for mask in masks])),
        progress=lambda done, total: told.append(None),
    )
    assert again == result
    frames = [one[0] for one in told if one is not None]
    assert frames == sorted({sequence.proposed_on for sequence in result.sequences} | set(frames))
    assert None not in told[: len(frames)]
    assert all(size == (64, 96) for one in told[: len(frames)] for size in one[1])


def masks_of(result, track_id):
    return result.sequence(track_id).masks_array()


def test_a_mask_is_taken_as_it_is_and_followed_alone(model):
    result = segment_video(model, moving_frames(FRAMES), prompts=[Prompt(4, mask=SQUARE, id=7)], propose=False)
    (sequence,) = result.sequences
    assert (sequence.track_id, sequence.given, sequence.proposed_on, sequence.named) == (7, (4,), None, False)
    np.testing.assert_array_equal(sequence.masks_array()[4], SQUARE)
    assert sequence.confidence[4] == 1
    assert (sequence.confidence <= 1).all()
    assert sequence.score == sequence.class_scores.max() > 0


def test_objects_of_one_frame_compete_for_pixels(model):
    prompts = [Prompt(4, mask=SQUARE), Prompt(4, mask=CORNER)]
    both = segment_video(model, moving_frames(FRAMES), prompts=prompts, propose=False)
    first, second = (s.masks_array() for s in both.sequences)
    alone = [
        segment_video(model, moving_frames(FRAMES), prompts=[prompt], propose=False).sequences[0].masks_array()
        for prompt in prompts
    ]
    # Alone they take the same pixels; together only where random weights are wholly sure of both.
    assert (first & second).sum() < 0.5 * (alone[0] & alone[1]).sum()


def test_a_prompted_object_stays_and_takes_the_place_of_what_was_found(session, result):
    """A sequence that was found, given as a prompt on its own key frame, is found no second time."""
    known = result.sequences[0]
    mask = known.masks_array()[known.proposed_on]
    found = session.segment([Prompt(known.proposed_on, mask=mask, category="otter")], key_num=2)
    first = found.sequences[0]
    assert found.category_of(first) == "otter"
    assert first.named
    assert [s.track_id for s in found.sequences] == list(range(1, len(found.sequences) + 1))
    assert found.filter(score=1.0).sequences == [first]
    assert {str(s.masks) for s in found.sequences[1:]} <= {str(s.masks) for s in result.sequences}


def test_a_sequence_that_gives_way_to_a_prompt_is_named(session, result, caplog):
    prompt = Prompt(2, mask=SQUARE)
    shown = session.segment([prompt], propose=False).sequences[0]
    found = replace(result, sequences=[replace(shown, given=(), track_id=4)])
    assert [s.track_id for s in session.refine(found, [prompt]).sequences] == [5]
    (record,) = caplog.records
    assert record.message.startswith("sequence 4 (")
    assert "gave way to a prompt for the same object" in record.message
    caplog.clear()
    assert [s.track_id for s in session.refine(found, [replace(prompt, id=4)]).sequences] == [4]
    assert not caplog.records


def test_a_result_of_another_model_is_said(session, result, caplog):
    other = replace(result, sequences=[], categories=("boat", *result.categories[1:]))
    found = session.refine(other, [Prompt(2, mask=SQUARE)])
    assert found.categories == (*other.categories, result.categories[0])
    assert f"this one adds 1 category ({result.categories[0]}, ...)" in caplog.text
    caplog.clear()
    session.refine(found, [Prompt(3, mask=SQUARE, id=found.sequences[0].track_id)])
    assert not caplog.records


def test_several_frames_of_an_object_are_one_sequence(session):
    prompts = [Prompt(1, mask=SQUARE, id=3), Prompt(6, mask=CORNER, id=3), Prompt(6, mask=SQUARE, id=2)]
    found = session.segment(prompts, propose=False)
    assert [(s.track_id, s.given) for s in found.sequences] == [(3, (1, 6)), (2, (6,))]
    masks = masks_of(found, 3)
    np.testing.assert_array_equal(masks[[1, 6]], [SQUARE, CORNER])


def test_boxes_and_points_become_masks(session):
    found = session.segment([Prompt(2, box=(10, 12, 40, 45)), Prompt(3, point=[(20, 25)])], propose=False)
    boxed, pointed = found.sequences
    mask = boxed.masks_array()[2]
    assert mask.any()
    assert not mask[:12].any()
    assert not mask[45:].any()
    mask = pointed.masks_array()[3]
    assert mask[25, 20]
    # A negative point on what was chosen rules it out.
    y, x = np.argwhere(mask & ~(np.arange(96) == 20))[-1]
    other = session.segment([Prompt(3, point=[(20, 25), (x, y)], labels=[1, 0])], propose=False).sequences[0]
    other_mask = other.masks_array()[3]
    assert other_mask[25, 20]
    assert not other_mask[y, x]


def test_a_correction_changes_its_part_and_nothing_else(session, result):
    known = result.sequences[0]
    other_end = 0 if known.proposed_on else FRAMES - 1
    found = session.refine(result, [Prompt(other_end, mask=SQUARE, id=known.track_id)])
    changed = found.sequence(known.track_id)
    np.testing.assert_array_equal(changed.masks_array()[other_end], SQUARE)
    assert [s for s in found.sequences if s is not changed] == [s for s in result.sequences if s is not known]
    assert known.given == ()
    assert changed.given == (other_end,)
    # A second one at the first frame's neighbour leaves what is nearer to the first as it is, bit for bit.
    step = 1 if other_end == 0 else -1
    second = session.refine(found, [Prompt(other_end + 4 * step, mask=CORNER, id=known.track_id)])
    twice = second.sequence(known.track_id)
    near = [other_end + k * step for k in (0, 1)]
    assert [twice.masks[t] for t in near] == [changed.masks[t] for t in near]
    np.testing.assert_array_equal(twice.confidence[near], changed.confidence[near])
    np.testing.assert_array_equal(twice.masks_array()[other_end + 4 * step], CORNER)
    assert twice.given == tuple(sorted((other_end, other_end + 4 * step)))


def test_features_are_not_computed_again(session, result):
    before = session.computed
    session.refine(result, [Prompt(4, mask=SQUARE, id=1)])
    session.refine(result, [Prompt(5, mask=SQUARE, id=1)])
    assert session.computed == before


def test_a_session_and_a_call_give_the_same(model, session, result):
    corrections = [Prompt(4, mask=SQUARE, id=1), Rename(1, "dog"), NotVisible(1, 6, 7), Prompt(2, mask=CORNER)]
    there = session.refine(result, corrections)
    assert refine(result, corrections, model, moving_frames(FRAMES)) == there
    assert refine(result, corrections, session=session) == there
    assert not masks_of(there, 1)[6:8].any()
    assert there.category_of(there.sequence(1)) == "dog"


def test_what_cannot_be_seen_stays_hidden_when_corrections_pass(session, result):
    hidden = session.refine(result, [NotVisible(1, 3, 4), Prompt(0, mask=SQUARE, id=1), Prompt(8, mask=SQUARE, id=1)])
    assert not masks_of(hidden, 1)[3:5].any()
    assert hidden.sequence(1).given == (0, 3, 4, 8)


def test_the_budget_of_features_changes_nothing(model, session, result):
    corrections = [Prompt(4, mask=SQUARE, id=1), Prompt(7, mask=CORNER, id=1)]
    small = refine(result, corrections, model, moving_frames(FRAMES), feature_memory=0)
    assert small.sequence(1).masks == session.refine(result, corrections).sequence(1).masks


def test_memories_that_cannot_fit_are_refused(model, result, monkeypatch):
    monkeypatch.setattr(budget, "free_bytes", lambda device: 1)
    with pytest.raises(SourceError, match=r"needs .* GB to remember its frames"):
        refine(result, [Prompt(4, mask=SQUARE, id=1)], model, moving_frames(FRAMES))


def test_reaches():
    every = dict.fromkeys((0, 10, 20), encode_masks(SQUARE[None])[0])
    one = {10: every[10]}
    assert reaches(Shown(one, {10}), 31) == [following.Reach(10, range(31), range(31))]
    between = following.Reach(10, range(6, 16), range(6, 16))
    assert reaches(Shown(every, {10}, known=lambda t: EMPTY, proposed_on=3), 31) == [between]
    # Towards the frame of the detection it goes on until it meets what it brings; beyond, to the end.
    assert reaches(Shown(one, {10}, known=lambda t: EMPTY, proposed_on=4), 31) == [
        following.Reach(10, range(8, 31), range(31))
    ]
    assert reaches(Shown(one, {10}, known=lambda t: EMPTY, proposed_on=20), 31) == [
        following.Reach(10, range(16), range(31))
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda s, r: s.segment([], propose=False), ConfigError, "propose=False follows nothing but prompts"),
        (lambda s, r: s.segment([Prompt(9, mask=SQUARE)]), ConfigError, "frame=9: the video has 9 frames"),
        (
            lambda s, r: s.segment([Prompt(1, mask=SQUARE, id=1), Prompt(1, box=(0, 0, 9, 9), id=1)]),
            ConfigError,
            "two prompts for the object 1 on frame 1",
        ),
        (
            lambda s, r: s.segment([Prompt(1, point=[(0, 0), (0, 0)], labels=[1, 0])]),
            ConfigError,
            "prompt on frame 1: no proposal has the positive and no negative one",
        ),
        (
            lambda s, r: s.refine(r, [Prompt(1, mask=SQUARE), Prompt(1, point=[(0, 0), (0, 0)], labels=[1, 0])]),
            ConfigError,
            r"^corrections\[1\]: prompt on frame 1: no proposal has",
        ),
        (
            lambda s, r: refine(r, Delete(1)),
            ConfigError,
            "corrections is of type Delete: give a list of Prompt",
        ),
        (lambda s, r: s.refine(r, Delete(1)), ConfigError, "corrections is of type Delete"),
        (lambda s, r: refine(r, [Delete(1), Delete(1)]), ConfigError, r"corrections\[1\]: there is no sequence 1"),
        (lambda s, r: refine(r, [Prompt(1, mask=SQUARE)]), ConfigError, "refine.. needs model and source, or session"),
        (
            lambda s, r: refine(r, [Prompt(1, mask=SQUARE)], s.model, moving_frames(3)),
            SourceError,
            "has 3 frames of 96x64, the result of array has 9 frames of 96x64",
        ),
    ],
)
def test_what_cannot_be_done_is_one_line(session, result, call, error, message):
    with pytest.raises(error, match=message):
        call(session, result)


def test_a_prompt_that_shows_nothing_is_said_before_long_work(session, result):
    """Neither is the video searched, nor is what comes first in the list carried."""
    nothing = Prompt(1, point=[(0, 0), (0, 0)], labels=[1, 0])
    corrections, work = [Prompt(2, mask=SQUARE), Delete(1), nothing], []
    with pytest.raises(ConfigError, match=r"^prompts\[1\]: prompt on frame 1: no proposal"):
        session.segment([Prompt(2, mask=SQUARE), nothing], progress=lambda *swept: work.append(swept))
    with pytest.raises(ConfigError, match=r"^corrections\[2\]: prompt on frame 1: no proposal"):
        session.refine(result, corrections, progress=lambda *swept: work.append(swept))
    assert not work


def test_a_baseline_has_no_prompts(tiny):
    options = {"propose_reduce.method": {"type": "TrackByIoU", "iou_thr": 0.3}}
    model = load_model(*tiny, device="cpu", cfg_options=options)
    with pytest.raises(ConfigError, match=r"another propose_reduce\.method"):
        segment_video(model, moving_frames(3), prompts=[Prompt(0, mask=SQUARE)], propose=False)
