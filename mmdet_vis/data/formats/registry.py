"""All formats of annotated videos by name: what each is called, how it is read and written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mmdet_vis.data.formats.annotated import AnnotatedVideos, ReadOptions
from mmdet_vis.data.formats.coco_json import read_coco
from mmdet_vis.data.formats.coco_write import write_coco
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
class Format:
    """A format.

    Attributes:
        title: what it is, for messages.
        read: from a file or folder.
        write: into a file or folder; None for one that is only read.
        is_file: whether it is one file, not a folder.
    """

    title: str
    read: Callable[[Path, ReadOptions], AnnotatedVideos]
    write: Callable[[AnnotatedVideos, Path], None] | None = None
    is_file: bool = False


FORMATS: dict[str, Format] = {
    "ytvis": Format("a YouTube-VIS annotation file", read_ytvis, write_ytvis, is_file=True),
    "coco": Format("a COCO file (objects with a track_id, or still images)", read_coco, write_coco, is_file=True),
    "cocovid": Format("a CocoVID file", read_coco, partial(write_coco, cocovid=True), is_file=True),
    "results": Format("YouTube-VIS results", read_results),
    "result": Format("saved results, a file per video", read_saved_result, is_file=True),
    "davis": Format("a DAVIS folder", read_davis, write_davis),
    "index": Format("folders of index PNGs", read_index, write_index),
    "colours": Format("folders of PNGs with a colour per object", read_colour_masks, write_colour_masks),
    "objects": Format("a folder of binary masks per object", read_object_folders, write_object_folders),
    "mots": Format("MOTS PNGs", read_mots, write_mots),
    "kitti-mots": Format("KITTI-MOTS PNGs", read_mots, write_kitti_mots),
    "mots-txt": Format("MOTS text files", read_mots_txt, write_mots_txt),
    "labelme": Format("folders of labelme JSON files", read_labelme, write_labelme),
    "cvat": Format('CVAT exports ("CVAT for video 1.1")', read_cvat, write_cvat),
    "cvat-masks": Format('a CVAT export ("Segmentation mask 1.1")', read_cvat_masks),
}
