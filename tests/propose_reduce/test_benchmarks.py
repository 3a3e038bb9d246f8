"""The benchmarks of the engine run and say what they should; their figures are not looked at."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests import programs
from tests.tiny import write_frames
from tests.tool_runs import run_benchmark


def test_speed(tiny, monkeypatch, capsys):
    options = "--frames 4 --size 96x64 --key-num 2 --objects 2 --device cpu --precision float32 --fast"
    run_benchmark(monkeypatch, "speed.py", *options.split(), "--config", tiny[0], "--checkpoint", tiny[1])
    text = capsys.readouterr().out
    for row in ("engine float32", "engine float32 fast", "plain float32"):
        assert re.search(rf"^{row} .* frames/s +\d+\.\d+x$", text, re.MULTILINE), row
    for stage in ("backbone + FPN", "the same of key frames, float32", "memory read", "decode", "scoring"):
        assert re.search(rf"^{re.escape(stage)} .*%", text, re.MULTILINE), stage
    for rate, rest in (("decoder convolution", r"; as a direct one \d+"), ("products of the memory read", "")):
        assert re.search(rf"^{rate}: \d+ GFLOP/s in the engine, \d+ alone: \d+%{rest}$", text, re.MULTILINE), rate


def test_equivalence(tiny, tmp_path, monkeypatch, capsys):
    clip = write_frames(tmp_path / "clip", 4)
    options = "--frames 4 --key-num 2 --device cpu --precision float32"
    run_benchmark(monkeypatch, "equivalence.py", clip, tiny[1], *options.split(), "--config", tiny[0])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split("  ")[0] for line in lines] == [
        "engine float32 / plain",
        "fast / float32",
        "float32 / float32",
    ]
    assert "mask IoU mean 1.0000, worst 1.0000; score difference mean 0.00000" in lines[2]


def test_rounding(tiny, tmp_path, monkeypatch, capsys):
    clip = write_frames(tmp_path / "clip", 4)
    options = "--frames 4 --key-num 2 --score-thr 0"
    run_benchmark(monkeypatch, "rounding.py", clip, tiny[1], *options.split(), "--config", tiny[0])
    rows = re.findall(r"^(.+?)  +\d.*mask IoU mean (\S+), .*mean (\S+),", capsys.readouterr().out, re.MULTILINE)
    assert len(rows) == 7
    assert all(0 < float(iou) <= 1 for _, iou, _ in rows)
    # Every stand-in is used: the results differ from float32, and from each other.
    assert len({row[1:] for row in rows}) == 7, rows
    assert all(float(iou) < 1 or float(score) > 0 for _, iou, score in rows), rows


def test_attention(monkeypatch, capsys):
    options = "--positions 24 --entries 1 3 --objects 2 --repeats 1 --device cpu"
    run_benchmark(monkeypatch, "attention.py", *options.split())
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("      ")]
    assert [int(row[0]) for row in rows] == [1, 3, 1, 3]
    assert all(float(row[4]) < 1e-4 for row in rows[:2])


def test_scaling_measures_a_point(tiny, monkeypatch, capsys):
    options = ["--config", tiny[0], "--side", "64", "--device", "cpu", "--feature-memory", "1MB"]
    run_benchmark(monkeypatch, "scaling.py", *options, "--point", '{"frames": 5, "objects": 2, "key_num": 2}')
    point = json.loads(capsys.readouterr().out)
    assert point["seconds"] > 0
    assert point["megabytes"] >= point["added"]


@pytest.mark.slow
def test_scaling_draws_what_it_measured(tiny, monkeypatch, capfd, tmp_path):
    """Points are processes of their own; what goes wrong in one is shown."""
    monkeypatch.setattr(subprocess, "run", programs.run)
    options = ["--config", tiny[0], "--side", "18", "--device", "cpu", "--axes", "frames", "--most-frames", "50"]
    options += ["--out", tmp_path / "plot.png"]
    run_benchmark(monkeypatch, "scaling.py", *options)
    text = capfd.readouterr().out
    assert "24 frames with and without a feature budget: " in text
    assert re.search(r"^ +50 +\d+\.\d +\d+ +\d+$", text, re.MULTILINE)
    assert (tmp_path / "plot.png").stat().st_size > 1000
    with pytest.raises(RuntimeError, match=r"the run of \{'frames': 50, .*\} ended with status 2"):
        run_benchmark(monkeypatch, "scaling.py", *options, "--feature-memory", "plenty")
    assert "plenty" in capfd.readouterr().err
