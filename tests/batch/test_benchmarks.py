"""The benchmark of engines and the simulation of larger clusters."""

from __future__ import annotations

import pytest

from tests.tool_runs import run_benchmark


def test_more_gpus_take_less_time_and_parts_help(monkeypatch, capsys):
    words = "--per-frame 0.05 --videos 3000 --gpus 4 64 --long-share 0.002 --long-frames 20000 --slow-factor 1"
    run_benchmark(monkeypatch, "simulate_batch.py", *words.split(), "--price", "2")
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("3000 videos, ")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[4:]]
    assert [row[0] for row in rows] == ["4", "64"]
    assert float(rows[0][3].split()[0]) > 95
    assert float(rows[0][7]) == pytest.approx(2 * float(rows[0][6]), rel=0.3)
    minutes = [[_minutes(row[column]) for column in (1, 2, 4)] for row in rows]
    assert minutes[1][0] < minutes[0][0] / 8
    assert minutes[1][2] > 2 * minutes[1][0], "a long video in one piece keeps the others waiting"
    assert all(time >= ideal for time, ideal, _ in minutes)


def _minutes(text: str) -> float:
    units = {"s": 1 / 60, "min": 1, "h": 60}
    words = text.split()
    return sum(float(number) * units[unit] for number, unit in zip(words[::2], words[1::2], strict=True))


@pytest.mark.slow
def test_engines_side_by_side(monkeypatch, capsys):
    words = "--clips 3 --frames 3 --size 48 64 --rounds 1 --key-num 1"
    run_benchmark(monkeypatch, "batch.py", *words.split())
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("|")[1:3] for line in lines if line.startswith("| local")] == [
        [" local ", " 0 "], [" local ", " 1 "], [" local ", " 2 "],
    ]  # fmt: skip
