"""The files that a run leaves behind for the next one, in both layouts as versions before wrote them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mmdet_vis.data.datasets.inputs import inputs_of
from mmdet_vis.errors import OutputError
from mmdet_vis.run.job import Job, jobs_of_files
from mmdet_vis.run.store import DatasetStore, FilesStore, fingerprint
from tests.tiny import write_frames

IDENTITY = {"version": "1", "checkpoint": "x", "options": {"key_num": 1}, "config": {"a": [1, None]}}
ENTRY = {"video_id": 0, "category_id": 2, "score": 0.5, "segmentations": [None]}


def no_source() -> None:
    raise AssertionError("opened")


def dataset_jobs(*ids: int) -> list[Job]:
    return [Job(number, f"video{number}", no_source, {}, frames=1) for number in ids]  # type: ignore[arg-type]


def test_a_run_over_files(tmp_path: Path) -> None:
    paths = [write_frames(tmp_path / "in" / name, 1) for name in ("a", "b", "c")]
    jobs = jobs_of_files(inputs_of(paths), tmp_path, ("json", "png"))
    records = tmp_path / ".progress"
    records.mkdir()
    (records / "run.json").write_text(json.dumps(IDENTITY))
    for path in paths[1:]:
        name = hashlib.sha256(path.name.encode()).hexdigest()[:32]
        record = {"input": fingerprint(path), "frames": 1, "entries": [ENTRY]}
        (records / f"{name}.json").write_text(json.dumps(record) + "\n")
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "00000.png").touch()
    (tmp_path / "c" / ".tmp-0f.png").touch()
    store = FilesStore(tmp_path, jobs)
    assert store.check(IDENTITY, resume=True) == {3}, "the picture of b is not there"
    assert len(list(records.iterdir())) == 3, "only looked at"
    store.prepare()
    assert store.done() == {3}
    assert len(list(records.iterdir())) == 2
    assert not list(tmp_path.rglob(".tmp-*"))
    store.write_results()
    expected = [{**ENTRY, "video_id": 3, "video_name": "c"}]
    assert (tmp_path / "results.json").read_text() == f"[\n{json.dumps(expected[0])}\n]\n"
    anew = FilesStore(tmp_path, jobs)
    assert anew.check(IDENTITY, resume=False) == set()
    assert anew.done() == {3}
    anew.prepare()
    assert [path.name for path in records.iterdir()] == ["run.json"]
    assert (tmp_path / "c" / "00000.png").exists()


def test_a_run_over_a_dataset(tmp_path: Path) -> None:
    identity = {**IDENTITY, "dataset": {"videos": 3}}
    (tmp_path / "videos").mkdir()
    (tmp_path / "run.json").write_text(json.dumps(identity))
    for number, text in ((7, f"[\n{json.dumps(ENTRY)}\n]\n"), (8, ""), (99, "[\n]\n")):
        (tmp_path / "videos" / f"{number}.json").write_text(text)
    store = DatasetStore(tmp_path, dataset_jobs(8, 7, 9))
    assert store.check(identity, resume=True) == {7}
    store.prepare()
    assert list(store.entries()) == [ENTRY]
    assert sorted(path.name for path in (tmp_path / "videos").iterdir()) == ["7.json", "99.json"]
    with pytest.raises(OutputError, match="1 finished videos: resume=True"):
        store.check(identity, resume=False)
    assert store.check({}, resume=False, overwrite=True) == set()
    assert store.done() == {7}
    store.prepare()
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["run.json", "videos"]


@pytest.mark.parametrize("make", [FilesStore, DatasetStore])
def test_other_settings_are_refused(tmp_path: Path, make: Callable[[Path, list[Job]], FilesStore]) -> None:
    identity = {**IDENTITY, "dataset": {}}
    store = make(tmp_path, dataset_jobs(1))
    assert store.check(identity, resume=True) == set()
    store.prepare()
    with pytest.raises(OutputError, match=r"different in options.key_num \(1 before, 2 now\)"):
        store.check({**identity, "options": {"key_num": 2}}, resume=True)
    deep: dict[str, object] = {}
    for _ in range(400):
        deep = {"a": deep}
    with pytest.raises(OutputError, match=r"cannot resume|different in"):
        store.check({**identity, "config": deep}, resume=True)
