"""Starting and ending the server."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from mmdet_vis.signals import StopSignals
from mmdet_vis.webui.examples import make_example
from mmdet_vis.webui.limits import Limits
from mmdet_vis.webui.runner import ModelStore, Runner
from mmdet_vis.webui.workspace import Workspace


def serve(
    models: ModelStore, limits: Limits, host: str, port: int, examples: Sequence[Path], root_path: str = ""
) -> None:
    """Serve the page until SIGINT or SIGTERM, then delete all its files.

    Args:
        models: with the model loaded.
        limits: what videos are taken.
        host, port: where to listen; the port is free.
        examples: videos that the page offers, beside a synthetic one.
        root_path: where a proxy puts the page: a path, or a whole address; empty for the top.

    Raises:
        UserError: the server cannot start.
    """
    with StopSignals(insist=()) as stop, closing(Workspace()) as workspace:
        _set_environment(workspace.root)
        from mmdet_vis.webui.app import build_page, launch

        runner = Runner(models, workspace, limits)
        page = build_page(runner, [*examples, make_example(workspace.root)])
        workspace.keep_all()
        try:
            launch(page, host, port, limits, root_path)
            workspace.start_sweeping()
            shown = f"[{host}]" if ":" in host else host
            print(f"mmdet_vis: http://{shown}:{port} (Ctrl-C ends the server)", flush=True)
            if host not in LOCAL:
                print("warning: everyone who can reach this address can use the page", flush=True)
            stop.wait()
        finally:
            runner.close()
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
