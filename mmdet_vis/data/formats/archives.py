"""Exports that come as one file: zip and tar archives, unpacked once into a folder of their name."""

from __future__ import annotations

import json
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath

from mmdet_vis.data.sources import is_debris, is_inside
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.files.zips import MAX_MEMBER, MAX_RATIO, MAX_SMALL, ZIP_ERRORS, read_member

MAX_MEMBERS = 10**6
MAX_BYTES = 2**38
TAR_SUFFIXES = (".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz")
_ERRORS = (*ZIP_ERRORS, tarfile.TarError)
_ENCRYPTED = 1


@dataclass(frozen=True)
class _Member:
    """A file of an archive: its name with ``/``, its size in bytes, and how it is read."""

    name: str
    size: int
    read: Callable[[], bytes]


def is_archive(path: Path) -> bool:
    """Whether a file is a zip, by its content, or a tar archive, by its name."""
    if path.suffix.lower() == ".npz":  # arrays in a zip
        return False
    return os.path.isfile(path) and (path.name.lower().endswith(TAR_SUFFIXES) or zipfile.is_zipfile(path))


def unpack(path: Path, folder: Path, say: Callable[[str], None]) -> Path:
    """Unpack an archive into a new folder of its name below ``folder``, or find it there as unpacked before.

    Its members must stay in their folder, and may not unpack to far more than they take; what systems add for
    themselves (``__MACOSX``, ``.DS_Store``, ``Thumbs.db``) stays out. ``say`` takes the line that says where it is.

    Raises:
        DatasetError: a folder of that name holds something else, or the archive is damaged, encrypted or unsafe.
        OutputError: a file cannot be written.
    """
    target = folder / _stem(path.name)
    try:
        with _opened(path) as members:
            if target.exists():
                if not all(_is_there(target / member.name, member) for member in members):
                    raise DatasetError(
                        f"{path} would be unpacked to {target}, which holds something else: give {target} as the "
                        "source, or remove it"
                    )
                say(f"{path} is unpacked in {target}{_beside(target, members)}")
                return target
            for member in members:
                place = target / member.name
                if not place.parent.is_dir():
                    ensure_writable_dir(place.parent)
                atomic_write(place, member.read())
    except _ERRORS as error:
        raise DatasetError(f"cannot unpack {path} ({error}): export it again, or unpack it yourself") from None
    say(f"unpacked {path} to {target}")
    return target


def _stem(name: str) -> str:
    ending = max((ending for ending in TAR_SUFFIXES if name.lower().endswith(ending)), key=len, default="")
    stem = name[: -len(ending)] if ending else PurePosixPath(name).stem
    return stem if stem != name else f"{name}_unpacked"  # an archive without an ending stands in the way of its folder


def _is_there(file: Path, member: _Member) -> bool:
    """Whether a file is the member: by its size and, of annotations, which often change without it, by its bytes."""
    if not file.is_file() or file.stat().st_size != member.size:
        return False
    return file.suffix.lower() not in _COMPARED or file.read_bytes() == member.read()


_COMPARED = (".json", ".xml", ".txt")


def _beside(folder: Path, members: Sequence[_Member]) -> str:
    """What is said of files that are in a folder and not in its archive; empty if there are none."""
    files = (file.relative_to(folder) for file in folder.rglob("*") if file.is_file())
    there = {file.as_posix() for file in files if not any(map(is_debris, file.parts))}
    more = sorted(there - {member.name for member in members})
    return f", beside {len(more)} files that it does not hold (the first is {more[0]:.100})" if more else ""


