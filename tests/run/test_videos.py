"""Runs over a dataset, in this process: what is written, what is refused, what is left out."""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.config import Config

from mmdet_vis.api import segment_video
from mmdet_vis.config.load import load_config
from mmdet_vis.data.sources import FrameSource
from mmdet_vis.errors import CheckpointError, ConfigError, DatasetError, OutputError
from mmdet_vis.evaluation.submission import check_ytvis_submission
from mmdet_vis.evaluation.ytvis import load_annotations
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.videos import Run, run_dataset
from tests.data.formats.test_opening import write as write_format
from tests.tiny import write_checkpoint
from tests.tiny_dataset import VIDEOS, write_dataset_config, write_ytvis


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_ytvis(tmp_path_factory.mktemp("data"), "valid.json", "frames")


@pytest.fixture(scope="module")
def first_run(data: Path, tiny: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished run with every format; only read by tests."""
    folder = tmp_path_factory.mktemp("first")
    config = write_dataset_config(folder / "dataset.py", tiny[0], data)
    options = RunOptions(formats=("json", "overlay", "video", "png"), show_thr=0.0)
    run = Run(load_config(config), tiny[1], options, "cpu", save_dir=folder / "out", evaluate=True)
    assert run_dataset(run) == 0
    return run


def with_options(run: Run, options: dict[str, Any]) -> Config:
    """The config of a run with ``--cfg-options``."""
    return load_config(str(run.config.filename), options)


def entries(folder: Path) -> list[dict]:
    return json.loads((folder / "results.json").read_text())


def test_ids_are_those_of_the_annotation_file(first_run: Run, data: Path) -> None:
    found = entries(first_run.save_dir)
    assert list(dict.fromkeys(entry["video_id"] for entry in found)) == list(VIDEOS), "in the order of the file"
    assert {entry["category_id"] for entry in found} == {3, 12, 40}
    for entry in found:
        assert len(entry["segmentations"]) == VIDEOS[entry["video_id"]]
    # The network's classes are cat, dog, bird; the file has dog 3, cat 12, bird 40.
    best = [entry for entry in found if entry["video_id"] == 7]
    assert [entry["category_id"] for entry in best[:3]] == [12, 3, 40]
    for video_id in VIDEOS:
        alone = json.loads((first_run.save_dir / "videos" / f"{video_id}.json").read_text())
        assert alone == [entry for entry in found if entry["video_id"] == video_id]


def test_a_strict_run_refuses_a_dataset_of_which_something_is_left_out(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    target = write_format(tmp_path, "cvat")
    for file in target.glob("*/annotations.xml"):
        extra = '<track label="cat"><box frame="0"/></track></annotations>'
        file.write_text(file.read_text().replace("ball", "cat").replace("</annotations>", extra))
    dataset = {"_delete_": True, "type": "YTVISDataset", "ann_file": str(target), "categories": ["cat", "dog", "bird"]}
    text = f"_base_ = {str(tiny[0])!r}\ntest = dict(dataset={dataset!r})\n"
    (tmp_path / "config.py").write_text(text)
    run = Run(load_config(tmp_path / "config.py"), tiny[1], RunOptions(strict=True), "cpu", save_dir=tmp_path / "out")
    with pytest.raises(DatasetError, match="left out: 2 box tracks; this is an error, as the run is strict"):
        run_dataset(run)


def test_submission_and_summary(first_run: Run, data: Path) -> None:
    out = first_run.save_dir
    report = check_ytvis_submission(out / "submission.zip", load_annotations(data / "valid.json"))
    assert report.problems == []
    with zipfile.ZipFile(out / "submission.zip") as archive:
        assert archive.read("results.json") == (out / "results.json").read_bytes()
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["videos"], summary["videos_done"], summary["frames_done"]) == (5, 5, 16)
    assert summary["this_run"]["frames"] == 16
    assert summary["this_run"]["frames_per_second"] > 0
    assert summary["this_run"]["peak_memory"] > 50e6
    assert summary["failures"] == []
    metrics = json.loads((out / "metrics.json").read_text())
    assert {"AP", "AP50", "AP75", "APs", "APm", "APl", "AR1", "AR10", "AR100", "ARs", "ARm", "ARl"} == set(metrics)


def test_pictures_of_each_video(first_run: Run) -> None:
    for number, length in enumerate(VIDEOS.values()):
        stems = [f"{t:05d}" for t in range(length)]
        for kind, suffix in (("overlay", "jpg"), ("png", "png")):
            folder = first_run.save_dir / kind / f"video{number}"
            assert sorted(path.name for path in folder.iterdir()) == [f"{stem}.{suffix}" for stem in stems]
        assert (first_run.save_dir / "video" / f"video{number}.mp4").stat().st_size > 500


def test_finished_run_is_not_overwritten_by_accident(first_run: Run) -> None:
    before = (first_run.save_dir / "results.json").stat().st_mtime_ns
    with pytest.raises(OutputError, match=r"5 finished videos: resume=True .* overwrite=True"):
        run_dataset(first_run)
    assert (first_run.save_dir / "results.json").stat().st_mtime_ns == before


def test_resume_refuses_another_model_or_other_settings(
    first_run: Run, tiny: tuple[Path, Path], data: Path, tmp_path: Path
) -> None:
    resumed = replace(first_run, resume=True)
    other_weights = write_checkpoint(tiny[0], tmp_path / "other.safetensors", seed=1)
    other_data = write_ytvis(tmp_path / "data", "valid.json", "frames", VIDEOS | {7: 3})
    changes = {
        "checkpoint": replace(resumed, checkpoint=other_weights),
        "options.key_num": replace(resumed, options=replace(resumed.options, key_num=2)),
        "options.precision": replace(resumed, precision="bfloat16"),
        "options.compile": replace(resumed, compile=True),
        "config.propose_reduce.reduce.iou_thr": replace(
            resumed, config=with_options(first_run, {"propose_reduce.reduce.iou_thr": 0.4})),
        "dataset.sha256": replace(resumed, config=with_options(first_run, {"test.dataset.data_root": str(other_data)})),
    }  # fmt: skip
    kept = (first_run.save_dir / "run.json").read_bytes()
    settings = json.loads(kept)["options"]
    assert (settings["device"], settings["threads"]) == ("cpu", torch.get_num_threads())
    for what, run in changes.items():
        with pytest.raises(OutputError, match=rf"of another run, different in {what} \(") as caught:
            run_dataset(run)
        assert "\n" not in str(caught.value)
        assert "overwrite=True" in str(caught.value)
    assert (first_run.save_dir / "run.json").read_bytes() == kept


def test_data_may_move_before_a_resumed_run(first_run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(data)
    out = shutil.copytree(first_run.save_dir, tmp_path / "out")
    config = with_options(first_run, {"test.dataset.data_root": str(tmp_path / "link")})
    moved = replace(first_run, save_dir=out, resume=True, config=config)
    before = (out / "results.json").read_bytes()
    assert run_dataset(moved) == 0
    assert (out / "results.json").read_bytes() == before


def test_unreadable_video_is_left_out_and_tried_again(
    first_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    root = write_ytvis(tmp_path / "data", "valid.json", "frames")
    frame = root / "frames" / "video2" / "00001.png"
    whole = frame.read_bytes()
    frame.write_bytes(whole[: len(whole) // 2])
    options = RunOptions(formats=("json",))
    run = replace(
        first_run,
        save_dir=tmp_path / "out",
        options=options,
        config=with_options(first_run, {"test.dataset.data_root": str(root)}),
    )
    assert run_dataset(run) == 3
    printed = capsys.readouterr()
    for text in (printed.out, caplog.text):
        assert "video 42 (video2)" in text
        assert str(frame) in text
    assert "4 of 5 videos done" in printed.out
    assert {entry["video_id"] for entry in entries(tmp_path / "out")} == VIDEOS.keys() - {42}
    (failure,) = json.loads((tmp_path / "out" / "summary.json").read_text())["failures"]
    assert (failure["video_id"], failure["name"]) == (42, "video2")

    frame.write_bytes(whole)
    # As after a kill in the middle of writing, and after a power cut.
    (tmp_path / "out" / "videos" / ".tmp-1.json").write_text("[")
    (tmp_path / "out" / "videos" / "7.json").write_text("")
    assert run_dataset(replace(run, resume=True)) == 0
    assert "this run: 2 videos, 5 frames" in capsys.readouterr().out
    assert (tmp_path / "out" / "results.json").read_bytes() == (first_run.save_dir / "results.json").read_bytes()
    assert not (tmp_path / "out" / "videos" / ".tmp-1.json").exists()


@pytest.mark.parametrize("name", ["png/old/00000.png", "videos/99.json", "results.json", "run.json"])
def test_a_folder_of_something_else_stays_as_it_is(first_run: Run, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out"
    (out / name).parent.mkdir(parents=True)
    (out / name).write_text('{"mine": 1}')
    run = replace(first_run, save_dir=out, options=RunOptions(formats=("json",)), evaluate=False)
    for resume, overwrite in ((False, False), (True, False), (False, True)):
        with pytest.raises(OutputError, match="holds something else"):
            run_dataset(replace(run, resume=resume, overwrite=overwrite))
    assert [path.read_text() for path in out.rglob("*") if path.is_file()] == ['{"mine": 1}']


def test_overwrite_removes_what_runs_write_and_nothing_else(first_run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for name in ("png/old/00000.png", "videos/99.json", "videos/notes.txt", "my.log"):
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_text("old")
    identity = json.loads((first_run.save_dir / "run.json").read_text())
    (out / "run.json").write_text(json.dumps(identity | {"version": "0.0.1"}))
    run = replace(first_run, save_dir=out, options=RunOptions(formats=("json",)), evaluate=False)
    assert run_dataset(replace(run, overwrite=True)) == 0
    assert not (out / "png").exists()
    assert sorted(path.name for path in (out / "videos").iterdir()) == sorted(
        [*(f"{video_id}.json" for video_id in VIDEOS), "notes.txt"]
    )
    assert (out / "my.log").read_text() == "old"
    assert (out / "results.json").read_bytes() == (first_run.save_dir / "results.json").read_bytes()
    assert json.loads((out / "run.json").read_text())["version"] == identity["version"]


def test_the_dataset_is_never_written_over(first_run: Run, tmp_path: Path) -> None:
    """Frames or the annotation file where results would go, as they are or through links, are refused and stay."""
    inside = write_ytvis(tmp_path / "inside", "results.json", "overlay")
    apart = write_ytvis(tmp_path / "apart", "valid.json", "frames")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "png").symlink_to(apart / "frames")
    back = write_ytvis(tmp_path / "back", "valid.json", "frames")
    (linked / "overlay" / "x").mkdir(parents=True)
    (back / "frames/video1/00001.png").rename(linked / "overlay/x/1.png")
    (back / "frames/video1/00001.png").symlink_to(linked / "overlay/x/1.png")
    ann_file = shutil.copy(apart / "valid.json", tmp_path / "summary.json")
    cases: list[tuple[Path, dict[str, Any], str]] = [
        (inside, {"data_root": inside, "img_prefix": "overlay", "ann_file": apart / "valid.json"}, "overlay"),
        (tmp_path, {"data_root": apart, "ann_file": ann_file}, "summary.json"),
        (linked, {"data_root": apart}, "png"),
        (linked, {"data_root": back}, "overlay"),
    ]
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for save_dir, dataset, place in cases:
        options = {f"test.dataset.{key}": str(value) for key, value in dataset.items()}
        for overwrite in (False, True):
            run = replace(first_run, save_dir=save_dir, overwrite=overwrite, config=with_options(first_run, options))
            with pytest.raises(OutputError, match=rf"^{save_dir / place}\S* would overwrite the input "):
                run_dataset(run)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == files


def test_videos_without_their_pictures_are_done_again(
    first_run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    shutil.copytree(first_run.save_dir, out)
    shutil.rmtree(out / "png/video0")
    (out / "overlay/video2/00001.jpg").unlink()
    (out / "video/video4.mp4").unlink()
    assert run_dataset(replace(first_run, save_dir=out, resume=True)) == 0
    assert "this run: 3 videos, 9 frames" in capsys.readouterr().out
    for path in first_run.save_dir.rglob("*.png"):
        assert (out / path.relative_to(first_run.save_dir)).read_bytes() == path.read_bytes()
    assert (out / "results.json").read_bytes() == (first_run.save_dir / "results.json").read_bytes()


def test_a_video_that_needs_too_much_memory_is_left_out(
    first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def segment(model: object, source: FrameSource, **options: object) -> object:
        if source.name == "video1":
            raise MemoryError
        return segment_video(model, source, **options)  # type: ignore[arg-type]

    monkeypatch.setattr("mmdet_vis.run.options.segment_video", segment)
    options = RunOptions(formats=("json",))
    assert run_dataset(replace(first_run, save_dir=tmp_path, options=options, evaluate=False)) == 3
    (failure,) = json.loads((tmp_path / "summary.json").read_text())["failures"]
    assert (failure["video_id"], "mem_max" in failure["error"]) == (7, True)
    assert {entry["video_id"] for entry in entries(tmp_path)} == VIDEOS.keys() - {7}


def test_other_errors_of_the_program_end_it(first_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def segment(*_: object, **__: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("mmdet_vis.run.options.segment_video", segment)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        run_dataset(replace(first_run, save_dir=tmp_path, evaluate=False))


def test_results_are_of_the_categories_of_the_file(
    first_run: Run, data: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    content = json.loads((data / "valid.json").read_text())
    content["categories"] = [entry for entry in content["categories"] if entry["name"] == "cat"]
    (tmp_path / "cats.json").write_text(json.dumps(content))
    options = {"test.dataset.ann_file": str(tmp_path / "cats.json")}
    run = replace(
        first_run,
        save_dir=tmp_path / "out",
        options=RunOptions(formats=("json",)),
        config=with_options(first_run, options),
    )
    assert run_dataset(run) == 0
    assert entries(tmp_path / "out") == [e for e in entries(first_run.save_dir) if e["category_id"] == 12]
    (warning,) = caplog.messages
    assert "lacks 2 of the network's 3 categories (dog, bird)" in warning
    assert (tmp_path / "out" / "metrics.json").is_file()


def test_mistakes_are_named_before_the_model_is_loaded(
    first_run: Run, tiny: tuple[Path, Path], data: Path, tmp_path: Path
) -> None:
    run = replace(first_run, save_dir=tmp_path / "out", evaluate=False)
    content = json.loads((data / "valid.json").read_text())
    (tmp_path / "blind.json").write_text(json.dumps(content | {"annotations": None}))
    blind = {"test.dataset.ann_file": str(tmp_path / "blind.json")}
    with pytest.raises(DatasetError, match=r"evaluate=True: .*blind.json has no annotations"):
        run_dataset(replace(run, evaluate=True, config=with_options(first_run, blind)))
    with pytest.raises(ConfigError, match="evaluate=True needs json"):
        run_dataset(replace(run, evaluate=True, options=RunOptions(formats=("png",))))
    with pytest.raises(ConfigError, match="other categories than the model"):
        run_dataset(replace(run, config=with_options(first_run, {"test.dataset.categories": None})))
    with pytest.raises(CheckpointError, match=r"no\.pth does not exist"):
        run_dataset(replace(run, checkpoint=tmp_path / "no.pth"))
    with pytest.raises(ConfigError, match="key_num"):
        run_dataset(replace(run, options=RunOptions(key_num=0)))
    (tmp_path / "inputs_only.py").write_text("model = dict(type='SeqMaskRCNN')\n")
    with pytest.raises(ConfigError, match=r"inputs_only\.py: has no test\.dataset: .*name the videos"):
        run_dataset(replace(run, config=load_config(tmp_path / "inputs_only.py")))
    assert not list(tmp_path.glob("out/*.json"))


def test_digest_of_the_checkpoint_is_that_of_the_file(first_run: Run) -> None:
    identity = json.loads((first_run.save_dir / "run.json").read_text())
    data = first_run.checkpoint.read_bytes()
    assert identity["checkpoint"] == f"{len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}"
