"""The analysis as one HTML file that needs no server and loads nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape

from mmdet_vis.evaluation.analysis.analyze import Analysis
from mmdet_vis.evaluation.analysis.error_types import ErrorType, ObjectType
from mmdet_vis.evaluation.analysis.plots import plot_bins, plot_breakdown
from mmdet_vis.evaluation.analysis.video_table import VideoTable
from mmdet_vis.evaluation.html import Cell, frames, image, page, table
from mmdet_vis.evaluation.tables import points

_MAX_CONFUSIONS = 20


def render_report(
    analysis: Analysis,
    worst: Sequence[VideoTable],
    pictures: Mapping[int, Sequence[tuple[int, bytes]]] | None = None,
    title: str = "Analysis of results",
) -> str:
    """The report as HTML text, with the ``worst`` videos listed; names from the files are escaped.

    The pictures are, by video id, (frame number, JPEG); none by default.
    """
    sections = [
        _summary(analysis),
        "<h2>Errors</h2>",
        image(plot_breakdown(analysis), "png", "Predictions and objects by type, and what each type costs."),
        _predictions(analysis),
        _objects(analysis),
        "<h2>AP by length, size and occlusion</h2>",
        image(plot_bins(analysis), "png", "n is the number of objects."),
        _bins(analysis),
        "<h2>Categories</h2>",
        _categories(analysis),
        _confusions(analysis),
        "<h2>Worst videos</h2>",
        _videos(analysis, worst),
        *(_pictures(analysis, video, (pictures or {}).get(video.video_id, [])) for video in worst),
    ]
    return page(title, sections)


def _summary(analysis: Analysis) -> str:
    values = "".join(f'<span class="big">{key} {points(value)}</span>' for key, value in analysis.summary.items())
    objects, shown = sum(analysis.object_counts().values()), sum(analysis.prediction_counts().values())
    return (
        f"<p>{values}</p><p>{len(analysis.tables)} videos, {objects} objects, {shown} predictions with a score of "
        f"{analysis.score_thr:g} or more. AP counts all predictions; types are given to these alone.</p>"
    )


def _predictions(analysis: Analysis) -> str:
    rows: list[list[Cell]] = []
    for name, number in analysis.prediction_counts().items():
        gain = analysis.gains.get(name)
        rows.append([name, number, "" if gain is None else f"{100 * gain:+.2f}", PREDICTIONS[ErrorType(name)]])
    cells = table(["prediction", "number", "AP50 gain", "meaning"], rows, numbers=(1, 2))
    return (
        f"<h3>Predictions</h3>{cells}"
        f"<p>{analysis.swaps()} of the broken tracks go over to another object. The gain is the rise of AP50, in "
        "points, if this type alone were mended; gains do not add up.</p>"
    )


def _objects(analysis: Analysis) -> str:
    rows: list[list[Cell]] = []
    for name, number in analysis.object_counts().items():
        gain = f"{100 * analysis.gains[name]:+.2f}" if name == ObjectType.MISSED.value else ""
        rows.append([name, number, gain, OBJECTS[ObjectType(name)]])
    return "<h3>Objects</h3>" + table(["object", "number", "AP50 gain", "meaning"], rows, numbers=(1, 2))


def _bins(analysis: Analysis) -> str:
    parts = []
    for key, entries in analysis.bins.items():
        rows: list[list[Cell]] = [[e.name, e.objects, points(e.ap), points(e.ap50)] for e in entries]
        parts.append(f"<h3>By {key}</h3><p class='note'>{escape(BINS[key])}</p>")
        parts.append(table([key, "objects", "AP", "AP50"], rows, numbers=(1, 2, 3)))
    return "".join(parts)


def _categories(analysis: Analysis) -> str:
    rows: list[list[Cell]] = [
        [row["name"], *row["objects"].values(), *row["predictions"].values()] for row in analysis.category_counts()
    ]
    header = ["category", *(f"objects: {k.value}" for k in ObjectType), *(f"predictions: {k.value}" for k in ErrorType)]
    return f'<div class="wide">{table(header, rows, numbers=range(1, len(header)))}</div>'


def _confusions(analysis: Analysis) -> str:
    pairs: list[list[Cell]] = [list(row) for row in analysis.confusions()[:_MAX_CONFUSIONS]]
    if not pairs:
        return ""
    cells = table(["object is", "prediction says", "number"], pairs, numbers=(2,))
    return f"<h3>Most frequent confusions</h3>{cells}"


def _videos(analysis: Analysis, worst: Sequence[VideoTable]) -> str:
    rows: list[list[Cell]] = []
    for video in worst:
        kinds = video.classified.object_types
        found = sum(kind is ObjectType.FOUND for kind in kinds)
        score = video.score()
        rows.append(
            [
                analysis.dataset.videos[video.video_id].name,
                video.video_id,
                "-" if score is None else f"{score:.3f}",
                f"{found} of {sum(kind is not None for kind in kinds)}",
                len(video.classified.types),
            ]
        )
    note = (
        "<p class='note'>Score: mean over the objects of the highest sequence IoU with a prediction of the right "
        "category (below 0.1 it counts as 0).</p>"
    )
    return note + table(["video", "id", "score", "objects found", "predictions"], rows, numbers=(1, 2, 3, 4))


def _pictures(analysis: Analysis, video: VideoTable, pictures: Sequence[tuple[int, bytes]]) -> str:
    name = escape(analysis.dataset.videos[video.video_id].name)
    return frames(f"{name} (id {video.video_id})", name, pictures, "objects left, predictions right")


PREDICTIONS: dict[ErrorType, str] = {
    ErrorType.CORRECT: "sequence IoU of 0.5 or more with an object of its category that no better prediction took",
    ErrorType.IGNORED: "the same with a crowd: neither right nor wrong",
    ErrorType.DUPLICATE: "the same with an object that a better prediction took",
    ErrorType.WRONG_CLASS: "sequence IoU of 0.5 or more with an object of another category",
    ErrorType.BROKEN_TRACK: "IoU of 0.5 or more in the frames in which it is on an object of its category, but it "
    "leaves out or strays from too many others",
    ErrorType.POOR_MASK: "sequence IoU of 0.1 to 0.5 with an object of its category, as masks differ",
    ErrorType.WRONG_CLASS_AND_MASK: "one of the last two, but with an object of another category",
    ErrorType.BACKGROUND: "none of these",
}
OBJECTS: dict[ObjectType, str] = {
    ObjectType.FOUND: "has a correct prediction",
    ObjectType.WRONG_CLASS: "else: has a prediction of the wrong class",
    ObjectType.BROKEN_TRACK: "else: has a broken track",
    ObjectType.POOR_MASK: "else: has a prediction with a poor mask",
    ObjectType.MISSED: "has none of these",
}
BINS: dict[str, str] = {
    "length": "Number of frames in which the object is visible.",
    "size": "Square root of the object's average mask area, in pixels.",
    "occlusion": "Share of the frames, from the first to the last in which the object is visible, in which it is "
    "absent or its box overlaps or touches another object's box.",
}
