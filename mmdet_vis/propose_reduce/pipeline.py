"""Propose-Reduce, the whole algorithm in one short function (paper, figure 2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat

import numpy as np
import torch
from numpy.typing import NDArray

from mmdet_vis.data.sources import FrameSource
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.models.fast_conv import pending_bytes
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.propose_reduce.budget import check_memory
from mmdet_vis.propose_reduce.carry import entry_bytes
from mmdet_vis.propose_reduce.collect import SequenceCollector
from mmdet_vis.propose_reduce.confidence import agreement, combine
from mmdet_vis.propose_reduce.feature_store import EngineSettings, FeatureStore, Preprocess
from mmdet_vis.propose_reduce.memory import MemoryConfig
from mmdet_vis.propose_reduce.propagate import Propagator, uncovered
from mmdet_vis.propose_reduce.propose import Group, KeyFramesByContent, key_frames, propose
from mmdet_vis.propose_reduce.proposed import Found, find, groups_of, scores_of
from mmdet_vis.propose_reduce.proposer import Proposer
from mmdet_vis.propose_reduce.reduce import DivideOverlaps, Reduction
from mmdet_vis.structures.masks import RLE, areas


@dataclass
class ProposeReduceSettings:
    """The algorithm's parameters.

    Attributes:
        key_num: number of key frames.
        memory: which propagated frames are remembered.
        mask_nms_thr: IoU at which detections of one key frame are the same object.
        reduction: how sequences become objects.
        skip_covered_iou: if given, a detection is not propagated when, on its key frame, a sequence propagated from
            an earlier key frame overlaps it by this IoU: it would most likely end as a duplicate. Not in the paper.
        by_content: if given, which frames are proposed from in the place of ``key_num`` even ones.
        proposal_scores: how sequences of another proposer are scored: by its ``detections`` on the key frames, by the
            ``boxes`` of their masks on every frame, which it classifies, or by the ``network`` as its own ones are.
        overlaps: if given, divides what two of the reduced sequences both cover. Not in the paper.
    """

    key_num: int
    memory: MemoryConfig
    mask_nms_thr: float
    reduction: Reduction
    skip_covered_iou: float | None = None
    by_content: KeyFramesByContent | None = None
    proposal_scores: str = "detections"
    overlaps: DivideOverlaps | None = None


@dataclass
class Sequences:
    """Reduced sequences, best first.

    Attributes:
        masks: M sequences of T RLEs at the network's resolution; padding on the right and at the bottom may be there.
        scores: ``[M, C + 1]`` float32, index 0 is background; -1 where category-aware reduction dropped a category.
        proposed: number of sequences before the reduction.
        confidence: ``[M, T]`` float32, see :mod:`mmdet_vis.propose_reduce.confidence`; None where nobody knows.
        proposed_on: the key frame of each sequence; empty where there is none.
    """

    masks: list[list[RLE]]
    scores: NDArray[np.float32]
    proposed: int
    confidence: NDArray[np.float32] | None = None
    proposed_on: Sequence[int] = ()


SequenceMethod = Callable[..., Sequences]
"""Another way to find the sequences of a video: what a config's ``propose_reduce.method`` names. It is called as
:func:`propose_reduce`, with ``model, source, preprocess, image_size, engine`` and ``progress``."""


def propose_reduce(
    model: SeqMaskRCNN,
    source: FrameSource,
    preprocess: Preprocess,
    image_size: tuple[int, int],
    settings: ProposeReduceSettings,
    engine: EngineSettings,
    progress: Callable[[int, int], None] | None = None,
    store: FeatureStore | None = None,
    proposer: Proposer | None = None,
    on_key: Callable[[int, list[RLE]], None] | None = None,
) -> Sequences:
    """Segment all objects of a video.

    Args:
        model: the network, in evaluation mode on ``engine.device``.
        source: the frames.
        preprocess: frames to network input.
        image_size: (height, width) of the resized, unpadded frames.
        settings, engine: see their classes.
        progress: called with (frames swept, frames to sweep) as the work goes on; with ``skip_covered_iou`` the
            frames to sweep may become fewer.
        store: features of the video's frames, for more work on it later; made and dropped again unless given.
        proposer: finds the objects in the place of the network, whose part is then to carry them; scores have its
            categories, and ``settings.reduction.calibration``, which is the network's, is not applied to them.
        on_key: called with each key frame as it is done and the masks of what is proposed there, at the resized image's
            size, before anything is carried.

    Returns:
        The kept sequences; none if nothing is detected on any key frame.

    Raises:
        SourceError: the video cannot be read, or does not fit into the memory.
        ConfigError: the network gives numbers that are not finite, a proposer what does not fit the video.
    """
    num_frames = len(source)
    content, scored = settings.by_content, proposer is None or settings.proposal_scores == "network"
    if proposer is None and model.rpn_head is None:
        raise ConfigError("this model has no detector: give it a proposer, or the objects to follow")
    keys = key_frames(num_frames, settings.key_num) if content is None else content.candidates(num_frames)
    with ExitStack() as stack:
        if store is None:
            store = stack.enter_context(FeatureStore(model, source, preprocess, engine))
        collector = stack.enter_context(SequenceCollector(model if scored else None, num_frames))
        found: dict[int, Found] = {}
        if proposer is None:
            proposed = propose(model, store, keys, image_size, settings.mask_nms_thr)
        else:
            found = find(proposer, model, store, keys, image_size)
            limits = model.test_cfg["rcnn"]
            proposed = groups_of(found, limits["score_thr"], limits["max_per_img"], settings.mask_nms_thr)
        groups: list[Group] = []
        for group in proposed:
            groups.append(group)
            if on_key is not None:
                on_key(group.key, group.masks)
        frame_bytes = entry_bytes(model.prop_head, image_size, engine.dtype)
        reserved = pending_bytes(model)
        store.bound_growth(check_memory(groups, settings.memory, num_frames, frame_bytes, engine.device, reserved))
        skip = settings.skip_covered_iou if content is None else content.iou_thr
        Propagator(
            model.prop_head,
            store,
            collector,
            settings.memory,
            engine.chunk_bytes,
            admit=None if skip is None else partial(uncovered, iou_thr=skip),
            progress=progress,
        ).run(groups)
        try:
            masks, scores = collector.finish()
        except FloatingPointError as error:
            raise ConfigError(not_finite(engine.dtype)) from error
        classes, sharp = collector.evidence(scores[:, 1:].argmax(axis=1))
        reduction = settings.reduction
        if proposer is not None and not scored:
            scores = scores_of(masks, proposer, found, store, image_size, settings.proposal_scores)
            reduction = replace(reduction, calibration=None)  # it was not fitted to the scores of another detector
    kept, kept_scores = reduction(masks, scores)
    if not kept:
        return Sequences([], kept_scores, len(masks))
    reduced = [masks[i] for i in kept]
    if settings.overlaps is not None:
        reduced = settings.overlaps(reduced, kept_scores)
    visible = np.stack([areas(m) > 0 for m in reduced])
    confidence = combine(agreement(masks, kept), classes[kept], sharp[kept], visible)
    on = dict(pair for group in groups for pair in zip(group.indices, repeat(group.key), strict=False))
    return Sequences(reduced, kept_scores, len(masks), confidence, [on[i] for i in kept])


def not_finite(dtype: torch.dtype) -> str:
    """The line for a network that gives numbers which are not finite."""
    name = str(dtype).removeprefix("torch.")
    fix = "the weights are damaged" if dtype == torch.float32 else f"use {option('precision', 'float32')}"
    if dtype == torch.float16:
        fix = f"its range is too small for these weights, use {option('precision', 'bfloat16')} or float32"
    return f"{option('precision', name)}: the network's masks or scores are not finite numbers: {fix}"
