"""Objects that a person has shown on some frames, carried to the frames between and beyond."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmdet_vis.models.fast_conv import pending_bytes
from mmdet_vis.models.heads.light_propagation import LightPropHead
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.propose_reduce.arena import Arena
from mmdet_vis.propose_reduce.budget import check_memory
from mmdet_vis.propose_reduce.carry import entry_bytes
from mmdet_vis.propose_reduce.collect import SequenceCollector, packed_boxes
from mmdet_vis.propose_reduce.feature_store import EngineSettings, FeatureStore
from mmdet_vis.propose_reduce.memory import MemoryConfig
from mmdet_vis.propose_reduce.propagate import Propagator
from mmdet_vis.propose_reduce.propose import Group
from mmdet_vis.propose_reduce.target import fit_target, share_of
from mmdet_vis.structures.masks import RLE

Known = Callable[[int], NDArray[np.uint8]]
"""Gives a mask of a frame, ``[h, w]`` uint8, 0 or 1, at the size of the network's input before padding."""

AGREES = 0.95
"""IoU at which a mask that a correction arrives with is the one that is there."""


@dataclass
class Shown:
    """An object that a person has shown.

    Attributes:
        given: its masks by frame, at the size of the network's input before padding; not empty.
        new: those frames of ``given`` that the masks are to be carried from.
        hidden: frames on which it cannot be seen.
        known: the masks that it has so far, for frames that no new one changes; None: it has none.
        proposed_on: the frame on which it was detected, if that is why it has masks.
    """

    given: Mapping[int, RLE]
    new: Collection[int]
    hidden: Collection[int] = ()
    known: Known | None = None
    proposed_on: int | None = None


@dataclass
class Followed:
    """N objects that were followed through T frames.

    Attributes:
        masks: N lists of T RLEs at the padded size; None where a mask stays what it was.
        scores: ``[N, C + 1]`` float32 class scores.
        classes: ``[N, T]`` float32, the probability of each object's best category in each frame.
        sharp: ``[N, T]`` float32, see :func:`~mmdet_vis.propose_reduce.collect.sharpness`.
    """

    masks: list[list[RLE | None]]
    scores: NDArray[np.float32]
    classes: NDArray[np.float32] = field(repr=False)
    sharp: NDArray[np.float32] = field(repr=False)


@dataclass(frozen=True)
class Reach:
    """How far a mask of frame ``key`` is carried.

    Attributes:
        key: the frame.
        near: the frames that are nearest to it of all frames that the object is known on: these always change.
        far: the frames that may change, as long as what is carried there is not what is there.
    """

    key: int
    near: range
    far: range


def reaches(shown: Shown, num_frames: int) -> list[Reach]:
    """How far the new masks of an object are carried.

    A frame follows the nearest frame on which a person gave the mask: masks are carried from both of two such frames to
    the middle, and each is remembered all the way. Nobody vouches for the frame on which the object was detected: what
    is nearer to it changes only until the mask that is carried agrees with the one that is there.
    """
    given, found = sorted(shown.given), []
    for key in sorted(shown.new):
        place = given.index(key)
        before = given[place - 1] if place else None
        after = given[place + 1] if place + 1 < len(given) else None
        start = 0 if before is None else (before + key) // 2 + 1
        stop = num_frames if after is None else (key + after) // 2 + 1
        near_start, near_stop, on = start, stop, shown.proposed_on
        if shown.known is not None and on is not None and on not in shown.given:
            if before is None and on < key:
                near_start = (on + key) // 2 + 1
            if after is None and on > key:
                near_stop = (key + on) // 2 + 1
        found.append(Reach(key, range(near_start, near_stop), range(start, stop)))
    return found


