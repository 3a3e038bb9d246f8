"""What a result says about itself: masks, boxes, frames, tables."""

from __future__ import annotations

import subprocess
import sys
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pandas
import pytest

from mmdet_vis.errors import ConfigError, ViewError
from mmdet_vis.structures import VideoResult
from tests.structures.cases import make_result, random_masks


def box_of(mask: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(mask)
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def test_masks_and_boxes_of_a_sequence():
    masks = random_masks()
    for own, sequence in zip(masks, make_result(masks).sequences, strict=True):
        array = sequence.masks_array()
        assert array.dtype == np.bool_
        np.testing.assert_array_equal(array, own)
        np.testing.assert_array_equal(sequence.areas, own.sum(axis=(1, 2)))
        assert sequence.boxes.dtype == np.float32
        assert sequence.boxes.shape == (4, 4)
        for box, mask in zip(sequence.boxes, own, strict=True):
            if mask.any():
                assert box.tolist() == box_of(mask)
            else:
                assert np.isnan(box).all()


def test_boxes_of_long_videos():
    masks = np.zeros((1, 600, 3, 4), bool)
    masks[0, ::2, 1, 2] = True
    boxes = make_result(np.repeat(masks, 2, axis=0)).sequences[0].boxes
    np.testing.assert_array_equal(boxes[::2], np.tile([2, 1, 3, 2], (300, 1)))
    assert np.isnan(boxes[1::2]).all()


def test_frames_hold_what_is_visible():
    masks = random_masks()
    result = make_result(masks)
    frames = list(result.frames())
    assert [f.index for f in frames] == [0, 1, 2, 3]
    assert [f.track_ids.tolist() for f in frames] == [[1, 2, 3], [1, 2], [1], [1, 2]]
    assert (frames[2].name, frames[2].time) == ("00010", 0.25)
    for frame in frames:
        own = masks[frame.track_ids - 1, frame.index]
        assert frame.masks.dtype == np.bool_
        np.testing.assert_array_equal(frame.masks, own)
        np.testing.assert_array_equal(frame.areas, own.sum(axis=(1, 2)))
        assert frame.boxes.tolist() == [box_of(mask) for mask in own]
        assert frame.categories == [result.categories[label] for label in frame.labels]
        assert frame.scores.tolist() == [result.sequences[n - 1].score for n in frame.track_ids]
    assert result.frame(-1).index == 3


def test_a_frame_without_objects():
    frame = make_result(np.zeros((2, 3, 5, 6), bool), fps=None).frame(1)
    assert (len(frame), frame.time, frame.masks.shape, frame.boxes.shape) == (0, None, (0, 5, 6), (0, 4))


@pytest.mark.parametrize("index", [4, -5])
def test_frames_that_are_not_there(index):
    with pytest.raises(ViewError, match=f"clip has 4 frames, there is no frame {index}"):
        make_result(random_masks()).frame(index)


def test_filter():
    result = make_result(random_masks())
    assert [s.track_id for s in result.filter(score=0.6).sequences] == [1, 2]
    assert [s.track_id for s in result.filter(category="bird").sequences] == [3]
    assert [s.track_id for s in result.filter(score=0.6, category=["bird", "dog"]).sequences] == [2]
    assert len(result.sequences) == 3  # the original is left as it is
    assert result.filter() == result
    with pytest.raises(ConfigError, match=r"category 'cat' is none of the model's: person, dog, bird"):
        result.filter(category=["dog", "cat"])


def test_equality():
    result = make_result(random_masks())
    assert result == deepcopy(result)
    assert result != "clip"
    for other in (replace(result, name="other"), replace(result, fps=None), result.filter(0.6)):
        assert result != other
    for change in ({"score": 0.1}, {"class_scores": np.zeros(3, np.float32)}, {"masks": result.sequences[1].masks}):
        changed = replace(result, sequences=[replace(result.sequences[0], **change), *result.sequences[1:]])
        assert result != changed
    with pytest.raises(TypeError, match="unhashable"):
        hash(result)


def test_repr_is_one_short_line():
    result = make_result(random_masks())
    assert repr(result) == (
        "VideoResult('clip', 4 frames of 14x9, 3 sequences: #1 person 0.90, #2 dog 0.70, #3 bird 0.50)"
    )
    assert repr(result.filter(1)) == "VideoResult('clip', 4 frames of 14x9, 0 sequences)"
    many = make_result(np.repeat(random_masks(), 20, axis=0))
    assert len(repr(many)) < 300
    assert repr(many).endswith(", …)")
    assert repr(result.sequences[1]) == "InstanceSequence(track_id=2, label=1, score=0.700, visible in 3 of 4 frames)"
    assert repr(result.frame(1)) == "FrameObjects(1, '00005': #1 person 0.90, #2 dog 0.70)"


def test_html_lists_the_sequences_and_escapes_names():
    html = make_result(random_masks(), name="<script>")._repr_html_()
    assert "<script>" not in html
    assert html.count("<tr>") == 4
    assert "<td>2</td><td>dog</td><td>0.700</td><td>0 to 3</td><td>3</td>" in html


def test_to_pandas_has_a_row_where_an_object_is_visible():
    masks = random_masks()
    table = make_result(masks).to_pandas()
    assert list(zip(table.track_id, table.frame, strict=True)) == [
        (1, 0), (1, 1), (1, 2), (1, 3), (2, 0), (2, 1), (2, 3), (3, 0),
    ]  # fmt: skip
    row = table[(table.track_id == 2) & (table.frame == 3)].iloc[0]
    assert (row.category, row.frame_name, row.time) == ("dog", "00015", 3 / 8)
    assert [row.x0, row.y0, row.x1, row.y1] == box_of(masks[1, 3])
    assert row.area == masks[1, 3].sum()
    assert row.score == pytest.approx(0.7)


def test_to_pandas_without_objects_or_clock():
    empty = make_result(random_masks()).filter(1).to_pandas()
    full = make_result(random_masks(), fps=None).to_pandas()
    assert len(empty) == 0
    assert list(empty.columns) == list(full.columns)
    assert full.time.isna().all()
    assert isinstance(full, pandas.DataFrame)


def test_packages_that_are_missing(monkeypatch):
    result = make_result(random_masks())
    for name, call in (("pandas", result.to_pandas), ("supervision", lambda: result.to_supervision(0))):
        monkeypatch.setitem(sys.modules, name, None)
        with pytest.raises(ConfigError, match=rf"to_{name}\(\) needs the package {name}: pip install {name}"):
            call()


def test_to_supervision():
    supervision = pytest.importorskip("supervision")
    masks = random_masks()
    found = make_result(masks).to_supervision(1)
    assert isinstance(found, supervision.Detections)
    assert found.tracker_id.tolist() == [1, 2]
    assert found.class_id.tolist() == [0, 1]
    assert found["class_name"].tolist() == ["person", "dog"]
    np.testing.assert_array_equal(found.mask, masks[:2, 1])
    assert found.xyxy.tolist() == [box_of(mask) for mask in masks[:2, 1]]
    assert len(make_result(np.zeros((2, 3, 5, 6), bool)).to_supervision(0)) == 0


def test_a_result_needs_neither_torch_nor_the_optional_packages():
    code = (
        "import sys, numpy\n"
        "from mmdet_vis.structures import VideoResult\n"
        "VideoResult('a', 4, 6, 2, [], ('x',), (1,)).filter(0.5).frame(1)\n"
        "print(sorted({'torch', 'pandas', 'supervision'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_subclasses_stay_what_they_are():
    class Own(VideoResult):
        pass

    result = make_result(random_masks(), Own)
    assert type(result.filter(0.6)) is Own
    assert repr(result).startswith("Own(")
