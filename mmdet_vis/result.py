"""What a user of the Python interface gets: the sequences of a video, with what can be done with them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mmdet_vis import structures
from mmdet_vis.checks import check_path, is_whole, short
from mmdet_vis.data.formats.result_file import read_result, write_result
from mmdet_vis.data.sources.given import Color, check_color
from mmdet_vis.errors import ConfigError, ViewError
from mmdet_vis.visualization.overlay import Style, draw_frame


class VideoResult(structures.VideoResult):
    """The sequences of one video; its data and their views are those of :class:`mmdet_vis.structures.VideoResult`."""

    def save(self, path: str | Path) -> None:
        """Write everything to a JSON file, see :func:`mmdet_vis.data.formats.result_file.write_result`.

        Raises:
            OutputError: the file cannot be written.
            ResultsError: a name in it cannot name a file.
        """
        check_path("path", path)
        write_result(path, self)

    @classmethod
    def load(cls, path: str | Path) -> VideoResult:
        """Read what :meth:`save` wrote; equal to what was saved. Nothing in the file is executed or trusted.

        Raises:
            ResultsError: the file is missing, damaged or not of this kind.
        """
        check_path("path", path)
        return read_result(path, cls)

    def draw(
        self,
        index: int,
        image: NDArray[np.uint8],
        score_thr: float | None = None,
        style: Style = "overlay",
        color: Color = "bgr",
    ) -> NDArray[np.uint8]:
        """Draw the objects on a frame, as the command does.

        Args:
            index: 0-based number of the frame.
            image: the frame, ``[H, W, 3]`` uint8 of the video's size; it is left as it is.
            score_thr: sequences below it are not drawn; ``show_thr`` unless given.
            style: ``"overlay"`` (45 % colour) or ``"blend"`` (70 % colour, as the published demo).
            color: order of the channels of ``image`` and of what is returned.

        Returns:
            ``[H, W, 3]`` uint8.

        Raises:
            ConfigError: ``color`` is neither, or the frame's number or its image are none.
            ViewError: the video has no such frame, the image has another size or type, or the style is not known (a
                ValueError, too).
        """
        check_color(color)
        if not is_whole(index):
            raise ConfigError(f"index={short(index)} must be a whole number: the 0-based number of a frame")
        if not isinstance(image, np.ndarray):
            raise ConfigError(f"image is of type {type(image).__name__}: give the frame, [H, W, 3] uint8")
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise ViewError(f"image must be [H, W, 3] uint8, got {image.dtype} {list(image.shape)}")
        if color == "rgb":
            return np.ascontiguousarray(
                draw_frame(self, index, np.ascontiguousarray(image[..., ::-1]), score_thr, style)[..., ::-1]
            )
        return draw_frame(self, index, image, score_thr, style)
