"""Give every reader damaged input for a set time: each must end with a result or with one clear error.

    python tests/reliability/fuzz.py --minutes 20 --out work_dirs/fuzz
    python tests/reliability/fuzz.py --reader image --seed 4711 --count 1      # one input again

An input is made from the name of its reader and a number alone. It is read in a process of its own, which is replaced
if it crashes, takes too long, or takes too much memory. Inputs that fail are kept in OUT/failures with their number;
the counts are in OUT/fuzz.json and OUT/fuzz.md.
"""

from __future__ import annotations

import argparse
import json
import queue
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmdet_vis.commands.arguments import positive
from mmdet_vis.errors import UserError, run_command
from tests.reliability.fuzzing.pool import Limits, Outcome, Worker
from tests.reliability.fuzzing.report import Table


def parse_args() -> argparse.Namespace:
    """Command line of the tool."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0, help="how long (default 20)")
    parser.add_argument("--count", type=positive, help="stop after so many inputs of each reader")
    parser.add_argument("--seed", type=int, default=0, help="number of the first input (default 0)")
    parser.add_argument("--readers", help="comma-separated names (default: all)")
    parser.add_argument("--workers", type=positive, default=1, help="processes (default 1)")
    parser.add_argument("--seconds", type=float, default=30.0, help="limit of one input (default 30)")
    parser.add_argument("--memory", type=positive, default=1536, help="limit of one input in MiB (default 1536)")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/fuzz"), help="where to (default work_dirs/fuzz)")
    return parser.parse_args()


def main() -> int:
    """Run the tool; returns 1 if an input failed."""
    args = parse_args()
    failures = args.out / "failures"
    failures.mkdir(parents=True, exist_ok=True)
    limits = Limits(args.seconds, args.memory * 2**20)
    with tempfile.TemporaryDirectory() as scratch, (args.out / "workers.log").open("wb") as log:
        templates = Path(scratch, "templates")
        workers = [Worker(templates, log, limits)]
        workers[0].wait_ready()
        names = args.readers.split(",") if args.readers else workers[0].names
        unknown = [name for name in names if name not in workers[0].names]
        if unknown:
            workers[0].close()
            raise UserError(f"--readers: {unknown[0]!r} is not one of {', '.join(workers[0].names)}")
        workers += [Worker(templates, log, limits) for _ in range(args.workers - 1)]
        start = time.monotonic()
        run = Run(Path(scratch), failures, start + 60 * args.minutes, args.count)
        cases = run.cases(names, args.seed)
        threads = [threading.Thread(target=run.serve, args=(worker, cases)) for worker in workers]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    minutes = (time.monotonic() - start) / 60
    print(run.table.markdown())
    content = {"minutes": minutes, "seed": args.seed, "readers": run.table.to_json(), "failures": run.failed}
    (args.out / "fuzz.json").write_text(json.dumps(content, indent=1) + "\n")
    (args.out / "fuzz.md").write_text(f"{run.table.markdown()}\n")
    total = run.table.total()
    print(f"\n{total.cases} inputs in {minutes:.1f} minutes, {total.failures} failures")
    return 1 if total.failures else 0


class Run:
    """Inputs that are handed out until time is up, and what came of them."""

    def __init__(self, scratch: Path, failures: Path, end: float, count: int | None) -> None:
        self.scratch, self.failures, self.end, self.count = scratch, failures, end, count
        self.table = Table()
        self.failed: list[dict[str, str | int]] = []
        self._lock = threading.Lock()

    def cases(self, names: list[str], seed: int) -> queue.Queue[Iterator[tuple[str, int]]]:
        """All inputs, each reader in its turn, behind a queue that several threads may ask."""
        cases: queue.Queue[Iterator[tuple[str, int]]] = queue.Queue()
        numbers = range(seed, seed + self.count) if self.count else range(seed, 2**62)
        cases.put((name, number) for number in numbers for name in names)
        return cases

    def serve(self, worker: Worker, cases: queue.Queue[Iterator[tuple[str, int]]]) -> None:
        """Keep one process at work."""
        with worker:
            while time.monotonic() < self.end:
                generator = cases.get()
                case = next(generator, None)
                cases.put(generator)
                if case is None:
                    return
                self._run(worker, *case)

    def _run(self, worker: Worker, reader: str, seed: int) -> None:
        folder = Path(tempfile.mkdtemp(prefix="input_", dir=self.scratch))
        outcome = worker.run(reader, folder, seed)
        with self._lock:
            self.table.add(outcome)
            if outcome.outcome == "failure":
                self._keep(outcome, folder, seed)
        shutil.rmtree(folder, ignore_errors=True)

    def _keep(self, outcome: Outcome, folder: Path, seed: int) -> None:
        kept = self.failures / f"{outcome.reader.replace(' ', '_')}_{seed}"
        shutil.rmtree(kept, ignore_errors=True)
        shutil.move(folder, kept)
        (kept / "outcome.txt").write_text(f"{outcome.kind}\n{outcome.message}\n", errors="backslashreplace")
        last = outcome.message.strip().splitlines()[-1][:200]
        self.failed.append({"reader": outcome.reader, "seed": seed, "kind": outcome.kind, "message": last})
        print(f"FAILURE {outcome.reader} {seed} ({outcome.kind}): {last}", flush=True)


if __name__ == "__main__":
    run_command(main)
