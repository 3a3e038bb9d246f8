"""JSON files that say in other words which frames, objects and categories belong together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmdet_vis.data.converters import read_annotations
from tests.annotation_cases import H, W
from tests.data.formats.test_variants import FLAT, coco, lengths, notes


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
