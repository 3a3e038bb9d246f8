"""Annotations of one format into another: read, kept in part, written."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mmdet_vis.checks import check_path
from mmdet_vis.data.categories import plain_name
from mmdet_vis.data.converters.frames import write_frames
from mmdet_vis.data.formats.annotated import DEFAULTS, AnnotatedVideo, AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.mask_writing import annotated_frames
from mmdet_vis.data.formats.opening import format_of, read_annotations
from mmdet_vis.data.formats.registry import FORMATS
from mmdet_vis.errors import DatasetError, OutputError, UserError, counted, option
from mmdet_vis.files.atomic import remove_unfinished


@dataclass(frozen=True)
class Selection:
    """Which part of a source is converted, and how it is divided.

    Attributes:
        videos: names; None for all.
        categories: names, in the order that the result has; None for all.
        annotated_only: leave out frames that nobody annotated.
        val_share: share of the videos, in (0, 1), that are kept apart for validation, spread evenly over their order.
        val_videos: names of the videos that are kept apart instead.
    """

    videos: Sequence[str] | None = None
    categories: Sequence[str] | None = None
    annotated_only: bool = False
    val_share: float | None = None
    val_videos: Sequence[str] | None = None


def convert(
    source: str | Path,
    target: str | Path,
    from_format: str | None = None,
    to_format: str | None = None,
    options: ReadOptions = DEFAULTS,
    selection: Selection = Selection(),
    strict: bool = False,
    say: Callable[[str], None] = print,
    frames_to: str | Path | None = None,
    overwrite: bool = False,
) -> None:
    """Convert annotations or results; what is left out or guessed is said, a line for each kind.

    Args:
        source: a file or folder, or a zip or tar archive of one, which is unpacked beside the target.
        target: the file or folder to write; with a part kept apart for validation, that goes to its name with ``_val``.
        from_format: name of the source's format in ``FORMATS``; None: it is found out.
        to_format: name of the target's; None: YouTube-VIS, if the target's name ends with ``.json``.
        options: for the reader.
        selection: what is kept.
        strict: leaving anything out, or guessing, is an error.
        say: takes the lines.
        frames_to: put the frames of the videos in ``options.images``, which then may be video files, into this folder,
            and take them from there; see :func:`~mmdet_vis.data.converters.frames.write_frames`.
        overwrite: write into a folder that holds something already, which may be what somebody corrected by hand.

    Raises:
        DatasetError, ResultsError: the source cannot be used, or ``strict`` forbids it.
        SourceError: a video cannot be read.
        OutputError: the target cannot be written, or holds something.
    """
    check_path("source", source)
    check_path("target", target)
    source, target = Path(source), Path(target)
    if to_format is None:
        if target.suffix.lower() != ".json":
            raise DatasetError(f"{target} is no .json file: say with {option('to_format')} which format it is to have")
        to_format = "ytvis"
    write = format_of(to_format).write
    if write is None:
        writable = ", ".join(name for name, entry in FORMATS.items() if entry.write)
        raise DatasetError(
            f"{to_format} is a format that is only read: choose one of {writable} with {option('to_format')}"
        )
    if os.path.realpath(target) == os.path.realpath(source):
        raise DatasetError(f"{target} is the source: choose another name for the result")
    places = [target] if selection.val_share is selection.val_videos is None else [target, _apart(target)]
    if not overwrite:
        _check_empty([place for place in places if not FORMATS[to_format].is_file])
    replaced = [place for place in places if os.path.isfile(place)]
    if frames_to is not None:
        options = _with_frames(source, from_format, options, Path(frames_to), selection, say, target.parent)
    found = read_annotations(source, from_format, options, say, unpack_to=target.parent)
    _select(found, selection)
    if found.ground_truth:
        found.notes.name_unlabelled([video.name for video in found.videos if not video.tracks])
    if strict and found.notes.doubts():
        raise DatasetError(f"{target} is not written (strict): {found.notes.doubts()}")
    for part, place in _parts(found, target, selection):
        if os.path.isdir(place):  # what a conversion that was killed was writing
            remove_unfinished([place, *(path for path in place.rglob("*") if path.is_dir())])
        write(part, place)
        verb = "replaced" if place in replaced else "wrote"
        say(f"{verb} {place} ({FORMATS[to_format].title}): {part.summary()}")
    for line in found.notes.lines():
        say(line)
    if found.images is not None and FORMATS[to_format].is_file:
        say(f"frames are relative to {found.images}: use it as img_prefix")
    if strict and found.notes.doubts():
        raise DatasetError(f"{target} is written, but not all could be (strict): {found.notes.doubts()}")


def _check_empty(places: Sequence[Path]) -> None:
    for place in places:
        if os.path.isdir(place) and any(place.iterdir()):
            raise OutputError(
                f"{place} holds something already, which may be corrected by hand: choose another folder, or write "
                f"into it with {option('overwrite', True)}"
            )


def _with_frames(
    source: Path,
    from_format: str | None,
    options: ReadOptions,
    folder: Path,
    selection: Selection,
    say: Callable[[str], None],
    unpack_to: Path,
) -> ReadOptions:
    """Take the frames out of the videos that are converted; what cannot be is found out before."""
    if options.images is None:
        raise DatasetError(f"the frames for {folder} come out of the videos: name their folder as that of the images")
    names = selection.videos
    try:
        found = read_annotations(source, from_format, replace(options, images=None), lambda line: None, unpack_to)
    except UserError:
        pass  # it may need the frames to be read
    else:
        _select(found, selection)
        names = [video.name for video in found.videos]
    videos, frames = write_frames(options.images, folder, names, options.progress)
    say(f"wrote {counted(frames, 'frame')} of {counted(videos, 'video')} of {options.images} to {folder}")
    return replace(options, images=folder)


def _select(found: AnnotatedVideos, selection: Selection) -> None:
    """Keep what was asked for, in place."""
    if selection.videos is not None:
        found.videos = _named(found, selection.videos)
    if selection.categories is not None:
        known = {plain_name(name): name for name in found.categories}
        wanted = [known.get(plain_name(name)) for name in selection.categories]
        if None in wanted:
            missing = selection.categories[wanted.index(None)]
            raise DatasetError(
                f"{found.source} has no category {missing!r:.60}: it has {', '.join(found.categories):.400}"
            )
        before = sum(len(video.tracks) for video in found.videos)
        found.categories = {name: found.categories[name] for name in wanted if name is not None}
        for video in found.videos:
            video.tracks = [track for track in video.tracks if track.category in found.categories]
        left = before - sum(len(video.tracks) for video in found.videos)
        if left:
            found.notes.facts["objects of other categories than those asked for (left out)"] += left
    if selection.annotated_only:
        for video in found.videos:
            _keep_annotated(found, video)
        empty = [video for video in found.videos if not len(video)]
        found.videos = [video for video in found.videos if len(video)]
        if empty:
            found.notes.facts["videos without an annotated frame (left out)"] += len(empty)


def _keep_annotated(found: AnnotatedVideos, video: AnnotatedVideo) -> None:
    if video.annotated is None:
        return
    kept = annotated_frames(video)
    for text in [text for text in found.notes.facts if text.startswith("frames that nobody annotated")]:
        del found.notes.facts[text]
    found.notes.facts["frames left out, since nobody annotated them"] += len(video) - len(kept)
    video.file_names = [video.file_names[frame] for frame in kept]
    for track in video.tracks:
        track.masks = [track.masks[frame] for frame in kept]
    video.annotated = None


def _named(found: AnnotatedVideos, names: Sequence[str]) -> list[AnnotatedVideo]:
    known = {video.name: video for video in found.videos}
    missing = [name for name in names if name not in known]
    if missing:
        raise DatasetError(f"{found.source} has no video {missing[0]!r:.60}: it has {', '.join(known):.400}")
    return [video for video in found.videos if video.name in set(names)]


def _apart(target: Path) -> Path:
    """Where what is kept apart for validation goes."""
    return target.with_name(f"{target.stem}_val{target.suffix}")


def _parts(found: AnnotatedVideos, target: Path, selection: Selection) -> list[tuple[AnnotatedVideos, Path]]:
    """What is written, and where."""
    number = len(found.videos)
    if selection.val_videos is not None:
        apart = {video.name for video in _named(found, selection.val_videos)}
    elif selection.val_share is not None:
        count = max(1, round(selection.val_share * number))
        apart = {found.videos[int((place + 0.5) * number / count)].name for place in range(count)} if number else set()
    else:
        return [(found, target)]
    if not 0 < len(apart) < number:
        raise DatasetError(f"{len(apart)} of {number} videos would be kept apart: some must be left on both sides")
    val = [video for video in found.videos if video.name in apart]
    train = [video for video in found.videos if video.name not in apart]
    return [(replace(found, videos=train), target), (replace(found, videos=val), _apart(target))]
