"""Colours of a video: high dynamic range comes near the same pictures in BT.709, and 10 bits are as good as 8."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from mmdet_vis.data.sources import VideoFileSource
from mmdet_vis.data.sources.video_colour import HLG, PQ, bt709_to_scene, hlg_to_scene, pq_to_nits, to_bt709

BT709, BT601, BT2020 = 1, 6, 9
LIMITED, FULL = 1, 2


def pictures() -> NDArray[np.uint8]:
    """Coloured slopes and patches, ``[2, 96, 128, 3]`` uint8, B'G'R' of BT.709; smooth, so that codecs keep them."""
    row, column = np.mgrid[0:96, 0:128]
    first = np.stack([40 + column, 60 + 1.5 * row, 200 - column], axis=2)
    second = np.full((96, 128, 3), 120.0)
    for place, colour in enumerate(((40, 40, 200), (200, 60, 40), (60, 180, 60), (225, 225, 225), (20, 20, 20))):
        second[:, 25 * place : 25 * place + 25] = colour
    return np.rint(np.stack([first, second])).astype(np.uint8)


def encode(path: Path, codes: NDArray[np.uint16], matrix: int, span: int, transfer: int, primaries: int) -> Path:
    """Write R'G'B' pictures ``[T, H, W, 3]`` uint16 without loss of more than 10 bits, tagged as told."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=10)
        stream.height, stream.width = codes.shape[1:3]
        stream.pix_fmt = "yuv444p10le"
        context = stream.codec_context
        context.colorspace, context.color_range = matrix, span
        context.color_trc, context.color_primaries = transfer, primaries
        for number, code in enumerate(codes):
            frame = av.VideoFrame.from_ndarray(code, format="rgb48le").reformat(
                format="yuv444p10le",
                dst_colorspace={BT601: "ITU601", BT709: "ITU709", BT2020: "BT2020"}[matrix],
                dst_color_range="JPEG" if span == FULL else "MPEG",
            )
            frame.pts, frame.time_base = number, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def difference(path: Path, expected: NDArray[np.uint8]) -> tuple[float, list[str]]:
    with VideoFileSource(path) as source:
        found = np.stack(source.read(0, len(source)))
        assert found.dtype == np.uint8
        return float(np.abs(found.astype(float) - expected).mean()), source.warnings


def wide(sdr: NDArray[np.uint8], power: float | None = None) -> NDArray[np.float64]:
    """Linear BT.2020 light of BT.709 pictures, R G B, 1 is white."""
    signal = sdr[..., ::-1] / 255
    light = bt709_to_scene(signal) if power is None else signal**power
    to_2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])
    return np.clip(light @ to_2020.T, 0, None)


def invert(curve: NDArray[np.float64], light: NDArray[np.float64]) -> NDArray[np.uint16]:
    """16-bit signal of light, by the table of a rising curve."""
    return np.rint(np.interp(light, curve, np.linspace(0, 65535, len(curve)))).astype(np.uint16)


SIGNAL = np.linspace(0, 1, 20_001)


def test_curves_have_the_published_values() -> None:
    # BT.2408 table 1: the reference white of 203 cd/m2 is 58 % PQ and 75 % HLG; 10 000 cd/m2 is all of PQ.
    assert pq_to_nits(np.array([0.0, 0.58, 1.0])) == pytest.approx([0, 203, 10_000], rel=0.02)
    assert hlg_to_scene(np.array([0.0, 0.5, 1.0])) == pytest.approx([0, 1 / 12, 1], abs=1e-6)
    assert bt709_to_scene(np.array([0.0, 1.0])) == pytest.approx([0, 1])
    for curve in (pq_to_nits(SIGNAL), hlg_to_scene(SIGNAL), bt709_to_scene(SIGNAL)):
        assert np.diff(curve).min() > -1e-4  # the two parts of BT.709's meet to four places


def test_hlg_comes_near_the_same_pictures_in_bt709(tmp_path: Path) -> None:
    codes = invert(hlg_to_scene(SIGNAL), wide(pictures()) * float(hlg_to_scene(np.array(0.75))))
    path = encode(tmp_path / "hlg.mkv", codes, BT2020, LIMITED, HLG, BT2020)
    found, warnings = difference(path, pictures())
    assert found < 1.5
    assert warnings == [f"{path}: HDR (HLG): tone-mapped to BT.709, 203 cd/m² is white"]
    # Taken for BT.709, the same file is far off.
    untagged = encode(tmp_path / "plain.mkv", codes, BT2020, LIMITED, BT709, BT709)
    assert difference(untagged, pictures())[0] > 10


def test_pq_comes_near_the_same_pictures_in_bt709(tmp_path: Path) -> None:
    codes = invert(pq_to_nits(SIGNAL), 203 * wide(pictures(), 2.4))
    path = encode(tmp_path / "pq.mkv", codes, BT2020, LIMITED, PQ, BT2020)
    found, warnings = difference(path, pictures())
    assert found < 1.5
    assert warnings == [f"{path}: HDR (PQ): tone-mapped to BT.709, 203 cd/m² is white"]


@pytest.mark.parametrize("transfer", [HLG, PQ])
def test_highlights_keep_their_order(transfer: int) -> None:
    grey = np.repeat(np.arange(0, 65536, 64, dtype=np.uint16)[None, :, None], 3, axis=2)
    found = to_bt709(grey, transfer)[0].astype(int)
    assert (np.diff(found, axis=0) >= 0).all()
    assert found[0].max() == 0
    assert found[-1].min() >= 254
    assert np.ptp(found, axis=1).max() <= 1  # grey stays grey
    white = {HLG: 0.75, PQ: 0.58}[transfer]
    assert 235 <= found[int(white * 1023), 0] <= 250


def test_wide_gamut_of_standard_range(tmp_path: Path) -> None:
    codes = invert(bt709_to_scene(SIGNAL), wide(pictures()))
    path = encode(tmp_path / "wide.mkv", codes, BT2020, LIMITED, 14, BT2020)
    found, warnings = difference(path, pictures())
    assert found < 1.5
    assert warnings == [f"{path}: BT.2020 colours: converted to BT.709"]


@pytest.mark.parametrize("matrix", [BT601, BT709])
@pytest.mark.parametrize("span", [LIMITED, FULL])
def test_ten_bits_of_standard_range(tmp_path: Path, matrix: int, span: int) -> None:
    codes = (pictures()[..., ::-1].astype(np.uint16) * 257).copy()
    path = encode(tmp_path / "ten.mkv", codes, matrix, span, BT709, BT709)
    found, warnings = difference(path, pictures())
    assert found < 1
    assert warnings == []


def test_tone_mapping_is_the_one_written_down() -> None:
    """The fast tables against the formula, pixel by pixel."""
    random = np.random.default_rng(0)
    rgb = random.integers(0, 65536, (20, 30, 3)).astype(np.uint16)
    light = hlg_to_scene(rgb / 65535) / float(hlg_to_scene(np.array(0.75)))
    to_709 = np.linalg.inv(np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]]))
    light = np.clip(light @ to_709.T, 0, 4)
    signal = np.where(light < 0.018, 4.5 * light, 1.099 * light**0.45 - 0.099)
    signal = np.where(signal <= 0.9, signal, 0.9 + 0.1 * (1 - np.exp(-(signal - 0.9) / 0.1)))
    expected = np.rint(np.clip(signal, 0, 1) * 255)[..., ::-1]
    assert np.abs(to_bt709(rgb, HLG).astype(int) - expected).max() <= 1


def test_display_p3(tmp_path: Path) -> None:
    """As phones record it: the curve and the matrix are those of BT.709."""
    to_p3 = np.array([[0.8225, 0.1775, 0], [0.0332, 0.9668, 0], [0.0171, 0.0724, 0.9105]])
    light = bt709_to_scene(pictures()[..., ::-1] / 255) @ to_p3.T
    path = encode(tmp_path / "p3.mkv", invert(bt709_to_scene(SIGNAL), light), BT709, LIMITED, BT709, 12)
    found, warnings = difference(path, pictures())
    assert found < 1.5
    assert warnings == [f"{path}: Display P3 colours: converted to BT.709"]
