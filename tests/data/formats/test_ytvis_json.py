"""YouTube-VIS files as they are written."""

from __future__ import annotations

import json
from pathlib import Path

from mmdet_vis.data.formats.coco_json import read_coco
from mmdet_vis.data.formats.ytvis_json import write_ytvis
from mmdet_vis.structures import encode_masks
from tests.annotation_cases import square_mask
from tests.data.formats.test_coco_json import coco


def test_masks_are_written_as_compressed_runs(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    write_ytvis(read_coco(coco(tmp_path)), path)
    content = json.loads(path.read_text())
    assert content["annotations"][1]["segmentations"] == [encode_masks(square_mask()[None])[0]]
