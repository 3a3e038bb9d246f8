"""The queue between reading and segmenting: waiting for files, thinning out live frames."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from mmdet_vis.streaming.buffer import FrameBuffer, StalledError
from mmdet_vis.streaming.frames import StreamFrame


def frame(index: int) -> StreamFrame:
    return StreamFrame(index, None, np.zeros((1, 1, 3), np.uint8))


def never() -> bool:
    return False


def take(buffer: FrameBuffer, number: int) -> list[int]:
    taken = [buffer.get(1.0, never) for _ in range(number)]
    return [item.index for item in taken if item is not None]


def test_live_frames_are_thinned_out_evenly():
    buffer = FrameBuffer(8, live=True)
    for index in range(100):
        assert buffer.put(frame(index))
    waiting = 100 - buffer.dropped
    assert 4 <= waiting <= 8
    left = take(buffer, waiting)
    assert left == list(range(0, 100, 16))  # from the first to nearly the last, in even steps
    # Once all are taken nothing is left out any more.
    for index in range(100, 108):
        buffer.put(frame(index))
    assert take(buffer, 8) == list(range(100, 108))
    assert buffer.dropped == 100 - waiting


@pytest.mark.parametrize("capacity", [1, 2, 3, 5, 32])
def test_a_live_buffer_never_holds_more_than_its_capacity(capacity):
    buffer = FrameBuffer(capacity, live=True)
    for index in range(200):
        buffer.put(frame(index))
        assert 1 <= index + 1 - buffer.dropped <= capacity


def test_a_reader_of_a_file_waits_and_nothing_is_lost():
    buffer = FrameBuffer(4, live=False)
    put = []

    def read() -> None:
        for index in range(20):
            buffer.put(frame(index))
            put.append(index)
        buffer.end()

    thread = threading.Thread(target=read, daemon=True)
    thread.start()
    time.sleep(0.1)
    assert len(put) == 4
    assert take(buffer, 21) == list(range(20))
    assert buffer.get(1.0, never) is None
    assert buffer.dropped == 0
    thread.join(1)


def test_stalls_stops_errors_and_closing():
    buffer = FrameBuffer(2, live=False)
    start = time.monotonic()
    with pytest.raises(StalledError):
        buffer.get(0.3, never)
    assert 0.25 < time.monotonic() - start < 5
    assert buffer.get(60, lambda: True) is None
    buffer.put(frame(0))
    buffer.end(OSError("lost"))
    assert take(buffer, 1) == [0]  # what came before the error first
    with pytest.raises(OSError, match="lost"):
        buffer.get(1, never)
    assert buffer.get(1, never) is None
    buffer.close()
    assert not buffer.put(frame(1))


def test_closing_wakes_a_reader_that_waits():
    buffer = FrameBuffer(1, live=False)
    buffer.put(frame(0))
    outcome: list[bool] = []
    thread = threading.Thread(target=lambda: outcome.append(buffer.put(frame(1))), daemon=True)
    thread.start()
    time.sleep(0.05)
    buffer.close()
    thread.join(2)
    assert outcome == [False]
