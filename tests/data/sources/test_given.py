"""What a program may give as a video, and the one line that it gets where it may not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image

from mmdet_vis.data.sources import ArraySource, as_source
from mmdet_vis.data.sources.orientation import file_orientation
from mmdet_vis.errors import ConfigError, SourceError
from tests.tiny import moving_frames, write_frames

FRAMES = moving_frames(4)


def rgb(frames):
    return [np.ascontiguousarray(frame[..., ::-1]) for frame in frames]


def images():
    return [Image.fromarray(frame) for frame in rgb(FRAMES)]


@pytest.mark.parametrize(
    ("make", "color"),
    [
        (lambda: FRAMES, "bgr"),
        (lambda: tuple(FRAMES), "bgr"),
        (lambda: np.stack(FRAMES), "bgr"),
        (lambda: (frame for frame in FRAMES), "bgr"),
        (lambda: rgb(FRAMES), "rgb"),
        (lambda: np.stack(rgb(FRAMES)), "rgb"),
        (lambda: iter(rgb(FRAMES)), "rgb"),
        (images, "bgr"),
        (images, "rgb"),  # images know their order
        (lambda: iter(images()), "bgr"),
        (lambda: ArraySource(FRAMES), "bgr"),
    ],
)
def test_frames_in_memory(make, color):
    source = as_source(make(), color)
    assert (len(source), source.height, source.width) == (4, 64, 96)
    for got, expected in zip(source.read(0, 4), FRAMES, strict=True):
        np.testing.assert_array_equal(got, expected)
        assert got.flags.c_contiguous
        torch.from_numpy(got)  # which takes no reversed axes


@pytest.mark.parametrize("kind", [str, Path])
def test_files(tmp_path, kind):
    folder = write_frames(tmp_path / "clip", 4)
    files = sorted(folder.iterdir())
    for given in (kind(folder), [kind(file) for file in files], (kind(file) for file in files)):
        source = as_source(given)
        assert (source.name, source.frame_names) == ("clip", ["00000", "00001", "00002", "00003"])
        np.testing.assert_array_equal(np.stack(source.read(0, 4)), np.stack(FRAMES))
    reverse = as_source([files[2], files[0]])
    np.testing.assert_array_equal(reverse.read(0, 1)[0], FRAMES[2])


def test_one_picture_is_a_video_of_one_frame():
    for given in (FRAMES[0], images()[0]):
        source = as_source(given)
        assert len(source) == 1
        np.testing.assert_array_equal(source.read(0, 1)[0], FRAMES[0])


def test_pil_images_of_other_modes_and_turned_ones(tmp_path):
    grey = Image.fromarray(FRAMES[0][..., 0])
    for mode in ("L", "RGBA", "P"):
        assert as_source(grey.convert(mode)).read(0, 1)[0].shape == (64, 96, 3)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    images()[0].save(tmp_path / "turned.png", exif=exif)
    with Image.open(tmp_path / "turned.png") as image:
        got = as_source(image).read(0, 1)[0]
    np.testing.assert_array_equal(got, cv2.rotate(FRAMES[0], cv2.ROTATE_90_CLOCKWISE))


@pytest.mark.parametrize("exif", [b"Exif\0\0MM\0*\0\0", b"Exif\0\0no Exif"])
def test_damaged_exif_data_ask_for_no_turn(tmp_path, exif):
    """Pillow raises errors of several kinds for them."""
    path = tmp_path / "damaged.png"
    images()[0].save(path, exif=exif)
    assert file_orientation(path) == 1
    with Image.open(path) as image:
        for given in (image, path):
            np.testing.assert_array_equal(as_source(given).read(0, 1)[0], FRAMES[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: None, "source is of type NoneType: give a path, "),
        (lambda: 5, "source is of type int"),
        (lambda: {}, "source is of type dict"),
        (lambda: b"clip.mp4", "source is of type bytes"),
        (list, "source holds no frames"),
        (lambda: np.zeros((0, 4, 4, 3), np.uint8), "source holds no frames"),
        (lambda: iter(()), "source holds no frames"),
        (lambda: torch.zeros(2, 3, 8, 8), "source is a tensor: give frames"),
        (lambda: [torch.zeros(3, 8, 8)], r"source\[0\] is of type Tensor"),
        (lambda: np.zeros((4, 8), np.uint8), r"source has the shape \[4, 8\]"),
        (lambda: np.zeros((2, 8, 8, 3), np.float32), r"source\[0\] is float32 \[8, 8, 3\]: a frame must be"),
        (lambda: np.zeros((2, 8, 8, 4), np.uint8), r"source\[0\] is uint8 \[8, 8, 4\]"),
        (lambda: np.zeros((8, 8, 8), np.uint8), r"source\[0\] is uint8 \[8, 8, 8\]"),
        (lambda: [FRAMES[0], FRAMES[0][:10]], r"source\[1\] is 96x10, source\[0\] is 96x64"),
        (lambda: [FRAMES[0], "a.png"], r"source\[1\] is of type str: give arrays"),
        (lambda: ["a.png", FRAMES[0]], r"source\[1\] is of type ndarray, source\[0\] is a path: give one kind"),
        (lambda: ["a.mp4", "b.mp4"], r"source\[0\] is a.mp4: a list is of image files; give each video on its own"),
        (lambda: ["nowhere.png"], r"nowhere.png: cannot be read"),
        (lambda: [FRAMES], r"source\[0\] is of type list"),
    ],
)
def test_what_cannot_be_a_video_is_one_line(make, message):
    with pytest.raises(SourceError, match=message) as caught:
        as_source(make())
    assert "\n" not in str(caught.value)


def test_color_goes_with_arrays_only(tmp_path):
    folder = write_frames(tmp_path / "clip", 1)
    for given in (folder, sorted(folder.iterdir()), ArraySource(FRAMES)):
        with pytest.raises(ConfigError, match="color='rgb' is for arrays"):
            as_source(given, "rgb")
    with pytest.raises(ConfigError, match="color='grey' is not known: use 'bgr'"):
        as_source(FRAMES, "grey")


def test_endless_generators_end():
    def endless():
        while True:
            yield FRAMES[0]

    with pytest.raises(SourceError, match=r"source has over 3 frames, .*segment_stream"):
        as_source(endless(), max_bytes=3 * FRAMES[0].nbytes)
