"""The measures of tracking against TrackEval, which is installed into a folder of its own: `-m slow`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmdet_vis.evaluation.tracking.evaluate import TrackingCounts
from mmdet_vis.evaluation.tracking.overlaps import VideoOverlaps
from mmdet_vis.structures import encode_masks
from mmdet_vis.structures.masks import RLE

pytestmark = pytest.mark.slow

Video = tuple[list[list[RLE | None]], list[list[RLE | None]], list[list[RLE | None]]]  # objects, tracks, ignored
NAMES = {
    "HOTA": ("HOTA", "HOTA"), "DetA": ("HOTA", "DetA"), "AssA": ("HOTA", "AssA"), "LocA": ("HOTA", "LocA"),
    "AssRe": ("HOTA", "AssRe"), "AssPr": ("HOTA", "AssPr"), "MOTSA": ("CLEAR", "MOTA"), "sMOTSA": ("CLEAR", "sMOTA"),
    "MOTSP": ("CLEAR", "MOTP"), "IDSW": ("CLEAR", "IDSW"), "Frag": ("CLEAR", "Frag"), "MT": ("CLEAR", "MT"),
    "ML": ("CLEAR", "ML"), "IDF1": ("Identity", "IDF1"), "IDP": ("Identity", "IDP"), "IDR": ("Identity", "IDR"),
}  # fmt: skip
ORACLE = """
import json, sys
import numpy as np
import trackeval
root, lengths = sys.argv[1], json.loads(sys.argv[2])
dataset = trackeval.datasets.MOTSChallenge({
    "GT_FOLDER": root + "/gt", "TRACKERS_FOLDER": root + "/trackers", "TRACKERS_TO_EVAL": ["ours"],
    "SKIP_SPLIT_FOL": True, "SEQ_INFO": lengths, "PRINT_CONFIG": False})
evaluator = trackeval.Evaluator({
    "PRINT_RESULTS": False, "PRINT_CONFIG": False, "TIME_PROGRESS": False, "OUTPUT_SUMMARY": False,
    "OUTPUT_EMPTY_CLASSES": False, "OUTPUT_DETAILED": False, "PLOT_CURVES": False, "BREAK_ON_ERROR": True})
metrics = [trackeval.metrics.HOTA(), trackeval.metrics.CLEAR({"PRINT_CONFIG": False}),
           trackeval.metrics.Identity({"PRINT_CONFIG": False})]
found, _ = evaluator.evaluate([dataset], metrics)
found = next(iter(found.values()))["ours"]["COMBINED_SEQ"]["pedestrian"]
print("\\n" + json.dumps({m: {k: float(np.mean(v)) for k, v in values.items() if not isinstance(v, str)}
                        for m, values in found.items()}))
"""


@pytest.fixture(scope="module")
def oracle(tmp_path_factory) -> Path:
    """A folder that TrackEval can be imported from; this environment stays as it is."""
    folder = tmp_path_factory.mktemp("trackeval")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder]
    done = subprocess.run([*pip, "trackeval==1.3.0", "tabulate"], capture_output=True, text=True, timeout=300)
    if done.returncode:
        pytest.skip(f"TrackEval cannot be installed: {done.stderr.strip().splitlines()[-1]}")
    return folder


def measure(oracle: Path, folder: Path, videos: dict[str, Video]) -> dict[str, float]:
    """TrackEval's figures of some videos, by our names."""
    lengths = {}
    for name, (objects, tracks, ignored) in videos.items():
        lengths[name] = len((objects or tracks)[0])
        (folder / "gt" / name / "gt").mkdir(parents=True)
        (folder / "trackers" / "ours" / "data").mkdir(parents=True, exist_ok=True)
        truth = [*lines(objects, 2, 2000), *lines(ignored, 10, 10000)]
        (folder / "gt" / name / "gt" / "gt.txt").write_text("".join(sorted(truth, key=frame_of)))
        found = "".join(sorted(lines(tracks, 2, 2000), key=frame_of))
        (folder / "trackers" / "ours" / "data" / f"{name}.txt").write_text(found)
    environment = {**os.environ, "PYTHONPATH": str(oracle)}
    command = [sys.executable, "-c", ORACLE, str(folder), json.dumps(lengths)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=600)
    assert done.returncode == 0, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    return {ours: found[part][theirs] for ours, (part, theirs) in NAMES.items()}


