"""The lock of a folder of results: who gets it, and that it ends with its processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mmdet_vis.errors import OutputError
from mmdet_vis.files.lock import RunLock

HOLD = """
import sys
from pathlib import Path
from mmdet_vis.files.lock import RunLock
lock = RunLock(Path(sys.argv[1]))
lock.acquire()
print("locked", flush=True)
sys.stdin.read()
"""


def test_one_at_a_time(tmp_path: Path) -> None:
    first, second = RunLock(tmp_path / "out"), RunLock(tmp_path / "out")
    first.acquire()
    with pytest.raises(OutputError, match=rf"out is in use by another run \(process {os.getpid()} on ") as caught:
        second.acquire()
    assert "\n" not in str(caught.value)
    second.release()
    assert first.path.exists(), "the lock of others stays"
    first.release()
    assert list((tmp_path / "out").iterdir()) == []
    with second:
        pass
    assert list((tmp_path / "out").iterdir()) == []


def test_it_is_held_until_the_last_process_of_a_run_gives_it_back(tmp_path: Path) -> None:
    first, second, third, stranger = RunLock(tmp_path), RunLock(tmp_path, 1), RunLock(tmp_path, 2), RunLock(tmp_path)
    owner = first.acquire()
    second.join(owner)
    third.join(owner)
    with pytest.raises(OutputError, match="in use"):
        stranger.acquire()
    for leaves in (first, second):
        leaves.release()
        with pytest.raises(OutputError, match=rf"in use by another run \(process {os.getpid()} on "):
            stranger.acquire()
        assert sorted(path.name for path in tmp_path.iterdir())[-1] == ".lock-2", "the lock of others stays"
    third.release()
    assert list(tmp_path.iterdir()) == []
    stranger.acquire()
    stranger.release()


def test_another_run_that_comes_between_the_processes_of_one_keeps_it(tmp_path: Path) -> None:
    first, second, stranger = RunLock(tmp_path), RunLock(tmp_path, 1), RunLock(tmp_path)
    owner = first.acquire() + " that was killed"
    first.release()
    stranger.acquire()
    with pytest.raises(OutputError, match=rf"in use by another run \(process {os.getpid()} on "):
        second.join(owner)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    stranger.release()


def test_files_of_processes_that_were_killed_mean_nothing(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_text("\nprocess 1 on there\n")
    (tmp_path / ".lock-1").write_text("\nprocess 2 on there\n")
    with RunLock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [".lock"]
    assert list(tmp_path.iterdir()) == []


def test_a_fork_does_not_keep_it(tmp_path: Path) -> None:
    first, second = RunLock(tmp_path), RunLock(tmp_path)
    first.acquire()
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(writing)
        first.release()  # of what it does not have: nothing
        os.read(reading, 1)
        os._exit(0)
    os.close(reading)
    with pytest.raises(OutputError, match="in use"):
        second.acquire()
    first.release()
    second.acquire()  # while the child still lives
    second.release()
    os.close(writing)
    os.waitpid(child, 0)


def test_it_ends_with_a_process_that_is_killed(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    lock = RunLock(tmp_path)
    with pytest.raises(OutputError, match=rf"process {holder.pid} on "):
        lock.acquire()
    holder.kill()
    holder.communicate()
    assert lock.path.read_text().strip().startswith(f"process {holder.pid} on "), "only the file stays behind"
    with lock:
        assert lock.path.read_text().strip().startswith(f"process {os.getpid()} on ")
    assert list(tmp_path.iterdir()) == []


def test_a_file_system_without_locks_is_used_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(descriptor: int, kind: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    lock = RunLock(tmp_path)
    other = RunLock(tmp_path, 1)
    other.join(lock.acquire())
    lock.release()
    other.release()
    assert list(tmp_path.iterdir()) == []
    assert caplog.messages == [f"{tmp_path} cannot be locked: start no second run there"]


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file"):
        RunLock(tmp_path / "file").acquire()
    (tmp_path / ".lock").mkdir()
    with pytest.raises(OutputError, match=r"cannot write .*\.lock"):
        RunLock(tmp_path).acquire()


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """Else a folder of results that others prepared could have any file of the user's overwritten."""
    other = tmp_path / "other.txt"
    other.write_text("precious")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".lock").symlink_to(other)
    with pytest.raises(OutputError, match=r"cannot write .*\.lock: it is a link; remove it"):
        RunLock(tmp_path / "out").acquire()
    assert other.read_text() == "precious"


@pytest.mark.parametrize("name", ["flock", "ftruncate", "samestat"])
def test_a_signal_while_it_is_taken_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def interrupt(*_: object) -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    place = {"flock": "fcntl.flock", "ftruncate": "os.ftruncate", "samestat": "os.path.samestat"}[name]
    monkeypatch.setattr(place, interrupt)
    with pytest.raises(KeyboardInterrupt), RunLock(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []
    with RunLock(tmp_path):
        pass
