"""What is read as a stream says the same of itself as what is read as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet_vis.data.sources import open_source
from mmdet_vis.errors import SourceError
from mmdet_vis.streaming.reader import StreamReader
from tests.data.sources.test_file_kinds import SIZE, pixels, video


def read(place: Path) -> tuple[list[np.ndarray], list[float | None], list[str]]:
    with StreamReader(str(place)) as reader:
        frames = list(reader)
        return [frame.image for frame in frames], [frame.time for frame in frames], reader.notes


def test_images_of_more_than_8_bits_are_scaled_together(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, factor in enumerate((16, 200)):  # the first would be of 12 bits on its own
        Image.fromarray(pixels()[..., 0].astype(np.uint16) * factor).save(folder / f"{number}.png")
    (folder / "notes.md").write_text("")
    images, _, notes = read(folder)
    with open_source(folder) as source:
        assert all(np.array_equal(a, b) for a, b in zip(images, source.read(0, 2), strict=True))
        assert notes == source.warnings
    assert len(notes) == 2


def test_a_folder_says_once_what_is_the_matter_with_its_images(tmp_path: Path) -> None:
    for number in range(3):
        Image.fromarray(pixels(4)).save(tmp_path / f"{number}.png")
    (tmp_path / "notes.md").write_text("")
    images, times, notes = read(tmp_path)
    assert (len(images), times) == (3, [None] * 3)
    assert notes == [
        f"{tmp_path}: ignored 1 entries that are not images, such as notes.md",
        f"{tmp_path / '0.png'}: 1 of 1 images have transparency, which is ignored",
    ]


def test_animations_and_pages_are_streams_too(tmp_path: Path) -> None:
    pictures = [Image.fromarray(np.roll(pixels(), 4 * n, axis=1)) for n in range(3)]
    pictures[0].save(tmp_path / "a.webp", save_all=True, append_images=pictures[1:], duration=[100, 300, 100])
    pictures[0].save(tmp_path / "b.tif", save_all=True, append_images=pictures[1:])
    assert read(tmp_path / "a.webp")[1] == pytest.approx([0, 0.1, 0.4])
    assert [image.shape[:2] for image in read(tmp_path / "b.tif")[0]] == [SIZE] * 3
    (tmp_path / "c.mp4").write_text("<html>")
    with pytest.raises(SourceError, match="is a web page"):
        read(tmp_path / "c.mp4")


def test_video_files_say_what_is_ignored(tmp_path: Path) -> None:
    assert read(video(tmp_path / "a.mov", sizes=(SIZE, (24, 32))))[2] == [
        f"{tmp_path / 'a.mov'}: has 2 video streams: the one of 64x48 is used"
    ]
    assert read(video(tmp_path / "b.mov", "qtrle", "argb", 4))[2] == [
        f"{tmp_path / 'b.mov'}: has transparency, which is ignored"
    ]
