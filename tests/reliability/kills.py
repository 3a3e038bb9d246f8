"""Kills runs of the tools at random moments, lets them go on, and compares with runs that nobody disturbed.

    python tests/reliability/kills.py --kills 200 --seed 0
    python tests/reliability/kills.py --kills 50 --what batch,refine

SIGKILL, SIGTERM and Ctrl-C come in turn, at a moment between the start and just after the end, or while a file is
being written. Every run that was disturbed is then resumed (a stream is started again), disturbed again now and then,
and in the end left alone. Most runs are forked from a process that has imported everything, see
:mod:`tests.programs`; some start an interpreter of their own. Exit code 1: something was lost, doubled
or broken.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests import programs
from tests.reliability.kill_cases import CASES as OLDER
from tests.reliability.kill_cases import Case, unfinished
from tests.reliability.kill_rooms import ROOMS

CASES: dict[str, Callable[[Path], Case]] = {**OLDER, **{case.name: case for case in ROOMS}}
Run: TypeAlias = "subprocess.Popen[bytes]"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
WRITING_SHARE = 0.35
"""Signals that wait for a file to be in the middle of being written."""
AGAIN_SHARE = 0.4
"""Disturbed runs that are disturbed again when they go on."""
COLD_EVERY = 12
TIMEOUT = 600.0
INTERRUPTED = 130


@dataclass
class Tally:
    """What happened to one kind of run."""

    signals: Counter[str] = field(default_factory=Counter)
    writing: int = 0
    cold: int = 0
    late: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    completed: int = 0
    problems: list[str] = field(default_factory=list)


def _lock(save: Path) -> tuple[int, int] | None:
    """Changes when a run takes the lock of its folder; None if there is none."""
    with suppress(FileNotFoundError):
        status = (save / ".lock").stat()
        return status.st_ino, status.st_mtime_ns
    return None


class Harness:
    """Disturbs runs of one kind.

    Args:
        case: what is run.
        folder: for the results.
        rng: decides on the moments.
        numbers: which signal comes next, shared by all kinds.
    """

    def __init__(self, case: Case, folder: Path, rng: random.Random, numbers: Iterator[signal.Signals]) -> None:
        self.case = case
        self.folder = folder
        self.rng = rng
        self.numbers = numbers
        self.tally = Tally()
        self.imports = 0.0
        self._save: Path | None = None
        self._runs = 0
        case.reference = folder / "reference"
        start = time.monotonic()
        code, _, err = self._finish(self._start(case.reference_command(case.reference)))
        self.seconds = time.monotonic() - start
        if code != 0:
            raise RuntimeError(f"{case.name}: the undisturbed run failed with {code}: {err}")

    def disturb(self, cold: bool = False) -> None:
        """Start or resume a run, send it a signal, and look at what it left."""
        if self._save is None:
            self._runs += 1
            self._save = self.folder / f"run{self._runs}"
        save, number = self._save, next(self.numbers)
        before, lock = self.case.done(save), _lock(save)
        command = self.case.command(save)
        self.imports = self.imports or (self._import_seconds() if cold else 0.0)
        begun = time.monotonic()
        run = self._start(command, cold)
        sent, writing = self._send(run, number, save, self.imports if cold else 0.0)
        code, _, err = self._finish(run)
        what = f"{self.case.name} {save.name} {number.name}{' cold' if cold else ''} -> {code}"
        if sent and code not in (0, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, INTERRUPTED):
            self._problem(f"{what}: {err[-600:]}")
        if number == signal.SIGKILL and code == 0:
            sent = False  # It came while the process was ending.
        self._look(what, save, before, lock, code, err)
        if sent:
            self.tally.signals[number.name] += 1
            self.tally.codes[f"{number.name} {code}"] += 1
            self.tally.writing += writing
            self.tally.cold += cold
        else:
            self.tally.late += 1
            if not cold:  # the machine is less busy than it was
                self.seconds = min(self.seconds, time.monotonic() - begun)
            if code != 0:
                self._problem(f"{what}: ended before the signal: {err[-600:]}")
        if self.rng.random() >= AGAIN_SHARE:
            self.complete()

    def complete(self) -> None:
        """Let the run under way go on to its end, and compare it with the undisturbed one."""
        save = self._save
        if save is None:
            return
        self._save = None
        before = self.case.done(save)
        code, _, err = self._finish(self._start(self.case.command(save)))
        if code != 0:
            self._problem(f"{self.case.name} {save.name} resumed -> {code}: {err[-600:]}")
        after = self.case.done(save)
        for name, stamp in before.items():
            if after.get(name) != stamp:
                self._problem(f"{self.case.name} {save.name}: {name} was done again or is gone")
        for problem in self.case.final(save):
            self._problem(f"{self.case.name} {save.name}, at the end: {problem}")
        self.tally.completed += 1
        shutil.rmtree(save)

    def _look(self, what: str, save: Path, before: dict[str, Any], lock: Any, code: int, err: str) -> None:
        """What a disturbed run left."""
        after = self.case.done(save)
        for name, stamp in before.items():
            if after.get(name) != stamp:
                self._problem(f"{what}: {name} was done again or is gone")
        for problem in self.case.partial(save):
            self._problem(f"{what}: {problem}")
        if code in (0, INTERRUPTED):
            for name in unfinished(save):
                self._problem(f"{what}: left {name}")
            if "Traceback" in err:
                self._problem(f"{what}: {err[-1500:]}")
            # That of a run that was killed stays where this one was stopped before it took it.
            if _lock(save) not in (None, lock):
                self._problem(f"{what}: .lock stays")

    def _start(self, command: list[str], cold: bool = False) -> Run:
        start = subprocess.Popen if cold else programs.WholePopen
        with open(self.folder / "stdout", "wb") as out, open(self.folder / "stderr", "wb") as err:
            return start([sys.executable, *command], stdin=subprocess.DEVNULL, stdout=out, stderr=err)

    def _finish(self, run: Run) -> tuple[int, str, str]:
        try:
            code = run.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            self._problem(f"{self.case.name}: hung for {TIMEOUT:.0f} s: {(self.folder / 'stderr').read_text()[-600:]}")
            code = -signal.SIGKILL
        out, err = (
            (self.folder / name).read_text(errors="replace") if (self.folder / name).exists() else ""
            for name in ("stdout", "stderr")
        )
        return code, out, err

    def _send(self, run: Run, number: signal.Signals, save: Path, imports: float) -> tuple[bool, bool]:
        """Wait for the moment and send the signal; returns whether the run was alive then, and writing a file."""
        moment = time.monotonic() + self.rng.uniform(0, imports + 1.02 * self.seconds)
        to_writing = self.rng.random() < WRITING_SHARE
        while time.monotonic() < moment and run.poll() is None:
            time.sleep(0.002)
        writing = False
        while to_writing and not writing and run.poll() is None:
            time.sleep(0.0003)
            writing = bool(unfinished(save))
        alive = run.poll() is None
        run.send_signal(number)
        return alive, writing and alive

    def _import_seconds(self) -> float:
        """How long a cold start takes until the tool's own work begins, about."""
        start = time.monotonic()
        self._start(["-c", "import mmdet_vis.run.videos, mmdet_vis.training"], cold=True).wait(TIMEOUT)
        return time.monotonic() - start

    def _problem(self, text: str) -> None:
        print(f"PROBLEM {text}", file=sys.stderr, flush=True)
        self.tally.problems.append(text)


