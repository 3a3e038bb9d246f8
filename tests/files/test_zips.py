"""Zips that unpack to far more than they are, by what they declare and by what they hold."""

from __future__ import annotations

import json
import resource
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mmdet_vis.errors import ResultsError
from mmdet_vis.evaluation.submission import check_ytvis_submission
from mmdet_vis.evaluation.ytvis import load_results
from mmdet_vis.files.zips import MAX_SMALL, read_member
from tests.ytvis_cases import example

BLOCK = bytes(2**22)


def write_bomb(path: Path, name: str, size: int) -> Path:
    with (
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open(name, "w") as member,
    ):
        for _ in range(size // len(BLOCK)):
            member.write(BLOCK)
    return path


def declare(path: Path, size: int) -> None:
    """Let the list of members say another unpacked size."""
    data = bytearray(path.read_bytes())
    place = data.rfind(b"PK\x01\x02")
    extra = struct.unpack_from("<H", data, place + 30)[0]
    assert extra == 0
    struct.pack_into("<I", data, place + 24, size)
    path.write_bytes(data)


def test_what_declares_too_much_is_refused(tmp_path: Path) -> None:
    path = write_bomb(tmp_path / "bomb.zip", "results.json", 2 * MAX_SMALL)
    assert path.stat().st_size < 100_000
    with pytest.raises(ResultsError, match=rf"bomb.zip .*unpacks from \d+ to {2 * MAX_SMALL} bytes"):
        load_results(path)
    with pytest.raises(ResultsError, match="unpacks from"):
        check_ytvis_submission(path, example())


def test_what_grows_within_reason_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("results.json", b" " * (MAX_SMALL - 10) + b"[]")
        archive.writestr("other", "x")
    assert load_results(tmp_path / "a.zip") == []
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert read_member(archive, "other") == b"x"
        with pytest.raises(KeyError):
            read_member(archive, "none")


READ = """
import json, resource, sys, zipfile
from mmdet_vis.files.zips import read_member
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    with zipfile.ZipFile(sys.argv[1]) as archive:
        read_member(archive, "results.json")
    problem = ""
except zipfile.BadZipFile as error:
    problem = str(error)
print(json.dumps([problem, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024]))
"""


@pytest.mark.skipif(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss == 0, reason="the system counts no memory")
def test_what_declares_less_than_it_holds_takes_no_memory(tmp_path: Path) -> None:
    path = write_bomb(tmp_path / "lie.zip", "results.json", 2**27)
    declare(path, 100)
    done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, timeout=120)
    problem, mebibytes = json.loads(done.stdout)
    assert "Bad CRC-32" in problem
    assert mebibytes < 40
