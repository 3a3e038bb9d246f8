"""Runs that are killed at random moments and resumed: ``tests/reliability/kills.py`` at small numbers."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import programs
from tests.reliability.kill_cases import DemoCase, contents
from tests.reliability.kills import CASES, Tally, run_kills, table


def test_a_few_kills_of_a_run_over_videos(tmp_path: Path) -> None:
    tallies = run_kills(["demo"], 2, tmp_path, seed=1)
    (tally,) = tallies.values()
    assert tally.problems == []
    assert sum(tally.signals.values()) >= 2
    assert tally.completed >= 1


@pytest.mark.slow
def test_kills_of_all_kinds(tmp_path: Path) -> None:
    tallies = run_kills(list(CASES), 16, tmp_path, seed=3, cold_every=6)
    assert {name: tally.problems for name, tally in tallies.items()} == {name: [] for name in CASES}
    signals = [name for tally in tallies.values() for name in tally.signals.elements()]
    assert len(signals) >= 16
    assert {"SIGKILL", "SIGTERM", "SIGINT"} == set(signals)
    assert all(tally.completed for tally in tallies.values())


def test_forked_runs_are_processes_that_end_as_python_does(tmp_path: Path) -> None:
    """Else the harness would prove nothing about real ones."""
    program = tmp_path / "program.py"
    program.write_text(
        "import sys, time\nprint(sys.argv[1:], __name__)\nsys.stdout.flush()\n"
        "if sys.argv[1] == 'wait':\n    time.sleep(60)\nsys.exit(7)\n"
    )
    command = [sys.executable, str(program)]
    for start in (programs.Popen, programs.WholePopen):
        with start([*command, "a b"], stdout=subprocess.PIPE, text=True) as run:
            assert run.communicate(timeout=60)[0] == "['a b'] __main__\n"
            assert run.returncode == 7
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        codes = []
        for kind in (programs.WholePopen, subprocess.Popen):
            with kind([*command, "wait"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as run:
                assert run.stdout.readline()
                assert run.poll() is None
                run.send_signal(number)
                codes.append(run.wait(60))
        assert codes == [-number] * 2, "as in an interpreter of its own"
    with pytest.raises(subprocess.TimeoutExpired):
        programs.run([*command, "wait"], stdout=subprocess.DEVNULL, timeout=0.5)
    assert programs.run([*command, "again"], stdout=subprocess.DEVNULL).returncode == 7


def test_files_that_are_broken_or_missing_are_noticed(tmp_path: Path) -> None:
    case = DemoCase.__new__(DemoCase)
    case.reference = tmp_path / "reference"
    for folder in (case.reference, tmp_path / "out"):
        (folder / "a").mkdir(parents=True)
        (folder / "a" / "0.png").write_text("whole")
        (folder / "results.json").write_text('[{"video_name": "a", "score": 1}, {"video_name": "b", "score": 1}]')
    assert case.partial(tmp_path / "out") == case.final(tmp_path / "out") == []
    (tmp_path / "out" / "results.json").write_text('[{"video_name": "a", "score": 1}]')
    assert case.partial(tmp_path / "out") == []
    assert len(case.final(tmp_path / "out")) == 1
    (tmp_path / "out" / "results.json").write_text('[{"video_name": "a", "score": 1}, {"video_name": "a", "score": 1}]')
    assert case.partial(tmp_path / "out") == ["results.json: a"]
    (tmp_path / "out" / "a" / "0.png").write_text("who")
    assert "a/0.png" in case.partial(tmp_path / "out")
    (tmp_path / "out" / "a" / "0.png").unlink()
    (tmp_path / "out" / "a" / ".tmp-00ff.png").write_text("who")
    (tmp_path / "out" / ".lock").touch()
    problems = case.final(tmp_path / "out")
    assert {"left a/.tmp-00ff.png", ".lock stays", "other files or contents: a/0.png"} <= set(problems)
    assert contents(tmp_path / "out", "*.txt") == {}


def test_the_table_counts_signals_and_problems() -> None:
    tally = Tally(completed=2, problems=["x"])
    tally.signals.update(["SIGKILL", "SIGINT", "SIGKILL"])
    tally.codes.update(["SIGKILL -9", "SIGKILL -9", "SIGINT 130"])
    assert table({"demo": tally}).splitlines()[-1] == (
        "| demo | 2 | 0 | 1 | 0 | 0 | SIGINT 130: 1, SIGKILL -9: 2 | 2 | 1 |"
    )
