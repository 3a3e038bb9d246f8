"""Videos that are decoded as their bytes come: files, addresses and standard input, through FFmpeg (PyAV)."""

from __future__ import annotations

import os
import select
import stat
import sys
import threading
from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from mmdet_vis.data.sources.orientation import Orientation
from mmdet_vis.data.sources.video_colour import BgrConverter, colours_of, note_of
from mmdet_vis.data.sources.video_decode import (
    DECODE_ERRORS,
    MAX_VIDEO_PIXELS,
    PYAV,
    av_open,
    decode_packets,
    open_container,
    stream_note,
)
from mmdet_vis.data.sources.video_fields import deinterlace, is_interlaced
from mmdet_vis.data.sources.video_index import aspect_note, scaled_note
from mmdet_vis.data.sources.video_time import MAX_RATE
from mmdet_vis.errors import SourceError
from mmdet_vis.streaming.frames import Stream, StreamFrame
from mmdet_vis.visualization.video_writer import DEFAULT_FPS

# What may come through a pipe: containers, and bare pictures one after the other. No playlists.
_PIPE_FORMATS = (
    "mpegts,matroska,webm,mov,mp4,m4a,3gp,3g2,mj2,avi,mpeg,asf,flv,ogg,gif,nut,yuv4mpegpipe,mjpeg,mpjpeg,h264,hevc"
)
# An address may also be a playlist, but whatever it names must come over the network: no "file" among the protocols.
_NET_FORMATS = f"{_PIPE_FORMATS},hls,rtsp,sdp,rtp"
_NET_PROTOCOLS = "http,https,httpproxy,tcp,tls,udp,rtp,srtp,rtsp,rtmp,rtmps,rtmpt,srt,crypto,data"
_POLL_SECONDS = 0.2
_GRACE_SECONDS = 2.0  # The reader gives up first and says why; this is for its thread to end.


class ContainerStream(Stream):
    """The main video stream of an open container, upright, at the size of its first frame.

    Args:
        container: of PyAV; closed by :meth:`close`.
        stream: its video stream, ready to decode.
        shown: the source's name in messages.
    """

    def __init__(self, container: Any, stream: Any, shown: str) -> None:
        self._container = container
        self._stream = stream
        self._shown = shown
        rate = float(stream.average_rate or 0)
        self.fps = rate if 0 < rate < MAX_RATE else None
        self._aspect = Fraction(stream.sample_aspect_ratio or 1)
        self._broken = False
        # Its length is not known, so that FFmpeg 9 (PyAV 19) cannot tell its end from a connection that broke.
        self._open_ended = False

    def frames(self) -> Iterator[StreamFrame]:
        """See :meth:`Stream.frames`. Packets that cannot be decoded are passed over."""
        clock = Clock(self.fps)
        orientation, to_bgr, index = Orientation(), None, 0
        stored = (0, 0)
        scaled: set[tuple[int, int]] = set()
        for picture in self._whole(self._pictures()):
            size = (picture.height, picture.width)
            if to_bgr is not None and size not in {stored, *scaled}:
                scaled.add(size)
                self._note(f"frame {index} is {scaled_note(size, stored)}, as are those like it")
            if to_bgr is None:
                stored = size
                orientation = Orientation.of_frame(picture)
                to_bgr = BgrConverter(stored)
                self.pixel_aspect = orientation.upright_aspect(self._aspect)
                for note in (
                    stream_note(self._container, self._stream, picture),
                    note_of(*colours_of(picture)),
                    aspect_note(self._aspect, stored, orientation.transpose),
                ):
                    self._note(note)
            try:
                bgr = to_bgr(picture)
            except DECODE_ERRORS as error:
                raise SourceError(f"{self._shown}: cannot be converted to BGR ({error}); send H.264") from error
            time = clock.seconds(picture.time)
            if clock.doubt and not self.live:
                self._note(
                    f"frame {index} {clock.doubt}: from there on, frames follow each other at {clock.rate:g} per second"
                )
                clock.doubt = None
            yield StreamFrame(index, time, orientation.apply(bgr))
            index += 1
        if self._broken and self._open_ended and index:
            self._note(f"the connection ended after frame {index}, which is taken as its end")
        elif self._broken:
            raise SourceError(f"{self._shown}: broke off after frame {index}; it is damaged, or the connection ended")
        if index == 0:
            raise SourceError(f"{self._shown}: no frame can be decoded; it is damaged or empty")

    def _pictures(self) -> Iterator[Any]:
        """Decoded pictures from the first whole one on: whoever joins a broadcast gets pieces of earlier ones."""
        begun = False
        for packet, pictures in decode_packets(self._container, self._stream):
            self._broken = self._broken or (packet is None and pictures is None)
            for picture in pictures or ():
                begun = begun or not picture.is_corrupt
                if begun:
                    yield picture

    def _whole(self, pictures: Iterator[Any]) -> Iterator[Any]:
        """The same pictures, deinterlaced from the first one on that says that it is interlaced."""
        for picture in pictures:
            if is_interlaced(picture):
                self._note("interlaced: its frames are deinterlaced")
                yield from deinterlace(chain((picture,), pictures))
                return
            yield picture

    def _note(self, text: str) -> None:
        if text:
            self.notes.append(f"{self._shown}: {text}")

    def close(self) -> None:
        """See :meth:`Stream.close`."""
        self._container.close()


