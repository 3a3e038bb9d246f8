"""What a sample that cannot be used raises."""

from __future__ import annotations

from mmdet_vis.errors import UserError


class BrokenSampleError(UserError):
    """A file of a sample that cannot be used; ``file`` names it."""

    def __init__(self, file: str, reason: str) -> None:
        super().__init__(f"{file}: {reason}")
        self.file = file
