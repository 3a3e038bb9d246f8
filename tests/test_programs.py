"""What starts the programs of tests, and finds those that outlive them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from itertools import groupby

import pytest

from tests import programs
from tests.conftest import shuffled

WAIT = [sys.executable, "-c", "import sys; sys.stdin.read()"]


def test_programs_are_forked_unless_their_environment_says_something_else() -> None:
    where = [sys.executable, "-c", "import os, sys; print('torch' in sys.modules, os.environ.get('OMP_NUM_THREADS'))"]
    environment = {**os.environ, "OMP_NUM_THREADS": "5"}
    assert programs.run(where, capture_output=True, text=True).stdout.startswith("True ")
    assert programs.run(where, capture_output=True, text=True, env=environment).stdout == "False 5\n"


def test_a_random_order_keeps_files_together(request: pytest.FixtureRequest) -> None:
    """Any process finds the same one for a seed, in whatever order it found the tests."""
    items = request.session.items
    order = shuffled(items, 1)
    assert sorted(map(id, order)) == sorted(map(id, items))
    assert order == shuffled(items[::-1], 1)
    files = [item.nodeid.partition("::")[0] for item in order]
    assert len(list(groupby(files))) == len(set(files))
    assert any(order != shuffled(items, seed) for seed in range(2, 30))


def test_exit_codes_and_errors() -> None:
    done = programs.run([sys.executable, "-c", "import sys; print(input()); sys.exit(7)"], input="a\n", text=True)
    assert done.returncode == 7
    failed = programs.run([sys.executable, "-c", "[][0]"], capture_output=True, text=True)
    assert (failed.returncode, failed.stdout) == (1, "")
    assert failed.stderr.splitlines()[-1].startswith("IndexError")
    with pytest.raises(subprocess.CalledProcessError):
        programs.run([sys.executable, "-c", "raise SystemExit(2)"], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_what_is_left_running_is_found() -> None:
    with (
        programs.Popen(WAIT, stdin=subprocess.PIPE) as forked,
        subprocess.Popen(WAIT, stdin=subprocess.PIPE) as plain,
        subprocess.Popen(["sh", "-c", "sleep 60 & echo $!"], stdout=subprocess.PIPE, text=True) as parent,
    ):
        assert parent.stdout is not None
        orphan = int(parent.stdout.readline())
        parent.wait()
        left = programs.left_running()
        assert {forked.pid, plain.pid, orphan} <= left.keys()
        assert not {forked.pid, plain.pid, orphan} & programs.left_running(programs.clock()).keys()
        os.kill(orphan, signal.SIGKILL)
    assert not {forked.pid, plain.pid, orphan} & programs.left_running().keys()
