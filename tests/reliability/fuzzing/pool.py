"""Processes that read damaged input, from outside: limits of time and memory, and what came of each input."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

REPOSITORY = Path(__file__).resolve().parents[3]
START_SECONDS = 1800.0


@dataclass(frozen=True)
class Limits:
    """What reading one input may take: seconds, and bytes of memory beyond what the process has before.

    Seconds are those that the process computes; one that waits for so long has no end either. So it makes no
    difference how busy the machine is.
    """

    seconds: float = 30.0
    memory: int = 3 * 2**29


@dataclass(frozen=True)
class Outcome:
    """What came of one input.

    Attributes:
        reader, kind: what read it, and what kind of input it was.
        outcome: "result", "error" (one clear line for the user) or "failure" (anything else).
        message: the error, or what failed.
        seconds, cpu: of reading.
        peak: bytes of memory that reading added at most.
    """

    reader: str
    kind: str
    outcome: str
    message: str
    seconds: float = 0.0
    cpu: float = 0.0
    peak: int = 0


class Worker:
    """One process of :mod:`tests.reliability.fuzzing.worker`.

    Args:
        templates: folder for valid files, which the process writes where they are missing.
        log: file for what libraries print.
        limits: of one input.
        readers: the module that has them.

    Attributes:
        names: of the readers, once inputs are taken.
    """

    def __init__(
        self,
        templates: Path,
        log: BinaryIO,
        limits: Limits | None = None,
        readers: str = "tests.reliability.fuzzing.readers",
    ) -> None:
        self.limits = limits or Limits()
        self._log = log
        self._rest = b""
        self.names: list[str] = []
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONFAULTHANDLER": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"{__package__}.worker", str(templates), str(self.limits.memory), readers],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, cwd=REPOSITORY, env=environment,
        )  # fmt: skip
        self._child = 0

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        if self._child and self._process.poll() is None:
            _kill(self._child)
        self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()

    def wait_ready(self) -> None:
        """Wait until inputs are taken."""
        while not self._child:
            answer = self._answer(START_SECONDS)
            if answer is None:
                raise RuntimeError("a worker of the fuzzer did not start; see its log")
            self._child = answer.get("ready", 0)
            self.names = answer.get("readers", self.names)

    def run(self, reader: str, folder: Path, seed: int | None = None) -> Outcome:
        """Make the input of a seed in a folder and read it; without a seed read what is there."""
        self.wait_ready()
        request: dict[str, Any] = {"reader": reader, "folder": str(folder)}
        if seed is not None:
            request["seed"] = seed
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(request).encode() + b"\n")
        self._process.stdin.flush()
        start = time.perf_counter()
        answer = self._answer_in_time()
        took = time.perf_counter() - start
        if answer is None:
            _kill(self._child)
            self._child = 0
            self._answer(START_SECONDS)  # that it is gone
            return Outcome(reader, "", "failure", f"no end after {took:.0f} s", took)
        if "crash" in answer:
            self._child = 0
            code = answer["crash"]
            name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
            return Outcome(reader, "", "failure", f"the interpreter crashed: {name}", took)
        outcome = Outcome(reader, **answer)
        if outcome.outcome != "failure" and outcome.peak > self.limits.memory:
            message = f"{outcome.peak / 2**20:.0f} MiB of memory ({outcome.outcome}: {outcome.message[:300]})"
            outcome = Outcome(reader, outcome.kind, "failure", message, outcome.seconds, outcome.cpu, outcome.peak)
        return outcome

    def _answer_in_time(self) -> dict[str, Any] | None:
        """The answer to an input; None if the limit comes first."""
        begin = used = cpu_seconds(self._child)
        last = time.perf_counter()
        while True:
            answer = self._answer(min(1.0, self.limits.seconds))
            now, seconds = time.perf_counter(), cpu_seconds(self._child)
            if answer is not None:
                return answer
            if self._process.poll() is not None:
                raise RuntimeError("a worker of the fuzzer ended by itself; see its log")
            if seconds > used:
                used, last = seconds, now
            if used - begin > self.limits.seconds or now - last > self.limits.seconds:
                return None

    def _answer(self, seconds: float) -> dict[str, Any] | None:
        """The next answer; None if none comes in time or the process is gone."""
        assert self._process.stdout is not None
        end = time.perf_counter() + seconds
        while b"\n" not in self._rest:
            left = end - time.perf_counter()
            if left <= 0 or not select.select([self._process.stdout], [], [], left)[0]:
                return None
            data = os.read(self._process.stdout.fileno(), 1 << 16)
            if not data:
                return None
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        return json.loads(line)


def cpu_seconds(process: int) -> float:
    """Seconds that a process has computed so far; 0 if it is gone."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return 0.0
    # The second field is a name in brackets, which may hold anything.
    fields = text.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _kill(process: int) -> None:
    try:
        os.kill(process, signal.SIGKILL)
    except ProcessLookupError:
        return
