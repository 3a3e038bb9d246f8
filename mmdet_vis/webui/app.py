"""Layout of the page, and what its buttons do."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mmdet_vis.choices import PROFILES
from mmdet_vis.errors import UserError
from mmdet_vis.webui.job import JobOptions, JobResult
from mmdet_vis.webui.limits import Limits
from mmdet_vis.webui.runner import ModelStore, Runner
from mmdet_vis.webui.tracks import HEADERS

MOST_WAITING = 20
"""Jobs that may wait; the next one is told to come back later."""

_CSS = """
.status {font-size: 1.05em; padding: 2px 0}
.status .error {color: var(--error-text-color, #b91c1c); font-weight: 600}
.status .note {opacity: 0.75}
/* Trimming would load a program from another server, and there is nothing to go back to. */
#input button[aria-label^="Trim"], #input button[aria-label^="Reset"] {display: none}
footer {display: none !important}
"""
# Whatever the libraries of the page refer to, the browser asks no other machine for it.
_POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:; "
    "style-src 'self' 'unsafe-inline'; frame-ancestors 'self'"
)


def build_page(runner: Runner, examples: Sequence[Path]) -> gr.Blocks:
    """Build the page.

    Args:
        runner: does the work.
        examples: videos that it offers.
    """
    limits, key_num = runner.limits, runner.models.key_num
    with gr.Blocks(title="mmdet_vis", analytics_enabled=False) as page:
        gr.HTML(f"<h2>Video instance segmentation</h2><p>{escape(runner.models.describe())}</p>")
        with gr.Row():
            with gr.Column(scale=2, min_width=320):
                video = gr.Video(
                    label=f"Video (at most {limits.max_megabytes} MB and {limits.max_seconds:g} s)",
                    sources=["upload"],
                    height=260,
                    elem_id="input",
                )
                if examples:
                    gr.Examples([[str(path)] for path in examples], video, label="Examples", cache_examples=False)
                options = _options(limits, key_num, runner.models)
                with gr.Row():
                    start = gr.Button("Segment", variant="primary", elem_id="start")
                    stop = gr.Button("Stop", elem_id="stop", interactive=False)
            with gr.Column(scale=3, min_width=420):
                status = gr.HTML(elem_id="status", elem_classes="status")
                overlay = gr.Video(
                    label="Objects", interactive=False, autoplay=True, height=420, elem_id="overlay", buttons=[]
                )
                timeline = gr.HTML(elem_id="timeline")
                table = gr.Dataframe(headers=list(HEADERS), label="Sequences", interactive=False, elem_id="table")
                with gr.Row():
                    files = [
                        gr.DownloadButton(label, elem_id=name, interactive=False)
                        for label, name in (
                            ("JSON (YouTube-VIS)", "json"),
                            ("PNG zip (DAVIS)", "png"),
                            ("Overlay mp4", "mp4"),
                        )
                    ]
        _connect(page, runner, [video, *options], [status, overlay, timeline, table, *files], [start, stop])
    return page


def _options(limits: Limits, key_num: int | None, models: ModelStore) -> list[Any]:
    """The controls, in the order of the arguments of ``segment`` after the video."""
    own = key_num is not None  # Propose-Reduce; other methods have neither key frames nor profiles.
    with gr.Accordion("Options", open=True):
        with gr.Row():
            keys = gr.Slider(1, max(20, key_num or 1), value=key_num or 1, step=1, label="Key frames", visible=own)
            score = gr.Slider(
                0, 1, value=models.recommended.show_thr, step=0.01, label="Score threshold", elem_id="score"
            )
        with gr.Row():
            profile = gr.Radio(list(PROFILES), value=models.recommended.profile, label="Profile", visible=own)
            number = gr.Dropdown(list(models.precisions), value=models.precision, label="Precision")
        with gr.Row():
            frames = gr.Number(
                limits.max_frames, label="Use the first … frames", precision=0, minimum=1, maximum=limits.max_frames
            )
            most = limits.max_seconds
            seconds = gr.Number(most, label="Use the first … seconds", minimum=min(0.1, most), maximum=most)
    return [keys, score, profile, frames, seconds, number]


def _connect(page: gr.Blocks, runner: Runner, inputs: list[Any], outputs: list[Any], buttons: list[Any]) -> None:
    video, (start, stop) = inputs[0], buttons
    own_key_num = runner.models.key_num

    def announce(request: gr.Request) -> list[Any]:
        runner.announce(_session(request))
        return [_status("Working (one video at a time, others wait)", "busy"), *_no_results(), *_buttons(running=True)]

    def segment(
        path: str | None,
        keys: int,
        score: float,
        profile: str,
        frames: float | None,
        seconds: float | None,
        precision: str,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008  (how gradio hands it over)
    ) -> list[Any]:
        chosen = JobOptions(
            # None, where the config's number stays, is also what other methods take.
            key_num=None if keys == own_key_num or own_key_num is None else int(keys),
            # As with the key frames: where it stays, the model's own rule holds, which may show the best object below.
            score_thr=None if score == runner.models.recommended.show_thr else score,
            profile=profile,
            max_frames=int(frames) if frames else None,
            max_seconds=seconds or None,
        )
        try:
            done = runner.run(
                _session(request), path, chosen, precision, lambda share, text: progress(share, desc=text)
            )
        except UserError as error:
            return [_status(str(error), "error"), *_no_results()]
        return _results(done)

    def finish(request: gr.Request) -> list[Any]:
        refused = runner.was_refused(_session(request))
        line = _status("not started: too many jobs wait, or an option is out of range; try again", "error")
        return [line if refused else gr.skip(), *_buttons(running=False)]

    def uploaded(path: str | None, request: gr.Request) -> None:
        if path is not None:
            runner.workspace.own(_session(request), Path(path))

    def end(request: gr.Request) -> None:
        runner.stop(_session(request))

    def leave(request: gr.Request) -> None:
        runner.leave(_session(request))

    hidden: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden"}
    video.upload(uploaded, video, None, queue=False, **hidden)
    start.click(announce, None, [*outputs, *buttons], queue=False, **hidden).then(
        segment,
        inputs,
        outputs,
        api_visibility="private",
        show_progress_on=[outputs[1]],
        concurrency_limit=1,
        concurrency_id="segment",
    ).then(finish, None, [outputs[0], *buttons], queue=False, **hidden)
    stop.click(end, None, None, queue=False, **hidden)
    page.unload(leave)


def _session(request: gr.Request) -> str:
    return str(request.session_hash)


def _buttons(running: bool) -> list[Any]:
    return [gr.Button(interactive=not running), gr.Button(interactive=running)]


def _status(text: str, kind: str = "ok", notes: Sequence[str] = ()) -> str:
    lines = [f'<div role="status" class="{kind}">{escape(text)}</div>']
    lines += [f'<div class="note">{escape(note)}</div>' for note in notes]
    return "".join(lines)


def _no_results() -> list[Any]:
    return [None, "", [], *(gr.DownloadButton(value=None, interactive=False) for _ in range(3))]


def _results(done: JobResult) -> list[Any]:
    files = (done.results, done.pngs, done.overlay)
    return [
        _status(done.summary, notes=done.notes),
        str(done.overlay),
        done.timeline,
        [track.row() for track in done.tracks],
        *(gr.DownloadButton(value=str(file), interactive=True) for file in files),
    ]


def launch(page: gr.Blocks, host: str, port: int, limits: Limits, root_path: str = "") -> None:
    """Start serving in the background; ``root_path`` is where a proxy puts the page.

    Raises:
        UserError: gradio cannot start.
    """
    # Fonts of the system: gradio's own themes ask a server on the internet for theirs.
    sans, mono = ["system-ui", "sans-serif"], ["ui-monospace", "monospace"]
    page.queue(max_size=MOST_WAITING, default_concurrency_limit=8)
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
            app_kwargs={"middleware": [Middleware(_NoOtherMachines)]},
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
