"""The editor's page and what it asks the server for, below ``edit/KEY/``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from mmdet_vis.errors import UserError, collected_warnings
from mmdet_vis.webui.actions import Actions
from mmdet_vis.webui.export import EXPORTS, export
from mmdet_vis.webui.inputs import line_of, shorten
from mmdet_vis.webui.project import Project
from mmdet_vis.webui.projects import Projects

STATIC = Path(__file__).resolve().parent / "static"
MOST_BYTES = 2**24
"""Of a request: a mask as a list of runs."""
MOST_MASKS = 64
"""Frames of a request for masks."""
_GONE = "this video is no longer on the server"


class Routes:
    """Answers the editor; a page knows nothing but the key of its project, which names no file.

    Args:
        projects: all of them.
        actions: what can be done with one.
    """

    def __init__(self, projects: Projects, actions: Actions) -> None:
        self._projects = projects
        self._actions = actions

    def app(self) -> Starlette:
        """The routes, to be mounted."""
        routes: list[Any] = [
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/{key}", self._add_slash),
            Route("/{key}/", self._page),
            Route("/{key}/state", self._answer(self._state)),
            Route("/{key}/masks", self._answer(self._masks)),
            Route("/{key}/frames/{index:int}.jpg", self._frame),
            Route("/{key}/export", self._answer(self._export)),
        ]
        for name, act in {
            "edit": self._edit,
            "view": self._view,
            "segment": self._segment,
            "stop": self._stop,
            "delete": self._delete,
        }.items():
            routes.append(Route(f"/{{key}}/{name}", self._answer(act), methods=["POST"]))
        return Starlette(routes=routes)

    def _add_slash(self, request: Request) -> Response:
        return RedirectResponse(f"{request.path_params['key']}/")  # relative: a proxy's path stays

    def _page(self, request: Request) -> Response:
        return FileResponse(
            STATIC / "editor.html", headers={"Cache-Control": "no-cache", "Referrer-Policy": "no-referrer"}
        )

    def _answer(self, act: Callable[[Project, Any], Any]) -> Callable[[Request], Any]:
        """An endpoint: finds the project, reads the body, and turns errors into one line."""

        async def endpoint(request: Request) -> Response:
            try:
                given = request.query_params if request.method == "GET" else await _body(request)
                project = self._projects.get(request.path_params["key"])
                if project is None:
                    return JSONResponse({"error": _GONE, "gone": True}, 404)
                return await run_in_threadpool(self._act, act, project, given)
            except _BadRequestError as error:
                return JSONResponse({"error": str(error)}, 400)

        return endpoint

    def _act(self, act: Callable[[Project, Any], Any], project: Project, given: Any) -> Response:
        try:
            done = act(project, given)
            return done if isinstance(done, Response) else JSONResponse(done)
        except Exception as error:
            line = line_of(error, project.places)
            return JSONResponse({"error": line}, 409 if isinstance(error, UserError) else 500)

    def _frame(self, request: Request) -> Response:
        project = self._projects.get(request.path_params["key"])
        index = request.path_params["index"]
        if project is None or not 0 <= index < project.frames_ready:
            return JSONResponse({"error": _GONE if project is None else "this frame is not there yet"}, 404)
        return FileResponse(project.frame_file(index), headers={"Cache-Control": "private, max-age=86400"})

    def _state(self, project: Project, given: Any) -> dict[str, Any]:
        return self._actions.state(project, _whole(given, "revision", -1))

    def _masks(self, project: Project, given: Any) -> dict[str, Any]:
        start = _whole(given, "start", 0)
        return self._actions.masks(project, start, min(_whole(given, "stop", start + 1), start + MOST_MASKS))

    def _edit(self, project: Project, given: Any) -> dict[str, Any]:
        edit = given.get("edit")
        if not isinstance(edit, dict):
            raise UserError("an edit must be an object {...}")
        self._actions.edit(project, edit, _whole(given, "revision", -1))
        return self._state(project, {})

    def _view(self, project: Project, given: Any) -> dict[str, Any]:
        project.set_view(given.get("threshold"), given.get("hidden"))
        return {}

    def _segment(self, project: Project, given: Any) -> dict[str, Any]:
        self._actions.segment(project)
        return self._state(project, {})

    def _stop(self, project: Project, given: Any) -> dict[str, Any]:
        self._actions.stop(project)
        return self._state(project, {})

    def _delete(self, project: Project, given: Any) -> dict[str, Any]:
        self._actions.stop(project)
        self._projects.delete(project)
        return {}

    def _export(self, project: Project, given: Any) -> Any:
        name = given.get("format")
        if name is None:
            return {"formats": [{"name": n, "title": e.title, "frames": e.frames} for n, e in EXPORTS.items()]}
        score = _score(given.get("score"), project.note.threshold)
        with collected_warnings() as said:
            done = export(project, str(name), score, given.get("frames") == "1")
        lines = (shorten(line, (f"{done.file.parent}/", f"{project.folder}/")) for line in said)
        notes = list(dict.fromkeys([*done.notes, *lines]))
        return FileResponse(
            done.file,
            filename=done.file.name,
            headers={"X-Notes": json.dumps(notes), "Cache-Control": "no-store"},
            background=BackgroundTask(done.remove),
        )


class _BadRequestError(Exception):
    """What no page of ours sends."""


async def _body(request: Request) -> dict[str, Any]:
    data = bytearray()
    async for part in request.stream():
        data += part
        if len(data) > MOST_BYTES:
            raise _BadRequestError("too large")
    try:
        content = json.loads(data or b"{}")
    except (ValueError, RecursionError):
        raise _BadRequestError("not JSON") from None
    if not isinstance(content, dict):
        raise _BadRequestError("not an object {...}")
    return content


def _whole(given: Any, name: str, default: int) -> int:
    value = given.get(name, default)
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{name} must be a whole number") from None


def _score(value: Any, default: float) -> float:
    try:
        score = default if value is None else float(value)
    except (TypeError, ValueError, OverflowError):
        score = -1.0
    if not 0 <= score <= 1:
        raise UserError("the score must be a number from 0 to 1")
    return score
