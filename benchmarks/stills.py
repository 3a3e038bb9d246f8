"""How well a model finds and names the objects of annotated stills, as videos of one frame.

AP as YouTube-VIS defines it, in the classes of the annotation file. A model with finer classes is measured in coarser
ones by ``--groups``: a sequence's score for a group is the sum of its classes' probabilities. Beside AP: how many of
the sequences that a picture would show lie on no annotated object, and how often a score is right.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pycocotools import mask as coco_mask

from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.commands.arguments import PRECISIONS, OptionAction, probability
from mmdet_vis.config.load import load_config
from mmdet_vis.data.datasets import VideoDataset, YTVISDataset
from mmdet_vis.data.formats.ytvis_results import sequence_annotations
from mmdet_vis.errors import ConfigError, run_command
from mmdet_vis.evaluation import ytvis
from mmdet_vis.structures import VideoResult

MATCH = 0.5
"""IoU of masks from which on a sequence lies on an annotated object."""

BINS = 10


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path, help="videos of one frame in the YouTube-VIS format")
    parser.add_argument("images", type=Path, help="folder of the images")
    parser.add_argument("--config", type=Path, help="config (default: the one that the weights carry)")
    parser.add_argument("--checkpoint", type=Path, help="weights (default: the default model)")
    parser.add_argument("--groups", type=Path, help="config whose category_map says which classes a class there holds")
    parser.add_argument("--drawn", type=probability, default=0.3, help="score from which on a sequence is drawn (0.3)")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS)
    parser.add_argument("--cfg-options", nargs="+", action=OptionAction, default={}, metavar="KEY=VALUE")
    return parser.parse_args()


def membership(
    classes: Sequence[str], groups: Sequence[str], category_map: Mapping[str, Sequence[str]] | None
) -> NDArray[np.bool_]:
    """Which class belongs to which group: ``[C, G]`` bool, one group each.

    Args:
        classes: C names of the model.
        groups: G names of the annotation file.
        category_map: names of classes in each group, "*" for those that no group names. None: the names are the same.

    Raises:
        ConfigError: a class belongs to no group.
    """
    table = np.zeros((len(classes), len(groups)), bool)
    for row, name in enumerate(classes):
        for column, group in enumerate(groups):
            table[row, column] = name == group or (category_map is not None and name in category_map.get(group, ()))
        if not table[row].any() and category_map is not None:
            table[row] = ["*" in category_map.get(group, ()) for group in groups]
        if not table[row].any():
            raise ConfigError(f"{name!r} of the model is none of {', '.join(groups)}: say --groups")
    return table


def regroup(result: VideoResult, table: NDArray[np.bool_], dataset: VideoDataset) -> VideoResult:
    """The result with the classes of the annotation file, ``table`` being :func:`membership`."""
    for sequence in result.sequences:
        sequence.class_scores = np.asarray(sequence.class_scores @ table, np.float32)
        sequence.label = int(sequence.class_scores.argmax())
        sequence.score = float(sequence.class_scores[sequence.label])
    result.categories = dataset.categories
    result.category_ids = tuple(-1 if number is None else number for number in dataset.category_ids)
    return result


def segment(model: VISModel, dataset: VideoDataset, table: NDArray[np.bool_]) -> list[VideoResult]:
    """Results of all stills, in the classes of the annotation file."""
    results = []
    for index in range(len(dataset)):
        with dataset.open(index) as source:
            results.append(regroup(segment_video(model, source), table, dataset))
    return results


def on_objects(
    results: Sequence[VideoResult], dataset: VideoDataset, content: Mapping[str, Any]
) -> NDArray[np.float64]:
    """Of every sequence: score, whether it lies on an annotated object, and whether on one of its class: ``[N, 3]``."""
    rows = []
    for video, result in zip(dataset.videos, results, strict=True):
        truth = [entry for entry in content["annotations"] if entry["video_id"] == video.id]
        rles = [_rle(entry["segmentations"][0], video.height, video.width) for entry in truth]
        labels = np.array([entry["category_id"] for entry in truth])
        for sequence in result.sequences:
            iou = coco_mask.iou([dict(sequence.masks[0])], rles, [0] * len(rles))[0] if rles else np.zeros(0)
            hit = iou >= MATCH
            right = hit & (labels == result.category_ids[sequence.label]) if rles else hit
            rows.append((sequence.score, hit.any(), right.any()))
    return np.array(rows, np.float64).reshape(-1, 3)


def _rle(segmentation: Any, height: int, width: int) -> Any:
    if isinstance(segmentation, list):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return coco_mask.frPyObjects(segmentation, height, width)
    return segmentation


def report(rows: NDArray[np.float64], drawn: float) -> str:
    """What is drawn in vain, and how often a score is right, as text."""
    shown = rows[rows[:, 0] >= drawn]
    vain = 100 * (1 - shown[:, 1].mean()) if len(shown) else 0.0
    lines = [f"drawn from {drawn:g} on: {len(shown)} sequences, {vain:.1f} % of them on no annotated object", ""]
    lines += ["| score | sequences | mean score | right |", "|---|---|---|---|"]
    place = np.minimum((rows[:, 0] * BINS).astype(int), BINS - 1)
    for number in range(BINS):
        part = rows[place == number]
        if len(part):
            low, high = number / BINS, (number + 1) / BINS
            lines.append(
                f"| {low:.1f} to {high:.1f} | {len(part)} | {part[:, 0].mean():.2f} | {part[:, 2].mean():.2f} |"
            )
    return "\n".join(lines)


def main() -> int:
    """Run the benchmark."""
    args = parse_args()
    model = load_model(args.config, args.checkpoint, precision=args.precision, cfg_options=args.cfg_options)
    content = ytvis.load_annotations(args.annotations)
    groups = [entry["name"] for entry in content["categories"]]
    table = membership(model.categories, groups, load_config(args.groups).category_map if args.groups else None)
    dataset = YTVISDataset(args.annotations, args.images, groups, data_root=".", name=args.annotations.stem)
    results = segment(model, dataset, table)
    entries = [
        entry
        for video, result in zip(dataset.videos, results, strict=True)
        for entry in sequence_annotations(result, video.id, 0.001)
    ]
    print(ytvis.evaluate(entries, content).table(per_category=True))
    print(report(on_objects(results, dataset, content), args.drawn))
    return 0


if __name__ == "__main__":
    run_command(main)
