"""Proposals, boxes and masks of key frames against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.models.seq_mask_rcnn import rois_of
from mmdet_vis.propose_reduce.sequence_iou import mask_nms
from mmdet_vis.structures import encode_masks
from mmdet_vis.structures.boxes import decode_boxes

SIZE = (360, 480)


def levels_of(network, clip, t):
    with torch.no_grad():
        images = Preprocessor()([clip[t]]).contiguous(memory_format=torch.channels_last)
        return network.extract(images).levels


@pytest.fixture(scope="module", params=[0, 5])
def frame(request, network, clip):
    return request.param, levels_of(network, clip, request.param)


def test_rpn_outputs_and_proposals(goldens, network, frame):
    t, levels = frame
    with torch.no_grad():
        logits, deltas = network.rpn_head(levels)
        proposals = network.rpn_head.propose(logits, deltas, SIZE, **network.test_cfg["rpn"])[0]
    for i, (cls, reg) in enumerate(zip(logits, deltas, strict=True)):
        goldens.check(f"det/t{t}/rpn_cls{i}", cls.permute(0, 3, 1, 2).contiguous())
        goldens.check(f"det/t{t}/rpn_reg{i}", reg.permute(0, 3, 1, 2).contiguous())
    goldens.check(f"det/t{t}/proposals", proposals)


def test_box_head_on_the_references_proposals(goldens, network, frame):
    t, levels = frame
    rois = rois_of(torch.from_numpy(goldens.r50[f"det/t{t}/proposals"][:, :4]), 0)
    with torch.no_grad():
        logits, deltas = network.bbox_head(network.bbox_roi_extractor(levels, rois))
    goldens.check(f"det/t{t}/rcnn_cls_logits", logits)
    goldens.check(f"det/t{t}/rcnn_bbox_pred", deltas)
    goldens.check(f"det/t{t}/scores_before_nms", logits.softmax(1))
    goldens.check(f"det/t{t}/boxes_before_nms", decode_boxes(rois[:, 1:], deltas, network.bbox_head.stds, SIZE))


def check_detections(goldens, network, t, levels):
    found = network.detect(levels, SIZE)[0]
    goldens.check(f"det/t{t}/det_bboxes", torch.cat((found.boxes, found.scores[:, None]), dim=1))
    assert found.labels.tolist() == goldens.r50[f"det/t{t}/det_labels"].tolist()
    with torch.no_grad():
        logits = network.mask_logits(levels, rois_of(found.boxes, 0), found.labels)
    goldens.check(f"det/t{t}/mask_logits_28", logits)
    rles = encode_masks(found.masks)
    expected = goldens.json("goldens_r50")
    # Logits at the threshold make single pixels depend on rounding.
    for ours, theirs in zip(rles, expected[f"det/t{t}/det_masks"], strict=True):
        assert coco_mask.area(theirs) <= 100 or coco_mask.iou([ours], [theirs], [0])[0, 0] >= 0.99
    assert mask_nms(rles, 0.2) == expected[f"det/t{t}/mask_nms_kept"]


def test_detections_masks_and_mask_nms(goldens, network, frame):
    check_detections(goldens, network, *frame)


@pytest.mark.slow
@pytest.mark.parametrize("t", [2, 8, 11])
def test_detections_of_the_other_key_frames(goldens, network, clip, t):
    check_detections(goldens, network, t, levels_of(network, clip, t))


def test_a_batch_of_key_frames_gives_the_same(network, clip):
    one = network.detect(levels_of(network, clip, 5), SIZE)[0]
    with torch.no_grad():
        images = Preprocessor()([clip[0], clip[5]]).contiguous(memory_format=torch.channels_last)
        both = network.detect(network.extract(images).levels, SIZE)[1]
    assert torch.allclose(one.boxes, both.boxes, atol=1e-3)
    assert one.labels.tolist() == both.labels.tolist()
    assert np.array_equal(one.masks, both.masks)
