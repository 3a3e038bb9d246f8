#!/usr/bin/env python3
"""What each part of Propose-Reduce is worth: AP and time with the part and without, and of simpler methods.

Runs over the videos of the config's test.dataset, which must have annotations in the YouTube-VIS format, and writes a
table and the verdict on each claim of the paper to --out. A setting that is measured is noted in a JSON file at once;
the same command goes on where it was stopped. Settings that are equal are measured once.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import shlex
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.ablation_page import METRICS, SECTION, Facts, page, percent, shown
from benchmarks.ablation_variants import Figures, Variant, variants
from benchmarks.common import machine
from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.commands.arguments import add_config_arguments, positive, probability, read_config
from mmdet_vis.config.load import build_dataset
from mmdet_vis.config.read import check_propose_reduce
from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.data.formats import sequence_annotations
from mmdet_vis.device import resolve_device
from mmdet_vis.errors import ConfigError, DatasetError, OutputError, run_command
from mmdet_vis.evaluation import ytvis
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir
from mmdet_vis.progress import bars
from mmdet_vis.run.options import identity_of

SCORE_THR = 0.001


class Notebook:
    """Figures by what they depend on, kept in a file.

    Args:
        path: a JSON file, made if need be.

    Raises:
        OutputError: there is such a file, but not of this class.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._figures: dict[str, dict[str, float]] = {}
        if not path.exists():
            return
        try:
            self._figures = {str(key): dict(value) for key, value in json.loads(path.read_bytes()).items()}
        except (OSError, ValueError, TypeError, AttributeError):
            raise OutputError(f"{path} does not hold figures of this benchmark: remove it or move it away") from None

    def get(self, key: str) -> Figures | None:
        """What was measured, if it was."""
        return self._figures.get(key)

    def note(self, key: str, figures: Figures) -> None:
        """Write figures down."""
        self._figures[key] = dict(figures)
        atomic_write(self.path, json.dumps(self._figures, indent=2) + "\n")


class Bench:
    """Measures variants of one config on one dataset.

    Args:
        config: its ``test.dataset`` has annotations.
        checkpoint: weights.
        device: where to run.
        limit: only the first so many videos.
        score_thr: lowest score of a prediction that is evaluated, the same for all variants.
    """

    def __init__(self, config: Config, checkpoint: Path, device: str, limit: int | None, score_thr: float) -> None:
        self.config, self.checkpoint, self.device, self.score_thr = config, checkpoint, device, score_thr
        self.dataset = annotated_dataset(config)
        self.dataset.videos = self.dataset.videos[:limit]
        self.frames = sum(map(len, self.dataset.videos))
        self.annotations = annotations_of(self.dataset)
        self._models: dict[str, VISModel] = {}

    def with_options(self, variant: Variant) -> Config:
        """The config of a variant."""
        config = copy.deepcopy(self.config)
        for key, value in variant.options.items():
            config.propose_reduce[key] = copy.deepcopy(value)  # not update(), which would mix the blocks' keys
        return config

    def key(self, variant: Variant) -> str:
        """Equal for settings that are equal, and different as soon as anything that figures depend on differs."""
        device = resolve_device(self.device)
        settings = {
            "arguments": dict(variant.arguments),
            "precision": variant.precision,
            "machine": machine(device),
            "score_thr": self.score_thr,
            "annotations": hashlib.sha256(json.dumps(self.annotations).encode()).hexdigest(),
        }
        identity = identity_of(self.with_options(variant), self.checkpoint, settings, self.dataset)
        return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    def measure(self, variant: Variant, done: Callable[[], None]) -> dict[str, float]:
        """Segment the videos and evaluate; the time is that of the segmentation, reading of the frames included."""
        model = replace(self.model(variant.precision), config=self.with_options(variant))
        entries: list[dict[str, Any]] = []
        sequences, seconds = 0, 0.0
        # A category that the file lacks has no id; its entries are left out of the evaluation.
        ids = tuple(-1 if number is None else number for number in self.dataset.category_ids)
        for index, video in enumerate(self.dataset.videos):
            start = time.perf_counter()
            with self.dataset.open(index) as source:
                result = segment_video(model, source, score_thr=0.0, **variant.arguments)
            seconds += time.perf_counter() - start
            sequences += len(result.sequences)
            found = sequence_annotations(replace(result, category_ids=ids), video.id, self.score_thr)
            entries += [entry for entry in found if entry["category_id"] in self.dataset.category_ids]
            done()
        metrics = ytvis.evaluate(entries, self.annotations, annotations_name=str(self.dataset.ann_file)).summary()
        figures = {name: metrics[name] for name in METRICS}
        return figures | {"sequences": sequences / len(self.dataset), "seconds": seconds}

    def model(self, precision: str) -> VISModel:
        """The model in that precision, loaded and warmed up once."""
        if precision not in self._models:
            model = load_model(self.config, self.checkpoint, self.device, precision)
            with self.dataset.open(0) as source:
                segment_video(model, source, score_thr=0.0)
            self._models[precision] = model
        return self._models[precision]


def annotated_dataset(config: Config) -> VideoDataset:
    """The config's dataset.

    Raises:
        ConfigError, DatasetError: there is none with annotations in the YouTube-VIS format.
    """
    dataset = build_dataset(config)
    if dataset.submission != "ytvis":
        raise ConfigError(f"{config.filename}: test.dataset must have YouTube-VIS annotations: AP is measured on these")
    return dataset


