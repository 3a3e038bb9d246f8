"""One pass over a video file that finds out which frames it really holds.

Containers lie about their number of frames, and a damaged file decodes to more or less than it announces. So
a file is decoded once when it is opened, without colour conversion, and the result is a table of the frames
that can be relied on, with what is needed to find and recognise each of them again.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...errors import SourceError
from .orientation import Orientation
from .video_colour import colours_of, note_of
from .video_decode import DECODE_ERRORS, Fingerprint, announced_seconds, decode_packets, open_container, stream_note
from .video_fields import is_interlaced
from .video_time import Timing, timing

# Streams without a container, whose rate and time stamps are FFmpeg's guess.
_BARE = ("h264", "hevc", "mjpeg", "mpegvideo")


@dataclass
class VideoIndex:
    """The frames of a video file that decode properly, in presentation order.

    Attributes:
        pts: presentation time stamp per frame, in units of ``time_base``; None where the file has none.
        fingerprints: checksum of each frame's content.
        keys: indices of the frames at which decoding can start, ascending.
        lead: number of decoded frames before the first one that is used.
        orientation: what makes the frames upright; that of the first one.
        stored: (height, width) in pixels before that.
        timing: when the frames are shown.
        pixel_aspect: width of a stored pixel over its height.
        interlaced: number of frames that hold two fields.
        threads: FFmpeg's threading with which these frames came out, and are to be decoded again.
        warnings: lines for the user.
    """

    pts: list[int] | None
    fingerprints: array[int]
    keys: list[int]
    lead: int
    orientation: Orientation
    stored: tuple[int, int]
    timing: Timing
    pixel_aspect: Fraction
    interlaced: int
    threads: str
    warnings: list[str] = field(default_factory=list)


@dataclass
class _Scan:
    """Everything that one pass gave: the container's words, packets in decode order, frames in presentation order."""

    format: str  # FFmpeg's name
    time_base: Fraction | None
    average_rate: Fraction | None
    announced: float  # duration in seconds, 0 if it is not said
    start: float  # seconds
    pixel_aspect: Fraction
    packet_pts: list[int | None] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)  # of the packets, 0 where unknown
    discarded: int = 0  # packets whose frames are not meant to be shown
    end: int = 0  # time stamp at which the last packet ends
    pts: list[int | None] = field(default_factory=list)
    fingerprints: array[int] = field(default_factory=lambda: array("L"))
    keys: list[int] = field(default_factory=list)
    corrupt: list[int] = field(default_factory=list)
    # (number of the packet, number of frames that had come out by then) of every packet that failed.
    failures: list[tuple[int, int]] = field(default_factory=list)
    orientation: Orientation = field(default_factory=Orientation)
    stored: tuple[int, int] = (0, 0)
    interlaced: list[int] = field(default_factory=list)
    resized: dict[int, tuple[int, int]] = field(default_factory=dict)  # frames of another (height, width) than stored
    colours: str = ""
    streams: str = ""

    @property
    def is_clean(self) -> bool:
        """Nothing failed, and every packet gave a frame."""
        shown = len(self.packet_pts) - self.discarded
        return not self.corrupt and not self.failures and len(self.pts) == shown

    def is_cut_short(self, fps: float | None) -> bool:
        """Whether the last packet ends clearly before the announced duration does.

        An audio track may outlast the frames a little, so the gap must exceed three frames and a tenth of the
        duration (five seconds of a long video).
        """
        if not self.announced or not self.time_base or not fps:
            return False
        # Containers count the duration from zero or from the first frame: only a start before zero matters.
        missing = self.announced - (float(self.end * self.time_base) - min(self.start, 0.0))
        return missing > max(3 / fps, min(0.1 * self.announced, 5.0))


def index_video(path: Path) -> VideoIndex:
    """Decode a video file once and return the index of its good frames.

    Frames after a damage are left out even where the decoder recovers, since nothing says that it did.

    Raises:
        SourceError: not a video, or no frame can be decoded.
    """
    # Decoding several frames at once is fast, but FFmpeg then reports errors late, and loses frames with
    # them. So a file in which anything is odd is scanned again without it, which gives the exact place.
    threads = "AUTO"
    scan = _scan(path, threads)
    if not scan.is_clean:
        threads = "SLICE"
        scan = _scan(path, threads)
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
        orientation=scan.orientation,
        stored=scan.stored,
        timing=timing(
            [None] * len(pts) if scan.format in _BARE else pts,
            scan.time_base,
            scan.average_rate,
            constant=scan.format == "avi",
            derived=scan.format.startswith("mov") or scan.format == "gif",
            last=_last_duration(scan, pts),
        ),
        pixel_aspect=scan.pixel_aspect,
        interlaced=sum(start <= frame < stop for frame in scan.interlaced),
        threads=threads,
    )
    if start:
        index.warnings.append(f"{path}: the first {start} frames are damaged and were left out")
    if stop < len(scan.pts) or any(_is_after_start(scan, *failure, start) for failure in scan.failures):
        index.warnings.append(f"{path}: damaged; only the {stop - start} frames before the damage are used")
    elif scan.is_cut_short(index.timing.fps):
        index.warnings.append(
            f"{path}: ends before the {scan.announced:.2f} s that it announces, after {stop - start} frames; "
            "it may be cut short"
        )
    notes = [scan.streams, *_notes(index, scan.colours)]
    if others := [size for frame, size in scan.resized.items() if start <= frame < stop]:
        notes.append(f"{len(others)} of {stop - start} frames are {scaled_note(others[0], scan.stored)}")
    index.warnings += [f"{path}: {note}" for note in notes if note]
    return index


