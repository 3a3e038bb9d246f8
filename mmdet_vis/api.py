"""The program from Python: load a model, segment a video.

Example::

    from mmdet_vis import load_model, segment_video

    model = load_model()  # the default model; or load_model("config.py", "weights.pth")
    result = segment_video(model, "clip.mp4")
    for sequence in result.sequences:
        print(sequence.track_id, result.category_of(sequence), round(sequence.score, 2), len(sequence.masks))
"""

from __future__ import annotations

import copy
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmdet_vis.config.load import apply_options, build_model, build_preprocessor, check_classes, load_config
from mmdet_vis.config.settings import build_settings, recommended
from mmdet_vis.corrections import edit_result
from mmdet_vis.data.datasets import open_video
from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.data.sources import FrameSource, as_source
from mmdet_vis.data.sources.given import Color, Source
from mmdet_vis.device import Precision, compile_parts, parse_bytes, place, resolve_device, resolve_precision
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.ops.tf32 import tf32_products
from mmdet_vis.propose_reduce import EngineSettings, ProposeReduceSettings, Sequences, propose_reduce
from mmdet_vis.propose_reduce.budget import SHARE, free_bytes, with_less_memory
from mmdet_vis.result import VideoResult
from mmdet_vis.structures import (
    Delete,
    Edit,
    InstanceSequence,
    Merge,
    NotVisible,
    Prompt,
    Rename,
    Split,
    Swap,
)
from mmdet_vis.structures.resize import rles_to_original
from mmdet_vis.weights.checkpoint import load_checkpoint
from mmdet_vis.weights.find import default_weights, find_weights
from mmdet_vis.weights.model_file import check_fits, embedded_config

__all__ = [
    "Delete",
    "InstanceSequence",
    "Merge",
    "NotVisible",
    "Prompt",
    "Rename",
    "Split",
    "Swap",
    "VISModel",
    "VideoResult",
    "engine_settings",
    "load_model",
    "refine",
    "segment_video",
]

_LOGGER = logging.getLogger(__name__)

CHUNK_BYTES = {"cpu": 24 * 2**20, "cuda": 512 * 2**20, "mps": 128 * 2**20}
"""One decoder feature map of the objects decoded at once. On the CPU it stays below the size from which the C library
returns memory to the system after each use, which would cost as much as the convolution itself."""

BATCH_SIZE = {"cpu": 1, "cuda": 8, "mps": 2}
"""Frames per backbone batch: the CPU is busy with one."""


@dataclass
class VISModel:
    """A network with what is needed to use it on videos.

    Attributes:
        network: on its device, in evaluation mode.
        config: the config that it was built from.
        categories: C names.
        preprocess: frames to network input.
        device, precision: where and how it runs.
    """

    network: SeqMaskRCNN
    config: Config
    categories: tuple[str, ...]
    preprocess: Preprocessor
    device: torch.device
    precision: Precision


def load_model(
    config: str | Path | Config | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    compile: bool = False,
    safe_config: bool = False,
) -> VISModel:
    """Build a model and load its weights.

    With neither config nor weights it is the default model, which comes with the program and knows persons, animals,
    vehicles and other objects.

    Args:
        config: a config file (it is executed unless ``safe_config``), the name of one that comes with the program, or
            a loaded config. None: the one that the weights carry, see ``mmdet-vis export``.
        weights: a ``.pth`` or ``.safetensors`` checkpoint: a path, a name or an address, see
            :func:`mmdet_vis.weights.find.find_weights`; None beside a config leaves the weights as initialised, at
            random.
        device: ``auto`` (a CUDA GPU if there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``float32`` (the published numbers), ``tf32``, ``bfloat16``, ``float16``, or ``auto`` for the
            fastest that the device does well. None: what the config recommends for the device, else ``float32``.
        cfg_options: dotted keys and values that override the config's.
        compile: use torch.compile: slow to start, faster on long runs on some devices.
        safe_config: read the config file as data: literals only, nothing in it is executed.

    Raises:
        ConfigError: the config, the device or the precision cannot be used.
        CheckpointError: the weights cannot be read or belong to another model.
    """
    where = resolve_device(device)
    if precision is not None:  # what cannot be is said before anything is read
        resolve_precision(precision, where)
    if weights is not None:
        weights = find_weights(weights)
    elif config is None:
        weights = default_weights()
    chosen = _resolve_config(config, weights, cfg_options, safe_config)
    if config is None and weights is not None:
        check_fits(chosen, weights)
    how = resolve_precision(precision or recommended(chosen).precision_on(where.type), where)
    network = build_model(chosen)
    categories = check_classes(chosen, network)
    if weights is not None:
        load_checkpoint(network, weights)
    place(network, where, how)
    if compile:
        compile_parts(network)
    return VISModel(network, chosen, categories, build_preprocessor(chosen), where, how)


def _resolve_config(
    config: str | Path | Config | None, weights: str | Path | None, options: Mapping[str, Any] | None, safe: bool
) -> Config:
    """The config that is named, given, or carried by the weights, with options applied."""
    if isinstance(config, Config):
        return apply_options(copy.deepcopy(config), options or {})
    if config is not None:
        return load_config(config, options, safe)
    assert weights is not None  # load_model has put the default ones in
    return embedded_config(weights, options)


