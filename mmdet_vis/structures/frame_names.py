"""Names of the per-frame files of a result."""

from __future__ import annotations

from mmdet_vis.structures.sequence import VideoResult


def frame_stems(result: VideoResult) -> list[str]:
    """File names without ending for the T frames of ``result``.

    These are its ``frame_names``; when it has none, or two frames share a name (``0.jpg`` beside ``0.png``),
    the frames are numbered ``"00000"``, ``"00001"``, … so that no file overwrites another.

    Raises:
        ValueError: if there are names, but not one for each frame.
    """
    names = list(result.frame_names)
    if names and len(names) != result.num_frames:
        raise ValueError(f"{result.name} has {result.num_frames} frames but {len(names)} frame names")
    if not names or len(set(names)) < len(names):
        return [f"{index:05d}" for index in range(result.num_frames)]
    return names
