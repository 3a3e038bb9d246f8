"""The rules for the blocks of a config that training reads."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from mmdet_vis.config.load import load_config
from mmdet_vis.errors import ConfigError
from mmdet_vis.training.check import check_custom_keys, check_training
from tests.tiny_training import write_training


@pytest.fixture(scope="module")
def path(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_training(tmp_path_factory.mktemp("check"), repository)


def with_options(path: Path, options: dict[str, Any]) -> Config:
    config = load_config(path)
    config.merge_from_dict(options)
    return config


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("default_hooks.checkpoint.max_keep_ckpts", "x", "max_keep_ckpts='x' must be a whole number from 1 on, or -1"),
        ("default_hooks.checkpoint.max_keep_ckpts", 0, "max_keep_ckpts=0 must be a whole number"),
        ("default_hooks.checkpoint.interval", 0, "interval=0 must be a whole number from 1 on, or -1"),
        ("log_processor", {"window_size": 0}, "log_processor.window_size=0 must be a whole number from 1 on"),
        ("optim_wrapper.paramwise_cfg", {"bias_lr": 2}, "unknown key 'bias_lr'; did you mean 'bias_lr_mult'?"),
        ("optim_wrapper.paramwise_cfg", {"norm_decay_mult": -1}, "norm_decay_mult=-1 must be a number from 0 on"),
        ("optim_wrapper.paramwise_cfg", {"custom_keys": {"neck": 2}}, "must be a dict of dicts with lr_mult"),
    ],
)
def test_values_that_would_do_nothing_or_fail_late(path: Path, key: str, value: object, message: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(message)) as caught:
        check_training(with_options(path, {key: value}))
    assert str(caught.value).startswith(f"{path}: ")


def test_values_that_can_be_used(path: Path) -> None:
    options = {"default_hooks.checkpoint.interval": -1, "default_hooks.checkpoint.max_keep_ckpts": -1}
    paramwise = {"custom_keys": {"backbone": {"lr_mult": 0.1}}, "norm_decay_mult": 0}
    check_training(with_options(path, {**options, "optim_wrapper.paramwise_cfg": paramwise}))
    own = {"optim_wrapper.constructor": "TheirConstructor", "optim_wrapper.paramwise_cfg": {"layers": 12}}
    check_training(with_options(path, own))


def test_custom_keys_must_name_parameters(path: Path) -> None:
    config = with_options(path, {"optim_wrapper.paramwise_cfg": {"custom_keys": {"backbon.": {"lr_mult": 0.1}}}})
    with pytest.raises(ConfigError, match=r"no parameter's name contains 'backbon\.'; did you mean 'backbone'\?"):
        check_custom_keys(config, ["backbone.conv1.weight", "neck.lateral.bias"])
    check_custom_keys(config, ["backbon.conv1.weight"])


@pytest.mark.parametrize(
    ("writer", "package"), [("TensorboardVisBackend", "tensorboard"), ("WandbVisBackend", "wandb")]
)
def test_missing_log_writers_are_named(path: Path, monkeypatch: pytest.MonkeyPatch, writer: str, package: str) -> None:
    visualizer = {"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}, {"type": writer}]}
    config = with_options(path, {"visualizer": visualizer})
    asked = []

    def find(name: str) -> object:
        asked.append(name)
        return None

    monkeypatch.setattr("mmdet_vis.training.check.find_spec", find)
    with pytest.raises(ConfigError, match=rf"{writer} needs the package {package}: pip install {package}"):
        check_training(config)
    assert asked == [package]
    monkeypatch.setattr("mmdet_vis.training.check.find_spec", lambda name: importlib.util.find_spec("json"))
    check_training(config)
