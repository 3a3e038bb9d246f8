"""Training clips from videos in the YouTube-VIS format."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.clips.base import ClipDataset
from mmdet_vis.data.clips.copy_paste import Cutout, PasteOptions, is_whole, paste_some
from mmdet_vis.data.clips.raw import RawClip, RawFrame, read_image
from mmdet_vis.data.clips.stills import map_categories
from mmdet_vis.data.clips.tracks import Track, choose_frames, decode_tracks, read_track
from mmdet_vis.data.datasets.ytvis import OtherCategories
from mmdet_vis.data.formats.opening import open_below
from mmdet_vis.data.formats.ytvis import Annotations, Video, check_ids, frame_files, index_videos
from mmdet_vis.errors import ConfigError, DatasetError
from mmdet_vis.registry import DATASETS


@dataclass(frozen=True)
class TrackedVideo:
    """A video with its objects.

    Attributes:
        size: (height, width) of its frames in pixels.
        files: T image files.
        tracks: K objects, crowds excluded.
        crowds: groups of objects.
        visible: ``[K, T]`` bool.
        labels: ``[K]`` int64, 1-based.
        exhaustive: whether every object of the categories is annotated (``exhaustive`` in the file, else true).
        annotated: ``[T]`` bool, False for frames that nobody annotated, of which no clip is made; None: all are.
    """

    size: tuple[int, int]
    files: list[Path]
    tracks: list[Track]
    crowds: list[Track]
    visible: NDArray[np.bool_]
    labels: NDArray[np.int64]
    exhaustive: bool
    annotated: NDArray[np.bool_] | None = None

    def clip(self, frames: Sequence[int]) -> RawClip:
        """Some of its frames, the current one last, with their objects.

        Raises:
            BrokenSampleError: an image or a mask cannot be read.
        """
        loaded = {frame: _load_frame(self, frame) for frame in sorted(set(frames))}
        names = ", ".join(self.files[frame].name for frame in frames)
        # Transforms replace arrays and never write into them, so that a repeated frame may be shared.
        repeated = [RawFrame(**vars(loaded[frame])) for frame in frames]
        return RawClip(repeated, self.exhaustive, f"{self.files[frames[-1]].parent}: {names}")


@DATASETS.register_module()
class YTVISClips(ClipDataset):
    """Clips of an annotation file in the YouTube-VIS format: one sample per frame with an object.

    Args:
        ann_file, img_prefix, data_root: see :class:`~mmdet_vis.data.datasets.YTVISDataset`; any format is read.
        categories: the network's classes in their order: names, or the name of a benchmark. None: as in the file.
        category_map: for each class its names in the file, see
            :class:`~mmdet_vis.data.clips.still_clips.StillClips`; None: classes are found by name.
        num_frames: frames per clip, see :func:`~mmdet_vis.data.clips.tracks.choose_frames`; 1 for a detector alone,
            which then learns no propagation.
        max_gap: how many frames the first and the last of a clip may be apart; None: any number, as published.
        copy_paste: arguments of :class:`~mmdet_vis.data.clips.copy_paste.PasteOptions`: objects of other frames are
            pasted onto the clip; None: nothing is pasted, as published.
        pipeline: configs of transforms.
        other_categories: "ignore": objects of categories of the file that are not wanted are left out, with a warning;
            "error": they are an error.

    Raises:
        DatasetError: the file or folder is missing, not in this format, has none of the categories, or no object.
        ConfigError: ``categories`` is not the name of a benchmark, or a number is too small.
    """

    def __init__(
        self,
        ann_file: str | Path,
        img_prefix: str | Path | None = None,
        categories: str | Sequence[str] | None = None,
        category_map: Mapping[str, Sequence[str]] | None = None,
        data_root: str | Path = "data",
        num_frames: int = 2,
        max_gap: int | None = None,
        copy_paste: Mapping[str, Any] | None = None,
        pipeline: Sequence[dict[str, Any]] = (),
        other_categories: OtherCategories = "ignore",
    ) -> None:
        super().__init__(pipeline)
        if num_frames < 1 or (max_gap is not None and max_gap < 1):
            raise ConfigError(f"YTVISClips: num_frames={num_frames} and max_gap={max_gap} must be 1 or more")
        self.num_frames, self.max_gap = num_frames, max_gap
        self.paste = None if copy_paste is None else PasteOptions(**copy_paste)
        self.ann_file, opened = open_below(data_root, ann_file, img_prefix)
        content = opened.content
        index = index_videos(content, str(self.ann_file))
        objects = content.get("annotations")
        self.categories, labels = map_categories(
            index.categories, categories, category_map, self.ann_file, objects, other_categories
        )
        folder = opened.image_folder(self.ann_file)
        by_video = _by_video(objects, index, labels, self.ann_file)
        self.videos = [
            _read_video(video, entry, folder, by_video[video.id], labels, self.ann_file)
            for entry, video in zip(content["videos"], index.videos.values(), strict=True)
        ]
        self.samples = [
            (number, int(frame))
            for number, video in enumerate(self.videos)
            for frame in np.flatnonzero(video.visible.any(axis=0))
        ]
        if not self.samples:
            raise DatasetError(f"{self.ann_file} has no frame with an object: it cannot be trained on")
        wide = np.array([video.size[1] > video.size[0] for video in self.videos], bool)
        self.landscape = wide[[number for number, _ in self.samples]]

    def load(self, index: int, rng: np.random.Generator) -> RawClip:
        """See :meth:`ClipDataset.load`."""
        number, current = self.samples[index]
        video = self.videos[number]
        chosen = [current]
        if self.num_frames > 1:
            chosen = choose_frames(
                video.visible, video.labels, current, self.num_frames, self.max_gap, rng, video.annotated
            )
        clip = video.clip(chosen)
        if self.paste is not None:
            clip = paste_some(clip, self._cutout, self.paste, 1, rng)
        return clip

    def _cutout(self, rng: np.random.Generator) -> Cutout | None:
        """A random object of a random frame of the dataset; None if it is no good."""
        number, frame = self.samples[rng.integers(len(self.samples))]
        video = self.videos[number]
        seen = [track for track in video.tracks if track.visible[frame]]
        track = seen[rng.integers(len(seen))]
        mask = decode_tracks([track], frame, video.size, video.files[frame])[0]
        return Cutout.of(read_image(video.files[frame], video.size), mask, track.label) if is_whole(mask) else None


def _by_video(
    annotations: Any, index: Annotations, labels: dict[int, int], file: Path
) -> dict[int, list[tuple[int, dict[str, Any]]]]:
    """Positions and entries of the annotations of each video."""
    if not isinstance(annotations, list):
        raise DatasetError(f"{file} has no list 'annotations': train on a file that has objects")
    entries: defaultdict[int, list[tuple[int, dict[str, Any]]]] = defaultdict(list)
    for position, entry in enumerate(annotations):
        video_id = check_ids(entry, index, f"{file}: annotation {position}")
        if entry["category_id"] in labels:
            entries[video_id].append((position, entry))
    return entries


def _read_video(
    video: Video,
    entry: dict[str, Any],
    folder: Path,
    annotations: list[tuple[int, dict[str, Any]]],
    labels: dict[int, int],
    file: Path,
) -> TrackedVideo:
    files = [folder / name for name in frame_files(entry, f"{file}: video {video.id}")]
    size, length = (video.height, video.width), len(files)
    tracks = [
        read_track(item, number, labels[item["category_id"]], size, length, f"{file}: annotation {position}")
        for number, (position, item) in enumerate(annotations, 1)
    ]
    if video.annotated is not None:
        tracks = [replace(track, visible=track.visible & video.annotated) for track in tracks]
    objects = [track for track in tracks if not track.crowd]
    visible = np.array([track.visible for track in objects], bool).reshape(len(objects), length)
    crowds = [track for track in tracks if track.crowd]
    numbers = np.array([track.label for track in objects], np.int64)
    exhaustive = bool(entry.get("exhaustive", True))
    return TrackedVideo(size, files, objects, crowds, visible, numbers, exhaustive, video.annotated)


def _load_frame(video: TrackedVideo, frame: int) -> RawFrame:
    """Decode a frame and its masks.

    Raises:
        BrokenSampleError: one cannot be read.
    """
    file = video.files[frame]
    image = read_image(file, video.size)
    seen = [track for track in video.tracks if track.visible[frame]]
    crowds = [track.boxes[frame] for track in video.crowds if track.visible[frame]]
    return RawFrame(
        image=image,
        boxes=np.array([track.boxes[frame] for track in seen], np.float32).reshape(-1, 4),
        labels=np.array([track.label for track in seen], np.int64),
        masks=decode_tracks(seen, frame, video.size, file),
        ids=np.array([track.id for track in seen], np.int64),
        ignored=np.array(crowds, np.float32).reshape(-1, 4),
    )
