"""A stream of any length, segmented window by window."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np

from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.checks import check_callable, check_model, check_whole, is_whole, short
from mmdet_vis.choices import OVERLAP, WINDOW
from mmdet_vis.data.sources import ArraySource
from mmdet_vis.data.sources.given import Color, Picture, bgr_frame, check_color
from mmdet_vis.errors import ConfigError, SourceError, option
from mmdet_vis.streaming.frames import FrameResult, StreamFrame, StreamObject
from mmdet_vis.streaming.linker import IdentityLinker
from mmdet_vis.structures import areas

_OPTIONS = ("key_num", "mem_step", "mem_max", "use_cate_reduce", "feature_memory", "profile")
"""Those of ``segment_video`` that a window has, too."""


class _StoppedError(Exception):
    """The caller wants no more results."""


def segment_stream(
    model: VISModel,
    frames: Iterable[StreamFrame | Picture],
    window: int = WINDOW,
    overlap: int = OVERLAP,
    score_thr: float | None = None,
    stop: Callable[[], bool] | None = None,
    color: Color = "bgr",
    **options: Any,
) -> Iterator[FrameResult]:
    """Find every object of a stream, in bounded memory and for as long as it lasts.

    :func:`mmdet_vis.api.segment_video` segments one window of frames after the other; neighbouring windows share
    ``overlap`` frames, on which :class:`~mmdet_vis.streaming.linker.IdentityLinker` recognises the objects of the
    window before. The result of a frame is that of the first window that holds it and comes as soon as this window is
    done. A stream that fits one window gives exactly what ``segment_video`` gives.

    Args:
        model: from :func:`mmdet_vis.api.load_model`.
        frames: from :class:`mmdet_vis.streaming.StreamReader`, or any iterable of frames ``[H, W, 3]`` uint8, or PIL
            images, of one size; at most ``window`` of them are held at any time.
        window: frames that are segmented at once, at least 2. Longer windows find more and follow better, but the
            results come later and the memory grows in proportion.
        overlap: frames that neighbouring windows share, 1 to ``window - 1``.
        score_thr: sequences of a window with a lower score are left out; what the model recommends unless given.
        stop: asked again and again; once it is true the results end, without those of the window in work.
        color: order of the channels of arrays, ``bgr`` (as OpenCV reads them) or ``rgb``.
        options: those of ``segment_video``: ``key_num``, ``mem_step``, ``mem_max``, ``use_cate_reduce``,
            ``feature_memory``, ``profile``.

    Returns:
        results frame by frame, in order.

    Raises:
        ConfigError: an option cannot be used.
        SourceError: the frames broke off, have different sizes, or are none. This comes after the results of the frames
            before.
    """
    check_model(model)
    check_window(window, overlap)
    check_color(color)
    check_callable("stop", stop)
    for name in options.keys() - set(_OPTIONS):
        raise ConfigError(f"segment_stream has no argument {name!r}; of segment_video's it takes {', '.join(_OPTIONS)}")
    if isinstance(frames, str | os.PathLike | Mapping) or not isinstance(frames, Iterable):
        raise ConfigError(
            f"frames is of type {type(frames).__name__}: give an iterable of frames, such as a StreamReader of a path"
        )
    if isinstance(frames, np.ndarray) and frames.ndim == 3:
        frames = frames[None]
    stopped = stop or (lambda: False)
    return _windows(
        model, _numbered(frames, color), window, IdentityLinker(overlap), stopped, {**options, "score_thr": score_thr}
    )


def check_window(window: int, overlap: int, name: str = "window") -> None:
    """Check the two numbers of :func:`segment_stream`, or of the parts of a long video, whose first has another name.

    Raises:
        ConfigError: one of them cannot be used.
    """
    check_whole(name, window, 2)
    if not is_whole(overlap, 1) or overlap >= window:
        span = f"a whole number from 1 to {window - 1} ({option(name)} less 1)"
        raise ConfigError(f"{option('overlap')} must be {span}, got {short(overlap)}")


def _numbered(frames: Iterable[StreamFrame | Picture], color: Color) -> Iterator[StreamFrame]:
    first = None
    for index, frame in enumerate(frames):
        if not isinstance(frame, StreamFrame):
            frame = StreamFrame(index, None, bgr_frame(frame, color, f"frames[{index}]"))
        size = f"{frame.image.shape[1]}x{frame.image.shape[0]}"
        first = first or size
        if size != first:
            raise SourceError(
                f"frames[{index}] is {size}, frames[0] is {first}: all frames of a stream must have one size"
            )
        yield frame


def _windows(
    model: VISModel,
    frames: Iterator[StreamFrame],
    window: int,
    linker: IdentityLinker,
    stopped: Callable[[], bool],
    options: dict[str, Any],
) -> Iterator[FrameResult]:
    def check(done: int, total: int) -> None:
        if stopped():
            raise _StoppedError

    held: list[StreamFrame] = []
    shared = 0
    while True:
        broken = _fill(held, frames, window)
        if stopped():
            return
        if len(held) > shared:
            video = ArraySource([frame.image for frame in held])
            try:
                result = segment_video(model, video, progress=check, **options)
            except _StoppedError:
                return
            pairs = list(zip(linker.link(result.sequences, shared), result.sequences, strict=True))
            for t, frame in enumerate(held[shared:], start=shared):
                objects = [
                    StreamObject(one.track_id, one.label, result.categories[one.label], one.score, sequence.masks[t])
                    for one, sequence in pairs
                    if one is not None and areas([sequence.masks[t]])[0]
                ]
                yield FrameResult(frame.index, frame.time, frame.image, objects, result.show_thr)
        if broken is not None:
            raise broken
        if len(held) < window:
            return
        shared = linker.overlap
        del held[:-shared]


def _fill(held: list[StreamFrame], frames: Iterator[StreamFrame], window: int) -> SourceError | None:
    """Read frames until there are ``window`` of them or no more; returns the error that ended them, if one did."""
    try:
        while len(held) < window:
            frame = next(frames, None)
            if frame is None:
                break
            held.append(frame)
    except SourceError as error:
        return error
    return None
