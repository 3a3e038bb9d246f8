"""All videos of the server's pages."""

from __future__ import annotations

import logging
import re
import secrets
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mmdet_vis.errors import OutputError, SourceError, UserError
from mmdet_vis.webui.inputs import Limits, check_length, clean_name, line_of, take_proposals, take_uploads
from mmdet_vis.webui.project import JobOptions, Project, new_note

_LOGGER = logging.getLogger(__name__)

KEEP_HOURS = 24.0
MOST_PROJECTS = 200
MIN_FREE_BYTES = 2**30
"""Of the disk: with less, no video is taken."""
_FORGET_AFTER = 600.0
_KEY = re.compile(r"[A-Za-z0-9_-]{22}")


class Projects:
    """The projects of a folder, each under a random key, which is all that opens it.

    Args:
        folder: is made if need be; what is in it is found again.
        limits: what videos are taken.
        keep_hours: hours after which a project that nobody looks at is deleted; None keeps it.
    """

    def __init__(self, folder: Path, limits: Limits, keep_hours: float | None = KEEP_HOURS) -> None:
        self.folder = folder
        self.limits = limits
        self._keep = None if keep_hours is None else keep_hours * 3600
        self._lock = threading.Lock()
        self._projects: dict[str, Project] = {}
        self._closed = threading.Event()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="frames")
        folder.mkdir(parents=True, exist_ok=True)

    def create(
        self, uploads: Sequence[str | Path], options: JobOptions, proposals: Sequence[str | Path] = ()
    ) -> Project:
        """Make a project of uploaded files; its frames are then written in the background.

        Args:
            uploads: the video.
            options: of its run.
            proposals: files of what another program found on it.

        Raises:
            UserError: one line for the page.
        """
        if shutil.disk_usage(self.folder).free < MIN_FREE_BYTES:
            raise OutputError("the server's disk is full: tell who runs it")
        if sum(1 for _ in self.folder.iterdir()) >= MOST_PROJECTS:
            raise OutputError(f"the server has {MOST_PROJECTS} videos, the most: delete some, or try again later")
        folder = self.folder / secrets.token_urlsafe(16)
        folder.mkdir()
        try:
            name = take_uploads(uploads, folder / "input", self.limits)
            if proposals:
                take_proposals(proposals, folder / "proposals", clean_name(name), self.limits)
            project = Project(folder, new_note(name, options))
            with project.open_source() as source:
                check_length(source, project.note.name, self.limits)
        except UserError as error:
            shutil.rmtree(folder, ignore_errors=True)
            line = line_of(error, (f"{folder}/input/", f"{folder}/proposals/", f"{folder}/", f"{folder}"))
            raise SourceError(line) from error
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        with self._lock:
            self._projects[project.key] = project
        self._reader.submit(self._write_frames, project)
        return project

    def get(self, key: str) -> Project | None:
        """The project with a key; None if there is none. It counts as looked at."""
        if not _KEY.fullmatch(key):
            return None
        with self._lock:
            project = self._projects.get(key)
            if project is None and (self.folder / key / "project.json").is_file():
                try:
                    project = self._projects[key] = Project(self.folder / key)
                except (OSError, ValueError, TypeError):
                    _LOGGER.exception("a project is damaged")
                    return None
                if project.frames_ready < len(project.note.frame_names):
                    self._reader.submit(self._write_frames, project)
        if project is not None:
            project.seen = time.monotonic()
        return project

    def delete(self, project: Project) -> None:
        """Delete a project's files."""
        with self._lock:
            self._projects.pop(project.key, None)
        with project.lock:
            shutil.rmtree(project.folder, ignore_errors=True)

    def sweep(self, now: float | None = None) -> None:
        """Delete what nobody has looked at for too long; hold less of the others in memory.

        Args:
            now: ``time.monotonic()``, unless given.
        """
        now = time.monotonic() if now is None else now
        with self._lock:
            known = dict(self._projects)
        for project in known.values():
            if now - project.seen > _FORGET_AFTER:
                project.forget_history()
            if self._keep is not None and now - project.seen > self._keep:
                self.delete(project)
        if self._keep is not None:
            for folder in self.folder.iterdir():
                if folder.name not in known and time.time() - folder.stat().st_mtime > self._keep:
                    shutil.rmtree(folder, ignore_errors=True)

    def close(self) -> None:
        """Stop writing frames."""
        self._closed.set()
        self._reader.shutdown(wait=True, cancel_futures=True)

    def _write_frames(self, project: Project) -> None:
        try:
            project.write_frames(self._closed)
        except UserError as error:
            if project.folder.exists():
                project.end("failed", line_of(error, project.places))
        except Exception:
            if project.folder.exists():
                _LOGGER.exception("frames of %s cannot be written", project.note.name)
