"""Zips that need a password: one line, not a traceback."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from mmdet_vis.evaluation.errors import ResultsError
from mmdet_vis.evaluation.submission import check_davis_submission
from mmdet_vis.evaluation.ytvis import load_results
from tests.tiny_dataset import write_davis


def encrypted(path: Path, names: list[str]) -> Path:
    """A zip whose members are marked as encrypted."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"[]")
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):  # each member's own header, and the directory
        place = data.find(signature)
        while place >= 0:
            data[place + flags] |= 1
            place = data.find(signature, place + 4)
    path.write_bytes(data)
    return path


def test_youtube_vis_results(tmp_path: Path) -> None:
    with pytest.raises(ResultsError, match="encrypted"):
        load_results(encrypted(tmp_path / "r.zip", ["results.json"]))


def test_davis_submission(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "davis")
    frames = (root / "Annotations_unsupervised" / "480p").glob("*/*.png")
    names = [f"{frame.parent.name}/{frame.name}" for frame in frames]
    report = check_davis_submission(encrypted(tmp_path / "d.zip", names), root)
    assert len(report.problems) == len(names) > 0
    assert all("is encrypted" in problem for problem in report.problems)
