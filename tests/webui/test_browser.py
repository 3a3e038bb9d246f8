"""The page as people use it: a real server, a real browser, a real video."""

from __future__ import annotations

import io
import json
import re
import signal
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest
from PIL import Image

from mmdet_vis.webui.tracks import HEADERS
from tests.webui.browser import PATIENCE, Server, chromium, lacking, segment, upload, visit
from tests.webui.clips import write_clip

pytestmark = pytest.mark.skipif(lacking() is not None, reason=str(lacking()))

MEGABYTES, SECONDS = 2, 5


@pytest.fixture(scope="module")
def server(tiny, tmp_path_factory):
    examples = tmp_path_factory.mktemp("examples")
    write_clip(examples / "example.mp4", frames=4)
    options = (
        "--config",
        tiny[0],
        "--checkpoint",
        tiny[1],
        "--max-size",
        MEGABYTES,
        "--max-seconds",
        SECONDS,
        "--examples",
        examples,
    )
    folder = tmp_path_factory.mktemp("web")
    with Server(folder, *map(str, options)) as server:
        yield server
        assert server.end(signal.SIGINT) == 0
    assert not list(folder.glob("mmdet_vis_web_*"))


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture
def page(browser, server):
    page = visit(browser, server.address)
    yield page
    page.close()


def files_of(server: Server) -> set[str]:
    """What the server keeps of the pages; its own files are the note that it lives, and examples."""
    files = {path.name for path in server.workspace().rglob("*") if path.is_file()}
    assert {"alive", "synthvis.mp4", "example.mp4"} <= files
    return files - {"alive", "synthvis.mp4", "example.mp4"}


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def download(page, button: str) -> tuple[str, bytes]:
    with page.expect_download() as download:
        page.locator(f"#{button}").click()
    return download.value.suggested_filename, Path(download.value.path()).read_bytes()


def test_a_video_from_upload_to_downloads(browser, server, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=20, height=120, width=160)
    asked = []
    context = browser.new_context()
    context.on("request", lambda request: asked.append(request.url))
    page = visit(context, server.address)
    upload(page, clip)
    page.evaluate("""() => {
        window.steps = new Set();
        const box = document.querySelector('#overlay');
        const note = () => box.innerText.split('\\n').forEach(line => steps.add(line));
        new MutationObserver(note).observe(box, {subtree: true, childList: true, characterData: true});
    }""")
    status = segment(page)
    objects = int(re.match(r"clip: (\d+) objects in 20 frames of 160x120", status).group(1))
    assert any("Following objects, step" in line for line in page.evaluate("[...steps]"))

    rows = page.locator("#table [role=row]")
    assert rows.count() == objects + 1
    cells = [rows.nth(index).inner_text().split() for index in (0, 1)]
    assert cells[0] == [word for header in HEADERS for word in header.split()]
    track, category, score, first, last, visible, area = cells[1]
    assert (track, category in ("cat", "dog", "bird")) == ("1", True)
    assert 0.2 <= float(score) <= 1
    assert 0 <= int(first) <= int(last) < 20
    assert 1 <= int(visible) <= 20
    assert float(area) > 0
    assert page.locator("#timeline svg g.track").count() == objects
    assert page.locator("#timeline svg").bounding_box()["height"] > 20

    video = page.locator("#overlay video")
    page.wait_for_function("v => v.readyState >= 3", arg=video.element_handle())
    assert video.evaluate("v => [v.videoWidth, v.videoHeight, v.duration]") == [160, 120, 2.0]
    video.evaluate("async v => { v.muted = true; v.currentTime = 0; await v.play(); }")
    page.wait_for_function("v => v.currentTime > 0.3", arg=video.element_handle())

    name, data = download(page, "json")
    entries = json.loads(data)
    assert name == "clip.json"
    assert len({str(entry["segmentations"]) for entry in entries}) == objects
    assert all(len(entry["segmentations"]) == 20 for entry in entries)
    assert max(entry["score"] for entry in entries) == pytest.approx(float(score), abs=6e-4)
    name, data = download(page, "png")
    assert name == "clip_png.zip"
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert len(archive.namelist()) == 20
        assert 1 <= np.array(Image.open(io.BytesIO(archive.read("clip/00000.png")))).max() <= objects
    name, data = download(page, "mp4")
    assert name == "clip_overlay.mp4"
    with av.open(io.BytesIO(data)) as container:
        assert sum(1 for _ in container.decode(video=0)) == 20

    # No other machine is asked for anything: not for fonts, not for scripts.
    assert {urlsplit(url).netloc for url in asked if url.startswith(("http", "ws"))} == {
        urlsplit(server.address).netloc
    }
    assert {"clip.mp4", "clip.json", "clip_png.zip", "clip_overlay.mp4"} <= files_of(server)
    context.close()
    wait_until(lambda: not files_of(server))


