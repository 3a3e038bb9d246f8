"""Steps of corrections: back and forth, and read again from disk as they were."""

from __future__ import annotations

import pytest

from mmdet_vis.api import refine
from mmdet_vis.structures import Delete, Merge, Rename, Split
from mmdet_vis.webui import history as history_module
from mmdet_vis.webui.history import History, HistoryError
from tests.webui.projects import known_result


def step(history, correction, kind):
    history.add({"type": kind, "title": kind}, refine(history.result, [correction]))


def test_all_steps_come_back_from_disk(tmp_path):
    history = History(tmp_path, known_result())
    results = [history.result]
    for correction in (Delete(2), Rename(1, "unicorn"), Split(3, 8), Merge((1, 4))):
        step(history, correction, type(correction).__name__)
        results.append(history.result)
    history.undo()
    history.undo()
    history.redo()
    again = History(tmp_path)
    assert again.revision == history.revision == 7
    assert again.result == results[3]
    assert [edit["type"] for edit in again.edits] == ["Delete", "Rename", "Split"]
    assert again.undone == {"type": "Merge", "title": "Merge"}
    again.redo()
    assert again.result == results[4]
    for expected in reversed(results[:-1]):
        again.undo()
        assert again.result == expected
    with pytest.raises(HistoryError, match="nothing to undo"):
        again.undo()


def test_something_new_ends_what_could_be_redone(tmp_path):
    history = History(tmp_path, known_result())
    step(history, Delete(1), "delete")
    history.undo()
    step(history, Delete(2), "delete")
    with pytest.raises(HistoryError, match="nothing to redo"):
        history.redo()
    assert [s.track_id for s in History(tmp_path).result.sequences] == [1, 3, 4]


def test_a_line_that_was_cut_never_counted(tmp_path):
    history = History(tmp_path, known_result())
    step(history, Delete(1), "delete")
    with (tmp_path / "edits.jsonl").open("a") as log:
        log.write('{"edit": {"type": "del')
    again = History(tmp_path)
    assert again.result == history.result
    step(again, Delete(2), "delete")
    assert History(tmp_path).result == again.result


def test_a_step_takes_the_disk_that_it_changes(tmp_path):
    history = History(tmp_path, known_result())
    step(history, Delete(1), "delete")
    step(history, Rename(2, "cat"), "rename")
    sizes = [(tmp_path / "edits" / f"{number}.json").stat().st_size for number in (0, 1)]
    assert sizes[0] < sizes[1] < (tmp_path / "result.json").stat().st_size / 2


def test_steps_are_bounded(tmp_path, monkeypatch):
    monkeypatch.setattr(history_module, "MOST_EDITS", 2)
    history = History(tmp_path, known_result())
    step(history, Delete(1), "delete")
    history.undo()
    with pytest.raises(HistoryError, match="2 corrections, the most"):
        history.redo()
    assert History(tmp_path).result == known_result()
