"""Proposals from files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from mmdet_vis.errors import DatasetError
from mmdet_vis.propose_reduce.proposer import Place, Proposals
from mmdet_vis.proposers import FilesProposer
from mmdet_vis.structures import encode_masks
from tests.proposers.writing import write_proposals

IMAGES = np.zeros((2, 20, 30, 3), np.uint8)
PLACES = [Place("clip", 0, "00000"), Place("clip", 7, "00007")]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "categories.json").write_text('[{"id": 3, "name": "cat"}, {"id": 17, "name": "dog"}]')
    return tmp_path


def mask(x: int) -> np.ndarray:
    found = np.zeros((1, 20, 30), np.uint8)
    found[0, 4:10, x : x + 6] = 1
    return found


def entry(x: int, number: int = 17, **more) -> dict:
    return {"category_id": number, "score": 0.5, "segmentation": encode_masks(mask(x))[0], **more}


def write(path, entries) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(entries))


def test_one_file_for_a_video_and_one_for_each_frame_say_the_same(folder):
    polygon = [[12, 4, 18, 4, 18, 10, 12, 10]]
    first = [entry(2), entry(12, 3, segmentation=polygon, score=0.25, bbox=[12, 4, 6, 6])]
    write(folder / "clip.json", [{**e, "image_id": 0} for e in first] + [{**entry(20), "image_id": "00007"}])
    whole = FilesProposer(str(folder)).propose(IMAGES, PLACES)
    alone = FilesProposer(str(folder / "clip.json")).propose(IMAGES, PLACES)
    (folder / "clip.json").unlink()
    write(folder / "clip" / "00000.json", first)
    write(folder / "clip" / "00007.json", [entry(20)])
    proposer = FilesProposer(str(folder))
    assert proposer.categories == ("cat", "dog")
    for found in (whole, alone, proposer.propose(IMAGES, PLACES)):
        assert np.array_equal(found[0].masks, np.concatenate([mask(2), mask(12)]))
        assert found[0].boxes.tolist() == [[2, 4, 8, 10], [12, 4, 18, 10]]
        assert found[0].scores.tolist() == [[0.5, 0, 0.5], [0.75, 0.25, 0]]
        assert np.array_equal(found[1].masks, mask(20))


def test_boxes_without_masks_and_frames_without_objects(folder):
    write(folder / "clip.json", [{"image_id": 0, "category_id": 3, "score": 1, "bbox": [1, 2, 3.5, 4]}])
    boxes, nothing = FilesProposer(str(folder)).propose(IMAGES, PLACES)
    assert boxes.masks is None
    assert boxes.boxes.tolist() == [[1, 2, 4.5, 6]]
    assert nothing.boxes.shape == (0, 4)
    assert nothing.scores.shape == (0, 3)
    assert nothing.masks.shape == (0, 20, 30)


def test_what_is_written_is_read(tmp_path):
    rng = np.random.default_rng(0)
    scores = rng.dirichlet(np.ones(3), 2).astype(np.float32)
    boxes = np.array([[2, 4, 8, 10], [12, 4, 18, 10]], np.float32)
    found = [Proposals(boxes, scores, np.concatenate([mask(2), mask(12)])), Proposals(boxes[:1], scores[:1])]
    write_proposals(tmp_path / "clip.json", found, [0, 7])
    again = FilesProposer(str(tmp_path / "clip.json"), categories=["cat", "dog"]).propose(IMAGES, PLACES)
    for one, other in zip(found, again, strict=True):
        assert np.array_equal(one.boxes, other.boxes)
        assert np.array_equal(one.best, other.best)
        assert (one.masks is None) == (other.masks is None)
    assert np.array_equal(found[0].masks, again[0].masks)


WRONG = [
    ([{"image_id": 0, "category_id": 5, "score": 1, "bbox": [0, 0, 1, 1]}], "entry 0 of frame 00000 has category_id 5"),
    ([{"image_id": 0, "category_id": 3, "score": 2, "bbox": [0, 0, 1, 1]}], "has score 2, not a number from 0 to 1"),
    ([{"image_id": 0, "category_id": 3, "score": 1, "bbox": [0, 0, 0, 1]}], r"has bbox \[0, 0, 0, 1\], not"),
    ([{"image_id": 0, "category_id": 3, "score": 1}], "has bbox None"),
    ([{"category_id": 3, "score": 1}], "entry 0 has no image_id"),
    (
        [entry(2, image_id=0), {"image_id": 0, "category_id": 3, "score": 1, "bbox": [0, 0, 1, 1]}],
        "all of them or none",
    ),
    ([entry(2, image_id=0, segmentation={"size": [9, 9], "counts": "1"})], "has a segmentation that has size"),
    ({"images": []}, "is not a list of COCO results"),
]


@pytest.mark.parametrize(("content", "line"), WRONG)
def test_wrong_entries_are_one_line(folder, content, line):
    write(folder / "clip.json", content)
    with pytest.raises(DatasetError, match=line):
        FilesProposer(str(folder)).propose(IMAGES, PLACES)


def test_files_that_are_missing_are_named(folder, tmp_path):
    with pytest.raises(DatasetError, match=r"has neither clip\.json nor a folder clip"):
        FilesProposer(str(folder)).propose(IMAGES, PLACES)
    write(folder / "clip" / "00000.json", [])
    with pytest.raises(DatasetError, match=r"00007\.json does not exist: every key frame needs its file"):
        FilesProposer(str(folder)).propose(IMAGES, PLACES)
    with pytest.raises(DatasetError, match="does not exist: give a folder"):
        FilesProposer(str(folder / "other"))
    (folder / "categories.json").unlink()
    with pytest.raises(DatasetError, match=r"categories\.json does not exist: write the names"):
        FilesProposer(str(folder))
