"""What Ctrl-C, SIGTERM and a closed terminal do: end the work at once, or at the next good moment."""

from __future__ import annotations

import logging
import os
import signal
import threading
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


def end_on_signals() -> None:
    """Let SIGTERM (``kill``, a scheduler, a container that stops) and a closed terminal end the work as Ctrl-C does."""
    # Processes that wait for each other in compiled code would not hear a Python handler.
    alone = os.environ.get("WORLD_SIZE", "1") == "1"
    if not alone or threading.current_thread() is not threading.main_thread():
        return
    for name in ("SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)  # Windows has no terminals that hang up.
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:  # Not one that nohup lets pass.
            signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, _interrupt)


def was_interrupted() -> bool:
    """Whether a signal has ended the work by a KeyboardInterrupt, which may have become another error since."""
    return _interrupted


def let_signals_kill() -> None:
    """From here on nothing is left to save: a signal shows no traceback and does not wait for threads that hang."""
    if threading.current_thread() is threading.main_thread():
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)


_interrupted = False


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt
