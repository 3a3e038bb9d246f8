"""The other side of ``benchmarks/yolo.py``, in the environment that has ultralytics: one line of seconds for each line.

Usage: yolo_process.py FRAMES.npy SIZE THREADS, with frames ``[T, H, W, 3]`` uint8 BGR. It imports nothing of mmdet_vis.
"""

from __future__ import annotations

import os
import sys
import time

import numpy as np


def main() -> None:
    """Answer each line of standard input with the seconds that all frames took."""
    os.environ.setdefault("YOLO_OFFLINE", "true")
    os.environ.setdefault("YOLO_AUTOINSTALL", "false")
    import torch
    import ultralytics  # type: ignore[import-not-found, unused-ignore]

    torch.set_num_threads(int(sys.argv[3]))
    torch.manual_seed(0)
    frames = np.load(sys.argv[1], mmap_mode="r")
    model = ultralytics.YOLO("yolo11n-seg.yaml", verbose=False)  # the architecture alone: random weights

    def run() -> float:
        start = time.perf_counter()
        for frame in frames:
            model.predict(np.ascontiguousarray(frame), imgsz=int(sys.argv[2]), device="cpu", verbose=False)
        return time.perf_counter() - start

    print(f"ultralytics {ultralytics.__version__}, torch {torch.__version__}", flush=True)
    for _ in sys.stdin:
        print(f"{run():.6f}", flush=True)


if __name__ == "__main__":
    main()
