"""Runs over files and folders, in this process: interrupted, resumed, out of memory."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import mmdet_vis.run.inputs as engine
from mmdet_vis.api import VISModel, load_model
from mmdet_vis.data.sources import find_inputs
from mmdet_vis.errors import OutputError, SourceError
from mmdet_vis.run.inputs import Summary, find_places, inputs_identity, run_inputs
from mmdet_vis.run.inputs_store import NAME, InputsStore
from mmdet_vis.run.options import RunOptions
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
) -> Summary:
    """What the command line tool does, with one key frame."""
    options = options or RunOptions(formats=FORMATS, key_num=1, show_thr=0.0)
    save.mkdir(exist_ok=True)
    inputs = find_places(find_inputs(videos), save, options.formats)
    checkpoint = checkpoint or Path(__file__)
    store = InputsStore(save, inputs, "json" in options.formats)
    store.prepare(inputs_identity(model.config, checkpoint, options, "cpu", "float32", False), resume)
    return run_inputs(model, inputs, store, options)


def contents(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def stop_before(name: str, monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    """Let the video of that name raise an error when it is opened."""
    whole = engine.open_source

    def open_source(path: Path) -> object:
        if path.name == name:
            raise error
        return whole(path)

    monkeypatch.setattr(engine, "open_source", open_source)


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
    summary = run(model, videos, out, resume=True)
    assert (summary.earlier, summary.videos) == (2, 1)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept, "done once"
    assert contents(out) == contents(tmp_path / "whole")
    summary = run(model, videos, out, resume=True)
    assert (summary.earlier, summary.videos) == (3, 0)
    assert contents(out) == contents(tmp_path / "whole")


def test_results_are_there_after_a_kill(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is written on the way out of a process that is killed: what was there before it counts."""
    stop_before("b", monkeypatch, KeyboardInterrupt())
    monkeypatch.setattr(engine.InputsStore, "write_results", lambda self: None)
    with pytest.raises(KeyboardInterrupt):
        run(model, videos, tmp_path / "out")
    monkeypatch.undo()
    run(model, videos, tmp_path / "whole")
    assert run(model, videos, tmp_path / "out", resume=True).earlier == 1
    assert contents(tmp_path / "out") == contents(tmp_path / "whole")


def test_new_changed_and_incomplete_videos_are_done(model: VISModel, videos: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    run(model, videos, out)
    write_frames(videos / "a2", 2)  # gets a number in the middle
    os.utime(videos / "b" / "00000.png", (0, 0))
    (out / "c" / "00001.jpg").unlink()
    summary = run(model, videos, out, resume=True)
    assert (summary.earlier, summary.videos) == (1, 3)
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
    assert run(model, videos, out, resume=True, options=more).earlier == 3, "no effect on what is found"
    (out / NAME / "run.json").unlink()
    assert run(model, videos, out, resume=True).videos == 3


def test_results_json_is_not_written_anew_with_every_video(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its size grows with the videos: that would take most of the time of a long run."""
    written = []
    whole = InputsStore.write_results

    def slow(self: InputsStore) -> None:
        written.append(1)
        whole(self)
        self._cost = 3600.0

    monkeypatch.setattr(InputsStore, "write_results", slow)
    run(model, videos, tmp_path / "out", options=RunOptions(formats=("json",), key_num=1))
    assert len(written) == 2, "after the first video and at the end"


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("[enforce fail] . DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."),
        RuntimeError("can't start new thread"),
        OSError(12, "Cannot allocate memory"),
    ],
)
def test_a_video_that_needs_too_much_memory_is_left_out(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    stop_before("b", monkeypatch, error)
    options = RunOptions(formats=("json",), key_num=1)
    summary = run(model, videos, tmp_path / "out", options=options)
    (failure,) = summary.failures
    assert failure.startswith(f"{videos / 'b'}: not enough memory (")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {entry["video_name"] for entry in found} == {"a", "c"}
    with pytest.raises(SourceError, match="not enough memory"):
        run(model, videos / "b", tmp_path / "alone", options=replace(options))


def test_other_errors_end_the_run_and_keep_what_was_computed(
    model: VISModel, videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop_before("b", monkeypatch, RuntimeError("shapes do not match"))
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run(model, videos, tmp_path / "out")
    found = json.loads((tmp_path / "out" / "results.json").read_text())
    assert {entry["video_name"] for entry in found} == {"a"}
