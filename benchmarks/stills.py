"""How well a model finds and names the objects of annotated stills, as videos of one frame.

AP as YouTube-VIS defines it, in the classes of the annotation file. A model with finer classes is measured in coarser
ones by ``--groups``: a sequence's score for a group is the sum of its classes' probabilities. Beside AP: how many of
the sequences that a picture would show lie on no annotated object, and how often a score is right.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mmdet_vis.api import VISModel, load_model, segment_video
from mmdet_vis.choices import RUNTIME_PRECISIONS, RUNTIMES
from mmdet_vis.commands.arguments import OptionAction, probability
from mmdet_vis.config.load import load_config
from mmdet_vis.data.datasets import VideoDataset, YTVISDataset
from mmdet_vis.data.formats.ytvis_results import sequence_annotations
from mmdet_vis.errors import DatasetError, run_command
from mmdet_vis.evaluation import ytvis
from mmdet_vis.evaluation.calibration import calibration_table, diagram, fit_platt
from mmdet_vis.evaluation.stills import membership, on_objects, regroup, report
from mmdet_vis.structures import VideoResult


def parse_args() -> argparse.Namespace:
    """Command line of the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("annotations", type=Path, help="videos of one frame in the YouTube-VIS format")
    parser.add_argument("images", type=Path, help="folder of the images")
    parser.add_argument("--config", type=Path, help="config (default: the one that the weights carry)")
    parser.add_argument("--checkpoint", type=Path, help="weights (default: the default model)")
    parser.add_argument("--groups", type=Path, help="config whose category_map says which classes a class there holds")
    parser.add_argument(
        "--drawn", type=probability, metavar="SCORE", help="a sequence is drawn from this score on (default: as usual)"
    )
    parser.add_argument("--fit", action="store_true", help="also print the calibration that fits best, and how well")
    parser.add_argument("--diagram", type=Path, help="also write the reliability diagram, a picture")
    parser.add_argument("--precision", choices=RUNTIME_PRECISIONS, help="default: what the model recommends or float32")
    parser.add_argument("--runtime", choices=RUNTIMES, default="torch", help="what computes the network (torch)")
    parser.add_argument("--cfg-options", nargs="+", action=OptionAction, default={}, metavar="KEY=VALUE")
    return parser.parse_args()


def segment(
    model: VISModel, dataset: VideoDataset, table: NDArray[np.bool_], drawn: float | None
) -> tuple[list[VideoResult], NDArray[np.bool_]]:
    """Results of all stills in the classes of the annotation file, and which sequences are drawn."""
    results, shown = [], []
    for index in range(len(dataset)):
        with dataset.open(index) as source:
            result = segment_video(model, source, score_thr=0.0)
        # What is drawn is decided by the scores of the model's own classes.
        numbers = {sequence.track_id for sequence in result.shown(drawn)}
        shown += [sequence.track_id in numbers for sequence in result.sequences]
        results.append(regroup(result, table, dataset))
    return results, np.array(shown, bool)


def main() -> int:
    """Run the benchmark."""
    args = parse_args()
    model = load_model(
        args.config, args.checkpoint, precision=args.precision, cfg_options=args.cfg_options, runtime=args.runtime
    )
    content = ytvis.load_annotations(args.annotations)
    groups = [entry["name"] for entry in content["categories"]]
    table = membership(model.categories, groups, load_config(args.groups).category_map if args.groups else None)
    dataset = YTVISDataset(args.annotations, args.images, groups, data_root=".", name=args.annotations.stem)
    results, drawn = segment(model, dataset, table, args.drawn)
    entries = [
        entry
        for video, result in zip(dataset.videos, results, strict=True)
        for entry in sequence_annotations(result, video.id, 0.001)
    ]
    print(ytvis.evaluate(entries, content).table(per_category=True))
    rows = on_objects(results, dataset, content)
    print(report(rows, drawn, "as usual" if args.drawn is None else f"from {args.drawn:g} on"))
    if args.fit:
        slope, offset = fit_platt(rows[:, 0], rows[:, 2])
        images = np.repeat(np.arange(len(results)), [len(result.sequences) for result in results])
        print(f"\n{calibration_table(rows, images)}")
        print(f'\ncalibration=dict(type="PlattScores", slope={slope:.3f}, offset={offset:.3f})')
    if args.diagram is not None and not cv2.imwrite(str(args.diagram), diagram(rows)):
        raise DatasetError(f"cannot write {args.diagram}: its name must end in .jpg or .png")
    return 0


if __name__ == "__main__":
    run_command(main)
