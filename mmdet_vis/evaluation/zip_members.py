"""Unpacking members of zips that others made, in bounded memory."""

from __future__ import annotations

import zipfile

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
