"""Video files: every frame once, exact, in any order; damage, rotation and odd time stamps."""

from __future__ import annotations

import struct
import threading
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from mmdet_vis.data.sources import FrameSource, VideoFileSource
from mmdet_vis.errors import SourceError

WIDTH, HEIGHT, BITS = 96, 64, 8

# (file name, encoder, pixel format, encoder options): H.264 with reordered frames, broken AVI time stamps, key frames
# only, hidden reference frames, open groups of pictures, no time stamps that tell frames apart.
KINDS = {
    "h264.mp4": ("libx264", "yuv420p", {}),
    "h264.mov": ("libx264", "yuv420p", {"x264-params": "open-gop=1"}),
    "h264.mkv": ("libx264", "yuv420p", {}),
    "h264.avi": ("libx264", "yuv420p", {}),
    "mpeg4.avi": ("mpeg4", "yuv420p", {}),
    "bframes.avi": ("mpeg4", "yuv420p", {"bf": "2"}),
    "mjpeg.avi": ("mjpeg", "yuvj420p", {}),
    "vp9.webm": ("libvpx-vp9", "yuv420p", {"deadline": "realtime", "cpu-used": "8"}),
    "vp8.webm": ("libvpx", "yuv420p", {"auto-alt-ref": "1", "lag-in-frames": "8"}),
    "mpeg2.mpg": ("mpeg2video", "yuv420p", {"bf": "2"}),
    "h264.ts": ("libx264", "yuv420p", {}),
}


