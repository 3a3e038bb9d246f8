"""Folders, files and archives of every format of annotations, through the one door that all commands take."""

from __future__ import annotations

import json
import random
import shutil
import tarfile
import zipfile
from pathlib import Path

from mmdet_vis.data.converters import ReadOptions, convert
from mmdet_vis.data.datasets import find_videos
from mmdet_vis.data.formats.opening import open_annotations
from mmdet_vis.data.formats.registry import FORMATS
from mmdet_vis.data.formats.ytvis import index_videos
from mmdet_vis.errors import UserError
from tests.reliability.fuzzing.damage import damage_bytes, damage_json, dump_json
from tests.reliability.fuzzing.reader import SPECIAL, Attempts, Reader, copy_tree, make_special
from tests.reliability.fuzzing.templates import FRAMES, HEIGHT, WIDTH

MASKS = ("index", "colours", "objects", "mots", "davis")
TEXTS = ("coco", "cocovid", "mots-txt", "labelme", "cvat")
_PIECES = ("", "0", "-1", "1e9", "1.5", "nan", "9" * 30, "١", "..", "a b", ",", "\ufeff", "\0", '"', "10000")

_NAMES = ("x", "0", "x.json", "labels.txt", "meta.json", "9" * 40 + ".png", "._0")


def write_format(name: str, folder: Path, templates: Path) -> Path:
    """The template data set in a format, with its frames in ``folder/frames``; written once, then copied."""
    made = templates / "formats" / name
    if not made.exists():
        frames = templates / "ytvis" / "frames"
        target = made.with_suffix(".json") if FORMATS[name].is_file else made / "there"
        options = ReadOptions(images=frames)
        convert(frames.parent / "annotations.json", target, to_format=name, options=options, say=lambda line: None)
        if FORMATS[name].is_file:
            made.mkdir()
            target.rename(made / "there.json")
    copy_tree(made, folder)
    copy_tree(templates / "ytvis" / "frames", folder / "frames")
    return folder / ("there.json" if FORMATS[name].is_file else "there")


def _damage(rng: random.Random, file: Path, damaged: bool) -> str:
    """Damage one file in place, or once more."""
    data = file.read_bytes()
    kind = rng.choice(("bytes", "content", "content", "content", "missing", "name", *SPECIAL[:2]))
    if kind == "content" and file.suffix == ".json" and not damaged:
        kind, content = damage_json(rng, json.loads(data))
        more, data = dump_json(rng, content)
        file.write_bytes(data)
        return f"{kind} {more}".strip()
    if kind == "content" and file.suffix in (".txt", ".xml"):
        parts = data.decode(errors="replace").split(" ")
        for _ in range(rng.choice((1, 1, 4))):
            parts[rng.randrange(len(parts))] = rng.choice(_PIECES)
        file.write_bytes(" ".join(parts).encode())
        return "words"
    if kind == "content":
        from tests.reliability.fuzzing.media import IMAGES, image_file

        file.write_bytes(image_file(rng, rng.choice(IMAGES))[1])
    elif kind == "bytes":
        file.write_bytes(damage_bytes(rng, data)[1])
    elif kind == "name":
        file.rename(
            file.with_name(rng.choice(("x", "0", "x.json", "labels.txt", "meta.json", "9" * 40 + ".png", "._0")))
        )
    else:
        file.unlink()
        if kind in SPECIAL:
            make_special(rng, kind, file)
    return kind


def _maker(names: tuple[str, ...]):  # type: ignore[no-untyped-def]
    def make(rng: random.Random, folder: Path, templates: Path) -> str:
        """A data set in one of these formats, in which one to three files are damaged."""
        name = rng.choice(names)
        source = write_format(name, folder, templates)
        kind = ""
        for number in range(rng.choice((1, 1, 3))):
            files = [path for path in ([source] if source.is_file() else sorted(source.rglob("*"))) if path.is_file()]
            if name in TEXTS and rng.random() < 0.8:
                files = [path for path in files if path.suffix in (".json", ".xml", ".txt")] or files
            if files:
                kind = _damage(rng, rng.choice(files), number > 0)
        return f"{name}, {kind}"

    return make


def make_archive(rng: random.Random, folder: Path, templates: Path) -> str:
    """A zip or tar file of a data set, damaged or with members that lead elsewhere."""
    source = write_format("cvat", folder, templates)
    kind = rng.choice(("bytes", "bytes", "outside", "bomb", "link", "twice", "whole", "sizes"))
    files = [file for file in sorted(source.rglob("*")) if file.is_file()]
    path = folder / rng.choice(("there2.zip", "there2.tar.gz", "there2.tar"))
    outside = rng.choice(
        ("../out.json", "/tmp/out.json", "C:\\out.json", "a/../../out.json", "..\\out.json", "x\0.json")
    )
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in files:
                archive.write(file, file.relative_to(source))
            if kind in ("outside", "twice"):
                archive.writestr(outside if kind == "outside" else "CLIP/../x", b"{}")
            if kind == "bomb":
                archive.writestr("x.json", bytes(2**26))
    else:
        with tarfile.open(path, "w:gz" if path.suffix == ".gz" else "w") as tar:
            for file in files:
                tar.add(file, str(file.relative_to(source)))
            if kind in ("outside", "link"):
                info = tarfile.TarInfo(outside.replace("\0", "x"))
                info.type = tarfile.SYMTYPE if kind == "link" else tarfile.REGTYPE
                info.linkname = "/etc/passwd"
                tar.addfile(info)
    data = path.read_bytes()
    if kind == "bytes":
        path.write_bytes(damage_bytes(rng, data)[1])
    elif kind == "sizes" and path.suffix == ".zip":  # what the zip says of its members
        place = data.rindex(b"PK\1\2") + rng.choice((16, 20, 24, 28, 42))
        path.write_bytes(data[:place] + rng.randbytes(4) + data[place + 4 :])
    shutil.rmtree(source)
    return kind


def read_any(folder: Path) -> None:
    """As a data set, as stills, as inputs, and converted."""
    sources = sorted(path for path in folder.iterdir() if path.name.startswith("there"))
    if not sources:
        raise UserError(f"{folder}: its file is missing")
    with Attempts() as attempts:
        with attempts.another():
            opened = open_annotations(sources[0])
            index_videos(opened.content, str(sources[0]))
        with attempts.another():
            open_annotations(sources[0], stills=True)
        with attempts.another():
            convert(sources[0], folder / "out.json", say=lambda line: None)
        with attempts.another():
            for video in find_videos(sources[0])[:3]:
                with attempts.another(), video.open() as source:
                    assert (source.height, source.width) == (HEIGHT, WIDTH) or len(source) != FRAMES
    assert not (folder.parent / "out.json").exists()


READERS = (
    Reader("mask folders", _maker(MASKS), read_any),
    Reader("text formats", _maker(TEXTS), read_any),
    Reader("archives", make_archive, read_any),
)
