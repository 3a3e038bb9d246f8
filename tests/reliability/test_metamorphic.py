"""What must change with a video in a known way: the whole path, from frames to sequences, with the default model.

No annotations are needed: a mirrored video has mirrored objects, a reversed one the same objects in reverse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import CheckpointError
from mmdet_vis.structures import VideoResult, decode_masks
from mmdet_vis.weights.find import default_weights
from tests.tiny import moving_frames

Frames = list[NDArray[np.uint8]]
Masks = NDArray[np.uint8]

HEIGHT, WIDTH = 144, 256
KEYS = 3
FRAMES = 7
"""With three key frames these are 0, 3 and 6, the same from both ends."""
SEEN = 0.5
"""Sequences from this score make up what is seen as foreground."""
SURE = 0.75
"""Sequences from this score are compared one by one."""


@dataclass(frozen=True)
class Video:
    """A short video.

    Attributes:
        frames: at the size that the network sees.
        crowd: its objects touch and cover each other, so that where one ends is a matter of opinion: a small change may
            give a part to another sequence. Then only the foreground as a whole is compared.
    """

    frames: Frames
    crowd: bool


@pytest.fixture(scope="module")
def weights() -> Path:
    """A model with the published propagation head and plain scores, which the bounds below were found with."""
    try:
        return default_weights().with_name("seq_mask_rcnn_lite0_stills.safetensors")
    except CheckpointError as error:
        pytest.skip(f"needs the default model: {error}")


def load(weights: Path, **preprocess: object) -> VISModel:
    options = {f"data_preprocessor.{key}": value for key, value in {"img_scale": (WIDTH, HEIGHT), **preprocess}.items()}
    return load_model(weights=weights, device="cpu", cfg_options=options)


@pytest.fixture(scope="module")
def model(weights: Path) -> VISModel:
    return load(weights)


@pytest.fixture(
    scope="module", params=["raccoon_and_astronaut", pytest.param("on_the_lawn.mp4", marks=pytest.mark.slow)]
)
def video(request: pytest.FixtureRequest, repository: Path) -> Video:
    """Every third frame of a demo video."""
    with open_source(repository / "demo" / "inputs" / request.param) as source:
        step = min(3, (len(source) - 1) // (FRAMES - 1))
        found = [source.read(t, t + 1)[0] for t in range(0, FRAMES * step, step)]
    return Video([resized(frame, 1, cv2.INTER_AREA) for frame in found], crowd=request.param == "on_the_lawn.mp4")


def resized(frame: NDArray[np.uint8], factor: int, how: int) -> NDArray[np.uint8]:
    return np.asarray(cv2.resize(frame, (factor * WIDTH, factor * HEIGHT), interpolation=how), np.uint8)


def segment(model: VISModel, frames: Frames) -> VideoResult:
    return segment_video(model, frames, key_num=KEYS)


@pytest.fixture(scope="module")
def expected(model: VISModel, video: Video) -> VideoResult:
    result = segment(model, video.frames)
    assert sum(s.score >= SURE for s in result.sequences) >= 2, "the model sees nothing: nothing would be compared"
    return result


def overlap(a: Masks, b: Masks) -> float:
    """IoU over a whole video."""
    union = np.logical_or(a, b).sum()
    return float(np.logical_and(a, b).sum() / union) if union else 1.0


def foreground(result: VideoResult) -> Masks:
    return np.any([decode_masks(s.masks) for s in result.sequences if s.score >= SEEN], axis=0)


def assert_same(
    found: VideoResult,
    expected: VideoResult,
    back: Callable[[Masks], Masks],
    seen: float,
    one: float | None,
    score: float,
) -> None:
    """The foreground is the same, and each sure sequence of either result is in the other one.

    Args:
        found: of the changed video.
        expected: of the video as it is.
        back: undoes the change, on ``[T, H, W]`` masks.
        seen: the least overlap of what is seen in the two.
        one: the least overlap of a sequence over the video; None does not compare them.
        score: the largest difference of its scores.
    """
    whole = overlap(back(foreground(found)), foreground(expected))
    print(f"foreground IoU {whole:.4f} (at least {seen})")
    assert whole >= seen, f"foreground: {whole:.3f}"
    theirs = [(s, back(decode_masks(s.masks))) for s in found.sequences]
    ours = [(s, decode_masks(s.masks)) for s in expected.sequences]
    for some, others in ((ours, theirs), (theirs, ours)) if one is not None else ():
        for sequence, masks in some:
            if sequence.score < SURE:
                continue
            overlaps = [overlap(masks, other) for _, other in others]
            best = int(np.argmax(overlaps))
            what = f"{expected.category_of(sequence)} {sequence.score:.2f}"
            print(f"{what}: IoU {overlaps[best]:.4f} (at least {one}), score {others[best][0].score:.2f}")
            assert overlaps[best] >= one, f"{what}: {overlaps[best]:.3f}"
            assert others[best][0].label == sequence.label, what
            assert abs(others[best][0].score - sequence.score) <= score, f"{what}: {others[best][0].score:.2f}"


# Changes that leave the computation the same.


def test_a_reversed_video_has_the_same_sequences(model: VISModel, video: Video, expected: VideoResult) -> None:
    """Both directions of time are the same work."""
    found = segment(model, video.frames[::-1])
    assert len(found.sequences) == len(expected.sequences)
    assert_same(found, expected, lambda masks: masks[::-1], seen=0.999, one=0.99, score=1e-3)


def test_a_reversed_video_is_the_same_to_rounding_whatever_the_weights(tiny: tuple[Path, Path]) -> None:
    random = load_model(*tiny, device="cpu")
    there = segment_video(random, moving_frames(FRAMES), key_num=KEYS)
    back = segment_video(random, moving_frames(FRAMES)[::-1], key_num=KEYS)
    assert len(there.sequences) == len(back.sequences) > 2
    for a, b in zip(there.sequences, back.sequences, strict=True):
        assert a.label == b.label
        np.testing.assert_allclose(a.class_scores, b.class_scores, rtol=0, atol=1e-5)
        assert (decode_masks(a.masks) != decode_masks(b.masks)[::-1]).mean() <= 1e-3


def test_a_video_of_twice_the_size_has_masks_of_twice_the_size(
    model: VISModel, video: Video, expected: VideoResult
) -> None:
    """It is seen at the same size; the masks come back at its own."""
    found = segment(model, [resized(frame, 2, cv2.INTER_NEAREST) for frame in video.frames])
    assert (found.height, found.width) == (2 * HEIGHT, 2 * WIDTH)
    assert_same(found, expected, lambda masks: masks[:, ::2, ::2], seen=0.99, one=0.99, score=1e-3)


# Changes that a network which understands the picture passes over.


def test_a_mirrored_video_has_mirrored_masks(model: VISModel, video: Video, expected: VideoResult) -> None:
    mirrored = segment(model, [np.ascontiguousarray(frame[:, ::-1]) for frame in video.frames])
    one = None if video.crowd else 0.7
    assert_same(mirrored, expected, lambda masks: masks[:, :, ::-1], seen=0.75, one=one, score=0.15)


@pytest.mark.slow
def test_each_frame_twice_gives_each_mask_twice(model: VISModel, video: Video, expected: VideoResult) -> None:
    twice = segment(model, [frame for frame in video.frames for _ in range(2)])
    assert twice.num_frames == 2 * FRAMES
    for part in (0, 1):
        # The second of a pair remembers the first: objects are followed a little better than in the video as it is.
        one = 0.7 if video.crowd else 0.6
        assert_same(twice, expected, lambda masks, part=part: masks[part::2], seen=0.65, one=one, score=0.15)
    for sequence in twice.sequences:
        if sequence.score >= SURE:
            masks = decode_masks(sequence.masks)
            assert overlap(masks[::2], masks[1::2]) >= 0.85


def test_a_picture_that_stands_still_has_masks_that_stand_still(model: VISModel, video: Video) -> None:
    still = segment(model, video.frames[:1] * 4)
    alone = segment(model, video.frames[:1])
    assert_same(still, alone, lambda masks: masks[:1], seen=0.95, one=0.95, score=0.05)
    for sequence in still.sequences:
        if sequence.score >= SURE:
            masks = decode_masks(sequence.masks)
            assert overlap(masks[:-1], masks[1:]) >= 0.9


def test_more_padding_changes_nothing(weights: Path, video: Video, expected: VideoResult) -> None:
    """To 192 rows instead of 160: the network sees more of nothing."""
    padded = load(weights, size_divisor=64)
    assert padded.preprocess.geometry(HEIGHT, WIDTH).padded == (192, 256)
    one = None if video.crowd else 0.85
    assert_same(segment(padded, video.frames), expected, lambda masks: masks, seen=0.85, one=one, score=0.1)


@pytest.mark.slow
def test_sizes_that_need_padding_on_both_sides(weights: Path, video: Video, expected: VideoResult) -> None:
    """A column and a row less than before: a width that is no multiple of 32."""
    less = load(weights, img_scale=(WIDTH - 1, HEIGHT - 1))
    cut = segment(less, [np.ascontiguousarray(frame[:-1, :-1]) for frame in video.frames])
    assert (cut.height, cut.width) == (HEIGHT - 1, WIDTH - 1)
    assert_same(cut, expected, lambda masks: np.pad(masks, ((0, 0), (0, 1), (0, 1)), "edge"), 0.75, 0.7, score=0.15)


@pytest.mark.slow
def test_a_border_moves_the_masks(weights: Path, video: Video, expected: VideoResult) -> None:
    """A border of the colour that padding has, 32 pixels at the left and at the top, so that the grid moves along."""
    mean = tuple(round(c) for c in (103.53, 116.28, 123.675))
    wider = [cv2.copyMakeBorder(frame, 32, 0, 32, 0, cv2.BORDER_CONSTANT, value=mean) for frame in video.frames]
    larger = load(weights, img_scale=(WIDTH + 32, HEIGHT + 32))
    found = segment(larger, [np.asarray(frame, np.uint8) for frame in wider])
    assert_same(found, expected, lambda masks: masks[:, 32:, 32:], seen=0.85, one=0.8, score=0.1)


def test_slightly_brighter_is_the_same(model: VISModel, video: Video, expected: VideoResult) -> None:
    brighter = [np.clip(frame.astype(np.int16) + 6, 0, 255).astype(np.uint8) for frame in video.frames]
    assert_same(segment(model, brighter), expected, lambda masks: masks, seen=0.85, one=0.85, score=0.1)
