"""The editor as people use it: corrections, export and import again, two windows, a phone, and foolish input."""

from __future__ import annotations

import signal

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from mmdet_vis import Merge, Split, Swap, refine
from mmdet_vis.data.formats.opening import read_annotations
from mmdet_vis.structures import decode_masks
from mmdet_vis.webui.history import History
from tests.webui.browser import Server, chromium, lacking, visit, wait_for_objects
from tests.webui.editor import at, choose, drag, edits, exported, opened, rows
from tests.webui.projects import FRAMES, HEIGHT, WIDTH, known_masks, make_project, make_project_of_many

pytestmark = pytest.mark.skipif(lacking() is not None, reason=str(lacking()))


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="module")
def server(tiny, kept, tmp_path_factory):
    options = ("--config", tiny[0], "--checkpoint", tiny[1], "--projects", kept)
    with Server(tmp_path_factory.mktemp("web"), *map(str, options)) as server:
        yield server
        assert server.end(signal.SIGTERM) == 0
    assert not any("Traceback" in line for line in server.lines)


@pytest.fixture(scope="module")
def browser():
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="module")
def context(browser):
    """For pages that come one after the other, so that scripts are fetched and compiled once."""
    return browser.new_context()


@pytest.fixture
def project(kept):
    return make_project(kept)


@pytest.fixture
def page(context, server, project):
    page = opened(context, server, project)
    yield page
    assert page.script_errors == []
    page.close()


def test_a_wrong_object_goes_one_is_corrected_one_renamed_and_the_exports_hold_it(page, project, tmp_path):
    assert rows(page) == [["#1 cat", "0.90", False], ["#2 dog", "0.60", False], ["#3 bird", "0.40", False]]
    # The wrong one: clicked on the picture, deleted with a key.
    page.mouse.click(*at(page, 20, 45))
    assert page.locator("#who").inner_text() == "#2 dog"
    assert page.locator("#timeline .row.selected .label").inner_text() == "#2 dog"
    page.keyboard.press("Delete")
    edits(page, 1)
    # One has another name.
    page.locator("#list tr[data-id='1'] .name").click()
    page.locator("#category").fill("snow leopard")
    page.keyboard.press("Enter")
    edits(page, 2)
    # One is corrected: it cannot be seen on the last frames, and what is drawn of it on another one is propagated.
    page.locator("#list tr[data-id='3'] .name").click()
    page.locator("#absent").click()
    page.locator("#from").fill("12")
    page.locator("#to").fill("15")
    page.locator("#range button").click()
    edits(page, 3)
    page.locator("#forth").click()
    page.keyboard.press("b")
    drag(page, (10, 55), (20, 55))
    edits(page, 4)
    page.locator("#propagate").click()
    edits(page, 5)
    names = [name for name, _, _ in rows(page)]
    assert names == ["#1 snow leopard", "#3 bird"]

    kept = History(project.folder).result
    expected = {kept.category_of(s): decode_masks(s.masks) for s in kept.sequences if s.track_id in (1, 3)}
    assert np.array_equal(expected["snow leopard"], known_masks()[0])
    assert expected["bird"][1, 55, 10:21].all()
    assert not expected["bird"][12:16].any()
    for name, frames in (("cvat", True), ("coco", False), ("ytvis", False)):
        place = exported(page, name, tmp_path / name, frames)
        (video,) = read_annotations(place, name).videos
        assert {track.category for track in video.tracks} == set(expected)
        for track in video.tracks:
            for t, rle in enumerate(track.masks):
                mask = np.zeros((HEIGHT, WIDTH), np.uint8) if rle is None else decode_masks([rle])[0]
                assert np.array_equal(mask, expected[track.category][t]), (name, track.category, t)

    # All of it is there after a reload, can be undone, and done again; also in another server's eyes.
    page.reload()
    wait_for_objects(page)
    assert [name for name, _, _ in rows(page)] == names
    for count in (4, 3, 2, 1, 0):
        page.keyboard.press("Control+z")
        edits(page, count)
    page.wait_for_function("document.querySelectorAll('#list tbody tr').length === 3")
    page.keyboard.press("Control+Shift+z")
    edits(page, 1)
    assert [s.track_id for s in History(project.folder).result.sequences] == [1, 3, 4]


