"""The text files of MOTS, a line for each mask: ``frame id class height width rle``; read and written."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from mmdet_vis.data.formats.annotated import DEFAULTS, NOT_ANNOTATED, PARTS, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.frame_folders import find_images
from mmdet_vis.data.formats.mask_writing import file_name
from mmdet_vis.data.formats.mots_png import LABELS, MotsClasses, number_tracks
from mmdet_vis.data.formats.other_programs import other_text
from mmdet_vis.data.formats.shapes import check_frame_size, merge_masks
from mmdet_vis.data.sources import natural_key
from mmdet_vis.data.sources.folder import list_files, list_folders, list_images
from mmdet_vis.errors import DatasetError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.progress import with_bar
from mmdet_vis.structures import RLE
from mmdet_vis.structures.rle import InvalidMaskError, check_rles

FOLDER = "instances_txt"
MAX_FRAMES = 10**6
"""A frame number beyond it is no number of a video's frame."""


@dataclass
class _File:
    """Lines of a file: masks by (id, class) and frame, all of one size (height, width)."""

    size: tuple[int, int] = (0, 0)
    masks: dict[tuple[int, int], defaultdict[int, list[RLE]]] = field(default_factory=dict)
    first: int = MAX_FRAMES
    last: int = -1


def mots_files(source: Path) -> list[tuple[str, Path]]:
    """Names of videos and their files: ``source``, ``gt/gt.txt`` in or below it, or the text files of a folder."""
    if source.is_file():
        return [(source.parent.parent.name if source.name == "gt.txt" else source.stem, source)]
    if (source / "gt" / "gt.txt").is_file():
        return [(source.resolve().name, source / "gt" / "gt.txt")]
    below = [(path.name, path / "gt" / "gt.txt") for path in list_folders(source) if (path / "gt" / "gt.txt").is_file()]
    folder = source / FOLDER if (source / FOLDER).is_dir() else source
    found = below or [(path.stem, path) for path in list_files(folder, ".txt") if path.name != LABELS and is_mots(path)]
    return sorted(found, key=lambda item: natural_key(item[0]))


def is_mots(file: Path) -> bool:
    """Whether the first line of a text file is one of MOTS."""
    if not file.is_file():  # a pipe would never end
        return False
    try:
        with open(file, "rb") as stream:
            parts = _fields(_text(stream.read(2**16)).partition("\n")[0])
    except (OSError, UnicodeDecodeError):
        return False
    return len(parts) == 6 and all(part.isdecimal() for part in parts[:5])


