"""Tracking by detection: hand-made detections, and the whole method with the tiny network."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.baselines import FrameObjects, IoULinker
from mmdet_vis.errors import ConfigError
from mmdet_vis.evaluation.ytvis import load_results
from mmdet_vis.structures import areas, decode_masks, encode_masks
from tests import programs
from tests.tiny import moving_frames, write_frames

TRACKING = {"propose_reduce.method.type": "TrackByIoU"}


def objects(*found, scores=None):
    """Detections of one frame: ``(x, y, size, label)`` squares in a 40x60 image."""
    masks, boxes = np.zeros((len(found), 40, 60), np.uint8), torch.zeros(len(found), 4)
    rows = np.tile(np.float32([0.1, 0.5, 0.4]), (len(found), 1)) if scores is None else np.float32(scores)
    for i, (x, y, size, _) in enumerate(found):
        masks[i, y : y + size, x : x + size] = 1
        boxes[i] = torch.tensor([x, y, x + size - 1, y + size - 1])
    return FrameObjects(boxes, [label for *_, label in found], encode_masks(masks), rows)


def link(frames, **options):
    """Frames of each track, and its left edge in the first and the last of them."""
    linker = IoULinker(**options)
    for t, found in enumerate(frames):
        linker.add(t, objects(*found))
    tracks = []
    for track in linker.tracks:
        left = [int(np.nonzero(decode_masks([track.masks[t]])[0])[1].min()) for t in (min(track.masks), track.last)]
        tracks.append((sorted(track.masks), *left))
    return tracks


@pytest.mark.parametrize("iou", ["mask", "box"])
def test_an_object_that_moves_is_one_track(iou):
    assert link([[(2 * t, 5, 10, 0)] for t in range(6)], iou=iou) == [([0, 1, 2, 3, 4, 5], 0, 10)]
    assert link([[(6 * t, 5, 10, 0)] for t in range(3)], iou=iou) == [([0], 0, 0), ([1], 6, 6), ([2], 12, 12)]


@pytest.mark.parametrize("iou", ["mask", "box"])
def test_crossing_objects_keep_their_tracks(iou):
    """One goes right, one left, a little lower; the order of the detections changes from frame to frame."""
    frames = [[(4 + 4 * t, 0, 20, 0), (24 - 4 * t, 8, 20, 0)][:: 1 - 2 * (t % 2)] for t in range(6)]
    assert link(frames, iou=iou) == [(list(range(6)), 4, 24), (list(range(6)), 24, 4)]


def test_the_assignment_is_the_best_one_of_all():
    """The second object overlaps the first track most, but only the exchange leaves no object without a track."""
    before = [(10, 5, 20, 0), (18, 5, 20, 0)]
    now = [(3, 5, 20, 0), (12, 5, 20, 0)]  # IoU with the tracks: 0.48, 0.14 and 0.82, 0.54
    assert link([before, now], iou_thr=0.2) == [([0, 1], 10, 3), ([0, 1], 18, 12)]


def test_mask_and_box_overlap_differ():
    """Two triangles fill each other's box, but share few pixels."""
    lower = np.tril(np.ones((20, 20), np.uint8))
    upper = 1 - lower
    box, scores = torch.tensor([[0.0, 0, 19, 19]]), np.float32([[0.1, 0.9]])
    for iou, number in (("mask", 2), ("box", 1)):
        linker = IoULinker(iou)
        for t, mask in enumerate((lower, upper)):
            linker.add(t, FrameObjects(box, [0], encode_masks(mask[None]), scores))
        assert len(linker.tracks) == number


@pytest.mark.parametrize(("gap", "max_lost", "number"), [(2, 2, 1), (3, 2, 2), (0, 0, 1), (1, 0, 2)])
def test_a_lost_object_is_found_again_within_max_lost_frames(gap, max_lost, number):
    frames = [[(5, 5, 10, 1)], *[[] for _ in range(gap)], [(6, 5, 10, 1)]]
    assert len(link(frames, max_lost=max_lost)) == number


def test_another_category_is_another_object():
    assert link([[(5, 5, 10, 0)], [(5, 5, 10, 1)], [(5, 5, 10, 0)]]) == [([0, 2], 5, 5), ([1], 5, 5)]


def test_scores_are_the_mean_over_detections():
    linker = IoULinker()
    linker.add(0, objects((5, 5, 10, 0), scores=[[0.2, 0.6, 0.2]]))
    linker.add(1, objects())
    linker.add(2, objects((5, 5, 10, 0), scores=[[0.0, 0.2, 0.8]]))
    np.testing.assert_allclose(linker.tracks[0].class_scores, [0.1, 0.4, 0.5], rtol=1e-6)


