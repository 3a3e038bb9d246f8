#!/usr/bin/env python3
"""How much of the error is detection, propagation and reduction: AP with what an oracle proposes, and picks.

Runs over the videos of the config's test.dataset, which must have annotations in the YouTube-VIS format. An oracle
proposes the annotated objects of the key frames; another one picks, of all sequences before the reduction, the best for
each annotated object and names it. Writes a section into --out, in the place of the one that is there.
"""

from __future__ import annotations

import argparse
import copy
import shlex
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ablation_page import SECTION, shown
from benchmarks.ablations import SCORE_THR, Bench
from benchmarks.common import machine
from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.commands.arguments import add_config_arguments, positive, read_config
from mmdet_vis.data.formats import sequence_annotations
from mmdet_vis.device import resolve_device
from mmdet_vis.errors import run_command
from mmdet_vis.evaluation import ytvis
from mmdet_vis.files.atomic import atomic_write
from mmdet_vis.propose_reduce import Place, Proposals, Proposer
from mmdet_vis.propose_reduce.sequence_iou import sequence_iou
from mmdet_vis.structures import RLE, VideoResult, decode_masks, empty_rle
from mmdet_vis.structures.masks import rle_boxes
from mmdet_vis.structures.resize import to_original
from mmdet_vis.structures.rle import to_rles

Images = NDArray[np.uint8]


@dataclass
class Annotated:
    """Objects of a video: T RLEs each, None where one is not visible, and its 0-based category."""

    masks: list[list[RLE | None]] = field(default_factory=list)
    labels: list[int] = field(default_factory=list)


