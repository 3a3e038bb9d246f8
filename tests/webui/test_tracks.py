"""Rows of the table."""

from __future__ import annotations

import numpy as np

from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks
from mmdet_vis.webui.tracks import HEADERS, tracks_of


def test_rows():
    masks = np.zeros((2, 5, 4, 6), np.uint8)
    masks[0, 1, :2] = 1  # 12 pixels
    masks[0, 3, 0] = 1  # 6 pixels
    sequences = [
        InstanceSequence(track, label, score, np.array([score], np.float32), encode_masks(masks[track - 1]))
        for track, label, score in ((1, 1, 0.87654), (2, 0, 0.5))
    ]
    tracks = tracks_of(VideoResult("clip", 4, 6, 5, sequences, ("cat", "giant_panda"), (1, 2)))
    assert tracks[0].visible.tolist() == [False, True, False, True, False]
    rows = [dict(zip(HEADERS, track.row(), strict=True)) for track in tracks]
    assert rows[0] == {
        "track": 1, "category": "giant_panda", "score": 0.877, "first frame": 1, "last frame": 3, "frames visible": 2,
        "mean area (px)": 9,
    }  # fmt: skip
    assert rows[1]["first frame"] is rows[1]["last frame"] is None
    assert rows[1]["frames visible"] == rows[1]["mean area (px)"] == 0
