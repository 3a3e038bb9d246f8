"""The page behind a proxy that serves it under a path and takes the path off, as JupyterHub and nginx do."""

from __future__ import annotations

import argparse
import http.client
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from mmdet_vis.commands.web import root_path
from tests import programs

pytest.importorskip("gradio")
PATH = "/vis"


@pytest.fixture(scope="module")
def proxy() -> Iterator[int]:
    """Port of a proxy with the page of a real server under ``/vis``."""
    command = [sys.executable, "-m", "mmdet_vis.webui", "--port", "0", "--root-path", PATH, "--device", "cpu"]
    server = programs.Popen(command, stdout=subprocess.PIPE, text=True)

    class Forward(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if not self.path.startswith(PATH):
                self.send_error(404)
                return
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {**dict(self.headers), "X-Forwarded-Host": self.headers["Host"], "X-Forwarded-Proto": "http"}
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            connection.request(self.command, self.path.removeprefix(PATH) or "/", body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            self.send_response(answer.status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_GET

        def log_message(self, *args: object) -> None:
            pass

    front = ThreadingHTTPServer(("127.0.0.1", 0), Forward)
    thread = threading.Thread(target=front.serve_forever, daemon=True)
    try:
        assert server.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:(\d+)", server.stdout.readline())
        assert address is not None
        port = int(address[1])
        thread.start()
        yield front.server_address[1]
    finally:
        server.terminate()
        server.wait(60)
        server.stdout.close()
        if thread.is_alive():
            front.shutdown()
        front.server_close()


def ask(port: int, path: str, method: str = "GET", body: bytes = b"", kind: str = "") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request(method, path, body, {"Content-Type": kind} if kind else {})
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_everything_of_the_page_is_under_the_path(proxy: int) -> None:
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


def test_paths() -> None:
    assert [root_path(text) for text in ("/vis", "/a/b/", "https://host/vis/")] == ["/vis", "/a/b", "https://host/vis"]
    for text in ("vis", "", "/", "/a b", "ftp://host/vis", "/vis?x"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a path"):
            root_path(text)
