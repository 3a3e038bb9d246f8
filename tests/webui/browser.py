"""A server of the page in a process of its own, and a real Chromium that visits it."""

from __future__ import annotations

import importlib.util
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

from tests import programs

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
)  # fmt: skip
PATIENCE = 25
"""Seconds that any one thing may take; the machine may be busy with others."""


def lacking() -> str | None:
    """What has to be installed for the browser tests; None if all is there."""
    for name in ("gradio", "playwright"):  # whose imports take long
        if importlib.util.find_spec(name) is None:
            return f"needs {name}: pip install -e '.[dev]'"
    if not any(map(shutil.which, CHROMIUMS)):
        return "needs Chromium: apt install chromium"
    return None


class Server:
    """``python -m mmdet_vis.webui`` on a free port; its temporary files are in ``temporary``."""

    def __init__(self, temporary: Path, *options: str) -> None:
        self.temporary = temporary
        self.lines: list[str] = []
        self._printed: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        # Whatever asks the internet fails, as it would without one.
        dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
        self.process = programs.Popen(
            [sys.executable, "-m", "mmdet_vis.webui", "--port", "0", "--device", "cpu", *options],
            env={**os.environ, **dead, "TMPDIR": str(temporary), "OMP_WAIT_POLICY": "PASSIVE"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.address = self._wait_for_address()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line)
            self._printed.put(line)
        self._printed.put(None)

    def _wait_for_address(self) -> str:
        deadline = time.monotonic() + 4 * PATIENCE  # gradio may have to be imported
        while True:
            line = self._printed.get(timeout=max(deadline - time.monotonic(), 0.01))
            assert line is not None, "".join(self.lines)
            if match := re.search(r"http://\S+", line):
                return match.group()

    def workspace(self) -> Path:
        """The folder of its temporary files."""
        (folder,) = self.temporary.glob("mmdet_vis_web_*")
        return folder

    def end(self, how: int = signal.SIGTERM) -> int:
        """Send a signal and wait; returns the exit status."""
        self.process.send_signal(how)
        return self.process.wait(PATIENCE)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


@contextmanager
def chromium() -> Iterator[Any]:
    """A headless browser."""
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, CHROMIUMS)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


def visit(browser: Any, address: str, width: int = 1400, height: int = 900) -> Any:
    """Open a page in a browser, or in a context of one; returns it. Errors of its scripts fail the test."""
    page = browser.new_page()
    page.set_viewport_size({"width": width, "height": height})
    page.set_default_timeout(PATIENCE * 1000)
    page.script_errors = []
    page.on("pageerror", lambda error: page.script_errors.append(str(error)))
    page.goto(address)
    page.locator("#start, #name").first.wait_for()
    return page


def upload(page: Any, *files: Path, where: str = "#input") -> None:
    """Give the first page files, as a user who picks them, and wait until it has them."""
    page.locator(f"{where} input[type=file]").first.set_input_files([str(file) for file in files])
    page.locator(f"{where} .file").nth(len(files) - 1).wait_for()


def press_start(page: Any) -> str | None:
    """Press the button of the first page; returns the line that it shows, or None where the editor is opened."""
    page.evaluate("document.querySelectorAll('#status [role=status]').forEach(line => line.classList.add('old'))")
    page.locator("#start").click()
    line = page.locator("#status [role=status]:not(.old), body > #status")
    line.first.wait_for(state="attached")
    return None if "/edit/" in page.url else line.inner_text()


def wait_for_objects(page: Any) -> None:
    """Wait until the editor shows a result."""
    page.locator("#export:enabled").wait_for()
    page.locator("#objects[data-frame='0']").wait_for()
