"""Image files of every kind come out as what they show: deep samples by their range, CMYK, palettes, TIFF pages."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mmdet_vis.data.sources import FolderSource, find_inputs, open_source
from mmdet_vis.data.sources.image_decode import levels_of
from mmdet_vis.data.sources.image_files import read_header
from mmdet_vis.errors import SourceError

HEIGHT, WIDTH = 48, 64


def picture(seed: int = 0) -> np.ndarray:
    """``[48, 64, 3]`` uint8 BGR, smooth, black and white included."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), dtype=np.uint8)
    coarse[0, 0], coarse[-1, -1] = 0, 255
    return cv2.resize(coarse, (WIDTH, HEIGHT), interpolation=cv2.INTER_LINEAR)


def pil(seed: int = 0) -> Image.Image:
    return Image.fromarray(picture(seed)[..., ::-1].copy())


def read(path: Path) -> tuple[list[np.ndarray], list[str]]:
    with open_source(path) as source:
        assert len(source) == len(source.frame_names)
        return source.read(0, len(source)), source.warnings


def near(frame: np.ndarray, expected: np.ndarray) -> float:
    return float(np.abs(frame.astype(float) - expected).mean())


@pytest.mark.parametrize("ending", [".tif", ".TIFF"])
def test_a_folder_of_tiff_frames(tmp_path: Path, ending: str) -> None:
    folder = tmp_path / "clip"
    folder.mkdir()
    for number in range(4):
        pil(number).save(folder / f"{number:05d}{ending}", "TIFF", compression="tiff_lzw" if number % 2 else None)
    assert find_inputs(tmp_path) == [folder]
    frames, warnings = read(folder)
    np.testing.assert_array_equal(frames, [picture(number) for number in range(4)])
    assert warnings == []


@pytest.mark.parametrize("suffix", [".png", ".tif", ".ppm"])
@pytest.mark.parametrize("bits", [10, 12, 16])
def test_deep_samples_are_scaled_by_the_range_that_they_use(tmp_path: Path, suffix: str, bits: int) -> None:
    most = 2**bits - 1
    for number in range(2):
        deep = np.rint(picture(number).astype(float) / 255 * most).astype(np.uint16)
        assert cv2.imwrite(str(tmp_path / f"{number}{suffix}"), deep)
    frames, warnings = read(tmp_path)
    for number, frame in enumerate(frames):
        assert frame.dtype == np.uint8
        assert np.abs(frame.astype(int) - picture(number)).max() <= 1
    assert warnings == [f"{tmp_path}: 2 of 2 frames have more than 8 bits: scaled from {bits} bits"]


def test_one_range_for_all_frames_of_a_video(tmp_path: Path) -> None:
    """A dark frame stays dark beside a bright one."""
    cv2.imwrite(str(tmp_path / "0.png"), np.full((8, 8), 100, np.uint16))
    cv2.imwrite(str(tmp_path / "1.png"), np.full((8, 8), 4095, np.uint16))
    dark, bright = read(tmp_path)[0]
    assert (dark.max(), bright.min()) == (6, 255)


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("white", [1.0, 255.0])
def test_real_samples(tmp_path: Path, grey: bool, white: float) -> None:
    sent = picture()[..., 1] if grey else picture()
    real = sent.astype(np.float32) / 255 * white
    if grey:
        Image.fromarray(real).save(tmp_path / "a.tif")
    else:
        assert cv2.imwrite(str(tmp_path / "a.tif"), real)
    (frame,), warnings = read(tmp_path / "a.tif")
    assert np.abs(frame.astype(int) - (sent[..., None] if grey else sent)).max() <= 1
    assert warnings == [f"{tmp_path / 'a.tif'}: 1 of 1 frames have more than 8 bits: scaled from 0 to {white:g}"]


def test_levels() -> None:
    assert (levels_of([np.array([0, 300], np.uint16)]).white, levels_of([np.array([9], np.uint16)]).white) == (
        1023,
        255,
    )
    spread = levels_of([np.array([-5.0, 15.0, np.nan, np.inf])])
    assert (spread.black, spread.white) == (-5, 15)
    assert spread.apply(np.array([[[-5.0, 5.0, np.nan]]])).tolist() == [[[0, 128, 0]]]
    nothing = levels_of([np.array([np.nan])])
    assert nothing.apply(np.full((1, 1, 3), np.nan)).tolist() == [[[0, 0, 0]]]
    same = levels_of([np.full(3, 7.0) - 10])
    assert same.apply(np.full((1, 1, 3), -3.0)).tolist() == [[[0, 0, 0]]]


