"""Bar charts of an analysis, as PNG."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmdet_vis.evaluation.analysis.analyze import Analysis
from mmdet_vis.evaluation.analysis.attributes import PROPERTIES
from mmdet_vis.evaluation.analysis.error_types import ErrorType, ObjectType
from mmdet_vis.evaluation.analysis.precision import BinAP
from mmdet_vis.evaluation.html import chart, chart_png

_GOOD, _BAD, _NEUTRAL, _LIGHT = "#2a9d55", "#d1495b", "#30638e", "#8fb8de"


def plot_breakdown(analysis: Analysis) -> bytes:
    """Predictions by type, objects by type, and the AP50 gain of each error: PNG."""
    figure, axes = chart(3, 3.2)
    predictions, objects = analysis.prediction_counts(), analysis.object_counts()
    _bars(axes[0], predictions, {ErrorType.CORRECT.value: _GOOD, ErrorType.IGNORED.value: _NEUTRAL}, "{:.0f}")
    axes[0].set_title("predictions")
    _bars(axes[1], objects, {ObjectType.FOUND.value: _GOOD}, "{:.0f}")
    axes[1].set_title("objects")
    _bars(axes[2], {key: 100 * gain for key, gain in analysis.gains.items()}, {}, "{:.1f}")
    axes[2].set_title("AP50 gain if mended")
    return chart_png(figure)


def plot_bins(analysis: Analysis) -> bytes:
    """AP and AP50 by length, size and occlusion: PNG."""
    figure, axes = chart(3, 3.2)
    for axis, (key, bins) in zip(axes, PROPERTIES.items(), strict=True):
        _binned(axis, analysis.bins[key])
        axis.set_title(f"AP by {key}")
        axis.set_xlabel(bins.title, fontsize="small")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return chart_png(figure)


def _bars(axis: Any, values: dict[str, float] | dict[str, int], colours: dict[str, str], form: str) -> None:
    """Horizontal bars with their values, the first one on top."""
    names = list(values)
    bars = axis.barh(names, [values[name] for name in names], color=[colours.get(name, _BAD) for name in names])
    axis.bar_label(bars, fmt=form, padding=2, fontsize="small")
    axis.invert_yaxis()
    axis.margins(x=0.18)
    axis.tick_params(axis="y", labelsize="small")
    axis.set_xticks([])  # the bars have their values
    axis.spines[["top", "right", "bottom"]].set_visible(False)


def _binned(axis: Any, entries: Sequence[BinAP]) -> None:
    """AP50 behind AP for each bin, with the number of objects; bins without objects have no bars."""
    places = range(len(entries))
    for values, colour, label in (
        ([entry.ap50 for entry in entries], _LIGHT, "AP50"),
        ([entry.ap for entry in entries], _NEUTRAL, "AP"),
    ):
        axis.bar(places, [100 * max(value, 0.0) for value in values], color=colour, label=label)
    axis.set_xticks(places, [f"{entry.name}\nn={entry.objects}" for entry in entries], fontsize="x-small")
    axis.set_ylim(0, 100)
    axis.spines[["top", "right"]].set_visible(False)