def test_what_is_wrong_is_said_and_the_server_lives_on(page, server, tmp_path):
    assert segment(page) == "no video: drop one, or pick an example"
    bad = tmp_path / "bad.mp4"
    bad.write_text("hello")
    upload(page, bad)
    assert segment(page).startswith("bad.mp4: cannot be read as a video")
    page.locator("#input button[aria-label=Clear]").click()
    upload(page, write_clip(tmp_path / "long.mp4", frames=60))
    assert segment(page) == f"long.mp4 is longer than {SECONDS} s, which this server takes: cut it"
    page.locator("#input button[aria-label=Clear]").click()
    big = tmp_path / "big.mp4"
    big.write_bytes(write_clip(tmp_path / "small.mp4").read_bytes() + bytes(MEGABYTES * 2**20))
    page.locator("#input input[type=file]").first.set_input_files(str(big))
    page.get_by_text(re.compile(r"exceed the maximum allowed size.*big\.mp4")).wait_for()
    assert "big.mp4" not in files_of(server)
    assert "Traceback" not in page.content()
    assert not any("Traceback" in line for line in server.lines)

    page.reload()
    page.locator("button:has(video)").first.click()  # the examples
    page.locator("#input video").wait_for()
    page.locator("#score input[type=number]").fill("1.0")
    page.locator("#score input[type=number]").blur()
    assert "example: no object in 4 frames of 96x64" in segment(page)
    assert page.locator("#timeline svg g.track").count() == 0


def test_size_is_checked_by_the_server_too(server):
    """A browser could be told to skip the check."""
    boundary = "frontier"
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="big.mp4"\r\n\r\n'
    body = head.encode() + bytes(MEGABYTES * 2**20 + 1) + f"\r\n--{boundary}--\r\n".encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
    request = urllib.request.Request(f"{server.address}/gradio_api/upload", body, kind)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request)
    assert refused.value.code == 413
    assert not [path for path in server.workspace().rglob("*") if path.is_file() and path.stat().st_size > 10**6]


def test_stop_and_the_queue(browser, page, server, tmp_path):
    """The second page waits for the first; when that is stopped its turn comes."""
    long = write_clip(tmp_path / "long.mp4", frames=290, fps=60, height=240, width=320)
    upload(page, long)
    page.locator("#start").click()
    page.get_by_text(re.compile("Following objects")).first.wait_for()
    other = visit(browser, server.address)
    upload(other, write_clip(tmp_path / "short.mp4", frames=2))
    other.locator("#start").click()
    other.locator("#status .busy").wait_for()
    assert other.get_by_text(re.compile("Following objects")).count() == 0
    assert page.locator("#status .busy").count() == 1
    page.locator("#stop").click()
    page.get_by_text(re.compile("^stopped$")).wait_for()
    page.locator("#stop[disabled]").wait_for(state="attached")
    other.get_by_text(re.compile("^short: .* in 2 frames")).wait_for()
    other.close()


def test_the_end_deletes_everything_also_in_the_middle_of_a_job(browser, tiny, tmp_path):
    with Server(tmp_path, "--config", str(tiny[0]), "--checkpoint", str(tiny[1])) as server:
        page = visit(browser, server.address)
        upload(page, write_clip(tmp_path / "long.mp4", frames=200))
        page.locator("#start").click()
        page.get_by_text(re.compile("Following objects")).first.wait_for()
        assert server.workspace().is_dir()
        assert server.end(signal.SIGTERM) == 0
        page.close()
    assert not list(tmp_path.glob("mmdet_vis_web_*"))
    assert "Traceback" not in "".join(server.lines)
