"""Run a model over a dataset, alone or as one of several processes: the work behind ``tools/test_vis.py``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.config.load import build_dataset, load_config
from mmdet_vis.config.settings import build_settings
from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.data.formats.ytvis_results import dataset_entries
from mmdet_vis.errors import SourceError, is_out_of_memory
from mmdet_vis.files.atomic import ensure_writable_dir
from mmdet_vis.run.identity import NOT_IN_IDENTITY, compute_settings, run_identity
from mmdet_vis.run.inputs import EXIT_SOME_FAILED
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.pictures import write_pictures
from mmdet_vis.run.places import check_inputs, has_pictures, video_places
from mmdet_vis.run.report import DatasetProgress, Failure, ShardReport, check_can_evaluate, finish
from mmdet_vis.run.store import RunStore
from mmdet_vis.run.workers import Workers, balance


@dataclass
class DatasetRun:
    """What to run over ``config.test.dataset``, and how.

    Attributes:
        config, checkpoint, device, precision, cfg_options, compile: see :func:`mmdet_vis.api.load_model`.
        safe_config: read the config as data, see :func:`mmdet_vis.config.load.load_config`.
        save_dir: where the results go.
        options: of segmenting and writing; no ``formats`` means those that the dataset's benchmark takes.
        resume, overwrite: what to do with an earlier run in ``save_dir``: see ``RunStore.prepare``.
        evaluate: compare with the dataset's annotations at the end.
    """

    config: Path
    checkpoint: Path
    save_dir: Path
    options: RunOptions
    device: str = "auto"
    precision: str = "float32"
    cfg_options: dict[str, Any] = field(default_factory=dict)
    compile: bool = False
    safe_config: bool = False
    resume: bool = False
    overwrite: bool = False
    evaluate: bool = False


def run_dataset(run: DatasetRun) -> int:
    """Segment the videos of a dataset and write the results of each as it is done, then those of all.

    Under ``torchrun`` each process does its share of the videos; results are the same for any number of them.

    Returns:
        exit code: 0, or 3 if some videos could not be read or needed too much memory (they are named; the others are
        done).

    Raises:
        ConfigError, DatasetError, CheckpointError, OutputError: before the first video, if something cannot be used.
        OutputError: a result cannot be written, or another run writes into the same folder.
        ResultsError, DatasetError: the results of all videos are there, but cannot be evaluated.
    """
    workers = Workers.from_environment()
    failed = _run_as(workers, run)
    workers.disconnect()
    # The first process speaks for all: any other code would make torchrun report that process as broken, too.
    return EXIT_SOME_FAILED if failed and workers.rank == 0 else 0


def _run_as(workers: Workers, run: DatasetRun) -> bool:
    """What a process does of a run; returns whether there were videos that could not be read, in whichever process."""
    store = RunStore(run.save_dir)
    read = cache(lambda: _read(run))

    # What can be wrong with the arguments shows before a model is loaded, and once: the first process goes ahead.
    def check() -> dict[str, Any]:
        config, dataset, options = read()
        if run.evaluate:
            check_can_evaluate(dataset, options.formats)
        settings = {key: value for key, value in asdict(options).items() if key not in NOT_IN_IDENTITY}
        settings |= compute_settings(run.device, run.precision, run.compile)
        check_inputs(dataset, store.places())
        return run_identity(config, run.checkpoint, dataset, settings)

    def prepare() -> set[int]:
        _, dataset, options = read()
        store.prepare(identity, run.resume, run.overwrite)
        # A video whose pictures were moved away is done again.
        store.forget(v.id for v in dataset.videos if not has_pictures(store.folder, v, options.formats))
        warn_of_absent_categories(dataset)
        return store.done()

    identity = workers.on_first(check)
    with workers.lock(run.save_dir):
        done = workers.on_first(prepare)
        config, dataset, options = read()
        todo = [index for index, video in enumerate(dataset.videos) if video.id not in done]
        frames = {dataset.videos[index].id: len(dataset.videos[index]) for index in todo}
        share = [todo[i] for i in balance(list(frames.values()), workers.size)[workers.rank]]
        with DatasetProgress(frames, store.done, shown=workers.rank == 0) as progress:
            report = ShardReport()
            if share:
                device = workers.device(run.device)
                model = load_model(config, run.checkpoint, device, run.precision, compile=run.compile)
                report = run_share(model, dataset, share, store, options, progress)
            reports = workers.gather(report, progress.wait)
        return workers.on_first(lambda: finish(store, dataset, reports, options.formats, run.evaluate))


def _read(run: DatasetRun) -> tuple[Config, VideoDataset, RunOptions]:
    """The config, its dataset, and the options with their defaults filled in; all checked."""
    config = load_config(run.config, run.cfg_options, run.safe_config)
    dataset = build_dataset(config)
    options = replace(run.options, formats=run.options.formats or default_formats(dataset))
    build_settings(config, options.key_num, options.mem_step, options.mem_max, options.use_cate_reduce, options.profile)
    return config, dataset, options


def default_formats(dataset: VideoDataset) -> tuple[str, ...]:
    """What is written unless the user says: what the benchmark's server takes, and always the JSON."""
    return ("json", "png") if dataset.submission == "davis" else ("json",)


