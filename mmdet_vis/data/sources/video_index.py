"""One pass over a video file that finds out which frames it really holds.

Containers lie about their number of frames, and a damaged file decodes to more or less than it announces. So a file
is decoded once when it is opened, without colour conversion, and the result is a table of the frames that can be
relied on, with what is needed to find and recognise each of them again.
"""

from __future__ import annotations

import os
import zlib
from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from av.video.reformatter import VideoReformatter

from ...errors import SourceError
from .base import MAX_PIXELS

VIDEO_SUFFIXES = frozenset(
    ".mp4 .m4v .mov .avi .webm .mkv .mpg .mpeg .ts .mts .m2ts .wmv .flv .3gp .ogv .gif".split()
)

# FFmpeg finds the format by content. Playlists and scripts, which can point at other files and hosts, stay out.
_OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,asf,flv,ogg,gif",
    "protocol_whitelist": "file",
    "max_pixels": str(MAX_PIXELS),
}
# Errors of PyAV for files that cannot be used; some carry a standard class only.
DECODE_ERRORS = (av.error.FFmpegError, OSError, ValueError, EOFError)

# Side of the thumbnail whose checksum identifies a frame.
_THUMBNAIL = 64


@dataclass
class VideoIndex:
    """The frames of a video file that decode properly, in presentation order.

    Attributes:
        pts: presentation time stamp per frame, in units of ``time_base``; None where the file has none.
        fingerprints: checksum of each frame's content.
        keys: indices of the frames at which decoding can start, ascending.
        lead: number of decoded frames before the first one that is used.
        matrix: display matrix (a, b, c, d) of the first frame, in 1/65536: x' = a x + c y, y' = b x + d y.
        stored: (height, width) in pixels before the matrix is applied.
        fps: average frame rate in frames per second, None if unknown.
        threads: FFmpeg's threading with which the frames were decoded, and must be decoded again.
        warnings: lines for the user.
    """

    pts: list[int] | None
    fingerprints: array[int]
    keys: list[int]
    lead: int
    matrix: tuple[int, int, int, int]
    stored: tuple[int, int]
    fps: float | None
    threads: str
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Scan:
    """Everything that came out of one pass: packets in decode order, frames in presentation order."""

    packet_pts: list[int | None] = field(default_factory=list)
    discarded: int = 0
    pts: list[int | None] = field(default_factory=list)
    fingerprints: array[int] = field(default_factory=lambda: array("L"))
    keys: list[int] = field(default_factory=list)
    corrupt: list[int] = field(default_factory=list)
    # (number of the packet, number of frames that had come out by then) of every packet that failed.
    failures: list[tuple[int, int]] = field(default_factory=list)
    matrix: tuple[int, int, int, int] = (1 << 16, 0, 0, 1 << 16)
    stored: tuple[int, int] = (0, 0)

    @property
    def clean(self) -> bool:
        """Nothing failed, and every packet gave a frame."""
        return (
            not self.corrupt
            and not self.failures
            and len(self.pts) == len(self.packet_pts) - self.discarded
        )


def open_container(path: Path, threads: str) -> tuple[Any, Any]:
    """Open a video file; return PyAV's container and its main video stream, ready to decode.

    Raises:
        SourceError: not a video file, or one without a video stream that can be decoded.
    """
    # The prefix keeps FFmpeg from reading a protocol into a name with a colon.
    try:
        container = av.open(f"file:{os.path.abspath(path)}", options=_OPTIONS, metadata_errors="replace")
    except DECODE_ERRORS as error:
        raise SourceError(
            f"{path}: cannot be read as a video; it is damaged, cut short or not a video file: replace it"
        ) from error
    try:
        stream = container.streams.best("video")
        if stream is None or stream.codec_context is None:
            kind = "no video stream" if stream is None else "a video codec that is not supported"
            raise SourceError(f"{path}: has {kind}; convert it to H.264 in mp4")
        stream.codec_context.thread_type = threads
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    except BaseException:
        container.close()
        raise
    return container, stream


