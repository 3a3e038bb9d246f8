"""How converters write what they read."""

from __future__ import annotations

import json
from pathlib import Path

from mmdet_vis.data.converters.coco import convert_coco
from mmdet_vis.structures import encode_masks
from tests.data.test_converters import coco, square_mask


def test_masks_are_written_as_compressed_runs(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    convert_coco(coco(tmp_path)).write(path)
    content = json.loads(path.read_text())
    assert content["annotations"][0]["segmentations"] == [encode_masks(square_mask()[None])[0]]
