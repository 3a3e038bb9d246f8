"""How commands end: on bad input, on signals, on a full disk, and when the memory is used up."""

from __future__ import annotations

import errno
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from mmdet_vis.errors import (
    ConfigError,
    SourceError,
    collected_warnings,
    is_out_of_memory,
    option,
    run_command,
    speaking_of_controls,
)

PROGRAM = """
import signal, sys, time
from pathlib import Path
from mmdet_vis.errors import OutputError, run_command

def work():
    {work}

def main():
    try:
        work()
    finally:
        Path(sys.argv[1], "cleaned").touch()
    return 3

{before}
run_command(main)
"""
WAIT = 'Path(sys.argv[1], "ready").touch(); time.sleep(60)'


def program(work: str, before: str = "") -> list[str]:
    return [sys.executable, "-c", PROGRAM.format(work=work, before=before)]


def run(folder: Path, work: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*program(work), str(folder)], capture_output=True, text=True, timeout=60, check=False)


def signalled(folder: Path, number: int, before: str = "", work: str = WAIT, **environment: str) -> tuple[int, str]:
    """Exit code and stderr of a program that gets a signal while it waits."""
    command = [*program(work, before), str(folder)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, **environment})
    while not (folder / "ready").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(number)
    try:
        _, err = process.communicate(timeout=60 if number != signal.SIGHUP or not before else 1)
    except subprocess.TimeoutExpired:
        process.kill()
        return 99, process.communicate()[1]
    return process.returncode, err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_the_work_in_order(tmp_path: Path, number: signal.Signals) -> None:
    assert signalled(tmp_path, number) == (130, "interrupted\n")
    assert (tmp_path / "cleaned").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_of_which_other_code_makes_an_error_ends_the_work_in_order(
    tmp_path: Path, number: signal.Signals
) -> None:
    work = f"""try:
        {WAIT}
    except KeyboardInterrupt:
        raise TypeError("__array__() got an unexpected keyword argument") from None"""
    assert signalled(tmp_path, number, work=work) == (130, "interrupted\n")


def test_a_program_under_nohup_goes_on(tmp_path: Path) -> None:
    code, err = signalled(tmp_path, signal.SIGHUP, "signal.signal(signal.SIGHUP, signal.SIG_IGN)")
    assert (code, err) == (99, "")


def test_one_of_several_processes_can_be_ended_wherever_it_is(tmp_path: Path) -> None:
    """It may wait for the others in compiled code, where no Python handler would run."""
    assert signalled(tmp_path, signal.SIGTERM, WORLD_SIZE="2") == (-signal.SIGTERM, "")


