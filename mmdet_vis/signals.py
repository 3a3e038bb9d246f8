"""What Ctrl-C and SIGTERM do to work that ends at the next good moment; :mod:`mmdet_vis.errors` ends it at once."""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Sequence
from types import FrameType
from typing import Any

_LOGGER = logging.getLogger(__name__)

SIGNALS = (signal.SIGINT, signal.SIGTERM)
BEFORE_THE_END = tuple(getattr(signal, name) for name in ("SIGUSR1",) if hasattr(signal, name))
"""What schedulers of clusters send some time before they end a program, for it to save what it has."""
_POLL_SECONDS = 0.1


class StopSignals:
    """In its ``with`` block a first SIGINT or SIGTERM is a wish to end; a second one is a KeyboardInterrupt.

    So no file is left in the middle of a line, and a program that hangs can still be ended. Main thread only.

    Args:
        note: what a first signal prints on stderr.
        insist: signals that interrupt if they come when one came before; the others then change nothing.
        more: other signals that are such a wish.
    """

    def __init__(self, note: str = "", insist: Sequence[int] = SIGNALS, more: Sequence[int] = ()) -> None:
        self._signals = (*SIGNALS, *more)
        self._note = note
        self._insist = insist
        self._stopped = False
        self._before: dict[int, Any] = {}

    def __call__(self) -> bool:
        """Whether the program should end."""
        return self._stopped

    def wait(self) -> None:
        """Do nothing until the program should end."""
        # Not by an event: a handler that sets it may meet its lock held by the thread that it interrupts.
        while not self._stopped:
            time.sleep(_POLL_SECONDS)

    def __enter__(self) -> StopSignals:
        for number in self._signals:
            self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._stopped:
            if number in self._insist:
                raise KeyboardInterrupt
            return
        self._stopped = True
        if self._note:
            _LOGGER.info("%s", self._note)
