"""Interlaced video: whole frames come out, as many as went in, the same in whatever order they are read."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mmdet_vis.data.sources import VideoFileSource

HEIGHT, WIDTH, FRAMES = 96, 128, 14


def moment(time: float) -> NDArray[np.uint8]:
    """A bright block that moves fast to the right over a dark ground."""
    frame = np.full((HEIGHT, WIDTH, 3), 50, np.uint8)
    left = int(8 + 7 * time)
    frame[20:76, left : left + 30] = 200
    return frame


def woven(number: int) -> NDArray[np.uint8]:
    """Two fields, half a frame apart: the odd rows first, which is what the encoders say unless told."""
    frame = moment(number)
    frame[::2] = moment(number + 0.5)[::2]
    return frame


def encode(path: Path, codec: str = "mpeg2video", interlaced: bool = True) -> Path:
    options = {"flags": "+ildct+ilme", "threads": "1"} if interlaced else {"threads": "1"}
    if codec == "libx264":
        options = {"x264-params": "interlaced=1", "crf": "10", "threads": "1"}
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.bit_rate, stream.codec_context.gop_size = 4_000_000, 6
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(woven(number), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def combing(frame: NDArray[np.uint8]) -> float:
    """How much each row differs from both of its neighbours in the same direction."""
    grey = frame[..., 1].astype(float)
    up, down = grey[1:-1] - grey[:-2], grey[1:-1] - grey[2:]
    return float(np.where(up * down > 0, np.minimum(abs(up), abs(down)), 0).mean())


@pytest.mark.parametrize(("name", "codec"), [("dv.mpg", "mpeg2video"), ("broadcast.ts", "libx264")])
def test_fields_become_frames(tmp_path: Path, name: str, codec: str) -> None:
    path = encode(tmp_path / name, codec)
    with VideoFileSource(path) as source:
        assert (len(source), source.fps) == (FRAMES, 25)
        assert source.warnings == [f"{path}: interlaced: {FRAMES} of {FRAMES} frames were deinterlaced"]
        frames = source.read(0, FRAMES)
    woven_combs = np.mean([combing(woven(number)) for number in range(FRAMES)])
    assert np.mean([combing(frame) for frame in frames]) < woven_combs / 10
    for number, frame in enumerate(frames[1:-1], start=1):
        first, second = (np.abs(frame.astype(float) - moment(number + late)).mean() for late in (0, 0.5))
        assert first < second  # the time of the first field
        assert first < 9


def test_any_order_gives_the_same_frames(tmp_path: Path) -> None:
    path = encode(tmp_path / "clip.mpg")
    with VideoFileSource(path, cache_frames=3) as source:
        frames = source.read(0, FRAMES)
        for chunk in (1, 3, 4):
            starts = list(range(0, FRAMES, chunk))
            for order in (starts, starts[::-1], [starts[-1], *starts]):
                for start in order:
                    got = source.read(start, min(start + chunk, FRAMES))
                    np.testing.assert_array_equal(got, frames[start : start + chunk])
                assert len(source._cache) <= source._cache_size + 4
        assert source.read(5, 5) == []


def test_progressive_video_is_left_alone(tmp_path: Path) -> None:
    with VideoFileSource(encode(tmp_path / "clip.mpg", interlaced=False)) as source:
        assert source.warnings == []
        assert combing(source.read(3, 4)[0]) > 3  # the combs are its own