def test_what_the_program_says_of_a_correction_is_seen(page):
    said = page.locator("#said")
    page.locator("#list tr[data-id='1'] .name").click()
    page.locator("#category").fill("catt")
    page.keyboard.press("Enter")
    said.filter(has_text="category 'catt' is new, beside 3 others; there is 'cat'").wait_for()
    page.reload()
    wait_for_objects(page)
    assert said.is_visible()
    page.keyboard.press("Control+z")
    said.wait_for(state="hidden")


def test_the_brush_changes_the_pixels_that_it_touches(page, project):
    page.locator("#list tr[data-id='1'] .name").click()
    page.locator("#forth").click()
    page.keyboard.press("e")
    drag(page, (15, 5), (15, 24))
    edits(page, 1)
    page.keyboard.press("b")
    drag(page, (60, 55), (70, 55))
    edits(page, 2)
    (prompt,) = page.evaluate("async () => (await (await fetch('state')).json()).pending")
    assert (prompt["id"], prompt["frame"]) == (1, 1)
    mask, before = decode_masks([prompt["mask"]])[0], known_masks()[0, 1]
    assert not mask[8:20, 15].any()
    assert mask[55, 60:71].all()
    near = np.zeros_like(before)
    near[:, 10:21] = 1
    near[48:63, 53:78] = 1
    assert np.array_equal(mask[near == 0], before[near == 0])
    assert page.locator("#drawntext").inner_text() == "1 object on 1 frame"
    assert page.locator("#timeline .pending").count() == 1
    page.reload()
    wait_for_objects(page)
    assert page.locator("#drawntext").inner_text() == "1 object on 1 frame"
    page.locator("#forth").click()
    page.locator("#discard").click()
    edits(page, 3)
    page.locator("#drawn").wait_for(state="hidden")


def test_what_is_drawn_is_propagated(page, project):
    page.locator("#list tr[data-id='1'] .name").click()
    page.locator("#forth").click()
    page.keyboard.press("b")
    drag(page, (60, 55), (70, 55))
    edits(page, 1)
    (prompt,) = page.evaluate("async () => (await (await fetch('state')).json()).pending")
    page.locator("#propagate").click()
    edits(page, 2)
    page.locator("#drawn").wait_for(state="hidden")
    page.locator("#text", has_text="1 object propagated from 1 drawn frame").wait_for()
    assert page.locator("#timeline .row[data-id='1'] .given").count() == 1
    assert page.locator("#timeline .heat").count() == 1, "only what was propagated knows how sure it is"
    result, before = History(project.folder).result, known_masks()
    assert result.sequence(1).masks[1] == prompt["mask"]
    assert result.sequence(1).given == (1,)
    assert np.array_equal(decode_masks(result.sequence(2).masks), before[1])
    page.keyboard.press("Control+z")
    edits(page, 1)
    assert np.array_equal(decode_masks(History(project.folder).result.sequence(1).masks), before[0])
    assert page.locator("#drawntext").inner_text() == "1 object on 1 frame"


def test_objects_are_joined_swapped_and_split(page, project):
    """Whether by keys or by buttons, it is what ``refine`` does."""
    first = History(project.folder).result
    choose(page, 1, 2)
    page.keyboard.press("m")
    edits(page, 1)
    for _ in range(5):
        page.keyboard.press("ArrowRight")
    choose(page, 1, 3)
    page.locator("#swap").click()
    edits(page, 2)
    choose(page, 3)
    page.locator("#split").click()
    edits(page, 3)
    assert [name for name, _, _ in rows(page)] == ["#1 cat", "#3 bird", "#5 bird"]
    wanted = refine(first, [Merge((1, 2)), Swap(1, 3, 5), Split(3, 5, new_id=5)])
    assert History(project.folder).result == wanted


def test_boxes_and_points_for_new_objects(page):
    page.keyboard.press("r")
    page.locator("#newname").fill("fox")
    drag(page, (70, 5), (90, 25))
    edits(page, 1)
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    page.keyboard.press("p")
    page.locator("#newname").fill("")
    page.locator("#toolline").click()
    page.mouse.click(*at(page, 80, 50))
    edits(page, 2)
    page.keyboard.down("Alt")
    page.mouse.click(*at(page, 85, 58))
    page.keyboard.up("Alt")
    edits(page, 3)
    assert page.locator("#drawntext").inner_text() == "2 objects on 1 frame"
    box, points = page.evaluate("async () => (await (await fetch('state')).json()).pending")
    assert (box["id"], box["category"]) == (5, "fox")
    assert box["box"] == pytest.approx([70.5, 5.5, 90.5, 25.5], abs=0.6)
    assert points["id"] == 6
    assert points["labels"] == [True, False]
    assert np.allclose(points["point"], [[80.5, 50.5], [85.5, 58.5]], atol=0.6)


