"""When frames are shown: time stamps count, declared rates only where they agree."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mmdet_vis.data.sources import VideoFileSource
from mmdet_vis.data.sources.video_time import Timing, timing

MS = Fraction(1, 1000)
# A browser's recording of a page: frames when something changed.
RECORDED = [0, 36, 71, 168, 203, 401, 433, 702, 735, 1002]


def record(path: Path, stamps: list[int], rate: Fraction | int = 1000, codec: str = "libvpx", **options: str) -> Path:
    """A video with frames at ``stamps`` milliseconds that declares ``rate`` frames per second."""
    random = np.random.default_rng(0)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = MS
        for stamp in stamps:
            noise = random.integers(0, 255, (6, 8, 3), dtype=np.uint8)
            frame = av.VideoFrame.from_ndarray(noise.repeat(8, 0).repeat(8, 1), format="bgr24")
            frame.pts, frame.time_base = stamp, MS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def test_a_constant_rate_has_no_times() -> None:
    assert timing([0, 33, 67, 100, 133, 167], MS, Fraction(30)) == Timing(30.0)
    # The rounding of the stamps does not make the rate another one.
    assert timing([0, 33, 67, 100, 133, 167], MS, None) == Timing(30.0)
    ntsc = Fraction(30_000, 1001)
    assert timing([round(1000 * i / ntsc) for i in range(3000)], MS, None) == Timing(float(ntsc))
    assert timing([48_600 + 3600 * i for i in range(9)], Fraction(1, 90_000), Fraction(25)) == Timing(25.0)
    assert timing([0, 700, 1400], MS, None).fps == pytest.approx(10 / 7)


def test_a_rate_that_varies_keeps_its_times() -> None:
    found = timing([500 + stamp for stamp in RECORDED], MS, Fraction(9))
    assert found.times == pytest.approx([stamp / 1000 for stamp in RECORDED])
    assert (found.fps, found.problem) == (9, "")


@pytest.mark.parametrize("declared", [Fraction(1000), Fraction(30), Fraction(1)])
def test_a_declared_rate_that_is_not_the_stamps_is_said(declared: Fraction) -> None:
    found = timing(RECORDED, MS, declared)
    assert found.fps == pytest.approx(9 / 1.002)
    assert f"declares {float(declared):g} frames/s, its time stamps give 8.98" in found.problem


@pytest.mark.parametrize("declared", [None, Fraction(0)])
def test_no_declared_rate_is_no_problem(declared: Fraction | None) -> None:
    assert timing(RECORDED, MS, declared).problem == ""
    assert timing(RECORDED, MS, declared).fps == pytest.approx(9 / 1.002)


def test_without_usable_stamps() -> None:
    missing = "1 of 3 frames have no time stamp: its 3 frames are taken as 25 per second"
    assert timing([None, 40, 80], MS, Fraction(25)) == Timing(25.0, None, missing)
    assert timing([0, 7, 3], MS, Fraction(25), constant=True) == Timing(25.0)
    jumps = timing([0, 40, 10, 50], MS, Fraction(25))
    assert (jumps.fps, jumps.times) == (25, None)
    assert "1 frame is stamped with a time that is not after the last one's" in jumps.problem
    assert timing([0, 40, 80, 0, 40], MS, None).fps == 25
    assert timing([7, 7, 7], MS, Fraction(10)).times is None
    unknown = timing([None, None], None, Fraction(1000))
    assert unknown.fps is None
    assert "its 2 frames are shown at the default rate" in unknown.problem
    assert timing([0], MS, Fraction(25)) == Timing(25.0) == timing([None], None, Fraction(25))
    assert timing([0], MS, Fraction(1000)) == Timing(None)


@pytest.mark.parametrize("rate", [1000, 25])
def test_frames_that_share_a_time_stamp(tmp_path: Path, rate: int) -> None:
    stamps = [0, 36, 36, 71, 168, 203, 203, 203, 300, 300]
    path = tmp_path / "rec.mkv"
    with VideoFileSource(record(path, stamps, rate, "ffv1")) as source:
        assert source.times == pytest.approx(
            [0, 0.036, 0.0535, 0.071, 0.168, 0.203, 0.203 + 0.097 / 3, 0.203 + 0.194 / 3, 0.3, 0.3485], abs=1e-5
        )
        assert source.warnings[-1].endswith(
            "4 frames have the time stamp of the one before: shown between it and the next"
        )
        assert len(source.read(0, 10)) == 10


@pytest.mark.parametrize("rate", [1000, 25])
def test_a_browser_recording(tmp_path: Path, rate: int) -> None:
    path = record(tmp_path / "rec.webm", RECORDED, rate)
    with VideoFileSource(path) as source:
        assert source.times == pytest.approx([stamp / 1000 for stamp in RECORDED])
        assert source.fps == pytest.approx(9 / 1.002)
        line = f"declares {rate} frames/s, its time stamps give 8.98: the time stamps are used"
        assert source.warnings == [f"{path}: {line}"]


def test_an_offset_of_the_first_frame_does_not_count(tmp_path: Path) -> None:
    stamps = [2000 + stamp for stamp in RECORDED]
    for name, codec in (("late.mp4", "libx264"), ("late.mkv", "libx264"), ("late.ts", "libx264")):
        # With reordered frames: the first one decoded is not the first one shown.
        with VideoFileSource(record(tmp_path / name, stamps, 10, codec, bf="2", threads="1")) as source:
            assert len(source) == 10
            assert source.times == pytest.approx([stamp / 1000 for stamp in RECORDED], abs=1e-3), name


def test_gif(tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "clip.gif"
    random = np.random.default_rng(0)
    pictures = [Image.fromarray(random.integers(0, 255, (32, 48, 3), dtype=np.uint8)) for _ in range(4)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=[100, 500, 100, 200], loop=0)
    with VideoFileSource(path) as source:
        assert source.times == pytest.approx([0, 0.1, 0.6, 0.7])
        assert source.last == pytest.approx(0.2)


def test_how_long_the_last_frame_is_shown() -> None:
    assert timing([0, 40, 80], MS, Fraction(25), last=40) == timing([0, 40, 80], MS, Fraction(25), last=0) == Timing(25)
    held = timing([0, 40, 80], MS, Fraction(25), last=500)
    assert (held.fps, held.times, held.last) == (25, [0, 0.04, 0.08], 0.5)
    assert timing(RECORDED, MS, Fraction(9), last=70).last == 0.07
    assert timing(RECORDED, MS, Fraction(9), last=2**31).last is None


def test_durations_of_a_container_count_where_they_lead_from_frame_to_frame(tmp_path: Path) -> None:
    with VideoFileSource(record(tmp_path / "a.mov", RECORDED, 25, "mpeg4")) as source:
        assert source.last == pytest.approx(0.04)
    with VideoFileSource(record(tmp_path / "a.webm", RECORDED, 30)) as source:  # says 33 ms of each frame
        assert source.last is None
