"""Carrying objects with the light propagation head through a whole video."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.propose_reduce.carry import SharedKeyCarrier
from mmdet_vis.propose_reduce.collect import SequenceCollector, enlarged, packed_boxes
from mmdet_vis.propose_reduce.feature_store import FrameFeatures
from mmdet_vis.propose_reduce.memory import EveryNth, FirstLast, SharedKeyBank
from mmdet_vis.propose_reduce.target import SHARE, TargetModel
from mmdet_vis.structures import decode_masks
from mmdet_vis.structures.boxes import mask_boxes
from tests.light import light_model
from tests.tiny import moving_frames


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> VISModel:
    return light_model(tmp_path_factory.mktemp("light"))


def test_a_video_from_end_to_end(light):
    frames = moving_frames(9)
    result = segment_video(light, frames, key_num=3)
    assert result.sequences
    assert all(len(s.masks) == 9 and s.masks[0]["size"] == [64, 96] for s in result.sequences)
    again = segment_video(light, frames, key_num=3)
    assert [s.masks for s in again.sequences] == [s.masks for s in result.sequences]


def test_chunks_and_recomputed_features_change_nothing(light, monkeypatch):
    frames = moving_frames(7)
    whole = segment_video(light, frames, key_num=2)
    monkeypatch.setitem(__import__("mmdet_vis.api", fromlist=["CHUNK_BYTES"]).CHUNK_BYTES, "cpu", 1)
    parts = segment_video(light, frames, key_num=2, feature_memory=1)
    assert len(parts.sequences) == len(whole.sequences)
    for a, b in zip(parts.sequences, whole.sequences, strict=True):
        assert a.score == pytest.approx(b.score, abs=1e-4)
        assert (decode_masks(a.masks) != decode_masks(b.masks)).mean() < 1e-3


def carrier(light: VISModel) -> tuple[SharedKeyCarrier, list[FrameFeatures]]:
    network = light.network
    images = light.preprocess(moving_frames(4))
    with torch.no_grad():
        features = network.extract(images)
        terms = network.encode_frame(features)
    frames = [
        FrameFeatures(tuple(x[t : t + 1] for x in features.levels[:-1]), terms.own(slice(t, t + 1), features.levels[0]))
        for t in range(4)
    ]
    return SharedKeyCarrier(network.prop_head, 1 << 30), frames


@torch.no_grad()
def test_groups_do_not_see_each_other(light):
    """Two groups carried together are what they are alone."""
    one, frames = carrier(light)
    objects = (torch.rand(3, 64, 96, generator=torch.Generator().manual_seed(0)) > 0.5).float()
    sizes = [2, 1]

    def run(groups):
        memories = [one.memory(one.enter(g, frames[0], 0), EveryNth(4)) for g in groups]
        for t in (1, 2, 3):
            soft = one.segment(memories, frames[t], t)
            one.remember(memories, [t] * len(memories), soft, frames[t], t)
        return soft, one.visible

    together, visible = run(objects.split(sizes))
    alone = [run([g]) for g in objects.split(sizes)]
    torch.testing.assert_close(together, torch.cat([a[0] for a in alone]), rtol=0, atol=1e-4)
    torch.testing.assert_close(visible, torch.cat([a[1] for a in alone]), rtol=0, atol=1e-4)


@torch.no_grad()
def test_a_target_model_has_a_say_in_what_is_its_object_and_in_no_other(light):
    one, frames = carrier(light)
    objects = torch.ones(1, 64, 96)
    channels = frames[0].terms.skip2.shape[1] + frames[0].terms.skip3.shape[1] + 2 * frames[0].levels[0].shape[1]

    def drawn(*biases):
        targets = [None if b is None else TargetModel(torch.zeros(channels), torch.tensor(b)) for b in biases]
        memories = [one.memory(one.enter(objects, frames[0], 0), EveryNth(4), (), target) for target in targets]
        return one.segment(memories, frames[1], 1)

    (usual,) = drawn(None)
    more, less, other = drawn(2.0, -2.0, None)
    inside = (usual > 0.01) & (usual < 0.99)
    assert inside.any()
    # Competing with nothing but the background doubles logits.
    expected = torch.full_like(usual[inside], 2 * 2.0 * SHARE)
    torch.testing.assert_close(more[inside].logit() - usual[inside].logit(), expected, rtol=0, atol=1e-3)
    assert (less < usual)[inside].all()
    torch.testing.assert_close(other, usual)


@torch.no_grad()
def test_what_is_not_there_has_no_mask(light, monkeypatch):
    one, frames = carrier(light)
    objects = torch.ones(2, 64, 96)
    memory = one.memory(one.enter(objects, frames[0], 0), EveryNth(4))
    monkeypatch.setattr(one, "SEEN", 0.0)
    assert one.segment([memory], frames[1], 1).any()
    monkeypatch.setattr(one, "SEEN", 1.1)
    assert not one.segment([memory], frames[1], 1).any()


@torch.no_grad()
def test_the_key_frame_keeps_the_detected_masks(light):
    """At full size: masks that were drawn again would lose small objects."""
    one, frames = carrier(light)
    objects = torch.zeros(2, 60, 90)
    objects[0, 3:5, 7:9] = 1  # smaller than what a quarter of the size can hold
    objects[1, 20:50, 30:70] = 1
    memory = one.memory(one.enter(objects, frames[0], 0), EveryNth(4))
    soft = one.segment([memory], frames[0], 0)
    with SequenceCollector(light.network, 1) as collector:
        one.deliver(collector, 0, collector.add_sequences(2, objects.device), [memory], soft, frames[0])
        sequences, _ = collector.finish()
    found = decode_masks([masks[0] for masks in sequences])
    assert (found[:, :60, :90] == objects.numpy()).all()
    assert found.sum() == objects.sum()
    assert one.visible.tolist() == [1.0, 1.0]


def test_bank_of_shared_keys():
    bank = SharedKeyBank(7, torch.zeros(4, 3), torch.zeros(4, 2, 5), torch.zeros(2, 1, 1), FirstLast(4, 2))
    bank.write(1, 8, torch.ones(4, 3), torch.ones(4, 2, 5))
    bank.write(2, 9, torch.full((4, 3), 2.0), torch.full((4, 2, 5), 2.0))
    bank.write(1, 10, torch.full((4, 3), 3.0), torch.full((4, 2, 5), 3.0))
    assert bank.times == [7, 10, 9]
    assert [float(k[0, 0]) for k in bank.keys] == [0, 3, 2]
    assert bank.values[::4, 0, 0].tolist() == [0, 3, 2]
    with pytest.raises(ValueError, match="slots before"):
        SharedKeyBank(0, torch.zeros(1, 1), torch.zeros(1, 1, 1), torch.zeros(1), EveryNth(9)).write(
            2, 2, torch.zeros(1, 1), torch.zeros(1, 1, 1)
        )


def test_enlarged_masks_and_their_boxes_are_those_of_the_plain_way(light):
    one, _ = carrier(light)
    soft = torch.rand(6, 3, 4, 6, generator=torch.Generator().manual_seed(1)).mul(0.9)[0]
    soft = torch.cat((soft, torch.zeros(1, 4, 6), torch.ones(1, 4, 6)))
    packed = enlarged(soft.transpose(1, 2).contiguous().numpy(), 0.5)
    binary = one.full_size(soft) >= 0.5
    assert packed.dtype == np.uint8
    assert (packed != binary.transpose(1, 2).numpy()).mean() < 0.002  # a value of 0.5 rounds either way
    expected, visible = mask_boxes(torch.from_numpy(packed).bool().transpose(1, 2))
    boxes, seen = packed_boxes(packed, packed.shape[1:])
    assert seen.tolist() == visible.tolist() == [True, True, True, False, True]
    assert boxes.tolist() == expected.tolist()


def test_full_size_is_four_times_as_large(light):
    one, _ = carrier(light)
    assert np.asarray(one.full_size(torch.full((2, 3, 5), 0.25))).shape == (2, 12, 20)
    assert one.full_size(torch.full((2, 3, 5), 0.25)).allclose(torch.tensor(0.25))


def test_a_mask_is_enlarged_where_it_is_alone():
    rng = np.random.default_rng(0)
    soft = np.stack([cv2.GaussianBlur(rng.random((20, 12), np.float32), (0, 0), s) for s in (0.6, 0.9, 1.5)])
    soft[2, :, :7] = 0
    for threshold in (0.5, 0.55, 0.6):
        plain = [cv2.resize(m, (48, 80), interpolation=cv2.INTER_LINEAR) >= threshold for m in soft]
        assert (enlarged(soft, threshold) == plain).all()
