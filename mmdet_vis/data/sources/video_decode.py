"""FFmpeg's side of a video file: opening it safely, decoding its packets, telling frames apart."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.video.reformatter import Interpolation, VideoReformatter

from ...errors import SourceError
from .video_colour import is_transparent

VIDEO_SUFFIXES = frozenset(
    (
        ".mp4", ".m4v", ".mov", ".avi", ".webm", ".mkv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv",
        ".3gp", ".3g2", ".ogv", ".gif", ".qt", ".m2t", ".vob", ".asf", ".f4v", ".h264", ".264", ".avc", ".hevc",
        ".h265", ".265", ".y4m", ".mjpeg", ".mjpg", ".m1v", ".m2v", ".dv", ".mxf", ".ivf",
    )
)  # fmt: skip
# Streams without a container, as cameras and recorders leave them. Almost any bytes may pass for one, so that the
# ending has to say so.
_BARE = {
    **dict.fromkeys((".h264", ".264", ".avc"), "h264"),
    **dict.fromkeys((".hevc", ".h265", ".265"), "hevc"),
    **dict.fromkeys((".mjpeg", ".mjpg"), "mjpeg"),
    **{".y4m": "yuv4mpegpipe", ".m1v": "mpegvideo", ".m2v": "mpegvideo", ".ivf": "ivf", ".dv": "dv", ".mxf": "mxf"},
}

# Frames of more pixels are refused, since FFmpeg holds several at a time: 8K (7680 x 4320) just fits.
MAX_VIDEO_PIXELS = 2**25

# FFmpeg finds the format by content. Playlists, which can point at other files and hosts, stay out.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,gif"
# Errors of PyAV for files that cannot be used. Some are of a standard class only: an IndexError comes from
# streams that a damaged file announces and does not have.
DECODE_ERRORS = (av.error.FFmpegError, OSError, ValueError, EOFError, IndexError)

# Side of the thumbnail whose checksum identifies a frame.
_THUMBNAIL = 64


PYAV = int(av.__version__.partition(".")[0])
# Text that is no UTF-8, as old cameras write it, is no error. From 19 on PyAV has no such argument and takes it anyhow.
_ANY_TEXT = {"metadata_errors": "replace"} if PYAV < 19 else {}


def av_open(place: str | BinaryIO, options: dict[str, str], **arguments: Any) -> Any:
    """``av.open`` of something to read, with ``options`` for its container alone, in all versions of PyAV."""
    return av.open(place, container_options=options, **_ANY_TEXT, **arguments)


def open_container(path: Path, threads: str, file: BinaryIO | None = None) -> tuple[Any, Any]:
    """Open a video file; return PyAV's container and its main video stream, ready to decode with FFmpeg's ``threads``.

    ``path`` is only what it is called if there is a ``file`` with its contents, where they are not on this machine.

    Raises:
        SourceError: not a video file, or one without a video stream that can be decoded.
    """
    # The prefix keeps FFmpeg from reading a protocol into a name with a colon.
    try:
        # As options of the container alone: general ones crash PyAV 13 on formats that name their streams late.
        place = f"file:{os.path.abspath(path)}" if file is None else file
        formats = ",".join(filter(None, (_FORMATS, _BARE.get(path.suffix.lower()))))
        options = {"format_whitelist": formats, "protocol_whitelist": "file"}
        container = av_open(place, options)
    except DECODE_ERRORS as error:
        raise SourceError(
            f"{path}: cannot be read as a video; it is damaged, cut short or not a video file: replace it"
        ) from error
    try:
        stream = _main_stream(container)
        if stream is None:
            kind = "a video codec that is not supported" if _moving(container) else "no video stream"
            kind = "a cover picture and no video" if container.streams.video and not _moving(container) else kind
            raise SourceError(f"{path}: has {kind}; convert it to H.264 in mp4")
        stream.codec_context.thread_type = threads
        stream.codec_context.options = {"max_pixels": str(MAX_VIDEO_PIXELS)}
    except BaseException:
        container.close()
        raise
    return container, stream


def _moving(container: Any) -> list[Any]:
    """The video streams of a file, without pictures of its cover."""
    return [stream for stream in container.streams.video if not _disposition(stream) & _COVER]


def _main_stream(container: Any) -> Any:
    """The stream that is meant: one of several frames, marked as the default, with the most pixels; FFmpeg's first."""
    streams = [stream for stream in _moving(container) if stream.codec_context is not None]
    best = container.streams.best("video")
    first = -1 if best is None else best.index

    def rank(stream: Any) -> tuple[bool, int, int, bool]:
        pixels = stream.codec_context.width * stream.codec_context.height
        return stream.frames != 1, _disposition(stream) & _DEFAULT, pixels, stream.index == first

    return max(streams, key=rank, default=None)


def stream_note(container: Any, stream: Any, picture: Any) -> str:
    """What of a file with this first frame is not shown, to follow its name in a message; empty if nothing is."""
    streams, context = _moving(container), stream.codec_context
    notes = []
    if len(streams) > 1:
        notes.append(f"has {len(streams)} video streams: the one of {context.width}x{context.height} is used")
    if stream.metadata.get("alpha_mode") == "1" or is_transparent(picture):
        notes.append("has transparency, which is ignored")
    return "; ".join(notes)


def announced_seconds(container: Any, stream: Any) -> float:
    """How long a video is by its container's word; 0 if there is none."""
    return float((stream.duration or 0) * (stream.time_base or 0)) or (container.duration or 0) / av.time_base


def _disposition(stream: Any) -> int:
    return int(getattr(stream, "disposition", 0))


_DEFAULT, _COVER = 0x1, 0x400  # FFmpeg's AV_DISPOSITION_DEFAULT and AV_DISPOSITION_ATTACHED_PIC


def decode_packets(container: Any, stream: Any) -> Iterator[tuple[Any, list[Any] | None]]:
    """Yield every packet of the stream with its decoded frames, or with None where it could not be decoded.

    A failure inside the container ends the packets: (None, None) and then, from the decoder's buffers, one
    last (None, frames).
    """
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except DECODE_ERRORS:
            yield None, None
            break
        try:
            frames = packet.decode()
        except DECODE_ERRORS:
            frames = None
        yield packet, frames
    try:
        yield None, stream.codec_context.decode(None)
    except DECODE_ERRORS:
        return


class Fingerprint:
    """Checksum of a frame's content, by a small grey thumbnail: a few percent of the cost of decoding.

    It tells a frame that was decoded from a proper start from one that was decoded from the middle of a group
    of pictures, or from its neighbour. Not for use from several threads at once.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> int:
        """Return the checksum of a ``av.VideoFrame``, 32 bits."""
        small = self._reformatter.reformat(frame, _THUMBNAIL, _THUMBNAIL, "gray", interpolation=Interpolation.AREA)
        return zlib.crc32(small.to_ndarray().tobytes())
