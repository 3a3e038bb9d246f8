"""COCO files as annotated videos, and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmdet_vis.data.datasets import YTVISDataset
from mmdet_vis.data.formats.annotated import ReadOptions
from mmdet_vis.data.formats.coco_json import read_coco
from mmdet_vis.data.formats.ytvis_json import write_ytvis, ytvis_content
from mmdet_vis.errors import DatasetError
from tests.annotation_cases import SQUARE, H, W, masks_of, same, square_mask, write_image


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
    builder = read_coco(coco(tmp_path), ReadOptions(repeat=2))
    content = ytvis_content(builder)
    assert content["videos"] == [
        {"id": 30, "height": H, "width": W, "length": 2, "file_names": ["x.jpg", "x.jpg"], "exhaustive": False},
        {"id": 10, "height": H, "width": W, "length": 2, "file_names": ["y.jpg", "y.jpg"]},
    ]
    assert content["categories"] == [{"id": 90, "name": "cat"}, {"id": 3, "name": "dog"}]
    crowd, first = content["annotations"]
    assert (first["video_id"], first["category_id"], first["iscrowd"]) == (10, 3, 0)
    assert first["bboxes"] == [[2, 3, 6, 6]] * 2
    assert first["areas"] == [36, 36]
    assert same(masks_of(first), [square_mask()] * 2)
    assert (crowd["video_id"], crowd["iscrowd"], crowd["areas"]) == (30, 1, [H * W] * 2)
    assert "1 objects without a pixel" in builder.notes.doubts()


def test_coco_polygons_that_enclose_nothing_are_counted(tmp_path: Path) -> None:
    polygon = [float(value) for point in SQUARE for value in point]
    entries = [
        {"id": 1, "image_id": 10, "category_id": 3, "segmentation": [[1, 2], polygon, [1, 2, 3, 4]]},
        {"id": 2, "image_id": 30, "category_id": 90, "segmentation": [[1, 2, 3, 4]]},
    ]
    builder = read_coco(coco(tmp_path, annotations=entries))
    (kept,) = ytvis_content(builder)["annotations"]
    assert same(masks_of(kept), [square_mask()])
    assert builder.notes.lines()[0] == "left out: 1 objects without a pixel, 3 polygons of fewer than 3 points"


def test_coco_result_is_a_dataset(tmp_path: Path) -> None:
    write_image(tmp_path / "x.jpg")
    write_image(tmp_path / "y.jpg")
    write_ytvis(read_coco(coco(tmp_path)), tmp_path / "new folder" / "out.json")
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
        read_coco(coco(tmp_path, **changes))


def test_coco_subset_of_the_reference_data(shared: Path, tmp_path: Path) -> None:
    path = shared / "data/stills/instances.json"
    if not path.is_file():
        pytest.skip("needs the still images in ../shared")
    source = json.loads(path.read_text())
    source["images"] = source["images"][::5]
    kept = {image["id"] for image in source["images"]}
    source["annotations"] = [annotation for annotation in source["annotations"] if annotation["image_id"] in kept]
    (tmp_path / "part.json").write_text(json.dumps(source))
    content = ytvis_content(read_coco(tmp_path / "part.json", ReadOptions(path.parent / "images")))
    assert [video["id"] for video in content["videos"]] == [image["id"] for image in source["images"]]
    assert [video["exhaustive"] for video in content["videos"]] == [image["exhaustive"] for image in source["images"]]
    assert len(content["annotations"]) == len(source["annotations"])
    # Rasterised masks agree with the areas of the outlines, which COCO measured before the images were scaled.
    stated = np.array([annotation["area"] for annotation in source["annotations"]])
    found = np.array([annotation["areas"][0] for annotation in content["annotations"]])
    large = stated > 1000
    assert np.median(np.abs(found[large] / stated[large] - 1)) < 0.02


def tracked(folder: Path, **image: Any) -> Path:
    """Frames of the videos a and b; a has an object by the attributes of CVAT, and a mask without a track."""
    polygon = [float(value) for point in SQUARE for value in point]
    names = ["a/1.png", "b/1.png", "a/10.png", "a/2.png"]
    images = [{"id": n, "file_name": name, "height": H, "width": W, **image} for n, name in enumerate(names)]
    cvat = {"attributes": {"occluded": False, "track_id": 0}}
    runs = {"size": [H, W], "counts": [5, 4, H * W - 9]}
    annotations = [
        {"id": 1, "image_id": 0, "category_id": 3, "segmentation": polygon, **cvat},
        {"id": 2, "image_id": 2, "category_id": 3, "segmentation": runs, "iscrowd": 1, **cvat},
        {"id": 3, "image_id": 2, "category_id": 3, "segmentation": [polygon], **cvat},
        {"id": 4, "image_id": 1, "category_id": 90, "segmentation": [polygon], "track_id": 7},
        {"id": 5, "image_id": 0, "category_id": 90, "segmentation": [polygon]},
        {"id": 6, "image_id": 3, "category_id": 90, "bbox": [1, 1, 2, 2], "track_id": 8},
    ]
    return coco(folder, images=images, annotations=annotations)


def test_objects_with_a_track_id_make_videos(tmp_path: Path) -> None:
    found = read_coco(tracked(tmp_path))
    first, second = found.videos
    assert first.file_names == ["a/1.png", "a/2.png", "a/10.png"]
    assert second.file_names == ["b/1.png"]
    assert [[mask is not None for mask in track.masks] for track in first.tracks] == [
        [True, False, True], [True, False, False],
    ]  # fmt: skip
    assert not any(track.crowd for track in first.tracks)
    assert found.notes.left_out == {"boxes without a mask": 1, "objects without a pixel": 1}
    # 2 folders, a flat polygon, a crowd, an untracked mask, two masks of one object in a frame
    assert sum(found.notes.guessed.values()) == 6


def test_images_may_say_their_video_and_frame(tmp_path: Path) -> None:
    path = tracked(tmp_path, video_id=4)
    content = json.loads(path.read_text())
    for image, frame in zip(content["images"], (3, 2, 1, 0), strict=True):
        image["frame_id"] = frame
    content["videos"] = [{"id": 9}, {"id": 4}]
    path.write_text(json.dumps(content))
    found = read_coco(path)
    (video,) = found.videos
    assert video.file_names == ["a/2.png", "a/10.png", "b/1.png", "a/1.png"]
    assert found.notes.left_out["videos without an image"] == 1
    content["images"][0]["height"] = H + 1
    path.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="of the same video"):
        read_coco(path)
