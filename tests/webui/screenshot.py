"""Save pictures of the page, as docs/webui.md shows them.

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
        "--box", type=int, nargs=4, default=(358, 50, 478, 262), metavar=("X0", "Y0", "X1", "Y1"), help="is drawn there"
    )
    args, options = parser.parse_known_args()
    if (reason := lacking()) is not None:
        parser.error(reason)
    if not args.video.is_file():
        parser.error(f"{args.video}: no such file")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), *options) as server, chromium() as browser:
        page = visit(browser, server.address)
        page.wait_for_timeout(2000)
        save(page, args.folder / "webui_start.jpg")
        upload(page, args.video)
        press_start(page)
        page.locator("#text", has_text="Following objects").wait_for()
        page.locator("#none", has_text="candidates").wait_for()
        save(page, args.folder / "webui_working.jpg")
        wait_for_objects(page)
        page.locator("#threshold").fill(str(args.score))
        page.locator("#frame").fill(str(args.frame))
        page.locator("#frame").blur()
        page.locator("#list tbody .name").nth(1).click()
        page.locator("h1").hover()
        save(page, args.folder / "webui.jpg")
        page.keyboard.press("Escape")
        page.keyboard.press("r")
        draw(page, args.box)
        page.locator("#drawn").wait_for()
        save(page, args.folder / "webui_drawing.jpg")
        page.locator("#propagate").click()
        page.locator("#text", has_text="propagated from").wait_for()
        page.keyboard.press("Escape")
        page.locator("#export").click()
        page.locator("#format").select_option("cvat")
        with page.expect_download():
            page.locator("#download").click()
        page.locator("#exported .done").wait_for()
        save(page, args.folder / "webui_export.jpg")
        page.keyboard.press("Escape")
        page.set_viewport_size({"width": 390, "height": 844})
        page.locator("#list tbody .name").first.click()
        save(page, args.folder / "webui_phone.jpg", full_page=True)
        server.end()
    return 0


def draw(page: Any, box: list[int]) -> None:
    """Draw a box, in pixels of the video, on the picture."""
    width, height = page.locator("#objects canvas").evaluate("canvas => [canvas.width, canvas.height]")
    area = page.locator("#objects canvas").bounding_box()
    scale = min(area["width"] / width, area["height"] / height)
    left, top = area["x"] + (area["width"] - width * scale) / 2, area["y"] + (area["height"] - height * scale) / 2
    page.mouse.move(left + box[0] * scale, top + box[1] * scale)
    page.mouse.down()
    page.mouse.move(left + box[2] * scale, top + box[3] * scale, steps=5)
    page.mouse.up()


def save(page: Any, path: Path, full_page: bool = False) -> None:
    """A picture of the page, when what fades in has done so."""
    page.wait_for_timeout(1000)
    Image.open(io.BytesIO(page.screenshot(full_page=full_page))).convert("RGB").save(path, quality=QUALITY)


if __name__ == "__main__":
    sys.exit(main())