def _text(data: bytes) -> str:
    """Text of a file, which some editors of Windows save as UTF-16."""
    return data.decode("utf-16" if data.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig")


def _fields(line: str) -> list[str]:
    """The fields of a line, parted by spaces, or by commas, which run lengths have none of."""
    return line.replace(",", " ").split()


def read_mots_txt(source: Path, options: ReadOptions = DEFAULTS) -> AnnotatedVideos:
    """Read a text file of MOTS, or ``<video>.txt``, ``instances_txt/<video>.txt`` or ``<video>/gt/gt.txt`` of a folder.

    Frames are called by their numbers, and looked for as for index PNGs, also in ``img1``. Lines cannot say that nobody
    annotated a frame: one without a line is a frame without objects.

    Raises:
        DatasetError: there is no such file, or a line is wrong.
    """
    found = AnnotatedVideos(f"MOTS text files of {source}")
    files = mots_files(source)
    if not files:
        raise DatasetError(f"{source} holds no text files of MOTS (frame id class height width rle)")
    base = files[0][1].parent
    classes = MotsClasses(found, base, base.parent, source if source.is_dir() else base)
    in_gt = base.name == "gt"
    images = options.images or (base.parent.parent if in_gt else None)
    found.images = find_images(base, images, [name for name, _ in files])
    lengths = _lengths(base, base.parent)
    for name, file in with_bar(files, "videos", shown=options.progress):
        content = _read(file)
        if content.last < 0:
            found.notes.left_out["text files without a line"] += 1
            continue
        names, start = _frames(found, name, content, lengths.get(name), in_gt)
        video = found.add_video(name, names, *content.size)
        for (_, number), frames in content.masks.items():
            if classes.is_ignored(number):
                found.notes.facts["regions to ignore (class 10), which are of no object"] += 1
                continue
            masks = [merge_masks(frames.get(start + frame, [])) for frame in range(len(names))]
            if several := sum(len(parts) - 1 for parts in frames.values()):
                found.notes.guessed[PARTS] += several
            found.add_track(video, classes.name(number), masks)
    return found


def _read(file: Path) -> _File:
    content = _File()
    try:
        lines = _text(file.read_bytes()).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {file} ({error}): give a text file of MOTS") from None
    rles: list[RLE] = []
    for number, line in enumerate(lines, 1):
        parts = _fields(line)
        if not parts:
            continue
        where = f"{file}: line {number}"
        if number == 1 and (what := other_text(file)) is not None:
            raise DatasetError(f"{file} is no text file of MOTS with masks: {what}")
        if len(parts) != 6 or not all(part.isdecimal() and len(part) < 10 for part in parts[:5]):
            raise DatasetError(f"{where} is not 'frame id class height width rle': correct the file")
        frame, track, label, height, width = (int(part) for part in parts[:5])
        if content.last < 0:
            check_frame_size(height, width, where)
            content.size = (height, width)
        if (height, width) != content.size or not height or not width or frame >= MAX_FRAMES:
            raise DatasetError(f"{where} has another size than the first line, or no frame number: correct the file")
        rle = RLE(size=[height, width], counts=parts[5])
        rles.append(rle)
        content.masks.setdefault((track, label), defaultdict(list))[frame].append(rle)
        content.first, content.last = min(content.first, frame), max(content.last, frame)
    try:
        check_rles(rles)
    except InvalidMaskError as error:
        raise DatasetError(f"{file}: mask {error.index + 1} {error.reason}: correct the file") from None
    return content


def _frames(
    found: AnnotatedVideos, name: str, content: _File, length: int | None, in_gt: bool
) -> tuple[list[str], int]:
    """Frame files of a video, and the number of the first one."""
    for prefix in (f"{name}/", f"{name}/img1/", "") if found.images is not None else ():
        folder = Path(found.images or "", prefix)
        files = list_images(folder)[0] if folder.is_dir() else []
        numbers = [int(file.stem) if file.stem.isdecimal() else -1 for file in files]
        if files and numbers == list(range(numbers[0], numbers[0] + len(files))) and numbers[0] >= 0:
            if not numbers[0] <= content.first <= content.last <= numbers[-1]:
                raise DatasetError(
                    f"{folder} has the frames {numbers[0]} to {numbers[-1]}, but the masks of {name} are of "
                    f"{content.first} to {content.last}: give the frames that belong to them"
                )
            return [prefix + file.name for file in files], numbers[0]
    start = 1 if in_gt or (content.first > 0 and length is None) else 0
    if length is None:
        found.notes.guessed["frames, counted up to the last one with a mask (give the frames' folder)"] += 1
    stop = content.last + 1 if length is None else max(start + length, content.last + 1)
    return [f"{name}/{number:06d}.jpg" for number in range(start, stop)], start


def _lengths(*folders: Path) -> dict[str, int]:
    """Numbers of frames by the names of videos, of the lists ``*.seqmap``: ``name empty first last``."""
    lengths = {}
    for file in [file for folder in folders for file in sorted(folder.glob("*.seqmap*")) if file.is_file()]:
        for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
            parts = line.split()
            if len(parts) == 4 and all(part.isdecimal() and len(part) < 7 for part in parts[2:]):
                lengths[parts[0]] = int(parts[3]) - int(parts[2]) + 1
    return lengths


def write_mots_txt(videos: AnnotatedVideos, target: Path) -> None:
    """Write ``instances_txt/<video>.txt``, the names of classes in ``labels.txt`` and of videos in ``val.seqmap``.

    Frames are numbered from 0. Overlapping masks are written as they are.

    Raises:
        OutputError: a file cannot be written.
    """
    classes = {name: number for number, name in enumerate(videos.categories, 1)}
    folder = ensure_writable_dir(target / FOLDER)
    seqmap = []
    for video in videos.videos:
        if video.annotated is not None:
            videos.notes.left_out[NOT_ANNOTATED] += len(video) - sum(video.annotated)
        name = file_name(video.name).replace(" ", "_")
        numbers = number_tracks(videos, video.tracks, classes)
        lines = [
            f"{frame} {number} {classes[track.category]} {video.height} {video.width} {rle['counts']}\n"
            for frame in range(len(video))
            for number, track in zip(numbers, video.tracks, strict=True)
            if number and (rle := track.masks[frame]) is not None
        ]
        atomic_write(folder / f"{name}.txt", "".join(lines))
        seqmap.append(f"{name} empty 000000 {len(video) - 1:06d}\n")
    atomic_write(target / LABELS, "".join(f"{name}\n" for name in classes))
    atomic_write(target / "val.seqmap", "".join(seqmap))
