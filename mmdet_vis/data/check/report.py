"""A dataset report for the terminal."""

from __future__ import annotations

from collections import Counter

from rich.console import Console, Group
from rich.markup import escape
from rich.table import Table

from mmdet_vis.data.check.check import DatasetReport
from mmdet_vis.data.formats.registry import FORMATS

MAX_LINES = 50


def print_report(report: DatasetReport, console: Console) -> None:
    """Print counts, the category histogram, what was taken for what, and the first :data:`MAX_LINES` problems."""
    lines = [f"[bold]{escape(report.name)}[/bold]", f"videos {report.num_videos}, frames {report.num_frames}"]
    lines[1] += f", objects {report.num_objects}" if report.annotated else "; no annotations (a test set)"
    if report.format != "ytvis":
        lines.append(f"read as {FORMATS[report.format].title}")
    console.print(*lines, sep="\n", highlight=False, soft_wrap=True)
    if report.annotated:
        console.print(_histogram(report))
    for note, number in report.notes.items():
        if number:
            console.print(f"note: {number} {note}", markup=False, highlight=False, soft_wrap=True)
    if not report.problems:
        console.print("no problems found")
        return
    kinds = Counter(problem.kind for problem in report.problems)
    table = Table("problem", title="problems", title_justify="left")
    table.add_column("number", justify="right")
    for kind, number in kinds.most_common():
        table.add_row(kind, str(number))
    console.print(Group(table))
    for problem in report.problems[:MAX_LINES]:
        console.print(f"- {problem.kind}: {problem.text}", markup=False, highlight=False, soft_wrap=True)
    if len(report.problems) > MAX_LINES:
        console.print(f"... and {len(report.problems) - MAX_LINES} more")


def _histogram(report: DatasetReport) -> Table:
    """Faultless objects, the videos with them, and their masks, per category."""
    objects, videos, masks = Counter[int](), Counter[int](), Counter[int]()
    for video in report.videos.values():
        for entry in video.objects:
            objects[entry.category_id] += 1
            masks[entry.category_id] += sum(mask is not None for mask in entry.masks)
        videos.update({entry.category_id for entry in video.objects})
    table = Table("category", title="objects without faults", title_justify="left")
    for heading in ("id", "objects", "videos", "masks"):
        table.add_column(heading, justify="right")
    for number, name in report.categories.items():
        table.add_row(escape(name), *(str(n) for n in (number, objects[number], videos[number], masks[number])))
    table.add_section()
    labelled = sum(bool(video.objects) for video in report.videos.values())  # one may be of several categories
    table.add_row("all", "", str(objects.total()), str(labelled), str(masks.total()))
    return table
