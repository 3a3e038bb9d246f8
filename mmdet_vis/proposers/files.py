"""Proposals from files: COCO results per frame, so that any tool in any language can propose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.data.formats.json_files import fields, read_json
from mmdet_vis.errors import DatasetError
from mmdet_vis.propose_reduce.proposer import Images, Place, Proposals
from mmdet_vis.registry import PROPOSERS
from mmdet_vis.structures.masks import RLE, decode_masks, rle_boxes
from mmdet_vis.structures.rle import InvalidMaskError, checked_rle

MAX_BYTES = 2**30
"""Of one file."""
MAX_OBJECTS = 1000
"""In one frame."""
CATEGORIES = "categories.json"


@PROPOSERS.register_module(name=["files", "FilesProposer"])
class FilesProposer:
    """Reads what some other program found: lists of ``{"category_id", "score", "bbox", "segmentation"}``.

    Each entry is one of COCO's results: ``bbox`` is [x, y, width, height] in pixels, ``segmentation`` an RLE or
    polygons at the frame's size. One of both may be missing: boxes without masks are drawn by the model's mask head.

    Args:
        path: a folder, or a file of one video. For a video called ``clip`` a folder holds ``clip.json``, or ``clip/``
            with one file per frame, named as the frame (``00000.json``). In ``clip.json``, ``image_id`` is the frame's
            number, from 0, or its name; a file per frame needs none. Only key frames are looked up.
        categories: C names, for ``category_id`` 1 to C. None: those of ``categories.json`` in the folder (of a file,
            beside it), a list of ``{"id", "name"}`` as in COCO's annotations.

    Raises:
        DatasetError: it is not there, or cannot be read.
    """

    NAMES = ("files", "FilesProposer")
    """What configs call it."""

    def __init__(self, path: str, categories: Sequence[str] | None = None) -> None:
        self.path = Path(path)
        if not self.path.exists():
            raise DatasetError(f"{path} does not exist: give a folder of proposals, or the file of one video")
        if categories is not None:
            names = dict(enumerate(categories, start=1))
        else:
            names = _read_categories((self.path if self.path.is_dir() else self.path.parent) / CATEGORIES)
        self.categories = tuple(names.values())
        self._position = {number: index for index, number in enumerate(names)}
        self._videos: dict[Path, dict[int | str, list[Any]]] = {}

    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`~mmdet_vis.propose_reduce.proposer.Proposer`.

        Raises:
            DatasetError: the file of a frame is missing, or an entry is wrong.
        """
        size = (images.shape[1], images.shape[2])
        return [self._frame(place, size) for place in places]

    def check(self, video: str) -> None:
        """Read the proposals of a video, as far as they can be read without its frames.

        Raises:
            DatasetError: there are none, or a file is damaged.
        """
        if not (self.path.is_dir() and (self.path / video).is_dir()):
            self._of_video(video)
            return
        for file in sorted((self.path / video).glob("*.json")):
            _read_list(file)

    def _frame(self, place: Place, size: tuple[int, int]) -> Proposals:
        file, entries = self._entries(place)
        if len(entries) > MAX_OBJECTS:
            raise DatasetError(f"{file}: {len(entries)} objects in a frame, at most {MAX_OBJECTS} are taken")
        boxes, labels, scores, rles = [], [], [], []
        for position, entry in enumerate(entries):
            label = f"{file}: entry {position}" + ("" if file.stem == place.name else f" of frame {place.name}")
            fields(entry, {"category_id": int}, label)
            if entry["category_id"] not in self._position:
                raise DatasetError(f"{label} has category_id {entry['category_id']}, which {CATEGORIES} does not name")
            rle = _mask(entry.get("segmentation"), size, label)
            boxes.append(_box(entry.get("bbox"), rle, label))
            labels.append(self._position[entry["category_id"]])
            scores.append(_score(entry.get("score"), label))
            rles.append(rle)
        masks = [rle for rle in rles if rle is not None]
        if masks and len(masks) < len(rles):
            missing = rles.index(None)
            raise DatasetError(f"{file}: entry {missing} has no segmentation, others have: give all of them or none")
        return Proposals.of_labels(
            boxes, labels, scores, len(self.categories), decode_masks(masks, size) if masks or not rles else None
        )

    def _entries(self, place: Place) -> tuple[Path, list[Any]]:
        """The file that speaks of a frame, and what it says."""
        if self.path.is_dir() and (self.path / place.video).is_dir():
            file = self.path / place.video / f"{place.name}.json"
            if not file.is_file():
                raise DatasetError(
                    f"{file} does not exist: every key frame needs its file, with [] where there is nothing"
                )
            return file, _read_list(file)
        file, found = self._of_video(place.video)
        return file, [*found.get(place.index, []), *found.get(place.name, [])]

    def _of_video(self, video: str) -> tuple[Path, dict[int | str, list[Any]]]:
        """The file of a whole video, and what it says by frame."""
        file = self.path / f"{video}.json" if self.path.is_dir() else self.path
        if not file.is_file():
            raise DatasetError(f"{self.path} has neither {video}.json nor a folder {video}")
        if file not in self._videos:
            self._videos = {file: _by_frame(file, _read_list(file))}  # one video at a time
        return file, self._videos[file]


