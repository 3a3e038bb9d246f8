import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_vis.data.formats import sequence_annotations, write_results
from mmdet_vis.errors import OutputError
from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks


def make_result():
    masks = np.zeros((2, 8, 12), np.uint8)
    masks[0, 2:5, 3:9] = 1
    rles = encode_masks(masks)
    return VideoResult(
        name="clip",
        height=8,
        width=12,
        num_frames=2,
        sequences=[
            InstanceSequence(1, 2, 0.9, np.array([0.05, 0.0499, 0.9], np.float32), rles),
            InstanceSequence(2, 0, 0.3, np.array([0.3, -1, -1], np.float32), rles),
        ],
        categories=("cat", "dog", "cow"),
        category_ids=(11, 5, 7),
    )


def test_one_entry_per_sequence_and_category_at_or_above_the_threshold():
    entries = sequence_annotations(make_result(), video_id=4, score_thr=0.05)
    got = [(e["video_id"], e["category_id"], round(e["score"], 4)) for e in entries]
    assert got == [(4, 11, 0.05), (4, 7, 0.9), (4, 11, 0.3)]
    assert all(type(e["score"]) is float and len(e["segmentations"]) == 2 for e in entries)


def test_a_score_equal_to_the_threshold_is_written():
    result = make_result()
    result.sequences[0].class_scores = np.array([0.25, 0.2499, 0], np.float32)
    entries = sequence_annotations(result, 1, score_thr=0.25)
    assert [e["score"] for e in entries[:1]] == [0.25]
    assert len(entries) == 2


def test_what_a_person_named_has_no_other_category():
    result = make_result()
    result.sequences[1].named = True
    result.sequences[1].class_scores = np.array([0.001, 0.3, 0.2], np.float32)
    result.sequences[0].given = (1,)
    entries = sequence_annotations(result, 1, score_thr=0.05)
    assert [(e["category_id"], round(e["score"], 3)) for e in entries] == [(11, 0.05), (7, 0.9), (11, 0.001)]


def test_dropped_categories_never_appear():
    entries = sequence_annotations(make_result(), 1, score_thr=-5)
    assert [e["category_id"] for e in entries] == [11, 5, 7, 11]


def test_a_video_without_sequences_gives_no_entries():
    result = make_result()
    result.sequences.clear()
    assert sequence_annotations(result, 1) == []


def test_the_file_reads_back_and_pycocotools_decodes_it(tmp_path):
    entries = sequence_annotations(make_result(), 1)
    write_results(tmp_path / "results.json", entries)
    loaded = json.loads((tmp_path / "results.json").read_text())
    assert loaded == entries
    mask = coco_mask.decode(loaded[0]["segmentations"][0])
    assert mask.shape == (8, 12)
    assert mask[2:5, 3:9].all()
    assert mask.sum() == 18


def test_extra_keys_pass_and_the_bytes_are_the_same_each_time(tmp_path):
    entries = [{**e, "video_name": "größe"} for e in sequence_annotations(make_result(), 1)]
    for name in ("a.json", "b.json"):
        write_results(tmp_path / name, (e for e in entries))
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert json.loads((tmp_path / "a.json").read_bytes())[0]["video_name"] == "größe"


def test_no_entries_is_an_empty_list(tmp_path):
    write_results(tmp_path / "results.json", [])
    assert json.loads((tmp_path / "results.json").read_text()) == []


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_numbers_that_json_does_not_know_are_refused(tmp_path, value):
    path = tmp_path / "results.json"
    write_results(path, [{"score": 0.5}])
    with pytest.raises(ValueError, match="JSON compliant"):
        write_results(path, [{"score": 0.25}, {"score": value}])
    assert json.loads(path.read_text()) == [{"score": 0.5}]
    assert len(list(tmp_path.iterdir())) == 1


def test_a_folder_that_does_not_exist_is_an_output_error(tmp_path):
    with pytest.raises(OutputError, match="nowhere"):
        write_results(tmp_path / "nowhere" / "results.json", [])