@pytest.mark.parametrize("pages", [2, 5])
def test_a_tiff_of_several_pages_is_a_video(tmp_path: Path, pages: int) -> None:
    path = tmp_path / "stack.tif"
    pil(0).save(path, save_all=True, append_images=[pil(number) for number in range(1, pages)])
    assert find_inputs(path) == find_inputs(tmp_path) == [path]
    frames, warnings = read(path)
    np.testing.assert_array_equal(frames, [picture(number) for number in range(pages)])
    assert warnings == []
    with open_source(path) as source:
        np.testing.assert_array_equal(source.read(pages - 1, pages)[0], picture(pages - 1))


def test_pages_of_another_size_are_left_out_and_said(tmp_path: Path) -> None:
    path = tmp_path / "stack.tif"
    pil(0).save(path, save_all=True, append_images=[pil(1).resize((16, 12)), pil(2)])
    frames, warnings = read(path)
    np.testing.assert_array_equal(frames, [picture(0), picture(2)])
    assert warnings == [f"{path}: ignored 1 pictures of another size than the first of their file"]


def test_a_stack_among_frames_gives_its_first_page(tmp_path: Path) -> None:
    pil(0).save(tmp_path / "0.tif")
    pil(1).save(tmp_path / "1.tif", save_all=True, append_images=[pil(2)])
    frames, warnings = read(tmp_path)
    np.testing.assert_array_equal(frames, [picture(0), picture(1)])
    assert warnings == [f"{tmp_path}: 1 of 2 images hold several pictures, of which the first is used"]


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"print{suffix}"
    pil().convert("CMYK").save(path, **({"quality": 95} if suffix == ".jpg" else {}))
    (frame,), _ = read(path)
    assert near(frame, picture()) < 4