def _last_duration(scan: _Scan, pts: list[int | None]) -> int | None:
    """How long the last frame is shown, in units of the stamps; None where the container does not really say it."""
    durations = dict(zip(scan.packet_pts, scan.durations, strict=True))
    # Many write the same for all. Only where durations lead from each frame to the next, the last one's counts.
    before = [(stamp, after) for stamp, after in pairwise(pts) if stamp is not None and after is not None]
    if any(abs(stamp + durations.get(stamp, 0) - after) > 1 for stamp, after in before):
        return None
    return durations.get(pts[-1]) if before else None


def _notes(index: VideoIndex, colours: str) -> list[str]:
    """What is converted or guessed, to follow the file's name; empty where there is nothing to say."""
    notes = [index.timing.problem, colours]
    if index.interlaced:
        notes.append(f"interlaced: {index.interlaced} of {len(index.fingerprints)} frames were deinterlaced")
    return [*notes, aspect_note(index.pixel_aspect, index.stored, index.orientation.transpose)]


def scaled_note(size: tuple[int, int], stored: tuple[int, int]) -> str:
    """What becomes of frames (height, width) in a video whose first has another size, as players do it."""
    return f"of another size ({size[1]}x{size[0]}): scaled to the first one's {stored[1]}x{stored[0]}"


def aspect_note(aspect: Fraction, stored: tuple[int, int], sideways: bool = False) -> str:
    """What is said of frames (height, width) whose pixels have a width of ``aspect`` heights; empty if it is 1.

    ``sideways`` ones are turned by a quarter, and so are the sizes that are said.
    """
    if aspect == 1:
        return ""
    (height, width), ratio = stored, f"{aspect.numerator}:{aspect.denominator}"
    shown, kept = (round(width * aspect), height), (width, height)
    if sideways:
        shown, kept, ratio = shown[::-1], kept[::-1], f"{aspect.denominator}:{aspect.numerator}"
    return (
        f"its pixels are not square ({ratio}, shown as {shown[0]}x{shown[1]}): masks are of the stored "
        f"{kept[0]}x{kept[1]}"
    )


def _scan(path: Path, threads: str) -> _Scan:
    """Decode the whole file and take notes."""
    container, stream = open_container(path, threads)
    try:
        return _read_through(container, stream)
    except DECODE_ERRORS as error:
        # Failures to decode are noted, so this is a pixel format that cannot be converted.
        raise SourceError(f"{path}: cannot be converted to BGR ({error}); convert it to H.264 in mp4") from error
    finally:
        container.close()


def _read_through(container: Any, stream: Any) -> _Scan:
    start, aspect = (stream.start_time or 0) * (stream.time_base or 0), stream.sample_aspect_ratio
    scan = _Scan(
        container.format.name,
        stream.time_base,
        stream.average_rate,
        announced_seconds(container, stream),
        float(start),
        Fraction(aspect) if aspect and aspect > 0 else Fraction(1),
    )
    fingerprint = Fingerprint()
    for packet, frames in decode_packets(container, stream):
        if packet is not None and packet.size:
            scan.packet_pts.append(packet.pts)
            scan.durations.append(packet.duration or 0)
            scan.discarded += packet.is_discard
            scan.end = max(scan.end, (packet.pts or 0) + (packet.duration or 0))
        if frames is None or (packet is not None and packet.is_corrupt):
            scan.failures.append((max(len(scan.packet_pts) - 1, 0), len(scan.pts)))
        for frame in frames or ():
            if not scan.pts:
                scan.stored = (frame.height, frame.width)
                scan.orientation = Orientation.of_frame(frame)
                scan.colours = note_of(*colours_of(frame))
                scan.streams = stream_note(container, stream, frame)
            if (frame.height, frame.width) != scan.stored:
                scan.resized[len(scan.pts)] = (frame.height, frame.width)
            if is_interlaced(frame):
                scan.interlaced.append(len(scan.pts))
            if frame.is_corrupt:
                scan.corrupt.append(len(scan.pts))
            elif frame.key_frame:
                scan.keys.append(len(scan.pts))
            scan.pts.append(frame.pts)
            scan.fingerprints.append(fingerprint(frame))
    return scan


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
    # Packets come in decode order. All of them from the damaged one on may rest on it, though some of their
    # frames are shown before its own: the good frames end before the earliest of them.
    suspects = scan.packet_pts[min(damaged) :]
    stamps = [stamp for stamp in suspects if stamp is not None]
    # Where recordings were joined, stamps start anew, and say nothing of the order.
    if len(stamps) == len(suspects) and stamps and len(set(scan.packet_pts)) == len(scan.packet_pts):
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
