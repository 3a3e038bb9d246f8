"""The timeline is a well-formed SVG whose bars lie where the objects are visible."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from mmdet_vis.visualization.palette import track_colour
from mmdet_vis.webui.tracks import Track, tick_step, timeline_svg, visible_runs

SVG = "{http://www.w3.org/2000/svg}"


def draw(tracks, frames, fps):
    return ElementTree.fromstring(timeline_svg(tracks, frames, fps))


def test_bars_are_runs_of_visible_frames_in_the_tracks_colour():
    areas = np.array([[5, 5, 0, 0, 7, 0, 0, 0, 0, 9], [0] * 10, [1] * 10])
    tracks = [Track(n, "cat", 0.5, row) for n, row in enumerate(areas, start=1)]
    rows = draw(tracks, 10, 5.0).findall(f"{SVG}g")
    assert len(rows) == 3
    bars = [[r for r in row.findall(f"{SVG}rect") if r.get("class") == "run"] for row in rows]
    background = rows[0].find(f"{SVG}rect")
    left, width = float(background.get("x")), float(background.get("width"))
    spans = [(float(b.get("x")), float(b.get("width"))) for b in bars[0]]
    expected = [(left + width * start / 10, width * frames / 10) for start, frames in ((0, 2), (4, 1), (9, 1))]
    assert np.allclose(spans, expected, atol=0.011)
    assert [bar.find(f"{SVG}title").text for bar in bars[0]] == [
        "#1 cat: frames 0 to 1", "#1 cat: frames 4 to 4", "#1 cat: frames 9 to 9",
    ]  # fmt: skip
    assert bars[1] == []
    assert len(bars[2]) == 1
    for number in (1, 3):
        blue, green, red = track_colour(number)
        assert {bar.get("fill") for bar in bars[number - 1]} == {f"#{red:02x}{green:02x}{blue:02x}"}


def test_rows_lie_below_each_other_inside_the_picture():
    picture = draw([Track(n, "cat", 0.5, np.ones(3, int)) for n in range(1, 8)], 3, None)
    tops = [float(row.findall(f"{SVG}rect")[1].get("y")) for row in picture.findall(f"{SVG}g")]
    assert tops == sorted(set(tops))
    assert tops[0] >= 0
    assert tops[-1] + 16 < float(picture.get("viewBox").split()[3])


def test_names_cannot_add_elements():
    picture = draw([Track(1, "<script>alert(1)</script> & co", 0.5, np.ones(2, int))], 2, 10)
    assert picture.find(f".//{SVG}script") is None
    assert picture.find(f"{SVG}g/{SVG}text").text.startswith("#1 <script>")


def test_axis_counts_seconds_or_frames():
    seconds = [t.text for t in draw([], 48, 24.0).iter(f"{SVG}text") if t.get("class") == "tick"]
    assert seconds == ["0", "0.5", "1", "1.5", "2"]
    frames = [t.text for t in draw([], 48, None).iter(f"{SVG}text") if t.get("class") == "tick"]
    assert frames == ["0", "10", "20", "30", "40"]


@pytest.mark.parametrize("end", [0.04, 0.1, 1, 2.4, 9, 10, 59.9, 60, 3600, 86400])
def test_ticks_are_few_and_round(end):
    step = tick_step(end)
    assert 2 <= end / step + 1 <= 10 + 1e-6
    assert f"{step:e}"[0] in "125"


def test_runs():
    assert visible_runs(np.array([], bool)) == []
    assert visible_runs(np.array([1, 0, 1, 1], bool)) == [(0, 1), (2, 4)]
