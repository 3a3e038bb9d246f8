"""Results as files: nothing is lost, and a file that was tampered with gives one line."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mmdet_vis.data.formats import result_file
from mmdet_vis.data.formats.result_file import read_result, write_result
from mmdet_vis.errors import OutputError, ResultsError, UserError
from mmdet_vis.result import VideoResult
from tests.structures.cases import make_result, random_masks


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "clip.json"
    make_result(random_masks(), VideoResult).save(path)
    return path


@pytest.mark.parametrize(
    "fields",
    [{}, {"fps": None}, {"frame_names": []}, {"name": "ü … \U0001f600", "fps": 29.97002997002997}],
)
def test_what_is_loaded_equals_what_was_saved(tmp_path, fields):
    result = make_result(random_masks(seed=1), VideoResult, **fields)
    result.sequences[0].score = 1 / 3
    result.sequences[0].class_scores[:] = np.array([1 / 3, np.float32(1e-30), 1], np.float32)
    result.save(tmp_path / "a.json")
    loaded = VideoResult.load(tmp_path / "a.json")
    assert loaded == result
    assert type(loaded) is VideoResult
    assert loaded.sequences[0].class_scores.dtype == np.float32
    loaded.save(tmp_path / "b.json")
    assert (tmp_path / "b.json").read_bytes() == (tmp_path / "a.json").read_bytes()


def test_without_sequences(tmp_path):
    result = make_result(random_masks(), VideoResult).filter(1)
    result.save(tmp_path / "a.json")
    assert VideoResult.load(tmp_path / "a.json") == result


def test_one_line_per_sequence_and_hidden_frames_are_null(saved):
    lines = saved.read_text().splitlines()
    assert len(lines) == 5
    assert json.loads(lines[2].rstrip(","))["masks"][2] is None
    assert json.loads(saved.read_text())["version"] == 1


def _first(key: str, value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["sequences"][0].__setitem__(key, value)


def _mask(value: Any) -> Callable[[dict[str, Any]], None]:
    return lambda content: content["sequences"][1]["masks"].__setitem__(3, value)


def test_a_stream_is_no_result(tmp_path):
    (tmp_path / "clip.jsonl").write_text('{"frame": 0}\n{"frame": 1}\n')
    with pytest.raises(ResultsError, match=r"clip\.jsonl is of a stream, a line for each frame: segment the video"):
        VideoResult.load(tmp_path / "clip.jsonl")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "coco"}, r"is not a result saved by VideoResult.save\(\)"),
        ({"version": 2}, "is of version 2 of this format, 1 is known: update mmdet_vis"),
        ({"height": True}, "height must be a whole number"),
        ({"height": 10**6, "width": 10**6}, "have more than"),
        ({"height": 10}, "sequence 0: the mask of frame 0 has runs of 126 pixels, the frame has 140"),
        ({"num_frames": 10**12}, "num_frames must be a whole number from 1 to 16777216"),
        ({"num_frames": 3}, "frame_names must be empty or the names of 3 files"),
        ({"num_frames": 3, "frame_names": []}, "sequence 0: masks must be 3 texts"),
        ({"frame_names": ["a", "b", "..", "d"]}, "frame_names must be"),
        ({"frame_names": ["a", "b", "../../x", "d"]}, "frame_names must be"),
        ({"name": "../x"}, "name must be a file's name, it is '../x'"),
        ({"name": "x\\y"}, "name must be a file's name"),
        ({"fps": 0}, "fps must be null or a number above 0"),
        ({"fps": "25"}, "fps must be null or a number above 0"),
        ({"categories": []}, "categories must be names"),
        ({"categories": ["a"]}, "category_ids must be 1 whole numbers"),
        ({"sequences": {}}, "sequences must be a list"),
        ({"sequences": [[]]}, "sequence 0: is not an object"),
        ({"sequences": None}, "sequences must be a list"),
        (_first("label", 3), "sequence 0: label must be a whole number from 0 to 2, it is 3"),
        (_first("track_id", 0), "sequence 0: track_id must be a whole number from 1"),
        (_first("track_id", 2), "sequences 0 and 1 have the same track_id 2: give one another"),
        (_first("score", float("nan")), "sequence 0: score must be a number from 0 to 1, it is nan"),
        (_first("score", 10**400), "sequence 0: score must be a number from 0 to 1"),
        (_first("class_scores", [0.1]), "sequence 0: class_scores must be 3 numbers from 0 to 1"),
        (_first("class_scores", [0.1, None, 0.2]), "sequence 0: class_scores must be 3 numbers from 0 to 1"),
        (_first("class_scores", [0.1, 7, 0.2]), "sequence 0: class_scores must be 3 numbers from 0 to 1"),
        (_first("score", 7), "sequence 0: score must be a number from 0 to 1, it is 7"),
        (_first("named", "yes"), "sequence 0: named must be true or false, it is 'yes'"),
        ({"show_thr": 9}, "show_thr must be from 0 to 1, it is 9"),
        ({"categories": ["a"] * 3}, "categories must be different names, 'a' is there more than once"),
        (_mask(7), "sequence 1: masks must be 4 texts"),
        (_mask(""), "sequence 1: the mask of frame 3 has no runs"),
        (_mask("~~"), "sequence 1: the mask of frame 3 has characters"),
        (_mask("11"), "sequence 1: the mask of frame 3 has runs of 2 pixels, the frame has 126"),
        (_mask("oooooooo0"), "sequence 1: the mask of frame 3 has"),
    ],
)
def test_what_does_not_fit_is_one_line(saved, change, message):
    content = json.loads(saved.read_text())
    if callable(change):
        change(content)
    else:
        content |= change
    saved.write_text(json.dumps(content))
    with pytest.raises(UserError, match=message) as caught:
        VideoResult.load(saved)
    assert str(caught.value).startswith(str(saved))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("key", ["name", "height", "num_frames", "fps", "frame_names", "category_ids", "sequences"])
def test_what_is_missing_is_named(saved, key):
    content = json.loads(saved.read_text())
    del content[key]
    saved.write_text(json.dumps(content))
    with pytest.raises(UserError, match=f"{key} is missing"):
        VideoResult.load(saved)


@pytest.mark.parametrize("text", ["", "[1]", "{", "\x80", '{"a":' * 100_000, "9" * 5000])
def test_no_json_is_one_line(tmp_path, text):
    (tmp_path / "a.json").write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match=r"a\.json"):
        VideoResult.load(tmp_path / "a.json")


def test_missing_folders_and_large_files(saved, tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"none\.json does not exist"):
        VideoResult.load(tmp_path / "none.json")
    with pytest.raises(UserError, match="is a folder"):
        VideoResult.load(tmp_path)
    monkeypatch.setattr(result_file, "MAX_BYTES", 100)
    with pytest.raises(UserError, match="is larger than"):
        VideoResult.load(saved)


def test_what_could_not_be_read_back_is_not_written(saved):
    before = saved.read_bytes()
    result = make_result(random_masks(), VideoResult)
    broken = copy.deepcopy(result)
    broken.sequences[1].score = float("nan")
    for bad, message in ((replace(result, name="a/b"), "name must be a file's name"), (broken, "sequence 2 is not")):
        with pytest.raises(UserError, match=message):
            bad.save(saved)
    assert saved.read_bytes() == before
    with pytest.raises(OutputError):
        result.save(saved.parent / "none" / "clip.json")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damaged_files_never_give_a_traceback(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzzed.json"
    write_result(path, make_result(random_masks()))
    text = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(text) - 1))
        text[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=3))
    path.write_bytes(bytes(text))
    try:
        frames = list(read_result(path, VideoResult).frames())
    except UserError as error:
        frames = []
        lines = str(error).splitlines()
        assert len(lines) == 1
    assert sum(len(frame.boxes) for frame in frames) <= 12
