"""Frames as JPEG files."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir

_JPEG_QUALITY = 92
_THREADS = 2
_MOST_PENDING = 8
"""Frames that wait to be written: a disk takes its time for each, and more at once do not take longer."""


def write_jpeg(path: str | Path, frame: NDArray[np.uint8]) -> None:
    """Write a BGR frame ``[H, W, 3]`` uint8 as a JPEG; any name that the file system takes will do.

    Raises:
        OutputError: if the file cannot be written, or it is too large for a JPEG (65,500 pixels a side).
    """
    try:
        encoded, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    except cv2.error:
        encoded = False
    if not encoded:
        raise OutputError(f"cannot write {path}: no JPEG of {frame.shape[1]}x{frame.shape[0]} can be made")
    atomic_write(path, data.tobytes())


class ImageFolderWriter:
    """Write frames to ``folder/<stem>.jpg``: a context manager with the interface of ``VideoWriter``.

    Files are made and brought to the disk in threads of their own, a few ahead; all are there when the ``with`` block
    ends. The folder is created if need be; the T names are in the order of the frames, without ending.

    Raises:
        OutputError: if the folder or a file cannot be written; at the latest at the end of the block.
    """

    def __init__(self, folder: str | Path, stems: Sequence[str]) -> None:
        self._folder = ensure_writable_dir(folder)
        self._stems = iter(list(stems))
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="jpeg-writer")
        self._pending: deque[Future[None]] = deque()

    def __enter__(self) -> ImageFolderWriter:
        return self

    def __exit__(self, kind: type | None, *error: object) -> None:
        try:
            while self._pending and kind is None:
                self._pending.popleft().result()
        finally:
            self._threads.shutdown(wait=True, cancel_futures=True)

    def write(self, frame: NDArray[np.uint8]) -> None:
        """Write the next frame, ``[H, W, 3]`` uint8, BGR; ValueError if there are more frames than names.

        The frame must not be changed afterwards.
        """
        stem = next(self._stems, None)
        if stem is None:
            raise ValueError(f"more frames than names for {self._folder}")
        while len(self._pending) >= _MOST_PENDING:
            self._pending.popleft().result()
        self._pending.append(self._threads.submit(write_jpeg, self._folder / f"{stem}.jpg", frame))
