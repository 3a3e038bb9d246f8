"""Errors that a user can fix, and how every command reports them and other messages.

A :class:`UserError` carries one line that names the file (or option) and the fix. Commands print that line on
stderr and exit with :attr:`UserError.exit_code`; a traceback is kept for faults of the program itself.

Everything else that the package has to say goes to loggers below ``mmdet_vis``. From Python that is warnings and
errors, unless the program sets up ``logging``; commands show all of it as lines on stderr.
"""

from __future__ import annotations

import errno
import io
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

EXIT_SOME_FAILED = 3
"""Of commands that were given several things, some of which could not be done."""
EXIT_INTERRUPTED = 130
"""Of commands that Ctrl-C, SIGTERM or a closed terminal ended."""

# What the system answers for which the user's disk or permissions are to blame, not the program.
_DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM)
# Of a path that names nothing: too long, a circle of links, a file in place of a folder.
_PATH_ERRORS = (errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR)
# What the errors of allocators say, in lower case: of PyTorch on the CPU, OpenCV, FFmpeg, C++ and thread creation.
_OUT_OF_MEMORY = (
    "out of memory", "not enough memory", "can't allocate memory", "cannot allocate memory", "insufficient memory",
    "bad_alloc", "alloc_failed", "can't start new thread", "unable to allocate", "failed to allocate",
)  # fmt: skip


_speaks_of_options = False
_controls: Mapping[str, str] | None = None


_FLAGS = {
    "from_format": "from", "to_format": "to", "source_format": "from", "target_format": "to", "kind": "to",
    "formats": "format", "set_name": "set", "evaluate": "eval", "gpus": "gpus-per-worker", "cpus": "cpus-per-worker",
}  # fmt: skip
"""Arguments whose options are called otherwise, since Python or a reader has the word for something else."""


_UNSAID = object()


def option(argument: str, value: object = _UNSAID) -> str:
    """What messages call an argument of the Python interface.

    The same code stands behind a command and a call, so its messages are made for both: ``option("mem_max", 40)`` is
    ``--mem-max 40`` in a program that :func:`run_command` runs, what :func:`speaking_of_controls` says, and
    ``mem_max=40`` everywhere else.
    """
    if _controls is not None:
        name = _controls.get(argument, argument.replace("_", " "))
        return name if value is _UNSAID or value is True else f"{name} {value}"
    if not _speaks_of_options:
        return argument if value is _UNSAID else f"{argument}={value!r:.100}"
    flag = f"--{_FLAGS.get(argument, argument).replace('_', '-')}"
    return flag if value is _UNSAID or value is True else f"{flag} {value}"


def counted(number: int, noun: str) -> str:
    """``1 video``, ``2 videos``, ``3 categories``: how messages say how many there are of something."""
    if number == 1:
        return f"1 {noun}"
    if noun.endswith("y"):
        return f"{number} {noun[:-1]}ies"
    return f"{number} {noun}{'es' if noun.endswith(('s', 'x', 'ch')) else 's'}"


def speaks_of_options() -> bool:
    """Whether messages speak as a command's."""
    return _speaks_of_options


def speak_of_options(commanded: bool) -> None:
    """Let the messages of this process, which another one started, speak as that one's do."""
    global _speaks_of_options
    _speaks_of_options = commanded


@contextmanager
def speaking_of_controls(names: Mapping[str, str]) -> Iterator[None]:
    """Let messages of this process speak as a page does, where nobody can type an option.

    Args:
        names: what the page's controls are called, by the arguments that they are for.
    """
    global _controls
    before, _controls = _controls, names
    try:
        yield
    finally:
        _controls = before


MAX_MESSAGE = 1200
"""Characters of an error's message."""


def few(names: Sequence[str], most: int = 5) -> str:
    """The first of some names, for messages, and how many more there are: ``a, b, c and 12 more``."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def one_line(error: BaseException, most: int = 300) -> str:
    """What an error of a library says, for messages: a line of at most so many characters; its kind if it says none."""
    return " ".join(str(error).split())[:most] or type(error).__name__


class UserError(Exception):
    """Bad input that the user can fix: the message is one line with the file's name and the fix.

    A value of the input in it may be of any length; of a long message the beginning and the end are shown.
    """

    exit_code = 2

    def __str__(self) -> str:
        text = super().__str__()
        return text if len(text) <= MAX_MESSAGE else f"{text[: MAX_MESSAGE - 300]} ... {text[-290:]}"


class ConfigError(UserError):
    """A configuration file, or an option or argument, that cannot be used."""


class ViewError(ConfigError, IndexError, ValueError):
    """A frame, picture or style with which a result cannot be looked at; to Python one of its own errors, too."""


class CheckpointError(UserError):
    """A checkpoint that is missing, unreadable, unsafe or made for another model."""


class SourceError(UserError):
    """A video, folder or image that cannot be read."""


class NotEnoughMemoryError(SourceError):
    """A video that is too much for this machine's memory."""


class DatasetError(UserError):
    """An annotation file or dataset folder that cannot be used."""


class ResultsError(UserError):
    """A results file or folder that cannot be evaluated: the message names the entry or the PNG."""