def _read_list(file: Path) -> list[Any]:
    content = read_json(file, max_bytes=MAX_BYTES)
    if isinstance(content, dict) and isinstance(content.get("annotations"), list):
        content = content["annotations"]
    if not isinstance(content, list):
        raise DatasetError(f"{file} is not a list of COCO results [...]: correct the file")
    return content


def _by_frame(file: Path, entries: list[Any]) -> dict[int | str, list[Any]]:
    frames: dict[int | str, list[Any]] = {}
    for position, entry in enumerate(entries):
        image = entry.get("image_id") if isinstance(entry, dict) else None
        if not isinstance(image, int | str):
            raise DatasetError(f"{file}: entry {position} has no image_id (the frame's number or name): add it")
        frames.setdefault(image, []).append(entry)
    return frames


def _read_categories(file: Path) -> dict[int, str]:
    if not file.is_file():
        raise DatasetError(
            f'{file} does not exist: write the names of the categories there, [{{"id": 1, "name": "cat"}}, ...]'
        )
    content = read_json(file, max_bytes=MAX_BYTES)
    entries = content.get("categories") if isinstance(content, dict) else content
    if not isinstance(entries, list) or not entries:
        raise DatasetError(f'{file} must be a list [{{"id": 1, "name": "cat"}}, ...] of at least one category')
    names: dict[int, str] = {}
    for position, entry in enumerate(entries):
        number, name = fields(entry, {"id": int, "name": str}, f"{file}: category {position}")
        if number in names or name in names.values():
            raise DatasetError(f"{file}: category {position} has the id or name of another: correct the file")
        names[number] = name
    return names


def _mask(segmentation: Any, size: tuple[int, int], label: str) -> RLE | None:
    try:
        # An empty list of polygons is how some tools write "no mask".
        return checked_rle(segmentation, *size) if segmentation else None
    except InvalidMaskError as error:
        raise DatasetError(f"{label} has a segmentation that {error.reason}: correct the file") from None


def _box(box: Any, rle: RLE | None, label: str) -> NDArray[np.float64]:
    if box is None and rle is not None:
        return np.nan_to_num(rle_boxes([rle])[0])
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(v) for v in box) or min(box[2:]) <= 0:
        raise DatasetError(f"{label} has bbox {box!r:.60}, not [x, y, width, height] in pixels: correct the file")
    x, y, width, height = box
    return np.array([x, y, x + width, y + height], np.float64)


def _score(score: Any, label: str) -> float:
    if not _is_number(score) or not 0 <= score <= 1:
        raise DatasetError(f"{label} has score {score!r:.40}, not a number from 0 to 1: correct the file")
    return float(score)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < 1e9