def decode_packets(container: Any, stream: Any) -> Iterator[tuple[Any, list[Any] | None]]:
    """Yield every packet of the stream with its decoded frames, or with None where it could not be decoded.

    A failure inside the container ends the packets: (None, None) and then, from the decoder's buffers, one last
    (None, frames).
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
    """Checksum of a frame's content, by a small grey thumbnail: a twentieth of the cost of decoding.

    It tells a frame that was decoded from a proper start from one that was decoded from the middle of a group of
    pictures, or from its neighbour. Not for use from several threads at once.
    """

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def __call__(self, frame: Any) -> int:
        """Return the checksum of a ``av.VideoFrame``, 32 bits."""
        small = self._reformatter.reformat(
            frame, _THUMBNAIL, _THUMBNAIL, "gray", interpolation=av.video.reformatter.Interpolation.AREA
        )
        return zlib.crc32(small.to_ndarray().tobytes())


def index_video(path: Path) -> VideoIndex:
    """Decode a video file once and return the index of its good frames.

    Frames after a damage are left out even where the decoder recovers, since nothing says that it did.

    Raises:
        SourceError: not a video, or no frame can be decoded.
    """
    # Decoding frames in parallel is fast, but FFmpeg then reports errors late or not at all. So a file in which
    # anything is odd is scanned again without it, which gives the exact place.
    threads = "AUTO"
    scan, info = _scan(path, threads)
    if not scan.clean:
        threads = "SLICE"
        scan, info = _scan(path, threads)
    start, stop = _good_range(scan)
    if start >= stop:
        raise SourceError(f"{path}: no frame can be decoded; the file is damaged or empty: replace it")
    pts = scan.pts[start:stop]
    # Without distinct time stamps there is no telling where a seek has landed.
    known = [stamp for stamp in pts if stamp is not None]
    distinct = len(known) == len(pts) == len(set(known))
    index = VideoIndex(
        pts=known if distinct else None,
        fingerprints=scan.fingerprints[start:stop],
        keys=[key - start for key in scan.keys if start <= key < stop],
        lead=start,
        matrix=scan.matrix,
        stored=scan.stored,
        fps=info.fps(known),
        threads=threads,
    )
    count = f"{stop - start} frame{'s' * (stop - start > 1)}"
    if start:
        index.warnings.append(f"{path}: the first {start} frames are damaged and were left out")
    if stop < len(scan.pts) or _failed_after(scan, start):
        index.warnings.append(f"{path}: damaged after frame {stop - 1}; only the {count} before are used")
    elif info.is_cut_short(known):
        index.warnings.append(
            f"{path}: holds {count}, less than the {info.announced:.2f} s it announces; it may be cut short"
        )
    return index


@dataclass
class _StreamInfo:
    """What the container says about the stream as a whole."""

    time_base: Fraction | None
    average_rate: Fraction | None
    announced: float | None  # duration in seconds
    start: float  # seconds

    @classmethod
    def of(cls, container: Any, stream: Any) -> _StreamInfo:
        announced = None
        if stream.duration and stream.time_base:
            announced = float(stream.duration * stream.time_base)
        elif container.duration:
            announced = container.duration / av.time_base
        start = float(stream.start_time * stream.time_base) if stream.start_time and stream.time_base else 0.0
        return cls(stream.time_base, stream.average_rate, announced, start)

    def fps(self, pts: list[int]) -> float | None:
        """Average frames per second: of the container, or where that is absurd, of the time stamps."""
        rate = float(self.average_rate) if self.average_rate else 0.0
        if not 0 < rate <= 1000 and self.time_base and len(pts) > 1 and max(pts) > min(pts):
            rate = (len(pts) - 1) / float((max(pts) - min(pts)) * self.time_base)
        return rate if 0 < rate <= 1000 else None

    def is_cut_short(self, pts: list[int]) -> bool:
        """Whether the frames end clearly before the announced duration does.

        An audio track may outlast the frames a little, so the gap must exceed three frames and a tenth of the
        duration (five seconds of a long video).
        """
        fps = self.fps(pts)
        if not self.announced or not self.time_base or not pts or not fps:
            return False
        missing = self.announced - (float(max(pts) * self.time_base) - self.start)
        return missing > max(4 / fps, min(0.1 * self.announced, 5.0))


def _scan(path: Path, threads: str) -> tuple[_Scan, _StreamInfo]:
    """Decode the whole file and take notes."""
    container, stream = open_container(path, threads)
    with container:
        scan, fingerprint = _Scan(), Fingerprint()
        info = _StreamInfo.of(container, stream)
        for packet, frames in decode_packets(container, stream):
            if packet is not None and packet.size:
                scan.packet_pts.append(packet.pts)
                scan.discarded += packet.is_discard
            if frames is None or (packet is not None and packet.is_corrupt):
                scan.failures.append((max(len(scan.packet_pts) - 1, 0), len(scan.pts)))
            for frame in frames or ():
                if not scan.pts:
                    scan.stored = (frame.height, frame.width)
                    scan.matrix = _display_matrix(frame) or scan.matrix
                if frame.is_corrupt:
                    scan.corrupt.append(len(scan.pts))
                elif frame.key_frame:
                    scan.keys.append(len(scan.pts))
                scan.pts.append(frame.pts)
                scan.fingerprints.append(fingerprint(frame))
        return scan, info


def _good_range(scan: _Scan) -> tuple[int, int]:
    """First and one past the last frame of the scan that can be relied on."""
    # A file that was cut without regard to key frames starts with frames whose references are missing.
    corrupt = set(scan.corrupt)
    start = 0
    if 0 in corrupt:
        start = next((key for key in scan.keys if key not in corrupt), len(scan.pts))
    stop = next((frame for frame in scan.corrupt if frame >= start), len(scan.pts))
    damaged = [packet for packet, frames in scan.failures if _is_after_start(scan, packet, frames, start)]
    if stop < len(scan.pts) and scan.pts[stop] in scan.packet_pts:
        damaged.append(scan.packet_pts.index(scan.pts[stop]))
    if not damaged:
        return start, stop
    # Packets come in decode order. All of them from the damaged one on may rest on it, though some of their frames
    # are shown before its own: the good frames end before the earliest of them.
    suspects = scan.packet_pts[min(damaged) :]
    stamps = [stamp for stamp in suspects if stamp is not None]
    if len(stamps) == len(suspects) and stamps:
        limit = min(stamps)
        good = (i for i in range(start, stop) if (stamp := scan.pts[i]) is None or stamp >= limit)
    else:
        good = (max(frames, start) for _, frames in scan.failures if frames >= start)
    return start, min(next(good, stop), stop)


def _is_after_start(scan: _Scan, packet: int, frames: int, start: int) -> bool:
    """Whether a failed packet belongs to the video from frame ``start`` on, not to a torn beginning."""
    stamp = scan.packet_pts[packet] if packet < len(scan.packet_pts) else None
    first = scan.pts[start] if start < len(scan.pts) else None
    if stamp is None or first is None:
        return frames > start
    return stamp >= first


def _failed_after(scan: _Scan, start: int) -> bool:
    return any(_is_after_start(scan, packet, frames, start) for packet, frames in scan.failures)


def _display_matrix(frame: Any) -> tuple[int, int, int, int] | None:
    """The part of a frame's display matrix that turns and mirrors it; None if it has none."""
    for entry in frame.side_data:
        if entry.type.name == "DISPLAYMATRIX":
            # Nine native 32-bit integers in row order: a b u, c d v, x y w.
            values = memoryview(bytes(entry)).cast("i")
            return values[0], values[1], values[3], values[4]
    return None
