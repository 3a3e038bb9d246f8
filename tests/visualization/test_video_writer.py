import subprocess
import sys
import warnings
from fractions import Fraction
from types import SimpleNamespace

import av
import numpy as np
import pytest

from mmdet_vis.errors import OutputError
from mmdet_vis.visualization import video_writer
from mmdet_vis.visualization.palette import track_colour
from mmdet_vis.visualization.video_writer import DEFAULT_FPS, VideoWriter


def frames_of(size, count=6):
    """One colour per frame."""
    return [np.full((*size, 3), track_colour(index + 1), np.uint8) for index in range(count)]


def write(path, frames, fps=25.0):
    with VideoWriter(path, fps, frames[0].shape[:2]) as writer:
        for frame in frames:
            writer.write(frame)


def read(path):
    """The frames, and what the stream and its decoder say: as long as the file is open."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = [frame.to_ndarray(format="bgr24") for frame in container.decode(stream)]
        of_stream = ("frames", "average_rate", "duration", "time_base", "sample_aspect_ratio")
        of_decoder = ("name", "pix_fmt", "colorspace", "color_range", "height", "width")
        return frames, SimpleNamespace(
            **{name: getattr(stream, name) for name in of_stream},
            **{name: getattr(stream.codec_context, name) for name in of_decoder},
        )


def top_level_boxes(path):
    """Names of the mp4's top-level boxes in order."""
    data, names, offset = path.read_bytes(), [], 0
    while offset < len(data):
        names.append(data[offset + 4 : offset + 8].decode("latin-1"))
        offset += int.from_bytes(data[offset : offset + 4], "big")
    return names


@pytest.mark.parametrize("size", [(96, 128), (95, 127), (8, 8), (1, 1), (2, 300)])
def test_a_browser_can_play_it(tmp_path, size):
    path = tmp_path / "vidéo.mp4"
    sent = frames_of(size)
    write(path, sent)
    got, stream = read(path)
    assert len(got) == stream.frames == 6
    assert stream.name == "h264"
    assert stream.pix_fmt == "yuv420p"
    assert (stream.height, stream.width) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
    boxes = top_level_boxes(path)
    assert boxes.index("moov") < boxes.index("mdat")
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


def test_colours_survive(tmp_path):
    sent = frames_of((64, 96), count=10)
    write(tmp_path / "a.mp4", sent)
    got, stream = read(tmp_path / "a.mp4")
    assert (stream.colorspace, stream.color_range) == (1, 1)  # BT.709, limited.
    for a, b in zip(sent, got, strict=True):
        assert np.abs(a.astype(int) - b).mean() < 6


def test_an_odd_frame_repeats_its_last_row_and_column(tmp_path):
    frame = np.full((15, 31, 3), 128, np.uint8)
    frame[:, -1] = 255
    write(tmp_path / "a.mp4", [frame])
    (got,), _ = read(tmp_path / "a.mp4")
    assert got.shape == (16, 32, 3)
    assert got[:, -1].min() > 230


@pytest.mark.parametrize(
    ("fps", "rate"),
    [(25, Fraction(25)), (None, Fraction(6)), (30000 / 1001, Fraction(30000, 1001)), (0.5, Fraction(1, 2))],
)
def test_rates(tmp_path, fps, rate):
    write(tmp_path / "a.mp4", frames_of((16, 16), count=9), fps)
    _, stream = read(tmp_path / "a.mp4")
    assert stream.average_rate == rate
    assert stream.duration * stream.time_base == pytest.approx(9 / rate)
    assert DEFAULT_FPS == 6


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_impossible_rates_are_refused(tmp_path, fps):
    with pytest.raises(ValueError, match="positive"):
        VideoWriter(tmp_path / "a.mp4", fps, (16, 16))


def test_the_same_frames_give_the_same_bytes(tmp_path):
    """Noise at a size that is no multiple of a block: without the encoder's settings one file in four differs."""
    noise = list(np.random.default_rng(0).integers(0, 256, (5, 40, 56, 3)).astype(np.uint8))
    rest = np.random.default_rng(1)
    held, files = [], set()
    for _ in range(40):
        # Other memory each time, which is what the encoder must not depend on.
        held = [*held[-20:], np.full(int(rest.integers(1, 300_000)), 7, np.uint8)]
        write(tmp_path / "a.mp4", noise)
        files.add((tmp_path / "a.mp4").read_bytes())
    assert len(files) == 1


