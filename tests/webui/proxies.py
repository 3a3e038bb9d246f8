"""A proxy that serves the page under a path, and what is to be found there."""

from __future__ import annotations

import http.client
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

PATH = "/vis"


class Proxy(BaseHTTPRequestHandler):
    """Forwards what is under ``/vis`` to a server."""

    port = 0
    takes_off = True
    says: ClassVar[dict[str, str]] = {}

    def do_GET(self) -> None:
        if not self.path.startswith(PATH):
            self.send_error(404)
            return
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {**dict(self.headers), "X-Forwarded-Host": self.headers["Host"], "X-Forwarded-Proto": "http"}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        path = (self.path.removeprefix(PATH) or "/") if self.takes_off else self.path
        connection.request(self.command, path, body, headers | self.says)
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        self.send_response(answer.status)
        for name in ("Content-Type", "Location"):
            if name in answer.headers:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_POST = do_GET

    def log_message(self, *args: object) -> None:
        pass


@contextmanager
def proxy(port: int, takes_off: bool = True, **says: str) -> Iterator[int]:
    """Port of a proxy with the page of a server under ``/vis``; ``says`` are headers that it adds."""
    headers = {name.replace("_", "-"): value for name, value in says.items()}
    front = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Forward", (Proxy,), {"port": port, "takes_off": takes_off, "says": headers})
    )
    thread = threading.Thread(target=front.serve_forever, daemon=True)
    thread.start()
    try:
        yield front.server_address[1]
    finally:
        front.shutdown()
        thread.join()
        front.server_close()


def ask(port: int, path: str, method: str = "GET", body: bytes = b"", kind: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def check_page(proxy: int) -> None:
    """Everything of the page is under the path."""
    status, page = ask(proxy, f"{PATH}/")
    assert status == 200
    root = f"http://127.0.0.1:{proxy}{PATH}"
    assert json.loads(ask(proxy, f"{PATH}/config")[1])["root"] == root
    assert root in page.decode()
    scripts = re.findall(r'(?:src|href)="\./(assets/[^"]+\.(?:js|css))"', page.decode())
    assert scripts
    assert all(ask(proxy, f"{PATH}/{script}")[0] == 200 for script in scripts[:2])
    # The editor's page and what it asks for, relative to its own address.
    status, editor = ask(proxy, f"{PATH}/edit/{'a' * 22}/")
    assert status == 200
    script = re.search(r'src="\.\./(static/[^"]+)"', editor.decode())[1]
    assert ask(proxy, f"{PATH}/edit/{script}")[0] == 200
    status, answer = ask(proxy, f"{PATH}/edit/{'a' * 22}/state?revision=-1")
    assert (status, json.loads(answer)["gone"]) == (404, True)
    body = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.mp4"\r\n\r\nabc\r\n--x--\r\n'
    status, answer = ask(proxy, f"{PATH}/gradio_api/upload", "POST", body, "multipart/form-data; boundary=x")
    assert (status, len(json.loads(answer))) == (200, 1)
