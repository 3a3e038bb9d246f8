"""Save a picture of the page with a segmented video.

``python -m tests.webui.screenshot VIDEO PICTURE.png [options of python -m mmdet_vis.webui]``, from the repository.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.webui.browser import Server, chromium, lacking, segment, upload, visit

WIDTH, HEIGHT = 1320, 900


def main() -> int:
    """Take the picture; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("video", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--at", type=float, default=0.5, help="which moment of the overlay is shown, 0 to 1")
    args, options = parser.parse_known_args()
    if (reason := lacking()) is not None:
        parser.error(reason)
    if not args.video.is_file():
        parser.error(f"{args.video}: no such file")
    with tempfile.TemporaryDirectory() as folder, Server(Path(folder), *options) as server, chromium() as browser:
        page = visit(browser, server.address)
        page.set_viewport_size({"width": WIDTH, "height": HEIGHT})
        upload(page, args.video)
        print(segment(page))
        for box in ("input", "overlay"):
            video = page.locator(f"#{box} video")
            page.wait_for_function("v => v.readyState >= 3", arg=video.element_handle())
            video.evaluate(
                """(v, at) => new Promise(done => {
                    v.pause();
                    v.addEventListener('seeked', done, {once: true});
                    v.currentTime = at * v.duration;
                })""",
                args.at,
            )
        page.locator("h2").first.hover()
        page.wait_for_timeout(1000)  # what fades in has done so
        page.screenshot(path=str(args.picture), full_page=True)
        server.end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
