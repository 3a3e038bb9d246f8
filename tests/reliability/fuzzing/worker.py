"""A process that reads one damaged input after the other.

    python -m tests.reliability.fuzzing.worker TEMPLATES MEMORY MODULE

MODULE has the dict READERS, and ``prepare(folder)``, which writes what they need into the folder TEMPLATES.

It imports everything, then forks a child that does the reading. A child that crashes is replaced in no time, and the
crash is reported. Requests and answers are lines of JSON on standard input and output.

    {"reader", "seed", "folder"}            make the input in the folder, then read it
    {"reader", "folder"}                    read what is in the folder
"""

from __future__ import annotations

import importlib
import json
import os
import random
import resource
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from mmdet_vis.errors import UserError
from tests.reliability.fuzzing.reader import Reader

ADDRESS_SPACE = 3 * 2**30
"""Bytes of address space that a child may add to what it begins with; threads and allocators reserve far more than
they use, so that the limit on memory in use is the one of the pool."""
MAX_MESSAGE = 1500
END = 77
"""Exit code of a child that had nothing more to read; of 0, something else may have ended it."""


def main(templates: Path, limit: int, module: str) -> None:
    """Keep a child at work until standard input ends."""
    imported = importlib.import_module(module)
    readers: dict[str, Reader] = imported.READERS
    imported.prepare(templates)
    # Libraries print to standard output: answers go where it was.
    answers = os.dup(1)
    os.dup2(2, 1)
    _limit_threads()
    while True:
        child = os.fork()
        if child == 0:
            _serve(readers, templates, answers, limit)
            os._exit(END)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == END:
            return
        _answer(answers, {"crash": code})


def _limit_threads() -> None:
    """One thread for each library that the readers have loaded."""
    if "cv2" in sys.modules:
        sys.modules["cv2"].setNumThreads(1)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


def _serve(readers: dict[str, Reader], templates: Path, answers: int, limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_status("VmSize") + max(ADDRESS_SPACE, 2 * limit),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _answer(answers, {"ready": os.getpid(), "readers": list(readers)})
    while line := _line():
        request = json.loads(line)
        _answer(answers, run(readers[request["reader"]], request, templates))


def run(reader: Reader, request: dict[str, Any], templates: Path) -> dict[str, Any]:
    """Make and read one input; see :class:`tests.reliability.fuzzing.pool.Outcome` for the answer."""
    folder = Path(request["folder"])
    kind = ""
    if "seed" in request:
        try:
            kind = reader.make(random.Random(f"{reader.name} {request['seed']}"), folder, templates)
        except Exception:
            return {"outcome": "failure", "kind": "the corpus itself", "message": traceback.format_exc()}
    before = _start_peak()
    start, cpu = time.perf_counter(), time.process_time()
    outcome, message = "result", ""
    try:
        reader.read(folder)
    except UserError as error:
        outcome, message = "error", str(error)
        problem = _unclear(message, folder)
        if problem:
            outcome, message = "failure", f"{problem}: {type(error).__name__}: {message[:3000]}"
    except MemoryError:
        outcome, message = "failure", f"out of memory: {traceback.format_exc()[-3000:]}"
    except BaseException:
        outcome, message = "failure", traceback.format_exc()[-6000:]
    return {
        "outcome": outcome,
        "kind": kind,
        "message": message,
        "seconds": time.perf_counter() - start,
        "cpu": time.process_time() - cpu,
        "peak": max(_status("VmHWM") - before, 0),
    }


def _unclear(message: str, folder: Path) -> str:
    """Why a message does not help a user; empty if it does."""
    if len(message) > MAX_MESSAGE:
        return f"message of {len(message)} characters"
    if not message.strip():
        return "empty message"
    shown = os.fsencode(folder).decode("utf-8", "backslashreplace")
    return "" if shown in message or folder.name in message else "message that names no file"


def _start_peak() -> int:
    """Let the peak of resident memory start anew, and return what is resident, in bytes."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:  # Not everywhere: then a peak shows only where it is higher than those before.
        return max(_status("VmRSS"), _status("VmHWM"))
    return _status("VmRSS")


def _status(key: str) -> int:
    """A value in bytes of this process's status."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(f"{key}:"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 if key == "VmHWM" else 0


def _line() -> bytes:
    """A line of standard input, without reading beyond it: what follows may be for the next child."""
    line = b""
    while not line.endswith(b"\n"):
        byte = os.read(0, 1)
        if not byte:
            return b""
        line += byte
    return line


def _answer(answers: int, content: dict[str, Any]) -> None:
    os.write(answers, json.dumps(content).encode() + b"\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
