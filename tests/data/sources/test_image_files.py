"""Image files as frames: what OpenCV shows, in natural order; damaged and mixed folders are refused."""

from __future__ import annotations

import os
import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_vis.data.sources import FolderSource, open_source
from mmdet_vis.data.sources.image_files import read_header
from mmdet_vis.errors import SourceError


def picture(seed: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """Smooth coloured noise, so that lossy formats have something to store."""
    coarse = np.random.default_rng(seed).integers(0, 256, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(suffix: str, image: np.ndarray | None = None, *parameters: int) -> bytes:
    return cv2.imencode(suffix, picture() if image is None else image, parameters)[1].tobytes()


def with_exif(jpeg: bytes, orientation: int, thumbnail: bytes = b"") -> bytes:
    """Insert an Exif segment that holds an orientation and, after it, a thumbnail."""
    tiff = b"II*\x00" + struct.pack("<IHHHIHH", 8, 1, 0x0112, 3, 1, orientation, 0) + bytes(4)
    payload = b"Exif\x00\x00" + tiff + thumbnail
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


# One file of every kind: bytes that OpenCV can read and that are whole.
FILES = {
    "plain.jpg": lambda: encoded(".jpg"),
    "progressive.jpg": lambda: encoded(".jpg", None, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
    "restart.JPEG": lambda: encoded(".jpg", None, cv2.IMWRITE_JPEG_RST_INTERVAL, 2),
    "grey.jpg": lambda: encoded(".jpg", picture()[:, :, 0]),
    "thumbnail.jpg": lambda: with_exif(encoded(".jpg"), 1, encoded(".jpg", picture(1, 16, 16))),
    "plain.png": lambda: encoded(".png"),
    "grey.png": lambda: encoded(".png", picture()[:, :, 0]),
    "alpha.png": lambda: encoded(".png", np.dstack([picture(), picture(2)[:, :, 0]])),
    "deep.PNG": lambda: encoded(".png", picture().astype(np.uint16) * 257),
    "lossy.webp": lambda: encoded(".webp", None, cv2.IMWRITE_WEBP_QUALITY, 80),
    "lossless.webp": lambda: encoded(".webp", None, cv2.IMWRITE_WEBP_QUALITY, 101),
    "alpha.webp": lambda: encoded(".webp", np.dstack([picture(), picture(2)[:, :, 0]]), 64, 80),
    "plain.bmp": lambda: encoded(".bmp"),
}


@pytest.mark.parametrize("name", FILES)
def test_frames_are_what_opencv_reads(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(FILES[name]())
    source = FolderSource(tmp_path)
    (frame,) = source.read(0, 1)
    assert (source.height, source.width) == frame.shape[:2] == (48, 64)
    assert frame.dtype == np.uint8
    np.testing.assert_array_equal(frame, cv2.imread(str(path), cv2.IMREAD_COLOR))


@pytest.mark.parametrize("name", FILES)
def test_size_comes_from_the_header_and_trailing_bytes_do_not_matter(name: str) -> None:
    for data in (FILES[name](), FILES[name]() + b"\xff\xd8 a second image or a maker's data"):
        header = read_header(data)
        assert header.size == (48, 64)
        assert header.problem is None
        assert header.upright == (name != "thumbnail.jpg")


@pytest.mark.parametrize("name", FILES)
def test_truncated_file_is_refused(tmp_path: Path, name: str) -> None:
    """Also where OpenCV would fill the missing part with grey without a word."""
    data = FILES[name]()
    path = tmp_path / name
    (tmp_path / "0.png").write_bytes(encoded(".png"))
    for length in {0, 1, 3, 11, 25, *range(30, len(data) - 1, len(data) // 25), len(data) - 1}:
        path.write_bytes(data[:length])
        with pytest.raises(SourceError) as caught:
            FolderSource(tmp_path)
        message = str(caught.value)
        assert message.startswith(f"{path}: ")
        assert message.endswith("; replace or remove this file")
        assert "\n" not in message


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_before_sizes_are_compared(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "b.jpg"
    path.write_bytes(with_exif(encoded(".jpg"), orientation))
    shown = np.asarray(cv2.imread(str(path)))
    assert shown.shape == ((48, 64, 3) if orientation <= 4 else (64, 48, 3))
    (tmp_path / "a.png").write_bytes(encoded(".png", picture(3, *shown.shape[:2])))
    source = FolderSource(tmp_path)
    assert (source.height, source.width) == shown.shape[:2]
    np.testing.assert_array_equal(source.read(1, 2)[0], shown)


def test_natural_order_and_what_is_ignored(tmp_path: Path) -> None:
    names = ["frame1.jpg", "frame2.JPG", "Frame3.png", "frame10.webp", "frame11.bmp"]
    for seed, name in enumerate(names):
        (tmp_path / name).write_bytes(encoded(Path(name).suffix.lower(), picture(seed)))
    (tmp_path / ".DS_Store").write_bytes(b"hidden")
    (tmp_path / "._frame1.jpg").write_bytes(b"hidden, and no image")
    assert FolderSource(tmp_path).warnings == []
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "folder.jpg").mkdir()
    with FolderSource(tmp_path) as source:
        assert source.frame_names == ["frame1", "frame2", "Frame3", "frame10", "frame11"]
        assert (source.name, source.fps, len(source)) == (tmp_path.name, None, 5)
        assert len(source.warnings) == 1
        assert "ignored 2 entries" in source.warnings[0]
        assert "folder.jpg" in source.warnings[0]
        expected = [cv2.imread(str(tmp_path / name)) for name in names]
        np.testing.assert_array_equal(source.read(0, 5), expected)
        np.testing.assert_array_equal(source.read(3, 5), expected[3:])
        np.testing.assert_array_equal(source.read(0, 2), expected[:2])
        assert source.read(5, 5) == []
        with pytest.raises(IndexError):
            source.read(4, 6)


def test_names_of_frames_are_unique(tmp_path: Path) -> None:
    for name in ("0001.jpg", "0001.png", "0002.png"):
        (tmp_path / name).write_bytes(encoded(Path(name).suffix))
    assert FolderSource(tmp_path).frame_names == ["0001_jpg", "0001_png", "0002"]


def test_names_in_any_script_or_none(tmp_path: Path) -> None:
    folder = tmp_path / "überß 视频"
    folder.mkdir()
    (folder / "ä1.jpg").write_bytes(encoded(".jpg"))
    undecodable = os.fsdecode(b"\xff\xfe.png")
    (folder / undecodable).write_bytes(encoded(".png"))
    source = FolderSource(folder)
    assert source.name == "überß 视频"
    assert sorted(source.frame_names) == ["ä1", "\ufffd\ufffd"]
    assert len(source.read(0, 2)) == 2


def test_one_pixel_and_extreme_shapes(tmp_path: Path) -> None:
    for height, width in ((1, 1), (2, 10000)):
        path = tmp_path / f"{width}.png"
        path.write_bytes(encoded(".png", np.full((height, width, 3), 7, np.uint8)))
        with open_source(path) as source:
            assert (len(source), source.name, source.height, source.width) == (1, str(width), height, width)
            np.testing.assert_array_equal(source.read(0, 1)[0], 7)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".bmp"])
def test_mixed_sizes_are_refused(tmp_path: Path, suffix: str) -> None:
    for number in (1, 2, 3, 10):
        image = picture(number, 48, 64) if number < 3 else picture(number, 64, 48)
        (tmp_path / f"{number}{suffix}").write_bytes(encoded(suffix, image))
    with pytest.raises(SourceError) as caught:
        FolderSource(tmp_path)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / f'3{suffix}'}: is 48x64 but 1{suffix} is 64x48")
    assert "resize" in message


def test_folder_without_images(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not an image")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    with pytest.raises(SourceError, match=r"holds no images.*\.jpg") as caught:
        FolderSource(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_not_an_image(tmp_path: Path) -> None:
    for content in (b"just text", b"BM", b"RIFF....WEBP", b"\xff\xd8\xff\xd9", b""):
        (tmp_path / "bad.jpg").write_bytes(content)
        with pytest.raises(SourceError, match=r"bad\.jpg: .*; replace or remove this file"):
            FolderSource(tmp_path)


def test_damaged_png(tmp_path: Path) -> None:
    data = bytearray(encoded(".png"))
    data[len(data) // 2] ^= 4
    (tmp_path / "bad.png").write_bytes(data)
    with pytest.raises(SourceError, match=r"bad\.png: is damaged"):
        FolderSource(tmp_path)


def test_image_that_asks_for_all_memory(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 200_000, 200_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + header
    data = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    data += struct.pack(">I", 0) + b"IEND" + struct.pack(">I", zlib.crc32(b"IEND"))
    (tmp_path / "bomb.png").write_bytes(data)
    with pytest.raises(SourceError, match=r"bomb\.png: is 200000x200000.*scale it down"):
        FolderSource(tmp_path)


def test_files_that_change_while_in_use(tmp_path: Path) -> None:
    path = tmp_path / "1.png"
    path.write_bytes(encoded(".png"))
    source = FolderSource(tmp_path)
    path.write_bytes(encoded(".png", picture(1, 16, 16)))
    with pytest.raises(SourceError, match=r"1\.png: changed its size"):
        source.read(0, 1)
    path.unlink()
    with pytest.raises(SourceError, match=r"1\.png: cannot be read"):
        source.read(0, 1)


@pytest.mark.parametrize(
    "name", ["plain.jpg", "progressive.jpg", "plain.png", "lossy.webp", "lossless.webp", "plain.bmp"]
)
def test_random_damage_gives_a_frame_or_one_error(tmp_path: Path, name: str) -> None:
    data = FILES[name]()
    generator = np.random.default_rng(zlib.crc32(name.encode()))
    path = tmp_path / name
    for _ in range(60):
        damaged = bytearray(data)
        for place in generator.integers(0, len(data), generator.choice([1, 3, 30])):
            damaged[place] ^= 1 << generator.integers(8)
        path.write_bytes(damaged)
        try:
            source = FolderSource(tmp_path)
            (frame,) = source.read(0, 1)
        except SourceError as error:
            message = str(error)
        else:
            message = f"{path}: fine"
            assert frame.shape == (source.height, source.width, 3)
        assert message.startswith(str(path))
        assert "\n" not in message
