"""Runs over files and folders, in this process: interrupted, resumed, out of memory."""

from __future__ import annotations

import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import mmdet_vis.run.loop as loop
import mmdet_vis.run.videos as engine
from mmdet_vis.api import VISModel, load_model
from mmdet_vis.data.datasets import inputs
from mmdet_vis.errors import CheckpointError, OutputError, SourceError
from mmdet_vis.result import VideoResult
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.store import FilesStore
from mmdet_vis.run.videos import Run, run_files
from tests.tiny import write_frames

FORMATS = ("json", "overlay", "video", "png")


@pytest.fixture(scope="module")
def model(tiny: tuple[Path, Path]) -> VISModel:
    return load_model(*tiny, device="cpu")


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """Three folders of frames."""
    for name, frames in (("a", 3), ("b", 2), ("c", 4)):
        write_frames(tmp_path / "in" / name, frames, seed=frames)
    return tmp_path / "in"


def run(
    model: VISModel,
    videos: Path,
    save: Path,
    resume: bool = False,
    options: RunOptions | None = None,
    checkpoint: Path | None = None,
) -> dict[str, Any]:
    """What the command does, with one key frame and a model that is there; returns the summary."""
    options = options or RunOptions(formats=FORMATS, key_num=1, show_thr=0.0)
    told: list[dict[str, Any]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mmdet_vis.run.options.load_model", lambda *_, **__: model)
        patch.setattr(engine, "_tell", lambda summary, _: told.append(summary))
        code = run_files(
            Run(model.config, checkpoint or Path(__file__), options, "cpu", save_dir=save, resume=resume), videos
        )
    (summary,) = told
    assert code == (3 if summary["failures"] else 0)
    return summary


def counts(summary: dict[str, Any]) -> tuple[int, int]:
    """Videos that were done before, and in this run."""
    done = summary["this_run"]["videos"]
    return summary["videos_done"] - done, done


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def stop_before(name: str, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the video of that name raise an error when it is opened."""
    whole = inputs.open_source

    def open_source(path: Path) -> object:
        if path.name == name:
            raise error
        return whole(path)

    monkeypatch.setattr(inputs, "open_source", open_source)


def test_interrupted_and_resumed_gives_the_same_bytes(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(model, videos, tmp_path / "whole")
    with monkeypatch.context() as patch:
        stop_before("c", patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(model, videos, tmp_path / "out")
    out = tmp_path / "out"
    found = json.loads((out / "results.json").read_text())
    assert {entry["video_name"] for entry in found} == {"a", "b"}
    (out / ".tmp-00ff.mp4").write_text("cut short")
    (out / "c").mkdir()
    (out / "c" / ".tmp-00ff.jpg").write_text("cut short")
    kept = {path: path.stat().st_mtime_ns for path in (*out.glob("a/*"), *out.glob("b/*"), out / "a.mp4")}
    assert counts(run(model, videos, out, resume=True)) == (2, 1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "done once"
    assert contents(out) == contents(tmp_path / "whole")
    assert counts(run(model, videos, out, resume=True)) == (3, 0)
    assert contents(out) == contents(tmp_path / "whole")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("shapes do not match"), SourceError("damaged")])
def test_a_run_that_did_nothing_leaves_nothing(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    stop_before("a", monkeypatch, error)
    out = tmp_path / "out"
    with pytest.raises(type(error)):
        run(model, videos / "a" if isinstance(error, SourceError) else videos, out)
    assert list(out.iterdir()) == []


def test_who_stops_a_run_is_told_how_it_goes_on_and_who_begins_anew_what_is_lost(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "mmdet_vis")
    out, options = tmp_path / "out", RunOptions(formats=("json",), key_num=1)
    with monkeypatch.context() as patch:
        stop_before("b", patch, KeyboardInterrupt())
        with pytest.raises(KeyboardInterrupt):
            run(model, videos, out, options=options)
    assert caplog.messages == ["1 of 3 videos done: the same with resume=True goes on from there"]
    caplog.clear()
    assert counts(run(model, videos, out, resume=True, options=options)) == (1, 2)
    assert caplog.messages == []
    assert counts(run(model, videos / "c", out, options=options)) == (0, 1)
    (line,) = caplog.messages
    assert line == f"{out} holds results of 3 videos, which this run replaces; with resume=True what is done is kept"


def test_results_are_there_after_a_kill(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written on the way out of a process that is killed: what was there before it counts."""
    stop_before("b", monkeypatch, KeyboardInterrupt())
    monkeypatch.setattr(FilesStore, "write_results", lambda self: None)
    with pytest.raises(KeyboardInterrupt):
        run(model, videos, tmp_path / "out")
    monkeypatch.undo()
    run(model, videos, tmp_path / "whole")
    assert counts(run(model, videos, tmp_path / "out", resume=True)) == (1, 2)
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_new_changed_and_incomplete_videos_are_done(model: VISModel, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(model, videos, out)
    write_frames(videos / "a2", 2)  # gets a number in the middle
    os.utime(videos / "b" / "00000.png", (0, 0))
    (out / "c" / "00001.jpg").unlink()
    assert counts(run(model, videos, out, resume=True)) == (1, 3)
    numbers = {entry["video_name"]: entry["video_id"] for entry in json.loads((out / "results.json").read_text())}
    assert numbers == {"a": 1, "a2": 2, "b": 3, "c": 4}
    run(model, videos, tmp_path / "whole")
    assert (out / "results.json").read_bytes() == (tmp_path / "whole" / "results.json").read_bytes()


def test_a_run_of_other_settings_is_not_resumed(
    model: VISModel, videos: Path, tmp_path: Path, tiny: tuple[Path, Path]
) -> None:
    out = tmp_path / "out"
    run(model, videos, out)
    other = RunOptions(formats=FORMATS, key_num=2, show_thr=0.0)
    with pytest.raises(OutputError, match=r"cannot resume: .* different in options.key_num \(1 before, 2 now\)"):
        run(model, videos, out, resume=True, options=other)
    with pytest.raises(OutputError, match="different in checkpoint"):
        run(model, videos, out, resume=True, checkpoint=tiny[0])
    more = RunOptions(formats=FORMATS, key_num=1, show_thr=0.0, feature_memory="1MB")
    assert counts(run(model, videos, out, resume=True, options=more)) == (3, 0), "no effect on what is found"
    (out / ".progress" / "run.json").unlink()
    assert counts(run(model, videos, out, resume=True)) == (0, 3)


def test_results_json_is_not_written_anew_with_every_video(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size grows with the videos: that would take most of the time of a long run."""
    written = []
    whole = FilesStore.write_results

    def slow(self: FilesStore) -> None:
        written.append(1)
        whole(self)
        self._cost = 3600.0

    monkeypatch.setattr(FilesStore, "write_results", slow)
    run(model, videos, tmp_path / "out", options=RunOptions(formats=("json",), key_num=1))
    assert len(written) == 2, "after the first video and at the end"


def test_a_video_that_needs_too_much_memory_is_left_out(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before("b", monkeypatch, torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."))
    options = RunOptions(formats=("json",), key_num=1)
    summary = run(model, videos, tmp_path / "out", options=options)
    (failure,) = summary["failed"]
    assert failure.startswith(f"{videos / 'b'}: not enough memory (")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {entry["video_name"] for entry in found} == {"a", "c"}
    with pytest.raises(SourceError, match="not enough memory"):
        run(model, videos / "b", tmp_path / "alone", options=options)


def test_other_errors_end_the_run_and_keep_what_was_computed(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before("b", monkeypatch, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(model, videos, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {entry["video_name"] for entry in found} == {"a"}


def test_a_video_whose_pictures_fail_is_not_counted_as_done(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = loop.write_pictures

    def write_pictures(result: VideoResult, *arguments: Any) -> None:
        if result.name == "b":
            raise SourceError("b: frame 1 cannot be read any more")
        whole(result, *arguments)

    monkeypatch.setattr(loop, "write_pictures", write_pictures)
    summary = run(model, videos, tmp_path / "out")
    assert counts(summary) == (0, 2)
    assert summary["this_run"]["frames"] == 7
    assert summary["failed"] == [f"{videos / 'b'}: b: frame 1 cannot be read any more"]


def test_a_strict_run_refuses_what_it_would_only_say(model: VISModel, videos: Path, tmp_path: Path) -> None:
    (videos / "b" / "notes.txt").write_text("not a frame")
    strict = RunOptions(formats=("json",), key_num=1, strict=True)
    summary = run(model, videos, tmp_path / "out", options=strict)
    assert counts(summary) == (0, 2)
    (line,) = summary["failed"]
    assert line.startswith(f"{videos / 'b'}: ignored 1 entry that is not an image, the first is notes.txt")
    assert line.endswith("this is an error, as the run is strict")
    # What was refused is done by a run that is not: strictness does not change results.
    assert counts(run(model, videos, tmp_path / "out", resume=True, options=replace(strict, strict=False))) == (2, 1)


def test_the_order_of_formats_makes_no_other_run(model: VISModel, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    options = [RunOptions(formats=kinds, key_num=1) for kinds in (("video", "json"), ("json", "video", "json"))]
    run(model, videos, out, options=options[0])
    assert counts(run(model, videos, out, resume=True, options=options[1])) == (3, 0)
    # As versions wrote it that kept the order in which formats were typed.
    file = out / ".progress" / "run.json"
    identity = json.loads(file.read_text())
    identity["options"]["formats"] = ["video", "json"]
    file.write_text(json.dumps(identity))
    assert counts(run(model, videos, out, resume=True, options=options[1])) == (3, 0)


def test_who_chooses_no_formats_can_correct_and_goes_on_with_those_of_the_run(
    model: VISModel, videos: Path, tmp_path: Path
) -> None:
    out, nothing_said = tmp_path / "out", RunOptions(key_num=1)
    assert counts(run(model, videos / "b", out, options=nothing_said)) == (0, 1)
    assert {path.name for path in out.iterdir()} == {".progress", "results.json", "b", "b.mp4", "b.result.json"}
    assert VideoResult.load(out / "b.result.json").num_frames == 2
    # As began by versions that usually wrote no result.
    old = tmp_path / "old"
    run(model, videos / "b", old, options=RunOptions(formats=("json", "overlay", "video"), key_num=1))
    assert counts(run(model, videos, old, resume=True, options=nothing_said)) == (1, 2)
    assert {path.suffix for path in old.iterdir()} == {"", ".json", ".mp4"}
    assert not list(old.glob("*.result.json"))
    assert counts(run(model, videos, old, options=nothing_said)) == (0, 3)
    assert len(list(old.glob("*.result.json"))) == 3


def test_damaged_records_are_done_again(model: VISModel, videos: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "out", RunOptions(formats=("json",), key_num=1)
    run(model, videos, out, options=options)
    expected = contents(out)
    records = sorted(path for path in (out / ".progress").glob("*.json") if path.name != "run.json")
    texts = ("{}", "[" * 100_000, '{"input": 1, "frames": 3, "entries": [[]]}', "[]", '{"entries": {}}', "")
    for several in (texts[:3], texts[3:]):
        for path, text in zip(records, several, strict=True):
            path.write_text(text)
        assert counts(run(model, videos, out, resume=True, options=options)) == (0, 3), several
        assert contents(out) == expected
    for text in ("[" * 100_000, "null", "{"):
        (out / ".progress" / "run.json").write_text(text)
        with pytest.raises(OutputError, match=r"cannot resume: .*run\.json is damaged; .* leave resume=True out"):
            run(model, videos, out, resume=True, options=options)
    (out / ".progress" / "run.json").write_bytes(expected[".progress/run.json"])
    for path in records:  # Numbers that Python reads, but JSON does not know.
        record = json.loads(expected[path.relative_to(out).as_posix()])
        record["entries"][0]["score"] = math.nan
        path.write_text(json.dumps(record) + "\n")
    with pytest.raises(OutputError, match=r"a result in .* is damaged"):
        run(model, videos, out, resume=True, options=options)


def test_what_cannot_be_resumed_is_refused_before_a_model_is_loaded_and_stays(
    model: VISModel, videos: Path, tmp_path: Path
) -> None:
    out, options = tmp_path / "out", RunOptions(formats=("json",), key_num=1)
    run(model, videos, out, options=options)
    before = contents(out)
    other = Run(
        model.config, Path(__file__), RunOptions(formats=("json",), key_num=2), "cpu", save_dir=out, resume=True
    )
    with pytest.raises(OutputError, match="cannot resume"):
        run_files(other, videos)  # This file holds no weights, which loading would find out.
    with pytest.raises(CheckpointError):
        run_files(replace(other, resume=False), videos)
    assert contents(out) == before, "an earlier run is not lost to weights that cannot be loaded"
