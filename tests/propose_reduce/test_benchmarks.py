"""The benchmarks of the engine run and say what they should; their figures are not looked at."""

from __future__ import annotations

import re
import sys
from argparse import Namespace

import numpy as np
import pytest

from benchmarks import attention, equivalence, rounding, scaling, speed
from mmdet_vis.structures import encode_masks
from tests.tiny import write_frames


def run(monkeypatch, module, options, *paths):
    monkeypatch.setattr(sys, "argv", [module.__name__, *map(str, paths), *options.split()])
    module.main()


def test_speed(tiny, monkeypatch, capsys):
    options = "--frames 4 --size 96x64 --key-num 2 --objects 2 --device cpu --precision float32 --fast"
    run(monkeypatch, speed, options, "--config", tiny[0], "--checkpoint", tiny[1])
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
    run(monkeypatch, equivalence, options, clip, tiny[1], "--config", tiny[0])
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split("  ")[0] for line in lines] == [
        "engine float32 / plain",
        "fast / float32",
        "float32 / float32",
    ]
    assert "mask IoU mean 1.0000, worst 1.0000; score difference mean 0.00000" in lines[2]


def test_rounding(tiny, tmp_path, monkeypatch, capsys):
    clip = write_frames(tmp_path / "clip", 4)
    run(monkeypatch, rounding, "--frames 4 --key-num 2 --score-thr 0", clip, tiny[1], "--config", tiny[0])
    rows = re.findall(r"^(.+?)  +\d.*mask IoU mean (\S+), .*mean (\S+),", capsys.readouterr().out, re.MULTILINE)
    assert len(rows) == 7
    assert all(0 < float(iou) <= 1 for _, iou, _ in rows)
    # Every stand-in is used: the results differ from float32, and from each other.
    assert len({row[1:] for row in rows}) == 7, rows
    assert all(float(iou) < 1 or float(score) > 0 for _, iou, score in rows), rows


def test_comparison(capsys):
    def square(size):
        mask = np.zeros((1, 40, 40), np.uint8)
        mask[:, :size, :size] = 1
        return encode_masks(mask)[0]

    scores = np.float32([[0.1, 0.9], [0.1, 0.9], [0.95, 0.05]])
    reference = [[square(20), square(5)], [square(9), square(9)], [square(30), square(30)]], scores
    other = [[square(20), square(20)]], np.float32([[0.3, 0.7]])
    # Frame two counts, although the mask of the reference is small there; the second sequence says nothing.
    equivalence.compare("a / b", reference, other, 0.1)
    text = capsys.readouterr().out
    assert "2 of 3 sequences, the other run has 1;" in text
    worst = 25 / 400
    assert f"mean {np.mean([1, worst, 81 / 400, 81 / 400]):.4f}, worst {worst:.4f}; score difference mean 0.2" in text
    for a, b in (((reference[0][:0], scores[:0]), other), (reference, ([], scores[:0]))):
        equivalence.compare("a / b", a, b, 0.1)
        assert f"the other run has {len(b[0])}: nothing to compare" in capsys.readouterr().out


def test_attention(monkeypatch, capsys):
    run(monkeypatch, attention, "--positions 24 --entries 1 3 --objects 2 --repeats 1 --device cpu")
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("      ")]
    assert [int(row[0]) for row in rows] == [1, 3, 1, 3]
    assert all(float(row[4]) < 1e-4 for row in rows[:2])


def test_scaling(tiny, monkeypatch, capsys, tmp_path):
    arguments = Namespace(config=tiny[0], side=64, precision="float32", device="cpu", feature_memory="1MB")
    point = scaling.measure({"frames": 5, "objects": 2, "key_num": 2}, arguments)
    assert point["seconds"] > 0
    assert point["megabytes"] >= point["added"]
    scaling.check_equal(arguments)
    assert "equal sequences" in capsys.readouterr().out
    scaling.plot({"frames": [(5, point), (6, point)]}, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").stat().st_size > 1000


def test_scaling_shows_what_went_wrong(capfd):
    with pytest.raises(RuntimeError, match=r"the run of \{'frames': 1\} ended with status 2"):
        scaling.in_process({"frames": 1}, ["--no-such-option"])
    assert "unrecognized arguments: --no-such-option" in capfd.readouterr().err
