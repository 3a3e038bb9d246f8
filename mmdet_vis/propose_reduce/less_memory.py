"""What happens when a video needs more memory than there is: the work is tried again in smaller pieces."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch

from mmdet_vis.errors import SourceError, is_out_of_memory
from mmdet_vis.propose_reduce.pipeline import EngineSettings

_T = TypeVar("_T")

FACTOR = 4
"""By which features, decoder chunks and batches shrink from one try to the next."""

LEAST_FEATURES = 64 * 2**20
"""Bytes of features below which none are kept but those in use."""


def smaller(engine: EngineSettings) -> EngineSettings | None:
    """Settings with which the same work takes less memory and more time; None if these are the smallest.

    The last step keeps no features, decodes object by object and takes frame by frame through the backbone.
    """
    smallest = replace(engine, feature_bytes=0, chunk_bytes=1, batch_size=1)
    if engine == smallest:
        return None
    features = engine.feature_bytes // FACTOR
    if features < LEAST_FEATURES:
        return smallest
    return replace(
        engine,
        feature_bytes=features,
        chunk_bytes=max(engine.chunk_bytes // FACTOR, 1),
        batch_size=max(engine.batch_size // FACTOR, 1),
    )


def with_less_memory(work: Callable[[EngineSettings], _T], engine: EngineSettings, video: str, frames: int) -> _T:
    """Do the work on a video; if the memory runs out, again from the start with :func:`smaller` settings.

    Each new try is told on stderr. The result is the same but for rounding.

    Args:
        work: called with the settings to use.
        engine: the settings to begin with.
        video: its name, for messages.
        frames: their number.

    Raises:
        SourceError: the memory is not enough for the smallest pieces; other videos may well fit.
    """
    settings: EngineSettings | None = engine
    reason = ""
    while settings is not None:
        try:
            return work(settings)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
        # Here the error is gone, and with it what the frames of its traceback held.
        gc.collect()
        if engine.device.type == "cuda":
            torch.cuda.empty_cache()
        settings = smaller(settings)
        if settings is not None:
            print(
                f"warning: {video}: not enough memory ({reason}): trying again with "
                f"{settings.feature_bytes / 2**20:.0f} MB for features and smaller batches",
                file=sys.stderr,
            )
    raise SourceError(
        f"{video}: not enough memory for its {frames} frames, even in the smallest pieces ({reason}): "
        "try --mem-max 40, a smaller data_preprocessor.img_scale, or another --device"
    )
