"""Which frames are proposed from (paper section 3.2: key frames at equal distances)."""

from __future__ import annotations

from mmdet_vis.registry import TASK_UTILS


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


@TASK_UTILS.register_module()
class KeyFramesByContent:
    """Key frames where something is seen that no carried object explains, not evenly spread ones. Not in the paper.

    Every ``step``-th frame and the last one are looked at. In the forward sweep, an object found there starts a
    sequence only if none that is under way covers it: a frame on which all is explained costs its detection alone.

    Args:
        step: frames between those that are looked at.
        iou_thr: mask IoU from which a sequence explains what is found.
    """

    def __init__(self, step: int = 5, iou_thr: float = 0.5) -> None:
        if step < 1 or not 0 <= iou_thr <= 1:
            raise ValueError(f"step must be at least 1 and iou_thr from 0 to 1, got {step} and {iou_thr}")
        self.step = step
        self.iou_thr = iou_thr

    def candidates(self, num_frames: int) -> list[int]:
        """Indices of the frames that are looked at, in increasing order."""
        return sorted({*range(0, num_frames, self.step), num_frames - 1})
