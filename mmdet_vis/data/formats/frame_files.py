"""The files of frames that annotations speak of: found under the names that they have, measured, copied."""

from __future__ import annotations

import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from mmdet_vis.data.formats.annotated import AnnotatedVideo, AnnotatedVideos
from mmdet_vis.data.formats.mask_writing import frame_stems
from mmdet_vis.data.sources import ImageFilesSource, is_inside, is_name
from mmdet_vis.data.sources.folder import list_folders, list_images
from mmdet_vis.data.sources.orientation import TURNED, Orientation, file_orientation
from mmdet_vis.errors import OutputError, SourceError, option
from mmdet_vis.files.atomic import temporary_path
from mmdet_vis.structures import RLE, decode_masks, encode_masks


def image_size(file: Path) -> tuple[int, int]:
    """Height and width of a picture as it is shown.

    Raises:
        SourceError: it cannot be read.
    """
    source = ImageFilesSource([file], file.stem)
    return source.height, source.width


_OF_SUBSET = ("images/{}", "{}/JPEGImages", "{}/images", "{}")
_WORDS = 4
_NEAR = ("", "images", "frames", "JPEGImages", "train", "val", "data")


def images_near(path: Path, first: str | None) -> Path | None:
    """The folder near an annotation file in which its first frame is; None if it is in none of them.

    Those of the subset that the file is called after (``instances_train.json``) come before those of all.
    """
    words = re.split(r"[_.\s-]", path.stem)[-_WORDS:]
    subsets = [
        place.format(word) for word in dict.fromkeys((*words, *map(str.lower, words))) if word for place in _OF_SUBSET
    ]
    # With all of its folders, or fewer: files say where they were on another machine.
    parts = PurePosixPath(first).parts if first else ()
    files = list(dict.fromkeys(("/".join(parts), "/".join(parts[-2:]), *parts[-1:]))) if parts else []
    places = [base / name for base in (path.parent, path.parent.parent) for name in (*subsets, *_NEAR)]
    for file in files:
        for place in places:
            if os.path.isfile(place / file):
                return place
    if first and (not first.isascii() or next(_spellings(first), first) != first):
        folders = [_Folders(place) for place in dict.fromkeys(places) if place.is_dir()]
        return next((folder.root for file in files for folder in folders if folder.spelt(file)), None)
    return None


def find_frames(videos: AnnotatedVideos) -> None:
    """Find the frames of all videos in their folder of images, and note what is not as the annotations say, in place.

    Names that differ in case or ending, in how accents or spaces are encoded, or lack their folder, are replaced by
    those of the files. Masks of pictures that Exif data turns, drawn on them as they are stored, are turned.
    """
    if videos.images is None:
        if not any("(give the " in what for what in (*videos.notes.guessed, *videos.notes.facts)):
            frames = sum(map(len, videos.videos))
            videos.notes.facts["frames that were not found (give the frames' folder)"] += frames
        return
    folders = _Folders(videos.images)
    for video in videos.videos:
        names = [folders.find(name, video.name) for name in video.file_names]
        renamed = sum(new not in (None, old) for new, old in zip(names, video.file_names, strict=True))
        if renamed:
            videos.notes.guessed["frames whose files have another name (case, ending or folder)"] += renamed
        missing = names.count(None)
        if missing:
            videos.notes.guessed[f"frames that are not in {videos.images}"] += missing
        video.file_names = [new or old for new, old in zip(names, video.file_names, strict=True)]
        first = next((name for name in names if name is not None), None)
        if first is not None:
            _check_size(videos, video, videos.images / first)


def _check_size(videos: AnnotatedVideos, video: AnnotatedVideo, file: Path) -> None:
    try:
        size = image_size(file)
    except SourceError:
        videos.notes.guessed["videos whose first frame cannot be read"] += 1
        return
    turned = file_orientation(file)
    if size == (video.height, video.width):
        if turned > 1 and (turned < TURNED or size[0] == size[1]):
            videos.notes.guessed[
                "videos with an Exif orientation, taken to be annotated as they are shown (the size does not tell)"
            ] += 1
        return
    if turned >= TURNED and size == (video.width, video.height):
        video.height, video.width = size
        for track in video.tracks:
            track.masks = [None if rle is None else _turned(rle, turned) for rle in track.masks]
        videos.notes.guessed["videos annotated as they are stored, turned by their Exif orientation"] += 1
        return
    videos.notes.guessed[
        f"videos whose frames have another size than their masks ({size[1]}x{size[0]}, {video.width}x{video.height})"
    ] += 1


