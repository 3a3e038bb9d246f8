"""Time and memory of the YouTube-VIS evaluation, beside a straightforward one on the same generated data.

    python benchmarks/evaluation.py
    python benchmarks/evaluation.py --videos 40 --compare 10        # a quick look

The data (seeded) are moving, wobbling ellipses behind a bar, with encodings as long as those of real masks: one to ten
objects per video (OVIS has 5.8), which may enter and leave, all of one of 40 categories; 70 % of the predictions follow
one of them, from nearly right to hardly at all, the others follow nothing. All masks are different. Pairs are compared
within a category, so most time goes into predictions with the objects' category: by default all have it.

The straightforward evaluation does what the official one does: it measures each mask on its own, and merges the RLEs of
each pair of prediction and object in each frame, once for the intersection and once for the union.

Exit code 1: the metrics differ, or with the default data ours is not ten times as fast.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from pycocotools import mask as coco_mask

from mmdet_vis.errors import run_command
from mmdet_vis.evaluation.ytvis import evaluate, load_annotations, load_results
from mmdet_vis.evaluation.ytvis.straightforward import straightforward

HEIGHT, WIDTH, CATEGORIES = 360, 640, 40
LEAST_RATIO = 10.0
Result = TypeVar("Result")


# ---------------------------------------------------------------- data
class Blob:
    """An ellipse with a wavy outline that moves, grows and may enter and leave."""

    def __init__(self, rng: np.random.Generator, frames: int) -> None:
        self.center = rng.uniform((60, 40), (WIDTH - 60, HEIGHT - 40))
        self.speed = rng.uniform(-6, 6, 2)
        self.radii = np.exp(rng.uniform(np.log(25), np.log(200), 2)).clip(max=(230, 150))
        self.growth = rng.uniform(0.99, 1.01)
        self.wave = rng.uniform((0.02, 0.03, 0), (0.15, 0.12, 6))
        self.visible = sorted(rng.integers(0, frames + 1, 2)) if rng.random() < 0.3 else [0, frames]

    def jittered(self, rng: np.random.Generator, amount: float) -> Blob:
        """A copy as a prediction of this object would be: ``amount`` from 0.03, nearly right, to 1, hardly at all."""
        other = object.__new__(Blob)
        other.center = self.center + rng.normal(0, amount, 2) * self.radii
        other.speed = self.speed + rng.normal(0, amount, 2)
        other.radii = self.radii * np.exp(rng.normal(0, amount, 2))
        other.growth, other.visible = self.growth, self.visible
        other.wave = self.wave + rng.normal(0, amount * 0.1, 3)
        return other

    def mask(self, frame: int) -> dict[str, Any] | None:
        """RLE of the blob in a frame, built from its columns; ``None`` where it is not visible."""
        if not self.visible[0] <= frame < self.visible[1]:
            return None
        center, radii = self.center + self.speed * frame, self.radii * self.growth**frame
        x = np.arange(max(0, int(center[0] - radii[0])), min(WIDTH, int(center[0] + radii[0]) + 1))
        half = radii[1] * np.sqrt(np.maximum(0, 1 - ((x - center[0]) / radii[0]) ** 2))
        half *= 1 + self.wave[0] * np.sin(self.wave[1] * x * 7 + self.wave[2] + frame)
        top = np.clip(np.rint(center[1] - half), 1, HEIGHT - 1).astype(np.int64)
        bottom = np.clip(np.rint(center[1] + half), 1, HEIGHT - 1).astype(np.int64)
        edges = np.stack([x * HEIGHT + top, x * HEIGHT + bottom], axis=1)[bottom > top].reshape(-1)
        if not len(edges):
            return None
        counts = np.diff(edges, prepend=0, append=HEIGHT * WIDTH).tolist()
        rle = coco_mask.frPyObjects({"size": [HEIGHT, WIDTH], "counts": counts}, HEIGHT, WIDTH)
        return {"size": [HEIGHT, WIDTH], "counts": rle["counts"].decode("ascii")}


def generate(
    videos: int, predictions: int, frames: int, right_category: float, seed: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Annotations and results in the YouTube-VIS format."""
    rng = np.random.default_rng(seed)
    dataset: dict[str, Any] = {
        "videos": [{"id": v + 1, "height": HEIGHT, "width": WIDTH, "length": frames} for v in range(videos)],
        "categories": [{"id": c + 1, "name": f"category {c + 1}"} for c in range(CATEGORIES)],
        "annotations": [],
    }
    results = []
    for video in dataset["videos"]:
        kind = int(rng.integers(1, CATEGORIES + 1))
        objects = [Blob(rng, frames) for _ in range(rng.integers(1, 11))]
        for blob in objects:
            masks = [blob.mask(t) for t in range(frames)]
            entry = {"video_id": video["id"], "category_id": kind, "segmentations": masks}
            dataset["annotations"].append({"id": len(dataset["annotations"]) + 1, "iscrowd": 0, **entry})
        for _ in range(predictions):
            amount = float(np.exp(rng.uniform(np.log(0.03), np.log(1.0))))
            right = rng.random(2) < (0.7, right_category)  # follows an object; has the objects' category
            blob = objects[rng.integers(len(objects))].jittered(rng, amount) if right[0] else Blob(rng, frames)
            category = kind if right[1] else int(rng.integers(1, CATEGORIES + 1))
            # Scores tell good from bad to the degree that those of detectors do.
            score = 1 / (1 + np.exp(-rng.normal(1.5 * right.sum() - 6 * amount - 1, 1)))
            masks = [blob.mask(t) for t in range(frames)]
            entry = {"video_id": video["id"], "category_id": category, "segmentations": masks}
            results.append({**entry, "score": float(score)})
    return dataset, results