class OracleProposer:
    """Proposes the annotated objects, with a score of 1; boxes only, or masks."""

    def __init__(self, objects: dict[str, Annotated], categories: tuple[str, ...], masks: bool) -> None:
        self.objects, self.categories, self.masks = objects, categories, masks

    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`mmdet_vis.propose_reduce.proposer.Proposer`."""
        return [self._frame(place, images.shape[1:3]) for place in places]

    def _frame(self, place: Place, size: tuple[int, int]) -> Proposals:
        video = self.objects[place.video]
        seen = [(m[place.index], n) for m, n in zip(video.masks, video.labels, strict=True)]
        shown = [(mask, label) for mask, label in seen if mask is not None]
        rles = [mask for mask, _ in shown]
        boxes = rle_boxes(rles)
        kept = np.flatnonzero(~np.isnan(boxes[:, 0]))
        masks = decode_masks([rles[i] for i in kept], size) if self.masks else None
        labels = [shown[i][1] for i in kept]
        return Proposals.of_labels(boxes[kept], labels, np.ones(len(kept)), len(self.categories), masks)


class NetworkProposer:
    """The network's own detection as a proposer like any other: for comparing how sequences are scored."""

    def __init__(self, model: VISModel) -> None:
        self.model, self.categories = model, model.categories

    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`mmdet_vis.propose_reduce.proposer.Proposer`."""
        network, device = self.model.network, self.model.device
        geometry = self.model.preprocess.geometry(*images.shape[1:3])
        inputs = self.model.preprocess(list(images[..., ::-1])).to(device).contiguous(memory_format=torch.channels_last)
        results = []
        for found in network.detect(network.extract_for_detection(inputs).levels, geometry.resized):
            masks = to_original(found.masks, geometry.resized, geometry.original)
            boxes = found.boxes.cpu().numpy() / geometry.scale
            labels, scores = found.labels.cpu(), found.scores.cpu()
            results.append(Proposals.of_labels(boxes, labels, scores, len(self.categories), masks))
        return results


@dataclass(frozen=True)
class Row:
    """A row of the table.

    Attributes:
        name: what is proposed, and how the sequences are scored.
        proposer: ``network``, ``masks`` or ``boxes`` (the oracle's) or ``own`` (:class:`NetworkProposer`).
        options: of ``propose_reduce``.
        oracle: an oracle picks and names the sequences.
    """

    name: str
    proposer: str
    options: dict[str, Any] = field(default_factory=dict)
    oracle: bool = False


KEEP_ALL = {"reduce": {"type": "NoReduce"}, "containment": None, "cate_reduce": None}
BY_NETWORK = {"proposal_scores": "network"}
BY_CONTENT = {"key_frames": {"type": "KeyFramesByContent", "step": 5}}
ROWS = (
    Row("the network's detections", "network"),
    Row("the same, scored by the detections on the key frames", "own"),
    Row("the same, key frames by content (every 5th looked at)", "network", BY_CONTENT),
    Row("the same, an oracle picks and names the sequences", "network", KEEP_ALL, oracle=True),
    Row("true boxes, drawn by the mask head, scored by the network", "boxes", BY_NETWORK),
    Row("true masks, scored by the network", "masks", BY_NETWORK),
    Row("true masks with their categories", "masks"),
    Row("the same, an oracle picks and names the sequences", "masks", KEEP_ALL, oracle=True),
)


class ProposalBench:
    """Measures rows on the dataset of a bench."""

    def __init__(self, bench: Bench, model: VISModel) -> None:
        self.bench, self.model = bench, model
        self.objects = {video.name: Annotated() for video in bench.dataset.videos}
        place = {number: index for index, number in enumerate(bench.dataset.category_ids)}
        names = {video.id: video for video in bench.dataset.videos}
        for one in bench.annotations["annotations"]:
            video = names[one["video_id"]]
            masks = to_rles(one["segmentations"], video.height, video.width)
            self.objects[video.name].masks.append(masks)
            self.objects[video.name].labels.append(place[one["category_id"]])

    def proposer(self, name: str) -> Proposer | None:
        """The proposer of a row."""
        if name == "network":
            return None
        if name == "own":
            return NetworkProposer(self.model)
        return OracleProposer(self.objects, self.model.categories, masks=name == "masks")

    def measure(self, row: Row) -> dict[str, float]:
        """AP, AP50, sequences per video and seconds of a row."""
        config = copy.deepcopy(self.model.config)
        for key, value in row.options.items():
            config.propose_reduce[key] = copy.deepcopy(value)
        model = replace(self.model, config=config, proposer=self.proposer(row.proposer))
        dataset, entries, seconds, sequences = self.bench.dataset, [], 0.0, 0
        ids = tuple(-1 if number is None else number for number in dataset.category_ids)
        for index, video in enumerate(dataset.videos):
            start = time.perf_counter()
            with dataset.open(index) as source:
                source.name = video.name
                result: VideoResult = segment_video(model, source, score_thr=0.0)
            seconds += time.perf_counter() - start
            result = replace(result, category_ids=ids)
            sequences += len(result.sequences)
            if row.oracle:
                entries += self._picked(result, video.id, self.objects[video.name])
            else:
                found = sequence_annotations(result, video.id, SCORE_THR)
                entries += [entry for entry in found if entry["category_id"] in dataset.category_ids]
        metrics = ytvis.evaluate(entries, self.bench.annotations, annotations_name=str(dataset.ann_file)).summary()
        chosen = {name: metrics[name] for name in ("AP", "AP50", "AP75", "AR10")}
        return {**chosen, "sequences": sequences / len(dataset), "seconds": seconds}

    def _picked(self, result: VideoResult, video_id: int, objects: Annotated) -> list[dict[str, Any]]:
        """For each annotated object the sequence that overlaps it most, with its category and a score of 1."""
        entries: list[dict[str, Any]] = []
        if not result.sequences:
            return entries
        empty = empty_rle(result.height, result.width)
        for masks, label in zip(objects.masks, objects.labels, strict=True):
            truth = [empty if mask is None else mask for mask in masks]
            overlap = sequence_iou([truth, *(s.masks for s in result.sequences)])[0, 1:]
            best = result.sequences[int(overlap.argmax())]
            entries.append(
                {
                    "video_id": video_id,
                    "category_id": result.category_ids[label],
                    "score": 1.0,
                    "segmentations": [None if rle == empty else rle for rle in best.masks],
                }
            )
        return entries


def section(command: str, facts: str, figures: Sequence[dict[str, float]]) -> str:
    """The section of the page."""
    lines = [
        SECTION,
        "",
        "How much of the error is detection, propagation, reduction: an oracle takes the place of one after the other.",
        "Written by",
        "",
        f"    {command}",
        "",
        facts,
        "",
        "| proposals | AP | AP50 | AP75 | AR10 | sequences per video | seconds |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row, one in zip(ROWS, figures, strict=True):
        cells = [f"{100 * one[name]:.2f}" for name in ("AP", "AP50", "AP75", "AR10")]
        lines.append(f"| {row.name} | {' | '.join(cells)} | {one['sequences']:.1f} | {one['seconds']:.1f} |")
    own, picked, true = figures[0]["AP"], figures[3]["AP"], figures[7]["AP"]
    lines += [
        "",
        f"Of the {100 * (1 - own):.1f} points of AP that the network misses, scoring and reduction cost "
        f"{100 * (picked - own):.1f} (an oracle picks: {100 * picked:.1f}), detection {100 * (true - picked):.1f} (it "
        f"proposes as well: {100 * true:.1f}), and propagation the other {100 * (1 - true):.1f}.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure all rows and write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("docs/ablations.md"), help="the page (docs/ablations.md)")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N videos")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default auto)")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads")
    args = parser.parse_args()
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    config = read_config(args)
    bench = Bench(config, args.checkpoint, args.device, args.limit, SCORE_THR)
    measured = ProposalBench(bench, bench.model("float32"))
    figures = []
    for row in ROWS:
        figures.append(measured.measure(row))
        print(f"{row.name}: AP {100 * figures[-1]['AP']:.2f}, {figures[-1]['seconds']:.1f} s", file=sys.stderr)
    command = f"python benchmarks/proposals.py {shlex.join(map(shown, sys.argv[1:]))}"
    facts = (
        f"on {len(bench.dataset)} videos ({bench.frames} frames) of {bench.dataset.name}, with {args.checkpoint.name}; "
        f"{machine(resolve_device(args.device))}, {torch.get_num_threads()} threads."
    )
    before = args.out.read_text() if args.out.is_file() else ""
    atomic_write(args.out, before.partition(SECTION)[0].rstrip() + "\n\n" + section(command, facts, figures))


if __name__ == "__main__":
    run_command(main)
