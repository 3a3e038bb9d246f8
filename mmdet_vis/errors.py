"""Errors that a user can fix, and how every command reports them.

A :class:`UserError` carries one line that names the file (or option) and the fix. Commands print that line on
stderr and exit with :attr:`UserError.exit_code`; a traceback is kept for faults of the program itself.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable


class UserError(Exception):
    """Bad input that the user can fix: the message is one line with the file's name and the fix."""

    exit_code = 2


class ConfigError(UserError):
    """A configuration file or ``--cfg-options`` value that cannot be used."""


class CheckpointError(UserError):
    """A checkpoint that is missing, unreadable, unsafe or made for another model."""


class SourceError(UserError):
    """A video, folder or image that cannot be read."""


class DatasetError(UserError):
    """An annotation file or dataset folder that cannot be used."""


class OutputError(UserError):
    """A result that cannot be written."""


def run_command(main: Callable[[], int | None]) -> None:
    """Run the ``main`` function of a command line tool and exit with its status.

    A :class:`UserError` becomes one line on stderr and its exit code; Ctrl-C exits with 130 as shells expect; a
    closed pipe (``... | head``) ends quietly.
    """
    for stream in (sys.stdout, sys.stderr):
        # A name that the terminal cannot show must not end the program.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        status = main()
    except UserError as error:
        print(f"error: {' '.join(str(error).splitlines())}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # Python would complain again while it flushes stdout at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    sys.exit(status or 0)
