"""Colours of images that are not sRGB become sRGB, and are said; those that are stay as they are."""

from __future__ import annotations

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from mmdet_vis.data.sources import as_source, open_source
from mmdet_vis.data.sources.video_colour import PQ, to_bt709

HEIGHT, WIDTH = 48, 64
needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
# XYZ of the primaries of Display P3, for the white of ICC profiles (D50).
P3 = ((0.51512, 0.24120, -0.00105), (0.29198, 0.69225, 0.04189), (0.15710, 0.06657, 0.78407))


def profile(columns: tuple[tuple[float, ...], ...], name: str) -> bytes:
    """An ICC profile (version 2) of three primaries and the curve of sRGB."""

    def fixed(value: float) -> bytes:
        return round(value * 65536).to_bytes(4, "big", signed=True)

    curve = b"para\0\0\0\0\0\3\0\0" + b"".join(map(fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    text = name.encode() + b"\0"
    described = b"desc\0\0\0\0" + len(text).to_bytes(4, "big") + text + bytes(78)
    tags = [
        (b"desc", described + bytes(-len(described) % 4)),
        (b"wtpt", b"XYZ \0\0\0\0" + b"".join(map(fixed, (0.9642, 1, 0.8249)))),
    ]
    for letter, column in zip("rgb", columns, strict=True):
        tags += [
            (f"{letter}XYZ".encode(), b"XYZ \0\0\0\0" + b"".join(map(fixed, column))),
            (f"{letter}TRC".encode(), curve),
        ]
    place, table, body = 128 + 4 + 12 * len(tags), b"", b""
    for tag, data in tags:
        table += tag + (place + len(body)).to_bytes(4, "big") + len(data).to_bytes(4, "big")
        body += data
    size = (place + len(body)).to_bytes(4, "big")
    head = size + bytes(4) + b"\2\x10\0\0mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28)
    head += b"".join(map(fixed, (0.9642, 1, 0.8249)))
    return head.ljust(128, b"\0") + len(tags).to_bytes(4, "big") + table + body


def read(path: Path) -> tuple[np.ndarray, list[str]]:
    with open_source(path) as source:
        return source.read(0, 1)[0], source.warnings


def flat(colour: tuple[int, int, int] = (200, 50, 50)) -> Image.Image:
    return Image.new("RGB", (WIDTH, HEIGHT), colour)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
def test_display_p3_becomes_srgb(tmp_path: Path, suffix: str) -> None:
    icc = profile(P3, "Display P3")
    options = {".jpg": {"quality": 100, "subsampling": 0}, ".webp": {"lossless": True}}.get(suffix, {})
    flat().save(tmp_path / f"0{suffix}", icc_profile=icc, **options)
    flat().save(tmp_path / f"1{suffix}", **options)
    frame, warnings = read(tmp_path / f"0{suffix}")
    assert np.abs(frame.astype(int) - (40, 24, 218)).max() <= 2
    assert warnings == [f"{tmp_path / f'0{suffix}'}: 1 of 1 images are not sRGB (Display P3: converted)"]
    with open_source(tmp_path) as source:
        assert source.warnings == [f"{tmp_path}: 1 of 2 images are not sRGB (Display P3: converted)"]
        both = source.read(0, 2)
    np.testing.assert_array_equal(both[0], frame)
    assert np.abs(both[1].astype(int) - (50, 50, 200)).max() <= 1
    with Image.open(tmp_path / f"0{suffix}") as image:
        held = as_source(image)
        assert held.warnings == ["source: 1 of 1 images are not sRGB (Display P3: converted)"]
        assert np.abs(held.read(0, 1)[0].astype(int) - frame).max() <= 2


def test_what_is_like_srgb_or_says_nothing_stays_as_it_is(tmp_path: Path) -> None:
    sent = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for number, icc in enumerate((None, srgb, profile(P3, "my sRGB"))):
        Image.fromarray(sent).save(tmp_path / f"{number}.png", icc_profile=icc)
        frame, warnings = read(tmp_path / f"{number}.png")
        np.testing.assert_array_equal(frame, sent[..., ::-1])
        assert warnings == []
    Image.fromarray(sent).save(tmp_path / "bad.png", icc_profile=b"no profile")
    frame, warnings = read(tmp_path / "bad.png")
    np.testing.assert_array_equal(frame, sent[..., ::-1])
    assert [line.partition(": ")[2] for line in warnings] == [
        "1 of 1 images are not sRGB (a colour profile that cannot be used: taken as sRGB)"
    ]


def test_code_points_of_png(tmp_path: Path) -> None:
    """cICP, 12 is Display P3; the chunk goes before the pixels."""
    stream = io.BytesIO()
    flat().save(stream, "PNG")
    data, chunk = stream.getvalue(), b"cICP\x0c\x0d\0\1"
    place = data.index(b"IDAT") - 4
    data = data[:place] + (4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") + data[place:]
    (tmp_path / "a.png").write_bytes(data)
    frame, warnings = read(tmp_path / "a.png")
    assert np.abs(frame.astype(int) - (40, 24, 218)).max() <= 10  # by the curve of BT.709, as of videos
    assert warnings == [f"{tmp_path / 'a.png'}: 1 of 1 images are not sRGB (Display P3 colours: converted to BT.709)"]


@needs_avif
def test_avif_is_upright_and_its_high_range_brought_down(tmp_path: Path) -> None:
    sent = flat((150, 120, 100))
    sent.paste((20, 40, 60), (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6
    sent.save(tmp_path / "turned.avif", exif=exif, quality=100, subsampling="4:4:4")
    frame, warnings = read(tmp_path / "turned.avif")
    upright = np.rot90(np.asarray(sent)[..., ::-1], -1)
    assert frame.shape == upright.shape
    assert np.abs(frame.astype(int) - upright).mean() < 2
    assert warnings == []
    sent.save(tmp_path / "plain.avif", quality=100, subsampling="4:4:4")
    data = (tmp_path / "plain.avif").read_bytes()
    place = data.index(b"colrnclx") + 8
    (tmp_path / "pq.avif").write_bytes(data[:place] + b"\0\x09\0\x10" + data[place + 4 :])  # BT.2020, PQ
    frame, warnings = read(tmp_path / "pq.avif")
    expected = to_bt709(np.asarray(sent).astype(np.uint16) * 257, PQ)
    assert np.abs(frame.astype(int) - expected).mean() < 4
    assert "1 of 1 images are not sRGB (HDR (PQ): tone-mapped to BT.709, 203 cd/m² is white)" in warnings[0]
