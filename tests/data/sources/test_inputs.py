"""Finding the videos of a folder, opening them, and naming them."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from mmdet_vis.data.datasets.base import video_names
from mmdet_vis.data.sources import (
    ArraySource,
    FolderSource,
    VideoFileSource,
    find_inputs,
    naming,
    natural_key,
    open_source,
    unique_names,
)
from mmdet_vis.data.sources.naming import windows_name
from mmdet_vis.errors import SourceError


def write_image(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    assert cv2.imwrite(str(path), np.full((16, 24, 3), 90, np.uint8))


def write_video(path: Path) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=10)
        stream.height, stream.width, stream.pix_fmt = 16, 32, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((16, 32, 3), np.uint8), "bgr24")))
        container.mux(stream.encode())


def test_natural_key() -> None:
    names = ["frame10", "frame2", "Frame3", "frame02", "frame", "10", "9", "a1b10", "a1b9", "x²", "", "v1.10", "v1.9"]
    order = sorted(names, key=natural_key)
    expected = ["", "9", "10", "a1b9", "a1b10", "frame", "frame02", "frame2", "Frame3", "frame10"]
    assert order == [*expected, "v1.9", "v1.10", "x²"]


def test_names_that_windows_cannot_have(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["clip", "a:b?", "nul", "Con.v2", "console", "COM1", "com10", "end. .", "..."]
    expected = ["clip", "a_b_", "_nul", "_Con.v2", "console", "_COM1", "com10", "end___", "___"]
    assert [windows_name(name) for name in names] == expected
    assert unique_names(["nul.mp4", "a:b.mp4"]) == ["nul", "a:b"]
    monkeypatch.setattr(naming, "_WINDOWS", True)
    assert unique_names(["nul.mp4", "a:b.mp4", "a?b.mp4"]) == ["_nul", "a_b_mp4", "a_b_mp4_2"]
    assert video_names([7, 8], [["aux/0.jpg"], ["a:b/0.jpg"]]) == ["_aux", "a_b"]


def test_unique_names(tmp_path: Path) -> None:
    for folder in ("a", "a_mp4", "b.v2"):
        (tmp_path / folder).mkdir()
    assert unique_names([tmp_path / "a", tmp_path / "a.mp4"]) == ["a", "a_mp4"]
    assert unique_names([tmp_path / "a.mp4"]) == ["a"]
    assert unique_names([tmp_path / "b.v2", "c.v2.mp4"]) == ["b.v2", "c.v2"]
    assert unique_names(["d/x.mp4", "e/X.mp4", "f/x.mov"]) == ["x_mp4", "X_mp4_2", "x_mov"]
    entries = [tmp_path / "a", tmp_path / "a.mp4", tmp_path / "a_mp4", tmp_path / "a.avi"]
    names = unique_names(entries)
    assert names[0] == "a"
    assert len({name.casefold() for name in names}) == 4
    assert unique_names([os.fsdecode(b"\xff.mp4")]) == ["\ufffd"]


def test_name_of_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "1.png")
    monkeypatch.chdir(tmp_path)
    assert open_source(".").name == tmp_path.name


def test_find_inputs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_image(tmp_path / "clip10" / "1.jpg")
    write_image(tmp_path / "clip2" / "1.jpg")
    for name in ("clip3.MP4", "clip1.webm", ".hidden.mp4"):
        (tmp_path / name).write_bytes(b"")
    write_image(tmp_path / ".hidden" / "1.jpg")
    with caplog.at_level(logging.WARNING):
        inputs = find_inputs(tmp_path)
    assert [entry.name for entry in inputs] == ["clip1.webm", "clip2", "clip3.MP4", "clip10"]
    assert caplog.messages == []
    write_image(tmp_path / "loose.png")
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "loop.mp4").symlink_to(tmp_path / "loop.mp4")
    with caplog.at_level(logging.WARNING):
        assert find_inputs(tmp_path) == inputs
    assert len(caplog.messages) == 1
    assert "4 in all, the first is empty" in caplog.messages[0]


def test_find_inputs_in_a_folder_of_frames(tmp_path: Path) -> None:
    write_image(tmp_path / "1.jpg")
    (tmp_path / "empty").mkdir()
    assert find_inputs(tmp_path) == [tmp_path]
    assert find_inputs(tmp_path / "1.jpg") == [tmp_path / "1.jpg"]


def test_find_inputs_without_any(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("")
    with pytest.raises(SourceError, match=r"holds no input; put videos \(.*\.mp4"):
        find_inputs(tmp_path)
    with pytest.raises(SourceError, match="no such file or folder"):
        find_inputs(tmp_path / "missing")


def test_open_source(tmp_path: Path) -> None:
    write_image(tmp_path / "frames" / "1.jpg")
    write_video(tmp_path / "clip.mp4")
    with open_source(str(tmp_path / "frames")) as folder, open_source(tmp_path / "clip.mp4") as video:
        assert isinstance(folder, FolderSource)
        assert (folder.name, len(folder)) == ("frames", 1)
        assert isinstance(video, VideoFileSource)
        assert (video.name, len(video), video.height, video.width) == ("clip", 3, 16, 32)
    with open_source(tmp_path / "frames" / "1.jpg") as image:
        assert (image.name, image.frame_names, image.fps) == ("1", ["1"], None)


def test_open_source_without_a_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no such file or folder"):
        open_source(tmp_path / "missing.mp4")
    os.mkfifo(tmp_path / "pipe.mp4")
    with pytest.raises(SourceError, match="neither a file nor a folder"):
        open_source(tmp_path / "pipe.mp4")
    (tmp_path / "clip.mp4").write_text("text")
    with pytest.raises(SourceError, match=r"clip\.mp4: cannot be read as a video"):
        open_source(tmp_path / "clip.mp4")


def test_array_source() -> None:
    frames = np.random.default_rng(0).integers(0, 256, (4, 6, 8, 3), dtype=np.uint8)
    for source in (ArraySource(frames, fps=12.5), ArraySource(list(frames))):
        assert (len(source), source.name, source.height, source.width) == (4, "array", 6, 8)
        assert source.frame_names == ["00000", "00001", "00002", "00003"]
        read = source.read(1, 3)
        np.testing.assert_array_equal(read, frames[1:3])
        read[0][:] = 0
        np.testing.assert_array_equal(source.read(1, 3), frames[1:3])
    assert ArraySource(frames, fps=12.5).fps == 12.5


@pytest.mark.parametrize(
    "frames",
    [
        np.zeros((0, 4, 4, 3), np.uint8),
        [],
        np.zeros((2, 4, 4, 3), np.float32),
        np.zeros((2, 4, 4), np.uint8),
        np.zeros((2, 4, 4, 4), np.uint8),
        np.zeros((2, 0, 4, 3), np.uint8),
        [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)],
    ],
)
def test_array_source_refuses(frames: object) -> None:
    with pytest.raises(ValueError, match="frame"):
        ArraySource(frames)  # type: ignore[arg-type]
