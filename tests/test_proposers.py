"""The default model carries what another detector proposes: from Python and from the command line."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from mmdet_vis import Prompt, load_model, load_propagator, propagate, segment_video
from mmdet_vis.commands.main import main
from mmdet_vis.config.read import load_config
from mmdet_vis.errors import CheckpointError, ConfigError
from mmdet_vis.propose_reduce.proposer import Proposals
from mmdet_vis.proposers import FunctionProposer
from mmdet_vis.weights.find import default_weights
from tests.proposers.writing import write_proposals
from tests.tiny import moving_frames

SMALL = {"data_preprocessor.img_scale": (192, 128), "propose_reduce.key_num": 2}
NAMES = ["ball", "brick"]
FRAMES = moving_frames(6, 64, 96)


def is_square(frame: np.ndarray) -> np.ndarray:
    """The bright square of the test clip, ``[H, W]`` bool, of an RGB frame."""
    return frame[..., 0] > 180


def find_square(frame: np.ndarray, masks: bool = True) -> tuple:
    square = is_square(frame)
    if not square.any():
        return [], [], [], np.zeros((0, *square.shape), bool)
    ys, xs = square.nonzero()
    box = [xs.min(), ys.min(), xs.max() + 1, ys.max() + 1]
    return ([box], [1], [0.75], square[None]) if masks else ([box], [1], [0.75])


def iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


@pytest.fixture(scope="module")
def carrier():
    return load_propagator(device="cpu", cfg_options=SMALL, proposer=FunctionProposer(find_square, NAMES))


def test_what_is_proposed_is_carried_and_has_the_proposers_names(carrier):
    result = segment_video(carrier, FRAMES)
    (sequence,) = result.sequences
    assert result.categories == ("ball", "brick")
    assert result.category_of(sequence) == "brick"
    assert sequence.score == pytest.approx(0.75)  # on both key frames
    assert sequence.class_scores.tolist() == pytest.approx([0, 0.75])
    for frame, mask in zip(FRAMES, sequence.masks_array(), strict=True):
        assert iou(mask, is_square(frame[..., ::-1])) > 0.8


def test_a_whole_model_and_one_without_its_detector_carry_alike(carrier):
    whole = load_model(device="cpu", cfg_options=SMALL, proposer=carrier.proposer)
    assert segment_video(whole, FRAMES) == segment_video(carrier, FRAMES)
    names = {name for name, _ in carrier.network.named_children()}
    assert names == {"backbone", "prop_head"}


def test_masks_of_anyone_are_carried(carrier):
    alone = load_propagator(device="cpu", cfg_options=SMALL)
    assert alone.categories == ("object",)
    square = is_square(FRAMES[2][..., ::-1])
    other = np.roll(square, -30, axis=1)
    result = propagate(alone, FRAMES, {2: np.stack([square, other])})
    assert [(s.track_id, s.score) for s in result.sequences] == [(1, 1.0), (2, 1.0)]
    first = result.sequences[0].masks_array()
    assert (first[2] == square).all()
    assert min(iou(mask, is_square(frame[..., ::-1])) for mask, frame in zip(first, FRAMES, strict=True)) > 0.8
    assert propagate(alone, FRAMES, {2: square * 1 + other * 2}) == result
    named = segment_video(carrier, FRAMES, prompts=[Prompt(2, mask=square, category="ball")], propose=False)
    assert [named.category_of(s) for s in named.sequences] == ["ball"]
    assert named.sequences[0].score == 1
    with pytest.raises(ConfigError, match="this model has no detector: give the mask"):
        segment_video(alone, FRAMES, prompts=[Prompt(2, box=(0, 0, 30, 30))], propose=False)


def test_boxes_are_drawn_by_the_mask_head(carrier):
    boxes = FunctionProposer(lambda frame: find_square(frame, masks=False), NAMES)
    result = segment_video(load_model(device="cpu", cfg_options=SMALL, proposer=boxes), FRAMES)
    best = result.sequences[0].masks_array()
    x0, y0, x1, y1 = find_square(FRAMES[0][..., ::-1])[0][0]
    assert best[0].sum() == best[0, y0:y1, x0:x1].sum() > 100
    without = load_propagator(device="cpu", cfg_options=SMALL, proposer=boxes)
    with pytest.raises(ConfigError, match="boxes without masks, and this model has no mask head"):
        segment_video(without, FRAMES)


def test_the_networks_own_detections_through_files_give_the_same_result(tmp_path, repository):
    """Exactly, where the video has the size of the network's input: otherwise masks are resized on the way."""
    options = {"propose_reduce.key_num": 2, "data_preprocessor.img_scale": (256, 192)}
    model = load_model(device="cpu", cfg_options=options)
    clip = cv2.VideoCapture(str(repository / "demo" / "inputs" / "on_the_lawn.mp4"))
    frames = [cv2.resize(clip.read()[1], (256, 144)) for _ in range(4)]
    clip.release()
    assert model.preprocess.geometry(144, 256).resized == (144, 256)
    direct = segment_video(model, frames, score_thr=0)
    assert direct.sequences
    found, count = [], len(model.categories)
    for t in (0, 3):
        images = model.preprocess([frames[t]]).contiguous(memory_format=torch.channels_last)
        (one,) = model.network.detect(model.network.extract_for_detection(images).levels, (144, 256))
        found.append(Proposals.of_labels(one.boxes, one.labels, one.scores, count, one.masks))
    write_proposals(tmp_path / "frames.json", found, [0, 3])
    (tmp_path / "categories.json").write_text(
        json.dumps([{"id": i, "name": name} for i, name in enumerate(model.categories, start=1)])
    )
    files = f"files:{tmp_path / 'frames.json'}"
    same = load_model(
        device="cpu", cfg_options={**options, "propose_reduce.proposal_scores": "network"}, proposer=files
    )
    assert segment_video(same, frames, score_thr=0) == direct
    other = segment_video(load_model(device="cpu", cfg_options=options, proposer=files), frames, score_thr=0)
    assert other.categories == direct.categories
    assert max(s.score for s in other.sequences) <= max(one.best.max() for one in found)


