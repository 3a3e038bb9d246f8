"""Starting and ending the server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.errors import UserError, speaking_of_controls
from mmdet_vis.signals import StopSignals
from mmdet_vis.webui.actions import Actions
from mmdet_vis.webui.examples import take_examples
from mmdet_vis.webui.inputs import Limits
from mmdet_vis.webui.jobs import Jobs
from mmdet_vis.webui.models import ModelStore
from mmdet_vis.webui.project import JobOptions
from mmdet_vis.webui.projects import KEEP_HOURS, Projects
from mmdet_vis.webui.workspace import Workspace


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        workspace: its temporary files.
        projects: the videos of its pages.
        actions: what can be done with them.
    """

    workspace: Workspace
    projects: Projects
    actions: Actions


def serve(page: AbstractContextManager[Running], host: str, port: int) -> None:
    """Serve a page, what :func:`running` gives, until SIGINT or SIGTERM; ``host`` and ``port`` are those of the page.

    Raises:
        UserError: the server cannot start.
    """
    with StopSignals(insist=()) as stop, page:
        shown = f"[{host}]" if ":" in host else host
        print(f"mmdet_vis: http://{shown}:{port} (Ctrl-C ends the server)", flush=True)
        if host not in LOCAL:
            print("warning: everyone who can reach this address can use the page", flush=True)
        stop.wait()


@contextmanager
def running(
    models: ModelStore,
    limits: Limits,
    host: str,
    port: int,
    examples: Sequence[Path],
    root_path: str = "",
    kept: Path | None = None,
) -> Iterator[Running]:
    """Serve the page while the block runs.

    Args:
        models: with the model loaded.
        limits: what videos are taken.
        host, port: where to listen; the port is free.
        examples: videos that the page offers, beside a synthetic one.
        root_path: where a proxy puts the page: a path, or a whole address; empty for the top.
        kept: folder for the videos and their corrections, which stay there; None: they are temporary.

    Raises:
        UserError: the server cannot start.
    """
    with closing(Workspace()) as workspace:
        _set_environment(workspace.root)
        from mmdet_vis.webui.app import CONTROLS, build_page, launch
        from mmdet_vis.webui.routes import Routes

        folder = workspace.root / "projects" if kept is None else kept
        with (
            speaking_of_controls(CONTROLS),
            closing(Projects(folder, limits, None if kept else KEEP_HOURS)) as projects,
            closing(Jobs(models)) as jobs,
        ):
            actions = Actions(jobs)

            def begin(uploads: Sequence[str], options: JobOptions, proposals: Sequence[str]) -> str:
                project = projects.create(uploads, options, proposals)
                try:
                    actions.segment(project)
                except UserError:
                    projects.delete(project)
                    raise
                return project.key

            page = build_page(models, limits, workspace, begin, take_examples(examples, workspace.root))
            workspace.keep_all()
            workspace.keep(folder)
            try:
                launch(page, Routes(projects, actions).app(), host, port, limits, root_path)
                workspace.start_sweeping(also=projects.sweep)
                yield Running(workspace, projects, actions)
            finally:
                page.close(verbose=False)


def _set_environment(root: Path) -> None:
    """What gradio and its libraries read when they are imported: no reports, no network, files in one place."""
    os.environ.update(
        GRADIO_TEMP_DIR=str(root),
        GRADIO_ANALYTICS_ENABLED="False",
        GRADIO_RUN_HISTORY="False",
        HF_HUB_OFFLINE="1",
        HF_HUB_DISABLE_TELEMETRY="1",
    )
    # gradio asks itself whether it has started: a proxy could not.
    for name in ("NO_PROXY", "no_proxy"):
        os.environ[name] = ",".join(filter(None, (os.environ.get(name), *LOCAL)))
    # Uploads are written there first; those that are cut short must go too.
    tempfile.tempdir = str(root)


LOCAL = ("127.0.0.1", "localhost", "::1")
