"""The benchmark of engines and the simulation of larger clusters."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mmdet_vis.errors import ConfigError
from tests.tool_runs import run_benchmark

CORPUS = ("--videos", 3000, "--gpus", 4, 64, "--long-share", 0.002, "--long-frames", 20000, "--price", 2)


def table(lines: list[str]) -> list[list[str]]:
    """The rows of a table, without its head."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| ")]
    return rows[1:]


def test_more_gpus_take_less_time_and_parts_help(monkeypatch, capsys):
    run_benchmark(monkeypatch, "simulate_batch.py", "--per-frame", 0.05, *CORPUS, "--slow-factor", 1)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("corpus: 3,000 videos, ")
    rows = table(lines)
    assert [row[0] for row in rows] == ["4", "64"]
    assert float(rows[0][3].split()[0]) > 95
    assert float(rows[0][8]) == pytest.approx(2 * float(rows[0][7]), rel=0.3)
    minutes = [[_minutes(row[column]) for column in (1, 2, 4, 6)] for row in rows]
    assert minutes[1][0] < minutes[0][0] / 8
    assert minutes[1][2] > 2 * minutes[1][0], "a long video in one piece keeps the others waiting"
    assert all(time >= ideal for time, ideal, _, _ in minutes)
    assert all(fed == time for time, _, _, fed in minutes), "nobody said that a driver takes time"


def test_times_that_were_measured(monkeypatch, capsys, tmp_path):
    times = tmp_path / "times.json"
    facts = {"machine": "a machine", "weights": "w", "threads": 1, "of": "clips", "per_frame": 0.05, "per_task": 0.04}
    rows = [{"engine": "ray", "workers": n, "cost": 0.01, "hand_out": 0.5 / n} for n in (1, 2)]
    times.write_text(json.dumps({**facts, "start": 20, "engines": rows}))
    run_benchmark(monkeypatch, "simulate_batch.py", "--times", times, *CORPUS)
    lines = capsys.readouterr().out.splitlines()
    assert lines[1] == "t = 0.04 s of the worker + 0.01 s of ray"
    (t, tasks, f, frames, hours) = re.search(
        r"= ([\d.]+) s x ([\d,]+) \+ ([\d.]+) s x ([\d,]+) = ([\d,]+)", lines[3]
    ).groups()  # type: ignore[union-attr]
    number, many = int(tasks.replace(",", "")), int(frames.replace(",", ""))
    assert (float(t), float(f)) == (0.05, 0.05)
    assert float(hours) == pytest.approx((0.05 * number + 0.05 * many) / 3600, abs=0.5)
    assert "a driver hands out 4 tasks/s" in lines[4]
    minutes = [[_minutes(row[column]) for column in (1, 6)] for row in table(lines)]
    assert minutes[1][1] >= 0.25 * number / 60 - 1 > minutes[1][0], "one driver cannot feed them"
    run_benchmark(monkeypatch, "simulate_batch.py", "--per-frame", 0.05, "--hand-out", 0.25, *CORPUS)
    assert table(capsys.readouterr().out.splitlines()) == table(lines)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no times: give --times FILE, or --per-frame SECONDS"),
        ("{}", r"times.json does not hold times of ray \(KeyError: 'engines'\); make it with"),
        ("[", "times.json does not hold times of ray"),
    ],
)
def test_times_that_cannot_be_used(monkeypatch, tmp_path, content, words):
    times: list[Path] = []
    if content is not None:
        times = [tmp_path / "times.json"]
        times[0].write_text(content)
    with pytest.raises(ConfigError, match=words):
        run_benchmark(monkeypatch, "simulate_batch.py", *(word for path in times for word in ("--times", path)))


def _minutes(text: str) -> float:
    units = {"s": 1 / 60, "min": 1, "h": 60}
    words = text.split()
    return sum(float(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))


@pytest.mark.slow
def test_engines_side_by_side(monkeypatch, capsys, tmp_path):
    words = "--clips 4 --frames 6 --size 48 64 --rounds 1 --key-num 1 --rows 20"
    run_benchmark(monkeypatch, "batch.py", *words.split(), "--json", tmp_path / "times.json")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1:3] for line in lines if line.startswith("| local")] == [
        [" local ", " 0 "], [" local ", " 1 "], [" local ", " 2 "],
    ]  # fmt: skip
    times = json.loads((tmp_path / "times.json").read_text())
    assert times["per_frame"] > 0
    assert all(row["hand_out"] > 0 and row["each"] > 0 for row in times["engines"])
    run_benchmark(monkeypatch, "simulate_batch.py", "--times", tmp_path / "times.json", "--engine", "local", *CORPUS)
    assert len(table(capsys.readouterr().out.splitlines())) == 2
