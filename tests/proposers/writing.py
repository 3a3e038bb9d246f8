"""A file of proposals, as another program might write it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mmdet_vis.propose_reduce.proposer import Proposals
from mmdet_vis.structures import encode_masks


def write_proposals(path: Path, found: Sequence[Proposals], numbers: Sequence[int]) -> None:
    """Write proposals of frames with these numbers as one video's; the best category of each object."""
    entries = []
    for number, proposals in zip(numbers, found, strict=True):
        rles = None if proposals.masks is None else encode_masks(proposals.masks)
        for index, (box, row) in enumerate(zip(proposals.boxes.tolist(), proposals.scores, strict=True)):
            label = int(row[1:].argmax())
            entry = {
                "image_id": number,
                "category_id": label + 1,
                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                "score": float(row[label + 1]),
            }
            entries.append(entry if rles is None else {**entry, "segmentation": rles[index]})
    path.write_text(json.dumps(entries))
