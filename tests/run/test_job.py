"""Videos of files and of datasets: their names and lengths.

Overlay videos have the timing and the shape of the video that they show.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from rich.progress import Progress

from mmdet_vis.checks import in_order
from mmdet_vis.data.datasets.inputs import inputs_of
from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import OutputError
from mmdet_vis.run.job import jobs_of_files, write_pictures
from mmdet_vis.structures import VideoResult
from tests.tiny import moving_frames, write_frames
from tests.tools.test_test_vis import encode


def test_names_that_would_write_to_the_same_place(tmp_path: Path) -> None:
    paths = [tmp_path / "clip", tmp_path / "clip.mp4.avi"]
    assert [job.name for job in jobs_of_files(inputs_of(paths), tmp_path, ("json",))] == ["clip", "clip.mp4"]
    with pytest.raises(OutputError, match="same place: rename one of them"):
        jobs_of_files(inputs_of(paths), tmp_path, ("video",))
    with pytest.raises(OutputError, match="too long a name for results: rename the input"):
        jobs_of_files(inputs_of([tmp_path / f"{'é' * 120}.mp4"]), tmp_path, ("json",))


def test_lengths_without_decoding(tmp_path: Path) -> None:
    frames = write_frames(tmp_path / "frames", 3)
    video = encode(tmp_path / "clip.mp4", moving_frames(7))
    (tmp_path / "bad.mp4").write_text("hello")
    jobs = jobs_of_files(inputs_of([frames, video, tmp_path / "bad.mp4", frames / "00000.png"]), tmp_path, ("json",))
    assert [job.load() for job in jobs] == [3, 7, 1, 1]
    with jobs[1].open() as source:
        assert (source.name, len(source)) == ("clip", 7)


def test_formats_have_one_order() -> None:
    assert in_order(["video", "json", "video"]) == in_order(("json", "video")) == ("json", "video")


RECORDED = [0, 36, 71, 168, 203, 401, 433, 702, 735, 1002]  # milliseconds


def film(path: Path, codec: str, rate: int, aspect: Fraction | None = None, stamps: list[int] = RECORDED) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=rate, options={"threads": "1"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        if aspect:
            stream.codec_context.sample_aspect_ratio = stream.sample_aspect_ratio = aspect
        for number, stamp in enumerate(stamps):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 20 * number, np.uint8), format="bgr24")
            frame.pts, frame.time_base = stamp, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def overlay_of(path: Path, out: Path) -> tuple[list[float], Fraction | None, float]:
    with open_source(path) as source, Progress(disable=True) as bar:
        result = VideoResult(
            source.name, source.height, source.width, len(source), [], ("thing",), (1,), source.frame_names, source.fps
        )
        write_pictures(result, source, {"video": out}, 0.2, False, bar)
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        times = [float(frame.pts * stream.time_base) for frame in container.decode(stream)]
        return times, stream.sample_aspect_ratio, container.duration / 1e6


@pytest.mark.parametrize(
    ("name", "codec", "rate"),
    [("declares.webm", "libvpx", 1000), ("silent.mkv", "libvpx-vp9", 25), ("phone.mp4", "libx264", 30)],
)
def test_an_overlay_has_the_times_of_its_source(tmp_path: Path, name: str, codec: str, rate: int) -> None:
    times, _, length = overlay_of(film(tmp_path / name, codec, rate), tmp_path / "overlay.mp4")
    assert times == pytest.approx([stamp / 1000 for stamp in RECORDED], abs=1.1e-3)
    assert 1.0 <= length < 1.2


def test_a_constant_rate_stays_one(tmp_path: Path) -> None:
    path = film(tmp_path / "clip.mkv", "libx264", 30, stamps=[round(1000 * number / 30) for number in range(12)])
    times, aspect, length = overlay_of(path, tmp_path / "overlay.mp4")
    assert times == pytest.approx([number / 30 for number in range(12)])
    assert not aspect or aspect == 1
    assert length == pytest.approx(0.4)


def test_an_overlay_has_the_shape_of_its_source(tmp_path: Path) -> None:
    path = film(tmp_path / "dv.mp4", "libx264", 25, Fraction(4, 3))
    with open_source(path) as source:
        assert (source.width, source.height, source.pixel_aspect) == (64, 48, Fraction(4, 3))
        assert "its pixels are not square (4:3, shown as 85x48)" in source.warnings[-1]
    assert overlay_of(path, tmp_path / "overlay.mp4")[1] == Fraction(4, 3)
