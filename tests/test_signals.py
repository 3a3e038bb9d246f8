"""Signals as a wish to end, and as an order."""

from __future__ import annotations

import logging
import os
import signal
import threading

import pytest

from mmdet_vis.signals import StopSignals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_first_signal_asks_and_a_second_one_insists(number):
    before = signal.getsignal(number)
    with StopSignals() as stop:
        assert not stop()
        os.kill(os.getpid(), number)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before


def test_a_signal_that_does_not_insist_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "mmdet_vis")
    with StopSignals("stopping", insist=(signal.SIGINT,)) as stop:
        for _ in range(3):
            os.kill(os.getpid(), signal.SIGTERM)
        assert stop()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert caplog.messages == ["stopping"], "said once"


def test_waiting_ends_with_a_signal() -> None:
    with StopSignals() as stop:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
        stop.wait()
    assert stop()
