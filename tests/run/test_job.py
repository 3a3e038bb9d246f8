"""Videos of files and of datasets: their names, places and lengths."""

from __future__ import annotations

from pathlib import Path

import pytest

from mmdet_vis.choices import in_order
from mmdet_vis.data.datasets.inputs import inputs_of
from mmdet_vis.errors import OutputError
from mmdet_vis.run.job import jobs_of_files
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