def follow(
    model: SeqMaskRCNN,
    store: FeatureStore,
    shown: Sequence[Shown],
    rivals: Callable[[int], NDArray[np.uint8] | None],
    image_size: tuple[int, int],
    memory: MemoryConfig,
    engine: EngineSettings,
    progress: Callable[[int, int], None] | None = None,
    classify: bool = True,
) -> Followed:
    """Carry the new masks of some objects through a video; they compete with each other and with ``rivals``.

    Args:
        model: the network, in evaluation mode on ``engine.device``.
        store: features of the video's frames; what it holds is not computed again.
        shown: N objects, each with at least one new mask.
        rivals: gives the union of the masks of everything else on a frame, see :class:`Arena`.
        image_size: (height, width) of the resized, unpadded frames.
        memory: which frames are remembered, besides those on which masks were given.
        engine: how the machine is used.
        progress: called with (frames swept, frames to sweep at most).
        classify: whether the network says what the objects are; False: nobody does, and scores are 0.

    Raises:
        SourceError: a frame cannot be read, or the memories do not fit.
        FloatingPointError: the network gives numbers that are not finite.
    """
    num_frames = len(store.source)
    with SequenceCollector(model if classify else None, num_frames) as collector:
        collector.add_sequences(len(shown), engine.device)
        arena = Arena(rivals, [one.given for one in shown], collector.rles)
        groups = [group for i, one in enumerate(shown) for group in _groups(i, one, arena, num_frames)]
        groups.sort(key=lambda group: group.key)
        frame_bytes = entry_bytes(model.prop_head, image_size, engine.dtype)
        reserved = pending_bytes(model)
        store.bound_growth(check_memory(groups, memory, num_frames, frame_bytes, engine.device, reserved))
        if isinstance(model.prop_head, LightPropHead):
            _teach(model.prop_head, store, shown, groups)
        sweeps = Propagator(model.prop_head, store, collector, memory, engine.chunk_bytes, progress=progress)
        sweeps.run(groups)
        collector.wait()
        _score_kept(shown, store, collector)
        scores = collector.scores()
        classes, sharp = collector.evidence(scores[:, 1:].argmax(axis=1))
    return Followed(collector.rles, scores, classes, sharp)


def _teach(head: LightPropHead, store: FeatureStore, shown: Sequence[Shown], groups: Sequence[Group]) -> None:
    """Let what was given of each object say what it looks like."""
    targets = []
    for one in shown:
        target = fit_target(head, store, one.given)
        if one.known is not None:
            others = [t for t in range(len(store.source)) if t not in one.given and t not in one.hidden]
            target = replace(target, share=share_of(target, head, store, one.known, others))
        targets.append(target)
    for group in groups:
        group.target = targets[group.indices[0]]


def _groups(index: int, shown: Shown, arena: Arena, num_frames: int) -> list[Group]:
    """One group for each new mask of an object."""
    every = {t: Group(t, [mask], [index], hidden=shown.hidden, arena=arena) for t, mask in shown.given.items()}
    found = []
    for reach in reaches(shown, num_frames):
        group = every[reach.key]
        group.span = reach.far
        group.others = [other for t, other in sorted(every.items()) if t != reach.key]
        if reach.near != reach.far and shown.known is not None:
            group.until = _arrival(shown.known, reach.near)
        found.append(group)
    return found


def _arrival(known: Known, near: range) -> Callable[[int, Tensor], bool]:
    """Tells whether what is carried to a frame beyond ``near`` is what is there."""

    def agrees(time: int, masks: Tensor) -> bool:
        if time in near:
            return False
        there = known(time).astype(bool)
        carried = masks[0, : there.shape[0], : there.shape[1]].cpu().numpy()
        union = np.count_nonzero(carried | there)
        return union == 0 or bool(np.count_nonzero(carried & there) / union >= AGREES)

    return agrees


@torch.no_grad()
def _score_kept(shown: Sequence[Shown], store: FeatureStore, collector: SequenceCollector) -> None:
    """Score the masks that stay as well: a score is the mean over all frames."""
    for t in range(collector.num_frames):
        indices = [i for i, masks in enumerate(collector.rles) if masks[t] is None]
        if not indices:
            continue
        features = store.get(t, 1)
        there = [None if t in one.hidden or one.known is None else one.known(t) for one in (shown[i] for i in indices)]
        height, width = features.padded
        found = packed_boxes([np.zeros((1, 1), np.uint8) if m is None else m.T for m in there], (width, height))
        boxes, visible = (torch.from_numpy(x).to(features.device) for x in found)
        collector.add_boxes(t, indices, boxes, visible, features)
