"""Reading ahead: order, bounds, errors, and an end without hanging."""

from __future__ import annotations

import gc
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from mmdet_vis.data.sources import ArraySource, Frame, Prefetcher
from mmdet_vis.errors import SourceError


class Recording(ArraySource):
    """Twenty frames that show their index; remembers which were read, and fails at one if told to."""

    def __init__(self, fails_at: int | None = None) -> None:
        super().__init__(np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((1, 2, 2, 3), np.uint8))
        self.reads: list[tuple[int, int]] = []
        self.fails_at = fails_at

    def read(self, start: int, stop: int) -> list[Frame]:
        self.reads.append((start, stop))
        if self.fails_at is not None and start <= self.fails_at < stop:
            raise SourceError(f"frame {self.fails_at} is damaged")
        return super().read(start, stop)


CHUNKS = [(start, start + 4) for start in range(0, 20, 4)]


def prefetch_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "prefetch"]


def wait_until_quiet(source: Recording) -> None:
    """Wait until the thread has stopped asking for frames."""
    count = -1
    while count != len(source.reads):
        count = len(source.reads)
        time.sleep(0.05)


@pytest.mark.parametrize("chunks", [CHUNKS, CHUNKS[::-1], [(3, 4)], []])
def test_yields_the_chunks_in_order(chunks: list[tuple[int, int]]) -> None:
    source = Recording()
    found = list(Prefetcher(source, iter(chunks)))
    assert [(start, stop) for start, stop, _ in found] == chunks
    for start, stop, frames in found:
        assert [frame[0, 0, 0] for frame in frames] == list(range(start, stop))
    assert prefetch_threads() == []


def test_transform_runs_in_the_thread() -> None:
    def transform(frames: list[Frame]) -> tuple[int, str]:
        return sum(int(frame[0, 0, 0]) for frame in frames), threading.current_thread().name

    found = list(Prefetcher(Recording(), CHUNKS[:2], transform=transform))
    assert found == [(0, 4, (6, "prefetch")), (4, 8, (22, "prefetch"))]


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_reads_no_further_ahead_than_told(depth: int) -> None:
    source = Recording()
    with Prefetcher(source, CHUNKS, depth=depth) as chunks:
        wait_until_quiet(source)
        assert len(source.reads) == depth
        next(chunks)
        wait_until_quiet(source)
        assert len(source.reads) == depth + 1
    assert prefetch_threads() == []
    with pytest.raises(ValueError, match="depth"):
        Prefetcher(source, CHUNKS, depth=0)


def test_error_comes_in_its_place() -> None:
    chunks = Prefetcher(Recording(fails_at=9), CHUNKS)
    assert [next(chunks)[:2], next(chunks)[:2]] == [(0, 4), (4, 8)]
    with pytest.raises(SourceError, match="frame 9 is damaged"):
        next(chunks)
    with pytest.raises(StopIteration):
        next(chunks)
    assert prefetch_threads() == []


@pytest.mark.parametrize("where", ["chunks", "transform"])
def test_error_outside_the_source(where: str) -> None:
    def broken() -> object:
        yield (0, 4)
        raise RuntimeError("broken")

    def transform(frames: list[Frame]) -> None:
        raise RuntimeError("broken")

    chunks = Prefetcher(Recording(), broken()) if where == "chunks" else Prefetcher(Recording(), CHUNKS, 2, transform)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="broken"):
        list(chunks)


def test_closing_early_stops_the_thread() -> None:
    chunks = Prefetcher(Recording(), CHUNKS)
    next(chunks)
    chunks.close()
    chunks.close()
    assert prefetch_threads() == []
    assert list(chunks) == []


def test_forgotten_prefetcher_stops_when_it_is_collected() -> None:
    chunks = Prefetcher(Recording(), CHUNKS)
    next(chunks)
    del chunks
    gc.collect()
    assert prefetch_threads() == []


def test_forgotten_prefetcher_does_not_keep_the_interpreter_alive() -> None:
    script = (
        "import numpy as np\n"
        "from mmdet_vis.data.sources import ArraySource, Prefetcher\n"
        "source = ArraySource(np.zeros((50, 4, 4, 3), np.uint8))\n"
        "chunks = Prefetcher(source, [(i, i + 1) for i in range(50)])\n"
        "print(next(chunks)[:2])\n"
        "raise SystemExit(3)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (3, "(0, 1)\n", "")
