"""Jobs of several pages, one at a time, each of which can be stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.choices import CPU_PRECISIONS, PRECISIONS
from mmdet_vis.config.settings import build_settings, recommended
from mmdet_vis.errors import UserError, is_out_of_memory
from mmdet_vis.propose_reduce import ProposeReduceSettings
from mmdet_vis.webui.job import JobOptions, JobResult, JobStoppedError, Progress, run_job
from mmdet_vis.webui.limits import Limits, check_video
from mmdet_vis.webui.workspace import Workspace

_LOGGER = logging.getLogger(__name__)


class Runner:
    """Runs the jobs of all pages; a page is known by its session's name.

    Args:
        models: where the model comes from.
        workspace: where the files are.
        limits: what videos are taken.
    """

    def __init__(self, models: ModelStore, workspace: Workspace, limits: Limits) -> None:
        self.models = models
        self.workspace = workspace
        self.limits = limits
        self._one_at_a_time = threading.Lock()
        self._guard = threading.Lock()
        self._stops: dict[str, threading.Event] = {}
        self._waiting: set[str] = set()

    def announce(self, session: str) -> None:
        """A page asks for a job, which may have to wait: :meth:`stop` counts from now on."""
        with self._guard:
            self._stops[session] = threading.Event()
            self._waiting.add(session)

    def was_refused(self, session: str) -> bool:
        """Whether the announced job never ran, now that it is over: the queue was full, or an option out of range."""
        with self._guard:
            refused = session in self._waiting
            self._waiting.discard(session)
        return refused

    def stop(self, session: str) -> None:
        """End a page's job, running or waiting."""
        with self._guard:
            event = self._stops.get(session)
        if event is not None:
            event.set()

    def leave(self, session: str) -> None:
        """A page is closed: its job ends and its files go."""
        self.stop(session)
        with self._guard:
            self._stops.pop(session, None)
            self._waiting.discard(session)
        self.workspace.forget(session)

    def close(self) -> None:
        """End all jobs."""
        with self._guard:
            events = list(self._stops.values())
        for event in events:
            event.set()

    def run(
        self, session: str, video: str | Path | None, options: JobOptions, precision: str, progress: Progress
    ) -> JobResult:
        """Run a job that was announced.

        Raises:
            UserError: one line for the page, without a path of the server: bad input, a stopped job, or a fault of
                the program, whose traceback goes to stderr.
        """
        with self._guard:
            stopped = self._stops.get(session)
            self._waiting.discard(session)
        if stopped is None:
            raise JobStoppedError("stopped: the page was closed")
        if video is None:
            raise UserError("no video: drop one, or pick an example")
        path = Path(video)

        def report(share: float, text: str) -> None:
            if stopped.is_set():
                raise JobStoppedError("stopped")
            progress(share, text)

        try:
            with self._one_at_a_time, self.workspace.using(path):
                report(0.0, "Checking the video")
                check_video(path, self.limits)
                model = self.models.get(precision)
                with self.workspace.new_folder(session) as folder:
                    return run_job(model, path, folder, options, report)
        except JobStoppedError:
            raise
        except UserError as error:
            raise UserError(self._line(str(error), path)) from error
        except Exception as error:
            if is_out_of_memory(error):
                line = "the memory is not enough for this video: use fewer frames or a smaller video"
                raise UserError(line) from error
            _LOGGER.exception("the program failed")
            raise UserError(f"the program failed ({type(error).__name__}): its terminal says where") from error

    def _line(self, text: str, path: Path) -> str:
        """One line, in which files have their names alone."""
        for folder in (f"{path.parent}/", f"{path.parent.resolve()}/", f"{self.workspace.root}/"):
            text = text.replace(folder, "")
        return " ".join(text.split())


class ModelStore:
    """Loads the model once, and again when another precision is asked for; one is in memory at a time.

    Attributes:
        precision: that of the first load.
        recommended: what the model recommends.

    Args:
        arguments: of :func:`mmdet_vis.api.load_model`, without ``precision``.
        precision: see there.

    Raises:
        ConfigError, CheckpointError: the model cannot be loaded.
    """

    def __init__(self, arguments: Mapping[str, Any], precision: str | None = None) -> None:
        self._arguments = dict(arguments)
        self._model = load_model(**self._arguments, precision=precision)
        self.precision = self._loaded = precision or self._model.precision.name
        self.recommended = recommended(self._model.config)

    def get(self, precision: str) -> VISModel:
        """The model in a precision; not for use from several threads at once."""
        if precision != self._loaded:
            self._model = load_model(**self._arguments, precision=precision)
            self._loaded = precision
        return self._model

    @property
    def precisions(self) -> tuple[str, ...]:
        """What the device can do."""
        return PRECISIONS if self._model.device.type == "cuda" else CPU_PRECISIONS

    @property
    def key_num(self) -> int | None:
        """The config's number of key frames; None if its method has none, and no profiles either."""
        settings = build_settings(self._model.config)
        return settings.key_num if isinstance(settings, ProposeReduceSettings) else None

    def describe(self) -> str:
        """One line about the model."""
        names = self._model.categories
        shown = ", ".join(name.replace("_", " ") for name in names[:12])
        more = f" and {len(names) - 12} more" if len(names) > 12 else ""
        count = "1 category" if len(names) == 1 else f"{len(names)} categories"
        return f"{count}: {shown}{more}. Runs on {self._model.device}."