def warn_of_absent_categories(dataset: VideoDataset) -> None:
    """Say which of the network's classes get no results, as the annotation file lacks them."""
    absent = [name for name, number in zip(dataset.categories, dataset.category_ids, strict=True) if number is None]
    if absent:
        named = f"{', '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}"
        print(
            f"warning: {dataset.ann_file} lacks {len(absent)} of the network's {len(dataset.categories)} categories "
            f"({named}): what is found of these is left out of the results",
            file=sys.stderr,
        )


def run_share(
    model: VISModel,
    dataset: VideoDataset,
    indices: Sequence[int],
    store: RunStore,
    options: RunOptions,
    progress: DatasetProgress,
) -> ShardReport:
    """Segment some videos of a dataset, one after the other.

    One that cannot be read, or needs too much memory, is reported and left out.

    Args:
        indices: which videos.
        store: prepared.

    Raises:
        OutputError: a result cannot be written.
    """
    report = ShardReport(device=str(model.device))
    start = time.perf_counter()
    for number, index in enumerate(indices, start=1):
        video = dataset.videos[index]
        place = f"[{number}/{len(indices)}] {video.name}"
        before = time.perf_counter()
        try:
            _run_video(model, dataset, index, store, options, progress)
        except SourceError as error:
            failure = str(error)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            reason = " ".join(str(error).split())[:200] or type(error).__name__
            failure = (
                f"not enough memory for its {len(video)} frames ({reason}): try --mem-max 40, a smaller "
                "--feature-memory, or another --device"
            )
        else:
            failure = ""
        if failure:
            # Here the error is gone, and with it what the frames of its traceback held.
            if model.device.type == "cuda":
                torch.cuda.empty_cache()
            report.failures.append(Failure(video.id, video.name, failure))
            progress.video_finished(video.id, True, f"{place}: failed")
            print(f"error: video {video.id} ({video.name}): {failure}", file=sys.stderr)
            continue
        seconds = time.perf_counter() - before
        report.videos += 1
        report.frames += len(video)
        speed = f"{len(video) / seconds:.2f} frames/s"
        progress.video_finished(video.id, False, f"{place}: {len(video)} frames in {seconds:.1f} s ({speed})")
    report.seconds = time.perf_counter() - start
    report.peak_memory = _peak_memory()
    if model.device.type == "cuda":
        report.peak_gpu_memory = torch.cuda.max_memory_allocated(model.device)
    return report


def _run_video(
    model: VISModel,
    dataset: VideoDataset,
    index: int,
    store: RunStore,
    options: RunOptions,
    progress: DatasetProgress,
) -> None:
    video = dataset.videos[index]
    with dataset.open(index) as source:
        result = options.segment(model, source, lambda done, total: progress.part(video.id, done, total))
        places = video_places(store.folder, video, options.formats)
        if "video" in places:
            ensure_writable_dir(places["video"].parent)
        write_pictures(result, source, places, options.show_thr, options.use_img, progress.bar)
    # Last, since this file says that the video is done.
    store.save(video.id, dataset_entries(result, dataset.category_ids, video.id, options.score_thr))


def _peak_memory() -> int:
    """Largest resident size of this process so far, in bytes."""
    try:
        import resource
    except ImportError:  # Windows counts otherwise.
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
