"""A comparison as one HTML file that needs no server and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

import numpy as np

from mmdet_vis.evaluation.comparison.compare import Comparison
from mmdet_vis.evaluation.html import Cell, chart, chart_png, frames, image, page, table
from mmdet_vis.evaluation.resampling import DRAWS, VideoGain, sentence
from mmdet_vis.evaluation.tables import points

_GOOD, _BAD = "#2a9d55", "#d1495b"


def most(comparison: Comparison, number: int) -> tuple[list[VideoGain], list[VideoGain]]:
    """The videos in which B gains most and loses most, ``number`` of each at most."""
    gains = [gain for gain in comparison.gains if gain.effect > 0][:number]
    losses = [gain for gain in comparison.gains[::-1] if gain.effect < 0][:number]
    return gains, losses


def render_comparison(
    comparison: Comparison,
    names: tuple[str, str],
    number: int,
    pictures: Mapping[int, Sequence[tuple[int, bytes]]] | None = None,
) -> str:
    """The comparison as HTML text, with ``number`` videos of each kind listed; names from the files are escaped.

    The pictures are, by position of the video, (frame number, JPEG); none by default.
    """
    gains, losses = most(comparison, number)
    sections = [
        f"<p>A: {escape(names[0])}<br>B: {escape(names[1])}</p>",
        f"<p><b>{escape(sentence(comparison.measures[0], len(comparison.videos)))}</b></p>",
        "<h2>Measures</h2>",
        _measures(comparison),
        "<h2>Videos</h2>",
        image(_bars(comparison), "png", _caption(comparison)),
    ]
    if not comparison.has_frames:
        sections.append("<p class='note'>There are no pictures, as the folder of the frames was not given.</p>")
    for title, videos in (("B gains most", gains), ("B loses most", losses)):
        sections.append(f"<h2>{title}</h2>")
        sections.append(_videos(comparison, videos) if videos else "<p>In no video.</p>")
        for gain in videos:
            name = escape(comparison.videos[gain.video])
            sections.append(frames(name, name, (pictures or {}).get(gain.video, []), "truth, A, B"))
    return page("B against A", sections)


def _measures(comparison: Comparison) -> str:
    rows: list[list[Cell]] = []
    for m in comparison.measures:
        interval = "-" if np.isnan(m.low) else f"{100 * m.low:+.2f} to {100 * m.high:+.2f}"
        verdict = {1: "B is better", -1: "A is better", 0: "not shown"}[m.verdict]
        rows.append([m.name, points(m.a), points(m.b), f"{100 * m.gain:+.2f}", interval, f"{m.p:.3f}", verdict])
    header = ["measure", "A", "B", "B - A", "95 % interval of B - A", "p", "outcome"]
    note = (
        f"<p class='note'>In percent and points. Interval: paired bootstrap over {len(comparison.videos)} videos, "
        f"{DRAWS} resamples. p: permutation test, in which the results of videos are swapped between A and B. One "
        "result is better where the interval is on one side of 0 and p is at most 0.05; the first measure decides, "
        "the others are there to understand it: of so many, one may seem to differ by chance.</p>"
    )
    return table(header, rows, numbers=(1, 2, 3, 4, 5)) + note


def _caption(comparison: Comparison) -> str:
    better = sum(gain.effect > 0 for gain in comparison.gains)
    worse = sum(gain.effect < 0 for gain in comparison.gains)
    return (
        f"B gains in {better} videos, loses in {worse}, and is equal in {len(comparison.gains) - better - worse}. Each "
        f"bar is a video: by how much {escape(comparison.measures[0].name)} of A over all videos would rise if this "
        "video's results alone were B's."
    )


def _bars(comparison: Comparison) -> bytes:
    """The effect of each video on the first measure, sorted: PNG."""
    effects = [100 * gain.effect for gain in comparison.gains]
    figure, (axis,) = chart(1, 2.8)
    axis.bar(range(len(effects)), effects, color=[_GOOD if e > 0 else _BAD for e in effects], width=0.9)
    axis.axhline(0, color="#222", linewidth=0.8)
    axis.set_ylabel(f"points of {comparison.measures[0].name}")
    axis.set_xlabel("videos, from B's largest gain to its largest loss")
    axis.set_xticks([])
    axis.set_xlim(-0.7, max(len(effects), 8) - 0.3)
    axis.spines[["top", "right", "bottom"]].set_visible(False)
    return chart_png(figure)


def _videos(comparison: Comparison, videos: Sequence[VideoGain]) -> str:
    name = comparison.measures[0].name
    rows: list[list[Cell]] = [
        [comparison.videos[v.video], points(v.a), points(v.b), f"{100 * v.effect:+.2f}"] for v in videos
    ]
    return table(["video", f"{name} of A there", f"{name} of B there", "effect, points"], rows, numbers=(1, 2, 3))
