"""labelme's JSON files as annotated videos, and back."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmdet_vis.data.formats.labelme import read_labelme
from mmdet_vis.data.formats.number_pngs import encode_png
from mmdet_vis.data.formats.ytvis_json import write_ytvis, ytvis_content
from mmdet_vis.errors import DatasetError
from tests.annotation_cases import SQUARE, H, W, masks_of, same, square_mask, write_image


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
    content = ytvis_content(read_labelme(tmp_path))
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


def test_folders_of_pictures_without_a_label_file_are_named(tmp_path: Path) -> None:
    for name in ("a", "b", "c/d"):
        write_image(tmp_path / name / "0.jpg")
    write_labelme(tmp_path / "a/0.json", [shape("cat", 1)])
    assert read_labelme(tmp_path).notes.lines() == ["note: 2 folders of pictures without a label file (b, c/d)"]
    assert read_labelme(tmp_path / "a").notes.lines() == []


def test_labelme_shapes_that_outline_nothing_are_counted(tmp_path: Path) -> None:
    box = [[1, 1], [5, 5]]
    shapes = [shape("cat", 1, box, "rectangle"), shape("cat", 1), shape("cat", 2, box, "line")]
    shapes += [shape("dog", None, [[1, 1]], "point"), shape("dog", None, box, "rectangle")]
    write_labelme(tmp_path / "clip/0.json", shapes)
    builder = read_labelme(tmp_path)
    (cat,) = ytvis_content(builder)["annotations"]
    assert same(masks_of(cat), [square_mask()])
    assert builder.notes.lines() == [
        "left out: 1 line shapes, 1 point shapes, 2 rectangle shapes",
        "note: 1 frames that are not beside their JSON files (give the frames' folder)",
    ]


def test_labelme_circles_are_their_centre_and_a_point_on_them(tmp_path: Path) -> None:
    write_labelme(tmp_path / "clip/0.json", [shape("cat", 1, [[12, 9], [12, 14]], "circle")])
    builder = read_labelme(tmp_path)
    (cat,) = ytvis_content(builder)["annotations"]
    (mask,) = masks_of(cat)
    rows, columns = np.mgrid[: mask.shape[0], : mask.shape[1]] + 0.5
    assert np.count_nonzero(mask != (np.hypot(columns - 12, rows - 9) <= 5)) <= 6  # along the edge
    assert not any("left out" in line for line in builder.notes.lines())


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        ([shape("cat", None), shape("cat", None)], r"shape 1 is the second 'cat' in this frame without a group_id"),
        ([shape("cat", 1, points=[[1, 1], [2, 2], [3]])], "shape 0: a polygon needs at least 3 points"),
        ([shape("cat", 1, points=[[1, 1], [2, float("nan")], [0, 1]])], "finite numbers"),
        ([shape("cat", 1, points=[[1, 1], [1e9, 2], [0, 1]])], "far outside the frame"),
        ([shape("cat", 1, [[1, 1], [2, 2], [3, 3]], "circle")], "a circle needs two points"),
        ([shape("cat", 1, [[1, 1], [1, float("inf")]], "circle")], "finite numbers"),
        ([{"points": SQUARE}], "shape 0 has no label"),
    ],
)
def test_labelme_names_the_bad_shape(tmp_path: Path, shapes: list[dict[str, Any]], message: str) -> None:
    write_labelme(tmp_path / "clip/0.json", shapes)
    with pytest.raises(DatasetError, match=message) as error:
        read_labelme(tmp_path)
    assert str(tmp_path / "clip/0.json") in str(error.value)


def test_labelme_files_that_do_not_belong_together(tmp_path: Path) -> None:
    write_image(tmp_path / "0.jpg")
    write_labelme(tmp_path / "0.json", [])
    write_labelme(tmp_path / "1.json", [])
    with pytest.raises(DatasetError, match=r"1\.json belongs to 1\.jpg, which is not in"):
        read_labelme(tmp_path)
    write_labelme(tmp_path / "1.json", [], image="0.jpg")
    with pytest.raises(DatasetError, match=r"both belong to 0\.jpg"):
        read_labelme(tmp_path)
    write_image(tmp_path / "1.jpg")
    write_labelme(tmp_path / "1.json", [], height=H + 1)
    with pytest.raises(DatasetError, match="different sizes"):
        read_labelme(tmp_path)
    (tmp_path / "1.json").write_text('{"shapes": {}}')
    with pytest.raises(DatasetError, match="is not a labelme file"):
        read_labelme(tmp_path)


def test_nothing_is_written_without_videos_or_labels(tmp_path: Path) -> None:
    write_labelme(tmp_path / "0.json", [])
    with pytest.raises(DatasetError, match="has no category"):
        write_ytvis(read_labelme(tmp_path), tmp_path / "out.json")
    assert not (tmp_path / "out.json").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no videos"):
        read_labelme(tmp_path / "empty")


def ai_mask(label: str, left: int, top: int) -> dict[str, Any]:
    data = base64.b64encode(encode_png(np.full((6, 6), 255, np.uint8))).decode()
    points = [[left, top], [left + 5, top + 5]]
    return shape(label, 1, points, "mask") | {"mask": data}


def test_labelme_masks_are_placed_at_the_corner_of_their_box(tmp_path: Path) -> None:
    write_labelme(tmp_path / "clip/0.json", [ai_mask("cat", 2, 3)])
    write_labelme(tmp_path / "clip/1.json", [ai_mask("cat", W - 2, H - 3)])
    first, second = masks_of(ytvis_content(read_labelme(tmp_path))["annotations"][0])
    assert same([first], [square_mask()])
    assert second is not None
    assert second.sum() == second[H - 3 :, W - 2 :].sum() == 6  # what lies outside is cut off
    write_labelme(tmp_path / "clip/0.json", [ai_mask("cat", 2, 3) | {"mask": "no PNG"}])
    with pytest.raises(DatasetError, match=r"0\.json: shape 0: its mask is not a PNG in base64"):
        read_labelme(tmp_path)


def test_labelme_frames_without_a_file_were_annotated_by_nobody(tmp_path: Path) -> None:
    for frame in range(3):
        write_image(tmp_path / f"clip/F{frame}.PNG")
    write_labelme(tmp_path / "clip/f1.json", [shape("cat", None)], image="f1.png")
    write_labelme(tmp_path / "clip/f2.json", [])
    found = read_labelme(tmp_path)
    assert found.videos[0].annotated == [False, True, True]
    assert ytvis_content(found)["videos"][0]["annotated_frames"] == [1, 2]
    assert found.notes.guessed == {"frames that their JSON file calls by another name": 2}
