"""Runs over DAVIS, in this process: index PNGs, the zip for its server, and J&F."""

from __future__ import annotations

import json
import logging
import shutil
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmdet_vis.config.load import load_config
from mmdet_vis.data.formats import ytvis_json
from mmdet_vis.data.formats.index_pngs import read_davis
from mmdet_vis.errors import DatasetError
from mmdet_vis.evaluation.davis import evaluate as evaluate_davis
from mmdet_vis.evaluation.submission import check_davis_submission
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.videos import Run, run_dataset
from tests.tiny import write_checkpoint
from tests.tiny_dataset import write_davis


def davis_run(tiny: tuple[Path, Path], folder: Path, dataset: dict[str, Any]) -> Run:
    """A run of a class-agnostic network over a dataset, with its default formats."""
    config = folder / "davis.py"
    model = "model = dict(bbox_head=dict(num_classes=2), mask_head=dict(num_classes=2))"
    test = f"test = dict(dataset={ {'_delete_': True, **dataset}!r})"
    config.write_text(f"_base_ = {str(tiny[0])!r}\ncategories = 'davis_uvos'\n{model}\n{test}\n")
    weights = write_checkpoint(config, folder / "davis.safetensors")
    return Run(load_config(config), weights, RunOptions(formats=()), "cpu", save_dir=folder / "out")


def test_davis_pngs_zip_and_metrics(
    tiny: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "mmdet_vis")
    root = write_davis(tmp_path / "DAVIS")
    run = davis_run(tiny, tmp_path, {"type": "DAVISDataset", "root": str(root), "set_name": "val"})
    run = replace(run, evaluate=True)
    assert run_dataset(run) == 0
    out = tmp_path / "out"
    assert check_davis_submission(out / "submission.zip", root).problems == []
    assert {path.name for path in out.iterdir()} == {
        *("png", "videos", "results.json", "submission.zip", "metrics.json", "summary.json", "run.json")
    }
    metrics = json.loads((out / "metrics.json").read_text())
    assert set(metrics) == {"J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"}
    assert "J&F-Mean" in capsys.readouterr().out
    # A video that cannot be read leaves the rest as it is; the protocol needs all, so there are no metrics.
    frame = root / "JPEGImages" / "480p" / "video1" / "00001.jpg"
    whole = frame.read_bytes()
    cv2.imwrite(str(frame), np.zeros((10, 10, 3), np.uint8))
    assert run_dataset(replace(run, save_dir=tmp_path / "partial")) == 3
    assert "not evaluated" in caplog.text
    assert not (tmp_path / "partial" / "metrics.json").exists()
    with zipfile.ZipFile(tmp_path / "partial" / "submission.zip") as archive:
        assert archive.namelist() == ["video0/00000.png", "video0/00001.png"]
    # An evaluation that was asked for and fails for another reason does not look like a success.
    frame.write_bytes(whole)
    (root / "Annotations_unsupervised" / "480p" / "video0" / "00000.png").write_bytes(b"no PNG")
    with pytest.raises(DatasetError, match=r"00000\.png"):
        run_dataset(replace(run, save_dir=tmp_path / "damaged"))
    assert "2 of 2 videos done" in capsys.readouterr().out
    assert check_davis_submission(tmp_path / "damaged" / "submission.zip", root).problems == []


def test_davis_of_another_year_and_resolution(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    root = write_davis(tmp_path / "DAVIS")
    (root / "ImageSets" / "2017").rename(root / "ImageSets" / "2016")
    for kind in ("JPEGImages", "Annotations_unsupervised"):
        (root / kind / "480p").rename(root / kind / "Full-Resolution")
    dataset = {"type": "DAVISDataset", "root": str(root), "year": 2016, "resolution": "Full-Resolution"}
    run = replace(davis_run(tiny, tmp_path, dataset), evaluate=True)
    assert run_dataset(run) == 0
    assert (tmp_path / "out" / "metrics.json").is_file()
    settings: dict[str, Any] = {"year": 2016, "resolution": "Full-Resolution"}
    assert check_davis_submission(tmp_path / "out" / "submission.zip", root, **settings).problems == []


def test_davis_by_an_annotation_file(tiny: tuple[Path, Path], tmp_path: Path, repository: Path) -> None:
    """As DAVIS without its lists: the PNGs and the zip are what the server takes, and J&F is that of the PNGs."""
    root = write_davis(tmp_path / "DAVIS")
    ytvis_json.write_ytvis(read_davis(root), tmp_path / "data" / "valid_davis.json")
    (tmp_path / "data" / "trainvalset_davis").symlink_to(root / "JPEGImages" / "480p")
    config = load_config(repository / "configs" / "_base_" / "datasets" / "davisuvos_json.py")
    dataset = {**config.test.dataset.to_dict(), "data_root": str(tmp_path / "data")}
    run = replace(davis_run(tiny, tmp_path, dataset), evaluate=True)
    assert run_dataset(run) == 0
    out = tmp_path / "out"
    assert check_davis_submission(out / "submission.zip", root).problems == []
    assert (out / "results.json").is_file()
    assert json.loads((out / "metrics.json").read_text()) == evaluate_davis(out / "png", root).summary()
    # Nothing else of the DAVIS folder is needed.
    shutil.rmtree(root / "ImageSets")
    assert run_dataset(replace(run, resume=True)) == 0
    # Without the PNGs there is no J&F, whatever the annotation file holds; that shows before the run.
    annotations = root / "Annotations_unsupervised" / "480p" / "video1"
    for number, damage in enumerate((annotations / "00001.png", annotations)):
        damage.unlink() if damage.is_file() else shutil.rmtree(damage)
        with pytest.raises(
            DatasetError, match=r"J&F needs an index PNG for each of the 3 frames of .*/video1"
        ) as caught:
            run_dataset(replace(run, save_dir=tmp_path / f"no{number}"))
        assert str(annotations) in str(caught.value)
        assert not (tmp_path / f"no{number}").exists()
