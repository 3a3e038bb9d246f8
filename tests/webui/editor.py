"""What people do in the editor, for tests: what it shows, what is clicked and drawn, and what is downloaded."""

from __future__ import annotations

import zipfile
from pathlib import Path

from tests.webui.browser import visit, wait_for_objects
from tests.webui.projects import HEIGHT, WIDTH


def opened(browser, server, project, **size):
    page = visit(browser, f"{server.address}/edit/{project.key}/", **size)
    wait_for_objects(page)
    return page


def rows(page):
    """The table: number and name, score, and whether it is hidden."""
    return page.locator("#list tbody tr").evaluate_all(
        """all => all.map(row => [
            row.cells[1].innerText, row.cells[2].innerText.slice(0, 4), row.classList.contains('off'),
        ])"""
    )


def edits(page, count):
    """Wait until the page shows what the server has after so many corrections."""
    page.locator(f"body[data-edits='{count}']").wait_for()


def at(page, x, y):
    """The place on the screen of a pixel of the video."""
    box = page.locator("#objects canvas").bounding_box()
    scale = min(box["width"] / WIDTH, box["height"] / HEIGHT)
    left, top = box["x"] + (box["width"] - WIDTH * scale) / 2, box["y"] + (box["height"] - HEIGHT * scale) / 2
    return left + (x + 0.5) * scale, top + (y + 0.5) * scale


def drag(page, *places):
    page.mouse.move(*at(page, *places[0]))
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*at(page, *place), steps=4)
    page.mouse.up()


def choose(page, *ids):
    """Select objects in the table: the first alone, with Shift the others."""
    for number, each in enumerate(ids):
        page.locator(f"#list tr[data-id='{each}'] .name").click(modifiers=["Shift"] if number else [])


def exported(page, name, folder: Path, frames: bool) -> Path:
    """Download a format in the dialog; returns the file, or the folder that it unpacks to."""
    page.locator("#export").click()
    page.locator("#format").select_option(name)
    page.locator("#jpegs").set_checked(frames)
    with page.expect_download() as download:
        page.locator("#download").click()
    page.locator("#exported .done").wait_for()
    page.keyboard.press("Escape")
    folder.mkdir()
    path = folder / download.value.suggested_filename
    download.value.save_as(path)
    if path.suffix == ".zip":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(folder)
        path.unlink()
        return folder
    return path