@contextmanager
def _opened(path: Path) -> Iterator[list[_Member]]:
    """The files of an archive that is safe to unpack."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            yield _checked(path, _of_zip(path, archive))
        return
    with tarfile.open(path) as archive:
        members = _checked(path, _of_tar(archive))
        if sum(member.size for member in members) > max(MAX_RATIO * path.stat().st_size, MAX_SMALL):
            raise DatasetError(f"{path} is not unpacked: it unpacks to {MAX_RATIO} times its size; unpack it yourself")
        yield members


def _of_zip(path: Path, archive: zipfile.ZipFile) -> Iterator[_Member]:
    page = _code_page(archive)
    for info in archive.infolist():
        if info.is_dir():
            continue
        if info.flag_bits & _ENCRYPTED:
            raise DatasetError(f"{path} is encrypted: unpack it yourself with its password and give the folder")
        if stat.S_ISLNK(info.external_attr >> 16):
            raise DatasetError(f"{path} holds a link, {info.filename!r:.60}: unpack it yourself and give the folder")
        name = _raw(info).decode(page) if page and _raw(info) else info.filename
        yield _Member(name, info.file_size, partial(read_member, archive, info.filename))


def _raw(info: zipfile.ZipInfo) -> bytes:
    """The bytes of a name that says not that it is UTF-8, and is no plain text either; else nothing."""
    if info.flag_bits & _UTF8 or info.filename.isascii():
        return b""
    try:
        return info.orig_filename.encode("cp437")  # as which it was decoded
    except UnicodeEncodeError:
        return b""


def _code_page(archive: zipfile.ZipFile) -> str | None:
    """The encoding of names that do not say theirs: UTF-8, or that in which annotations in the archive name a file."""
    names = [name for info in archive.infolist() if (name := _raw(info))]
    texts: list[str] | None = None
    for page in _CODE_PAGES if names else ():
        try:
            decoded = [name.decode(page) for name in names]
        except UnicodeDecodeError:
            continue
        if page == "utf-8":
            return page
        if texts is None:
            infos = [i for i in archive.infolist() if i.filename.lower().endswith(_COMPARED[:2])][:_LOOKED_AT]
            small = [i.filename for i in infos if i.file_size < MAX_SMALL and not i.flag_bits & _ENCRYPTED]
            texts = [read_member(archive, name).decode("utf-8", "replace") for name in small]
        last = [PurePosixPath(name.replace("\\", "/")).name for name in decoded]
        if any(name in text or json.dumps(name)[1:-1] in text for name in last[:_LOOKED_AT] for text in texts):
            return page
    return None


_UTF8 = 0x800
_CODE_PAGES = ("utf-8", "gbk", "cp932", "euc_kr", "big5", "cp1252", "cp850", "cp866", "cp1251")
_LOOKED_AT = 20


def _of_tar(archive: tarfile.TarFile) -> Iterator[_Member]:
    for info in archive:
        if info.isfile():  # links and devices have no place in an export
            yield _Member(info.name, info.size, partial(_read_tar, archive, info))


def _read_tar(archive: tarfile.TarFile, info: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(info)
    data = b"" if stream is None else stream.read(info.size)
    if len(data) != info.size:
        raise tarfile.ReadError(f"{info.name} is cut short")
    return data


def _checked(path: Path, members: Iterator[_Member]) -> list[_Member]:
    found: dict[str, _Member] = {}
    total = 0
    for member in members:
        name = str(PurePosixPath(member.name.replace("\\", "/")))  # some programs of Windows write its own
        if not is_inside(name):
            raise DatasetError(f"{path} is not unpacked: {member.name!r:.60} leads out of its folder; do so yourself")
        if any(map(is_debris, PurePosixPath(name).parts)):
            continue
        if name in found:
            raise DatasetError(f"{path} is not unpacked: {name!r:.60} is in it twice; unpack it yourself")
        total += member.size
        if len(found) >= MAX_MEMBERS or member.size > MAX_MEMBER or total > MAX_BYTES:
            raise DatasetError(f"{path} is not unpacked: its files are too many or too large; unpack it yourself")
        found[name] = replace(member, name=name)
    if not found:
        raise DatasetError(f"{path} is empty: export it again")
    return list(found.values())
