"""The page behind proxies that serve it under a path: some take the path off, some leave it, some say it."""

from __future__ import annotations

import argparse
import asyncio
import re
import subprocess
import sys
from importlib.util import find_spec

import pytest

from mmdet_vis.commands.web import root_path
from tests import programs
from tests.webui.proxies import PATH, ask, check_page, proxy

if find_spec("gradio") is None:  # importing it takes long
    pytest.skip("needs gradio", allow_module_level=True)


def test_the_path_that_is_given() -> None:
    command = [sys.executable, "-m", "mmdet_vis.webui", "--port", "0", "--root-path", PATH, "--device", "cpu"]
    process = programs.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = re.search(r"http://127\.0\.0\.1:(\d+)", process.stdout.readline())
        assert address is not None
        port = int(address[1])
        # Whatever a header says beside it: what is given counts.
        for takes_off, says in ((True, {}), (False, {}), (True, {"X_Forwarded_Prefix": "/other"})):
            with proxy(port, takes_off, **says) as front:
                check_page(front)
                assert ask(front, PATH)[0] == (200 if takes_off else 307)
    finally:
        process.terminate()
        process.wait(60)
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.parametrize(
    "prefix", ["//evil.example/x", "/a b", "/<script>", "vis", "/" * 9, "/vis?x", "/v\xefs", "/a" * 17, "/a/../b", ""]
)
def test_a_header_that_is_no_path_is_passed_over(prefix: str) -> None:
    from mmdet_vis.webui.proxy import BehindProxy

    seen = []

    async def app(scope, receive, send) -> None:
        seen.append(scope)

    headers = [(b"x-forwarded-prefix", prefix.encode("latin-1"))]
    scope = {"type": "http", "path": "/config", "headers": headers}
    asyncio.run(BehindProxy(app)(scope, None, None))
    assert seen == [scope]


def test_paths() -> None:
    assert [root_path(text) for text in ("/vis", "/a/b/", "https://host/vis/")] == ["/vis", "/a/b", "https://host/vis"]
    for text in ("vis", "", "/", "/a b", "ftp://host/vis", "/vis?x"):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a path"):
            root_path(text)
