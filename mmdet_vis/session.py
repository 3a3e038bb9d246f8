"""Work on one video: what was computed once is kept for the next step."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TypeVar

import torch

from mmdet_vis.checks import as_list, check_callable, check_flag, check_model, check_number
from mmdet_vis.config.load import build_settings, recommended
from mmdet_vis.corrections.check import (
    CorrectionError,
    apply_edits,
    check_corrections,
    check_prompts,
    check_same_video,
    chunks,
    listed,
    tell_gone,
    tell_new_categories,
    tell_other_model,
    tell_other_name,
    without_emptied,
)
from mmdet_vis.data.datasets import open_video
from mmdet_vis.data.sources import FrameSource, as_source
from mmdet_vis.data.sources.given import Color, Source
from mmdet_vis.device import parse_bytes
from mmdet_vis.errors import ConfigError
from mmdet_vis.models.heads.light_propagation import LightPropHead
from mmdet_vis.ops.tf32 import tf32_products
from mmdet_vis.propose_reduce import EngineSettings, ProposeReduceSettings, SequenceMethod, Sequences, propose_reduce
from mmdet_vis.propose_reduce.budget import SHARE, free_bytes, with_less_memory
from mmdet_vis.propose_reduce.feature_store import FeatureStore
from mmdet_vis.result import VideoResult
from mmdet_vis.show import Stage, draw, show
from mmdet_vis.structures import RLE, Correction, InstanceSequence, Prompt
from mmdet_vis.structures.resize import rles_to_original
from mmdet_vis.vis_model import VISModel

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")

CHUNK_BYTES = {"cpu": 24 * 2**20, "cuda": 512 * 2**20, "mps": 128 * 2**20}
"""One decoder feature map of the objects decoded at once. On the CPU it stays below the size from which the C library
returns memory to the system after each use, which would cost as much as the convolution itself."""

BATCH_SIZE = {"cpu": 1, "cuda": 8, "mps": 2}
"""Frames per backbone batch: the CPU is busy with one, unless the network is light."""

LIGHT_BATCH_SIZE = 4
"""The same for a light network on the CPU: its maps are too small to keep several cores busy one by one."""


class Session:
    """A model and an opened video; features of frames are kept between calls, up to a byte budget.

    For use from one thread at a time::

        with Session(model, "clip.mp4") as session:
            result = session.segment()
            result = session.refine(result, [Prompt(frame=12, mask=mask, id=3)])

    Args:
        model: from :func:`mmdet_vis.load_model`.
        source: the video, see :func:`mmdet_vis.segment_video`.
        feature_memory: bytes of features kept, e.g. ``"2GB"``; those of longer videos are computed again.
        color: order of the channels of arrays, ``bgr`` or ``rgb``.
        keep: keep features from call to call; False: only within one.

    Raises:
        SourceError: the video cannot be read.
        ConfigError: ``feature_memory`` or ``color`` cannot be used.
    """

    def __init__(
        self,
        model: VISModel,
        source: Source,
        feature_memory: str | int = "2GB",
        color: Color = "bgr",
        keep: bool = True,
    ) -> None:
        check_model(model)
        budget = parse_bytes(feature_memory)
        self.model = model
        self.keep = keep
        self._engine = engine_settings(model, budget)
        self._store: FeatureStore | None = None
        self.video = _opened(source, color)
        self._ours = self.video is not source
        self.geometry = model.preprocess.geometry(self.video.height, self.video.width)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the features and close the video, unless that was given open."""
        self._drop()
        if self._ours:
            self.video.close()

    @property
    def computed(self) -> int:
        """Frames that went through the backbone for the features that are kept."""
        return 0 if self._store is None else self._store.computed

    def segment(
        self,
        prompts: Sequence[Prompt] = (),
        propose: bool = True,
        key_num: int | None = None,
        mem_step: int | None = None,
        mem_max: int | None = None,
        use_cate_reduce: bool = False,
        profile: str | None = None,
        progress: Callable[[int, int], None] | None = None,
        score_thr: float | None = None,
        on_key: Callable[[int, list[RLE]], None] | None = None,
    ) -> VideoResult:
        """Segment the video, see :func:`mmdet_vis.segment_video`.

        Args:
            prompts, propose, key_num, mem_step, mem_max, use_cate_reduce, profile, progress, score_thr: as there.
            on_key: called with the number of each key frame as it is done, and the masks ``[H, W]`` of what is proposed
                there: candidates, many of them the same object. Methods other than Propose-Reduce do not call it.
        """
        settings = build_settings(self.model.config, key_num, mem_step, mem_max, use_cate_reduce, profile)
        if score_thr is not None:
            check_number("score_thr", score_thr)
        check_flag("propose", propose)
        for name, function in (("progress", progress), ("on_key", on_key)):
            check_callable(name, function)
        prompts = as_list("prompts", prompts, "Prompt")
        if prompts:
            check_prompts(prompts, self.video)
            tell_new_categories(prompts, self.model.categories)
            prompts = self._drawn(prompts, settings)  # what shows nothing is said before the video is searched
        elif not propose:
            raise ConfigError("propose=False follows nothing but prompts: give at least one")
        result = self._result(self._found(settings, progress, on_key) if propose else None, score_thr)
        if prompts:
            taken = {prompt.id for prompt in prompts if prompt.id is not None}
            shown = self._shown(_renumbered(result, taken, keep=()), prompts, settings, progress)
            result = _renumbered(shown, taken, keep=taken)
        return result

    def refine(
        self,
        result: VideoResult,
        corrections: Sequence[Correction],
        mem_step: int | None = None,
        mem_max: int | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> VideoResult:
        """Correct a result of this video, see :func:`mmdet_vis.refine`."""
        check_callable("progress", progress)
        check_same_video(result, self.video)
        tell_other_name(result, self.video)
        settings = build_settings(self.model.config, None, mem_step, mem_max)
        corrections = listed(corrections)
        check_corrections(result, corrections)
        tell_new_categories(corrections, (*result.categories, *self.model.categories))
        before, prompts = result, [(i, c) for i, c in enumerate(corrections) if isinstance(c, Prompt)]
        try:  # what shows nothing is said before anything is carried
            drawn = iter(self._drawn([prompt for _, prompt in prompts], settings))
        except CorrectionError as error:
            raise CorrectionError("corrections", prompts[error.index][0], error.reason) from None
        for is_prompt, chunk in chunks(corrections):
            if not is_prompt:
                result = apply_edits(result, chunk)
                continue
            if self.model.classifies:
                tell_other_model(result, self.model.categories)
            corrected = self._shown(result, [next(drawn) for _ in chunk], settings, progress)
            tell_gone(result, corrected)
            result = corrected
        return without_emptied(before, result)

    def _found(
        self,
        settings: ProposeReduceSettings | SequenceMethod,
        progress: Callable[[int, int], None] | None,
        on_key: Callable[[int, list[RLE]], None] | None = None,
    ) -> Sequences:
        common = self.model.network, self.video, self.model.preprocess, self.geometry.resized

        def on_resized(key: int, masks: list[RLE]) -> None:
            if on_key is not None:
                on_key(key, rles_to_original(masks, self.geometry.resized, self.geometry.original))

        def search(engine: EngineSettings) -> Sequences:
            if isinstance(settings, ProposeReduceSettings):
                store = self._features(engine) if self.keep else None
                return propose_reduce(*common, settings, engine, progress, store, self.model.proposer, on_resized)
            return settings(*common, engine, progress)

        return self._with_memory(search)

    def _drawn(self, prompts: list[Prompt], settings: ProposeReduceSettings | SequenceMethod) -> list[Prompt]:
        """Prompts with masks in the place of boxes and points."""
        if not prompts:
            return []
        return self._with_memory(lambda engine: draw(self._stage(engine, settings), self.geometry.original, prompts))

    def _stage(self, engine: EngineSettings, settings: ProposeReduceSettings | SequenceMethod) -> Stage:
        if not isinstance(settings, ProposeReduceSettings):
            raise ConfigError(
                "prompts are carried by Propose-Reduce, the config has another propose_reduce.method: leave that out"
            )
        return Stage(self.model, self._features(engine), engine, self.geometry.resized, settings)

    def _shown(
        self,
        result: VideoResult,
        prompts: list[Prompt],
        settings: ProposeReduceSettings | SequenceMethod,
        progress: Callable[[int, int], None] | None,
    ) -> VideoResult:
        return self._with_memory(lambda engine: show(self._stage(engine, settings), result, prompts, progress))

    def _with_memory(self, work: Callable[[EngineSettings], _T]) -> _T:
        """Do the work, with smaller settings if memory runs out; those stay for what comes after."""

        def attempt(engine: EngineSettings) -> _T:
            if engine != self._engine:
                self._drop()
                self._engine = engine
            with tf32_products(self.model.precision.tf32):
                return work(engine)

        return with_less_memory(attempt, self._engine, self.video.name, len(self.video))

    def _features(self, engine: EngineSettings) -> FeatureStore:
        if self._store is None:
            self._store = FeatureStore(self.model.network, self.video, self.model.preprocess, engine, keep=True)
        return self._store

    def _drop(self) -> None:
        if self._store is not None:
            self._store.close()
            self._store = None

    def _result(self, found: Sequences | None, score_thr: float | None) -> VideoResult:
        """What was found, at the video's own size; nothing if nobody looked."""
        video, categories, usual = self.video, self.model.categories, recommended(self.model.config)
        least = usual.score_thr if score_thr is None else score_thr
        # The order is the reduction's, as in the reference's results; a sequence that every category dropped is gone.
        best = [] if found is None else [float(scores[1:].max()) for scores in found.scores]
        kept = [i for i, score in enumerate(best) if score >= 0]
        return VideoResult(
            name=video.name,
            height=video.height,
            width=video.width,
            num_frames=len(video),
            sequences=[] if found is None else self._sequences(found, kept, least),
            categories=categories,
            category_ids=tuple(range(1, len(categories) + 1)),
            frame_names=list(video.frame_names),
            fps=video.fps,
            show_thr=usual.drawn_from([best[i] for i in kept]),
        )

    def _sequences(self, found: Sequences, kept: Sequence[int], least: float) -> list[InstanceSequence]:
        """Those of the kept ones whose score is at least this; ``track_id`` is the rank among all of them."""
        resized, original = self.geometry.resized, self.geometry.original
        sequences = []
        for rank, index in enumerate(kept, start=1):
            scores = found.scores[index]
            label = int(scores[1:].argmax())
            if float(scores[label + 1]) < least:
                continue
            sequences.append(
                InstanceSequence(
                    track_id=rank,
                    label=label,
                    score=float(scores[label + 1]),
                    class_scores=scores[1:],
                    masks=rles_to_original(found.masks[index], resized, original),
                    confidence=None if found.confidence is None else found.confidence[index],
                    proposed_on=found.proposed_on[index] if found.proposed_on else None,
                )
            )
        return sequences


def engine_settings(model: VISModel, feature_bytes: int) -> EngineSettings:
    """How the engine uses the model's device, with a budget for features in bytes."""
    light = model.device.type == "cpu" and isinstance(model.network.prop_head, LightPropHead)
    return EngineSettings(
        device=model.device,
        dtype=model.precision.dtype,
        feature_bytes=feature_bytes,
        chunk_bytes=CHUNK_BYTES[model.device.type],
        batch_size=LIGHT_BATCH_SIZE if light else BATCH_SIZE[model.device.type],
    )


def _opened(source: Source, color: Color) -> FrameSource:
    free = free_bytes(torch.device("cpu"))
    is_path = isinstance(source, str | os.PathLike) and source != ""
    given = open_video(source) if is_path and color == "bgr" else source  # type: ignore[arg-type]
    video = as_source(given, color, None if free is None else int(SHARE * free))
    if video is not source:
        for line in video.warnings:
            _LOGGER.warning("%s", line)
    return video


def _renumbered(result: VideoResult, taken: set[int], keep: Sequence[int] | set[int]) -> VideoResult:
    """The result with the lowest numbers in order as ``track_id``, besides those that are taken; some are kept."""
    free = (number for number in range(1, len(result.sequences) + len(taken) + 1) if number not in taken)
    return replace(
        result,
        sequences=[s if s.track_id in keep else replace(s, track_id=next(free)) for s in result.sequences],
    )