def test_the_threshold_and_hiding_are_for_the_eye_and_stay(page):
    threshold = page.locator("#threshold")
    threshold.fill("0.5")
    assert [name for name, _, _ in rows(page)] == ["#1 cat", "#2 dog"]
    assert page.locator("#shown").inner_text() == "0.50 · 2 of 4"
    threshold.fill("0")
    assert len(rows(page)) == 4
    page.locator("#list tr[data-id='2'] .eye").click()
    assert rows(page)[1] == ["#2 dog", "0.60", True]
    page.mouse.click(*at(page, 20, 45))
    assert not page.locator("#selection").is_visible()
    page.wait_for_function("async () => { const s = await (await fetch('state')).json(); return s.hidden[0] === 2; }")
    page.reload()
    wait_for_objects(page)
    assert len(rows(page)) == 4
    assert rows(page)[1] == ["#2 dog", "0.60", True]


def test_table_timeline_and_video_point_at_each_other(page):
    page.locator("#timeline .row[data-id='3'] .label").click()
    assert page.locator("#list tr.selected .name").inner_text() == "#3 bird"
    page.locator("#list tr[data-id='3'] .go").first.click()
    page.locator("#objects[data-frame='4']").wait_for()
    assert page.locator("#frame").input_value() == "4"
    bar = page.locator("#timeline .row[data-id='1'] .bar").bounding_box()
    page.mouse.click(bar["x"] + bar["width"] * 10.5 / FRAMES, bar["y"] + 5)
    page.locator("#objects[data-frame='10']").wait_for()
    assert page.locator("#who").inner_text() == "#1 cat"
    page.mouse.move(*at(page, 60, 15))
    page.locator("#list tr.hovered .name:text-is('#3 bird')").wait_for()
    page.locator("#timeline .row.hovered .label:text-is('#3 bird')").wait_for()


def test_strokes_outside_the_picture_draw_nothing(page):
    page.keyboard.press("b")
    page.keyboard.press("[")
    for selected in (False, True):
        if selected:
            page.locator("#list tr[data-id='1'] .name").click()
        drag(page, (-2, 5), (-2, 40))
        page.locator("#toast", has_text="that is outside the picture").wait_for()
        assert page.evaluate("async () => (await (await fetch('state')).json()).pending") == []


def test_a_selected_row_comes_into_sight_and_frames_are_whole(page, context, server, kept):
    other = opened(context, server, make_project_of_many(kept, 60))
    other.keyboard.press("Shift+N")
    assert other.locator("#who").inner_text() == "#60 cat"
    for box, row in (("#timeline", ".row.selected"), ("#list", "tr.selected")):
        outer, inner = (other.locator(each).bounding_box() for each in (box, f"{box} {row}"))
        assert outer["y"] <= inner["y"]
        assert inner["y"] + inner["height"] <= outer["y"] + outer["height"] + 1
    axis, outer = (other.locator(each).bounding_box() for each in ("#timeline .axis", "#timeline"))
    assert axis["y"] + axis["height"] <= outer["y"] + outer["height"], "it is seen however many rows there are"
    ticks = other.locator("#timeline .axis span").all_inner_texts()
    assert ticks[:2] == ["0", "2"]
    assert other.script_errors == []
    other.close()


def test_keys_and_foolish_numbers_of_frames(page):
    page.keyboard.press("End")
    page.locator(f"#objects[data-frame='{FRAMES - 1}']").wait_for()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowLeft")
    page.locator("#objects[data-frame='9']").wait_for()
    number = page.locator("#frame")
    for value, shown in (("-5", 0), ("99999999999", FRAMES - 1), ("3.4", 3), ("", 3), ("1e300", FRAMES - 1)):
        number.fill(value)
        number.blur()
        page.locator(f"#objects[data-frame='{shown}']").wait_for()
        assert number.input_value() == str(shown)
    page.keyboard.press("n")
    page.keyboard.press("n")
    assert page.locator("#who").inner_text() == "#2 dog"
    page.locator("#absent").click()
    page.locator("#to").fill("100000")
    page.locator("#range button").click()
    page.locator("#toast.error").wait_for()
    page.keyboard.press("Home")
    page.keyboard.press(" ")
    page.wait_for_function("Number(document.querySelector('#frame').value) >= 3")
    page.keyboard.press(" ")