def annotations_of(dataset: VideoDataset) -> dict[str, Any]:
    """The annotations of the dataset's videos, as a file's contents.

    Raises:
        DatasetError: there are none.
    """
    content = ytvis.load_annotations(str(dataset.ann_file))
    ytvis.evaluate([], content, annotations_name=str(dataset.ann_file))  # What is wrong with them shows before hours.
    if not content["annotations"]:
        raise DatasetError(f"{dataset.ann_file} has no annotated object: AP is measured on these")
    chosen = {video.id for video in dataset.videos}
    content["videos"] = [video for video in content["videos"] if video["id"] in chosen]
    content["annotations"] = [one for one in content["annotations"] if one["video_id"] in chosen]
    return content


def print_rows(bench: Bench, rows: Sequence[Variant]) -> None:
    """Print what each row is: what it is called, under which key its figures are noted, and its settings."""
    for row in rows:
        own = {"id": row.id, "name": row.name, "key": bench.key(row), "precision": row.precision}
        settings = {"arguments": row.arguments, "propose_reduce": bench.with_options(row).propose_reduce}
        print(json.dumps({**own, **settings}))


def measure_all(bench: Bench, rows: Sequence[Variant], notebook: Notebook) -> dict[str, Figures]:
    """Figures of all rows by their id; what the notebook has is not measured again."""
    keys = {row.id: bench.key(row) for row in rows}
    missing: dict[str, Variant] = {}
    for row in rows:
        if notebook.get(keys[row.id]) is None:
            missing.setdefault(keys[row.id], row)
    print(f"{len(rows)} rows, {len(missing)} to measure on {len(bench.dataset)} videos", file=sys.stderr)
    with bars() as bar:
        task = bar.add_task("", total=len(missing) * len(bench.dataset))
        for number, (key, row) in enumerate(missing.items(), start=1):
            bar.update(task, description=f"{number}/{len(missing)} {row.name}")
            figures = bench.measure(row, lambda: bar.advance(task))
            notebook.note(key, figures)
            bar.console.print(f"{row.name}: AP {percent(figures['AP'])} in {figures['seconds']:.1f} s", markup=False)
    return {row.id: notebook.get(keys[row.id]) or {} for row in rows}


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_config_arguments(parser)
    parser.add_argument("--out", type=Path, default=Path("docs/ablations.md"), help="the page (docs/ablations.md)")
    parser.add_argument("--work-dir", type=Path, help="folder of the noted figures (default: beside the page)")
    parser.add_argument("--limit", type=positive, metavar="N", help="only the first N videos")
    parser.add_argument(
        "--time-on",
        type=positive,
        metavar="N",
        help="take the times from a run of all rows over the first N videos, one row right after the other: for a "
        "machine whose load changed while the figures were measured",
    )
    parser.add_argument(
        "--score-thr",
        type=probability,
        default=SCORE_THR,
        help=f"lowest score of a prediction that is evaluated, in all rows alike (default {SCORE_THR})",
    )
    parser.add_argument("--list", action="store_true", help="print the rows as JSON, one per line, and measure nothing")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N (default auto)")
    parser.add_argument("--threads", type=positive, metavar="N", help="CPU threads")
    return parser.parse_args()


def main() -> None:
    """Measure what is not yet measured and write the page."""
    args = parse_args()
    if args.threads is not None:
        torch.set_num_threads(args.threads)
    config = read_config(args)
    check_propose_reduce(config)
    config.propose_reduce.pop("method", None)  # Rows name it where they mean it.
    if args.list:
        print_rows(Bench(config, args.checkpoint, args.device, args.limit, args.score_thr), variants(config))
        return
    for folder in (args.out.parent, args.work_dir or args.out.parent):
        ensure_writable_dir(folder)
    notebook = Notebook((args.work_dir or args.out.parent) / f"{args.out.stem}.figures.json")
    bench = Bench(config, args.checkpoint, args.device, args.limit, args.score_thr)
    rows = variants(config)
    figures = measure_all(bench, rows, notebook)
    timed = bench
    if args.time_on is not None:
        timed = Bench(config, args.checkpoint, args.device, args.time_on, args.score_thr)
        times = measure_all(timed, rows, notebook)
        figures = {id: {**one, "seconds": times[id]["seconds"]} for id, one in figures.items()}
    command = f"python benchmarks/ablations.py {shlex.join(map(shown, sys.argv[1:]))}"
    facts = Facts(
        command=command,
        config=shown(str(args.config)),
        weights=f"{args.checkpoint.name}, sha256 {hashlib.sha256(args.checkpoint.read_bytes()).hexdigest()}",
        data=f"{bench.dataset.name}, {len(bench.dataset)} videos, {bench.frames} frames",
        machine=machine(resolve_device(args.device)),
        score_thr=args.score_thr,
        frames=timed.frames,
        timed="" if timed is bench else f" for the first {len(timed.dataset)} videos ({timed.frames} frames)",
    )
    before = args.out.read_text() if args.out.is_file() else ""
    atomic_write(args.out, page(facts, rows, figures) + "".join(before.partition(SECTION)[1:]))
    print(f"{args.out}: {len(rows)} rows")


if __name__ == "__main__":
    run_command(main)
