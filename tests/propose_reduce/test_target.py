"""Telling an object's pixels from others by the frames that a person gave."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from mmdet_vis.models.heads.light_propagation import LightPropHead, LightTerms
from mmdet_vis.propose_reduce import target
from mmdet_vis.propose_reduce.feature_store import FrameFeatures
from mmdet_vis.propose_reduce.target import SHARE, SUREST, fit_target, share_of
from mmdet_vis.structures import RLE, encode_masks

HEAD = LightPropHead([4, 4, 4], channels=8, mid_channels=4, fine_channels=4, key_channels=4, trunk_channels=8)
HEIGHT, WIDTH = 16, 24


class Store:
    """Frames in which an object and its look-alike, which one channel tells apart, move to the right."""

    def __init__(self, levels: bool = True, broken: bool = False) -> None:
        self.levels, self.broken, self.asked = levels, broken, []

    def get(self, time: int, direction: int) -> FrameFeatures:
        self.asked.append(time)
        generator = torch.Generator().manual_seed(time)

        def noise(channels: int, step: int) -> Tensor:
            return 0.1 * torch.randn(1, channels, HEIGHT // step, WIDTH // step, generator=generator)

        fine, middle = noise(4, 1), noise(4, 2)
        for first, sign in ((2 + time, 1.0), (12 + time, -1.0)):
            fine[0, 0, 4:12, first : first + 6] += 1
            fine[0, 1, 4:12, first : first + 6] += sign
        if self.broken:
            fine[0, 0, 0, 0] = torch.nan
        terms = LightTerms(noise(4, 4), noise(8, 4), noise(8, 4), middle, fine)
        return FrameFeatures((noise(3, 1), noise(3, 2), noise(3, 4)) if self.levels else (), terms)


def given(time: int) -> RLE:
    return encode_masks(np.repeat(np.repeat(truth(time), 4, 0), 4, 1)[None])[0]


def truth(time: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[4:12, 2 + time : 8 + time] = 1
    return mask


def test_a_model_counts_by_how_well_it_tells_the_object_where_it_has_not_been():
    store = Store()
    model = fit_target(HEAD, store, {0: given(0)})

    def share(known: Callable[[int], np.ndarray], frames: Sequence[int] = range(1, 8)) -> float:
        return share_of(model, HEAD, store, lambda t: np.repeat(np.repeat(known(t), 4, 0), 4, 1), frames)

    assert share(truth) == SHARE
    assert 0 < share(lambda t: truth(t) | np.roll(truth(t), 3, axis=1)) < SHARE
    assert share(lambda t: np.roll(truth(t), 10, axis=1)) == 0  # it says the opposite of what is there
    # Nobody knows.
    assert share(truth, []) == SHARE
    assert share(lambda t: np.zeros_like(truth(t))) == SHARE


@pytest.mark.parametrize("levels", [True, False])
def test_an_object_is_told_from_what_looks_like_it_on_other_frames(levels):
    store = Store(levels)
    model = fit_target(HEAD, store, {0: given(0)})
    logits = model.logits(store.get(4, 1))
    assert logits.shape == (HEIGHT, WIDTH)
    assert ((logits > 0).numpy() == truth(4)).mean() > 0.98
    assert logits.abs().max() <= SUREST
    assert torch.equal(fit_target(HEAD, store, {0: given(0)}).weight, model.weight)


def test_of_many_frames_some_are_used_the_first_and_the_last_among_them():
    store = Store()
    fit_target(HEAD, store, {t % 10: given(t % 10) for t in range(10)})
    assert len(set(store.asked)) == target.MOST
    assert {0, 9} <= set(store.asked)


def test_features_that_are_no_numbers_are_told():
    with pytest.raises(FloatingPointError):
        fit_target(HEAD, Store(broken=True), {0: given(0)})
