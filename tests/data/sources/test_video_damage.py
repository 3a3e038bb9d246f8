"""Damaged videos: the frames before the damage, or one clear error; never a traceback."""

from __future__ import annotations

import random
import wave
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from mmdet_vis.data.sources import VideoFileSource
from mmdet_vis.errors import SourceError

FRAMES = 40


def encode(path: Path, codec: str = "libx264", movflags: str | None = "faststart") -> Path:
    """Forty frames of moving noise, so that every frame takes bytes and no two are alike."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    # Without random identifiers in the container the same bytes are damaged in every run.
    options = {"fflags": "+bitexact"}
    if movflags and path.suffix == ".mp4":
        options["movflags"] = movflags
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream(codec, rate=25, options={"threads": "1"})
        stream.bit_rate = 2_000_000
        stream.height, stream.width, stream.pix_fmt = 64, 96, "yuv420p"
        stream.codec_context.gop_size = 10
        for number in range(FRAMES):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, 2 * number, axis=1), format="bgr24")
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("damage")
    encode(path / "whole.mp4")
    encode(path / "fragmented.mp4", movflags="frag_keyframe+empty_moov")
    encode(path / "whole.mkv")
    encode(path / "whole.webm", "libvpx-vp9")
    encode(path / "whole.avi", "mpeg4")
    return path


def frames_before(path: Path, place: int) -> int:
    """Number of frames, in display order, that do not rest on any byte from ``place`` on."""
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    stamps = [packet.dts if packet.pts is None else packet.pts for packet in packets]
    whole = sum(packet.pos + packet.size <= place for packet in packets)
    return sum(stamp < min(stamps[whole:]) for stamp in stamps)


def assert_prefix(damaged: VideoFileSource, whole: Path, count: int | None = None) -> None:
    """The damaged file gives the first frames of the whole one, forwards and backwards."""
    count = len(damaged) if count is None else count
    with VideoFileSource(whole) as source:
        expected = source.read(0, count)
    np.testing.assert_array_equal(damaged.read(0, count), expected)
    backward: list[np.ndarray] = []
    for stop in range(count, 0, -6):
        backward = damaged.read(max(stop - 6, 0), stop) + backward
    np.testing.assert_array_equal(backward, expected)


@pytest.mark.parametrize("name", ["whole.mp4", "fragmented.mp4", "whole.avi"])
@pytest.mark.parametrize("share", [0.4, 0.7, 0.93])
def test_truncated_file_keeps_the_frames_before(folder: Path, tmp_path: Path, name: str, share: float) -> None:
    data = (folder / name).read_bytes()
    path = tmp_path / name
    place = int(share * len(data))
    path.write_bytes(data[:place])
    before = frames_before(folder / name, place)
    with VideoFileSource(path, cache_frames=2) as source:
        assert len(source) == before > 5
        assert len(source.warnings) == 1
        assert source.warnings[0].startswith(str(path))
        assert f"only the {len(source)} frames before the damage are used" in source.warnings[0]
        assert_prefix(source, folder / name)


@pytest.mark.parametrize("name", ["whole.mkv", "whole.webm"])
def test_truncated_matroska_is_told_by_its_announced_duration(folder: Path, tmp_path: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    path = tmp_path / name
    path.write_bytes(data[: len(data) // 2])
    with VideoFileSource(path) as source:
        assert 0 < len(source) < FRAMES
        assert len(source.warnings) == 1
        assert "may be cut short" in source.warnings[0]


@pytest.mark.parametrize("name", ["whole.mp4", "whole.mkv", "whole.avi"])
@pytest.mark.parametrize("kind", ["zeros", "noise"])
def test_damage_in_the_middle_keeps_the_frames_before(folder: Path, tmp_path: Path, name: str, kind: str) -> None:
    data = bytearray((folder / name).read_bytes())
    start, length = int(0.75 * len(data)), 500
    before = frames_before(folder / name, start)
    data[start : start + length] = bytes(length) if kind == "zeros" else random.Random(0).randbytes(length)
    path = tmp_path / name
    path.write_bytes(data)
    with VideoFileSource(path, cache_frames=2) as source:
        # FFmpeg does not report the one half-damaged frame every time; the program can only go by its report.
        assert 5 < before <= len(source) <= before + 1
        assert len(source.warnings) == 1
        assert "damaged" in source.warnings[0] or "may be cut short" in source.warnings[0]
        assert str(path) in source.warnings[0]
        assert_prefix(source, folder / name, before)


@pytest.mark.parametrize("name", ["whole.mp4", "whole.mkv"])
def test_damaged_beginning_is_left_out(folder: Path, tmp_path: Path, name: str) -> None:
    """As in a file that was cut without regard to key frames: it is used from the first sound key frame on."""
    with av.open(str(folder / name)) as container:
        first = next(packet for packet in container.demux(video=0))
        assert first.pos is not None
        place = first.pos + first.size // 2
    data = bytearray((folder / name).read_bytes())
    data[place : place + 100] = random.Random(0).randbytes(100)
    path = tmp_path / name
    path.write_bytes(data)
    with VideoFileSource(folder / name) as source:
        keys = source._index.keys
        expected = source.read(keys[1], FRAMES)
    with VideoFileSource(path, cache_frames=2) as source:
        assert len(source) == len(expected) < FRAMES
        assert source.warnings == [f"{path}: the first {keys[1]} frames are damaged and were left out"]
        np.testing.assert_array_equal(source.read(0, len(source)), expected)
        np.testing.assert_array_equal(source.read(20, 23), expected[20:23])
        np.testing.assert_array_equal(source.read(0, 3), expected[:3])


def test_recording_that_starts_between_key_frames(folder: Path, tmp_path: Path) -> None:
    """Frames whose references were never recorded do not come; the rest is sound, and no warning is due."""
    path = tmp_path / "cut.mkv"
    with av.open(str(folder / "whole.mkv")) as whole, av.open(str(path), "w") as out:
        stream = whole.streams.video[0]
        copy = out.add_stream_from_template(stream) if hasattr(out, "add_stream_from_template") else None
        copy = copy or out.add_stream(template=stream)
        for number, packet in enumerate(whole.demux(stream)):
            if packet.size and number >= 5:
                packet.stream = copy
                out.mux(packet)
    with VideoFileSource(folder / "whole.mkv") as source:
        expected = source.read(source._index.keys[1], FRAMES)
    with VideoFileSource(path, cache_frames=2) as source:
        np.testing.assert_array_equal(source.read(0, len(source)), expected)
        np.testing.assert_array_equal(source.read(2, 4), expected[2:4])
        assert source.warnings == []


def test_index_at_the_end_that_is_missing(tmp_path: Path) -> None:
    path = encode(tmp_path / "late.mp4", movflags=None)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(SourceError, match=r"late\.mp4: cannot be read as a video"):
        VideoFileSource(path)


def write_silence(path: Path) -> None:
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(bytes(16000))


def write_audio_only(path: Path) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), format="s16", layout="mono")
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize(
    "write",
    [
        pytest.param(lambda path: path.write_text("This is a text file.\n" * 40), id="text"),
        pytest.param(lambda path: path.write_bytes(b""), id="empty"),
        pytest.param(lambda path: path.write_bytes(random.Random(1).randbytes(20000)), id="noise"),
        pytest.param(lambda path: path.write_bytes(b"\xff\xd8\xff\xe0" + bytes(100)), id="image"),
        pytest.param(write_silence, id="sound"),
        pytest.param(write_audio_only, id="audio only"),
    ],
)
def test_not_a_video(tmp_path: Path, write: object) -> None:
    path = tmp_path / "not_a_video.mp4"
    write(path)  # type: ignore[operator]
    with pytest.raises(SourceError, match=r"not_a_video\.mp4: ") as caught:
        VideoFileSource(path)
    assert "\n" not in str(caught.value)


def test_header_without_a_frame(folder: Path, tmp_path: Path) -> None:
    data = (folder / "whole.mp4").read_bytes()
    path = tmp_path / "header.mp4"
    path.write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(SourceError, match=r"header\.mp4: "):
        VideoFileSource(path)


def test_playlists_do_not_reach_other_files(folder: Path, tmp_path: Path) -> None:
    """A script that names a good video must not be followed: it could name any file or host."""
    (tmp_path / "a.mp4").write_bytes((folder / "whole.mp4").read_bytes())
    script = tmp_path / "script.mp4"
    script.write_text("ffconcat version 1.0\nfile 'a.mp4'\n")
    playlist = tmp_path / "playlist.mp4"
    playlist.write_text("#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\na.mp4\n#EXT-X-ENDLIST\n")
    for path in (script, playlist):
        with pytest.raises(SourceError, match="cannot be read as a video"):
            VideoFileSource(path)


@pytest.mark.parametrize("name", ["whole.mp4", "fragmented.mp4", "whole.mkv", "whole.webm", "whole.avi"])
def test_random_damage_gives_frames_or_one_error(folder: Path, tmp_path: Path, name: str) -> None:
    data = (folder / name).read_bytes()
    generator = random.Random(name)
    read = 0
    for _ in range(15):
        damaged = bytearray(data)
        for _ in range(generator.choice([1, 4, 40])):
            damaged[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
        if generator.random() < 0.2:
            del damaged[generator.randrange(len(data)) :]
        path = tmp_path / name
        path.write_bytes(damaged)
        try:
            shapes = read_backwards(path)
        except SourceError as error:
            message = str(error)
        else:
            message = f"{path}: fine"
            read += len(shapes)
            assert len(set(shapes)) == 1
        assert message.startswith(str(path))
        assert "\n" not in message
    assert read > 0


def read_backwards(path: Path) -> list[tuple[int, ...]]:
    """Shapes of all frames, read from the end in chunks."""
    with VideoFileSource(path, cache_frames=4) as source:
        shapes: list[tuple[int, ...]] = [(source.height, source.width, 3)]
        for stop in range(len(source), 0, -5):
            shapes += [frame.shape for frame in source.read(max(stop - 5, 0), stop)]
        assert len(shapes) == len(source) + 1 > 1
        return shapes
