"""The whole program on the whole golden clip, through the command line."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest
import torch
from pycocotools import mask as coco_mask

CONFIGS = "configs/SeqMaskRCNN"
CASES = {
    "results_r50": (f"{CONFIGS}/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py", []),
    "results_r50_cate_aware": (
        f"{CONFIGS}/CateAwareReduce/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py",
        ["--use-cate-reduce", "--score-thr", "0.001"],
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_results_equal_the_references(goldens, repository, shared, r50_weights, tmp_path, name):
    config, options = CASES[name]
    torch.save({"meta": {}, "state_dict": r50_weights}, tmp_path / "r50.pth")
    frames = tmp_path / "in" / "clip"
    frames.mkdir(parents=True)
    for file in sorted((shared / "data" / "videos" / "7741a0fbce").glob("*.jpg"))[:12]:
        shutil.copy(file, frames)
    command = [sys.executable, "tools/test_vis.py", config, str(tmp_path / "r50.pth")]
    command += ["--input-dir", str(tmp_path / "in"), "--save-dir", str(tmp_path / "out"), "--format", "json", *options]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    ours = json.loads((tmp_path / "out" / "results.json").read_text())
    theirs = goldens.json(name)
    assert [(e["video_id"], e["category_id"]) for e in ours] == [(e["video_id"], e["category_id"]) for e in theirs]
    scores, ious, pixels, total = [0.0], [1.0], 0, 0
    for a, b in zip(ours, theirs, strict=True):
        scores.append(abs(a["score"] - b["score"]))
        for x, y in zip(a["segmentations"], b["segmentations"], strict=True):
            both = coco_mask.area(coco_mask.merge([x, y], intersect=True))
            total, pixels = total + 1, pixels + int(coco_mask.area(x) + coco_mask.area(y) - 2 * both)
            if coco_mask.area(y) > 100:
                ious.append(float(coco_mask.iou([x], [y], [0])[0, 0]))
    print(
        f"\n{name}: {pixels} pixels of {total} masks differ; worst IoU {min(ious):.4f}, worst score {max(scores):.1e}"
    )
    assert max(scores) < 5e-4
    assert min(ious) >= 0.99
