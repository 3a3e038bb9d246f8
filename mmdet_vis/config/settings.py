"""What a config says and a user wants, as settings: one set of defaults for the API, the commands and the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from mmengine.config import Config

import mmdet_vis.baselines  # noqa: F401  (registers what a config may name in propose_reduce.method)
from mmdet_vis.choices import PROFILES, PROPOSAL_SCORES
from mmdet_vis.config.check import check_propose_reduce
from mmdet_vis.config.load import build
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.propose_reduce import MemoryAtMost, MemoryEveryNth, ProposeReduceSettings, Reduction, SequenceMethod
from mmdet_vis.propose_reduce.propagate import MemoryConfig
from mmdet_vis.registry import TASK_UTILS, file_of
from mmdet_vis.structures.sequence import SHOW_SCORE_THR

SKIP_COVERED_IOU = 0.7
"""Overlap at which the fast profile takes a detection for an object that it already has."""


@dataclass(frozen=True)
class Recommended:
    """How a model is used unless the user says it: its config's block ``recommended``; what that lacks is as here.

    Attributes:
        precision: number formats of :data:`mmdet_vis.choices.PRECISIONS` by kind of device (cpu, cuda, mps).
        profile: see :func:`build_settings`.
        score_thr: lowest score of a sequence in a result.
        show_thr: lowest score of a sequence that is drawn.
        show_share: where the best score of a video times this is lower than ``show_thr``, it takes its place: one that
            finds little of which it is sure still shows the best of it.
        show_least: but nothing below this is drawn.
    """

    precision: Mapping[str, str] = field(default_factory=dict)
    profile: str = "exact"
    score_thr: float = 0.05
    show_thr: float = SHOW_SCORE_THR
    show_share: float = 1.0
    show_least: float = SHOW_SCORE_THR

    def precision_on(self, device: str) -> str:
        """The number format on a kind of device; float32, which gives the published numbers, unless one is named."""
        return self.precision.get(device, "float32")

    def drawn_from(self, scores: Sequence[float]) -> float:
        """Score from which on the sequences of a video with these scores are drawn."""
        return min(self.show_thr, max(self.show_least, self.show_share * max(scores, default=0.0)))


def recommended(config: Mapping[str, Any]) -> Recommended:
    """What a checked config recommends."""
    return Recommended(**(config.get("recommended") or {}))


def build_settings(
    config: Config,
    key_num: int | None = None,
    mem_step: int | None = None,
    mem_max: int | None = None,
    use_cate_reduce: bool = False,
    profile: str | None = None,
) -> ProposeReduceSettings | SequenceMethod:
    """Build the algorithm's settings, or the other method that the config names.

    Args:
        config: with a ``propose_reduce`` dict: ``key_num``, ``memory``, ``mask_nms_thr``, ``reduce`` and optionally
            ``cate_reduce``, ``skip_covered_iou``, ``key_frames`` (which frames are proposed from, in the place of
            ``key_num`` even ones), ``proposal_scores`` and ``method``, a baseline that takes the algorithm's place.
        key_num: overrides the key frames: so many, evenly spread.
        mem_step: overrides the memory: every ``mem_step``-th frame is remembered.
        mem_max: overrides the memory: at most so many frames, spread evenly and at least ``mem_step`` apart.
        use_cate_reduce: apply ``cate_reduce`` after ``reduce``.
        profile: ``exact`` for the published algorithm, or ``fast``: detections that an already propagated sequence
            covers are skipped (``skip_covered_iou`` of the config, 0.7 unless it says). None: what it recommends.

    Raises:
        ConfigError: a key or value that cannot be used, or an option that the config's ``method`` does not have.
    """
    check_propose_reduce(config)
    options: Mapping[str, Any] = config["propose_reduce"]
    if profile is not None and profile not in PROFILES:
        raise ConfigError(f"{option('profile', profile)} is not known: use one of {', '.join(PROFILES)}")
    if options.get("method") is not None:
        given = {
            option("key_num"): key_num is not None,
            option("mem_step"): mem_step is not None,
            option("mem_max"): mem_max is not None,
            option("use_cate_reduce"): use_cate_reduce,
            option("profile", "fast"): profile == "fast",
        }
        return _build_method(config, [name for name, is_given in given.items() if is_given])
    key_num_given = key_num
    key_num = options["key_num"] if key_num is None else key_num
    for name, value, least in (("key_num", key_num, 1), ("mem_step", mem_step, 1), ("mem_max", mem_max, 2)):
        if value is not None and (not isinstance(value, int | np.integer) or value < least):
            raise ConfigError(f"{option(name)} must be at least {least} and a whole number, got {value!r:.40}")
    by_content = None
    if key_num_given is None and options.get("key_frames") is not None:
        by_content = build(TASK_UTILS, config, "propose_reduce.key_frames")
    fast = (profile or recommended(config).profile) == "fast"
    skip = float(options.get("skip_covered_iou", SKIP_COVERED_IOU)) if fast else None
    memory: MemoryConfig
    if mem_max is not None:
        memory = MemoryAtMost(mem_max, mem_step or 1)
    elif mem_step is not None:
        memory = MemoryEveryNth(mem_step)
    else:
        memory = build(TASK_UTILS, config, "propose_reduce.memory")
    category_rule = None
    if use_cate_reduce:
        if options.get("cate_reduce") is None:
            raise ConfigError(
                f"{option('use_cate_reduce')} needs a config with propose_reduce.cate_reduce, {file_of(config)} has "
                "none: use one of configs/SeqMaskRCNN/CateAwareReduce"
            )
        category_rule = build(TASK_UTILS, config, "propose_reduce.cate_reduce")
    rule = build(TASK_UTILS, config, "propose_reduce.reduce")
    containment, calibration, overlaps = (
        None if options.get(key) is None else build(TASK_UTILS, config, f"propose_reduce.{key}")
        for key in ("containment", "calibration", "overlaps")
    )
    reduction = Reduction(rule, category_rule, containment, calibration)
    scores = options.get("proposal_scores", PROPOSAL_SCORES[0])
    return ProposeReduceSettings(
        key_num, memory, options["mask_nms_thr"], reduction, skip, by_content, scores, overlaps
    )


def _build_method(config: Config, options: Sequence[str]) -> SequenceMethod:
    name = config["propose_reduce"]["method"]["type"]
    if options:
        raise ConfigError(
            f"{options[0]} is an option of Propose-Reduce, {file_of(config)} has propose_reduce.method={name}: "
            "leave one of them out"
        )
    method: SequenceMethod = build(TASK_UTILS, config, "propose_reduce.method")
    if not callable(method):
        raise ConfigError(f"{file_of(config)}: propose_reduce.method.type={name!r} is no method: use TrackByIoU")
    return method
