#!/usr/bin/env python3
"""Boxes that a detector of TensorFlow's model zoo sees in COCO stills, as a COCO results file."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from mmdet_vis.data.clips.raw import read_image
from mmdet_vis.errors import DatasetError, run_command
from mmdet_vis.files.atomic import atomic_write

SIDE = 300
LEAST_SCORE = 0.05


def parse_args() -> argparse.Namespace:
    """Command line of the script."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("graph", type=Path, help="frozen graph of ssd_mobilenet_v2_coco (.pb)")
    parser.add_argument("description", type=Path, help="what OpenCV needs to know of it (.pbtxt)")
    parser.add_argument("ann_file", type=Path, help="COCO file with the images")
    parser.add_argument("images", type=Path, help="folder of the images")
    parser.add_argument("out", type=Path, help="file to write")
    return parser.parse_args()


def find_boxes(net: Any, image: np.ndarray) -> list[dict[str, Any]]:
    """Boxes (x, y, w, h) in pixels with COCO's category ids, those of the graph, and scores."""
    height, width = image.shape[:2]
    net.setInput(cv2.dnn.blobFromImage(image, size=(SIDE, SIDE), swapRB=True))
    found = []
    for _, category, score, *corners in net.forward()[0, 0].tolist():
        x1, y1, x2, y2 = np.clip(corners, 0, 1) * (width, height, width, height)
        if score >= LEAST_SCORE and min(x2 - x1, y2 - y1) >= 1:
            box = [round(float(value), 2) for value in (x1, y1, x2 - x1, y2 - y1)]
            found.append({"category_id": int(category), "bbox": box, "score": round(score, 4)})
    return found


def main() -> int:
    """Run the script."""
    args = parse_args()
    try:
        net = cv2.dnn.readNetFromTensorflow(str(args.graph), str(args.description))
    except cv2.error as error:
        raise DatasetError(f"{args.graph} cannot be read with {args.description}: {error.err}") from error
    content = json.loads(args.ann_file.read_bytes())
    results = []
    for entry in tqdm(content["images"], desc="looking for boxes", unit="image", disable=None):
        image = read_image(args.images / entry["file_name"], (entry["height"], entry["width"]))
        results += [{"image_id": entry["id"], **found} for found in find_boxes(net, image)]
    atomic_write(args.out, json.dumps(results).encode())
    print(f"{args.out}: {len(results)} boxes in {len(content['images'])} images")
    return 0


if __name__ == "__main__":
    run_command(main)
