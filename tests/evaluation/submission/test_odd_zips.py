"""Zips that need a password, or a program to come, or that are damaged: one line, not a traceback."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from mmdet_vis.errors import ResultsError
from mmdet_vis.evaluation.submission import check_davis_submission, check_ytvis_submission
from mmdet_vis.evaluation.ytvis import load_results
from tests.tiny_dataset import write_davis, write_ytvis


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


def damaged(path: Path, name: str, signature: bytes, place: int, value: bytes) -> Path:
    """A zip with one member, in which some bytes of a header are others."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(name, b"[]")
    data = bytearray(path.read_bytes())
    start = data.index(signature) + place
    data[start : start + len(value)] = value
    path.write_bytes(data)
    return path


def test_a_version_to_come(tmp_path: Path) -> None:
    file = damaged(tmp_path / "r.zip", "results.json", b"PK\x01\x02", 6, b"\xff")
    root = write_ytvis(tmp_path / "data", "valid.json", "frames")
    with pytest.raises(ResultsError, match="zip file version"):
        load_results(file)
    with pytest.raises(ResultsError, match="zip file version"):
        check_ytvis_submission(file, json.loads((root / "valid.json").read_text()))


def test_a_name_that_is_no_text(tmp_path: Path) -> None:
    root = write_davis(tmp_path / "davis")
    frame = next((root / "Annotations_unsupervised" / "480p").glob("*/*.png"))
    # The member's own header says that its name is UTF-8, which it is not.
    name = f"{frame.parent.name}/{frame.name}"
    file = damaged(tmp_path / "d.zip", name, b"PK\x03\x04", 30, b"\xb9")
    data = bytearray(file.read_bytes())
    data[7] |= 8
    file.write_bytes(data)
    with pytest.raises(ResultsError, match=r"cannot read .* as a zip"):
        check_davis_submission(file, root)
