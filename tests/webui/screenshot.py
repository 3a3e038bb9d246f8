"""Save pictures of the page in all of its states; docs/webui.md shows some.

``python -m tests.webui.screenshot VIDEO FOLDER [options of python -m mmdet_vis.webui]``, from the repository.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any

from PIL import Image

from tests.webui.browser import Server, chromium, lacking, press_start, upload, visit, wait_for_objects

QUALITY = 88


def main() -> int:
    """Take the pictures; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("folder", type=Path, help="gets webui.jpg, webui_drawing.jpg, …")
    parser.add_argument("--score", type=float, default=0.3, help="lowest score that is shown")
    parser.add_argument("--frame", type=int, default=15, help="the one that is shown")
    parser.add_argument(
        "--box", type=int, nargs=4, default=(155, 110, 236, 180), metavar=("X0", "Y0", "X1", "Y1"), help="drawn there"
    )
    args, options = parser.parse_known_args()
    if (reason := lacking()) is not None:
        parser.error(reason)
    if not args.video.is_file():
        parser.error(f"{args.video}: no such file")
    args.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), *options) as server, chromium() as browser:
        page = visit(browser, server.address)
        broken = Path(folder) / "broken.mp4"
        broken.write_text("no video")
        before(page, browser, server, args, broken)
        edited(page, args)
        server.end()
    return 0


def before(page: Any, browser: Any, server: Server, args: argparse.Namespace, broken: Path) -> None:
    """The first page, and the editor until there is a result; a second tab waits, and is stopped."""
    page.wait_for_timeout(2000)
    save(page, args.folder / "webui_start.jpg")
    page.locator("#options button").first.click()
    save(page, args.folder / "webui_options.jpg", full_page=True)
    page.locator("#options button").first.click()
    upload(page, broken)
    press_start(page)
    save(page, args.folder / "webui_error.jpg")
    page.locator("#input button[aria-label=Clear]").click()
    upload(page, args.video)
    other = visit(browser, server.address)
    upload(other, args.video)
    press_start(page)
    press_start(other)
    other.locator("#text", has_text="done in").wait_for()
    save(other, args.folder / "webui_waiting.jpg")
    page.locator("#text", has_text="Following objects").wait_for()
    page.locator("#none", has_text="candidates").wait_for()
    save(page, args.folder / "webui_working.jpg")
    other.locator("#stop").click()
    other.locator("#again").wait_for()
    save(other, args.folder / "webui_stopped.jpg")
    other.close()
    wait_for_objects(page)
    save(page, args.folder / "webui_done.jpg")


def edited(page: Any, args: argparse.Namespace) -> None:
    """The editor with a result: looked at, corrected, exported, and on a phone."""
    page.locator("#threshold").fill("0")
    save(page, args.folder / "webui_threshold.jpg")
    page.locator("#threshold").fill(str(args.score))
    page.locator("#frame").fill(str(args.frame))
    page.locator("#frame").blur()
    names = page.locator("#list tbody .name")
    names.nth(1).click()
    page.locator("h1").hover()
    save(page, args.folder / "webui.jpg")
    page.locator("#side").click()
    save(page, args.folder / "webui_compare.jpg")
    page.locator("#side").click()
    names.nth(0).click(modifiers=["Shift"])
    save(page, args.folder / "webui_merge.jpg")
    names.nth(1).click()
    page.keyboard.press("b")
    x0, y0, x1, y1 = args.box
    draw(page, [(x0, y1), (x0, y1 + 40), (x0 + 30, y1 + 60)])
    page.locator("#drawn").wait_for()
    save(page, args.folder / "webui_brush.jpg")
    page.keyboard.press("Control+z")
    page.locator("#drawn").wait_for(state="hidden")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    draw(page, [(x0, y0), (x1, y1)])
    page.locator("#drawn").wait_for()
    save(page, args.folder / "webui_drawing.jpg")
    page.locator("#propagate").click()
    page.locator("#text", has_text="propagated from").wait_for()
    save(page, args.folder / "webui_propagated.jpg")
    page.keyboard.press("Escape")
    names.first.click()
    page.locator("#category").fill("other objekt")
    page.keyboard.press("Enter")
    page.locator("#said", has_text="is new").wait_for()
    save(page, args.folder / "webui_said.jpg")
    page.keyboard.press("Control+z")
    page.locator("#said").wait_for(state="hidden")
    page.keyboard.press("Escape")
    page.locator("#more").click()
    save(page, args.folder / "webui_keys.jpg")
    page.keyboard.press("Escape")
    page.locator("#export").click()
    page.locator("#format").select_option("cvat")
    with page.expect_download():
        page.locator("#download").click()
    page.locator("#exported .done").wait_for()
    save(page, args.folder / "webui_export.jpg")
    page.keyboard.press("Escape")
    page.set_viewport_size({"width": 390, "height": 844})
    names.first.click()
    save(page, args.folder / "webui_phone.jpg", full_page=True)


def draw(page: Any, places: list[tuple[int, int]]) -> None:
    """Drag from place to place, in pixels of the video, on the picture."""
    width, height = page.locator("#objects canvas").evaluate("canvas => [canvas.width, canvas.height]")
    area = page.locator("#objects canvas").bounding_box()
    scale = min(area["width"] / width, area["height"] / height)
    left, top = area["x"] + (area["width"] - width * scale) / 2, area["y"] + (area["height"] - height * scale) / 2
    (x, y), *others = places
    page.mouse.move(left + x * scale, top + y * scale)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(left + x * scale, top + y * scale, steps=5)
    page.mouse.up()


def save(page: Any, path: Path, full_page: bool = False) -> None:
    """A picture of the page, when what fades in has done so."""
    page.wait_for_timeout(1000)
    Image.open(io.BytesIO(page.screenshot(full_page=full_page))).convert("RGB").save(path, quality=QUALITY)


if __name__ == "__main__":
    sys.exit(main())
