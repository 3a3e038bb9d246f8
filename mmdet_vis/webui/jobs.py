"""What the model has to do for several pages: one job at a time, first come, first served."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mmdet_vis.api import Session, VISModel
from mmdet_vis.errors import UserError
from mmdet_vis.webui.inputs import line_of
from mmdet_vis.webui.models import ModelStore
from mmdet_vis.webui.project import Project

MOST_WAITING = 20
"""Jobs that may wait; the next one is told to come back later."""
IDLE = 300.0
"""Seconds without a job after which what is known of the last video's frames is forgotten."""
PATIENCE = 180.0
"""Seconds for which nobody looks at a video, after which its job is stopped: browsers let pages in the background ask
once a minute."""

Progress = Callable[[float, str], None]
"""Called with the share of the work that is done, 0 to 1, and what is being done."""
Open = Callable[[], Session]
"""Opens the job's video with the model that its options ask for."""
Work = Callable[[Open, Progress], str]
"""Does a job; returns one line about what came of it."""


class JobStoppedError(UserError):
    """The user stopped the job, or left; raised by a :data:`Progress`."""


@dataclass(eq=False)
class Job:
    """A job, waiting or running.

    Attributes:
        project: whose job it is.
        work: what is done.
        amount: how much that is, in frames, to guess how long it takes.
        stop: why it is to end, empty until then.
        began: when it began, as ``time.monotonic()`` gives it; None while it waits.
        share, text: how far it is.
    """

    project: Project
    work: Work
    amount: float
    stop: str = ""
    began: float | None = None
    share: float = 0.0
    text: str = ""
    ended: threading.Event = field(default_factory=threading.Event)

    def seconds_left(self, rate: float | None) -> float | None:
        """Guess how long it takes yet; None if nothing tells.

        Args:
            rate: seconds per frame of the jobs before.
        """
        if self.began is not None and self.share > 0.1:
            return (time.monotonic() - self.began) * (1 - self.share) / self.share
        if rate is None:
            return None
        return max(rate * self.amount - (0 if self.began is None else time.monotonic() - self.began), 0)


class Jobs:
    """The queue of jobs and the thread that does them.

    Args:
        models: where the model comes from.
        patience: seconds, see :data:`PATIENCE`.
    """

    def __init__(self, models: ModelStore, patience: float = PATIENCE) -> None:
        self._models = models
        self._patience = patience
        self._changed = threading.Condition()
        self._jobs: list[Job] = []
        self._rate: float | None = None
        self._desk = _Desk()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._thread.start()

    def add(self, project: Project, work: Work, amount: float) -> Job:
        """Put a job at the end of the queue.

        Raises:
            UserError: the video has one already, or too many wait.
        """
        with self._changed:
            if self._closed:
                raise UserError("the server is ending")
            if any(job.project is project for job in self._jobs):
                raise UserError("this video is being worked on: wait, or stop that first")
            if len(self._jobs) > MOST_WAITING:
                raise UserError(f"{MOST_WAITING} videos wait already: try again later")
            job = Job(project, work, amount)
            self._jobs.append(job)
            self._changed.notify_all()
            return job

    def stop(self, project: Project, why: str = "stopped") -> None:
        """End a project's job, running or waiting."""
        with self._changed:
            job = next((job for job in self._jobs if job.project is project), None)
            if job is None:
                return
            job.stop = job.stop or why
            if job.began is not None:
                return
            self._jobs.remove(job)
        project.end("stopped", job.stop)  # not while others cannot ask: they may hold the project
        job.ended.set()

    def status(self, project: Project) -> dict[str, Any] | None:
        """What the page shows of a project's job; None if it has none.

        Returns:
            ``state`` (``waiting`` or ``running``), ``place`` (in the queue, 0 is the one that runs), ``share``,
            ``text`` and ``seconds`` that it takes until it is done, or None if that is not known.
        """
        with self._changed:
            seconds: float | None = 0.0
            rate = self._rate
            for place, job in enumerate(self._jobs):
                own = job.seconds_left(rate)
                if rate is None and own is not None and job.began is not None:  # the first ever: as it goes so far
                    rate = (time.monotonic() - job.began + own) / max(job.amount, 1)
                seconds = None if seconds is None or own is None else seconds + own
                if job.project is project:
                    state = "waiting" if job.began is None else "running"
                    ending = (
                        {"text": "Stopping", "seconds": None} if job.stop else {"text": job.text, "seconds": seconds}
                    )
                    return {"state": state, "place": place, "share": job.share, **ending}
        return None

    def close(self) -> None:
        """End all jobs and wait for the one that runs."""
        with self._changed:
            self._closed = True
            jobs = list(self._jobs)
            self._changed.notify_all()
        for job in jobs:
            self.stop(job.project, "the server ended")
        self._thread.join(60)

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._changed.wait_for(lambda: self._closed or self._jobs, IDLE):
                    self._desk.clear()
                    continue
                if not self._jobs:
                    break
                job = self._jobs[0]
                job.began = time.monotonic()
            try:
                self._do(job)
            finally:
                with self._changed:
                    self._jobs.remove(job)
                job.ended.set()
        self._desk.clear()

    def _do(self, job: Job) -> None:
        def report(share: float, text: str) -> None:
            with self._changed:
                job.share, job.text = share, text
                left = time.monotonic() - job.project.seen > self._patience
                if left and not job.stop:
                    job.stop = "stopped, since its page was closed"
            if job.stop:
                raise JobStoppedError(job.stop)

        try:
            report(0.0, "Starting")
            model = self._models.get(job.project.note.options.precision, job.project.detector)
            message = job.work(lambda: self._desk.session(job.project, model), report)
            self._rate = (time.monotonic() - (job.began or 0)) / max(job.amount, 1)
            job.project.say(message)
        except JobStoppedError as stopped:
            job.project.end("stopped", str(stopped))
        except Exception as error:
            if not isinstance(error, UserError):
                self._desk.clear()
            job.project.end("failed", line_of(error, job.project.places))


class _Desk:
    """The video that the model worked on last: what it knows of its frames is used again for corrections."""

    def __init__(self) -> None:
        self._session: Session | None = None
        self._whose: tuple[Project, VISModel] | None = None

    def session(self, project: Project, model: VISModel) -> Session:
        """The session of a project with a model: the same again, unless there was another one in between.

        Raises:
            SourceError: the video cannot be read.
        """
        if self._session is None or self._whose != (project, model):
            self.clear()
            self._session, self._whose = Session(model, project.open_source()), (project, model)
        return self._session

    def clear(self) -> None:
        """Forget it."""
        if self._session is not None:
            self._session.close()
            self._session.video.close()
        self._session = self._whose = None