# ---------------------------------------------------------------- measuring
def timed(label: str, function: Callable[[], Result]) -> tuple[Result, float]:
    """Run, and print wall clock and CPU seconds and the peak memory of this process so far; returns the former."""
    begin, cpu = time.perf_counter(), time.process_time()
    result = function()
    seconds, cpu = time.perf_counter() - begin, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{label:<45} {seconds:8.2f} s ({cpu:.2f} s CPU here)   peak memory {peak:.2f} GiB", flush=True)
    return result, seconds


def write_data(folder: Path, args: argparse.Namespace) -> None:
    """Write ``annotations.json`` and ``results.json``, in a process of its own, whose memory does not count."""
    dataset, results = generate(args.videos, args.predictions, args.frames, args.right_category, args.seed)
    (folder / "annotations.json").write_text(json.dumps(dataset))
    (folder / "results.json").write_text(json.dumps(results))
    lengths = [len(mask["counts"]) for entry in results for mask in entry["segmentations"] if mask]
    size = (folder / "results.json").stat().st_size / 2**20
    print(f"results.json: {size:.0f} MiB, {len(lengths)} masks of {np.mean(lengths):.0f} characters", flush=True)


def subset(
    data: tuple[dict[str, Any], list[dict[str, Any]]], videos: int
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The data of the first videos."""
    dataset, results = data
    part = {**dataset, "videos": dataset["videos"][:videos]}
    part["annotations"] = [entry for entry in dataset["annotations"] if entry["video_id"] <= videos]
    return part, [entry for entry in results if entry["video_id"] <= videos]


def main() -> int:
    """Generate, evaluate both ways, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--videos", type=int, default=300)
    parser.add_argument("--predictions", type=int, default=100, help="per video")
    parser.add_argument("--frames", type=int, default=30, help="per video")
    parser.add_argument(
        "--right-category", type=float, default=1.0, help="share of predictions with the objects' category"
    )
    parser.add_argument("--compare", type=int, default=300, help="videos on which both evaluations run")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    default = all(getattr(args, name) == parser.get_default(name) for name in vars(args) if name != "seed")
    size = f"{args.videos} videos x {args.predictions} predictions x {args.frames} frames, {WIDTH}x{HEIGHT}"
    print(f"{size}, {CATEGORIES} categories, {args.right_category:.0%} right, seed {args.seed}")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        writer = multiprocessing.Process(target=write_data, args=(folder, args))
        writer.start()
        writer.join()
        dataset = load_annotations(folder / "annotations.json")
        results, _ = timed("reading results.json", lambda: load_results(folder / "results.json"))
    _, whole = timed(f"mmdet_vis, {args.videos} videos", lambda: evaluate(results, dataset).summary())
    number = min(args.compare, args.videos)
    part, part_results = subset((dataset, results), number)
    ours, fast = timed(f"mmdet_vis, {number} videos", lambda: evaluate(part_results, part).summary())
    theirs, slow = timed(f"RLE merge of each pair, {number} videos", lambda: straightforward(part_results, part))
    ratio = slow / fast
    print(f"ratio on {number} videos: {ratio:.1f}; {1000 * whole / args.videos:.1f} ms per video")
    difference = max(abs(ours[key] - theirs.get(key, -1.0)) for key in ours)
    print(f"largest difference of the twelve metrics: {difference:.1e} (AP {100 * ours['AP']:.3f})")
    if default and ratio < LEAST_RATIO:
        print(f"too slow: the ratio is below {LEAST_RATIO:.0f}")
        return 1
    return 0 if difference < 1e-9 else 1


if __name__ == "__main__":
    run_command(main)
