"""The first page as people use it: a real server, a real browser, real videos."""

from __future__ import annotations

import json
import re
import signal
import time
import urllib.error
import urllib.request
from urllib.parse import urlsplit

import pytest

from tests.tiny import write_frames
from tests.webui.browser import PATIENCE, Server, chromium, lacking, press_start, upload, visit, wait_for_objects
from tests.webui.clips import write_clip
from tests.webui.proxies import PATH, check_page, proxy

pytestmark = pytest.mark.skipif(lacking() is not None, reason=str(lacking()))

MEGABYTES, SECONDS = 2, 5
DIFFER = """() => {
    const [a, b] = ["original", "objects"].map((id) => document.querySelector(`#${id} canvas`).toDataURL());
    return a !== b;
}"""
"""Whether something is drawn over the picture."""


@pytest.fixture(scope="module")
def server(tiny, tmp_path_factory):
    examples = tmp_path_factory.mktemp("examples")
    write_clip(examples / "example.mp4", frames=4)
    options = ("--config", tiny[0], "--checkpoint", tiny[1], "--max-size", MEGABYTES, "--max-seconds", SECONDS)
    folder = tmp_path_factory.mktemp("web")
    with Server(folder, *map(str, options), "--examples", str(examples)) as server:
        yield server
        assert server.end(signal.SIGINT) == 0
    assert not list(folder.glob("mmdet_vis_web_*"))


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser):
    """For pages that come one after the other, so that scripts are fetched and compiled once."""
    return browser.new_context()


@pytest.fixture
def page(context, server):
    page = visit(context, server.address)
    yield page
    assert page.script_errors == []
    page.close()


def wait_until(condition):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def uploads_of(server: Server) -> set[str]:
    names = {path.name for path in server.workspace().rglob("*") if path.is_file() and "projects" not in path.parts}
    return names - {"alive", "synthvis.mp4", "example.mp4"}


def test_a_video_from_upload_to_the_editor(browser, server, tmp_path):
    asked = []
    context = browser.new_context()
    context.on("request", lambda request: asked.append(request.url))
    page = visit(context, server.address)
    box = page.locator("#start").bounding_box()
    assert box["y"] + box["height"] < 900, "the main button is seen without scrolling"
    assert not page.locator("#frames").is_visible(), "expert options are folded away"
    upload(page, write_clip(tmp_path / "clip.mp4", frames=20, height=120, width=160))
    assert press_start(page) is None
    # Frames are there before the result is.
    page.locator("#name:text-is('clip')").wait_for()
    wait_for_objects(page)
    assert re.match(r"20 frames of 160x120 segmented in [\d.]+ s", page.locator("#text").inner_text())
    objects = page.locator("#list tbody tr").count()
    assert objects >= 1
    assert page.locator("#timeline .row[data-id]:not(.axis)").count() == objects
    address = page.url
    page.reload()
    wait_for_objects(page)
    assert page.locator("#list tbody tr").count() == objects
    assert page.url == address
    # The first page remembers it, in this browser alone.
    page.locator("#home").click()
    page.locator("#recent a", has_text="clip").click()
    wait_for_objects(page)
    other = visit(browser, server.address)
    other.wait_for_timeout(300)
    assert other.locator("#recent a").count() == 0
    other.close()
    # No other machine is asked for anything: not for fonts, not for scripts.
    assert {urlsplit(url).netloc for url in asked if url.startswith(("http", "ws"))} == {
        urlsplit(server.address).netloc
    }
    assert page.script_errors == []
    context.close()
    wait_until(lambda: not uploads_of(server))


def test_images_together_are_a_video(page, tmp_path):
    upload(page, *sorted(write_frames(tmp_path / "frames", 3).iterdir()))
    assert press_start(page) is None
    wait_for_objects(page)
    assert page.locator("#last").inner_text() == "2"


def test_what_is_wrong_is_said_and_the_server_lives_on(page, server, tmp_path):
    assert press_start(page) == "no video: drop one, or pick an example"
    bad = tmp_path / "bad.mp4"
    bad.write_text("hello")
    clear = page.locator("#input button[aria-label=Clear]")
    for file, words in (
        (bad, "bad.mp4: cannot be read as a video"),
        (write_clip(tmp_path / "long.mp4", frames=60), f"long.mp4 is longer than {SECONDS} s, which this server takes"),
    ):
        upload(page, file)
        assert press_start(page).startswith(words)
        clear.click()
        page.locator("#status [role=status]").wait_for(state="detached")
    big = tmp_path / "big.mp4"
    big.write_bytes(write_clip(tmp_path / "small.mp4").read_bytes() + bytes(MEGABYTES * 2**20))
    page.locator("#input input[type=file]").first.set_input_files(str(big))
    page.get_by_text(re.compile(r"exceed the maximum allowed size.*big\.mp4")).wait_for()
    assert "big.mp4" not in uploads_of(server)
    assert "Traceback" not in page.content()
    assert not any("Traceback" in line for line in server.lines)


