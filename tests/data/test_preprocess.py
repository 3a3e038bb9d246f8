"""Preprocessing against the reference, bit for bit."""

from __future__ import annotations

import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from mmdet_vis.data.preprocess import FrameGeometry, Preprocessor
from mmdet_vis.data.sources import FolderSource


def test_golden_clip(shared: Path) -> None:
    goldens = np.load(shared / "reference" / "goldens" / "goldens_r50.npz")
    source = FolderSource(shared / "data" / "videos" / "7741a0fbce")
    assert len(source) == 96
    out = Preprocessor()(source.read(0, 12)).numpy()
    for frame in range(12):
        name = f"img/t{frame}"
        assert list(goldens[f"{name}/shape"]) == [1, *out.shape[1:]]
        expected = goldens[f"{name}/sample"]
        chosen = np.random.default_rng(zlib.crc32(name.encode())).choice(out[frame].size, len(expected), replace=False)
        np.testing.assert_array_equal(out[frame].ravel()[np.sort(chosen)], expected, err_msg=name)
    full = np.load(shared / "reference" / "goldens" / "goldens_r50_full.npz")["img_t0"]
    np.testing.assert_array_equal(out[:1], full)


@pytest.mark.parametrize(
    ("size", "scale", "resized", "padded"),
    [
        ((360, 480), (640, 360), (360, 480), (384, 480)),
        ((720, 1280), (640, 360), (360, 640), (384, 640)),
        ((1280, 720), (640, 360), (640, 360), (640, 384)),
        ((480, 854), (854, 480), (480, 854), (480, 864)),
        ((480, 854), (480, 854), (480, 854), (480, 864)),
        ((1, 1), (640, 360), (360, 360), (384, 384)),
        ((10000, 2), (640, 360), (640, 1), (640, 32)),
    ],
)
def test_geometry(
    size: tuple[int, int], scale: tuple[int, int], resized: tuple[int, int], padded: tuple[int, int]
) -> None:
    geometry = FrameGeometry.of(*size, scale)
    assert (geometry.original, geometry.resized, geometry.padded) == (size, resized, padded)
    out = Preprocessor(scale)([np.zeros((*size, 3), np.uint8)])
    assert out.shape == (1, 3, *padded)


def test_values_channels_and_padding() -> None:
    frame = np.empty((30, 40, 3), np.uint8)
    frame[:] = (10, 20, 30)
    preprocess = Preprocessor((40, 30), mean=(1, 2, 3), std=(2, 4, 5))
    out = preprocess([frame, frame])
    assert out.shape == (2, 3, 32, 64)
    expected = [(30 - 1) / 2, (20 - 2) / 4, (10 - 3) / 5]
    for channel, value in enumerate(expected):
        np.testing.assert_array_equal(out[:, channel, :30, :40], np.float32(value))
    assert out[:, :, 30:].abs().max() == out[:, :, :, 40:].abs().max() == 0
    bgr = Preprocessor((40, 30), mean=(1, 2, 3), std=(2, 4, 5), to_rgb=False)([frame])
    assert bgr[0, :, 0, 0].tolist() == np.array([9 / 2, 18 / 4, 27 / 5], np.float32).tolist()


def test_table_equals_arithmetic_for_every_value() -> None:
    frame = np.arange(256, dtype=np.uint8).reshape(16, 16)[:, :, None].repeat(3, axis=2)
    out = Preprocessor((16, 16), size_divisor=16)([frame])[0].numpy()
    mean = np.array([123.675, 116.28, 103.53], np.float32)
    std = np.array([58.395, 57.12, 57.375], np.float32)
    np.testing.assert_array_equal(out, ((frame.astype(np.float32) - mean) / std).transpose(2, 0, 1))


def test_input_is_left_alone() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    copy = frame.copy()
    Preprocessor((30, 20))([frame])
    np.testing.assert_array_equal(frame, copy)


def test_views_are_read_right() -> None:
    """Frames that are not contiguous, as slices and turned frames are not."""
    frame = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
    for scale in ((30, 20), (45, 30)):
        preprocess = Preprocessor(scale)
        turned = np.ascontiguousarray(frame[:, ::-1])
        assert torch.equal(preprocess([frame[:, ::-1]]), preprocess([turned]))


@pytest.mark.parametrize(
    "frames",
    [
        [],
        [np.zeros((4, 4, 3), np.float32)],
        [np.zeros((4, 4), np.uint8)],
        [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)],
    ],
)
def test_bad_frames(frames: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match="frame"):
        Preprocessor()(frames)


def test_bad_sizes() -> None:
    with pytest.raises(ValueError, match="positive"):
        FrameGeometry.of(0, 10)


def test_resize_is_opencv_on_uint8(shared: Path) -> None:
    """Resizing after the normalisation, or in another library, would differ in the last bits."""
    (frame,) = FolderSource(shared / "data" / "videos" / "7741a0fbce").read(50, 51)
    out = Preprocessor((854, 480))([frame])[0].numpy()
    small = cv2.resize(frame, (640, 480), interpolation=cv2.INTER_LINEAR)
    red = (small[:, :, 2].astype(np.float32) - np.float32(123.675)) / np.float32(58.395)
    np.testing.assert_array_equal(out[0, :480, :640], red)
