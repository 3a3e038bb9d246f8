"""Streams through the tiny network: windows, identities, memory, the end."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import numpy as np
import pytest

import mmdet_vis.streaming.segment as segment
from mmdet_vis.api import load_model, segment_video
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.errors import ConfigError, SourceError
from mmdet_vis.streaming import FrameResult, StreamFrame, segment_stream
from mmdet_vis.structures import InstanceSequence, VideoResult, areas, encode_masks
from tests.tiny import moving_frames


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(*tiny, device="cpu")


def test_a_stream_that_fits_one_window_equals_segment_video(model):
    frames = moving_frames(7, height=50, width=70)
    expected = segment_video(model, frames, key_num=2)
    found = list(segment_stream(model, iter(frames), window=8, overlap=3, key_num=2))
    assert [result.index for result in found] == list(range(7))
    seen = [s for s in expected.sequences if areas(s.masks).any()]
    assert seen
    for t, result in enumerate(found):
        assert result.image is frames[t]
        visible = [(n, s) for n, s in enumerate(seen, start=1) if areas(s.masks)[t]]
        assert [(o.track_id, o.label, o.mask) for o in result.objects] == [(n, s.label, s.masks[t]) for n, s in visible]
        assert [o.score for o in result.objects] == pytest.approx([s.score for _, s in visible])
        assert all(o.category == model.categories[o.label] for o in result.objects)


def test_each_frame_comes_once_from_the_first_window_that_holds_it(model):
    frames = moving_frames(17)
    found = list(segment_stream(model, frames, window=8, overlap=3))
    assert [result.index for result in found] == list(range(17))
    # Windows begin at 0, 5 and 10; the last one has 7 frames.
    for start, stop, first in ((0, 8, 0), (5, 13, 8), (10, 17, 13)):
        sequences = segment_video(model, frames[start:stop]).sequences
        for t in range(first, stop):
            masks = [s.masks[t - start] for s in sequences if areas(s.masks)[t - start]]
            assert masks
            assert [o.mask for o in found[t].objects] == masks


@pytest.mark.parametrize("number", [0, 1, 4, 6, 7, 8])
def test_streams_of_every_length_end(model, number):
    """6 frames fill two windows of 4 exactly; one more makes a window of three frames, of which one is new."""
    found = list(segment_stream(model, moving_frames(number), window=4, overlap=2, key_num=1))
    assert [result.index for result in found] == list(range(number))


def stand_in(model, source, progress=None, **options: object) -> VideoResult:
    """Finds, in place of the network, the square that a frame has at the column that its first pixel says."""
    frames = source.read(0, len(source))
    masks = np.zeros((len(frames), 16, 120), np.uint8)
    for mask, frame in zip(masks, frames, strict=True):
        mask[4:12, frame[0, 0, 0] : frame[0, 0, 0] + 12] = 1
    scores = np.array([0.2, 0.7, 0.1], np.float32)
    found = [InstanceSequence(1, 1, 0.7, scores, encode_masks(masks))]
    return VideoResult("", 16, 120, len(frames), found, model.categories, (1, 2, 3))


def columns(places: list[int]) -> Iterator[np.ndarray]:
    for place in places:
        frame = np.zeros((16, 120, 3), np.uint8)
        frame[0, 0] = place
        yield frame


def test_an_object_that_moves_keeps_its_identity_through_all_windows(model, monkeypatch):
    """It crosses the frame, far beyond its first place: only neighbouring windows are compared."""
    monkeypatch.setattr(segment, "segment_video", stand_in)
    found = list(segment_stream(model, columns(list(range(100))), window=10, overlap=3))
    assert [[o.track_id for o in result.objects] for result in found] == [[1]] * 100


def test_an_object_that_windows_see_in_different_places_is_two(model, monkeypatch):
    windows = iter([0, 60])

    def somewhere_else(model, source, **options: object) -> VideoResult:
        place = next(windows)
        return stand_in(model, ArraySource(list(columns([place] * len(source)))))

    monkeypatch.setattr(segment, "segment_video", somewhere_else)
    found = list(segment_stream(model, columns([0] * 17), window=10, overlap=3))
    assert [[o.track_id for o in result.objects] for result in found] == [[1]] * 10 + [[2]] * 7


class Watched(np.ndarray):
    """An array that a weak reference can be made to, as those of numpy itself cannot be everywhere."""


def test_only_the_frames_of_one_window_are_alive(model, monkeypatch):
    """Several hundred frames: however long the stream, a window of them is held, and one that is handed out."""
    monkeypatch.setattr(segment, "segment_video", stand_in)
    born: list[weakref.ref[Watched]] = []

    def source() -> Iterator[StreamFrame]:
        for index, image in enumerate(columns([t % 100 for t in range(600)])):
            watched = image.view(Watched)
            born.append(weakref.ref(watched))
            yield StreamFrame(index, index / 10, watched)

    most = count = 0
    for result in segment_stream(model, source(), window=12, overlap=4):
        count += 1
        most = max(most, sum(reference() is not None for reference in born))
        del result
    assert count == len(born) == 600
    assert 12 <= most <= 14
    gc.collect()
    assert not any(reference() is not None for reference in born)


def test_results_come_before_later_frames_are_read(model):
    read = []

    def source() -> Iterator[np.ndarray]:
        for index, frame in enumerate(moving_frames(30)):
            read.append(index)
            yield frame

    results = segment_stream(model, source(), window=6, overlap=2, key_num=1)
    assert read == []
    assert next(results).index == 0
    assert len(read) == 6


def broken_source(number: int) -> Iterator[np.ndarray]:
    yield from moving_frames(number)
    raise SourceError("the cable: was pulled")


def test_frames_before_a_failure_have_results_and_then_it_is_raised(model):
    found: list[FrameResult] = []
    with pytest.raises(SourceError, match="was pulled"):
        found.extend(segment_stream(model, broken_source(9), window=6, overlap=2, key_num=1))
    assert [result.index for result in found] == list(range(9))


def test_stop_ends_within_a_window(model):
    calls = 0

    def stop() -> bool:
        nonlocal calls
        calls += 1
        return calls > 12  # a window of 8 frames asks before it begins and once a frame

    found = list(segment_stream(model, moving_frames(40), window=8, overlap=2, key_num=1, stop=stop))
    assert [result.index for result in found] == list(range(8))
    assert calls < 20


def test_low_scores_are_left_out(model):
    frames = moving_frames(5)
    scores = sorted(o.score for o in next(segment_stream(model, frames)).objects)
    limit = (scores[0] + scores[-1]) / 2
    kept = [o.score for o in next(segment_stream(model, frames, score_thr=limit)).objects]
    assert kept
    assert min(kept) >= limit
    assert len(kept) < len(scores)


def test_options_are_checked_at_once(model):
    for window, overlap, words in (
        (1, 1, "window must be"),
        (8, 8, "overlap must be a whole number from 1 to 7"),
        (8, 0, "got 0"),
    ):
        with pytest.raises(ConfigError, match=words):
            segment_stream(model, [], window=window, overlap=overlap)