def test_sequences_are_scored_by_boxes_where_the_proposer_can(carrier):
    class Sure(FunctionProposer):
        def classify(self, images, boxes):
            return [np.tile(np.float32([0.1, 0.3, 0.6]), (len(rows), 1)) for rows in boxes]

    options = {**SMALL, "propose_reduce.proposal_scores": "boxes"}
    sure = load_propagator(device="cpu", cfg_options=options, proposer=Sure(find_square, NAMES))
    (sequence,) = segment_video(sure, FRAMES).sequences
    assert sequence.class_scores.tolist() == pytest.approx([0.3, 0.6])
    unsure = load_propagator(device="cpu", cfg_options=options, proposer=carrier.proposer)
    with pytest.raises(ConfigError, match=r"proposal_scores='boxes': a FunctionProposer cannot classify boxes"):
        segment_video(unsure, FRAMES)


def test_key_frames_by_content_start_what_nothing_explains(carrier):
    late = [frame if t >= 3 else moving_frames(1, 64, 96)[0] // 9 for t, frame in enumerate(FRAMES)]
    asked = []

    def count(frame):
        asked.append(frame)
        return find_square(frame)

    policy = {**SMALL, "propose_reduce.key_frames": {"type": "KeyFramesByContent", "step": 2}}
    model = load_propagator(device="cpu", cfg_options=policy, proposer=FunctionProposer(count, NAMES))
    (sequence,) = segment_video(model, late).sequences
    assert len(asked) == 4  # 0, 2, 4 and the last one
    assert sequence.areas[4:].min() > 300
    asked.clear()
    segment_video(model, late, key_num=2)
    assert len(asked) == 2


def test_what_cannot_be_is_one_line(carrier, tmp_path):
    with pytest.raises(ConfigError, match="this model has no detector: give it a proposer"):
        segment_video(load_propagator(device="cpu", cfg_options=SMALL), FRAMES)
    for option, line in (
        ({"propose_reduce.proposal_scores": "network"}, "the proposer has other categories than the network"),
        ({"propose_reduce.proposal_scores": "all"}, r"proposal_scores='all' must be one of detections, boxes, network"),
        ({"propose_reduce.method": {"type": "TrackByIoU"}}, "is for Propose-Reduce, .*method=TrackByIoU"),
    ):
        with pytest.raises(ConfigError, match=line):
            load_model(device="cpu", cfg_options=option, proposer=carrier.proposer)
    state = {key: value for key, value in load_file(default_weights()).items() if "head" not in key}
    save_file(state, tmp_path / "none.safetensors")
    with pytest.raises(CheckpointError, match="prop_head"):
        load_propagator(carrier.config, tmp_path / "none.safetensors")


def test_the_command_takes_a_proposer_and_its_section_in_a_config(tmp_path, capsys):
    clip = tmp_path / "clip"
    clip.mkdir()
    for t, frame in enumerate(FRAMES):
        cv2.imwrite(str(clip / f"{t:05d}.png"), frame)
    proposals = [FunctionProposer(find_square, NAMES).propose(frame[None, ..., ::-1], [])[0] for frame in FRAMES]
    found = tmp_path / "found"
    found.mkdir()
    write_proposals(found / "clip.json", proposals, range(6))
    (found / "categories.json").write_text('[{"id": 1, "name": "ball"}, {"id": 2, "name": "brick"}]')
    options = ["--device", "cpu", "--format", "json", "--cfg-options", *(f"{k}={v}" for k, v in SMALL.items())]
    main(["segment", str(clip), "--proposer", f"files:{found}", "--save-dir", str(tmp_path / "a"), *options])
    assert "1 brick" in capsys.readouterr().out
    (entry,) = json.loads((tmp_path / "a" / "results.json").read_text())
    assert (entry["category_id"], entry["score"]) == (2, pytest.approx(0.75))
    config = tmp_path / "mine.py"
    base = load_config("seq_mask_rcnn_mobilenetv2_fpn_stills").filename
    config.write_text(f'_base_ = ["{base}"]\nproposer = dict(type="files", path="{found}")\n')
    more = ["--config", str(config), "--weights", str(default_weights()), "--safe-config"]
    main(["segment", str(clip), *more, "--save-dir", str(tmp_path / "b"), *options])
    assert (tmp_path / "b" / "results.json").read_bytes() == (tmp_path / "a" / "results.json").read_bytes()
