"""Which frames are proposed from (paper section 3.2: key frames at equal distances)."""

from __future__ import annotations


def key_frames(num_frames: int, key_num: int) -> list[int]:
    """Indices of the key frames, in increasing order and without repetition.

    They are ``int(i * (T - 1) / (key_num - 1))``: the first and the last frame and equal steps between. The reference
    repeats indices when the video has fewer frames than key frames, which only makes copies that the reduction
    removes again; here every frame is used at most once. With ``key_num=1`` the one key frame is the first frame
    (the reference divides by zero).

    Args:
        num_frames: T >= 1.
        key_num: >= 1.

    Raises:
        ValueError: one of the numbers is below 1.
    """
    if num_frames < 1 or key_num < 1:
        raise ValueError(f"num_frames and key_num must be at least 1, got {num_frames} and {key_num}")
    if key_num == 1:
        return [0]
    if key_num >= num_frames:
        return list(range(num_frames))
    return sorted({int(i * (num_frames - 1) / (key_num - 1)) for i in range(key_num)})