def run_kills(
    kinds: list[str],
    kills: int,
    folder: Path,
    seed: int = 0,
    cold_every: int = COLD_EVERY,
    minutes: float = float("inf"),
) -> dict[str, Tally]:
    """Disturb runs until so many signals have met one under way.

    Args:
        kinds: of :data:`CASES`.
        kills: how many in all.
        folder: for inputs and results.
        seed: of the moments.
        cold_every: each so-manyth run starts an interpreter of its own.
        minutes: until then no other one is started.
    """
    end = time.monotonic() + 60 * minutes
    rng = random.Random(seed)

    def numbers() -> Iterator[signal.Signals]:
        while True:
            yield from rng.sample(SIGNALS, len(SIGNALS))

    harnesses = []
    endless = numbers()
    for kind in kinds:
        (folder / kind / "inputs").mkdir(parents=True)
        case = CASES[kind](folder / kind / "inputs")
        harnesses.append(Harness(case, folder / kind, rng, endless))
    total = tries = 0
    while total < kills and tries < 3 * kills + 10 and time.monotonic() < end:
        harness = harnesses[tries % len(harnesses)]
        tries += 1
        harness.disturb(cold=tries % cold_every == 0)
        total = sum(sum(h.tally.signals.values()) for h in harnesses)
        if tries % 10 == 0:
            print(f"{total} signals", file=sys.stderr, flush=True)
    for harness in harnesses:
        harness.complete()
    return {harness.case.name: harness.tally for harness in harnesses}


def table(tallies: dict[str, Tally]) -> str:
    """The outcome as Markdown."""
    lines = [
        "| run | SIGKILL | SIGTERM | Ctrl-C | while writing | cold start | exit codes | finished afterwards | wrong |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, tally in tallies.items():
        numbers = " | ".join(str(tally.signals[number.name]) for number in SIGNALS)
        codes = ", ".join(f"{key}: {count}" for key, count in sorted(tally.codes.items()))
        lines.append(
            f"| {name} | {numbers} | {tally.writing} | {tally.cold} | {codes} | {tally.completed} | "
            f"{len(tally.problems)} |"
        )
    return "\n".join(lines)


def main() -> int:
    """Run the harness; 1 if something was wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--kills", type=int, default=100, help="signals in all (default 100)")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop earlier after so many")
    parser.add_argument("--what", default=",".join(CASES), help="comma-separated (default: all)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder); kept")
    parser.add_argument("--out", type=Path, help="JSON file for the outcome")
    args = parser.parse_args()
    kinds = args.what.split(",")
    if unknown := set(kinds) - CASES.keys():
        parser.error(f"--what knows {', '.join(CASES)}, not {', '.join(sorted(unknown))}")
    folder = args.folder or Path(tempfile.mkdtemp(prefix="kills-"))
    folder.mkdir(parents=True, exist_ok=True)
    programs.heed_signals()
    start = time.monotonic()
    tallies = run_kills(kinds, args.kills, folder, args.seed, minutes=args.minutes)
    print(table(tallies))
    problems = [problem for tally in tallies.values() for problem in tally.problems]
    signals = sum(sum(tally.signals.values()) for tally in tallies.values())
    print(f"{signals} signals in {time.monotonic() - start:.0f} s, {len(problems)} problems")
    if args.out is not None:
        content = {name: {**vars(t), "signals": dict(t.signals), "codes": dict(t.codes)} for name, t in tallies.items()}
        args.out.write_text(json.dumps(content, indent=1) + "\n")
    if args.folder is None and not problems:
        shutil.rmtree(folder)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
