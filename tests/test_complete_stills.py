"""Stills of which one object is annotated, completed by what detectors see in them."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from scripts.default_model.complete_stills import Seen, complete
from tests import programs
from tests.clip_cases import still_object, write_stills

PERSON, CUP = 10, 50
MASK: dict[str, Any] = {"size": [4, 4], "counts": b"04"}


def seen(x: float, score: float, category: int = CUP, mask: dict[str, Any] | None = None) -> Seen:
    return Seen([x, 10.0, 20.0, 20.0], score, category, mask)


def test_what_both_see_and_the_teacher_is_sure_of_is_an_object() -> None:
    own = [seen(0, 0.9, mask=MASK), seen(50, 0.6, mask=MASK), seen(100, 0.2, mask=MASK), seen(150, 0.2, mask=MASK)]
    teacher = [seen(1, 0.95, PERSON), seen(101, 0.7, PERSON), seen(200, 0.9), seen(250, 0.1)]
    objects, regions = complete([[0.0, 10.0, 20.0, 20.0]], own, teacher, suspect=0.2, sure=0.5)
    # The annotated object is known; what only the teacher sees has no mask; its weak guess counts for nothing.
    assert [(item.box[0], item.score, item.category) for item in objects] == [(100, 0.7, PERSON)]
    assert all(item.mask is MASK for item in objects)
    assert [item.box[0] for item in regions] == [50, 150, 200]


def test_without_a_model_boxes_are_ignored(repository: Path, tmp_path: Path) -> None:
    write_stills(tmp_path, {1: [still_object(1, PERSON, (20, 20, 50, 60))], 2: [still_object(2, CUP, (5, 5, 20, 20))]})
    boxes = [
        {"image_id": 1, "category_id": PERSON, "bbox": [22, 20, 50, 60], "score": 0.9},
        {"image_id": 1, "category_id": CUP, "bbox": [80, 5, 10, 20], "score": 0.4},
        {"image_id": 2, "category_id": 999, "bbox": [40, 5, 10, 20], "score": 0.9},
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    script = repository / "scripts/default_model/complete_stills.py"
    arguments = [tmp_path / name for name in ("stills.json", "images", "boxes.json", "out.json")]
    done = programs.run([sys.executable, script, *arguments], capture_output=True, text=True, cwd=repository)
    assert done.returncode == 0, done.stderr
    assert "0 objects and 1 regions to ignore added to 2 images" in done.stdout
    content = json.loads((tmp_path / "out.json").read_text())
    added = content["annotations"][-1]
    assert (added["image_id"], added["iscrowd"], added["bbox"]) == (1, 1, [80, 5, 10, 20])
    assert all(image["exhaustive"] for image in content["images"])


def test_a_graph_that_is_none_is_one_line(repository: Path, tmp_path: Path) -> None:
    (tmp_path / "graph.pb").write_text("nothing")
    script = repository / "scripts/default_model/teacher_boxes.py"
    names = ("graph.pb", "graph.pbtxt", "stills.json", "images", "out.json")
    done = programs.run([sys.executable, script, *names], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert "graph.pb cannot be read" in done.stderr
    assert "Traceback" not in done.stderr