class OutputError(UserError):
    """A result that cannot be written."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory is used up; most libraries have no type of their own for it."""
    text = str(error).lower()
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return isinstance(error, MemoryError) or (
        isinstance(error, Exception)
        and not isinstance(error, UserError)
        and any(words in text for words in _OUT_OF_MEMORY)
    )


_DEVICE_IS_LOST = ("cuda error", "cudnn error", "cublas error", "device-side assert", "hip error", "nccl error")


def is_device_error(error: BaseException) -> bool:
    """Whether an error of a GPU says that this process cannot use it any more; memory that is used up does not."""
    text = str(error).lower()
    return (
        isinstance(error, RuntimeError)
        and not is_out_of_memory(error)
        and (type(error).__name__ == "AcceleratorError" or any(words in text for words in _DEVICE_IS_LOST))
    )


_PREFIXES = {logging.WARNING: "warning: ", logging.ERROR: "error: "}


class _Lines(logging.Handler):
    """Shows what is logged as a command's lines on stderr, whatever that is at the moment (above a progress bar)."""

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr is not None:
            print(f"{_PREFIXES.get(record.levelno, '')}{self.format(record)}", file=sys.stderr)


class _Collector(logging.Handler):
    def __init__(self, lines: list[str], thread: int | None) -> None:
        super().__init__(logging.WARNING)
        self._lines, self._thread = lines, thread

    def emit(self, record: logging.LogRecord) -> None:
        line = " ".join(record.getMessage().splitlines())
        if record.levelno == logging.WARNING and self._thread in (None, record.thread) and line not in self._lines:
            self._lines.append(line)


@contextmanager
def collected_warnings(alone: bool = False) -> Iterator[list[str]]:
    """Collect what is logged as a warning meanwhile, each line once.

    Args:
        alone: nobody else gets to see it. Otherwise the lines are those of this thread, and are shown as ever.
    """
    lines: list[str] = []
    collector = _Collector(lines, None if alone else threading.get_ident())
    logger = logging.getLogger("mmdet_vis")
    before = logger.handlers, logger.propagate
    if alone:
        logger.handlers, logger.propagate = [], False
    logger.addHandler(collector)
    try:
        yield lines
    finally:
        logger.removeHandler(collector)
        if alone:
            logger.handlers, logger.propagate = before


@contextmanager
def _as_command() -> Iterator[None]:
    """Messages speak of options, and are shown."""
    global _speaks_of_options
    logger, lines = logging.getLogger("mmdet_vis"), _Lines()
    earlier = _speaks_of_options, logger.level, logger.propagate
    _speaks_of_options = True
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(lines)
    try:
        yield
    finally:
        logger.removeHandler(lines)
        _speaks_of_options, level, logger.propagate = earlier
        logger.setLevel(level)


def _end_on_signals() -> None:
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


def let_signals_kill() -> None:
    """From here on nothing is left to save: a signal shows no traceback and does not wait for threads that hang."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)


_interrupted = False
"""Whether a signal has ended the work by a KeyboardInterrupt, which may have become another error since."""


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _interrupted
    _interrupted = True
    raise KeyboardInterrupt


@_as_command()
def run_command(main: Callable[[], int | None]) -> None:
    """Run the ``main`` function of a command line tool and exit with its status.

    A :class:`UserError`, an impossible path, a full or read-only disk and memory that is used up become one line on
    stderr and an exit code of 2; Ctrl-C, SIGTERM and SIGHUP end the work in the same way, without unfinished files, and
    exit with 130; a closed pipe (``... | head``) ends quietly.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show must not end the program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    _end_on_signals()
    try:
        status = main()
        if sys.stdout is not None:
            sys.stdout.flush()
        let_signals_kill()
    except UserError as error:
        _fail(str(error), error.exit_code)
    except KeyboardInterrupt:
        _fail_interrupted()
    except BrokenPipeError:
        _drop_output()
        sys.exit(0)
    except Exception as error:
        if _interrupted:  # Compiled code may make another error of it, such as NumPy while it converts an array.
            _fail_interrupted()
        if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
            where = f"{error.filename}: " if error.filename is not None else ""
            _fail(f"{where}{error.strerror}; check its permissions and the free disk space", 2)
        if isinstance(error, OSError) and error.errno in _PATH_ERRORS and error.filename is not None:
            _fail(f"{error.filename}: {error.strerror}; check the path", 2)
        if is_out_of_memory(error):
            reason = str(error)[:200] or type(error).__name__
            _fail(f"not enough memory ({reason}); give the program more, or less to do", 2)
        raise
    sys.exit(status or 0)


def _fail_interrupted() -> NoReturn:
    let_signals_kill()
    print("interrupted", file=sys.stderr)
    sys.exit(EXIT_INTERRUPTED)


def _fail(text: str, code: int) -> NoReturn:
    print(f"error: {' '.join(text.splitlines())}", file=sys.stderr)
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _drop_output()
    sys.exit(code)


def _drop_output() -> None:
    """Send what is left for stdout, which cannot take it, nowhere: Python would complain when it flushes at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
