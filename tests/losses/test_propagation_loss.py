"""Carrying masks through a clip: which objects, from which masks, and the loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from mmdet_vis.baselines.plain import memorize, segment
from mmdet_vis.losses.propagation import Carried, Decoded, carry, choose_objects, paste_soft, propagation_loss
from mmdet_vis.models.heads.mask import paste_masks
from mmdet_vis.models.heads.propagation import SeqPropHead, soft_aggregate
from mmdet_vis.models.seq_mask_rcnn import Features
from mmdet_vis.structures.clip import TrainingClip
from tests.step_cases import Box, first, frame_targets

SIZE = (8, 12)
BOX: Box = (1, 1, 4, 4)


def clip_of(*frames: dict[int, Box | None]) -> TrainingClip:
    """A clip of frames with boxes by id; None is a hidden object."""
    targets = [frame_targets(list(f.values()), SIZE, labels=[1] * len(f), ids=list(f)) for f in frames]
    return TrainingClip(torch.zeros((len(frames), 3, *SIZE), dtype=torch.uint8), targets)


def rows(carried: Carried) -> tuple[list[int], list[list[int]]]:
    return carried.reference.tolist(), [r.tolist() for r in carried.rows]


def test_objects_of_both_frames_by_their_ids() -> None:
    """In the order of the current frame; 5 has left, 6 is new."""
    clip = clip_of({5: BOX, 7: BOX, 9: BOX}, {9: BOX, 6: BOX, 7: BOX})
    assert rows(choose_objects(clip, 5, first)) == ([2, 1], [[0, 2]])


def test_hidden_objects_are_not_carried() -> None:
    """7 is hidden in the first frame, 9 in the last."""
    clip = clip_of({7: None, 8: BOX, 9: BOX}, {7: BOX, 8: BOX, 9: None})
    assert rows(choose_objects(clip, 5, first)) == ([1], [[1]])


def test_frames_between_need_not_know_an_object() -> None:
    """Hidden there it keeps its row, unknown it has none; the first and the last frame decide."""
    clip = clip_of({1: BOX, 2: BOX, 3: BOX}, {3: None, 1: BOX}, {}, {1: BOX, 2: BOX, 3: BOX})
    carried = choose_objects(clip, 5, first)
    assert rows(carried) == ([0, 1, 2], [[1, -1, 0], [-1, -1, -1], [0, 1, 2]])
    assert len(carried) == 3


def test_limit() -> None:
    """What the chooser takes, in its order; it is not asked when there are no more than the limit."""
    clip = clip_of(dict.fromkeys(range(4), BOX), dict.fromkeys((3, 2, 1, 0), BOX))

    def backwards(indices: Tensor, number: int) -> Tensor:
        return indices.flip(0)[:number]

    assert rows(choose_objects(clip, 2, backwards)) == ([0, 1], [[3, 2]])
    assert rows(choose_objects(clip, 4, backwards)) == ([3, 2, 1, 0], [[0, 1, 2, 3]])


@pytest.mark.parametrize(
    "frames", [({}, {}), ({1: BOX}, {}), ({}, {1: BOX}), ({1: BOX}, {2: BOX}), ({1: None}, {1: None})]
)
def test_nothing_to_carry(frames: tuple[dict[int, Box | None], ...]) -> None:
    assert rows(choose_objects(clip_of(*frames), 5, first)) == ([], [[]])


def test_paste_soft_by_hand() -> None:
    """Two columns 0 and 1 drawn four pixels wide are 0, 1/4, 3/4, 1; nothing outside the box."""
    mask = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]])
    expected = torch.zeros(1, 4, 6)
    expected[0, 1:3, 2:6] = torch.tensor([0, 0.25, 0.75, 1])
    assert torch.equal(paste_soft(mask, torch.tensor([[2.7, 1.2, 5.9, 2.9]]), (4, 6)), expected)


def test_paste_soft_at_the_border() -> None:
    """A box one pixel past the canvas loses that pixel; one wholly outside or turned inside out does no harm."""
    mask = torch.tensor([[[0.0, 1.0], [0.0, 1.0]]]).repeat(3, 1, 1)
    boxes = torch.tensor([[3.0, 2, 6, 4], [6, 4, 6, 4], [2, 0, 1, 0]])
    expected = torch.zeros(3, 4, 6)
    expected[0, 2:4, 3:6] = torch.tensor([0, 0.25, 0.75])
    expected[2, 0, 2] = 0.5
    torch.testing.assert_close(paste_soft(mask, boxes, (4, 6)), expected)
    assert paste_soft(mask[:0], boxes[:0], (4, 6)).shape == (0, 4, 6)


def test_paste_soft_beside_inference() -> None:
    """Thresholded it is the mask that inference draws, larger and smaller than the 28 cells, at the borders too."""
    rng = np.random.default_rng(0)
    canvas = (50, 90)
    corner = rng.uniform(0, [70, 40], (40, 2))
    size = rng.uniform(1, 60, (40, 2))
    boxes = np.hstack([corner, np.minimum(corner + size, [89, 49])]).astype(np.float32)
    boxes[0] = (0, 0, 90, 50)
    probability = rng.random((40, 28, 28), dtype=np.float32)
    soft = paste_soft(torch.from_numpy(probability), torch.from_numpy(boxes), canvas).numpy()
    sure = np.abs(soft - 0.5) > 1e-5
    np.testing.assert_array_equal((soft > 0.5) & sure, (paste_masks(probability, boxes, canvas) > 0) & sure)
    assert sure.mean() > 0.999
    assert soft.max() > 0.9


def decoded(soft: Tensor) -> Decoded:
    """Masks whose logits before the competition say the contrary: only the cross entropy may look at them."""
    return Decoded(logits=50 - 100 * soft, soft=soft)


def test_loss_of_two_objects_by_hand() -> None:
    """Sum over objects; a prediction is as large as the padded image, of which the truth knows a part."""
    clip = clip_of({1: BOX, 2: BOX}, {1: (0, 0, 3, 3), 2: (4, 0, 7, 3)})
    soft = torch.zeros(2, 16, 16)
    soft[0, :4, :2] = 0.5  # 8 pixels of 16 by half: 4 / 16
    soft[1, :4, 4:8] = 1.0  # all of 16
    soft[1, 8:, 12:14] = 1.0  # and 16 in the padding: 16 / 32
    carried = Carried(torch.tensor([0, 1]), [torch.tensor([0, 1])])
    assert propagation_loss([decoded(soft)], clip, carried).item() == pytest.approx(0.75 + 0.5, abs=1e-6)


def test_loss_follows_the_rows() -> None:
    """The second object of the clip alone."""
    clip = clip_of({1: BOX, 2: BOX}, {1: (0, 0, 3, 3), 2: (4, 0, 7, 3)})
    soft = torch.zeros(1, *SIZE)
    soft[0, :4, 4:8] = 1.0
    carried = Carried(torch.tensor([1]), [torch.tensor([1])])
    assert propagation_loss([decoded(soft)], clip, carried).item() == pytest.approx(0, abs=1e-6)


def test_loss_is_averaged_over_frames_that_show_the_object() -> None:
    """A hidden and an unknown object cost nothing between; the number of frames stays the same."""
    clip = clip_of({1: BOX}, {1: None}, {}, {1: (0, 0, 3, 3)})
    carried = choose_objects(clip, 5, first)
    soft = torch.full((1, *SIZE), 0.5)
    expected = 1 - 8 / (16 + 80 / 2)
    assert propagation_loss([decoded(soft)] * 3, clip, carried).item() == pytest.approx(expected / 3, rel=1e-5)


def test_cross_entropy_is_added_with_its_weight() -> None:
    """Of the masks before the competition, 1/4 everywhere. It also costs where the object is hidden or unknown."""
    clip = clip_of({1: BOX}, {1: None}, {}, {1: (0, 0, 3, 3)})
    carried = choose_objects(clip, 5, first)
    found = [Decoded(torch.full((1, *SIZE), -math.log(3)), torch.full((1, *SIZE), 0.9))] * 3
    added = propagation_loss(found, clip, carried, bce_weight=2.0) - propagation_loss(found, clip, carried)
    last = (16 * math.log(4) + 80 * math.log(4 / 3)) / 96
    assert added.item() == pytest.approx(2 * (2 * math.log(4 / 3) + last) / 3, rel=1e-5)


def tiny_head(seed: int = 0, channels: int = 3) -> SeqPropHead:
    """A head of a few hundred numbers in float64, whose outputs are not all alike."""
    torch.manual_seed(seed)
    head = SeqPropHead(channels, channels, channels, channels, key_channels=2, fuse_channels=channels).double()
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    return head


def features_of(frames: int, height: int, width: int, channels: int = 3) -> list[Tensor]:
    """P2, C2 and C3 ``[frames, channels, ., .]`` of images ``height x width``, random float64."""
    generator = torch.Generator().manual_seed(1)
    sizes = [(height // 4, width // 4)] * 2 + [(height // 8, width // 8)]
    return [torch.randn((frames, channels, *s), generator=generator, dtype=torch.float64) for s in sizes]


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Float64 throughout: the head rounds its logits to float32, too coarse for finite differences."""
    monkeypatch.setattr(Tensor, "float", lambda self: self)


