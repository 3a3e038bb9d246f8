"""Folders of masks as people lay them out: subsets, frames under any name, and masks that are smoothed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.data.check.check import check_davis
from mmdet_vis.data.converters import ReadOptions, read_annotations
from mmdet_vis.data.datasets.inputs import find_videos
from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.formats.object_folders import read_object_folders
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import areas
from tests.annotation_cases import H, W, square_mask, write_image

TWO: NDArray[np.uint8] = square_mask()
TWO[0] = 2


def save(path: Path, pixels: NDArray[np.generic], palette: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    if palette:
        image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.save(path)


def objects(found: AnnotatedVideos) -> dict[str, list[str]]:
    return {video.name: [track.category for track in video.tracks] for video in found.videos}


def test_a_root_with_subsets_as_youtube_vos_has_them(tmp_path: Path) -> None:
    for subset in ("train", "valid"):
        for video in ("aaa", "bbb"):
            write_image(tmp_path / subset / f"JPEGImages/{video}/00000.jpg")
            save(tmp_path / subset / f"Annotations/{video}/00000.png", TWO, palette=True)
        names = {video: {"objects": {"1": {"category": "ape"}, "2": {"category": "cat"}}} for video in ("aaa", "bbb")}
        (tmp_path / subset / "meta.json").write_text(json.dumps({"videos": names}))
    for read in (read_annotations, find_videos):
        with pytest.raises(DatasetError, match=r"holds 2 datasets of masks beside their .*/train"):
            read(tmp_path)
    assert objects(read_annotations(tmp_path / "train")) == {"aaa": ["ape", "cat"], "bbb": ["ape", "cat"]}


@pytest.mark.parametrize("name", ["rgb", "Frames", "original", "of_the_camera"])
@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_frames_beside_masks_are_known_by_what_they_hold(tmp_path: Path, name: str, ending: str) -> None:
    photo = np.random.default_rng(0).integers(0, 256, (40, W, 3), dtype=np.uint8)
    for video in ("a", "b"):
        save(tmp_path / f"masks/{video}/0.png", np.pad(TWO, ((0, 40 - H), (0, 0))), palette=True)
        save(tmp_path / f"{name}/{video}/0{ending}", photo)
    for given in (tmp_path, tmp_path / "masks"):
        found = read_annotations(given)
        assert (found.format, objects(found)) == ("index", {"a": ["object"] * 2, "b": ["object"] * 2})
        assert (found.images, found.notes.lines()) == (tmp_path / name, [])
    assert [video.path for video in find_videos(tmp_path)] == [tmp_path / name / video for video in ("a", "b")]


@pytest.mark.parametrize("root", ["masks/train", "masks/cam1"])
@pytest.mark.parametrize(("pixels", "frames"), [(TWO, True), (TWO, False), (square_mask(), True)])
def test_folders_of_videos_are_no_folders_of_objects(
    tmp_path: Path, root: str, pixels: NDArray[np.uint8], frames: bool
) -> None:
    for video in ("a", "b"):
        save(tmp_path / root / video / "0.png", pixels, palette=True)
        if frames:
            write_image(tmp_path / root.replace("masks", "frames") / video / "0.jpg")
    found = read_annotations(tmp_path / "masks")
    number = int(pixels.max())
    assert [track for tracks in objects(found).values() for track in tracks] == ["object"] * 2 * number
    assert len(found.videos) == 2
    assert (found.images is not None) == frames


def test_a_folder_of_an_object_holds_no_other(tmp_path: Path) -> None:
    for name in ("ball_1", "cat"):
        save(tmp_path / f"masks/clip/{name}/0.png", TWO if name == "cat" else square_mask(), palette=name == "cat")
    with pytest.raises(DatasetError, match=r"cat/0\.png holds several objects, but clip/cat is taken as the folder of"):
        read_object_folders(tmp_path / "masks")


def doubts(path: Path) -> str:
    return read_annotations(path).notes.doubts()


def soft(value: int = 255) -> NDArray[np.uint8]:
    """A square of 16x16 pixels with smoothed edges, twice the side of what it was made from."""
    small = np.zeros((16, 16), np.uint8)
    small[4:12, 4:12] = value
    return np.asarray(Image.fromarray(small).resize((40, 40), Image.Resampling.BILINEAR))


@pytest.mark.parametrize("kind", ["L", "RGB"])
def test_grey_masks_with_soft_edges_are_one_object(tmp_path: Path, kind: str) -> None:
    for frame in range(2):
        save(tmp_path / f"clip/{frame}.png", np.asarray(Image.fromarray(soft()).convert(kind)))
    (track,) = read_annotations(tmp_path / "clip").videos[0].tracks
    assert areas(track.masks).tolist() == [int((soft() >= 128).sum())] * 2
    assert "1 video of grey masks with soft edges, of one object" in read_annotations(tmp_path / "clip").notes.doubts()


def test_objects_with_soft_edges_in_one_folder(tmp_path: Path) -> None:
    for name in ("ball_1", "ball_2"):
        save(tmp_path / f"clip/{name}/0.png", soft())
    found = read_annotations(tmp_path)
    assert (found.format, objects(found)) == ("objects", {"clip": ["ball", "ball"]})


def test_index_pngs_that_let_one_doubt(tmp_path: Path) -> None:
    void = square_mask() * 255
    void[0] = 3
    save(tmp_path / "a/0.png", void)
    assert (
        "1 video in which 255, taken as void, has most of the pixels" in read_annotations(tmp_path / "a").notes.doubts()
    )
    save(tmp_path / "b/0.png", np.pad(np.full((4, 4), 7, np.uint8), 4, constant_values=9))
    assert (
        "1 video without a pixel of 0, where every one of the numbers"
        in read_annotations(tmp_path / "b").notes.doubts()
    )
    save(tmp_path / "c/0.png", np.eye(9, dtype=np.uint8) * np.arange(9, dtype=np.uint8))
    assert "8 numbers of fewer than 10 pixels, each an object" in doubts(tmp_path / "c")


def of_channels(*parts: tuple[int, ...]) -> NDArray[np.uint8]:
    """A square for each colour, side by side."""
    return np.repeat(np.repeat(np.array([parts], np.uint8), 4, axis=0), 4, axis=1)


@pytest.mark.parametrize(
    ("names", "pixels", "said"),
    [
        (["v/0.png"], of_channels((0, 0, 0, 0), (3, 0, 0, 1), (3, 0, 0, 2)), "bitmasks of BDD100K"),
        (["train/0000/0.png"], of_channels((0, 0, 0), (11, 0, 1), (255, 0, 0), (13, 0, 4)), "maps of KITTI-STEP"),
        (["v/0.png"], of_channels((1,), (61,))[..., 0].astype(np.uint16) * 101, "16-bit panoptic masks"),
        (["panomasks/v/0.png"], TWO, "panoptic masks .panomasks"),
        (["aachen/a_0_gtFine_color.png", "aachen/a_0_gtFine_instanceIds.png"], TWO, "masks of Cityscapes"),
        (["v/00000_1.png", "v/00000_2.png", "v/00001_1.png"], TWO, "a PNG for each object of a frame"),
        (["v/00000.png", "v/00000_mask.png"], TWO, r"frames and masks \(00000_mask.png\) in one folder"),
        (["task-1-annotation-5-by-1-tag-ball-0.png"], TWO, "brush masks of Label Studio"),
        (["v/0.tif"], TWO, "masks must be PNG: save them so"),
        (["v/0.bmp"], TWO, "masks must be PNG: save them so"),
        (["SegmentationObject/0.png", "SegmentationClass/0.png", "JPEGImages/0.jpg"], TWO, "Pascal VOC, in which no"),
        (["VOC2012/JPEGImages/0.jpg", "VOC2012/ImageSets/Segmentation/val.jpg"], TWO, "Pascal VOC, in which no"),
    ],
)
def test_masks_that_are_not_read_are_named(
    tmp_path: Path, names: list[str], pixels: NDArray[np.generic], said: str
) -> None:
    for name in names:
        save(tmp_path / name, pixels)
    with pytest.raises(DatasetError, match=said):
        read_annotations(tmp_path)


def test_a_png_for_each_object_beside_the_frames(tmp_path: Path) -> None:
    for number in (1, 2):
        save(tmp_path / f"masks/a_{number}.png", TWO)
    write_image(tmp_path / "frames/a.jpg")
    with pytest.raises(
        DatasetError, match=r"a PNG for each object of a frame \(a_1\.png\) in one folder: save them as"
    ):
        read_annotations(tmp_path)


def test_alpha_that_may_be_a_number_is_a_doubt(tmp_path: Path) -> None:
    save(tmp_path / "v/0.png", of_channels((0, 0, 0, 0), (250, 0, 0, 1), (250, 0, 0, 2)))
    assert "1 video with half-transparent pixels" in doubts(tmp_path)


def test_davis_says_which_videos_and_sizes_it_has(tmp_path: Path) -> None:
    for name in ("dog", "cat"):
        write_image(tmp_path / f"JPEGImages/Full-Resolution/{name}/00000.jpg")
        save(tmp_path / f"Annotations_unsupervised/Full-Resolution/{name}/00000.png", TWO, palette=True)
    (tmp_path / "ImageSets/2017").mkdir(parents=True)
    (tmp_path / "ImageSets/2017/train.txt").write_text("dog")
    with pytest.raises(DatasetError, match=r"choose another set \(set_name\) or year; there is ImageSets/2017/train"):
        read_annotations(tmp_path)
    options = ReadOptions(set_name="train")
    for read in (lambda: read_annotations(tmp_path, options=options), lambda: check_davis(tmp_path, "train")):
        with pytest.raises(DatasetError, match="give resolution='Full-Resolution'; there is Full-Resolution"):
            read()
    found = read_annotations(tmp_path, options=ReadOptions(set_name="train", resolution="Full-Resolution"))
    assert found.notes.lines() == ["note: 1 video of other sets, which are not read (choose by set_name)"]


def test_frames_of_16_bits_are_no_panoptic_masks(tmp_path: Path) -> None:
    save(tmp_path / "frames/v/0.png", np.arange(H * W, dtype=np.uint16).reshape(H, W) * 200)
    save(tmp_path / "masks/v/0.png", TWO, palette=True)
    assert objects(read_annotations(tmp_path)) == {"v": ["object", "object"]}