@pytest.mark.parametrize(
    ("mode", "suffix"), [("P", ".png"), ("P", ".tif"), ("1", ".png"), ("1", ".tif"), ("L", ".tif")]
)
def test_palettes_and_few_bits(tmp_path: Path, mode: str, suffix: str) -> None:
    sent = pil().convert(mode)
    sent.save(tmp_path / f"a{suffix}")
    (frame,), warnings = read(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(frame, np.asarray(sent.convert("RGB"))[..., ::-1])
    assert warnings == []


def test_transparency_that_is_used_is_said(tmp_path: Path) -> None:
    opaque, clear = pil().convert("RGBA"), pil(1).convert("RGBA")
    clear.putalpha(Image.fromarray(picture()[..., 0]))
    opaque.save(tmp_path / "0.png")
    clear.save(tmp_path / "1.png")
    frames, warnings = read(tmp_path)
    np.testing.assert_array_equal(frames, [picture(0), picture(1)])
    assert warnings == [f"{tmp_path}: 1 of 2 images have transparency, which is ignored"]


@pytest.mark.parametrize("kind", ["TIFF", "PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path = tmp_path / f"a.{kind.lower()}"
    pil().save(path, kind, exif=exif, **({"lossless": True} if kind == "WEBP" else {}))
    with open_source(path) as source:
        (frame,) = source.read(0, 1)
        assert frame.shape == (source.height, source.width, 3)
    turned = np.rot90(picture(), {3: 2, 6: 3, 8: 1}[orientation])
    assert near(frame, turned) < 6


@pytest.mark.parametrize("layout", ["strips", "deep", "big-endian", "ppm"])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, layout: str) -> None:
    buffer = io.BytesIO()
    if layout == "deep":
        data = cv2.imencode(".tif", picture().astype(np.uint16) * 257)[1].tobytes()
    elif layout == "ppm":
        data = cv2.imencode(".ppm", picture())[1].tobytes()
    elif layout == "big-endian":
        Image.fromarray(picture()[..., 0].astype(">u2") * 257).save(buffer, "TIFF")
        data = buffer.getvalue()
    else:
        pil().save(buffer, "TIFF")
        data = buffer.getvalue()
    assert read_header(data).size == (HEIGHT, WIDTH)
    path = tmp_path / ("a.ppm" if layout == "ppm" else "a.tif")
    for length in range(8, len(data) - 1, len(data) // 23):
        path.write_bytes(data[:length])
        with pytest.raises(SourceError, match=r"a\.(tif|ppm): "):
            open_source(path)


def test_hostile_tiff_headers_end() -> None:
    buffer = io.BytesIO()
    pil().save(buffer, "TIFF")
    data = bytearray(buffer.getvalue())
    start = int.from_bytes(data[4:8], "little")
    entries = int.from_bytes(data[start : start + 2], "little")
    following = start + 2 + 12 * entries
    data[following : following + 4] = data[4:8]  # the directory follows itself
    assert read_header(bytes(data)).pages == (0,)
    random = np.random.default_rng(0)
    for _ in range(300):
        broken = bytearray(data)
        for place in random.integers(0, len(data), 4):
            broken[place] = random.integers(0, 256)
        for place in random.integers(start, following, 2):
            broken[place] = random.integers(0, 256)
        read_header(bytes(broken))  # whatever it says, it says it


def test_too_large_a_tiff_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    path = tmp_path / "huge.tif"
    Image.new("1", (20_000, 20_000)).save(path, compression="group4")
    with pytest.raises(SourceError, match="more than"):
        FolderSource(tmp_path)


def tiff(samples: np.ndarray, planes: int, kind: int = 1) -> bytes:
    """An uncompressed TIFF file of ``[..., C]`` samples in one strip, or in one of each plane."""
    height, width, channels = samples.shape
    bits = samples.dtype.itemsize * 8
    parts = [samples] if planes == 1 else [samples[..., channel] for channel in range(channels)]
    data = [np.ascontiguousarray(part).tobytes() for part in parts]
    tags = [(256, [width]), (257, [height]), (258, [bits] * channels), (259, [1]), (262, [2]), (273, []),
            (277, [channels]), (278, [height]), (279, [len(part) for part in data]), (284, [planes]),
            (339, [kind] * channels)]  # fmt: skip
    place, body, entries = 10 + 12 * len(tags) + 4, b"", b""
    size = 12 * channels * 4
    offsets = [place + size + sum(map(len, data[:index])) for index in range(len(data))]
    for tag, values in tags:
        values = offsets if tag == 273 else values
        raw = b"".join(value.to_bytes(4, "little") for value in values)
        entries += tag.to_bytes(2, "little") + b"\4\0" + len(values).to_bytes(4, "little")
        entries += raw if len(raw) == 4 else (place + len(body)).to_bytes(4, "little")
        body += raw if len(raw) > 4 else b""
    header = b"II*\0\x08\0\0\0" + len(tags).to_bytes(2, "little") + entries + b"\0\0\0\0"
    return header + body.ljust(size, b"\0") + b"".join(data)


def test_a_stack_of_imagej_with_channels_is_said(tmp_path: Path) -> None:
    path, grey = tmp_path / "a.tif", [pil(number).convert("L") for number in range(4)]
    text = "ImageJ=1.53\nimages=4\nchannels=2\nframes=2\nhyperstack=true\n"
    grey[0].save(path, save_all=True, append_images=grey[1:], description=text)
    frames, warnings = read(path)
    assert len(frames) == 4
    assert warnings == [f"{path}: its 4 pages are 2 channels of ImageJ's, each a frame here: save one of them, or RGB"]


def test_separate_planes(tmp_path: Path) -> None:
    """Of 8 bits they are read; deeper ones would be noise, and are refused with what to do."""
    sent = np.ascontiguousarray(picture()[..., ::-1])
    deep = sent.astype(np.uint16) * 257
    for name, samples, planes in (("a", sent, 1), ("b", sent, 2), ("c", deep, 1)):
        (tmp_path / f"{name}.tif").write_bytes(tiff(samples, planes))
        np.testing.assert_array_equal(read(tmp_path / f"{name}.tif")[0][0], picture())
    for name, data, what in (
        ("d", tiff(deep, 2), "has samples of 16 bits in separate planes, .*: save it with interleaved samples"),
        ("e", tiff(sent.astype(np.float16), 1, 3), "has real numbers of 16 bits, .*: save it as float32 or uint16"),
    ):
        (tmp_path / f"{name}.tif").write_bytes(data)
        with pytest.raises(SourceError, match=rf"{name}\.tif: {what}"):
            read(tmp_path / f"{name}.tif")
