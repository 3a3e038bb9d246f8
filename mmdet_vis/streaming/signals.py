"""Ctrl-C and SIGTERM as a wish to end, which is granted between two frames."""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Any

EXIT_INTERRUPTED = 130


class StopSignals:
    """In its ``with`` block a first SIGINT or SIGTERM only sets a flag; a second one is a KeyboardInterrupt.

    So no file is left in the middle of a line, and a program that hangs can still be ended. Main thread only.
    """

    def __init__(self) -> None:
        self._stopped = False
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether the program should end."""
        return self._stopped

    def __enter__(self) -> StopSignals:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        self._stopped = True
