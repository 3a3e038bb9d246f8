"""Loss functions: values by hand, gradients by finite differences."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck

from mmdet_vis.losses.losses import mask_cross_entropy, smooth_l1, soft_iou_loss
from mmdet_vis.models.heads.propagation import soft_aggregate


def uniform(*shape: int, low: float = 0.05, high: float = 0.95, seed: int = 0) -> Tensor:
    """Random float64 numbers that want a gradient, none at the border of what a probability may be."""
    generator = torch.Generator().manual_seed(seed)
    values = torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low
    return values.requires_grad_()


def test_smooth_l1_below_at_and_above_the_knee() -> None:
    """beta = 0.5: d^2 / (2 beta) below, d - beta / 2 above; both give 0.25 at the knee."""
    distance = torch.tensor([0.0, 0.25, 0.5, 0.75, 3.0])
    expected = [0.0, 0.0625, 0.25, 0.5, 2.75]
    assert smooth_l1(distance, torch.zeros(5), 0.5).tolist() == expected
    assert smooth_l1(torch.zeros(5), distance, 0.5).tolist() == expected


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_smooth_l1_has_no_step_at_the_knee(beta: float) -> None:
    """Value beta / 2 and slope 1 from both sides."""
    around = torch.tensor([beta - 1e-9, beta, beta + 1e-9], dtype=torch.float64, requires_grad=True)
    loss = smooth_l1(around, torch.zeros(3, dtype=torch.float64), beta)
    loss.sum().backward()
    torch.testing.assert_close(loss.detach(), torch.full((3,), beta / 2, dtype=torch.float64), rtol=0, atol=2e-9)
    assert around.grad is not None
    torch.testing.assert_close(around.grad, torch.ones(3, dtype=torch.float64), rtol=0, atol=1e-7)


@pytest.mark.parametrize("beta", [1 / 9, 1.0])
def test_smooth_l1_gradient(beta: float) -> None:
    """Of both arguments, on both sides of the knee."""
    predicted, target = uniform(40, low=-2, high=2), uniform(40, low=-2, high=2, seed=1)
    assert gradcheck(lambda p, t: smooth_l1(p, t, beta), (predicted, target))


def test_soft_iou_by_hand() -> None:
    """Minima 0.5 + 1 + 0 + 0 over maxima 1 + 1 + 0.25 + 0.75."""
    probability = torch.tensor([[[0.5, 1.0], [0.25, 0.75]]])
    target = torch.tensor([[[1, 1], [0, 0]]], dtype=torch.uint8)
    assert soft_iou_loss(probability, target).item() == pytest.approx(1 - 1.5 / 3.0, abs=1e-6)


def test_soft_iou_of_perfect_disjoint_and_empty_masks() -> None:
    """One object each; whatever is predicted for an empty target, its loss is 1."""
    one, none = torch.ones(2, 3), torch.zeros(2, 3)
    left = torch.tensor([[1.0, 0, 0], [1, 0, 0]])
    probability = torch.stack((one, left, one, none))
    target = torch.stack((one, 1 - left, none, none))
    loss = soft_iou_loss(probability, target)
    assert loss.shape == (4,)
    torch.testing.assert_close(loss, torch.tensor([0.0, 1.0, 1.0, 1.0]), rtol=0, atol=1e-6)


def test_soft_iou_gradient() -> None:
    target = (uniform(3, 4, 5, seed=1) > 0.5).detach()
    assert gradcheck(lambda p: soft_iou_loss(p, target), (uniform(3, 4, 5),))


def logit(probability: Tensor) -> Tensor:
    return torch.log(probability / (1 - probability))


def test_cross_entropy_by_hand() -> None:
    """Mean of -ln of what is said of the true side: 1/2, 1/4 | 3/4, 1/8."""
    probability = torch.tensor([[[0.5, 0.75]], [[0.75, 0.125]]])
    target = torch.tensor([[[1, 0]], [[1, 1]]], dtype=torch.uint8)
    expected = [(math.log(2) + math.log(4)) / 2, (math.log(4 / 3) + math.log(8)) / 2]
    assert mask_cross_entropy(logit(probability), target).tolist() == pytest.approx(expected, rel=1e-6)


def test_cross_entropy_teaches_that_an_object_has_gone() -> None:
    """Unlike the soft IoU it falls with what is predicted for an empty target."""
    probability = torch.stack((torch.full((2, 2), 0.75), torch.full((2, 2), 0.5)))
    loss = mask_cross_entropy(logit(probability), torch.zeros(2, 2, 2))
    assert loss.tolist() == pytest.approx([math.log(4), math.log(2)], rel=1e-6)


def test_cross_entropy_of_certain_predictions() -> None:
    """Logits whose probability is rounded to 0 or 1: no loss where right, its size where wrong, with full gradient."""
    logits = torch.tensor([[[-200.0, 200.0]], [[-200.0, 200.0]]], requires_grad=True)
    loss = mask_cross_entropy(logits, torch.tensor([[[0, 1]], [[1, 0]]]))
    loss.sum().backward()
    assert loss.tolist() == [0, 200]
    assert logits.grad is not None
    assert logits.grad.tolist() == [[[0, 0]], [[-0.5, 0.5]]]


def test_cross_entropy_gradient() -> None:
    target = (uniform(3, 4, 5, seed=1) > 0.5).detach()
    assert gradcheck(lambda x: mask_cross_entropy(x, target), (uniform(3, 4, 5, low=-4, high=4),))


def test_soft_aggregation_by_hand() -> None:
    """Background 0.2 * 0.5 has the odds 1/9, the objects 4 and 1."""
    found = soft_aggregate(torch.tensor([0.8, 0.5]).reshape(2, 1, 1))
    odds = 4 + 1 + 1 / 9
    assert found.flatten().tolist() == pytest.approx([4 / odds, 1 / odds], rel=1e-5)


def test_soft_aggregation_of_one_object_is_sharper() -> None:
    """p / (1 - p) against (1 - p) / p: p^2 / (p^2 + (1 - p)^2)."""
    found = soft_aggregate(torch.tensor([0.25, 0.5, 0.75]).reshape(1, 1, 3))
    assert found.flatten().tolist() == pytest.approx([0.1, 0.5, 0.9], rel=1e-5)


@pytest.mark.parametrize("objects", [1, 2, 4])
def test_soft_aggregation_gradient(objects: int) -> None:
    assert gradcheck(soft_aggregate, (uniform(objects, 3, 4),))


def test_soft_aggregation_is_finite_at_certainty() -> None:
    """All of three objects at 0 or 1, in float32 as in training."""
    probability = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * 3).t()[:, None].clone().requires_grad_()
    found = soft_aggregate(probability)
    (found**2).sum().backward()
    assert found.isfinite().all()
    assert (found.sum(dim=0) < 1 + 1e-6).all()
    assert probability.grad is not None
    assert probability.grad.isfinite().all()
