#!/usr/bin/env python3
"""Complete COCO stills of which only some objects are annotated, by what detectors see in them.

Without a model, every box of the teacher that is no annotated object becomes a region to ignore (a crowd). With one,
what the teacher is sure of and the model sees too becomes an object with the model's mask; what else one of them
suspects is ignored.
The images of the file that is written count as annotated throughout.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pycocotools import mask as coco_mask
from tqdm import tqdm

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.commands.arguments import probability
from mmdet_vis.data.clips.raw import read_image
from mmdet_vis.data.clips.stills import map_categories
from mmdet_vis.errors import run_command
from mmdet_vis.files.atomic import atomic_write
from mmdet_vis.structures.masks import encode_masks
from mmdet_vis.structures.resize import rles_to_original

SAME = 0.5
"""Boxes of this IoU are of one object."""


@dataclass
class Seen:
    """Something that a detector sees: box (x, y, w, h), score, the file's category id, a mask if it has one."""

    box: list[float]
    score: float
    category: int
    mask: dict[str, Any] | None = None


def parse_args() -> argparse.Namespace:
    """Command line of the script."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ann_file", type=Path, help="COCO file whose images have unlabelled objects")
    parser.add_argument("images", type=Path, help="folder of the images")
    parser.add_argument("boxes", type=Path, help="what the teacher sees: a COCO results file with boxes")
    parser.add_argument("out", type=Path, help="COCO file to write")
    parser.add_argument("--config", type=Path, help="config of the model")
    parser.add_argument("--checkpoint", type=Path, help="weights of the model; without them there is the teacher only")
    parser.add_argument("--suspect", type=probability, default=0.2, help="score that makes a region to ignore (0.2)")
    parser.add_argument("--sure", type=probability, default=0.5, help="score of the teacher that makes an object (0.5)")
    return parser.parse_args()


def detect(model: VISModel, image: NDArray[np.uint8], ids: Sequence[int], least: float) -> list[Seen]:
    """What the model sees in an image, best first; of what overlaps, whatever the category, the best only.

    Args:
        ids: the file's category id of each class of the model; 0: none.
        least: lowest score.
    """
    height, width = image.shape[:2]
    geometry = model.preprocess.geometry(height, width)
    with torch.no_grad():
        levels = model.network.extract_for_detection(model.preprocess([image]).to(model.device)).levels
        (found,) = model.network.detect(levels, geometry.resized)
    masks = rles_to_original(encode_masks(found.masks), geometry.resized, (height, width))
    seen: list[Seen] = []
    for index in found.scores.argsort(descending=True).tolist():
        score, mask = float(found.scores[index]), masks[index]
        box = [float(value) for value in coco_mask.toBbox(mask)]
        free = not any(overlap(box, other.box) >= SAME for other in seen)
        if score >= least and free and min(box[2:]) >= 1:
            seen.append(Seen(box, score, ids[int(found.labels[index])], dict(mask)))
    return seen


def overlap(one: Sequence[float], other: Sequence[float]) -> float:
    """IoU of two boxes (x, y, w, h)."""
    return float(coco_mask.iou([list(one)], [list(other)], [0])[0, 0])


def complete(
    known: Sequence[Sequence[float]], own: Sequence[Seen], teacher: Sequence[Seen], suspect: float, sure: float
) -> tuple[list[Seen], list[Seen]]:
    """Objects to add to an image, and regions to ignore.

    Args:
        known: boxes of its annotated objects.
        own, teacher: what the model and the teacher see.
        suspect, sure: see the command line.
    """
    objects, regions = [], []
    seconded: set[int] = set()
    for found in own:
        if any(overlap(found.box, box) >= SAME for box in known):
            continue
        agreeing = [i for i, other in enumerate(teacher) if overlap(found.box, other.box) >= SAME]
        seconded |= set(agreeing)
        best = max((teacher[i] for i in agreeing), key=lambda item: item.score, default=None)
        if best is not None and best.score >= sure:
            objects.append(Seen(found.box, best.score, best.category, found.mask))
        else:
            regions.append(found)
    for index, found in enumerate(teacher):
        is_known = any(overlap(found.box, box) >= SAME for box in known)
        if found.score >= suspect and index not in seconded and not is_known:
            regions.append(found)
    return objects, regions


def annotation(seen: Seen, number: int, image: Any, crowd: bool, fallback: int) -> dict[str, Any]:
    """A COCO annotation."""
    x, y, width, height = seen.box
    mask: Any = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    area = width * height
    if seen.mask is not None and not crowd:
        counts = seen.mask["counts"]
        mask = {**seen.mask, "counts": counts.decode() if isinstance(counts, bytes) else counts}
        area = float(coco_mask.area(seen.mask))
    return {
        **{"id": number, "image_id": image, "category_id": seen.category or fallback, "iscrowd": int(crowd)},
        **{"bbox": seen.box, "area": area, "segmentation": mask},
    }


def classes_of(model: VISModel, content: Mapping[str, Any], file: Path) -> list[int]:
    """A category id of the file for each class of the model, 0 where there is none."""
    _, labels = map_categories(content, model.categories, model.config.get("category_map"), file)
    ids = [[key for key, label in labels.items() if label == number + 1] for number in range(len(model.categories))]
    return [found[-1] if found else 0 for found in ids]


def main() -> int:
    """Run the script."""
    args = parse_args()
    content = json.loads(args.ann_file.read_bytes())
    known: defaultdict[Any, list[list[float]]] = defaultdict(list)
    for entry in content["annotations"]:
        known[entry["image_id"]].append(entry["bbox"])
    valid = {entry["id"] for entry in content["categories"]}
    teacher: defaultdict[Any, list[Seen]] = defaultdict(list)
    for entry in json.loads(args.boxes.read_bytes()):
        if entry["category_id"] in valid:
            teacher[entry["image_id"]].append(Seen(entry["bbox"], entry["score"], entry["category_id"]))
    model, ids = None, []
    if args.checkpoint is not None:
        options = {"model.test_cfg.rcnn.score_thr": args.suspect / 2, "model.test_cfg.rcnn.max_per_img": 60}
        model = load_model(args.config, args.checkpoint, cfg_options=options)
        ids = classes_of(model, content, args.ann_file)
    number, fallback = 1 + max(entry["id"] for entry in content["annotations"]), min(valid)
    counts = [0, 0]
    for entry in tqdm(content["images"], desc="completing", unit="image", disable=None):
        image = entry["id"]
        own = []
        if model is not None:
            pixels = read_image(args.images / entry["file_name"], (entry["height"], entry["width"]))
            own = detect(model, pixels, ids, args.suspect / 2)
        for crowd, added in enumerate(complete(known[image], own, teacher[image], args.suspect, args.sure)):
            for seen in added:
                content["annotations"].append(annotation(seen, number, image, bool(crowd), fallback))
                number += 1
            counts[crowd] += len(added)
        entry["exhaustive"] = True
    atomic_write(args.out, json.dumps(content).encode())
    print(f"{args.out}: {counts[0]} objects and {counts[1]} regions to ignore added to {len(content['images'])} images")
    return 0


if __name__ == "__main__":
    run_command(main)
