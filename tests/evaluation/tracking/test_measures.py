"""HOTA, CLEAR MOT and IDF1 on cases whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mmdet_vis.errors import UserError
from mmdet_vis.evaluation.davis.dataset import DavisSequence
from mmdet_vis.evaluation.tracking import VideoOverlaps, evaluate_index_pngs, evaluate_tracking
from mmdet_vis.evaluation.tracking.clear import clear_counts, identity_counts
from mmdet_vis.evaluation.tracking.hota import NO_COUNTS, hota_counts
from mmdet_vis.evaluation.tracking.overlaps import added
from mmdet_vis.structures import encode_masks
from mmdet_vis.structures.masks import RLE

SIZE = (20, 40)


def boxes(*columns: int | None, width: int = 10) -> list[RLE | None]:
    """One object: a square that begins at a column in each frame, None where it is not seen."""
    masks = np.zeros((len(columns), *SIZE), np.uint8)
    for mask, column in zip(masks, columns, strict=True):
        if column is not None:
            mask[5:15, column : column + width] = 1
    rles = encode_masks(masks)
    return [None if column is None else rle for rle, column in zip(rles, columns, strict=True)]


def test_a_perfect_result():
    objects = [boxes(0, 1, 2), boxes(20, None, 22)]
    video = VideoOverlaps.of_masks(objects, objects)
    assert hota_counts(video).summary() == pytest.approx(dict.fromkeys(hota_counts(video).summary(), 1.0))
    clear = clear_counts(video).summary()
    assert (clear["MOTSA"], clear["sMOTSA"], clear["IDSW"], clear["MT"]) == (1, 1, 0, 2)
    assert clear["Frag"] == 1  # the second object is lost and found again, in the truth as well
    assert identity_counts(video).summary() == {"IDF1": 1, "IDP": 1, "IDR": 1}


def test_more_tracks_in_a_frame_than_pycocotools_counts_at_once():
    video = VideoOverlaps.of_masks([boxes(0)], [boxes(0), boxes(None), *[boxes(20)] * 300])
    assert (video.num_objects, video.num_tracks, video.iou[0].shape) == (1, 301, (1, 301))
    assert clear_counts(video).summary()["MOTSA"] == 1 - 300


def test_two_tracks_that_swap():
    """Each track has two frames of one object and two of the other: every mask right, half of them under a wrong id."""
    objects = [boxes(0, 0, 0, 0), boxes(20, 20, 20, 20)]
    tracks = [boxes(0, 0, 20, 20), boxes(20, 20, 0, 0)]
    video = VideoOverlaps.of_masks(objects, tracks)
    found = hota_counts(video).summary()
    assert found["DetA"] == 1
    assert found["AssA"] == pytest.approx(2 / (4 + 4 - 2))
    assert found["HOTA"] == pytest.approx(np.sqrt(1 / 3))
    clear = clear_counts(video)
    assert (clear.switches, clear.fn, clear.fp) == (2, 0, 0)
    assert clear.summary()["MOTSA"] == (8 - 2) / 8
    assert identity_counts(video).summary()["IDF1"] == 0.5


def test_a_mask_that_is_half_right_counts_up_to_its_overlap():
    """IoU 1/3: a pair for six thresholds of 19, none for measures that ask for a half."""
    video = VideoOverlaps.of_masks([boxes(0, 0)], [boxes(5, 5)])
    counts = hota_counts(video)
    assert counts.tp.tolist() == [2.0] * 6 + [0.0] * 13
    assert counts.summary()["LocA"] == pytest.approx((6 / 3 + 13) / 19)  # nothing found counts as well placed
    assert clear_counts(video).summary()["MOTSA"] == -1.0
    assert identity_counts(video).summary()["IDF1"] == 0


@pytest.mark.parametrize(("objects", "tracks"), [([], [boxes(0, 1)]), ([boxes(0, 1)], []), ([], [])])
def test_nothing_to_find_or_nothing_found(objects, tracks):
    video = VideoOverlaps.of_masks(objects, tracks)
    counts = hota_counts(video)
    assert (counts.fn[0], counts.fp[0]) == (2 * len(objects), 2 * len(tracks))
    assert counts.summary()["HOTA"] == 0
    assert clear_counts(video).mostly_lost == len(objects)
    assert identity_counts(video).summary()["IDF1"] == 0


def test_masks_in_a_crowd_are_neither_right_nor_wrong():
    crowd = [boxes(20, 20, width=20)]
    inside, beside = boxes(24, 24), boxes(12, 12)  # of the second, two of ten columns are inside
    assert clear_counts(VideoOverlaps.of_masks([], [inside, beside], crowd)).fp == 2
    # What is an object is one, wherever it is.
    video = VideoOverlaps.of_masks([inside], [inside], crowd)
    assert (clear_counts(video).tp, clear_counts(video).fn) == (2, 0)


def test_counts_of_videos_add_up():
    first = VideoOverlaps.of_masks([boxes(0, 0)], [boxes(0, 0)])
    second = VideoOverlaps.of_masks([boxes(0, 0)], [])
    both = added([hota_counts(first), hota_counts(second)], NO_COUNTS).summary()
    assert both["DetA"] == 0.5
    assert both["AssA"] == 1


def annotations() -> dict:
    return {
        "videos": [{"id": 1, "width": SIZE[1], "height": SIZE[0], "length": 2, "file_names": ["a/0.jpg", "a/1.jpg"]}],
        "categories": [{"id": 1, "name": "cat"}, {"id": 2, "name": "dog"}],
        "annotations": [
            {"id": 1, "video_id": 1, "category_id": 1, "iscrowd": 0, "segmentations": boxes(0, 0), "areas": [100, 100]},
            {"id": 2, "video_id": 1, "category_id": 2, "iscrowd": 0, "segmentations": boxes(20, None)},
        ],
    }


def entry(category: int, score: float, masks: list[RLE | None]) -> dict:
    return {"video_id": 1, "category_id": category, "score": score, "segmentations": masks}


def test_results_by_category_from_a_score_on():
    results = [entry(1, 0.9, boxes(0, 0)), entry(1, 0.1, boxes(30, 30)), entry(2, 0.9, boxes(0, None))]
    metrics = evaluate_tracking(results, annotations(), 0.5)
    cat, dog = metrics.per_category()
    assert (cat["name"], cat["HOTA"], dog["HOTA"]) == ("cat", pytest.approx(1), 0)
    assert metrics.summary()["DetA"] == pytest.approx(2 / 4)
    assert evaluate_tracking(results, annotations(), 0.0).per_category()[0]["DetA"] == pytest.approx(0.5)
    *_, mean, over_all, _, _, _, stq = metrics.table().splitlines()
    assert mean.split()[:6] == ["mean", "of", "categories", "50.00", "50.00", "50.00"]
    assert over_all.split()[:5] == ["all", "masks", "70.71", "50.00", "100.00"]
    assert stq.split() == ["all", "categories", "50.00", "50.00", "50.00"]
    assert (metrics.category_mean()["IDSW"], metrics.category_mean()["ML"]) == (0, 1)  # numbers are added
    with pytest.raises(UserError, match="entry 0 has category_id 9"):
        evaluate_tracking([entry(9, 1.0, boxes(0, 0))], annotations(), 0.5)
    cut = boxes(0, 0)
    cut[1]["counts"] = cut[1]["counts"][:-3]  # pycocotools would read on
    with pytest.raises(UserError, match=r"results: entry 0 \(video 1\) has a mask for frame 1 that"):
        evaluate_tracking([entry(1, 1.0, cut)], annotations(), 0.5)


def test_index_pngs(tmp_path):
    """Object 1 is found as number 7, object 2 is not; what lies in void pixels costs nothing."""
    truth = np.zeros((2, *SIZE), np.uint8)
    truth[:, :10, :10], truth[:, :10, 20:30], truth[:, 15:, 30:] = 1, 2, 255
    found = np.where(truth == 1, 7, 0).astype(np.uint8)
    found[:, 15:, 30:] = 8
    for name, labels in (("truth", truth), ("found", found)):
        (tmp_path / name / "clip").mkdir(parents=True)
        for t, frame in enumerate(labels):
            Image.fromarray(frame).save(tmp_path / name / "clip" / f"{t}.png")
    sequence = DavisSequence("clip", sorted((tmp_path / "truth" / "clip").iterdir()))
    summary = evaluate_index_pngs(tmp_path / "found", [sequence]).summary()
    assert (summary["DetA"], summary["AssA"], summary["MOTSA"]) == (0.5, pytest.approx(1), 0.5)
    assert summary["IDF1"] == pytest.approx(2 / 3)
