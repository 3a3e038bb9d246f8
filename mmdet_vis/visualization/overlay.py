"""Sequences drawn on frames: coloured masks with contours and text tags."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal, get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.errors import ViewError
from mmdet_vis.structures import RLE, VideoResult
from mmdet_vis.structures.masks import cover_map, encode_masks
from mmdet_vis.visualization.palette import track_colour
from mmdet_vis.visualization.tags import Box, fit_tag, place_tag, tag_text

Style = Literal["overlay", "blend"]

# How much of an object's pixel is the track's colour; the rest is the image. "blend" is the published demo's,
# so strong that the object's own texture almost vanishes; "overlay" leaves the object recognisable.
_COLOUR_SHARE: dict[str, float] = {"overlay": 0.45, "blend": 0.7}


def draw_overlay(
    frame: NDArray[np.uint8],
    masks: Sequence[RLE | NDArray[np.uint8]],
    labels: Sequence[str],
    track_ids: Sequence[int],
    style: Style = "overlay",
) -> NDArray[np.uint8]:
    """Draw objects on a frame.

    Args:
        frame: ``[H, W, 3]`` uint8, BGR; it is left as it is.
        masks: N masks of the frame's size, RLEs or ``[H, W]`` uint8 arrays; the first one is on top.
        labels: N texts for the tags; an empty text draws no tag.
        track_ids: N track ids (1-based), which give the colours.
        style: ``"overlay"`` (translucent, 45 % colour) or ``"blend"`` (70 % colour, as the published demo).

    Returns:
        ``[H, W, 3]`` uint8, BGR. Objects that are not visible leave no trace; tags lie inside the frame, and
        are left out where the frame is too small for readable text.

    Raises:
        ViewError: for an unknown style, or a frame of another type.
        ValueError: for masks of another size, or unequal lists.
    """
    if style not in get_args(Style):
        raise ViewError(f"style must be one of {', '.join(get_args(Style))}, got {style!r}")
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8:
        raise ViewError(f"frame must be [H, W, 3] uint8, got {frame.dtype} {tuple(frame.shape)}")
    if not len(masks) == len(labels) == len(track_ids):
        raise ValueError(f"{len(masks)} masks, {len(labels)} labels and {len(track_ids)} track ids must be as many")
    height, width = frame.shape[:2]
    rles = [encode_masks(mask[None])[0] if isinstance(mask, np.ndarray) else mask for mask in masks]
    owner = cover_map(rles, height, width)
    colours = [track_colour(track_id) for track_id in track_ids]

    canvas = _tint(frame, owner, colours, _COLOUR_SHARE[style])
    boxes: list[Box | None] = [None] * len(colours)
    # The first object's contour is drawn last, so that it lies on top too.
    for index in reversed(range(len(colours))):
        boxes[index] = _draw_contour(canvas, owner == index + 1, colours[index])
    _draw_tags(canvas, boxes, labels, colours)
    return canvas


def _tint(
    frame: NDArray[np.uint8], owner: NDArray[np.uint16], colours: list[tuple[int, int, int]], share: float
) -> NDArray[np.uint8]:
    """Mix the owner's colour into each pixel of an object; returns a new frame."""
    table = np.zeros((len(colours) + 1, 3), np.uint8)
    table[1:] = np.array(colours, np.uint8).reshape(-1, 3)
    mixed = cv2.addWeighted(table[owner], share, frame, 1 - share, 0)
    covered = (owner > 0).astype(np.uint8)
    canvas = frame.copy()
    cv2.copyTo(mixed, covered, canvas)
    return canvas


def _draw_contour(canvas: NDArray[np.uint8], mask: NDArray[np.bool_], colour: tuple[int, int, int]) -> Box | None:
    """Outline a mask in full colour, in place; returns the box of its largest part, None if it is empty."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return None
    thickness = max(1, round(min(canvas.shape[:2]) / 300))
    # Smoothing a line of one pixel would only make it pale.
    line = cv2.LINE_AA if thickness > 1 else cv2.LINE_8
    cv2.drawContours(canvas, contours, -1, colour, thickness, line)
    # The tag goes to the largest part: a stray pixel at the other end of the frame must not carry it away.
    x, y, width, height = max((cv2.boundingRect(contour) for contour in contours), key=lambda box: box[2] * box[3])
    return x, y, x + width, y + height


def _draw_tags(
    canvas: NDArray[np.uint8],
    boxes: Sequence[Box | None],
    labels: Sequence[str],
    colours: Sequence[tuple[int, int, int]],
) -> None:
    """Draw the tags of the visible objects in place; the first object chooses its place first."""
    height, width = canvas.shape[:2]
    taken: list[Box] = []
    for box, label, colour in zip(boxes, labels, colours, strict=True):
        tag = fit_tag(label, colour, height, width) if box is not None and label else None
        if box is None or tag is None:
            continue
        pixels, opacity = tag
        place = place_tag(pixels.shape[:2], box, (height, width), taken)
        taken.append(place)
        region = canvas[place[1] : place[3], place[0] : place[2]]
        region[:] = np.rint(region * (1 - opacity) + pixels * opacity).astype(np.uint8)


def draw_frame(
    result: VideoResult, index: int, frame: NDArray[np.uint8], score_thr: float | None = None, style: Style = "overlay"
) -> NDArray[np.uint8]:
    """Draw the sequences of a video on one of its frames.

    Args:
        result: the sequences; the most confident one is on top.
        index: 0-based number of the frame.
        frame: ``[H, W, 3]`` uint8, BGR, of the video's original size; it is left as it is.
        score_thr: sequences below it are not drawn (the result's ``show_thr`` unless given); if none reaches it the
            frame stays as it is.
        style: see :func:`draw_overlay`.

    Returns:
        ``[H, W, 3]`` uint8, BGR.

    Raises:
        ViewError: the video has no such frame, or ``frame`` has another size or type.
    """
    if not 0 <= index < result.num_frames:
        raise ViewError(f"{result.name} has {result.num_frames} frames, there is no frame {index}")
    if frame.ndim == 3 and frame.shape[:2] != (result.height, result.width):
        size = "x".join(map(str, frame.shape[1::-1]))
        raise ViewError(f"frame {index} of {result.name} is {size}, its result is {result.width}x{result.height}")
    shown = result.shown(score_thr)
    labels = [tag_text(result.category_of(s), s.score, s.track_id) for s in shown]
    return draw_overlay(frame, [s.masks[index] for s in shown], labels, [s.track_id for s in shown], style)


def render_frames(
    result: VideoResult, frames: Iterable[NDArray[np.uint8]], score_thr: float | None = None, style: Style = "overlay"
) -> Iterator[NDArray[np.uint8]]:
    """:func:`draw_frame` for all T frames of a video, one frame at a time.

    Only the masks of the current frame are decoded, so memory does not grow with the video's length.

    Raises:
        ValueError: if there are not T frames, or one has another size.
    """
    count = 0
    for count, frame in enumerate(frames, start=1):
        yield draw_frame(result, count - 1, frame, score_thr, style)
    if count < result.num_frames:
        raise ValueError(f"{result.name} gave {count} frames, its result has {result.num_frames}")
