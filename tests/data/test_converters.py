"""Converters: what they write is read back through the evaluation's and the dataset's own readers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mmdet_vis.data.converters.coco import convert_coco
from mmdet_vis.data.converters.cvat import convert_cvat
from mmdet_vis.data.converters.davis import convert_davis, convert_index_pngs
from mmdet_vis.data.converters.labelme import convert_labelme
from mmdet_vis.data.datasets import YTVISDataset
from mmdet_vis.data.formats.ytvis import index_annotations
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import decode_masks

H, W = 12, 20
SQUARE = [[2, 3], [8, 3], [8, 9], [2, 9]]  # x, y


def square_mask() -> NDArray[np.uint8]:
    mask = np.zeros((H, W), np.uint8)
    mask[3:9, 2:8] = 1
    return mask


def write_image(path: Path, height: int = H, width: int = W) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.zeros((height, width, 3), np.uint8))


def masks_of(annotation: dict[str, Any]) -> list[NDArray[np.uint8] | None]:
    return [None if rle is None else decode_masks([rle])[0] for rle in annotation["segmentations"]]


def same(masks: Sequence[NDArray | None], expected: Sequence[NDArray | None]) -> bool:
    return len(masks) == len(expected) and all(
        (a is None) == (b is None) and (a is None or np.array_equal(a, b)) for a, b in zip(masks, expected, strict=True)
    )


# COCO


def coco(folder: Path, **changes: Any) -> Path:
    polygon = [float(value) for point in SQUARE for value in point]
    runs = {"size": [H, W], "counts": [0, H * W]}
    content = {
        "images": [
            {"id": 30, "file_name": "x.jpg", "height": H, "width": W, "exhaustive": False},
            {"id": 10, "file_name": "y.jpg", "height": H, "width": W},
        ],
        "categories": [{"id": 90, "name": "cat"}, {"id": 3, "name": "dog"}],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 3, "segmentation": [polygon], "iscrowd": 0},
            {"id": 2, "image_id": 30, "category_id": 90, "segmentation": runs, "iscrowd": 1},
            {"id": 3, "image_id": 30, "category_id": 90, "segmentation": [], "iscrowd": 0},
        ],
    }
    path = folder / "instances.json"
    path.write_text(json.dumps(content | changes))
    return path


def test_coco_stills_become_videos_of_repeated_frames(tmp_path: Path) -> None:
    builder = convert_coco(coco(tmp_path), frames=2)
    content = builder.content()
    assert content["videos"] == [
        {"id": 30, "height": H, "width": W, "length": 2, "file_names": ["x.jpg", "x.jpg"], "exhaustive": False},
        {"id": 10, "height": H, "width": W, "length": 2, "file_names": ["y.jpg", "y.jpg"]},
    ]
    assert content["categories"] == [{"id": 90, "name": "cat"}, {"id": 3, "name": "dog"}]
    first, crowd = content["annotations"]
    assert (first["video_id"], first["category_id"], first["iscrowd"]) == (10, 3, 0)
    assert first["bboxes"] == [[2, 3, 6, 6]] * 2
    assert first["areas"] == [36, 36]
    assert same(masks_of(first), [square_mask()] * 2)
    assert (crowd["video_id"], crowd["iscrowd"], crowd["areas"]) == (30, 1, [H * W] * 2)
    assert "1 objects without a pixel" in builder.summary()


def test_coco_polygons_that_enclose_nothing_are_counted(tmp_path: Path) -> None:
    polygon = [float(value) for point in SQUARE for value in point]
    entries = [
        {"id": 1, "image_id": 10, "category_id": 3, "segmentation": [[1, 2], polygon, [1, 2, 3, 4]]},
        {"id": 2, "image_id": 30, "category_id": 90, "segmentation": [[1, 2, 3, 4]]},
    ]
    builder = convert_coco(coco(tmp_path, annotations=entries))
    (kept,) = builder.content()["annotations"]
    assert same(masks_of(kept), [square_mask()])
    assert builder.summary().endswith("ignored: 1 objects without a pixel, 3 polygons of fewer than 3 points")


def test_coco_result_is_a_dataset(tmp_path: Path) -> None:
    write_image(tmp_path / "x.jpg")
    write_image(tmp_path / "y.jpg")
    convert_coco(coco(tmp_path)).write(tmp_path / "new folder" / "out.json")
    dataset = YTVISDataset(tmp_path / "new folder" / "out.json", tmp_path)
    assert [video.name for video in dataset.videos] == ["x", "y"]
    assert [len(dataset.open(index)) for index in range(2)] == [1, 1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": None}, "no list 'images'"),
        ({"images": [{"id": 1, "file_name": 3, "height": H, "width": W}]}, "image 0 has file_name 3"),
        ({"annotations": [{"image_id": 1, "category_id": 3}]}, "annotation 0 has an image_id"),
        (
            {"annotations": [{"image_id": 10, "category_id": 3, "segmentation": {"size": [H, W], "counts": "zz"}}]},
            "annotation 0 has a segmentation that",
        ),
        (
            {"annotations": [{"image_id": 10, "category_id": 3, "segmentation": [[1, 2, 3, 4, 5, 6, 7]]}]},
            "not of polygons",
        ),
    ],
)
def test_coco_names_the_bad_entry(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        convert_coco(coco(tmp_path, **changes))


def test_coco_subset_of_the_reference_data(shared: Path) -> None:
    path = shared / "data/stills/instances.json"
    if not path.is_file():
        pytest.skip("needs the still images in ../shared")
    source = json.loads(path.read_text())
    content = convert_coco(path).content()
    assert [video["id"] for video in content["videos"]] == [image["id"] for image in source["images"]]
    assert [video["exhaustive"] for video in content["videos"]] == [image["exhaustive"] for image in source["images"]]
    assert len(content["annotations"]) == len(source["annotations"])
    # Rasterised masks agree with the areas of the outlines, which COCO measured before the images were scaled.
    stated = np.array([annotation["area"] for annotation in source["annotations"]])
    found = np.array([annotation["areas"][0] for annotation in content["annotations"]])
    large = stated > 1000
    assert np.median(np.abs(found[large] / stated[large] - 1)) < 0.02


# Index PNGs


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
    content = convert_index_pngs(tmp_path / "masks", tmp_path / "frames", category="thing").content()
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
    (annotation,) = convert_index_pngs(tmp_path / "masks", None).content()["annotations"]
    assert same(masks_of(annotation), [square_mask()])


def test_pngs_and_frames_must_belong_together(tmp_path: Path) -> None:
    index_folder(tmp_path)
    write_image(tmp_path / "frames/clip/00003.jpg")
    with pytest.raises(DatasetError, match=r"00003\.jpg has no index PNG"):
        convert_index_pngs(tmp_path / "masks", tmp_path / "frames")
    (tmp_path / "frames/clip/00003.jpg").unlink()
    (tmp_path / "frames/clip/00001.jpg").unlink()
    with pytest.raises(DatasetError, match=r"no image for .*00001\.png"):
        convert_index_pngs(tmp_path / "masks", tmp_path / "frames")
    write_index(tmp_path / "masks/clip/00001.png", np.zeros((5, 5), np.uint8))
    with pytest.raises(DatasetError, match=r"00001\.png is 5x5"):
        convert_index_pngs(tmp_path / "masks", None)


def test_davis_of_the_reference_data_keeps_every_pixel(shared: Path) -> None:
    root = shared / "reference/davis_jf/case_a/DAVIS"
    content = convert_davis(root).content()
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


# labelme


def write_labelme(path: Path, shapes: list[dict[str, Any]], image: str | None = None, height: int = H) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imageData": None}
    content |= {"imagePath": image or f"{path.stem}.jpg", "imageHeight": height, "imageWidth": W}
    path.write_text(json.dumps(content))


def shape(label: str, group: int | None, points: Any = SQUARE, kind: str = "polygon") -> dict[str, Any]:
    return {"label": label, "points": points, "group_id": group, "shape_type": kind, "flags": {}}


def test_labelme_links_polygons_by_label_and_group(tmp_path: Path) -> None:
    for frame in range(3):
        write_image(tmp_path / "clip10" / f"f{frame}.jpg")
    other = [[12, 0], [15, 0], [15, 4], [12, 4]]
    write_labelme(tmp_path / "clip10/f0.json", [shape("cat", 1), shape("cat", 1, other), shape("dog", None)])
    write_labelme(tmp_path / "clip10/f2.json", [shape("cat", 1, other), shape("cat", 2)], image="..\\raw\\f2.jpg")
    write_labelme(tmp_path / "clip9/0.json", [shape("dog", None)])
    content = convert_labelme(tmp_path).content()
    assert [video["file_names"] for video in content["videos"]] == [
        ["clip9/0.jpg"],
        ["clip10/f0.jpg", "clip10/f1.jpg", "clip10/f2.jpg"],
    ]
    assert content["categories"] == [{"id": 1, "name": "dog"}, {"id": 2, "name": "cat"}]
    extra = np.zeros((H, W), np.uint8)
    extra[0:4, 12:15] = 1
    found = {(a["video_id"], a["category_id"], a["id"]): masks_of(a) for a in content["annotations"]}
    assert list(found) == [(1, 1, 1), (2, 2, 2), (2, 1, 3), (2, 2, 4)]
    assert same(found[2, 2, 2], [square_mask() | extra, None, extra])
    assert same(found[2, 1, 3], [square_mask(), None, None])
    assert same(found[2, 2, 4], [None, None, square_mask()])


def test_labelme_shapes_that_are_no_polygons_are_counted(tmp_path: Path) -> None:
    box = [[1, 1], [5, 5]]
    shapes = [shape("cat", 1, box, "rectangle"), shape("cat", 1), shape("cat", 2, box, "circle")]
    shapes += [shape("dog", None, [[1, 1]], "point"), shape("dog", None, box, "rectangle")]
    write_labelme(tmp_path / "clip/0.json", shapes)
    builder = convert_labelme(tmp_path)
    (cat,) = builder.content()["annotations"]
    assert same(masks_of(cat), [square_mask()])
    assert builder.summary().endswith(
        "1 objects, 1 categories; ignored: 1 circle shapes, 1 point shapes, 2 rectangle shapes"
    )


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([shape("cat", None), shape("cat", None)], r"shape 1 is the second 'cat' in this frame without a group_id"),
        ([shape("cat", 1, points=[[1, 1], [2, 2]])], "shape 0: a polygon needs at least 3 points"),
        ([shape("cat", 1, points=[[1, 1], [2, float("nan")], [0, 1]])], "finite numbers"),
        ([shape("cat", 1, points=[[1, 1], [1e9, 2], [0, 1]])], "far outside the frame"),
        ([{"points": SQUARE}], "shape 0 has no label"),
    ],
)
def test_labelme_names_the_bad_shape(tmp_path: Path, shapes: list[dict[str, Any]], message: str) -> None:
    write_labelme(tmp_path / "clip/0.json", shapes)
    with pytest.raises(DatasetError, match=message) as error:
        convert_labelme(tmp_path)
    assert str(tmp_path / "clip/0.json") in str(error.value)


def test_labelme_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_image(tmp_path / "0.jpg")
    write_labelme(tmp_path / "0.json", [])
    write_labelme(tmp_path / "1.json", [])
    with pytest.raises(DatasetError, match=r"1\.json belongs to 1\.jpg, which is not in"):
        convert_labelme(tmp_path)
    write_labelme(tmp_path / "1.json", [], image="0.jpg")
    with pytest.raises(DatasetError, match=r"both belong to 0\.jpg"):
        convert_labelme(tmp_path)
    write_image(tmp_path / "1.jpg")
    write_labelme(tmp_path / "1.json", [], height=H + 1)
    with pytest.raises(DatasetError, match="different sizes"):
        convert_labelme(tmp_path)
    (tmp_path / "1.json").write_text('{"videos": []}')
    with pytest.raises(DatasetError, match="is not a labelme file"):
        convert_labelme(tmp_path)


# CVAT

HEAD = """<?xml version="1.0" encoding="utf-8"?>
{doctype}<annotations><version>1.1</version><meta><task><name>t</name><size>3</size><mode>interpolation</mode>
<start_frame>10</start_frame><stop_frame>14</stop_frame><frame_filter>step=2</frame_filter>
<labels><label><name>cat</name><attributes><attribute><name>age</name></attribute></attributes></label>
<label><name>dog</name></label></labels>
<original_size><width>20</width><height>12</height></original_size></task></meta>
"""


def write_cvat(folder: Path, body: str, doctype: str = "", images: int = 3) -> None:
    for frame in range(images):
        write_image(folder / "images" / f"frame_{frame:06d}.png")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "annotations.xml").write_text(HEAD.format(doctype=doctype) + body + "</annotations>")


def polygon(frame: int, outside: int = 0, points: Any = SQUARE) -> str:
    text = ";".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return f'<polygon frame="{frame}" keyframe="1" outside="{outside}" occluded="0" points="{text}" z_order="0"/>'


def test_cvat_tracks_of_polygons_and_masks(tmp_path: Path) -> None:
    box = np.array([[1, 1, 0, 1], [0, 1, 1, 0]], np.uint8)
    expected = np.zeros((H, W), np.uint8)
    expected[5:7, 16:20] = box
    mask = '<mask frame="{}" outside="{}" rle="0, 2, 1, 1, 1, 2, 1" left="16" top="5" width="4" height="2"/>'
    body = f'<track id="0" label="dog">{polygon(10)}{polygon(12)}{polygon(14, outside=1)}</track>'
    body += f'<track id="1" label="cat" group_id="4">{mask.format(10, 0)}{mask.format(12, 1)}</track>'
    body += f'<track id="2" label="cat" group_id="4">{mask.format(14, 0)}</track>'
    body += '<track id="3" label="cat"><box frame="10" outside="0" xtl="1" ytl="1" xbr="5" ybr="5"/></track>'
    write_cvat(tmp_path / "clip", body)
    builder = convert_cvat(tmp_path)
    content = builder.content()
    assert content["videos"][0]["file_names"] == [f"clip/images/frame_{frame:06d}.png" for frame in range(3)]
    assert content["categories"] == [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}]
    dog, cat = content["annotations"]
    assert (dog["category_id"], cat["category_id"]) == (2, 1)
    assert same(masks_of(dog), [square_mask(), square_mask(), None])
    assert same(masks_of(cat), [expected, None, expected])
    assert "ignored: 1 box tracks" in builder.summary()
    builder.write(tmp_path / "out.json")
    assert len(YTVISDataset(tmp_path / "out.json", tmp_path).open(0)) == 3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (f'<track id="0" label="dog">{polygon(11)}</track>', "in frame '11', but the task has 3 frames from 10"),
        (f'<track id="0" label="dog">{polygon(16)}</track>', "in frame '16'"),
        ('<track id="5" label="dog"><polygon frame="10" points="1,2;x,y"/></track>', "track 5, frame 0: a polygon"),
        (
            '<track label="dog"><mask frame="10" rle="3, 4" left="0" top="0" width="4" height="2"/></track>',
            "its runs do not fill its box",
        ),
        (
            '<track label="dog"><mask frame="10" rle="0, 8" left="18" top="0" width="4" height="2"/></track>',
            "its box is not inside the frame",
        ),
        ("<track/>", "track 0 has no label"),
        ("<track>", "is not valid XML"),
        ('<image id="0"/>', "not in the format 'CVAT for video 1.1'"),
    ],
)
def test_cvat_names_what_is_wrong(tmp_path: Path, body: str, message: str) -> None:
    write_cvat(tmp_path, body)
    with pytest.raises(DatasetError, match=message) as error:
        convert_cvat(tmp_path)
    assert str(tmp_path / "annotations.xml") in str(error.value)
    assert "\n" not in str(error.value)


def test_cvat_with_entities_is_refused(tmp_path: Path) -> None:
    write_cvat(tmp_path, "<x>&b;</x>", '<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]>\n')
    with pytest.raises(DatasetError, match="declares XML entities"):
        convert_cvat(tmp_path)


def test_cvat_needs_all_images(tmp_path: Path) -> None:
    write_cvat(tmp_path, "", images=2)
    with pytest.raises(DatasetError, match=r"holds 2 images, .* has 3 frames"):
        convert_cvat(tmp_path)


def test_nothing_is_written_without_videos_or_labels(tmp_path: Path) -> None:
    write_labelme(tmp_path / "0.json", [])
    with pytest.raises(DatasetError, match="has no category"):
        convert_labelme(tmp_path).write(tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no videos"):
        convert_labelme(tmp_path / "empty")
