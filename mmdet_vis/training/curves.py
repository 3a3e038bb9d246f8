"""Losses and AP of a training run as a picture."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path

from mmdet_vis.checks import check_path
from mmdet_vis.errors import DatasetError, OutputError, option
from mmdet_vis.evaluation.ytvis import check_plot_name
from mmdet_vis.files.atomic import temporary_path

LOSSES = (
    "loss", "loss_rpn_cls", "loss_rpn_reg", "loss_cls", "loss_reg", "loss_mask", "loss_prop", "loss_prop_bce",
    "loss_prop_seen", "loss_prop_match",
)  # fmt: skip
METRICS = ("AP", "AP50", "AP75")

_MOST = 1e30
"""What is not below it is no value that could be drawn; this leaves out NaN, too."""

Series = dict[int, float]


def read_scalars(work_dir: str | Path) -> dict[str, Series]:
    """Logged values of a training run by name and iteration; where a resumed run repeats an iteration, it counts.

    Instead of its folder, the log alone can be given: a file with a JSON object in each line.

    Raises:
        DatasetError: the folder or file holds no log of training.
    """
    found: defaultdict[str, Series] = defaultdict(dict)
    check_path("work_dir", work_dir)
    place = Path(work_dir)
    for file in [place] if place.is_file() else sorted(place.glob("*/vis_data/scalars.json")):
        step = 0
        try:
            lines = file.read_bytes().splitlines()
        except OSError as error:
            raise DatasetError(f"{file} cannot be read: {error.strerror}") from error
        for line in lines:
            try:
                entry = json.loads(line)
            except (ValueError, RecursionError):  # the last line of a run that was killed
                continue
            if not isinstance(entry, dict):
                continue
            # The line of a validation has the iterations that were done, in older logs the epochs, of which there are
            # fewer; the last line of a loss before it may be of some iterations earlier.
            now = entry.get("iter"), entry.get("step")
            step = now[0] if type(now[0]) is int else max(step, now[1] if type(now[1]) is int else 0)
            for name in (*LOSSES, *METRICS, "lr"):
                if type(entry.get(name)) in (int, float) and abs(entry[name]) < _MOST:
                    found[name][step] = float(entry[name])
    if not found:
        raise DatasetError(
            f"{work_dir} holds no log of training (*/vis_data/scalars.json): name the {option('work_dir')} of one"
        )
    return {name: dict(sorted(values.items())) for name, values in found.items()}


def plot_training(work_dir: str | Path, path: str | Path) -> None:
    """Draw the losses and, if there were validations, the AP against the iteration: PNG, PDF or SVG by the ending.

    Raises:
        DatasetError: see :func:`read_scalars`.
        OutputError: the file cannot be written.
    """
    check_path("path", path)
    check_plot_name(path)
    series = read_scalars(work_dir)
    # matplotlib takes a second to import, and only this function needs it.
    from matplotlib.figure import Figure

    validated = [name for name in METRICS if name in series]
    figure = Figure(figsize=(11 if validated else 6.5, 4.2), layout="constrained")
    axes = figure.subplots(1, 2 if validated else 1, squeeze=False)[0]
    for name in (n for n in LOSSES if n in series):
        axes[0].plot(list(series[name]), list(series[name].values()), label=name, lw=2 if name == "loss" else 1)
    axes[0].set(xlabel="iteration", ylabel="loss", yscale="log")
    for name in validated:
        axes[1].plot(list(series[name]), list(series[name].values()), "o-", label=name)
    if validated:
        axes[1].set(xlabel="iteration", ylabel="validation, percent", ylim=(0, 100))
    for axis in axes:
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    try:
        with temporary_path(path) as temporary:
            figure.savefig(temporary, dpi=110)
    except ValueError as error:
        raise OutputError(f"cannot write {path}: {error}") from error
