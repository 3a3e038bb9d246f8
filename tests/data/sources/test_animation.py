"""Animated WebP and PNG files: all frames in any order, at their times."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from mmdet_vis.data.sources import AnimationSource, ImageFilesSource, find_inputs, open_source
from mmdet_vis.data.sources.base import PartSource
from mmdet_vis.errors import SourceError
from mmdet_vis.run.job import write_pictures
from mmdet_vis.structures import VideoResult

DURATIONS = [100, 50, 200, 100, 300, 40]


def pictures(count: int = 6, mode: str = "RGB") -> list[Image.Image]:
    random = np.random.default_rng(0)
    base = random.integers(0, 255, (8, 12, len(mode)), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    return [Image.fromarray(np.roll(base, 4 * number, axis=1)) for number in range(count)]


def save(path: Path, frames: list[Image.Image], durations: list[int] | int = DURATIONS) -> Path:
    options = {"lossless": True} if path.suffix == ".webp" else {}
    frames[0].save(
        path, {".webp": "WEBP"}.get(path.suffix, "PNG"), save_all=True, append_images=frames[1:], duration=durations,
        **options,
    )  # fmt: skip
    return path


@pytest.mark.parametrize("suffix", [".webp", ".png", ".apng"])
def test_all_frames_in_any_order_at_their_times(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"clip{suffix}", pictures())
    expected = [np.asarray(frame)[..., ::-1] for frame in pictures()]
    with open_source(path) as source:
        assert isinstance(source, AnimationSource)
        assert (len(source), source.name, source.height, source.width) == (6, "clip", 32, 48)
        assert source.times == pytest.approx([0, 0.1, 0.15, 0.35, 0.45, 0.75])
        assert source.fps == pytest.approx(5 / 0.75)
        assert source.last == pytest.approx(0.04)
        assert source.warnings == []
        np.testing.assert_array_equal(source.read(0, 6), expected)
        for start in (4, 2, 0):
            np.testing.assert_array_equal(source.read(start, start + 2), expected[start : start + 2])
        assert source.read(3, 3) == []
        with pytest.raises(IndexError):
            source.read(5, 7)
    np.testing.assert_array_equal(source.read(5, 6), expected[5:])  # closed, and open again
    source.close()


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_backwards_with_little_memory(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"clip{suffix}", pictures())
    with AnimationSource(path, cache_bytes=2 * 3 * 32 * 48) as source:
        for index in (5, 4, 3, 0, 2):
            np.testing.assert_array_equal(source.read(index, index + 1)[0], np.asarray(pictures()[index])[..., ::-1])
            assert len(source._cache) <= 2


def test_a_constant_rate(tmp_path: Path) -> None:
    with open_source(save(tmp_path / "a.webp", pictures(), 40)) as source:
        assert (source.fps, source.times) == (25.0, None)


@pytest.mark.parametrize("suffix", [".webp", ".png", ".gif"])
def test_a_picture_that_is_held_at_the_end(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    frames = pictures(4)
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=[100, 100, 100, 3000])
    with open_source(path) as source:
        assert (source.times, source.last) == (pytest.approx([0, 0.1, 0.2, 0.3]), 3)
        assert PartSource(source, 1).last == 3
        assert PartSource(source, 0, 3).last == pytest.approx(0.1)
        names = source.frame_names
        result = VideoResult("a", source.height, source.width, len(names), [], ("a",), (1,), names, source.fps)
        write_pictures(result, source, {"video": tmp_path / "a.mp4"}, None, False)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.duration == pytest.approx(3.3e6, abs=2000)


def test_no_durations(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp", pictures(), 0)
    with open_source(path) as source:
        assert source.fps == 10
        assert source.warnings == [f"{path}: 6 of 6 frames have no duration: each is shown for 100 ms"]


def test_transparent_pixels_are_black_and_said(tmp_path: Path) -> None:
    frames = pictures(3, "RGBA")
    path = save(tmp_path / "a.webp", frames, 100)
    with open_source(path) as source:
        assert source.warnings == [f"{path}: 3 of 3 frames have transparent pixels, which are shown black"]
        rgba = np.asarray(frames[0]).astype(float)
        expected = (rgba[..., :3] * rgba[..., 3:] / 255)[..., ::-1]
        assert np.abs(source.read(0, 1)[0] - expected).max() <= 2


def test_what_is_no_animation_stays_an_image(tmp_path: Path) -> None:
    frame = pictures()[0]
    for name in ("a.webp", "a.png"):
        frame.save(tmp_path / name)
        assert isinstance(open_source(tmp_path / name), ImageFilesSource)
    assert find_inputs(tmp_path) == [tmp_path]


def test_animations_of_a_folder_are_its_videos(tmp_path: Path) -> None:
    (tmp_path / "README").write_text("six frames")
    for name in ("a.webp", "b.png"):
        save(tmp_path / name, pictures())
    assert find_inputs(tmp_path) == [tmp_path / "a.webp", tmp_path / "b.png"]


@pytest.mark.parametrize("suffix", [".webp", ".png"])
def test_damage_keeps_the_frames_before_it_or_is_one_error(tmp_path: Path, suffix: str) -> None:
    path = save(tmp_path / f"clip{suffix}", pictures())
    data = path.read_bytes()
    kept = set()
    for length in range(len(data) // 10, len(data), len(data) // 10):
        path.write_bytes(data[:length])
        try:
            source = open_source(path)
        except SourceError:
            continue  # one line that names the file, as for other images
        with source:
            frames = source.read(0, len(source))
            np.testing.assert_array_equal(frames[0], np.asarray(pictures()[0])[..., ::-1])
            assert len(frames) == 6 or "damaged; only the" in source.warnings[0]
        kept.add(len(frames))
    assert kept <= set(range(1, 7))


def test_a_canvas_too_large_for_its_decoder_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.webp", pictures())
    data = bytearray(path.read_bytes())
    place = data.index(b"VP8X") + 12
    data[place : place + 6] = (2**19 - 1).to_bytes(3, "little") + (100 - 1).to_bytes(3, "little")
    path.write_bytes(data)
    with pytest.raises(SourceError, match=r"a\.webp: has frames of more than 33554432 pixels; scale it down"):
        AnimationSource(path)


@pytest.mark.parametrize("suffix", [".webp", ".png"])
@pytest.mark.parametrize("orientation", [2, 6])
def test_exif_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    frames = pictures(2)
    options = {"lossless": True} if suffix == ".webp" else {}
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:], duration=50, exif=exif, **options)
    stored = [np.asarray(frame)[..., ::-1] for frame in frames]
    with open_source(tmp_path / f"a{suffix}") as source:
        expected = [np.rot90(frame, -1) if orientation == 6 else frame[:, ::-1] for frame in stored]
        assert (source.height, source.width) == expected[0].shape[:2]
        np.testing.assert_array_equal(source.read(0, 2), expected)
