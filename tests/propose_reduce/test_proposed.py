"""What any detector proposes: groups to carry, and scores of sequences from what it finds."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.errors import ConfigError
from mmdet_vis.propose_reduce.propose import KeyFramesByContent
from mmdet_vis.propose_reduce.proposed import (
    Found,
    check_proposals,
    groups_of,
    scores_from_boxes,
    scores_from_detections,
)
from mmdet_vis.propose_reduce.proposer import Proposals
from mmdet_vis.structures import encode_masks

HEIGHT, WIDTH = 20, 30


def box_mask(x0: int, width: int = 8, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    mask = np.zeros((1, *size), np.uint8)
    mask[0, 4:12, x0 : x0 + width] = 1
    return mask


def rle(*args, **kwargs):
    return encode_masks(box_mask(*args, **kwargs))[0]


def padded(x0: int, width: int = 8):
    return rle(x0, width, size=(32, 32))


def rows(*values) -> np.ndarray:
    return np.array(values, np.float32)


def test_a_score_is_the_mean_over_the_key_frames_and_a_missed_one_counts():
    found = {
        0: Found([rle(2), rle(3)], rows([0.2, 0.8, 0], [0.4, 0, 0.6])),  # both overlap the sequence
        4: Found([rle(20)], rows([0.1, 0.9, 0])),  # something else
        8: Found([], np.zeros((0, 3), np.float32)),
        9: Found([rle(2)], rows([0, 1, 0])),  # on which the sequence is not visible
    }
    nothing = padded(0, 0)
    sequence = [padded(2)] * 9 + [nothing]
    hidden = [nothing] * 10
    scores = scores_from_detections([sequence, hidden], found, 3)
    assert np.allclose(scores, [[1 - 0.8 / 3, 0.8 / 3, 0.6 / 3], [1, 0, 0]])
    # The IoU of boxes of 8x8 pixels that are 2 apart is 0.6; of those that are 3 apart it is 0.45: not the same object.
    assert scores_from_detections([[padded(5)] * 10], {0: found[0]}, 3)[0].tolist() == pytest.approx([0.4, 0, 0.6])
    assert scores_from_detections([[padded(7)] * 10], {0: found[0]}, 3)[0].tolist() == [1, 0, 0]


def test_boxes_are_classified_on_every_frame():
    class Reader:
        def __len__(self):
            return 3

        def read(self, start, stop):
            return [np.full((2 * HEIGHT, 2 * WIDTH, 3), t, np.uint8) for t in range(start, stop)]

    class Store:
        source, batch_size = Reader(), 2

    seen = []

    def classify(images, boxes):
        seen.extend((int(image.max()), rows.tolist()) for image, rows in zip(images, boxes, strict=True))
        return [
            np.tile(rows([0.1, 0.2 * (1 + image.max()), 0]), (len(b), 1))
            for image, b in zip(images, boxes, strict=True)
        ]

    nothing = padded(0, 0)
    sequences = [[padded(2), padded(2), nothing], [nothing, padded(4), padded(4)]]
    scores = scores_from_boxes(sequences, Store(), classify, (HEIGHT, WIDTH), 3)
    assert np.allclose(scores[:, 1], [(0.2 + 0.4) / 2, (0.4 + 0.6) / 2])
    # A pixel wider, at the video's size, which is twice the network's.
    assert seen[0] == (0, [[2, 6, 22, 26]])
    assert [len(boxes) for _, boxes in seen] == [1, 2, 1]


def test_objects_to_carry_are_the_best_that_do_not_overlap():
    found = {
        0: Found([rle(2), rle(3), rle(15), rle(20, 4)], rows([0, 0.9, 0], [0, 0, 0.8], [0, 0.7, 0], [0, 0.3, 0])),
        5: Found([rle(2)], rows([0.9, 0.1, 0.0])),
    }
    (group,) = groups_of(found, score_thr=0.3, max_num=10, mask_nms_thr=0.5)
    assert (group.key, group.masks) == (0, [rle(2), rle(15)])
    (group,) = groups_of(found, score_thr=0.2, max_num=2, mask_nms_thr=0.5)
    assert group.masks == [rle(2)]


WRONG = [
    ({"boxes": np.zeros((1, 5))}, r"boxes are \[1, 5\], not \[1, 4\]"),
    ({"scores": np.zeros((1, 2))}, r"scores are \[1, 2\], not \[1, 3\]"),
    ({"masks": np.zeros((1, 9, 9))}, r"masks are \[1, 9, 9\], not \[1, 20, 30\]"),
    ({"scores": np.full((1, 3), np.nan)}, "scores from 0 to 1"),
    ({"boxes": np.full((1, 4), np.inf)}, "must be finite numbers"),
]


@pytest.mark.parametrize(("change", "line"), WRONG)
def test_proposals_that_do_not_fit_are_one_line(change, line):
    images = np.zeros((1, HEIGHT, WIDTH, 3), np.uint8)
    right = {"boxes": np.zeros((1, 4)), "scores": np.zeros((1, 3)), "masks": box_mask(2)}
    check_proposals([Proposals(**right)], images, 2, "Mine")
    with pytest.raises(ConfigError, match=f"Mine: image 0: .*{line}"):
        check_proposals([Proposals(**{**right, **change})], images, 2, "Mine")
    with pytest.raises(ConfigError, match="proposals for 0 images, 1 were given"):
        check_proposals([], images, 2, "Mine")


def test_frames_that_are_looked_at():
    assert KeyFramesByContent(step=4).candidates(10) == [0, 4, 8, 9]
    assert KeyFramesByContent(step=4).candidates(1) == [0]
    with pytest.raises(ValueError, match="step must be at least 1"):
        KeyFramesByContent(step=0)