def lines(sequences: list[list[RLE | None]], category: int, first_id: int) -> list[str]:
    return [
        f"{t + 1} {first_id + i} {category} {rle['size'][0]} {rle['size'][1]} {rle['counts']}\n"
        for i, sequence in enumerate(sequences)
        for t, rle in enumerate(sequence)
        if rle is not None
    ]


def frame_of(line: str) -> int:
    return int(line.split()[0])


def check(found: dict[str, float], videos: dict[str, Video]) -> None:
    counts = TrackingCounts.total([TrackingCounts.of(VideoOverlaps.of_masks(*video)) for video in videos.values()])
    ours = counts.summary()
    assert {name: ours[name] for name in found} == pytest.approx(found, abs=1e-6)
    assert 0.05 < ours["HOTA"] < 0.95


def random_video(seed: int, length: int = 12, height: int = 48, width: int = 80) -> Video:
    """Stripes that drift, none on another; tracks that lose, swap and blur them, and a crowd."""
    rng = np.random.default_rng(seed)
    truth, found = (np.zeros((length, height, width), np.int64) for _ in range(2))
    swapped = int(rng.integers(3, length - 2))
    for number in range(5):
        top, left = 9 * number, int(rng.integers(0, 50))
        for t in range(length):
            x = left + int(rng.integers(0, 3)) + t
            if rng.random() < 0.85:
                truth[t, top : top + 8, x : x + 14] = number + 1
            if rng.random() < 0.85:
                shift = int(rng.integers(0, 6))
                name = number + 1 if t < swapped or number > 1 else 2 - number
                found[t, top : top + 8, x + shift : x + shift + 14] = name
    for t in range(length):
        if rng.random() < 0.5:
            found[t, 45:, :9] = 6  # nothing there, or a crowd
    crowd = np.zeros((length, height, width), np.uint8)
    crowd[:, 45:, :20] = seed % 2
    return sequences(truth), sequences(found), [_rles(crowd)] if seed % 2 else []


def sequences(labels: np.ndarray) -> list[list[RLE | None]]:
    return [_rles((labels == number).astype(np.uint8)) for number in np.unique(labels)[1:]]


def _rles(masks: np.ndarray) -> list[RLE | None]:
    return [rle if mask.any() else None for rle, mask in zip(encode_masks(masks), masks, strict=True)]


@pytest.mark.parametrize("seeds", [(0, 1, 2), (3, 4)])
def test_random_videos(tmp_path, oracle, seeds):
    videos = {f"video{seed}": random_video(seed) for seed in seeds}
    check(measure(oracle, tmp_path, videos), videos)


def test_real_clips(tmp_path, oracle, repository):
    """The annotated clips of DAVIS 2016, with masks that are shifted, cut in two and lost as the tracks."""
    root = repository.parent / "shared" / "data" / "davis_dev"
    if not root.is_dir():
        pytest.skip("no ../shared/data/davis_dev")
    videos: dict[str, Video] = {}
    folders = sorted({path.parent for path in root.rglob("*.png")})
    for number, folder in enumerate(folders):
        files = sorted(folder.glob("*.png"))[::8]
        masks = np.stack([np.asarray(Image.open(file).convert("L")) > 127 for file in files])
        found = np.roll(masks, 12 * number, axis=2).astype(np.int64)
        found[len(found) // 2 :] *= 2  # another track from the middle on
        found[1::4] = 0
        videos[folder.name] = [_rles(masks.astype(np.uint8))], sequences(found), []
    assert len(videos) == 5
    check(measure(oracle, tmp_path, videos), videos)
