"""Objects beside the weights are stood in for: nothing of theirs runs, attacks stay refused, the weights come out."""

from __future__ import annotations

import argparse
import builtins
import collections
import datetime
import functools
import logging
import os
import pathlib
import subprocess
import sys
import time
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer, MessageHub

from mmdet_vis.errors import CheckpointError
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.weights.convert import convert_checkpoint

STATE = {"backbone.conv1.weight": torch.arange(6.0).reshape(2, 3), "neck.bias": torch.ones(2)}


def message_hub() -> dict[str, Any]:
    hub = MessageHub.get_instance("test_inert")
    hub.update_scalar("train/loss", 0.5)
    hub.update_info("iter", 3)
    return hub.state_dict()


class Mine(dict):
    """A kind of dict that the reader has never heard of."""


def objects() -> dict[str, Any]:
    return {
        "arguments": argparse.Namespace(lr=0.1, resume=None),
        "path": pathlib.PurePosixPath("a/b"),
        "scalar": np.float64(0.5),
        "array": np.arange(3),
        "mmengine": message_hub(),
        "buffer": HistoryBuffer(),
        "config": ConfigDict(model={"type": "FPN", "depth": [1, 2]}),
        "namespace": types.SimpleNamespace(a=1),
        "defaults": collections.defaultdict(list, a=[1]),
        "queue": collections.deque([1, 2], maxlen=4),
        "time": datetime.datetime(2026, 1, 1),
        "partial": functools.partial(int, base=2),
        "clock": time.gmtime(0),
        "logger": logging.getLogger("mmdet_vis.a_test"),
        "none": type(None),
        "mine": Mine(a=1),
        "optimizer": torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], 0.1),
    }


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("kind", [*objects(), "all"])
def test_weights_beside_objects(tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str, zipped: bool) -> None:
    extra = objects() if kind == "all" else {kind: objects()[kind]}
    path = tmp_path / "w.pth"
    torch.save({"meta": extra, "state_dict": STATE, **extra}, path, _use_new_zipfile_serialization=zipped)
    before = set(torch.serialization.get_safe_globals())
    state = read_state_dict(path)
    assert state.keys() == STATE.keys()
    assert all(torch.equal(state[key], STATE[key]) for key in STATE)
    assert set(torch.serialization.get_safe_globals()) == before
    (line,) = caplog.messages
    assert "w.pth: left out" in line
    assert "kinds of Python objects beside the weights, without running anything (" in line


def test_weights_in_a_dict_of_another_kind(tmp_path: Path) -> None:
    torch.save(Mine(state_dict=Mine(STATE)), tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == STATE.keys()


def test_nothing_is_imported(tmp_path: Path) -> None:
    """In a process that has not the module of the object, and one that has a trap in its place."""
    module = types.ModuleType("trap_of_test_inert")
    kind = type("Thing", (), {"__module__": "trap_of_test_inert"})
    module.Thing = kind  # type: ignore[attr-defined]
    sys.modules["trap_of_test_inert"] = module
    try:
        torch.save({"state_dict": STATE, "thing": kind()}, tmp_path / "w.pth")
    finally:
        del sys.modules["trap_of_test_inert"]
    (tmp_path / "trap_of_test_inert.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Thing: pass\n")
    path = str(tmp_path / "w.pth")
    code = f"from mmdet_vis.weights.checkpoint import read_state_dict; print(len(read_state_dict({path!r})))"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), os.getcwd()])}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=120)
    assert done.stdout == "2\n", done.stderr
    assert "(trap_of_test_inert.Thing)" in done.stderr
    assert not (tmp_path / "sprung").exists()