def segment_video(
    model: VISModel,
    source: Source,
    key_num: int | None = None,
    mem_step: int | None = None,
    mem_max: int | None = None,
    use_cate_reduce: bool = False,
    feature_memory: str | int = "2GB",
    profile: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    score_thr: float | None = None,
    color: Color = "bgr",
) -> VideoResult:
    """Find every object of a video as one sequence of masks.

    The algorithm is Propose-Reduce, or the one that the config names in ``propose_reduce.method``, which has none of
    the options ``key_num`` to ``use_cate_reduce`` and no profile ``fast``.

    Args:
        model: from :func:`load_model`.
        source: a folder of frames, a video or image file, an archive or an annotated dataset of one video, or a list of
            image files; frames ``[T, H, W, 3]`` uint8, one
            picture ``[H, W, 3]``, PIL images, or a generator of frames, which are then all held in memory; or a
            :class:`~mmdet_vis.data.sources.FrameSource`.
        key_num: frames that objects are proposed from; the config's unless given.
        mem_step: every ``mem_step``-th propagated frame is remembered; the config's memory unless given.
        mem_max: at most so many frames are remembered, spread evenly: bounds the memory of long videos.
        use_cate_reduce: category-aware reduction (the config must have ``propose_reduce.cate_reduce``).
        feature_memory: bytes of features kept, e.g. ``"2GB"``; those of longer videos are computed again.
        profile: ``exact``, or ``fast``, which skips detections that a propagated sequence already covers; the one that
            the config recommends unless given.
        progress: called with (frames swept, frames to sweep).
        score_thr: sequences with a lower score are left out of the result; what the config recommends unless given,
            which is 0.05 where it says nothing, as in the commands.
        color: order of the channels of arrays, ``bgr`` (as OpenCV reads them) or ``rgb``.

    Returns:
        the sequences, best first, with masks at the video's original size. No object gives no sequence.

    Raises:
        SourceError: the video cannot be read, or needs too much memory, also with smaller batches than usual.
        ConfigError: an option cannot be used.
    """
    settings = build_settings(model.config, key_num, mem_step, mem_max, use_cate_reduce, profile)
    budget = parse_bytes(feature_memory) if isinstance(feature_memory, str) else feature_memory
    engine = engine_settings(model, budget)
    video = _opened(source, color)
    try:
        geometry = model.preprocess.geometry(video.height, video.width)
        common = model.network, video, model.preprocess, geometry.resized

        def search(engine: EngineSettings) -> Sequences:
            with tf32_products(model.precision.tf32):
                if isinstance(settings, ProposeReduceSettings):
                    return propose_reduce(*common, settings, engine, progress)
                return settings(*common, engine, progress)

        found = with_less_memory(search, engine, video.name, len(video))
        return _result(model, video, found, geometry.resized, score_thr)
    finally:
        if video is not source:
            video.close()


def refine(result: VideoResult, corrections: Iterable[Edit]) -> VideoResult:
    """Correct a result.

    Args:
        result: of :func:`segment_video`, or loaded; it is left as it is.
        corrections: :class:`Delete`, :class:`Split`, :class:`Merge`, :class:`Swap`, :class:`Rename` and
            :class:`NotVisible`, applied in this order.

    Returns:
        the corrected result; sequences that no correction names are the same.

    Raises:
        ConfigError: a correction does not fit the result; the line says which and why.
    """
    return edit_result(result, corrections)


def engine_settings(model: VISModel, feature_bytes: int) -> EngineSettings:
    """How the engine uses the model's device, with a budget for features in bytes."""
    return EngineSettings(
        device=model.device,
        dtype=model.precision.dtype,
        feature_bytes=feature_bytes,
        chunk_bytes=CHUNK_BYTES[model.device.type],
        batch_size=BATCH_SIZE[model.device.type],
    )


def _opened(source: Source, color: Color) -> FrameSource:
    free = free_bytes(torch.device("cpu"))
    given = open_video(source) if isinstance(source, str | os.PathLike) and color == "bgr" else source
    video = as_source(given, color, None if free is None else int(SHARE * free))
    if video is not source:
        for line in video.warnings:
            _LOGGER.warning("%s", line)
    return video


def _result(
    model: VISModel, video: FrameSource, found: Sequences, resized: tuple[int, int], score_thr: float | None
) -> VideoResult:
    usual = recommended(model.config)
    least = usual.score_thr if score_thr is None else score_thr
    original = (video.height, video.width)
    # The order is the reduction's, as in the reference's results; a sequence that every category dropped is gone.
    kept = [i for i, scores in enumerate(found.scores) if scores[1:].max() >= 0]
    best = [float(found.scores[i, 1:].max()) for i in kept]
    sequences = []
    for rank, (index, score) in enumerate(zip(kept, best, strict=True), start=1):
        if score < least:
            continue
        scores = found.scores[index]
        label = int(scores[1:].argmax())
        sequences.append(
            InstanceSequence(
                track_id=rank,
                label=label,
                score=score,
                class_scores=scores[1:],
                masks=rles_to_original(found.masks[index], resized, original),
            )
        )
    return VideoResult(
        name=video.name,
        height=video.height,
        width=video.width,
        num_frames=len(video),
        sequences=sequences,
        categories=model.categories,
        category_ids=tuple(range(1, len(model.categories) + 1)),
        frame_names=list(video.frame_names),
        fps=video.fps,
        show_thr=usual.drawn_from(best),
    )
