"""Start a program in several processes as ``torchrun`` does, and end with the exit code that the program ended with.

``python -m mmdet_vis.run.launch [OPTION of torchrun...] PROGRAM [ARGUMENT...]``

``torchrun`` itself ends with 1 and a report of many lines whatever the program's exit code was. Here 2 (bad input) and
3 (some videos could not be read) stay what they are, and the program has the last word.
"""

from __future__ import annotations

import logging
import sys

from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import parse_args, run

from mmdet_vis.errors import run_command

SIGNALLED = 128
"""Shells add this to the number of the signal that ended a program."""


def main() -> int:
    """Run a program under torchrun; returns its exit code."""
    # Else torchrun reports every exit code but 0 as an accident, here in this process alone.
    logging.disable(logging.ERROR)
    try:
        run(parse_args(sys.argv[1:]))
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode > 0:
            return failure.exitcode
        print(f"error: process {rank} was ended by {failure.signal_name()}; the others were stopped", file=sys.stderr)
        return SIGNALLED - failure.exitcode
    except SignalException as signalled:  # The processes were stopped, too.
        print(f"stopped by {signalled.sigval.name}", file=sys.stderr)
        return SIGNALLED + int(signalled.sigval)
    return 0


if __name__ == "__main__":
    run_command(main)