@pytest.mark.usefixtures("exact")
def test_carry_is_the_formula_of_the_paper() -> None:
    """Beside tests/plain.py: each frame is read from all those before it, with the masks that were found there."""
    head = tiny_head()
    p2, c2, c3 = features_of(4, 32, 48)
    masks = torch.rand((2, 30, 45), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    terms = [head.encode_frame(*(x[t : t + 1] for x in (p2, c2, c3))) for t in range(1, 4)]
    found = carry(head, p2[:1], masks, terms)
    key, value = memorize(head, p2[:1], masks)
    keys, values = [key], [value]
    for t in range(1, 4):
        frame = Features((c2[t : t + 1], c3[t : t + 1]), (p2[t : t + 1],))
        expected = segment(head, frame, keys, values)
        assert found[t - 1].logits.shape == found[t - 1].soft.shape == (2, 32, 48)
        torch.testing.assert_close(found[t - 1].soft, expected, rtol=0, atol=1e-10)
        key, value = memorize(head, frame.levels[0], expected)
        keys.append(key)
        values.append(value)
        torch.testing.assert_close(soft_aggregate(found[t - 1].logits.sigmoid()), expected, rtol=0, atol=1e-10)
    assert (found[1].soft - found[0].soft).abs().max() > 1e-3


@pytest.mark.usefixtures("exact")
def test_gradient_of_carry() -> None:
    """Through three frames to the masks and to the features of each, with the head's own in-place steps."""
    head = tiny_head()

    def carried(masks: Tensor, p2: Tensor, c2: Tensor, c3: Tensor) -> tuple[Tensor, ...]:
        terms = [head.encode_frame(*(x[t : t + 1] for x in (p2, c2, c3))) for t in (1, 2)]
        return tuple(x for frame in carry(head, p2[:1], masks, terms) for x in frame)

    masks = torch.rand((2, 16, 16), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    inputs = [x.requires_grad_() for x in (masks, *features_of(3, 16, 16))]
    assert gradcheck(carried, inputs, fast_mode=True, check_undefined_grad=False)
    gradients = torch.autograd.grad(carried(*inputs)[-1].sum(), inputs)
    assert all(g.abs().max() > 1e-6 for g in gradients)


@pytest.mark.usefixtures("exact")
def test_gradient_of_the_weights_of_carry() -> None:
    """Each parameter of the head is moved along a direction of its own."""
    head = tiny_head()
    start = {name: p.detach() for name, p in head.named_parameters()}
    ways = {name: torch.randn_like(p) for name, p in start.items()}
    p2, c2, c3 = features_of(2, 16, 16)
    masks = torch.rand((2, 16, 16), generator=torch.Generator().manual_seed(2), dtype=torch.float64)

    class Carry(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = head

        def forward(self) -> Tensor:
            return carry(self.head, p2[:1], masks, [self.head.encode_frame(p2[1:], c2[1:], c3[1:])])[0].soft

    module = Carry()

    def carried(steps: Tensor) -> Tensor:
        moved = {f"head.{n}": start[n] + step * ways[n] for n, step in zip(start, steps, strict=True)}
        return torch.func.functional_call(module, moved, ())

    steps = torch.zeros(len(start), dtype=torch.float64, requires_grad=True)
    assert gradcheck(carried, steps, fast_mode=True, check_undefined_grad=False)
