"""Folders of index PNGs as annotated videos, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.data.check.check import check_davis
from mmdet_vis.data.converters import read_annotations
from mmdet_vis.data.datasets.inputs import find_videos
from mmdet_vis.data.formats.annotated import ReadOptions
from mmdet_vis.data.formats.index_pngs import read_davis, read_index
from mmdet_vis.data.formats.ytvis import index_annotations
from mmdet_vis.data.formats.ytvis_json import ytvis_content
from mmdet_vis.errors import DatasetError
from tests.annotation_cases import H, W, masks_of, same, square_mask, write_image


def write_index(path: Path, pixels: NDArray[np.uint8]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    image.putpalette([value for index in range(256) for value in (index, 0, 0)])
    image.save(path)


def index_folder(folder: Path) -> None:
    """One video of 3 frames: object 5 in all, object 1 in the second, void in the last."""
    for frame in range(3):
        pixels = square_mask() * 5
        if frame == 1:
            pixels[0, 0] = 1
        if frame == 2:
            pixels[11] = 255
        write_index(folder / "masks" / "clip" / f"{frame:05d}.png", pixels)
        write_image(folder / "frames" / "clip" / f"{frame:05d}.jpg")


def test_index_pngs(tmp_path: Path) -> None:
    index_folder(tmp_path)
    content = ytvis_content(read_index(tmp_path / "masks", ReadOptions(tmp_path / "frames", category="thing")))
    (video,) = content["videos"]
    assert video["file_names"] == ["clip/00000.jpg", "clip/00001.jpg", "clip/00002.jpg"]
    assert content["categories"] == [{"id": 1, "name": "thing"}]
    dot = np.zeros((H, W), np.uint8)
    dot[0, 0] = 1
    small, large = content["annotations"]
    assert same(masks_of(small), [None, dot, None])
    assert small["bboxes"] == [None, [0, 0, 1, 1], None]
    assert same(masks_of(large), [square_mask()] * 3)


def test_binary_masks_of_davis_2016_are_one_object(tmp_path: Path) -> None:
    write_index(tmp_path / "masks/clip/00000.png", square_mask() * 255)
    (annotation,) = ytvis_content(read_index(tmp_path / "masks"))["annotations"]
    assert same(masks_of(annotation), [square_mask()])


@pytest.mark.parametrize(
    ("frames", "masks", "given"),
    [
        ("JPEGImages/clip", "Annotations/clip", ""),  # YouTube-VOS
        ("JPEGImages/480p/clip", "Annotations/480p/clip", ""),  # DAVIS without its lists
        ("images/clip", "masks/clip", ""),
        ("frames/clip", "gt/clip", "train"),  # as it was packed
    ],
)
def test_masks_beside_their_frames(tmp_path: Path, frames: str, masks: str, given: str) -> None:
    root = tmp_path / "data" / given
    for frame in range(3):
        write_image(root / frames / f"{frame:05d}.jpg")
    for frame in (0, 2):
        write_index(root / masks / f"{frame:05d}.png", square_mask())
    (root / "meta.json").write_text('{"videos": {"clip": {"objects": {"1": {"category": "ape"}}}}}')
    found = read_annotations(tmp_path / "data")
    (video,) = found.videos
    assert (video.name, video.annotated, [track.category for track in video.tracks]) == (
        "clip",
        [True, False, True],
        ["ape" if masks.count("/") == 1 else "object"],
    )
    assert found.images == (root / frames).parent
    (opened,) = find_videos(tmp_path / "data")
    assert opened.files == tuple(root / frames / f"{frame:05d}.jpg" for frame in range(3))
    write_index(root / "more/clip/00000.png", square_mask())
    if "Annotations" not in masks:
        with pytest.raises(DatasetError, match="holds 2 folders of masks: give one of them"):
            read_annotations(tmp_path / "data")


@pytest.mark.parametrize("year", ["2016", "2017"])
def test_davis_of_the_other_tracks(tmp_path: Path, year: str) -> None:
    for name in ("dog", "cat"):
        write_image(tmp_path / f"JPEGImages/480p/{name}/00000.jpg")
        write_index(tmp_path / f"Annotations/480p/{name}/00000.png", square_mask() * (255 if year == "2016" else 1))
    folder = tmp_path / "ImageSets" / ("480p" if year == "2016" else year)
    folder.mkdir(parents=True)
    pair = "/JPEGImages/480p/{0}/00000.jpg /Annotations/480p/{0}/00000.png\n" * 2 if year == "2016" else "{0}\r\n"
    (folder / "val.txt").write_text("".join(pair.format(name) for name in ("dog", "cat")))
    found = read_annotations(tmp_path)
    assert [(video.name, len(video.tracks)) for video in found.videos] == [("dog", 1), ("cat", 1)]
    assert found.notes.lines() == ["guessed: 1 folder Annotations taken, as there is no Annotations_unsupervised"]
    report = check_davis(tmp_path)
    assert (report.problems, report.num_objects, report.doubts) == ([], 2, found.notes.doubts())


def test_pngs_and_frames_must_belong_together(tmp_path: Path) -> None:
    index_folder(tmp_path)
    write_image(tmp_path / "frames/clip/00003.jpg")
    sparse = read_index(tmp_path / "masks", ReadOptions(tmp_path / "frames"))
    assert sparse.videos[0].annotated == [True, True, True, False]
    assert ytvis_content(sparse)["videos"][0]["annotated_frames"] == [0, 1, 2]
    (tmp_path / "frames/clip/00003.jpg").unlink()
    (tmp_path / "frames/clip/00001.jpg").unlink()
    with pytest.raises(DatasetError, match=r"no image for .*00001\.png"):
        read_index(tmp_path / "masks", ReadOptions(tmp_path / "frames"))
    write_image(tmp_path / "frames/clip/00001.jpg")
    write_index(tmp_path / "masks/clip/00001.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(DatasetError, match=r"00001\.png is 5x5"):
        read_index(tmp_path / "masks")


def test_davis_of_the_reference_data_keeps_every_pixel(shared: Path) -> None:
    root = shared / "reference/davis_jf/case_a/DAVIS"
    content = ytvis_content(read_davis(root))
    listed = (root / "ImageSets/2017/val.txt").read_text().split()
    assert [video["file_names"][0].split("/")[0] for video in content["videos"]] == listed
    index_annotations(content)  # the evaluation accepts it
    for video in content["videos"]:
        objects = [a for a in content["annotations"] if a["video_id"] == video["id"]]
        for frame, file in enumerate(video["file_names"]):
            pixels = np.array(Image.open((root / "Annotations_unsupervised/480p" / file).with_suffix(".png")))
            masks = [masks_of(entry)[frame] for entry in objects]
            union = np.sum([mask for mask in masks if mask is not None] or [np.zeros_like(pixels)], axis=0)
            assert np.array_equal(union, (pixels > 0) & (pixels < 255))
