"""What a resumed run must have in common with the interrupted one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mmdet_vis.config.load import load_config
from mmdet_vis.training.state import differing_settings, training_identity
from tests.tiny_training import write_training


@pytest.fixture(scope="module")
def path(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training(tmp_path_factory.mktemp("identity"), repository)


def identity(path: Path, options: dict[str, Any] | None = None) -> dict[str, Any]:
    config = load_config(path)
    config.merge_from_dict(options or {})
    return training_identity(config)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("train.accumulate", 2, "accumulate (1 before, 2 now)"),
        ("model.train_cfg.rpn.num", 8, "model.train_cfg.rpn.num (16 before, 8 now)"),
        ("model.backbone.frozen_stages", 2, "model.backbone.frozen_stages (1 before, 2 now)"),
        ("train.dataset.ann_file", "b.json", 'train.dataset.ann_file ("valid.json" before, "b.json" now)'),
        ("train.dataset.pipeline", [], "train.dataset.pipeline"),
        ("data_preprocessor.size_divisor", 64, "data_preprocessor.size_divisor"),
        ("custom_hooks", [], "custom_hooks"),
    ],
)
def test_other_settings_are_named(path: Path, key: str, value: object, words: str) -> None:
    found = differing_settings(identity(path), identity(path, {key: value}))
    assert found.startswith(words)
    assert found.count(" before, ") == 1


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("train.dataset.data_root", "/elsewhere"),
        ("train.num_workers", 7),
        ("train_cfg.max_iters", 100),
        ("model.test_cfg.rcnn.score_thr", 0.3),
    ],
)
def test_what_may_change(path: Path, key: str, value: object) -> None:
    assert differing_settings(identity(path), identity(path, {key: value})) == ""


def test_the_places_of_mixed_datasets_may_change_too(path: Path) -> None:
    first, second = (
        {"_delete_": True, "type": "MixedClips", "datasets": [{"type": "YTVISClips", "data_root": root}]}
        for root in ("/a", "/b")
    )
    assert identity(path, {"train.dataset": first}) == identity(path, {"train.dataset": second})


def test_of_an_older_checkpoint_only_what_it_has_is_compared() -> None:
    old = {"clips per step": 2, "optim_wrapper": {"optimizer": {"type": "SGD"}}}
    now = {**old, "accumulate": 4, "model": {}}
    assert differing_settings(old, now) == ""
    assert differing_settings({**old, "clips per step": 4}, now) == "clips per step (4 before, 2 now)"


def test_precision_and_clipping_count_and_their_defaults_need_not_be_said() -> None:
    said = {"optim_wrapper": {"optimizer": {}, "precision": "float32", "clip_grad": None}}
    assert differing_settings({"optim_wrapper": {"optimizer": {}}}, said) == ""
    other = {"optim_wrapper": {"optimizer": {}, "precision": "bfloat16", "clip_grad": {"max_norm": 1}}}
    found = differing_settings(said, other)
    assert 'optim_wrapper.precision ("float32" before, "bfloat16" now)' in found
    assert "optim_wrapper.clip_grad" in found


def test_it_is_plain_data(path: Path) -> None:
    found = identity(path)
    assert json.loads(json.dumps(found)) == found
