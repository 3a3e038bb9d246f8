"""Reduction and the results file, from the reference's own sequences: exact."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.data.categories import CATEGORIES
from mmdet_vis.data.formats import sequence_annotations
from mmdet_vis.propose_reduce import Reduction, SeqNMS, SeqSoftNMS
from mmdet_vis.propose_reduce.sequence_iou import mask_nms, sequence_iou
from mmdet_vis.structures import InstanceSequence, VideoResult, encode_masks
from mmdet_vis.structures.boxes import mask_boxes
from mmdet_vis.structures.resize import rles_to_original

CASES = [f"c{i}" for i in range(7)]


@pytest.fixture(scope="module", params=CASES)
def case(request, goldens):
    arrays, expected = goldens.npz("goldens_reduce"), goldens.json("goldens_reduce")
    name = request.param
    shape = arrays[f"{name}/masks_shape"]
    masks = np.unpackbits(arrays[f"{name}/masks_packed"])[: np.prod(shape)].reshape(shape)
    sequences = [encode_masks(m) for m in masks]
    return name, arrays, expected[name]["results"], masks, sequences, sequence_iou(sequences)


def test_iou_is_exact(case):
    name, arrays, _, _, _, iou = case
    assert np.array_equal(iou, arrays[f"{name}/iou"])


def test_hard_and_soft_sequence_nms(case):
    name, arrays, results, _, _, iou = case
    best = arrays[f"{name}/scores"][:, 1:].max(axis=1)
    for rule, kept in results.items():
        kind, *numbers = rule.split("_")
        if kind == "nms":
            score_thr, iou_thr = map(float, numbers)
            found, scores = SeqNMS(iou_thr, score_thr).select(best, iou)
            assert (found, scores.tolist()) == (kept, best[kept].tolist()), rule
        elif kind == "soft":
            found, scores = SeqSoftNMS(float(numbers[1]), float(numbers[0]), int(numbers[2])).select(best, iou)
            assert found == kept, rule
            np.testing.assert_allclose(scores, arrays[f"{name}/{rule}"], rtol=1e-6)


def test_category_aware_reduction(case):
    name, arrays, results, _, _, iou = case
    for rule in ("ca_100_0.001", "ca_3_0.05"):
        _, number, score_thr = rule.split("_")
        reduction = Reduction(SeqNMS(0.9, 0.05), SeqSoftNMS(0.5, float(score_thr), int(number)))
        kept, scores = reduction.reduce(iou, arrays[f"{name}/scores"])
        assert kept == results[rule]
        np.testing.assert_allclose(scores, arrays[f"{name}/{rule}"], rtol=1e-6)


def test_mask_nms_of_the_first_frame(case):
    _, _, results, _, sequences, _ = case
    assert mask_nms([s[0] for s in sequences], 0.2) == results["mask_nms_frame0"]


def test_boxes_of_masks(case):
    import torch

    name, arrays, _, masks, _, _ = case
    expected = arrays[f"{name}/mask2box"]
    for sequence, boxes in zip(masks, expected, strict=True):
        found, visible = mask_boxes(torch.from_numpy(sequence).bool())
        assert np.array_equal(found.numpy()[visible.numpy()], boxes[visible.numpy()])
        assert np.array_equal(visible.numpy(), sequence.any(axis=(1, 2)))


RULES = {
    "hard_nms_kept": Reduction(SeqNMS(0.5, 0.05)),
    "cate_aware_kept": Reduction(SeqNMS(0.9, 0.05), SeqSoftNMS(0.5, 0.001, 100)),
    "soft_nms_kept": Reduction(SeqSoftNMS(0.5, 0.001, 20)),
}


@pytest.mark.parametrize("rule", RULES)
def test_reduction_of_the_clip(goldens, rule):
    arrays, expected = goldens.npz("goldens_r50_reduce"), goldens.json("goldens_r50_reduce")
    iou = sequence_iou(expected["sequences"])
    assert np.abs(iou - arrays["iou"]).max() < 1e-12
    kept, scores = RULES[rule].reduce(iou, arrays["in_scores"])
    assert kept == expected[rule]
    if rule == "cate_aware_kept":
        np.testing.assert_allclose(scores, arrays["cate_aware_scores"], rtol=1e-6)
    if rule == "soft_nms_kept":
        np.testing.assert_allclose(scores[:, 1:].max(axis=1), arrays["soft_nms_scores"], rtol=1e-6)


@pytest.mark.parametrize(
    ("rule", "file", "score_thr"),
    [("hard_nms_kept", "results_r50", 0.05), ("cate_aware_kept", "results_r50_cate_aware", 0.001)],
)
def test_results_file_of_the_clip(goldens, rule, file, score_thr):
    """From the reference's sequences at padded size to its results file, string for string."""
    arrays, sets = goldens.npz("goldens_r50_reduce"), goldens.json("goldens_r50_reduce")
    kept, scores = RULES[rule](sets["sequences"], arrays["in_scores"])
    sequences = [
        InstanceSequence(
            track_id=i + 1,
            label=int(row[1:].argmax()),
            score=float(row[1:].max()),
            class_scores=row[1:],
            masks=rles_to_original(sets["sequences"][index], (360, 480), (360, 480)),
        )
        for i, (index, row) in enumerate(zip(kept, scores, strict=True))
    ]
    names = CATEGORIES["youtube_vis_2019"]
    result = VideoResult("clip", 360, 480, 12, sequences, names, tuple(range(1, 41)))
    entries, expected = sequence_annotations(result, 1, score_thr), goldens.json(file)
    assert len(entries) == len(expected)
    for ours, theirs in zip(entries, expected, strict=True):
        assert ours["category_id"] == theirs["category_id"]
        assert ours["segmentations"] == theirs["segmentations"]
        assert abs(ours["score"] - theirs["score"]) < 1e-6
