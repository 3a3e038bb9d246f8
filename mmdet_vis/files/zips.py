"""Zip files looked through before they are trusted; :func:`mmdet_vis.files.atomic.write_zip` writes them."""

from __future__ import annotations

import stat
import zipfile
import zlib
from pathlib import PurePosixPath, PureWindowsPath

# What reading a damaged zip may raise: RuntimeError for an encrypted member, NotImplementedError for a version to come.
ZIP_ERRORS = (
    OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, zlib.error, UnicodeDecodeError,
)  # fmt: skip

_ENCRYPTED = 1


def name_problems(archive: zipfile.ZipFile) -> list[str]:
    """Members that a server must not or cannot unpack."""
    problems = []
    seen: set[str] = set()
    for info in archive.infolist():
        name = info.orig_filename
        if name.startswith(("/", "\\")) or PureWindowsPath(name).drive:
            problems.append(f"{name!r} in the zip has an absolute path")
        elif ".." in PurePosixPath(name.replace("\\", "/")).parts:
            problems.append(f"{name!r} in the zip leads out of its folder (..)")
        elif "\\" in name:
            problems.append(f"{name!r} in the zip has backslashes: separate folders with /")
        if stat.S_ISLNK(info.external_attr >> 16):
            problems.append(f"{name!r} in the zip is a symbolic link")
        if info.flag_bits & _ENCRYPTED:
            problems.append(f"{name!r} in the zip is encrypted")
        if name in seen:
            problems.append(f"{name!r} is in the zip twice")
        seen.add(name)
    return problems


MAX_RATIO = 100
"""Times that a member may grow when it is unpacked: JSON and PNGs grow far less, deflate can do 1000."""
MAX_SMALL = 2**25
"""Bytes up to which a member may grow as it likes."""
MAX_MEMBER = 2**32
"""Bytes of a member."""
_BLOCK = 2**20


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The contents of a member: no more than the zip declares, and that within reason.

    Raises:
        KeyError: there is no such member.
        zipfile.BadZipFile: it is damaged, or unpacks to far more than it takes in the zip.
    """
    info = archive.getinfo(name)
    # No member is longer than what comes before the list of members, whatever it says of itself.
    packed = min(info.compress_size, archive.start_dir)
    if info.file_size > min(max(MAX_RATIO * packed, MAX_SMALL), MAX_MEMBER):
        raise zipfile.BadZipFile(f"{name} unpacks from {packed} to {info.file_size} bytes")
    data = bytearray()
    with archive.open(info) as member:
        # In blocks: all at once would unpack everything that is there, whatever size the zip declares.
        while block := member.read(_BLOCK):
            data += block
    return bytes(data)
