"""What the benchmarks share: a clip, a model, fixed objects, clocks and memory."""

from __future__ import annotations

import argparse
import resource
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.choices import PRECISIONS
from mmdet_vis.commands.arguments import OptionAction, positive
from mmdet_vis.data.sources import Frame, FrameSource, open_source
from mmdet_vis.evaluation.davis.best_match import read_masks
from mmdet_vis.models.seq_mask_rcnn import Detections

R50 = "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
MAX_SIDE = 16384
ROOT = Path(__file__).resolve().parent.parent


class DriftingClip(FrameSource):
    """A textured picture that drifts: frames are made when they are read, so any length costs no memory."""

    def __init__(self, number: int, height: int, width: int, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        coarse = rng.integers(0, 255, (12, 20, 3), dtype=np.uint8)
        self._picture = cv2.resize(coarse, (2 * width, 2 * height), interpolation=cv2.INTER_CUBIC)
        self.name, self.fps, self.warnings = "drift", 25.0, []
        self.height, self.width = height, width
        self.frame_names = [f"{t:05d}" for t in range(number)]

    def read(self, start: int, stop: int) -> list[Frame]:
        """Frames ``[start, stop)``."""
        self._check_range(start, stop)
        frames: list[Frame] = []
        for t in range(start, stop):
            x, y = 3 * t % self.width, t % self.height
            frames.append(self._picture[y : y + self.height, x : x + self.width].copy())
        return frames


def build(config: str, checkpoint: str | None, precision: str, device: str, options: dict[str, Any]) -> VISModel:
    """A model, with random weights of a fixed seed unless a checkpoint is given."""
    torch.manual_seed(0)
    path = Path(config)
    return load_model(path if path.is_file() else ROOT / config, checkpoint, device, precision, options)


def fix_objects(model: VISModel, number: int) -> None:
    """Let every key frame have the same number of disjoint objects, whatever the weights: blocks of a grid."""
    columns = int(np.ceil(np.sqrt(number)))
    rows = -(-number // columns)

    def detect(levels: Any, size: tuple[int, int]) -> list[Detections]:
        height, width = size
        masks = np.zeros((number, height, width), np.uint8)
        for i, mask in enumerate(masks):
            y, x = divmod(i, columns)
            h, w = height // rows, width // columns
            mask[y * h + h // 6 : (y + 1) * h - h // 6, x * w + w // 6 : (x + 1) * w - w // 6] = 1
        empty = torch.zeros((number, 4)), torch.ones(number), torch.zeros(number, dtype=torch.int64)
        return [Detections(*empty, masks=masks) for _ in range(len(levels[0]))]

    model.network.detect = detect  # type: ignore[method-assign, assignment]


class StageClock:
    """Seconds spent in chosen methods, measured on the device."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.seconds: dict[str, float] = defaultdict(float)
        self.calls: dict[str, int] = defaultdict(int)

    def wrap(self, owner: Any, method: str, stage: str) -> None:
        """Count the time of ``owner.method`` under ``stage``."""
        original: Callable[..., Any] = getattr(owner, method)

        def timed(*args: Any, **kwargs: Any) -> Any:
            with self.measure(stage):
                return original(*args, **kwargs)

        object.__setattr__(owner, method, timed)

    @contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Count the time of a block."""
        self._wait()
        start = time.perf_counter()
        yield
        self._wait()
        self.seconds[stage] += time.perf_counter() - start
        self.calls[stage] += 1

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)


def best_of(function: Callable[[], object], repeats: int, device: torch.device) -> float:
    """Shortest time in seconds of several calls, after one to warm up."""
    clock = StageClock(device)
    function()
    times = []
    for _ in range(repeats):
        before = clock.seconds["x"]
        with clock.measure("x"):
            function()
        times.append(clock.seconds["x"] - before)
    return min(times)


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory of this process (CPU) or of the device so far, in MB."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def memory_mb(device: torch.device) -> float:
    """Memory that this process (CPU) holds now, or that its tensors hold on the device, in MB."""
    if device.type == "cuda":
        return torch.cuda.memory_allocated(device) / 2**20
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def machine(device: torch.device) -> str:
    """One line about the hardware and the software."""
    if device.type == "cuda":
        chip = torch.cuda.get_device_name(device)
    else:
        names = [x for x in Path("/proc/cpuinfo").read_text().splitlines() if x.startswith("model name")]
        flags = Path("/proc/cpuinfo").read_text()
        amx = ", AMX" if "amx_bf16" in flags else ""
        chip = f"{names[0].split(':')[1].strip()}{amx}, {torch.get_num_threads()} threads"
    return f"{chip}; torch {torch.__version__}"


def size(text: str) -> tuple[int, int]:
    """Parse WIDTHxHEIGHT, each at least 1, to (height, width)."""
    try:
        width, height = (int(part) for part in text.lower().split("x"))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: write it as WIDTHxHEIGHT") from error
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise argparse.ArgumentTypeError(f"{text!r}: use sides from 1 to {MAX_SIDE} pixels")
    return height, width


def comparison_arguments(parser: argparse.ArgumentParser) -> None:
    """What a comparison of runs on one clip is given."""
    parser.add_argument("clip", type=Path, help="folder of frames or video")
    parser.add_argument("checkpoint", help="weights of the config")
    parser.add_argument("--config", default=R50)
    parser.add_argument("--frames", type=positive, default=12)
    parser.add_argument("--key-num", type=positive, default=5)
    parser.add_argument("--score-thr", type=float, default=0.1, help="least score of the sequences compared")


def read_clip(folder: Path, number: int) -> list[NDArray[np.uint8]]:
    """The first frames of a folder."""
    from mmdet_vis.data.sources import open_source

    with open_source(folder) as source:
        return source.read(0, min(number, len(source)))


def clip_parser(
    description: str | None, several: bool = False, precisions: Sequence[str] = PRECISIONS
) -> argparse.ArgumentParser:
    """The command line of what is measured on clips with their masks, laid out as DAVIS has them.

    Args:
        several: more than one folder may be given, as ``roots``.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = "folder with JPEGImages and Annotations"
    if several:
        parser.add_argument("roots", type=Path, nargs="+", metavar="root", help=what)
    else:
        parser.add_argument("root", type=Path, help=what)
    parser.add_argument("--config", type=Path, help="config (default: the one that the weights carry)")
    parser.add_argument("--checkpoint", type=Path, help="weights (default: the default model)")
    parser.add_argument("--clips", nargs="+", help="names of clips (default: all)")
    parser.add_argument("--precision", choices=precisions, help="default: what the model recommends, or float32")
    parser.add_argument("--every", type=positive, default=1, metavar="N", help="use every N-th frame only (default 1)")
    parser.add_argument("--cfg-options", nargs="+", action=OptionAction, default={}, metavar="KEY=VALUE")
    return parser


def annotated_clip(root: Path, clip: str, every: int) -> tuple[list[Frame], NDArray[np.uint8]]:
    """Every ``every``-th frame of a clip, and the masks ``[T, H, W]`` of its object on them."""
    with open_source(root / "JPEGImages" / clip) as source:
        frames = source.read(0, len(source))[::every]
        names = list(source.frame_names)[::every]
    return frames, read_masks(root / "Annotations" / clip, names)
