"""The light propagation head: shapes, gradients, and that objects are computed together as they are alone."""

from __future__ import annotations

import pytest
import torch

from mmdet_vis.models.heads import LightPropHead
from mmdet_vis.models.heads.light_propagation import InputNorm, LightTerms, rivals_of

CHANNELS = (6, 8, 12)
SIZE = (64, 96)


def head(seed: int = 0, **options: int) -> LightPropHead:
    torch.manual_seed(seed)
    small = {"channels": 16, "mid_channels": 8, "fine_channels": 8, "key_channels": 8, "trunk_channels": 16}
    return LightPropHead(CHANNELS, **{**small, **options}).eval()


def stages(frames: int, seed: int = 1) -> list[torch.Tensor]:
    torch.manual_seed(seed)
    return [torch.randn(frames, c, SIZE[0] // s, SIZE[1] // s) for c, s in zip(CHANNELS, (4, 8, 16), strict=True)]


def masks(number: int) -> torch.Tensor:
    torch.manual_seed(2)
    return torch.rand(number, SIZE[0] // 4, SIZE[1] // 4)


def keys_of(terms: LightTerms) -> list[torch.Tensor]:
    return [key.flatten(1).t() for key in terms.key]


def carried(network: LightPropHead, number: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits and visibility in the third frame of objects that the first two hold."""
    terms = network.encode_frame(stages(3))
    keys, now = keys_of(terms), terms[2:]
    objects = masks(number)
    rivals = rivals_of(objects, [number])
    values = torch.cat([network.memorize(terms[t : t + 1], objects, rivals).transpose(0, 1) for t in (0, 1)])
    attention = [network.attend(now, key, just_before=t == 1) for t, key in enumerate(keys[:2])]
    return network.decode(network.read(attention, values), now, objects, rivals)


def test_shapes():
    network = head()
    terms = network.encode_frame(stages(2))
    assert terms.key.shape == (2, 8, 4, 6)
    assert terms.skip2.shape == (2, 8, 16, 24)
    assert torch.allclose(terms.key.norm(dim=1), torch.ones(2, 4, 6))
    assert network.memorize(terms[:1], masks(3), masks(3)).shape == (3, 24, 16)
    logits, visible = carried(network, 3)
    assert logits.shape == (3, 16, 24)
    assert visible.shape == (3,)


def test_one_object_is_the_same_among_others_that_are_no_rivals():
    network = head()
    terms = network.encode_frame(stages(2))
    none = torch.zeros_like(masks(4))
    together = network.memorize(terms[:1], masks(4), none).transpose(0, 1)
    alone = network.memorize(terms[:1], masks(4)[2:3], none[:1]).transpose(0, 1)
    torch.testing.assert_close(together[:, 2:3], alone, rtol=0, atol=1e-5)
    attention = [network.attend(terms[1:], keys_of(terms)[0], just_before=True)]
    read = network.read(attention, together)
    torch.testing.assert_close(read[2:3], network.read(attention, alone), rtol=0, atol=1e-5)
    found = network.decode(read, terms[1:], masks(4), none)
    one = network.decode(read[2:3], terms[1:], masks(4)[2:3], none[:1])
    torch.testing.assert_close(found.logits[2:3], one.logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.visible[2:3], one.visible, rtol=0, atol=1e-5)


def test_rivals_change_what_is_found():
    network = head()
    terms = network.encode_frame(stages(1))
    none = torch.zeros_like(masks(2))
    assert not torch.allclose(network.memorize(terms, masks(2), none), network.memorize(terms, masks(2), 1 - none))


def test_reading_is_softmax_attention():
    network = head()
    terms = network.encode_frame(stages(3))
    keys, values = keys_of(terms), torch.randn(48, 2, 16)
    found = network.read([network.attend(terms[2:], k, just_before=False) for k in keys[:2]], values)
    similarity = network.log_scale.exp() * keys[2] @ torch.cat(keys[:2]).t()
    expected = torch.einsum("ps,snc->npc", similarity.softmax(dim=1), values)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_what_is_near_is_preferred_in_the_frame_just_passed():
    network = head()
    network.log_reach.data.fill_(0.0)  # one position
    flat = LightTerms(*(torch.ones_like(t) for t in network.encode_frame(stages(1)).tensors()))
    flat.key = torch.nn.functional.normalize(flat.key, dim=1)
    (key,) = keys_of(flat)
    assert network.attend(flat, key, just_before=False).weights.allclose(torch.ones(24, 24))
    near = network.attend(flat, key, just_before=True).weights
    assert near.argmax(dim=1).tolist() == list(range(24))
    assert near[0, 1].item() == pytest.approx(0.6065, abs=1e-3)  # exp(-1/2): one position away
    assert near[0, 6].item() == pytest.approx(0.6065, abs=1e-3)  # the next row
    assert near[0, 7].item() == pytest.approx(0.3679, abs=1e-3)


def test_top_k_keeps_the_largest_weights():
    network, few = head(), head(top_k=3)
    terms = network.encode_frame(stages(2))
    whole = network.attend(terms[1:], keys_of(terms)[0], just_before=False).weights
    kept, total = few.attend(terms[1:], keys_of(terms)[0], just_before=False)
    assert (kept > 0).sum(dim=1).tolist() == [3] * 24
    assert torch.equal(kept.max(dim=1).values, whole.max(dim=1).values)
    assert torch.equal(kept[kept > 0], whole[kept > 0])
    assert total.allclose(kept.sum(dim=1))


def test_masks_are_averaged_to_a_quarter_and_padded():
    full = torch.zeros(1, 6, 8)
    full[:, :, :4] = 1
    small = head().shrink(full, (2, 3))
    assert small[0].tolist() == [[1.0, 0.0, 0.0], [0.5, 0.0, 0.0]]


def test_rivals_of_groups():
    objects = torch.tensor([0.5, 0.8, 0.9, 0.3]).reshape(4, 1, 1)
    assert rivals_of(objects, [3, 1]).flatten().tolist() == pytest.approx([1.0, 1.0, 1.0, 0.0])
    assert rivals_of(objects, [2, 2]).flatten().tolist() == pytest.approx([0.8, 0.5, 0.3, 0.9])


def test_every_parameter_has_a_gradient():
    network = head()
    logits, visible = carried(network, 2)
    (logits.square().mean() + visible.square().mean()).backward()
    assert [name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()] == []


def test_input_statistics_are_measured_once_and_do_not_follow_training():
    norm = InputNorm(3)
    assert not norm.measured
    features = 5 + 2 * torch.randn(4, 3, 16, 16)
    norm.measure([features[:2], features[2:]])
    found = norm.train()(features)
    assert norm.measured
    assert not norm.training
    torch.testing.assert_close(found.mean(dim=(0, 2, 3)), torch.zeros(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(found.var(dim=(0, 2, 3)), torch.ones(3), rtol=0, atol=1e-3)


def test_reduced_precision_is_near():
    exact, rounded = head(), head()
    rounded.reduce_precision(torch.bfloat16)
    assert rounded.log_scale.dtype == torch.float32
    frames = stages(1)
    a, b = exact.frame_terms((), frames), rounded.frame_terms((), frames)
    assert b.skip2.dtype == torch.bfloat16
    torch.testing.assert_close(a.key, b.key, rtol=0, atol=0.05)
