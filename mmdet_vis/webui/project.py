"""A video of the page with all that belongs to it, in a folder of its own."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import cv2

from mmdet_vis.api import VideoResult
from mmdet_vis.data.sources import Frame, FrameSource, PartSource
from mmdet_vis.errors import ConfigError, OutputError
from mmdet_vis.files.atomic import atomic_write
from mmdet_vis.webui.history import History
from mmdet_vis.webui.inputs import clean_name, found_proposals, frames_wanted, open_input, shorten

JPEG_QUALITY = 92
RUN = 10**6
"""Revisions from one run of the model to the next: more than a history has steps."""
_NOTE = "project.json"


@dataclass(frozen=True)
class JobOptions:
    """What a user chooses for a video.

    Attributes:
        key_num: frames that objects are proposed from; None is the config's number.
        profile: ``exact`` or ``fast``, see :func:`mmdet_vis.api.segment_video`; None is what the model recommends.
        precision: see :func:`mmdet_vis.api.load_model`; None is what the server was started with.
        detector: one of the server's, see :class:`~mmdet_vis.webui.models.ModelStore`; None is the model's own, or
            what was uploaded with the video.
        max_frames, max_seconds: only the first frames of the video are used; None for all.
    """

    key_num: int | None = None
    profile: str | None = None
    precision: str | None = None
    max_frames: int | None = None
    max_seconds: float | None = None
    detector: str | None = None


@dataclass
class Note:
    """What is kept of a project besides its video, frames and results.

    Attributes:
        name: of the video.
        options: of the run.
        height, width, fps, frame_names: of the video.
        times: seconds of each frame; None where they follow each other at ``fps``.
        notes: lines about what was ignored, lost, converted or guessed.
        runs: how often the model has segmented it.
        outcome: ``new``, ``ready``, ``failed`` or ``stopped``.
        message: one line about it, or about the last step.
        wrong: whether that says what could not be done.
        score_thr: lowest score of a category in results files.
        threshold: sequences with a lower score are neither shown nor exported.
        hidden: sequences that the page does not show.
    """

    name: str
    options: JobOptions
    height: int = 0
    width: int = 0
    fps: float | None = None
    frame_names: list[str] = field(default_factory=list)
    times: list[float] | None = None
    notes: list[str] = field(default_factory=list)
    runs: int = 0
    outcome: str = "new"
    message: str = ""
    wrong: bool = False
    score_thr: float = 0.05
    threshold: float = 0.0
    hidden: list[int] = field(default_factory=list)


class Project:
    """A video, its frames as JPEGs, its result and the corrections of it.

    Methods may be called from several threads.

    Args:
        folder: its folder, whose name is the key that the page's address has. ``input`` holds the video, and
            ``proposals`` what another program found on it, if anything.
        note: of a new project; None reads the one that is there.

    Raises:
        SourceError: a new one's video cannot be read.
        OSError, ValueError: the one that is there is damaged.

    Attributes:
        note: change it under ``lock``, and :meth:`keep` it.
        frames_ready: how many frames there are already.
        proposed: by key frame the runs of the masks of what is proposed there, while the first result is computed.
        seen: when a page last asked for it, as ``time.monotonic()`` gives it.
    """

    def __init__(self, folder: Path, note: Note | None = None) -> None:
        self.folder = folder
        self.lock = threading.RLock()
        self.seen = time.monotonic()
        self._history: History | None = None
        self.proposed: dict[int, list[str]] = {}
        if note is None:
            self.note = _read_note(folder / _NOTE)
            if self.note.outcome == "new":
                self.note.outcome, self.note.message = "stopped", "the server was started anew"
        else:
            (folder / "frames").mkdir(exist_ok=True)
            self.note = note
            with self.open_source() as source:
                self._describe(source)
            self.keep()
        self.frames_ready = sum(1 for _ in (folder / "frames").glob("*.jpg"))

    @property
    def key(self) -> str:
        """Its random name."""
        return self.folder.name

    @property
    def places(self) -> tuple[str, ...]:
        """Folders that messages name, and pages need not see."""
        return tuple(f"{self.folder}/{part}" for part in ("input/", "proposals/", ""))

    @property
    def detector(self) -> str | Path | None:
        """What finds its objects: files of another program, one of the server's, or None for the model's own."""
        return found_proposals(self.folder / "proposals") or self.note.options.detector

    def open_source(self) -> FrameSource:
        """The frames that are used.

        Raises:
            SourceError: the video cannot be read.
        """
        whole = open_input(self.folder / "input")
        try:
            wanted = frames_wanted(whole, self.note.options.max_frames, self.note.options.max_seconds)
            # The name is that of files, and of folders in a zip, on whichever system the user has.
            source = PartSource(whole, 0, wanted, self.note.name, closes=True)
        except BaseException:
            whole.close()
            raise
        if len(source) < len(whole):
            source.warnings.append(f"only the first {len(source)} of {len(whole)} frames were used")
        return source

    def frame_file(self, index: int) -> Path:
        """The JPEG of a frame, which may not be there yet."""
        return self.folder / "frames" / f"{index:06d}.jpg"

    def write_frames(self, stop: threading.Event) -> None:
        """Write the frames that are not there yet.

        Raises:
            SourceError: one cannot be decoded.
            OutputError: one cannot be written.
        """
        with self.open_source() as source:
            for index in range(self.frames_ready, len(source)):
                if stop.is_set() or not self.folder.exists():
                    return
                (frame,) = source.read(index, index + 1)
                self._write_frame(index, frame)
                self.frames_ready = index + 1

    def _write_frame(self, index: int, frame: Frame) -> None:
        done, data = cv2.imencode(".jpg", frame, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
        if not done:
            raise OutputError(f"frame {index} of {self.note.name} has no JPEG: its sides are too long")
        file = self.frame_file(index)
        part = file.with_suffix(".part")
        part.write_bytes(data.tobytes())
        part.replace(file)

    @property
    def history(self) -> History | None:
        """Its result and the corrections; None if there is none yet."""
        with self.lock:
            if self._history is None and History.exists(self.folder):
                self._history = History(self.folder)
            return self._history

    @property
    def revision(self) -> int:
        """Another number after every change of the result; -1 without one."""
        with self.lock:
            history = self.history
            return -1 if history is None else self.note.runs * RUN + history.revision

    def set_result(self, result: VideoResult, message: str, score_thr: float = 0.05) -> None:
        """Take the automatic result, of a model with this lowest score; corrections of an older one are gone."""
        with self.lock:
            self._history = History(self.folder, result)
            self.note.runs += 1
            self.proposed.clear()
            self.note.threshold, self.note.score_thr = result.show_thr, score_thr
            self.note.outcome, self.note.hidden = "ready", []
            self.say(message)

    def end(self, outcome: str, message: str) -> None:
        """Note that a run failed or was stopped; an older result stays."""
        with self.lock:
            self.note.outcome = "ready" if self.history is not None else outcome
            self.say(message, wrong=outcome == "failed")

    def say(self, message: str, wrong: bool = False) -> None:
        """Keep the line at the top of the page."""
        with self.lock:
            self.note.message, self.note.wrong = message, wrong
            self.keep()

    def set_view(self, threshold: object, hidden: object) -> None:
        """Take the score threshold and the ids of hidden sequences.

        Raises:
            ConfigError: they are none.
        """
        if type(threshold) not in (int, float) or not 0 <= threshold <= 1:  # type: ignore[operator]
            raise ConfigError("the score threshold must be a number from 0 to 1")
        if not isinstance(hidden, list) or len(hidden) > 10**4 or not all(type(track) is int for track in hidden):
            raise ConfigError("hidden must be a list of numbers of objects")
        with self.lock:
            self.note.threshold, self.note.hidden = float(threshold), hidden  # type: ignore[arg-type]
            self.keep()

    def forget_history(self) -> None:
        """Free memory: it is read again when it is asked for."""
        with self.lock:
            self._history = None

    def keep(self) -> None:
        """Write the note."""
        if self.folder.exists():
            atomic_write(self.folder / _NOTE, json.dumps(asdict(self.note)))

    def _describe(self, source: FrameSource) -> None:
        self.note.height, self.note.width, self.note.fps = source.height, source.width, source.fps
        self.note.frame_names, self.note.times = list(source.frame_names), source.times
        place = f"{self.folder / 'input'}"
        self.note.notes = [shorten(line, (f"{place}/", place)) for line in source.warnings]


def new_note(upload_name: str, options: JobOptions) -> Note:
    """A note for a video that was uploaded under a name."""
    return Note(clean_name(upload_name), options)


def _read_note(path: Path) -> Note:
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise ValueError(f"{path} is no project's note") from error
    names = {item.name for item in fields(Note)}
    if not isinstance(content, dict) or not {"name", "options"} <= content.keys() <= names:
        raise ValueError(f"{path} is no project's note")
    return Note(**{**content, "options": JobOptions(**content["options"])})
