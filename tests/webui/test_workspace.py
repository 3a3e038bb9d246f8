"""Temporary files go with their page, with age, and with the server."""

from __future__ import annotations

import os
import time

import pytest

from mmdet_vis.webui.workspace import Workspace


@pytest.fixture
def workspace(tmp_path):
    return Workspace(tmp_path, max_age=100)


def write(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    return path


def test_a_closed_page_takes_its_files_along(workspace):
    upload, shared = (write(workspace.root / name / "clip.mp4") for name in ("mine", "shared"))
    for session in ("a", "b"):
        workspace.own(session, shared)
    workspace.own("a", upload)
    workspace.forget("a")
    assert not upload.parent.exists()
    assert shared.exists(), "another page has it too"
    workspace.forget("b")
    assert not shared.exists()
    workspace.forget("nobody")


def test_files_elsewhere_are_never_deleted(workspace, tmp_path):
    outside = write(tmp_path / "precious" / "clip.mp4")
    workspace.own("a", outside)
    workspace.own("a", workspace.root)
    workspace.forget("a")
    workspace.sweep(time.time() + 1000)
    assert outside.exists()
    assert workspace.root.exists()


def test_old_files_go_unless_they_are_kept(workspace):
    example = write(workspace.root / "example.mp4")
    workspace.keep_all()
    workspace.keep(workspace.root / "projects")
    old = write(workspace.root / "old" / "clip.mp4")
    frame = write(workspace.root / "projects" / "key" / "frame.jpg")
    workspace.own("a", old)
    workspace.sweep()
    assert old.exists()
    workspace.sweep(time.time() + 101)
    assert not old.exists()
    assert frame.exists()
    assert example.exists()


def test_sweeping_in_the_background(tmp_path):
    workspace = Workspace(tmp_path, max_age=0.05)
    old, called = write(workspace.root / "x" / "clip.mp4"), []
    workspace.start_sweeping(every=0.02, also=lambda: called.append(1))
    deadline = time.monotonic() + 20
    while old.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    workspace.close()
    assert called
    assert not workspace.root.exists()


@pytest.mark.parametrize("silent", ["killed at once", "killed later"])
def test_what_a_killed_server_left_is_deleted_by_the_next(tmp_path, silent):
    killed, alive = Workspace(tmp_path), Workspace(tmp_path)
    write(killed.root / "x" / "clip.mp4")
    if silent == "killed at once":
        (killed.root / "alive").unlink()
        os.utime(killed.root, (time.time() - 3700,) * 2)
    else:
        os.utime(killed.root / "alive", (time.time() - 3700,) * 2)
    os.utime(alive.root / "alive", (time.time() - 3500,) * 2)
    Workspace(tmp_path, max_age=3600)
    assert not killed.root.exists()
    assert alive.root.exists()


def test_a_server_that_runs_says_so(workspace):
    os.utime(workspace.root / "alive", (0, 0))
    workspace.sweep()
    assert time.time() - (workspace.root / "alive").stat().st_mtime < 60
