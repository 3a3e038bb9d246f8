"""Memory, read, decoding, aggregation and scores against the reference, on a part of the clip."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.propose_reduce import MemoryEveryNth
from mmdet_vis.propose_reduce.collect import SequenceCollector
from mmdet_vis.propose_reduce.feature_store import EngineSettings, FeatureStore
from mmdet_vis.propose_reduce.propagate import Propagator
from mmdet_vis.propose_reduce.propose import propose
from mmdet_vis.structures import encode_masks
from mmdet_vis.structures.boxes import mask_boxes
from tests.goldens.recorder import RecordingHead

SIZE = (360, 480)
PLENTY = 8 << 30


class SpyCollector(SequenceCollector):
    """Also keeps the soft masks and the box scores of each frame."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.soft = {}
        self.boxes = {}
        self.probabilities = {}

    def add_frame(self, frame, sequences, soft, features):
        self.soft[frame] = soft.clone()
        boxes, visible = mask_boxes(soft >= 0.5)
        rois = torch.cat((torch.zeros(len(boxes), 1), boxes), dim=1)
        self.boxes[frame] = boxes[visible]
        self.probabilities[frame] = self.model.classify(features.levels, rois)[visible]
        super().add_frame(frame, sequences, soft, features)


def run_group(network, clip, key, frames, first=None):
    """Propagate the objects of one key frame through the given frames of the clip, in one direction.

    A backward sweep needs the key frame's memory entry, so some forward frames come ``first``; they are not logged.
    """
    source = ArraySource(clip)
    device = torch.device("cpu")
    head = RecordingHead(network.prop_head)
    with (
        FeatureStore(network, source, Preprocessor(), EngineSettings(device, torch.float32, PLENTY, 1, 1)) as store,
        SpyCollector(network, len(clip)) as collector,
    ):
        groups = list(propose(network, store, [key], SIZE, 0.2))
        propagator = Propagator(head, store, collector, MemoryEveryNth(1), chunk_bytes=1 << 30)
        with torch.no_grad():
            if first is not None:
                propagator._sweep(groups, first)
                head.log.clear()
            propagator._sweep(groups, frames)
        masks = [[rle for rle in sequence if rle] for sequence in collector.rles]
    return head.log, collector, masks


def check_group(goldens, key, frames, log, collector):
    # A frame's memory entry follows its soft masks, except for the key frame's, which comes first, and the last's.
    for i, t in enumerate(frames):
        name = f"prop/k{key}/t{t}"
        if i < len(log["mem_key"]):
            for stage in ("mem_key", "mem_value"):
                goldens.check(f"{name}/{stage}", log[stage][i].transpose(1, 2).contiguous())
        goldens.check(f"{name}/mem_read", log["mem_read"][i].contiguous())
        goldens.check(f"{name}/prob_fg", log["prob_fg"][i][:, None])
        goldens.check(f"{name}/soft", collector.soft[t])
        check_masks(goldens, f"{name}/masks", collector.soft[t])
        goldens.check(f"cls/k{key}/t{t}/boxes", collector.boxes[t])
        goldens.check(f"cls/k{key}/t{t}/scores", collector.probabilities[t])


def check_masks(goldens, name, soft):
    """Per-frame mask IoU of at least 0.99 above 100 pixels."""
    rles = encode_masks((soft >= 0.5).numpy().astype(np.uint8))
    for ours, theirs in zip(rles, goldens.json("goldens_r50")[name], strict=True):
        if coco_mask.area(theirs) > 100:
            assert coco_mask.iou([ours], [theirs], [0])[0, 0] >= 0.99, name


def test_first_key_frame_forward(goldens, network, clip):
    frames = range(0, 3)
    check_group(goldens, 0, frames, *run_group(network, clip, 0, frames)[:2])


def test_query_of_frames(goldens, network, clip):
    with torch.no_grad():
        for t in (0, 7):
            images = Preprocessor()([clip[t]]).contiguous(memory_format=torch.channels_last)
            key, value = network.prop_head.query(network.extract(images).levels[0])
            goldens.check(f"query/t{t}/key", key.contiguous())
            goldens.check(f"query/t{t}/value", value.contiguous())


@pytest.mark.slow
@pytest.mark.parametrize("key", [0, 2, 5, 8, 11])
def test_every_key_frame_in_both_directions(goldens, network, clip, key):
    """All arrays that the goldens hold of the whole clip: forward first, then backward from the key frame's entry."""
    forward = range(key, len(clip))
    check_group(goldens, key, forward, *run_group(network, clip, key, forward)[:2])
    if key:
        # The backward sweep starts at the frame before the key frame; its first memory entry is the key frame's.
        log, collector, _ = run_group(network, clip, key, range(key - 1, -1, -1), first=range(key, key + 1))
        for i, t in enumerate(range(key - 1, -1, -1)):
            name = f"prop/k{key}/t{t}"
            goldens.check(f"{name}/mem_read", log["mem_read"][i].contiguous())
            goldens.check(f"{name}/prob_fg", log["prob_fg"][i][:, None])
            goldens.check(f"{name}/soft", collector.soft[t])
            check_masks(goldens, f"{name}/masks", collector.soft[t])
            goldens.check(f"cls/k{key}/t{t}/boxes", collector.boxes[t])
            goldens.check(f"cls/k{key}/t{t}/scores", collector.probabilities[t])