def test_status_and_errors_of_the_user(tmp_path: Path) -> None:
    assert run(tmp_path, "pass").returncode == 3
    done = run(tmp_path, "raise OutputError('a  b.json:\\nno')")
    assert (done.returncode, done.stderr) == (2, "error: a  b.json: no\n")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line_wherever_it_shows(tmp_path: Path) -> None:
    done = run(tmp_path, "__import__('os').write(__import__('os').open('/dev/full', 1), b'text')")
    assert done.returncode == 2
    assert done.stderr == "error: No space left on device; check its permissions and the free disk space\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_nobody_can_take(tmp_path: Path) -> None:
    """A full disk under ``> log.txt`` is an error, though Python would notice at its exit; a closed pipe is none."""
    for target, code in (("/dev/full", 2), (None, 0)):
        command = [*program("print('x' * 100)"), str(tmp_path)]
        reader, writer = os.pipe()
        os.close(reader)
        stdout = writer if target is None else os.open(target, os.O_WRONLY)
        done = subprocess.run(command, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        lines = done.stderr.splitlines()
        assert len(lines) == (1 if code else 0)
        assert all(line.startswith("error: No space left on device") for line in lines)


def test_used_up_memory_is_one_line_and_other_errors_are_not(tmp_path: Path) -> None:
    done = run(tmp_path, "bytearray(1 << 62)")
    assert done.returncode == 2
    assert done.stderr.startswith("error: not enough memory (")
    done = run(tmp_path, "[][0]")
    assert done.returncode == 1
    assert "IndexError" in done.stderr


def real_errors() -> dict[str, BaseException]:
    """What libraries raise when they are asked for more memory than any machine has."""
    found: dict[str, BaseException] = {}
    for name, call in {
        "torch": lambda: torch.empty(1 << 60, dtype=torch.uint8),
        "numpy": lambda: np.empty(1 << 60, np.uint8),
        "python": lambda: bytearray(1 << 62),
    }.items():
        try:
            call()
        except BaseException as error:
            found[name] = error
    return found


def test_errors_of_allocators_are_known() -> None:
    found = real_errors()
    assert found.keys() == {"torch", "numpy", "python"}
    for error in found.values():
        assert is_out_of_memory(error), repr(error)
    for error in (
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"),
        RuntimeError("std::bad_alloc"),
        RuntimeError("can't start new thread"),
        OSError(errno.ENOMEM, "Cannot allocate memory"),
    ):
        assert is_out_of_memory(error), repr(error)
    for other in (
        RuntimeError("shapes do not match"),
        SourceError("a.mp4: not enough memory for its 9 frames"),
        OSError(errno.ENOENT, "No such file", "out of memory.mp4"),
        KeyboardInterrupt(),
    ):
        assert not is_out_of_memory(other), repr(other)


def test_messages_speak_of_arguments_and_in_commands_of_options(capsys):
    def work():
        raise ConfigError(f"{option('key_num', 0)} {option('compile', True)} {option('mem_max')}")

    with pytest.raises(ConfigError, match=r"^key_num=0 compile=True mem_max$"):
        work()
    with pytest.raises(SystemExit):
        run_command(work)
    assert capsys.readouterr().err == "error: --key-num 0 --compile --mem-max\n"
    with pytest.raises(ConfigError, match=r"^key_num=0 "):  # a program may go on after a command that it ran
        work()
    with speaking_of_controls({"key_num": "Key frames"}):
        assert [option("key_num", 0), option("mem_max")] == ["Key frames 0", "mem max"]
    assert option("key_num", 0) == "key_num=0"


@pytest.mark.parametrize("alone", [True, False])
def test_warnings_are_collected_each_once_and_shown_as_ever_unless_nobody_else_is_to_see_them(caplog, alone):
    logger = logging.getLogger("mmdet_vis.somewhere")
    with collected_warnings(alone) as lines:
        for text in ("two\nlines", "two\nlines", "more"):
            logger.warning(text)
        logger.error("no warning")
        other = threading.Thread(target=logger.warning, args=("of another thread",))
        other.start()
        other.join()
    logger.warning("later")
    assert lines == ["two lines", "more", *(["of another thread"] if alone else [])]
    assert ("more" in caplog.text) is not alone
    assert "later" in caplog.text


LOGS = """
import logging
logger = logging.getLogger("mmdet_vis.somewhere")
def say():
    logger.info("note %d", 1)
    logger.warning("careful %s", "now")
    logger.error("no good")
    logging.getLogger("other").warning("another's")
"""


def test_commands_show_every_message_and_a_library_warns_only():
    command = "from mmdet_vis.errors import run_command\nrun_command(say)"
    for end, lines in (
        (command, ["note 1", "warning: careful now", "error: no good", "another's"]),
        ("import mmdet_vis\nsay()", ["careful now", "no good", "another's"]),
    ):
        done = subprocess.run([sys.executable, "-c", LOGS + end], capture_output=True, text=True, check=True)
        assert done.stderr.splitlines() == lines
        assert done.stdout == ""


def test_faults_are_logged_with_their_traceback(capsys):
    def work():
        try:
            raise KeyError("inside")
        except KeyError:
            logging.getLogger("mmdet_vis.page").exception("the program failed")

    with pytest.raises(SystemExit):
        run_command(work)
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["error: the program failed", "Traceback (most recent call last):"]
    assert lines[-1] == "KeyError: 'inside'"


def test_logging_is_after_a_command_as_it_was_before(caplog, capsys):
    logger = logging.getLogger("mmdet_vis")
    before = logger.level, logger.propagate, list(logger.handlers)
    with pytest.raises(SystemExit):
        run_command(lambda: logger.warning("once"))
    assert capsys.readouterr().err == "warning: once\n"
    assert (logger.level, logger.propagate, list(logger.handlers)) == before
    logger.warning("again")
    assert capsys.readouterr().err == ""
    assert "again" in caplog.text
