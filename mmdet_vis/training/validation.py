"""Validation during training: the whole algorithm on annotated videos, and its AP."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.distributed as dist
from mmengine.dist import get_rank, get_world_size
from mmengine.runner import BaseLoop

from mmdet_vis.api import VISModel, segment_video
from mmdet_vis.config.load import build_preprocessor
from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.data.formats.ytvis_results import dataset_entries
from mmdet_vis.device import place, resolve_precision
from mmdet_vis.errors import ConfigError, SourceError
from mmdet_vis.evaluation import ytvis
from mmdet_vis.evaluation.of_dataset import annotations_of
from mmdet_vis.progress import with_bar
from mmdet_vis.registry import LOOPS
from mmdet_vis.run.workers import balance


@LOOPS.register_module()
class VideoValLoop(BaseLoop):
    """Segment the videos of a dataset with the weights as they are, and evaluate them as YouTube-VIS does.

    Args:
        runner: filled in by the Runner.
        dataset: the videos, with annotations.
        num_videos: so many of them, spread evenly; None for all.
        precision: of the network, see :func:`mmdet_vis.api.load_model`.
    """

    def __init__(
        self, runner: Any, dataset: VideoDataset, num_videos: int | None = None, precision: str = "float32"
    ) -> None:
        number = min(num_videos or len(dataset), len(dataset))
        self.indices = [i * len(dataset) // number for i in range(number)]
        super().__init__(runner, self.indices)  # its length is what the log counts to
        self.dataset = dataset
        content = annotations_of(dataset)
        if content is None:
            file = dataset.ann_file or "test.dataset"
            raise ConfigError(f"val_cfg: {file} has no annotations to validate with: set val_cfg=None")
        self.content = content
        self.device = next(runner.model.parameters()).device
        self.precision = resolve_precision(precision, self.device)

    def run(self) -> dict[str, float] | None:
        """Validate; all processes share the work. None if a signal asks to stop."""
        runner = self.runner
        done = f"iteration {runner.iter} of {runner.train_loop.max_iters}"
        runner.logger.info(f"validating {len(self.indices)} videos after {done}")
        runner.call_hook("before_val")
        runner.call_hook("before_val_epoch")
        entries = self._segment()
        if runner.train_loop.interrupted():
            return None
        metrics = self._evaluate(entries)
        runner.call_hook("after_val_epoch", metrics=metrics)
        runner.call_hook("after_val")
        return metrics

    def _segment(self) -> list[dict[str, Any]]:
        """Entries of this process's share of the videos."""
        dataset, config, network = self.dataset, self.runner.cfg, copy.deepcopy(self.runner.network)
        place(network, self.device, self.precision)
        how = (build_preprocessor(config), self.device, self.precision)
        model = VISModel(network, config, dataset.categories, *how)
        loads = [len(dataset.videos[i]) for i in self.indices]
        share = balance(loads, get_world_size())[get_rank()]
        entries: list[dict[str, Any]] = []
        for place_ in with_bar(share, "validating videos", shown=get_rank() == 0):
            index = self.indices[place_]
            if self.runner.train_loop.told_to_stop():
                break
            try:
                with dataset.open(index) as source:
                    result = segment_video(model, source, score_thr=0.0)
            except SourceError as error:
                self.runner.logger.warning(f"left out of the validation: {error}")
                continue
            entries += dataset_entries(result, dataset.category_ids, dataset.videos[index].id)
        return entries

    def _evaluate(self, entries: list[dict[str, Any]]) -> dict[str, float]:
        if get_world_size() > 1:
            parts: list[Any] = [None] * get_world_size()
            dist.all_gather_object(parts, entries)
            entries = [entry for part in parts for entry in part]
        used = {self.dataset.videos[i].id for i in self.indices}
        content = {
            **self.content,
            "videos": [v for v in self.content["videos"] if v["id"] in used],
            "annotations": [a for a in self.content["annotations"] if a["video_id"] in used],
        }
        with torch.no_grad():
            summary = ytvis.evaluate(entries, content).summary()
        # In percent, as papers give it; -1 stays: no object of that kind.
        return {key: 100 * value if value >= 0 else value for key, value in summary.items()}