def test_foolish_numbers_are_said_and_the_page_goes_on(page):
    page.locator("#examples video").first.locator("xpath=ancestor::button | ancestor::*[@role='button']").first.click()
    page.locator("#input .file").wait_for()
    page.locator("#options button").first.click()
    number = page.locator("#frames input")
    for value in ("0", "-3", "1.5", "1e9999", "many"):
        number.fill(value)
        number.blur()
        assert (
            press_start(page) == f"Use the first … frames: {value} is not a whole number from 1; leave it empty for all"
        )
    number.fill("")
    seconds = page.locator("#seconds input")
    seconds.fill("0")
    seconds.blur()
    assert press_start(page) == "Use the first … seconds: 0 is not more than 0; leave it empty for all"
    seconds.fill("")
    seconds.blur()
    number.fill("2")
    number.blur()
    page.locator("#keys input").fill("0")
    page.locator("#keys input").blur()
    assert press_start(page).startswith("Key frames: 0 is not a whole number from 1 to ")
    page.locator("#keys input").fill("1")
    page.locator("#keys input").blur()
    assert press_start(page) is None
    wait_for_objects(page)
    assert page.locator("#last").inner_text() == "1"
    assert "only the first 2 of 4 frames were used" in page.locator("#text").inner_text()


def test_what_another_program_found_is_followed(page, server, tmp_path):
    upload(page, write_clip(tmp_path / "my clip.mp4", frames=4))
    page.locator("#options button").first.click()
    assert not page.locator("#found").is_visible()
    page.locator("#detector input").click()
    page.get_by_role("option", name="files of another program").click()
    assert press_start(page) == "Detector: drop the files of the other program, or choose another"
    names, found = tmp_path / "categories.json", tmp_path / "theirs.json"
    names.write_text('[{"id": 7, "name": "lamp"}]')
    mask = {"size": [64, 96], "counts": [64 * 10, 64 * 20, 64 * 66]}
    entry = {"image_id": 0, "category_id": 7, "score": 0.9, "bbox": [10, 0, 20, 64], "segmentation": mask}
    found.write_text(json.dumps([{**entry, "score": 3}]))
    upload(page, names, found, where="#found")
    assert press_start(page) is None
    page.locator("#status.error #text", has_text="theirs.json: entry 0 of frame 00000 has score 3").wait_for()

    page.locator("#home").click()
    found.write_text(json.dumps([entry]))
    upload(page, tmp_path / "my clip.mp4")
    page.locator("#options button").first.click()
    page.locator("#detector input").click()
    page.get_by_role("option", name="files of another program").click()
    upload(page, names, found, where="#found")
    assert press_start(page) is None
    wait_for_objects(page)
    # Weights at random carry nothing far, but the result has the other program's categories.
    assert page.locator("#categories option").evaluate_all("all => all.map(one => one.value)") == ["lamp"]
    assert not any("Traceback" in line for line in server.lines)


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
    """The second page waits for the first, reloads while it does; when the first is stopped its turn comes."""
    upload(page, write_clip(tmp_path / "long.mp4", frames=290, fps=60, height=240, width=320))
    assert press_start(page) is None
    page.locator("#text", has_text="Following objects").wait_for()
    # What is proposed on the key frames is seen long before there are objects, and the picture goes there by itself.
    page.locator("#none", has_text=re.compile(r"^\d+ candidates on \d+ frames so far")).wait_for()
    page.locator("#objects[data-frame]:not([data-frame=''])").wait_for()
    assert page.locator("#list tbody tr").count() == 0
    page.keyboard.press("s")  # the original beside it lacks them
    page.wait_for_function(DIFFER)
    other = visit(browser, server.address)
    upload(other, write_clip(tmp_path / "short.mp4", frames=2))
    assert press_start(other) is None
    waiting = other.locator("#text", has_text="Waiting: next in line")
    waiting.wait_for()
    other.reload()
    waiting.wait_for()
    page.locator("#stop").click()
    page.locator("#status.ok #text", has_text=re.compile("^stopped$")).wait_for()
    page.locator("#again").wait_for()
    wait_for_objects(other)
    assert other.locator("#text").inner_text().startswith("2 frames of 96x64")
    assert other.script_errors == []
    other.close()


def test_the_end_deletes_everything_also_in_the_middle_of_a_job(browser, tiny, tmp_path):
    with Server(tmp_path, "--config", str(tiny[0]), "--checkpoint", str(tiny[1])) as server:
        page = visit(browser, server.address)
        upload(page, write_clip(tmp_path / "long.mp4", frames=200))
        assert press_start(page) is None
        page.locator("#text", has_text="Following objects").wait_for()
        assert server.workspace().is_dir()
        assert server.end(signal.SIGTERM) == 0
        page.locator("#status.error #text", has_text="no connection to the server: trying again").wait_for()
        page.close()
    assert not list(tmp_path.glob("mmdet_vis_web_*"))
    assert "Traceback" not in "".join(server.lines)


def test_the_page_below_the_path_that_a_proxy_says(server):
    port = int(server.address.rstrip("/").rpartition(":")[2])
    for takes_off in (True, False):
        with proxy(port, takes_off, X_Forwarded_Prefix=f"{PATH}/") as front:
            check_page(front)
