"""JSON files that say in other words which frames, objects and categories belong together."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmdet_vis.data.converters import read_annotations
from mmdet_vis.errors import DatasetError
from mmdet_vis.structures import encode_masks
from tests.annotation_cases import SQUARE, H, W, square_mask, write_image
from tests.data.formats.test_variants import FLAT, coco, lengths, notes, shape


def clips(folder: Path, names: list[str], objects: list[dict[str, Any]] | None = None, **image: Any) -> Path:
    """A COCO file of images that are not there, each with an object of track 1, changed as the arguments say."""
    images = [
        {"id": n, "file_name": name, "height": H, "width": W, **{key: values[n] for key, values in image.items()}}
        for n, name in enumerate(names)
    ]
    items = [{"image_id": n} for n in range(len(names))] if objects is None else objects
    base = {"category_id": 1, "track_id": 1, "segmentation": [FLAT], "iscrowd": 0}
    annotations = [{k: v for k, v in (base | item).items() if v is not ...} for item in items]
    categories = [{"id": 1, "name": "ball"}, {"id": 2, "name": "cat"}]
    path = folder / "a.json"
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": categories}))
    return path


APART = "2 videos of one folder, told apart by what is before the number"
DIFFER = "4 images whose names differ before their number, taken as of one video"


@pytest.mark.parametrize(
    ("names", "image", "expected", "said"),
    [
        ([f"clip{c}_mp4-000{n}_jpg.rf.{c}{n}a7f.jpg" for c in "AB" for n in (0, 1)], {}, [[2], [2]], APART),
        ([f"t/clip{c}_{n}.jpg" for c in "12" for n in (8, 9, 10)], {}, [[3], [3]], APART),
        ([f"10-{m}-{s}-{s}.jpg" for m in (1, 2) for s in (0, 30)], {}, [[4]], DIFFER),
        ([f"{n}.jpg" for n in range(4)], {"seq": ["x", "y", "x", "y"]}, [[2], [2]], ""),
        ([f"{n}.jpg" for n in range(4)], {"sequence": [7, 7, 8, 8]}, [[2], [2]], ""),
        (["a7.jpg", "b6.jpg", "c5.jpg", "d4.jpg"], {"frame_id": [0, 1, 2, 3]}, [[4]], ""),
        (["a7.jpg", "b6.jpg", "c5.jpg", "d4.jpg"], {}, [[4]], DIFFER),
    ],
)
def test_clips_of_one_folder(
    tmp_path: Path, names: list[str], image: dict[str, Any], expected: list[list[int]], said: str
) -> None:
    found = read_annotations(clips(tmp_path, names, **image))
    assert lengths(found) == expected
    assert said in notes(found)
    assert ("before" in notes(found)) == bool(said)


@pytest.mark.parametrize(
    ("changed", "expected", "said"),
    [
        ({"image_id": 0, "category_id": 2}, [[2, 1]], "3 masks of a track that has several categories in one frame"),
        ({"image_id": 1, "category_id": 2}, [[2, 1]], "3 masks of a track that has several categories in one frame"),
        ({"image_id": 2, "category_id": 2}, [[3]], "1 masks of another category than their track's first one"),
        ({"image_id": 2, "iscrowd": 1}, [[3]], '1 masks with another "iscrowd" than their track\'s first one'),
    ],
)
def test_a_track_that_changes(tmp_path: Path, changed: dict[str, Any], expected: list[list[int]], said: str) -> None:
    found = read_annotations(
        clips(tmp_path, [f"{n}.jpg" for n in range(3)], [{"image_id": 0}, {"image_id": 1}, changed])
    )
    assert lengths(found) == expected
    assert said in notes(found)


@pytest.mark.parametrize("name", ["cat", "Cat"])
def test_a_category_that_is_listed_again(tmp_path: Path, name: str) -> None:
    path = coco(tmp_path, {}, [{}, {"category_id": 5}])
    content = json.loads(path.read_text())
    content["categories"].append({"id": 5, "name": name, "supercategory": "cat"})
    path.write_text(json.dumps(content))
    found = read_annotations(path)
    assert lengths(found) == [[2]]
    assert found.categories == {"cat": 1}
    assert "1 category" in notes(found)


NFC, NFD = "v\u00e9lo", "ve\u0301lo"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        (NFD, f"{NFC}/{{}}.png"),
        (NFC, f"{NFD}/{{}}.png"),
        (NFD, f"{NFC.upper()}/{{}}.PNG"),
        ("my clip", "my%20clip/{}.png"),
        ("clip", "clip/{}.png?sig=a/b"),
        ("", "https://host/bucket/my%20clip/{}.png?sig=a/b"),
    ],
)
def test_frames_whose_names_are_encoded_otherwise(tmp_path: Path, folder: str, name: str) -> None:
    for number in range(3):
        write_image(tmp_path / "images" / folder / f"{number}.png")
    found = read_annotations(clips(tmp_path, [name.format(number) for number in range(3)]))
    assert found.images is not None
    assert all((found.images / file).is_file() for file in found.videos[0].file_names)
    assert "file names" in notes(found) or "3 frames whose files have another name" in notes(found)


def test_frames_that_are_not_there_are_said(tmp_path: Path) -> None:
    found = read_annotations(clips(tmp_path, ["a/0.jpg", "a/1.jpg"]))
    assert "note: 2 frames that were not found (give the frames' folder)" in notes(found)


@pytest.mark.parametrize("page", ["utf-8", "gbk", "cp932", "cp850"])
def test_zips_whose_names_are_in_an_old_code_page(tmp_path: Path, page: str) -> None:
    stem = {"gbk": "\u89c6\u9891", "cp932": "\u30d3\u30c7\u30aa", "cp850": "\u00e9t\u00e9"}.get(page, NFC)
    path = clips(tmp_path, [f"{stem}0.png", f"{stem}1.png"])
    write_image(tmp_path / "0.png")
    archive = tmp_path / "export.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.write(path, "a.json")
        for number in range(2):  # as long a name, for its bytes are put in below
            opened.write(tmp_path / "0.png", f"images/{'x' * len(stem.encode(page))}{number}.png")
    data = archive.read_bytes()
    archive.write_bytes(data.replace(b"x" * len(stem.encode(page)), stem.encode(page)))
    found = read_annotations(archive)
    assert found.images == tmp_path / "export/images"
    assert all((found.images / name).is_file() for name in found.videos[0].file_names)


def test_categories_of_two_encodings_are_one(tmp_path: Path) -> None:
    path = coco(tmp_path, {}, [{}, {"category_id": 5}])
    content = json.loads(path.read_text())
    content["categories"] = [{"id": 1, "name": NFC}, {"id": 5, "name": NFD}]
    path.write_text(json.dumps(content))
    found = read_annotations(path)
    assert (lengths(found), list(found.categories)) == ([[2]], [NFC])


def test_results_whose_ids_are_text(tmp_path: Path) -> None:
    masks = [encode_masks(square_mask()[None])[0], {}]
    entries = [{"video_id": "1", "category_id": 2.0, "score": 0.5, "segmentations": masks}]
    (tmp_path / "results.json").write_text(json.dumps(entries))
    found = read_annotations(tmp_path / "results.json")
    assert lengths(found) == [[1]]
    assert "1 category_ids written as text or real numbers" in notes(found)


@pytest.mark.parametrize(
    ("key", "expected", "said"),
    [
        ("track", [[3]], ""),
        ("track_uuid", [[3]], ""),
        (
            "object_id",
            [[1], [1], [1]],
            "guessed: 3 images, each taken as a video of one frame (no annotation",
        ),
        ("tid", [[1], [1], [1]], "'tid' has the same values in several images: call it track_id if it tells objects"),
        ("area", [[1], [1], [1]], "note: 3 frames that were not found (give the frames' folder), 3 images, each of"),
    ],
)
def test_keys_that_link_objects(tmp_path: Path, key: str, expected: list[list[int]], said: str) -> None:
    names = [f"{n}.jpg" for n in range(3)]
    found = read_annotations(clips(tmp_path, names, [{"image_id": n, "track_id": ..., key: 5} for n in range(3)]))
    assert lengths(found) == expected
    assert said in notes(found)


@pytest.mark.parametrize(
    ("shapes", "expected", "said"),
    [
        ([[shape()], [shape(group_id=1)], [shape(group_id=1)]], [[3]], "1 shapes without a group_id, taken as of the"),
        ([[shape(), shape(group_id=1)], [shape(group_id=1)]], [[1, 2]], "1 shapes without a group_id beside others"),
        ([[shape(group_id=2)], [shape(group_id=1)], [shape()]], [[1, 1, 1]], "1 shapes without a group_id beside"),
        ([[shape(attributes={"track_id": 4}), shape(attributes={"track_id": 5})]] * 2, [[2, 2]], ""),
        ([[shape()], [shape()]], [[2]], ""),
    ],
)
def test_labelme_groups(tmp_path: Path, shapes: list[list[Any]], expected: list[list[int]], said: str) -> None:
    for number, items in enumerate(shapes):
        content = {"imagePath": f"{number}.jpg", "imageHeight": H, "imageWidth": W, "shapes": items}
        (tmp_path / f"{number}.json").write_text(json.dumps(content))
    found = read_annotations(tmp_path)
    assert lengths(found) == expected
    assert said in notes(found)
    assert ("without a group_id" in notes(found)) == bool(said)


@pytest.mark.parametrize("subsets", [("train",), ("train", "valid")])
def test_subsets_with_a_file_each(tmp_path: Path, subsets: tuple[str, ...]) -> None:
    for subset in subsets:
        (tmp_path / subset).mkdir()
        path = clips(tmp_path / subset, ["0.png", "1.png"])
        for number in range(2):
            write_image(path.parent / f"{number}.png")
    (tmp_path / "README.roboflow.txt").write_text("exported")
    if len(subsets) == 1:
        assert lengths(read_annotations(tmp_path)) == [[2]]
        return
    with pytest.raises(DatasetError, match=r"holds 2 annotation files in its folders: give one .* as \S*train/a.json"):
        read_annotations(tmp_path)


def test_images_of_cvat_that_are_not_in_the_export_keep_their_folders(tmp_path: Path) -> None:
    points = ";".join(f"{x},{y}" for x, y in SQUARE)
    images = "".join(
        f'<image id="{n}" name="{clip}/{n}.jpg" width="{W}" height="{H}"><polygon label="cat" group_id="1" '
        f'points="{points}"/></image>'
        for clip in "ab"
        for n in (0, 1)
    )
    (tmp_path / "annotations.xml").write_text(f"<annotations><meta/>{images}</annotations>")
    found = read_annotations(tmp_path)
    names = [name for video in found.videos for name in video.file_names]
    assert len(set(names)) == 4
    assert [name.split("/")[-2] for name in names] == ["a", "a", "b", "b"]


def test_a_dataset_of_sa_v_is_one_with_its_frames(tmp_path: Path) -> None:
    for number in (0, 4):
        file = tmp_path / f"Annotations_6fps/sav_1/000/{number:05d}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(square_mask().astype(np.uint8) * 255).save(file)
    for number in range(5):
        write_image(tmp_path / f"JPEGImages_24fps/sav_1/{number:05d}.jpg")
    found = read_annotations(tmp_path)
    assert ([video.name for video in found.videos], lengths(found)) == (["sav_1"], [[2]])
    assert found.images == tmp_path / "JPEGImages_24fps"
    assert len(found.videos[0]) == 5
