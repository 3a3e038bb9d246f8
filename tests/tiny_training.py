"""A training run small enough for fast tests: the network of tests/tiny.py on a tiny dataset."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import torch

from tests import programs
from tests.tiny import write_config
from tests.tiny_dataset import write_dataset_config, write_ytvis

CONFIG = """
_base_ = {base!r}
categories = ["cat", "dog", "bird"]
model = dict(
    backbone=dict(frozen_stages=1),
    train_cfg=dict(rpn=dict(num=16), rcnn=dict(num=16), prop=dict(true_mask_share=0.5)),
)
train = dict(
    dataset=dict(
        type="YTVISClips", ann_file="valid.json", img_prefix="frames", categories=categories, data_root={root!r},
        pipeline=[dict(type="ClipResize", scales=[(128, 64), (96, 64)]), dict(type="ClipFlip", prob=0.5)],
    ),
    batch_size=2,
    num_workers=0,
)
train_cfg = dict(max_iters=6, val_interval=6)
val_cfg = dict(num_videos=2)
optim_wrapper = dict(
    optimizer=dict(type="SGD", lr=0.005, momentum=0.9, weight_decay=1e-4), clip_grad=dict(max_norm=5)
)
param_scheduler = [
    dict(type="LinearLR", start_factor=0.3, by_epoch=False, begin=0, end=3),
    dict(type="MultiStepLR", by_epoch=True, milestones=[1], gamma=0.1),
]
custom_hooks = [dict(type="MovingAverageHook", decay=0.5)]
default_hooks = dict(
    logger=dict(type="LoggerHook", interval=1),
    checkpoint=dict(type="CheckpointHook", by_epoch=False, interval=2, save_best="AP", rule="greater"),
)
"""


def write_training(folder: Path, repository: Path) -> Path:
    """Write a dataset and a config that trains on it; returns the config."""
    folder.mkdir(parents=True, exist_ok=True)
    root = write_ytvis(folder / "data", "valid.json", "frames") if not (folder / "data").exists() else folder / "data"
    base = write_dataset_config(folder / "dataset.py", write_config(folder, repository), root)
    path = folder / "training.py"
    path.write_text(CONFIG.format(base=str(base), root=str(root)))
    return path


# Shows the threads that are left at the end.
AND_THREADS = """
import runpy, sys
from pathlib import Path
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("threads:", *[(task / "comm").read_text().strip() for task in Path("/proc/self/task").glob("*")])
"""


def command(repository: Path, *args: str | Path, processes: int = 1, script: Path | None = None) -> list[str]:
    """The command line of a training run; ``script`` is to run the tool, which its first argument names."""
    tool = [str(script)] if script else []
    tool.append(str(repository / "tools" / "train.py"))
    start = [sys.executable, *tool]
    if processes > 1:
        start = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", *tool]
    return [*start, *map(str, args), "--device", "cpu"]


def train(
    repository: Path, *args: str | Path, processes: int = 1, timeout: int = 300
) -> subprocess.CompletedProcess[str]:
    """Run ``tools/train.py``."""
    line = command(repository, *args, processes=processes)
    return programs.run(line, capture_output=True, text=True, timeout=timeout)


def curve(work_dir: Path, name: str = "loss") -> dict[int, float]:
    """A loss by iteration, from the scalars of all runs in a folder."""
    values: dict[int, float] = {}
    for file in sorted(work_dir.glob("*/vis_data/scalars.json")):
        for line in file.read_text().splitlines():
            entry = json.loads(line)
            if name in entry and "iter" in entry:
                values[entry["iter"]] = entry[name]
    return values


def weights(work_dir: Path, iteration: int) -> dict[str, torch.Tensor]:
    """What training would continue from."""
    content = torch.load(work_dir / f"iter_{iteration}.pth", weights_only=True)
    return content.get("raw_state_dict", content["state_dict"])


def last_iteration(work_dir: Path) -> int:
    """Iterations of the newest checkpoint."""
    return max(int(re.sub(r"\D", "", p.stem)) for p in work_dir.glob("iter_*.pth"))
