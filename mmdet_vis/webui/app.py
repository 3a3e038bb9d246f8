"""The first page: what is segmented, and how. The editor, where it is seen and corrected, is in ``static``."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmdet_vis.choices import PROFILES
from mmdet_vis.data.sources.image_files import IMAGE_SUFFIXES
from mmdet_vis.data.sources.video_decode import VIDEO_SUFFIXES
from mmdet_vis.errors import ConfigError, UserError, counted
from mmdet_vis.webui.inputs import Limits
from mmdet_vis.webui.models import ModelStore
from mmdet_vis.webui.project import JobOptions
from mmdet_vis.webui.proxy import BehindProxy, Below
from mmdet_vis.webui.workspace import Workspace

MOST_KEY_FRAMES = 200

CONTROLS = {
    "key_num": "Key frames", "profile": "Profile", "precision": "Precision", "proposer": "Detector",
    "score_thr": "Lowest score", "images": "them, by the box “with the frames”",
}  # fmt: skip
"""What the pages call the arguments of the program, also in messages."""
FILES = "files of another program"
"""The detector that is none of the server's."""

Begin = Callable[[Sequence[str], JobOptions, Sequence[str]], str]
"""Takes uploaded files, options, and files of proposals; puts them into the queue, and returns the project's key."""

_CSS = """
.gradio-container {max-width: 900px !important; margin: auto !important}
#input {min-height: 170px}
.status {font-size: 1.05em; padding: 2px 0}
.status .error {color: var(--error-text-color, #b91c1c); font-weight: 600}
#recent a {margin: 0 6px; text-decoration: underline}
#examples video {pointer-events: none}
footer {display: none !important}
"""
# Whatever the libraries of the page refer to, the browser asks no other machine for it.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'"
)
# The editor is below the page, wherever a proxy puts that.
_OPEN = """(key) => {
    if (!key) return;
    const root = new URL(window.gradio_config?.root || '.', document.baseURI).pathname.replace(/\\/$/, '');
    window.location.assign(`${root}/edit/${key}/`);
}"""
# Videos are remembered by the browser alone: the server tells nobody which it has.
_RECENT = """() => {
    let known = [];
    try { known = JSON.parse(localStorage.getItem('mmdet_vis.recent')) || []; } catch {}
    const root = new URL(window.gradio_config?.root || '.', document.baseURI).pathname.replace(/\\/$/, '');
    const links = known.filter(({key}) => /^[A-Za-z0-9_-]{22}$/.test(key)).map(({key, name, time}) => {
        const link = document.createElement('a');
        link.href = `${root}/edit/${key}/`;
        link.textContent = name;
        link.title = new Date(time).toLocaleString();
        return link;
    });
    const box = document.querySelector('#recent');
    if (box && links.length) box.replaceChildren('Your videos: ', ...links);
}"""


def build_page(
    models: ModelStore, limits: Limits, workspace: Workspace, begin: Begin, examples: Sequence[Path]
) -> gr.Blocks:
    """Build the page.

    Args:
        models: what it may say of the model.
        limits: what it may say of them.
        workspace: where uploads are.
        begin: starts the work.
        examples: videos that it offers.
    """
    with gr.Blocks(title="mmdet_vis", analytics_enabled=False) as page:
        gr.HTML(f"<h2>Video instance segmentation</h2><p>{escape(models.describe())}</p>")
        files = gr.File(
            label=f"A video, its frames as images, or a zip of them (at most {limits.max_megabytes} MB and "
            f"{limits.max_seconds:g} s)",
            file_count="multiple",
            file_types=[*sorted(VIDEO_SUFFIXES | IMAGE_SUFFIXES), ".zip"],
            height=170,
            elem_id="input",
        )
        # gradio's own leaves an empty file behind for each that it hands over.
        files.preprocess = _paths
        if examples:
            shown = gr.Dataset(
                label="Or try one of these",
                components=[gr.Video(render=False, height=90)],
                samples=[[str(path)] for path in examples],
                type="index",
                elem_id="examples",
            )
            shown.click(
                lambda index: [str(examples[index])], shown, files, queue=False, show_progress="hidden",
                api_visibility="private",
            )  # fmt: skip
        start = gr.Button("Segment", variant="primary", elem_id="start")
        status = gr.HTML(elem_id="status", elem_classes="status")
        options = _options(limits, models)
        key = gr.Textbox(visible=False)
        gr.HTML('<div id="recent"></div>')
        _connect(page, workspace, begin, models, limits, [files, *options], status, key, start)
    return page


def _options(limits: Limits, models: ModelStore) -> list[Any]:
    """The files of another program, and the controls in the order of the arguments of ``chosen_options``."""
    own = models.key_num is not None  # Propose-Reduce; other methods have neither key frames nor profiles.
    with gr.Accordion("Options", open=False, elem_id="options"):
        with gr.Row():
            # As text, and without bounds: gradio's numbers turn an empty one into 0, and what is out of range is to be
            # said in a line.
            frames, seconds = (
                gr.Textbox(label=f"Use the first … {unit}", info="Empty: all", elem_id=unit, max_lines=1)
                for unit in ("frames", "seconds")
            )
        with gr.Row():
            keys = gr.Textbox(
                label=CONTROLS["key_num"], info="That objects are looked for on", visible=own,
                value=str(models.key_num) if own else "", elem_id="keys", max_lines=1,
            )  # fmt: skip
            profile = gr.Radio(
                list(PROFILES),
                value=models.recommended.profile,
                label=CONTROLS["profile"],
                info="fast skips what is covered already",
                visible=own,
            )
            number = gr.Dropdown(
                list(models.precisions), value=models.precision, label=CONTROLS["precision"], info="float32 is exact"
            )
        offered = [
            (f"{name}: {counted(len(one.categories), 'category')}", name) for name, one in models.detectors.items()
        ]
        detector = gr.Dropdown(
            [("the model's own", ""), *offered, FILES], value="", label=CONTROLS["proposer"], visible=own,
            info="Looks for objects on the key frames; the model follows them", elem_id="detector",
        )  # fmt: skip
        found = gr.File(
            label="A .json with COCO's results (or one per frame), and categories.json; or a zip of them",
            file_count="multiple", file_types=[".json", ".zip"], height=120, visible=False, elem_id="found",
        )  # fmt: skip
        found.preprocess = _paths
        detector.change(
            lambda chosen: gr.update(visible=chosen == FILES), detector, found, queue=False, show_progress="hidden",
            api_visibility="private",
        )  # fmt: skip
    return [found, keys, profile, frames, seconds, number, detector]