class Clock:
    """Seconds since the first frame, always increasing: time stamps of broadcasts jump and are missing.

    Args:
        fps: frames per second, to bridge what cannot be true.

    Attributes:
        rate: what is bridged with.
        doubt: what is wrong with the first time stamp that cannot be true; None once that was said.
    """

    def __init__(self, fps: float | None) -> None:
        self.rate = fps or DEFAULT_FPS
        self.doubt: str | None = ""
        self._step = 1 / self.rate
        self._offset: float | None = None
        self._last = -self._step

    def seconds(self, stamp: float | None) -> float:
        """Time of the next frame from its time stamp in seconds."""
        expected = self._last + self._step
        if stamp is None:
            self.doubt = self.doubt if self.doubt is None else "has no time stamp"
            self._last = expected
            return expected
        if self._offset is not None and stamp - self._offset <= self._last:
            self.doubt = self.doubt if self.doubt is None else "is stamped with a time before the last one's"
        if self._offset is None or stamp - self._offset <= self._last:
            self._offset = stamp - expected
        self._last = stamp - self._offset
        return self._last


class FileStream(ContainerStream):
    """A video file, read from its beginning without looking at the rest of it first.

    Raises:
        SourceError: not a video.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(*open_container(path, "AUTO"), str(path))


class AddressStream(ContainerStream):
    """A video from the network. It is live unless its length is known, which is so for a file on a web server.

    Args:
        address: with its password, if it needs one.
        shown: the same for messages.
        timeout: seconds of silence after which a read fails (a little later).

    Raises:
        SourceError: no answer, or not a video.
    """

    def __init__(self, address: str, shown: str, timeout: float) -> None:
        options = {"format_whitelist": _NET_FORMATS, "protocol_whitelist": _NET_PROTOCOLS}
        scheme = urlsplit(address).scheme.lower()
        if scheme in ("rtsp", "rtsps"):
            options["rtsp_transport"] = "tcp"  # Lost packets of UDP are grey areas in the frames.
        else:
            options["reconnect"] = "1"  # Servers do not wait for ever while a window is segmented.
        try:
            container = av_open(address, options, timeout=timeout + _GRACE_SECONDS)
        except DECODE_ERRORS as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SourceError(
                f"{shown}: cannot be opened as a video ({reason}); check the address and that the server is on"
            ) from error
        super().__init__(container, _video_of(container, shown), shown)
        web = scheme in ("http", "https")
        self.live = not web or not (container.duration or (container.size or 0) > 0)
        self._open_ended = web and self.live and PYAV >= 19


class StdinStream(ContainerStream):
    """A video on standard input, in a format that can be read without going back (a file may be of any).

    Args:
        stopped: once it is set, the input counts as ended.

    Raises:
        SourceError: a terminal, or not a video.
    """

    def __init__(self, stopped: threading.Event) -> None:
        shown = "standard input"
        descriptor = sys.stdin.fileno() if sys.stdin is not None else 0
        if os.isatty(descriptor):
            raise SourceError(f"{shown}: is a terminal; pipe a video into it")
        file: Any
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            file = open(descriptor, "rb", closefd=False)  # noqa: SIM115  (the container reads from it)
        else:
            file = PipeReader(descriptor, stopped)
        options = {"format_whitelist": _PIPE_FORMATS, "protocol_whitelist": "pipe"}
        try:
            container = av_open(file, options)
        except DECODE_ERRORS as error:
            raise SourceError(
                f"{shown}: cannot be read as a video; send one that needs no going back: "
                "ffmpeg -i VIDEO -c copy -f matroska - | …"
            ) from error
        super().__init__(container, _video_of(container, shown), shown)


class PipeReader:
    """Bytes of a pipe as they come: a read returns what is there instead of waiting for all that was asked for.

    Args:
        descriptor: of a pipe or socket; it is left open.
        stopped: ends a read that waits.
    """

    def __init__(self, descriptor: int, stopped: threading.Event) -> None:
        self._descriptor = descriptor
        self._stopped = stopped

    def read(self, size: int) -> bytes:
        """Return 1 to ``size`` bytes; none at the end, or once it was stopped."""
        while not self._stopped.is_set():
            if select.select([self._descriptor], [], [], _POLL_SECONDS)[0]:
                return os.read(self._descriptor, size)
        return b""


def _video_of(container: Any, shown: str) -> Any:
    """The main video stream of a container, ready to decode; closes the container if it has none."""
    stream = container.streams.best("video")
    if stream is None or stream.codec_context is None:
        container.close()
        kind = "no video stream" if stream is None else "a video codec that is not supported"
        raise SourceError(f"{shown}: has {kind}; send H.264")
    stream.codec_context.thread_type = "AUTO"
    stream.codec_context.options = {"max_pixels": str(MAX_VIDEO_PIXELS)}
    return stream
