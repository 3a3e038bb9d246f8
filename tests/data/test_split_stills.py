import json
import sys
from pathlib import Path

import pytest

from mmdet_vis.data.converters.split import split_stills
from mmdet_vis.errors import ConfigError, DatasetError
from tests import programs

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "configs/SeqMaskRCNN/seq_mask_rcnn_lite0_fpn_stills.py"
CLASSES = ["person", "other object"]
MAP = {"person": ["person"], "other object": ["*"]}


def content(count=12, partial=3):
    """Images with a person and a dog each; the last ``partial`` are not annotated throughout."""
    names = [
        "person",
        "bicycle",
        "car",
        "motorcycle",
        "airplane",
        "bus",
        "train",
        "truck",
        "boat",
        "bird",
        "cat",
        "dog",
    ]
    names += ["horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"]
    return {
        "images": [
            {"id": 100 + i, "file_name": f"{i}.jpg", "height": 20, "width": 30, "exhaustive": i < count - partial}
            for i in range(count)
        ],
        "annotations": [
            {
                "id": 2 * i + k,
                "image_id": 100 + i,
                "category_id": category,
                "iscrowd": 0,
                "bbox": [2, 2, 8, 8],
                "area": 64,
                "segmentation": [[2, 2, 10, 2, 10, 10, 2, 10]],
            }
            for i in range(count)
            for k, category in enumerate((1, 12))
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(names, 1)],
    }


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "instances.json"
    path.write_text(json.dumps(content()))
    return path


def ids(part):
    return {image["id"] for image in part["images"]}


def test_every_image_is_in_one_part(file):
    training, partial, measuring = split_stills(file, 3, CLASSES, MAP)
    parts = [ids(p) for p in (training, partial, measuring)]
    assert [len(p) for p in parts] == [6, 3, 3]
    assert set.union(*parts) == set(range(100, 112))
    for part, images in zip((training, partial, measuring), parts, strict=True):
        assert {a["image_id"] for a in part["annotations"]} == images
    assert parts[1] == {109, 110, 111}


def test_held_out_objects_have_the_models_classes(file):
    training, _, measuring = split_stills(file, 3, CLASSES, MAP)
    assert [c["name"] for c in measuring["categories"]] == CLASSES
    assert sorted(a["category_id"] for a in measuring["annotations"]) == [1, 1, 1, 2, 2, 2]
    assert {a["category_id"] for a in training["annotations"]} == {1, 12}  # as they were
    _, _, persons = split_stills(file, 3, ["person"], {"person": ["person"]})
    assert [a["category_id"] for a in persons["annotations"]] == [1, 1, 1]


def test_the_split_depends_on_the_file_alone(file, tmp_path):
    other = content()
    other["images"].reverse()
    (tmp_path / "other.json").write_text(json.dumps(other))
    first, second = (split_stills(f, 4, CLASSES, MAP) for f in (file, tmp_path / "other.json"))
    assert [ids(p) for p in first] == [ids(p) for p in second]


@pytest.mark.parametrize("held_out", [0, 9, 100])
def test_too_many_held_out(file, held_out):
    with pytest.raises(DatasetError, match="9 images with all objects annotated"):
        split_stills(file, held_out, CLASSES, MAP)


def test_a_map_that_does_not_fit(file):
    with pytest.raises(ConfigError, match="'unicorn' of 'person' is not a category"):
        split_stills(file, 3, ["person"], {"person": ["unicorn"]})


def test_a_file_that_is_no_coco_file(tmp_path):
    (tmp_path / "a.json").write_text('{"categories": [{"id": 1, "name": "person"}], "images": [3]}')
    with pytest.raises(DatasetError, match=r"a\.json lacks 'images' or 'annotations'"):
        split_stills(tmp_path / "a.json", 1, ["person"], {"person": ["person"]})


def run(*arguments):
    command = [sys.executable, ROOT / "tools/split_stills.py", *arguments]
    return programs.run(list(map(str, command)), capture_output=True, text=True)


def test_the_tool(file, tmp_path):
    result = run(CONFIG, file, tmp_path / "out", "--held-out", 2)
    assert result.returncode == 0, result.stderr
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "train.json",
        "train_partial.json",
        "val.json",
        "val_coco.json",
    ]
    videos = json.loads((tmp_path / "out/val.json").read_text())
    assert [len(v["file_names"]) for v in videos["videos"]] == [1, 1]
    assert sorted(a["category_id"] for a in videos["annotations"]) == [1, 1, 2, 2]
    missing = run(CONFIG, tmp_path / "no.json", tmp_path / "out")
    assert missing.returncode == 2
    assert "no.json" in missing.stderr
    assert len(missing.stderr.strip().splitlines()) == 1