class Attack:
    """Asks its reader to call something."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


@pytest.mark.parametrize("zipped", [True, False])
def test_attacks_stay_refused(tmp_path: Path, zipped: bool) -> None:
    owned = tmp_path / "owned"
    for attack in (
        Attack(os.mkdir, str(owned)),
        Attack(os.system, f"touch {owned}"),
        Attack(subprocess.Popen, ["touch", str(owned)]),
        Attack(builtins.eval, f"open({str(owned)!r}, 'w')"),
        Attack(builtins.exec, f"open({str(owned)!r}, 'w')"),
        Attack(builtins.open, str(owned), "w"),
        Attack(functools.reduce, os.mkdir, [str(owned)]),
    ):
        path = tmp_path / "w.pth"
        torch.save({"state_dict": STATE, "meta": attack}, path, _use_new_zipfile_serialization=zipped)
        with pytest.raises(CheckpointError, match="was refused: it holds Python objects besides weights"):
            read_state_dict(path)
        assert not owned.exists()


def test_what_is_stood_in_for_does_nothing(tmp_path: Path) -> None:
    """Functions of other packages, and getattr, are asked for as well as classes: none of them runs."""
    owned = tmp_path / "owned"
    for attack in (
        Attack(np.save, str(owned), np.ones(1)),
        Attack(torch.save, STATE, str(owned)),
        Attack(builtins.getattr, argparse.Namespace(), "__class__"),
        Attack(functools.partial, Attack(np.save, str(owned), np.ones(1))),
    ):
        torch.save({"state_dict": STATE, "meta": attack}, tmp_path / "w.pth")
        assert read_state_dict(tmp_path / "w.pth").keys() == STATE.keys()
        assert [file.name for file in tmp_path.iterdir()] == ["w.pth"]


@pytest.mark.parametrize(
    "prefix",
    ["module.", "model.", "ema.", "_orig_mod.", "module._orig_mod.", "model._orig_mod.module.", "ema_model.module."],
)
def test_prefixes(tmp_path: Path, caplog: pytest.LogCaptureFixture, prefix: str) -> None:
    torch.save({"state_dict": {prefix + key: value for key, value in STATE.items()}}, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == STATE.keys()
    assert caplog.messages == []


def test_counters_of_wrappers_are_left_out_and_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    wrapped = {"module." + key: value for key, value in STATE.items()} | {"n_averaged": torch.tensor(3)}
    torch.save({"state_dict": wrapped}, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == STATE.keys()
    assert caplog.messages == [f"checkpoint {tmp_path / 'w.pth'}: left out n_averaged of the wrapper around the model"]


@pytest.mark.parametrize("wrapper", ["net", "weights", "model_state_dict", "params", "module", "ema"])
def test_wrappers_one_in_another(tmp_path: Path, wrapper: str) -> None:
    torch.save({"epoch": 3, "state_dict": {wrapper: STATE}}, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == STATE.keys()
    torch.save({wrapper: {"state_dict": STATE}, "optimizer": {}}, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == STATE.keys()


def test_of_several_networks_one_counts_and_it_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    other = {key: value + 1 for key, value in STATE.items()}
    torch.save({"ema": other, "model": STATE}, tmp_path / "w.pth")
    assert torch.equal(read_state_dict(tmp_path / "w.pth")["neck.bias"], STATE["neck.bias"])
    assert caplog.messages == [f"checkpoint {tmp_path / 'w.pth'}: model is used, left out ema"]
    caplog.clear()
    two = {f"model.{key}": value for key, value in STATE.items()} | {
        f"ema.{key}": value for key, value in other.items()
    }
    torch.save({"state_dict": two | {"loss.weight": torch.ones(1)}}, tmp_path / "w.pth")
    assert torch.equal(read_state_dict(tmp_path / "w.pth")["neck.bias"], STATE["neck.bias"])
    assert "left out ema.backbone.conv1.weight, ema.neck.bias, loss.weight of the wrapper" in caplog.text


def test_names_of_which_some_begin_with_a_prefix_stay(tmp_path: Path) -> None:
    mixed = {"model.a": torch.ones(1), "head.b": torch.ones(1), "scale": torch.ones(1)}
    torch.save(mixed, tmp_path / "w.pth")
    assert read_state_dict(tmp_path / "w.pth").keys() == mixed.keys()
    torch.save({"a": torch.ones(1)}, tmp_path / "w.pth")
    assert list(read_state_dict(tmp_path / "w.pth")) == ["a"]


def test_conversion_says_what_it_leaves_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    torch.save({"state_dict": STATE, "args": argparse.Namespace()}, tmp_path / "w.pth")
    with caplog.at_level(logging.WARNING):
        assert convert_checkpoint(tmp_path / "w.pth", tmp_path / "w.safetensors") == 2
    assert "argparse.Namespace" in caplog.text
    assert read_state_dict(tmp_path / "w.safetensors").keys() == STATE.keys()
