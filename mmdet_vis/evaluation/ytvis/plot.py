"""Precision-recall curves as a picture."""

from __future__ import annotations

from pathlib import Path

from mmdet_vis.errors import OutputError
from mmdet_vis.evaluation.ytvis.matching import IOU_THRESHOLDS
from mmdet_vis.evaluation.ytvis.metrics import RECALL_POINTS, YtvisMetrics
from mmdet_vis.files.atomic import temporary_path

_ENDINGS = (".png", ".pdf", ".svg")


def check_plot_name(path: str | Path) -> None:
    """Find out before the evaluation whether a plot can have this name.

    Raises:
        OutputError: it has an ending of no format that is known.
    """
    if Path(path).suffix.lower() not in _ENDINGS:
        raise OutputError(f"cannot write {path}: the name of a plot must end in {', '.join(_ENDINGS)}")


def plot_pr_curves(metrics: YtvisMetrics, path: str | Path) -> None:
    """Draw precision against recall, mean over the categories, for each IoU threshold: PNG, PDF or SVG by the ending.

    Raises:
        OutputError: if the file cannot be written or has another ending.
    """
    check_plot_name(path)
    # matplotlib takes a second to import, and only this function needs it.
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 5.5), layout="constrained")
    axes = figure.add_subplot()
    for n, iou in enumerate(IOU_THRESHOLDS):
        precision = metrics.pr_curve(iou)
        color = colormaps["viridis"](n / (len(IOU_THRESHOLDS) - 1))
        axes.plot(RECALL_POINTS, precision, color=color, label=f"IoU {iou:.2f}: AP {100 * precision.mean():.1f}")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title(f"AP {100 * metrics.summary()['AP']:.1f} (mean over the categories)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    with temporary_path(path) as temporary:
        figure.savefig(temporary, dpi=120)