def test_nothing_detected():
    assert link([[], [], []]) == []
    assert link([[(0, 0, 5, 0)], [(30, 30, 5, 0)]], iou_thr=0.0) == [([0], 0, 0), ([1], 30, 30)]


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(*tiny, device="cpu", cfg_options=TRACKING)


def test_the_whole_method(tiny, model):
    """Frame by frame the masks are the detector's own, and no two of a frame overlap by mask_nms_thr."""
    frames, calls = moving_frames(5, height=50, width=70), []
    result = segment_video(model, frames, progress=lambda *call: calls.append(call))
    assert calls == [(t, 5) for t in range(1, 6)]
    assert len(result.sequences) > 1
    scores = [s.score for s in result.sequences]
    assert scores == sorted(scores, reverse=True)
    size = model.preprocess.geometry(50, 70).resized
    for t in range(5):
        levels = model.network.extract_for_detection(model.preprocess([frames[t]])).levels
        detected = model.network.detect(levels, size)[0]
        shown = [s.masks[t] for s in result.sequences if areas([s.masks[t]])[0]]
        assert 0 < len(shown) <= len(detected.masks)
        masks = decode_masks(shown).astype(bool)
        for i in range(len(masks)):
            assert masks[i].shape == (50, 70)
            for j in range(i):
                assert (masks[i] & masks[j]).sum() < 0.55 * (masks[i] | masks[j]).sum()


def test_batches_change_nothing(model, monkeypatch):
    import mmdet_vis.api

    expected = segment_video(model, moving_frames(5))
    monkeypatch.setitem(mmdet_vis.api.BATCH_SIZE, "cpu", 3)
    found = segment_video(model, moving_frames(5))
    assert [s.masks for s in found.sequences] == [s.masks for s in expected.sequences]
    np.testing.assert_allclose([s.score for s in found.sequences], [s.score for s in expected.sequences], atol=1e-6)


def test_thresholds(tiny):
    def sequences(**options):
        cfg = TRACKING | {f"propose_reduce.method.{key}": value for key, value in options.items()}
        return segment_video(load_model(*tiny, device="cpu", cfg_options=cfg), moving_frames(3)).sequences

    everything = sequences(mask_nms_thr=1.0)
    assert len(sequences(mask_nms_thr=0.01)) < len(everything)
    assert sequences(score_thr=1.0) == []
    assert len(sequences(iou_thr=1.0)) > len(everything)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"iou": "masks"}, "propose_reduce.method.iou='masks' must be 'mask' or 'box'"),
        ({"max_lost": -1}, "propose_reduce.method.max_lost=-1 must be a whole number from 0 on"),
        ({"max_lots": 1}, "unknown key 'max_lots'; did you mean 'max_lost'"),
        ({"type": "SeqNMS"}, "propose_reduce.method.type='SeqNMS' is no method"),
        ({"type": "TrackByIou"}, "did you mean 'TrackByIoU'"),
    ],
)
def test_wrong_options(tiny, options, message):
    cfg = TRACKING | {f"propose_reduce.method.{key}": value for key, value in options.items()}
    with pytest.raises(ConfigError, match=rf"tiny.py: .*{message}"):
        segment_video(load_model(*tiny, device="cpu", cfg_options=cfg), moving_frames(2))


def test_no_method_is_propose_reduce(tiny):
    plain = segment_video(load_model(*tiny, device="cpu"), moving_frames(3))
    none = segment_video(load_model(*tiny, device="cpu", cfg_options={"propose_reduce.method": None}), moving_frames(3))
    assert [s.masks for s in none.sequences] == [s.masks for s in plain.sequences] != []


@pytest.mark.parametrize("option", [{"key_num": 2}, {"mem_step": 2}, {"mem_max": 4}, {"use_cate_reduce": True}])
def test_options_of_propose_reduce_are_refused(model, option):
    with pytest.raises(ConfigError, match=f"{next(iter(option))} is an option of Propose-Reduce"):
        segment_video(model, moving_frames(2), **option)


def test_the_tool_runs_it(tiny, repository, tmp_path, model):
    write_frames(tmp_path / "in" / "clip", 4)
    options = ["--cfg-options", "propose_reduce.method.type=TrackByIoU", "propose_reduce.method.iou=box"]
    command = [sys.executable, "tools/test_vis.py", *map(str, tiny), "--input-dir", str(tmp_path / "in")]
    programs.run(
        [*command, "--save-dir", str(tmp_path / "out"), "--format", "json", "--device", "cpu", *options],
        cwd=repository, check=True, capture_output=True,
    )  # fmt: skip
    entries = load_results(tmp_path / "out" / "results.json")
    assert {len(entry["segmentations"]) for entry in entries} == {4}
