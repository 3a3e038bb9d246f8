"""The picture of a training run, from the logs that mmengine writes."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from mmdet_vis.errors import DatasetError, OutputError
from mmdet_vis.training.curves import plot_training, read_scalars


def write_log(folder: Path, run: str, entries: list[dict[str, float]], rest: str = "") -> None:
    file = folder / run / "vis_data" / "scalars.json"
    file.parent.mkdir(parents=True)
    file.write_text("".join(json.dumps(e) + "\n" for e in entries) + rest)


def test_resumed_runs_are_one_curve(tmp_path: Path) -> None:
    write_log(tmp_path, "20260101_000000", [{"loss": 3.0, "iter": 20}, {"loss": 2.5, "iter": 40}], '{"loss": 2')
    write_log(tmp_path, "20260102_000000", [{"loss": 2.4, "iter": 40}, {"AP": 12.5, "step": 1}])
    assert read_scalars(tmp_path) == {"loss": {20: 3.0, 40: 2.4}, "AP": {40: 12.5}}
    plot_training(tmp_path, tmp_path / "curve.png")
    assert cv2.imread(str(tmp_path / "curve.png")).shape[1] > 900  # two plots


def test_a_validation_is_drawn_where_it_happened(tmp_path: Path) -> None:
    """Its line counts the iterations, also those since the last loss that was logged, and in a resumed run."""
    write_log(
        tmp_path, "20260101_000000", [{"loss": 3.0, "iter": 20}, {"AP": 5.0, "step": 25}, {"loss": 2, "iter": 60}]
    )
    write_log(
        tmp_path, "20260102_000000", [{"AP": 6.0, "step": 50}, {"loss": 2.4, "iter": 60}, {"AP": 7.0, "step": 62}]
    )
    assert read_scalars(tmp_path) == {"loss": {20: 3.0, 60: 2.4}, "AP": {25: 5.0, 50: 6.0, 62: 7.0}}


def test_without_validation_there_is_one_plot(tmp_path: Path) -> None:
    write_log(tmp_path, "a", [{"loss": 3.0, "iter": 20}])
    plot_training(tmp_path, tmp_path / "curve.png")
    assert cv2.imread(str(tmp_path / "curve.png")).shape[1] < 900


def test_a_log_alone_and_the_parts_of_the_propagation_loss(repository: Path, tmp_path: Path) -> None:
    log = repository / "docs/logs/default_model_head.jsonl"
    series = read_scalars(log)
    assert {"loss", "loss_prop", "loss_prop_bce", "loss_prop_seen", "loss_prop_match"} <= series.keys()
    assert max(series["loss"]) > 1000
    plot_training(log, tmp_path / "curve.png")
    assert (tmp_path / "curve.png").exists()


def test_no_log(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="holds no log of training"):
        plot_training(tmp_path, tmp_path / "curve.png")


def test_name_of_no_picture(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="must end in"):
        plot_training(tmp_path, tmp_path / "curve.txt")
