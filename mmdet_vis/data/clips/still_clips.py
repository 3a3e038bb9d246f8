"""Training clips from stills: pseudo-videos, in which all masks stay exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.clips.base import ClipDataset
from mmdet_vis.data.clips.copy_paste import LEAST_SHARE, Cutout, PasteOptions, is_whole, paste_some
from mmdet_vis.data.clips.raw import (
    BrokenSampleError,
    ImageReader,
    RawClip,
    RawFrame,
    drop_remains,
    has_common_object,
    tight_boxes,
)
from mmdet_vis.data.clips.stills import StillObject, decode_objects, map_categories, read_stills, repeats
from mmdet_vis.data.clips.view_warp import WarpOptions, view_maps
from mmdet_vis.data.formats.coco import read_categories
from mmdet_vis.data.formats.opening import open_below
from mmdet_vis.data.preprocess import FrameGeometry
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import DATASETS

# Warps that may lose all objects before the still is taken as it is.
_ATTEMPTS = 4
_NO_WARP = WarpOptions(zoom=(1.0, 1.0), translate=0, rotate=0, scale=0, shear=0, elastic=0)


@DATASETS.register_module()
class StillClips(ClipDataset):
    """Clips of images with instance masks in the COCO format: views of one image under a random motion.

    Each view is warped as a whole (turn, shift, zoom, shear and a smooth random field); objects of other images are
    pasted onto it and move on paths of their own, so that what they hide differs between the views. Light and blur are
    left to the pipeline (``ClipColor``, ``ClipBlur``). Images whose entry in the file has ``exhaustive: false`` give
    clips with that flag.

    Args:
        ann_file: COCO file, relative to ``data_root``; or annotations of any other format, every frame an image.
        img_prefix: folder of the images, relative to ``data_root``; None: they are where the format has them, or
            beside the file.
        categories: the network's classes: names, or the name of a benchmark. None: see ``category_map``.
        category_map: for each class its names in the file, as in ``dict(person=["person"], other=["*"])``, "*" for all
            that nothing else names; file categories in no class are background. Without ``categories`` its keys are the
            classes. None: classes are found by name.
        data_root: relative to the working directory; absolute paths of the other arguments ignore it.
        num_frames: views per clip; 1 for a detector alone, which then learns no propagation.
        scales: pairs of numbers, see :class:`~mmdet_vis.data.preprocess.Preprocessor`; one is drawn for each clip, and
            the views are made at that size at once. None: the size of the image.
        warp: arguments of :class:`~mmdet_vis.data.clips.view_warp.WarpOptions`.
        copy_paste: arguments of :class:`~mmdet_vis.data.clips.copy_paste.PasteOptions`; None: nothing is pasted.
        exhaustive: whether every object of the classes is annotated, instead of what the file says of its images: False
            for a file that lacks some of the classes.
        min_pixels: where fewer pixels of an object are left, its region is ignored; the same for objects of the file.
        repeat_thr: images of a class that fewer than this share of all images hold come more than once in an epoch, see
            :func:`~mmdet_vis.data.clips.stills.repeats`; 0: each comes once.
        cache_bytes: decoded images are kept in memory up to so many bytes, in each loading process: 480x360 pixels
            take half a megabyte.
        pipeline: configs of transforms.

    Raises:
        DatasetError: the file or folder is missing, not in this format, or has no object.
        ConfigError: an argument is wrong.
    """

    def __init__(
        self,
        ann_file: str | Path,
        img_prefix: str | Path | None = None,
        categories: str | Sequence[str] | None = None,
        category_map: Mapping[str, Sequence[str]] | None = None,
        data_root: str | Path = "data",
        num_frames: int = 2,
        scales: Sequence[tuple[int, int]] | None = None,
        warp: Mapping[str, Any] | None = None,
        copy_paste: Mapping[str, Any] | None = None,
        min_pixels: int = 16,
        exhaustive: bool | None = None,
        repeat_thr: float = 0.0,
        cache_bytes: int = 0,
        pipeline: Sequence[dict[str, Any]] = (),
    ) -> None:
        super().__init__(pipeline)
        if num_frames < 1 or min_pixels < 1 or cache_bytes < 0 or not 0 <= repeat_thr <= 1:
            raise ConfigError(
                f"StillClips: num_frames={num_frames} and min_pixels={min_pixels} must be 1 or more, "
                f"cache_bytes={cache_bytes} 0 or more, repeat_thr={repeat_thr} from 0 to 1"
            )
        self.num_frames, self.min_pixels = num_frames, min_pixels
        self.exhaustive = exhaustive
        self.read_image = ImageReader(cache_bytes)
        self.scales = None if scales is None else [(int(a), int(b)) for a, b in scales]
        self.warp = WarpOptions(**(warp or {}))
        self.paste = None if copy_paste is None else PasteOptions(**copy_paste)
        file, opened = open_below(data_root, ann_file, img_prefix, stills=True)
        content = opened.content
        known = read_categories(content, file)
        self.categories, labels = map_categories(known, categories, category_map, file, content.get("annotations"))
        folder = opened.image_folder(file)
        self.stills = read_stills(content, labels, folder, min_pixels, file)
        self.landscape = np.array([still.size[1] > still.size[0] for still in self.stills], bool)
        self._repeats = repeats(self.stills, repeat_thr)

    def epoch(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """See :meth:`ClipDataset.epoch`; images of rare classes are in it several times."""
        return rng.permutation(np.repeat(np.arange(len(self)), self._repeats))

    def load(self, index: int, rng: np.random.Generator) -> RawClip:
        """See :meth:`ClipDataset.load`."""
        still = self.stills[index]
        image, objects = self.read_image(still.file, still.size), still.objects()
        masks = decode_objects(still, objects)
        size, exhaustive = still.size, still.exhaustive if self.exhaustive is None else self.exhaustive
        if self.scales is not None:
            size = FrameGeometry.of(*still.size, self.scales[rng.integers(len(self.scales))]).resized
        for attempt in range(_ATTEMPTS + 1):
            maps = view_maps(still.size, size, self.num_frames, self.warp if attempt < _ATTEMPTS else _NO_WARP, rng)
            views = [_view(image, masks, objects, grid) for grid in maps]
            clip = RawClip(views, exhaustive, str(still.file))
            drop_remains(clip, self.min_pixels)
            if has_common_object(clip):
                break
        else:
            reason = f"has no object of {self.min_pixels} pixels at {size[1]}x{size[0]}"
            raise BrokenSampleError(str(still.file), reason)
        if self.paste is not None:
            clip = paste_some(clip, self._cutout, self.paste, self.min_pixels, rng)
        return clip

    def _cutout(self, rng: np.random.Generator) -> Cutout | None:
        """A random object of a random image; None if it is no good."""
        still = self.stills[rng.integers(len(self.stills))]
        least = LEAST_SHARE * still.size[0] * still.size[1]
        objects = [o for o in still.objects() if o.label and o.area >= least and not o.is_cut(still.size)]
        if not objects:
            return None
        item = objects[rng.integers(len(objects))]
        mask = decode_objects(still, [item])[0]
        return Cutout.of(self.read_image(still.file, still.size), mask, item.label) if is_whole(mask) else None


def _view(
    image: NDArray[np.uint8], masks: NDArray[np.uint8], objects: Sequence[StillObject], grid: NDArray[np.float32]
) -> RawFrame:
    """Warp an image and the masks of its objects, crowds last; what lies outside it has its mean colour."""
    mean = tuple(float(value) for value in cv2.mean(image)[:3])
    pixels = cv2.remap(image, grid, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=mean)
    # In fixed point, nearest neighbours are far faster.
    nearest, _ = cv2.convertMaps(grid, None, cv2.CV_16SC2, nninterpolation=True)
    warped = np.zeros((len(masks), *grid.shape[:2]), np.uint8)
    for mask, out in zip(masks, warped, strict=True):
        cv2.remap(mask, nearest, None, cv2.INTER_NEAREST, dst=out, borderMode=cv2.BORDER_CONSTANT, borderValue=0)
    labels = np.array([item.label for item in objects], np.int64)
    boxes, taught = tight_boxes(warped), labels > 0
    return RawFrame(
        image=np.asarray(pixels, np.uint8),
        boxes=boxes[taught],
        labels=labels[taught],
        masks=warped[taught],
        ids=np.arange(1, 1 + int(taught.sum())),
        ignored=boxes[~taught & (boxes[:, 2] > boxes[:, 0])],
    )
