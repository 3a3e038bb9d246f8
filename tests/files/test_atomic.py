import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mmdet_vis.data.datasets.inputs import inputs_of
from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import (
    atomic_stream,
    atomic_write,
    check_places,
    ensure_writable_dir,
    remove_unfinished,
    temporary_path,
)
from mmdet_vis.run.job import jobs_of_files


def names(folder):
    return sorted(p.name for p in folder.iterdir())


@pytest.mark.parametrize(("data", "expected"), [(b"\x00\xff", b"\x00\xff"), ("é\n", b"\xc3\xa9\n")])
def test_write_replaces_the_file_and_leaves_nothing_else(tmp_path, data, expected):
    path = tmp_path / "ein Name mit Ümlaut.bin"
    path.write_bytes(b"old")
    atomic_write(path, data)
    assert path.read_bytes() == expected
    assert names(tmp_path) == [path.name]


def test_the_longest_possible_name_can_be_written(tmp_path):
    path = tmp_path / ("n" * 250 + ".json")
    atomic_write(path, "x")
    assert path.read_text() == "x"


@pytest.mark.skipif(sys.platform == "win32", reason="folders cannot be opened")
def test_contents_reach_the_disk_before_the_name_and_the_name_before_the_end(tmp_path, monkeypatch):
    order = []
    fsync, replace = os.fsync, os.replace

    def record_sync(descriptor):
        order.append(os.fstat(descriptor).st_ino)
        fsync(descriptor)

    def record_replace(source, target):
        order.append("replace")
        replace(source, target)

    monkeypatch.setattr(os, "fsync", record_sync)
    monkeypatch.setattr(os, "replace", record_replace)
    atomic_write(tmp_path / "a.json", "x")
    assert order == [(tmp_path / "a.json").stat().st_ino, "replace", tmp_path.stat().st_ino]