def test_two_windows(browser, server, project, page, kept):
    other = opened(browser, server, project)
    page.locator("#list tr[data-id='1'] .name").click()
    page.locator("#delete").click()
    edits(page, 1)
    other.locator("#list tr[data-id='2'] .name").click()
    other.locator("#delete").click()  # it may not have heard of the other's yet
    other.wait_for_function("document.querySelectorAll('#list tbody tr').length <= 2")
    if other.locator("#toast.error").is_visible():
        assert "changed in another window" in other.locator("#toast").inner_text()
        other.locator("#delete").click()
    edits(other, 2)
    other.wait_for_function("document.querySelectorAll('#list tbody tr').length === 1")
    assert rows(other) == [["#3 bird", "0.40", False]]
    # One with another video is not disturbed.
    third = opened(browser, server, make_project(kept))
    assert len(rows(third)) == 3
    for each in (other, third):
        assert each.script_errors == []
        each.close()


def test_a_lost_connection_comes_back(browser, server, project):
    context = browser.new_context()
    page = opened(context, server, project)
    context.set_offline(True)
    page.locator("#list tr[data-id='1'] .name").click()
    page.locator("#delete").click()
    page.locator("#status.error #text", has_text="no connection to the server: trying again").wait_for()
    assert len(rows(page)) == 3
    context.set_offline(False)
    page.locator("#status.ok").wait_for()
    page.locator("#delete").click()
    edits(page, 1)
    page.wait_for_function("document.querySelectorAll('#list tbody tr').length === 2")
    context.close()


def test_a_video_that_is_gone_is_said(browser, page):
    page.once("dialog", lambda dialog: dialog.accept())
    address = page.url
    page.locator("#more").click()
    page.locator("#remove").click()
    page.locator("#start").wait_for()
    other = visit(browser, address)
    other.locator("#status.error #text", has_text="this video is no longer on the server").wait_for()
    other.close()


@pytest.mark.parametrize("width", [390, 1400])
def test_it_can_be_used_on_a_phone_and_on_a_desk(context, server, project, width):
    page = opened(context, server, project, width=width, height=844 if width == 390 else 900)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.locator("#timeline .label, #timeline .axis span, #list td, button, #text").evaluate_all(
        "all => all.filter(e => e.offsetParent).map(e => parseFloat(getComputedStyle(e).fontSize))"
    )
    assert min(sizes) >= 12
    assert page.locator("#timeline .run").first.bounding_box()["height"] >= 12
    for name in ("export", "undo", "play"):
        box = page.locator(f"#{name}").bounding_box()
        assert box["x"] + box["width"] <= width
        assert width == 390 or box["y"] + box["height"] <= 900
    if width == 1400:
        assert page.evaluate("document.documentElement.scrollHeight") <= 900
        page.locator("#side").click()
        assert page.locator("#original").is_visible()
    page.close()


def test_runs_are_read_and_written_as_pycocotools_does(page):
    rng = np.random.default_rng(0)
    masks = [(rng.random((37, 53)) < share).astype(np.uint8) for share in (0, 0.02, 0.5, 0.98, 1)]
    masks.append(np.kron(rng.integers(0, 2, (4, 3)), np.ones((60, 40))).astype(np.uint8))
    for mask in masks:
        height, width = mask.shape
        text = coco_mask.encode(np.asfortranarray(mask))["counts"].decode()
        pixels, counts = page.evaluate(
            """async ([text, height, width]) => {
                const rle = await import('../static/rle.js');
                const mask = rle.decode(text, height, width);
                return [[...mask], rle.encode(mask, height, width).counts];
            }""",
            [text, height, width],
        )
        assert np.array_equal(np.array(pixels, np.uint8).reshape(height, width), mask)
        again = coco_mask.frPyObjects({"size": [height, width], "counts": counts}, height, width)
        assert again["counts"].decode() == text