def test_a_failing_block_keeps_the_old_file(tmp_path):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")

    def interrupted():
        with VideoWriter(path, 25, (16, 16)) as writer:
            writer.write(np.zeros((16, 16, 3), np.uint8))
            assert path.read_bytes() == b"old"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    with pytest.raises(ValueError, match="no frames"), VideoWriter(path, 25, (16, 16)):
        pass
    with pytest.raises(ValueError, match="frame 1"), VideoWriter(path, 25, (16, 16)) as writer:
        writer.write(np.zeros((16, 18, 3), np.uint8))
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


@pytest.mark.parametrize("parent", ["missing", "file"])
def test_a_path_that_cannot_be_written(tmp_path, parent):
    (tmp_path / "file").touch()
    with (
        pytest.raises(OutputError, match=r"cannot write .*a\.mp4"),
        VideoWriter(tmp_path / parent / "a.mp4", 25, (16, 16)),
    ):
        pytest.fail("the file was opened")


def test_a_frame_that_the_encoder_refuses(tmp_path):
    with pytest.raises(OutputError, match="refuses 20000x2 at 25"):
        write(tmp_path / "a.mp4", [np.zeros((2, 20000, 3), np.uint8)])
    assert list(tmp_path.iterdir()) == []


def test_without_h264_it_warns_and_writes_mpeg4(tmp_path, monkeypatch):
    monkeypatch.setattr(video_writer, "_ENCODERS", (("no_such_encoder", {}), video_writer._ENCODERS[-1]))
    with pytest.warns(UserWarning, match="browsers do not play"):
        write(tmp_path / "a.mp4", frames_of((32, 32)))
    got, stream = read(tmp_path / "a.mp4")
    assert (len(got), stream.name) == (6, "mpeg4")


def test_without_any_encoder_the_fix_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(video_writer, "_ENCODERS", (("no_such_encoder", {}),))
    with pytest.raises(OutputError, match="pip install -U av"):
        write(tmp_path / "a.mp4", frames_of((32, 32)))
    assert list(tmp_path.iterdir()) == []


FULL_DISK = """
import resource, sys
import numpy as np
from mmdet_vis.errors import run_command
from mmdet_vis.visualization.video_writer import VideoWriter

def main():
    noise = np.random.default_rng(0)
    with VideoWriter(sys.argv[1], 25, (240, 320)) as writer:
        for _ in range(int(sys.argv[2])):
            writer.write(noise.integers(0, 256, (240, 320, 3)).astype(np.uint8))

resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
run_command(main)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
@pytest.mark.parametrize("frames", [3, 80])  # Noticed when the file is closed, and while frames are written.
def test_no_room_left_is_one_line_and_keeps_the_old_file(tmp_path, frames):
    path = tmp_path / "a.mp4"
    path.write_bytes(b"old")
    command = [sys.executable, "-c", FULL_DISK, str(path), str(frames)]
    done = subprocess.run(command, capture_output=True, text=True)
    lines = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1
    assert "Traceback" not in done.stderr
    assert str(path) in lines[0]
    assert "free some disk space" in lines[0]
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def shown(path):
    """Seconds at which each frame is shown, and the length of the video."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return [float(frame.pts * stream.time_base) for frame in container.decode(stream)], container.duration / 1e6


def test_frames_keep_times_of_their_own(tmp_path):
    times = [3.0, 3.036, 3.071, 3.168, 3.168, 3.401, 4.002]  # one of them twice
    with VideoWriter(tmp_path / "a.mp4", 9.0, (48, 64), times) as writer:
        for frame in frames_of((48, 64), len(times)):
            writer.write(frame)
        with pytest.raises(ValueError, match="has no time"):
            writer.write(frame)
    got, length = shown(tmp_path / "a.mp4")
    assert got == pytest.approx([time - 3 for time in times], abs=1e-3)
    assert length == pytest.approx(1.002 + 1 / 9, abs=0.01)


@pytest.mark.parametrize("encoder", ["libx264", "mpeg4"])
def test_pixels_keep_their_shape(tmp_path, monkeypatch, encoder):
    chosen = [entry for entry in video_writer._ENCODERS if entry[0] == encoder]
    monkeypatch.setattr(video_writer, "_ENCODERS", tuple(chosen))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with VideoWriter(tmp_path / "a.mp4", 25, (48, 64), pixel_aspect=Fraction(4, 3)) as writer:
            for frame in frames_of((48, 64)):
                writer.write(frame)
    _, stream = read(tmp_path / "a.mp4")
    assert stream.sample_aspect_ratio == Fraction(4, 3)