@pytest.mark.parametrize(("number", "fails"), [(errno.EINVAL, False), (errno.EIO, True)])
def test_a_disk_that_cannot_sync_is_written_and_one_that_fails_is_not(tmp_path, monkeypatch, number, fails):
    def fsync(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", fsync)
    if fails:
        with pytest.raises(OutputError, match=r"cannot write .*a\.json"):
            atomic_write(tmp_path / "a.json", "x")
    else:
        atomic_write(tmp_path / "a.json", "x")
    assert names(tmp_path) == ([] if fails else ["a.json"])


@pytest.mark.parametrize("error", [RuntimeError("fault"), KeyboardInterrupt()])
def test_a_failing_block_keeps_the_old_file_and_removes_the_temporary(tmp_path, error):
    path = tmp_path / "results.json"
    path.write_text("old")

    def write():
        with atomic_stream(path) as stream:
            stream.write(b"half")
            assert len(names(tmp_path)) == 2
            raise error

    with pytest.raises(type(error)):
        write()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["results.json"]


def test_an_error_about_another_file_keeps_its_own_class(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_stream(tmp_path / "out.json"):
        (tmp_path / "input.jpg").read_bytes()
    assert names(tmp_path) == []


def test_a_missing_folder_and_a_folder_in_the_way_are_output_errors(tmp_path):
    with pytest.raises(OutputError, match="missing"):
        atomic_write(tmp_path / "missing" / "a.json", "x")
    (tmp_path / "a.json").mkdir()
    with pytest.raises(OutputError, match="not a regular file"):
        atomic_write(tmp_path / "a.json", "x")
    assert names(tmp_path) == ["a.json"]


def test_a_device_is_not_replaced_by_a_file():
    with pytest.raises(OutputError, match="/dev/null"):
        atomic_write("/dev/null", "x")


def test_temporary_path_keeps_the_ending(tmp_path):
    with temporary_path(tmp_path / "a.mp4") as temporary:
        assert temporary.suffix == ".mp4"
        temporary.write_bytes(b"video")
    assert names(tmp_path) == ["a.mp4"]


def test_ensure_writable_dir_creates_parents_and_leaves_nothing_inside(tmp_path):
    path = ensure_writable_dir(tmp_path / "a" / "b")
    assert names(path) == []
    assert ensure_writable_dir(path) == path


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_file_in_the_path_is_named(tmp_path, below):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="is a file, not a folder") as caught:
        ensure_writable_dir(tmp_path / "file" / below)
    assert str(tmp_path / "file") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is a folder nobody can write to, on Linux only")
def test_a_folder_that_nobody_can_write_to():
    # Permission bits would not do: root, as which tests run in containers, ignores them.
    for path in ("/proc/self", "/proc/results"):
        with pytest.raises(OutputError, match=path):
            ensure_writable_dir(path)


FULL_DISK = """
import resource, sys
from mmdet_vis.files.atomic import atomic_write
from mmdet_vis.errors import run_command
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
run_command(lambda: atomic_write(sys.argv[1], bytes(100_000)))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_no_room_left_is_one_line_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, path], capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(path) in done.stderr
    assert "free some disk space" in done.stderr
    assert path.read_text() == "old"
    assert names(tmp_path) == ["results.json"]


def test_what_a_kill_left_is_removed_and_nothing_else(tmp_path):
    program = """
import os, signal, sys
from mmdet_vis.files.atomic import temporary_path
with temporary_path(sys.argv[1]) as temporary:
    temporary.write_text("half of i")
    os.kill(os.getpid(), signal.SIGKILL)
"""
    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.json")], check=False)
    (left,) = names(tmp_path)
    assert left.startswith(".tmp-")
    for name in ("a.json", ".tmp-of-someone.txt", "x.tmp-00ff"):
        (tmp_path / name).write_text("mine")
    (tmp_path / ".tmp-00ff").mkdir()
    (tmp_path / ".tmp-00aa").symlink_to(tmp_path / "a.json")
    remove_unfinished([tmp_path, tmp_path / "nowhere"])
    assert names(tmp_path) == sorted([".tmp-00aa", ".tmp-00ff", ".tmp-of-someone.txt", "a.json", "x.tmp-00ff"])


def refused(inputs: list[Path], places: list[Path], folders: list[Path] | None = None) -> str:
    with pytest.raises(OutputError, match="choose another save_dir") as caught:
        check_places(inputs, places, folders or [])
    return str(caught.value)


def test_an_input_that_is_a_place_or_lies_in_one_or_holds_one(tmp_path: Path) -> None:
    clip, frames = tmp_path / "clip.mp4", tmp_path / "frames"
    frames.mkdir()
    clip.touch()
    places = [tmp_path / "out" / "clip", tmp_path / "out" / "clip.mp4"]
    check_places([clip, frames], places, [frames])
    check_places([clip], [], [])
    check_places([], places)
    assert f"{clip} would overwrite the input {clip}" in refused([clip, frames], [*places, clip])
    assert f"{tmp_path} would overwrite the input {clip}" in refused([clip], [tmp_path])
    assert f"{frames / 'a'} would overwrite the input {frames}" in refused([frames], [frames / "a"], [frames])


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "a.mp4").touch()
    (tmp_path / "folder").symlink_to("real")
    (tmp_path / "file.mp4").symlink_to("real/a.mp4")
    for path in ("real/a.mp4", "folder/a.mp4", "file.mp4"):
        for place in ("real/a.mp4", "folder/a.mp4", "real", "folder", "file.mp4"):
            refused([tmp_path / path], [tmp_path / place])


def test_the_folder_itself_and_the_one_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in" / "out").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "in")
    for path in (Path("."), Path(".."), tmp_path / "in"):
        refused([path], [Path("out", "in.mp4")], [path])
    check_places([Path("a.mp4")], [Path("out", "a.mp4")])


def test_ten_thousand_videos_take_less_than_two_seconds(tmp_path: Path) -> None:
    for number in range(0, 10_000, 500):
        (tmp_path / f"{number}.mp4").touch()
    paths = [tmp_path / f"{number}.mp4" for number in range(10_000)]
    start = time.process_time()
    jobs = jobs_of_files(inputs_of(paths), tmp_path / "out", ("json", "overlay", "video", "png"))
    check_places(paths, [place for job in jobs for place in job.places.values()], paths)
    assert time.process_time() - start < 2
    os.link(paths[0], tmp_path / "9999.mp4")
    jobs = jobs_of_files(inputs_of(paths), tmp_path, ("video",))
    assert "would overwrite the input" in refused(paths, [jobs[-1].places["video"]])
