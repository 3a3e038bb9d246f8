"""A camera of this machine, through OpenCV."""

from __future__ import annotations

import time
from collections.abc import Iterator

import cv2
import numpy as np

from mmdet_vis.errors import SourceError
from mmdet_vis.streaming.frames import Stream, StreamFrame


class CameraStream(Stream):
    """Frames as the camera gives them; their time is that of the computer's clock.

    Args:
        number: of the device, from 0.

    Raises:
        SourceError: there is no such camera, or something else uses it.
    """

    live = True

    def __init__(self, number: int) -> None:
        self._number = number
        # OpenCV would print its own lines about a missing camera.
        level = cv2.utils.logging.getLogLevel()
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            self._capture = cv2.VideoCapture(number)
        finally:
            cv2.utils.logging.setLogLevel(level)
        if not self._capture.isOpened():
            raise SourceError(
                f"camera {number}: cannot be opened; check its number and that no other program uses it, or give "
                f"./{number} if a folder is meant"
            )
        rate = self._capture.get(cv2.CAP_PROP_FPS)
        self.fps = rate if 0 < rate <= 1000 else None

    def frames(self) -> Iterator[StreamFrame]:
        """See :meth:`Stream.frames`."""
        index, start, size = 0, 0.0, (0, 0)
        while True:
            whole, image = self._capture.read()
            if not whole:
                raise SourceError(f"camera {self._number}: gives no more frames after {index}; check its connection")
            now = time.monotonic()
            if index == 0:
                start, size = now, (image.shape[1], image.shape[0])
            elif (image.shape[1], image.shape[0]) != size:
                image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            yield StreamFrame(index, now - start, np.asarray(image, np.uint8))
            index += 1

    def close(self) -> None:
        """See :meth:`Stream.close`."""
        self._capture.release()
