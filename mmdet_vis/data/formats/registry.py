"""All formats of annotated videos by name: what each is called, how it is read and written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats.annotated import AnnotatedVideos
from mmdet_vis.data.formats.coco_json import read_coco
from mmdet_vis.data.formats.coco_write import write_coco, write_cocovid
from mmdet_vis.data.formats.colour_masks import read_colour_masks, write_colour_masks
from mmdet_vis.data.formats.cvat import read_cvat
from mmdet_vis.data.formats.cvat_masks import read_cvat_masks
from mmdet_vis.data.formats.cvat_write import write_cvat
from mmdet_vis.data.formats.index_pngs import read_davis, read_index, write_davis, write_index
from mmdet_vis.data.formats.labelme import read_labelme, write_labelme
from mmdet_vis.data.formats.mots_png import read_mots, write_kitti_mots, write_mots
from mmdet_vis.data.formats.mots_txt import read_mots_txt, write_mots_txt
from mmdet_vis.data.formats.object_folders import read_object_folders, write_object_folders
from mmdet_vis.data.formats.results_json import read_results, read_saved_result
from mmdet_vis.data.formats.ytvis_json import read_ytvis, write_ytvis


@dataclass(frozen=True)
class ReadOptions:
    """What a reader may be told.

    Attributes:
        images: folder of the frames.
        category: of objects in formats that have none.
        annotations: of results: the annotations of their videos, in any format.
        content: of these annotations, as they were opened.
        score_thr: of results: sequences with a lower score are left out.
        set_name, year, resolution, davis_annotations: of DAVIS.
        repeat: of COCO: every image is a video of so many equal frames.
        progress: show progress bars.
    """

    images: Path | None = None
    category: str = "object"
    annotations: Path | None = None
    content: Mapping[str, Any] | None = None
    score_thr: float = 0.0
    set_name: str = "val"
    year: int | None = None
    resolution: str = "480p"
    davis_annotations: str = "Annotations_unsupervised"
    repeat: int | None = None
    progress: bool = False


@dataclass(frozen=True)
class Format:
    """A format.

    Attributes:
        title: what it is, for messages.
        read: None for one that is only written.
        write: into a file or folder; None for one that is only read.
        is_file: whether it is one file, not a folder.
    """

    title: str
    read: Callable[[Path, ReadOptions], AnnotatedVideos] | None
    write: Callable[[AnnotatedVideos, Path], None] | None = None
    is_file: bool = False


def _pngs(read: Callable[..., AnnotatedVideos]) -> Callable[[Path, ReadOptions], AnnotatedVideos]:
    return lambda path, o: read(path, o.images, category=o.category, progress=o.progress)


def _plain(read: Callable[..., AnnotatedVideos]) -> Callable[[Path, ReadOptions], AnnotatedVideos]:
    return lambda path, o: read(path, o.images, o.progress)


def _davis(path: Path, o: ReadOptions) -> AnnotatedVideos:
    return read_davis(path, o.set_name, o.year, o.resolution, o.davis_annotations, o.progress)


def _coco(path: Path, o: ReadOptions) -> AnnotatedVideos:
    return read_coco(path, o.images, o.progress, o.repeat)


def _results(path: Path, o: ReadOptions) -> AnnotatedVideos:
    return read_results(path, o.images, o.progress, o.annotations, o.score_thr, o.content)


FORMATS: dict[str, Format] = {
    "ytvis": Format("a YouTube-VIS annotation file", _plain(read_ytvis), write_ytvis, is_file=True),
    "coco": Format("a COCO file (objects with a track_id, or still images)", _coco, write_coco, True),
    "cocovid": Format("a CocoVID file", _coco, write_cocovid, is_file=True),
    "results": Format("YouTube-VIS results", _results),
    "result": Format(
        "saved results, a file per video", lambda path, o: read_saved_result(path, o.images, o.score_thr), is_file=True
    ),
    "davis": Format("a DAVIS folder", _davis, write_davis),
    "index": Format("folders of index PNGs", _pngs(read_index), write_index),
    "colours": Format("folders of PNGs with a colour per object", _pngs(read_colour_masks), write_colour_masks),
    "objects": Format("a folder of binary masks per object", _pngs(read_object_folders), write_object_folders),
    "mots": Format("MOTS PNGs", _plain(read_mots), write_mots),
    "kitti-mots": Format("KITTI-MOTS PNGs", _plain(read_mots), write_kitti_mots),
    "mots-txt": Format("MOTS text files", _plain(read_mots_txt), write_mots_txt),
    "labelme": Format("folders of labelme JSON files", _plain(read_labelme), write_labelme),
    "cvat": Format('CVAT exports ("CVAT for video 1.1")', _plain(read_cvat), write_cvat),
    "cvat-masks": Format('a CVAT export ("Segmentation mask 1.1")', _plain(read_cvat_masks)),
}
