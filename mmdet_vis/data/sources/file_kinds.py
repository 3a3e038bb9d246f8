"""What a file is by its first bytes, whatever its name says; and what to do with pictures that are not read."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Kind = Literal["image", "video", "heic", ""]

_HEAD = 512
_IMAGES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_VIDEOS = (b"\x1aE\xdf\xa3", b"FLV\1", b"OggS", b"\0\0\1\xba", b"0&\xb2u\x8ef\xcf\x11", b"GIF8")
_HEIC = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF = (b"avif", b"avis")
_TS_PACKET = 188

_HEIC_HINT = (
    "HEIC images, which are not read: save them as JPEG (heif-convert IN.HEIC OUT.jpg; on an iPhone, Settings > Camera "
    "> Formats > Most Compatible)"
)
_RAW = "raw images of a camera, which are not read: develop them to TIFF or PNG"
_OTHER = "images of a kind that is not read: save them as PNG"
_NOT_READ = {
    **dict.fromkeys((".heic", ".heif", ".hif"), _HEIC_HINT),
    **dict.fromkeys(
        (".exr", ".hdr"), "images of high dynamic range, which are not read: save them as 16-bit PNG or TIFF"
    ),
    **dict.fromkeys((".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"), _RAW),
    **dict.fromkeys(
        (".braw", ".r3d", ".crm", ".ari"), "raw videos of a cinema camera, which are not read: export H.264"
    ),
    **dict.fromkeys(
        (".nut", ".wtv", ".rm", ".rmvb", ".gxf"), "videos of a container that is not read: convert it to mp4"
    ),
    **dict.fromkeys((".jp2", ".j2k", ".jxl", ".psd", ".svg", ".pdf", ".ico", ".xcf"), _OTHER),
}

_ARCHIVES = (".zip", ".tar", ".tgz", ".gz", ".rar", ".7z")
_NO_MEDIA = {
    b"version https://git-lfs": "is a Git LFS pointer: get the file itself with `git lfs pull`",
    **dict.fromkeys((b"<!doctype html", b"<html"), "is a web page: download the file itself, not the page of it"),
    **dict.fromkeys(
        (b"rar!", b"7z\xbc\xaf"), "is an archive of a kind that is not read: unpack it and give the folder"
    ),
    b"\x1f\x8b": "is compressed with gzip: unpack it",
    b"#extm3u": "is a playlist: give the video that it names, or read its address as a stream",
}


def kind_of(path: Path) -> Kind:
    """What a file is by its content; empty for what is not known, or cannot be read."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return ""
    if head.startswith(_IMAGES) or (head[:4] == b"RIFF" and head[8:12] == b"WEBP"):
        return "image"
    if head[4:8] == b"ftyp":
        brands = {head[8:12], *(head[place : place + 4] for place in range(16, min(_HEAD, head[3] or _HEAD), 4))}
        if brands & set(_AVIF):
            return "image"
        return "heic" if head[8:12] in _HEIC else "video"
    if head.startswith(_VIDEOS) or (head[:4] == b"RIFF" and head[8:12] == b"AVI "):
        return "video"
    return "video" if len(head) > _TS_PACKET and head[0] == head[_TS_PACKET] == 0x47 else ""


def not_read(paths: Sequence[Path]) -> str:
    """What there is among files that could be taken for images but is not read, and what to do; empty if nothing is."""
    found = [path.suffix.lower() for path in paths if path.suffix.lower() in _NOT_READ]
    if not found and (archives := [path for path in paths if path.suffix.lower() in _ARCHIVES]):
        return f"{len(archives)} files are archives: give them by their own names, or unpack them"
    return f"{len(found)} files are {_NOT_READ[found[0]]}" if found else ""


def refusal(path: Path, kind: Kind) -> str:
    """What to do with a file that is no video and no image that is read; empty for another."""
    hint = _HEIC_HINT if kind == "heic" else _NOT_READ.get(path.suffix.lower(), "")
    if hint or kind:
        return hint and f"is one of the {hint}"
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    except OSError:
        return ""
    if head.startswith(b"pk\3\4"):
        whole = zipfile.is_zipfile(path)
        return (
            "is an archive: unpack it and give the folder"
            if whole
            else "is a zip archive that is cut short: get it again"
        )
    return next((text for start, text in _NO_MEDIA.items() if head.startswith(start)), "")
