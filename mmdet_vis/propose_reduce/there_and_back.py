"""How large an object is drawn: a mask that a person gave is carried a few frames away and back, and both compared.

The way back ends where the right mask is known, and nothing of it was remembered, so what the head gets wrong there it
gets wrong on other frames: a little too much all around a dog, too little of a wide skirt. This is the consistency in
time of tracking there and back (Kalal et al., "Forward-Backward Error", ICPR 2010), used to correct and not to judge.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from mmdet_vis.propose_reduce.arena import arenas_of
from mmdet_vis.propose_reduce.carry import SharedKeyCarrier
from mmdet_vis.propose_reduce.collect import FOREGROUND_THR
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from mmdet_vis.propose_reduce.memory import KeyFrameOnly
from mmdet_vis.propose_reduce.propose import Group

AWAY = 4
"""Frames that a mask is carried away at most: on the first ones nothing is lost that is lost later."""
MOST = 1.0
"""Largest shift of the logits."""
HALF = 0.5
"""Of what is found: other frames differ."""
STEPS = 16
"""Halvings of the interval in which the shift is sought."""


@torch.no_grad()
def drawn_too_small(carrier: SharedKeyCarrier, store: FeatureStore, group: Group) -> float:
    """What to add to the logits of an object so that it is drawn as large as a person drew it, on average.

    Args:
        carrier: of the head.
        store: features of the video's frames.
        group: one object on a frame where a person gave its mask; it is carried to the frames of its span only.

    Returns:
        The shift, within +-:data:`MOST`; 0 if there is nowhere to go, or the object was lost on the way.
    """
    found = list(_walks(carrier, store, group))
    if not found:
        return 0.0
    logits = torch.stack([soft.clamp(1e-4, 1 - 1e-4).logit() for soft, _ in found])
    area = torch.stack([given for _, given in found]).sum()
    low, high = -MOST / HALF, MOST / HALF
    for _ in range(STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if (logits + middle).sigmoid().sum() < area else (low, middle)
    return HALF * (low + high) / 2


def _walks(carrier: SharedKeyCarrier, store: FeatureStore, group: Group) -> Iterator[tuple[Tensor, Tensor]]:
    """For each direction the masks ``[1, h, w]`` in [0, 1] that came back, and the one that was given."""
    (side,) = arenas_of([group])
    for step in (1, -1):
        path: list[int] = []
        for t in range(group.key + step, group.key + step * (AWAY + 1), step):
            if not 0 <= t < len(store.source) or not group.covers(t) or t in group.hidden:
                break
            path.append(t)
        if not path:
            continue
        features = store.get(group.key, 1)
        masks, far = group.binary_masks(features.device), path[-1]
        entry = carrier.enter(masks, features, group.key, side.against(group.key, features.device))
        given = entry.masks
        for way in (path, [*path[-2::-1], group.key]):
            memory = carrier.memory(entry, KeyFrameOnly(), (), group.target)
            for t in way:
                features = store.get(t, 1)
                soft = carrier.segment([memory], features, t, [side])
            if way is path:
                masks = (carrier.full_size(soft) >= FOREGROUND_THR).float()
                entry = carrier.enter(masks, features, far, side.against(far, features.device))
        if (soft >= FOREGROUND_THR).any():
            yield soft, given