def picture(number: int, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A frame that shows its number in binary, one stripe per bit, over a slope that makes it asymmetric."""
    bits = [(number >> bit) & 1 for bit in range(BITS)]
    stripes = np.repeat(np.array([40 + 150 * bit for bit in bits]), -(-width // BITS))[:width]
    frame = np.zeros((height, width, 3), np.uint8)
    frame[:] = stripes[None, :, None]
    frame[: height // 4] = np.linspace(0, 255, width)[None, :, None]
    frame[height // 2 :, : width // 2, 2] //= 2
    return frame


def number_of(frame: np.ndarray) -> int:
    """The number that :func:`picture` drew, read from the green channel of the second quarter."""
    step = WIDTH // BITS
    rows = frame[HEIGHT // 4 + 4 : HEIGHT // 2 - 4, :, 1].astype(float)
    return sum(int(rows[:, bit * step + 3 : (bit + 1) * step - 3].mean() > 115) << bit for bit in range(BITS))


def encode(
    path: Path,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    *,
    frames: int = 30,
    gop: int = 8,
    stamps: list[int] | None = None,
    movflags: str = "faststart",
    size: tuple[int, int] = (HEIGHT, WIDTH),
) -> Path:
    """Write numbered frames at 25 per second, or at ``stamps`` in units of 1/25 s."""
    container_options = {"movflags": movflags} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=container_options) as container:
        stream = container.add_stream(codec, rate=25, options={"threads": "1", **(options or {})})
        stream.height, stream.width = size
        stream.pix_fmt = pix_fmt
        stream.codec_context.gop_size = gop
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(picture(number, *size), format="bgr24")
            frame.pts = stamps[number] if stamps else number
            frame.time_base = Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def read_all(source: FrameSource, chunk: int = 7) -> list[np.ndarray]:
    return [
        frame for start in range(0, len(source), chunk) for frame in source.read(start, min(start + chunk, len(source)))
    ]


def assert_equal(frames: list[np.ndarray], others: list[np.ndarray]) -> None:
    assert len(frames) == len(others)
    for index, (frame, other) in enumerate(zip(frames, others, strict=True)):
        np.testing.assert_array_equal(frame, other, err_msg=f"frame {index}")


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode(tmp_path_factory.mktemp("video") / "clip.mp4")


@pytest.mark.parametrize("name", KINDS)
def test_reads_every_frame_in_any_order(tmp_path: Path, name: str) -> None:
    path = encode(tmp_path / name, *KINDS[name])
    # The small cache makes backward chunks jump to key frames again and again.
    with VideoFileSource(path, cache_frames=2) as source:
        assert (len(source), source.height, source.width) == (30, HEIGHT, WIDTH)
        assert source.fps == pytest.approx(25)
        assert source.warnings == []
        assert source.frame_names == [f"{index:05d}" for index in range(30)]
        forward = read_all(source)
        assert all(frame.dtype == np.uint8 and frame.flags.c_contiguous for frame in forward)
        assert [number_of(frame) for frame in forward] == list(range(30))
        backward: list[np.ndarray] = []
        for stop in range(30, 0, -4):
            backward = source.read(max(stop - 4, 0), stop) + backward
        assert_equal(backward, forward)
        random = np.random.default_rng(0)
        for _ in range(8):
            start, stop = sorted(random.integers(0, 31, 2))
            assert_equal(source.read(start, stop), forward[start:stop])
        assert source.read(5, 5) == []


def test_frames_equal_those_of_another_reader(mp4: Path) -> None:
    capture = cv2.VideoCapture(str(mp4))
    with VideoFileSource(mp4) as source:
        for frame in read_all(source):
            found, expected = capture.read()
            assert found
            np.testing.assert_array_equal(frame, expected)
        assert not capture.read()[0]
    capture.release()


def test_range_outside_the_video(mp4: Path) -> None:
    with VideoFileSource(mp4) as source:
        for start, stop in ((-1, 2), (3, 31), (5, 4)):
            with pytest.raises(IndexError):
                source.read(start, stop)


@pytest.mark.parametrize(("suffix", "codec"), [(".mp4", "libx264"), (".mkv", "libx264"), (".webm", "libvpx-vp9")])
def test_variable_frame_rate(tmp_path: Path, suffix: str, codec: str) -> None:
    stamps = [0, 1, 2, 10, 11, 30, 31, 33, 50, 51, 52, 100]
    path = encode(tmp_path / f"vfr{suffix}", codec, frames=len(stamps), stamps=stamps, gop=4)
    with VideoFileSource(path, cache_frames=1) as source:
        forward = read_all(source)
        assert [number_of(frame) for frame in forward] == list(range(len(stamps)))
        assert_equal(source.read(6, 9), forward[6:9])
        assert source.times == pytest.approx([stamp / 25 for stamp in stamps], abs=1e-3)
        assert source.fps == pytest.approx(2.75)
        # An mp4 has no word on a rate; the others declare the encoder's.
        declared = f"{path}: declares 25 frames/s, its time stamps give 2.75: the time stamps are used"
        assert source.warnings == ([] if suffix == ".mp4" else [declared])


@pytest.mark.parametrize("size", [(1, 1), (49, 65), (1, 64)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = encode(tmp_path / "odd.webm", "libvpx-vp9", frames=5, size=size)
    with VideoFileSource(path) as source:
        assert {frame.shape for frame in source.read(0, 5)} == {(*size, 3)}


@pytest.mark.parametrize("suffix", [".mkv", ".avi"])
def test_deep_and_packed_pixel_formats(tmp_path: Path, suffix: str) -> None:
    codec, pix_fmt = {".mkv": ("ffv1", "gray16le"), ".avi": ("rawvideo", "bgr24")}[suffix]
    path = encode(tmp_path / f"lossless{suffix}", codec, pix_fmt, frames=6)
    with VideoFileSource(path) as source:
        frames = source.read(0, 6)
        assert [number_of(frame) for frame in frames] == list(range(6))
        if suffix == ".avi":  # stored as it is, bottom row first
            assert_equal(frames, [picture(number) for number in range(6)])


# Display matrices as cameras write them (a, b, c, d), and what they do to a picture.
TURNS = {
    "upright": ((1, 0, 0, 1), lambda frame: frame),
    "clockwise": ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
    "upside down": ((-1, 0, 0, -1), lambda frame: np.rot90(frame, 2)),
    "counterclockwise": ((0, -1, 1, 0), lambda frame: np.rot90(frame, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
    "mirrored and turned": ((0, 1, 1, 0), lambda frame: frame.transpose(1, 0, 2)),
}


def set_display_matrix(path: Path, out: Path, matrix: tuple[int, int, int, int]) -> Path:
    """Write a display matrix into the track header of an mp4 file."""
    data = bytearray(path.read_bytes())
    # Version 0 of the box: 4 type, 4 version, 20 times and ids, 8 reserved, 8 layer to volume, then the matrix.
    place = data.index(b"tkhd") + 44
    a, b, c, d = (value << 16 for value in matrix)
    assert struct.unpack_from(">9i", data, place) == (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    struct.pack_into(">9i", data, place, a, b, 0, c, d, 0, 0, 0, 1 << 30)
    out.write_bytes(data)
    return out


@pytest.mark.parametrize("turn", TURNS)
def test_rotation_metadata(mp4: Path, tmp_path: Path, turn: str) -> None:
    matrix, expected = TURNS[turn]
    with VideoFileSource(mp4) as source:
        stored = source.read(0, 3)
    path = set_display_matrix(mp4, tmp_path / "turned.mp4", matrix)
    with VideoFileSource(path) as source:
        upright = source.read(0, 3)
        assert upright[0].shape == (source.height, source.width, 3)
        assert_equal(upright, [np.ascontiguousarray(expected(frame)) for frame in stored])
    if "mirrored" not in turn:  # OpenCV knows rotations only
        capture = cv2.VideoCapture(str(path))
        np.testing.assert_array_equal(upright[0], capture.read()[1])
        capture.release()


def test_backward_chunks_decode_a_group_of_pictures_a_few_times_at_most(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = encode(tmp_path / "long.mp4", frames=150, gop=150, options={"preset": "ultrafast"})
    decoded = 0

    def read_backwards(source: VideoFileSource) -> list[int]:
        frames = source._decoder.frames

        def counting(start: int, stop: int) -> Iterator[tuple[int, Any]]:
            nonlocal decoded
            for item in frames(start, stop):
                decoded += 1
                yield item

        monkeypatch.setattr(source._decoder, "frames", counting)
        numbers: list[int] = []
        for stop in range(150, 0, -10):
            numbers = [number_of(frame) for frame in source.read(stop - 10, stop)] + numbers
            assert len(source._cache) <= source._cache_size
        return numbers

    with VideoFileSource(path) as source:
        assert read_backwards(source) == list(range(150))
    assert 150 <= decoded <= 1.5 * 150
    decoded = 0
    with VideoFileSource(path, cache_frames=32) as source:
        assert source._cache_size == 32
        assert read_backwards(source) == list(range(150))
    assert 150 <= decoded <= 2.5 * 150
    with VideoFileSource(path, cache_bytes=10 * 3 * HEIGHT * WIDTH) as source:
        assert source._cache_size == 10


def test_forward_reading_keeps_no_frames(mp4: Path) -> None:
    with VideoFileSource(mp4) as source:
        read_all(source)
        assert source._cache == {}


@pytest.mark.parametrize("wrong", [1, 2, 10**9], ids=["once", "twice", "always"])
def test_a_jump_that_leads_elsewhere_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: int) -> None:
    """Where decoding after a jump gives other pictures than the index, a safer start is taken."""
    path = encode(tmp_path / "clip.mp4", gop=4, options={"preset": "ultrafast"})
    with VideoFileSource(path, cache_frames=1) as source:
        forward = read_all(source)
        assert len(source._index.keys) >= 7
        fingerprint, calls = source._decoder._fingerprint, 0

        def wrong_at_first(frame: Any) -> int:
            nonlocal calls
            calls += 1
            return fingerprint(frame) ^ (calls <= wrong)

        monkeypatch.setattr(source._decoder, "_fingerprint", wrong_at_first)
        assert_equal(source.read(26, 30), forward[26:])
        assert calls > 1
        assert source._decoder._seekable == (wrong < 3)
        assert_equal(source.read(10, 14), forward[10:14])


def test_without_time_stamps_decoding_starts_at_the_beginning(mp4: Path) -> None:
    with VideoFileSource(mp4, cache_frames=1) as source:
        forward = read_all(source)
    with VideoFileSource(mp4, cache_frames=1) as source:
        source._index.pts = None
        source._decoder._seekable = False
        assert_equal(source.read(20, 25), forward[20:25])
        assert_equal(source.read(15, 20), forward[15:20])


def test_two_threads_may_read(mp4: Path) -> None:
    with VideoFileSource(mp4) as source:
        forward = read_all(source)
        results: dict[int, list[np.ndarray]] = {}

        def work(offset: int) -> None:
            results[offset] = [source.read(index, index + 1)[0] for index in range(offset, 30, 2)]

        threads = [threading.Thread(target=work, args=(offset,)) for offset in (0, 1)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for offset in (0, 1):
            assert_equal(results[offset], forward[offset::2])


def test_names_that_ffmpeg_could_take_for_a_protocol(mp4: Path, tmp_path: Path) -> None:
    for name in ("concat:überß 视频.mp4", "http:%d|x.mp4"):
        path = tmp_path / name
        path.write_bytes(mp4.read_bytes())
        with VideoFileSource(path) as source:
            assert source.name == name.removesuffix(".mp4")
            assert len(source.read(0, 30)) == 30


def test_wrong_ending_is_no_matter(mp4: Path, tmp_path: Path) -> None:
    path = tmp_path / "really_mp4.avi"
    path.write_bytes(mp4.read_bytes())
    with VideoFileSource(path) as source:
        assert len(source) == 30


def test_file_that_vanishes(mp4: Path, tmp_path: Path) -> None:
    path = tmp_path / "gone.mp4"
    path.write_bytes(mp4.read_bytes())
    source = VideoFileSource(path)
    path.unlink()
    with pytest.raises(SourceError, match=r"gone\.mp4"):
        source.read(0, 1)