def chosen_options(
    own_key_num: int | None,
    keys: str | None,
    profile: str,
    frames: str | None,
    seconds: str | None,
    precision: str,
    detector: str = "",
) -> JobOptions:
    """What a user chose, looked at.

    Args:
        own_key_num: the config's number of key frames, which stays where ``keys`` is the same or empty; None for a
            method that has none.
        keys, frames, seconds: what was typed for a number, which may be anything; empty or None for no choice.
        profile, precision, detector: of the lists.

    Raises:
        ConfigError: names what is out of range.
    """
    key_num = _whole(CONTROLS["key_num"], keys, MOST_KEY_FRAMES)
    duration = None
    if seconds and seconds.strip():
        duration = _number(seconds)
        if not 0 < duration < math.inf:
            raise ConfigError(f"Use the first … seconds: {seconds:.40} is not more than 0; leave it empty for all")
    return JobOptions(
        # None, where the config's number stays, is also what other methods take.
        key_num=None if key_num == own_key_num or own_key_num is None else key_num,
        profile=profile,
        precision=precision,
        max_frames=_whole("Use the first … frames", frames, None),
        max_seconds=duration,
        detector=detector if detector and detector != FILES else None,
    )


def _whole(label: str, text: str | None, most: int | None) -> int | None:
    if not text or not text.strip():
        return None
    value = _number(text)
    if not 1 <= value < (math.inf if most is None else most + 1) or value != int(value):
        wanted = "a whole number from 1" + ("; leave it empty for all" if most is None else f" to {most}")
        raise ConfigError(f"{label}: {text:.40} is not {wanted}")
    return int(value)


def _number(text: str) -> float:
    """The number that a text is; NaN, which no bound lets through, for another text."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def _paths(files: Any) -> list[str] | None:
    """Uploads as gradio has them, which has seen to it that they are in its folder: their paths."""
    return None if files is None else [file.path for file in files]


def _connect(
    page: gr.Blocks, workspace: Workspace, begin: Begin, models: ModelStore, limits: Limits, inputs: list[Any],
    status: Any, key: Any, start: Any,
) -> None:  # fmt: skip
    def segment(paths: list[str] | None, found: list[str] | None, *chosen: Any) -> list[str]:
        try:
            by_files = chosen[-1] == FILES
            if by_files and not found:
                raise ConfigError(f"{CONTROLS['proposer']}: drop the files of the other program, or choose another")
            options = chosen_options(models.key_num, *chosen)
            return ["", begin(paths or [], options, found if found and by_files else [])]
        except UserError as error:
            return [f'<div role="status" class="error">{escape(str(error))}</div>', ""]

    def uploaded(paths: list[str] | None, request: gr.Request) -> str:
        for path in paths or []:
            workspace.own(str(request.session_hash), Path(path))
        return ""  # What was wrong with another file need not be said any more.

    def leave(request: gr.Request) -> None:
        workspace.forget(str(request.session_hash))

    hidden: dict[str, Any] = {"api_visibility": "private", "queue": False}
    for each in inputs[:2]:
        each.upload(uploaded, each, status, show_progress="hidden", **hidden)
        each.clear(lambda: "", None, status, show_progress="hidden", **hidden)
    start.click(segment, inputs, [status, key], show_progress_on=[status], **hidden).then(
        None, key, None, js=_OPEN, show_progress="hidden", **hidden
    )
    page.unload(leave)
    page.load(None, None, None, js=_RECENT, show_progress="hidden", **hidden)


def launch(page: gr.Blocks, editor: ASGIApp, host: str, port: int, limits: Limits, root_path: str = "") -> None:
    """Start serving in the background; ``root_path`` is where a proxy puts the page, ``editor`` is below ``edit``.

    Raises:
        UserError: gradio cannot start.
    """
    # Fonts of the system: gradio's own themes ask a server on the internet for theirs.
    sans, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    page.queue(default_concurrency_limit=8)
    try:
        page.launch(
            server_name=host,
            server_port=port,
            root_path=root_path or None,
            prevent_thread_lock=True,
            quiet=True,
            share=False,
            show_error=True,
            max_file_size=limits.max_bytes,
            enable_monitoring=False,
            ssr_mode=False,
            pwa=False,
            mcp_server=False,
            footer_links=[],
            app_kwargs={
                "middleware": [Middleware(BehindProxy, root_path=root_path), Middleware(_NoOtherMachines)],
                "routes": [Mount("/edit", Below("/edit", editor))],
            },
            theme=gr.themes.Base(font=sans, font_mono=mono),
            css=_CSS,
        )
    except (OSError, ValueError) as error:
        raise UserError(f"the page cannot be served on {host} port {port}: {error}") from error


class _NoOtherMachines:
    """Sends :data:`_POLICY` with every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""

        async def send_with_policy(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"content-security-policy", _POLICY.encode())]
            await send(message)

        await self._app(scope, receive, send_with_policy)
