"""The page below a path, where a proxy in front of the server puts it."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_PREFIX = re.compile(r"(/(?!\.\.?(?:/|$))[\w.~-]+){1,16}", re.ASCII)
"""Paths that are taken from a header."""


class Below:
    """An app below a path: it sees its own part of an address alone, whatever a proxy has before it."""

    def __init__(self, prefix: str, app: ASGIApp) -> None:
        self._prefix = prefix
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        path = scope["path"]
        for before in (scope.get("root_path", ""), self._prefix):
            if before and path.startswith(f"{before}/"):
                path = path[len(before) :]
                break
        await self._app({**scope, "path": path, "root_path": ""}, receive, send)


class BehindProxy:
    """Puts the page where a proxy has it: below ``root_path``, else below the header X-Forwarded-Prefix.

    A proxy may take the path off before it passes a request on, or leave it. The header moves the addresses in the
    answer to the one who sent it, and nothing else.
    """

    def __init__(self, app: ASGIApp, root_path: str = "") -> None:
        self._app = app
        self._given = bool(root_path)
        self._prefix = urlsplit(root_path).path.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            prefix = self._prefix
            if not self._given and _PREFIX.fullmatch(asked := headers.get("x-forwarded-prefix", "").rstrip("/")):
                prefix = asked
                host = headers.get("x-forwarded-host", headers.get("host", "")).partition(",")[0].strip()
                # What gradio takes for the address of the page, with a path as well.
                others = [pair for pair in scope["headers"] if pair[0] != b"x-forwarded-host"]
                scope = {**scope, "headers": [*others, (b"x-forwarded-host", f"{host}{prefix}".encode("latin-1"))]}
            if prefix and scope["path"] == prefix:
                await RedirectResponse(f"{prefix}/")(scope, receive, send)
                return
            if prefix and scope["path"].startswith(f"{prefix}/"):
                scope = {key: value for key, value in scope.items() if key != "raw_path"}
                scope["path"] = scope["path"][len(prefix) :]
        await self._app(scope, receive, send)
