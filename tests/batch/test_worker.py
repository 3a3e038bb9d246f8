"""What a row of a batch may name: all that opens as an input elsewhere."""

from __future__ import annotations

import pickle
import zipfile
from contextlib import ExitStack
from pathlib import Path

import pytest

from mmdet_vis import errors
from mmdet_vis.batch.worker import SegmentVideo
from mmdet_vis.data.formats.ytvis_json import write_ytvis
from tests.annotation_cases import two_videos
from tests.batch.cases import plan


def test_workers_speak_as_what_started_them(
    tiny: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command's call arguments options, also in processes of their own."""
    for started_by_command, called in ((True, "--mem-max 40"), (False, "mem_max=40")):
        monkeypatch.setattr(errors, "_speaks_of_options", started_by_command)
        made = pickle.dumps(plan(tiny, tmp_path))
        monkeypatch.setattr(errors, "_speaks_of_options", False)  # as in a process that has just begun
        SegmentVideo(pickle.loads(made)).close()
        assert errors.option("mem_max", 40) == called


def test_archives_and_annotations_are_videos(tmp_path: Path) -> None:
    found = two_videos(tmp_path / "frames")
    with zipfile.ZipFile(tmp_path / "frames.zip", "w") as archive:
        for name in found.videos[0].file_names:
            archive.write(tmp_path / "frames" / name, f"take/{name}")
    del found.videos[1]
    write_ytvis(found, tmp_path / "one.json")
    before = {path.name for path in tmp_path.iterdir()}
    worker = object.__new__(SegmentVideo)  # it loads no model
    worker._held, worker._files = None, ExitStack()
    for name in ("frames.zip", "one.json", "frames/clip a"):
        assert len(worker._open(str(tmp_path / name))) == 3
    worker.close()
    assert {path.name for path in tmp_path.iterdir()} == before  # unpacked elsewhere, and removed