def _turned(rle: RLE, turned: int) -> RLE:
    """A mask of a picture as it is stored, for the picture as it is shown (and read) by its Exif orientation."""
    return encode_masks(Orientation.of_exif(turned).apply(decode_masks([rle])[0])[None])[0]


class _Folders:
    """Names of the images of folders, listed once each."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._names: dict[Path, dict[str, str]] = {}
        self._below: dict[Path, dict[str, str]] = {}

    def find(self, name: str, video: str) -> str | None:
        """The name of a frame's file relative to the root; None if there is none."""
        if os.path.isfile(self.root / name):
            return name
        for written in _spellings(name):
            path = PurePosixPath(written)
            parents = [path.parent, PurePosixPath(video), PurePosixPath(path.parent.name), PurePosixPath()]
            for parent in dict.fromkeys(parents):
                known = self._in(parent, _plain(path.name), f"{_plain(path.stem)}.")
                if known is not None:
                    return known
        return None

    def spelt(self, name: str) -> str | None:
        """As :meth:`find`, where only the case of names and how they are encoded may differ."""
        paths = map(PurePosixPath, _spellings(name))
        return next((known for path in paths if (known := self._in(path.parent, _plain(path.name)))), None)

    def _in(self, parent: PurePosixPath, *keys: str) -> str | None:
        """The file of a folder that is called by one of the keys of :meth:`_listed`."""
        folder = PurePosixPath()
        for part in parent.parts:
            place = self.root / folder
            if not os.path.isdir(place / part):
                if place not in self._below:
                    self._below[place] = {_plain(path.name): path.name for path in list_folders(place)}
                part = self._below[place].get(_plain(part), "")
            if not part:
                return None
            folder /= part
        names = self._listed(self.root / folder)
        return next((str(folder / names[key]) for key in keys if key in names), None)

    def _listed(self, folder: Path) -> dict[str, str]:
        if folder not in self._names:
            files = [file.name for file in list_images(folder)[0]] if folder.is_dir() else []
            self._names[folder] = {f"{_plain(Path(file).stem)}.": file for file in files}
            self._names[folder] |= {_plain(file): file for file in files}
        return self._names[folder]


def _plain(name: str) -> str:
    """A file's name without what systems change: its case, and accents that are characters of their own (macOS)."""
    return unicodedata.normalize("NFC", name).casefold()


def _spellings(name: str) -> Iterator[str]:
    """A name without what an address has behind it and instead of spaces, and the name."""
    written = unquote(name.partition("?")[0])
    if is_name(written) and is_inside(written):
        yield written
    if written != name:
        yield name


def copy_file(source: Path, target: Path) -> None:
    """Copy a file in one step; nothing is done where it is the target.

    Raises:
        OutputError: it cannot be copied.
    """
    if target.exists() and target.samefile(source):
        return
    try:
        with temporary_path(target) as temporary:
            shutil.copyfile(source, temporary)
    except OSError as error:
        raise OutputError(f"cannot copy {source} to {target.parent}: {error.strerror}") from None


def copy_frames(videos: AnnotatedVideos, video: AnnotatedVideo, folder: Path, numbered: str = "") -> list[str]:
    """Copy a video's frames into a folder, where there are files of them; the T names that they have there.

    Their names are ``numbered`` and six digits; without it, they keep their own.

    Raises:
        OutputError: one cannot be copied.
    """
    stems = [f"{numbered}{frame:06d}" for frame in range(len(video))] if numbered else frame_stems(video)
    names = [f"{stem}{PurePosixPath(name).suffix}" for stem, name in zip(stems, video.file_names, strict=True)]
    copied = 0
    for name, new in zip(video.file_names, names, strict=True):
        source = None if videos.images is None else videos.images / name
        if source is None or not os.path.isfile(source):
            continue
        copied += 1
        copy_file(source, folder / new)
    if copied < len(names):
        videos.notes.left_out[f"frames, whose files are not known: give {option('images')}"] += len(names) - copied
    return names
