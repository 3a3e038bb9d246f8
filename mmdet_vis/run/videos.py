"""Run a model over files or over a dataset, alone or as one of several processes: one way for both.

What can be wrong with the arguments shows before a model is loaded, and once: the first process goes ahead. Then each
process does its share of the videos; results are the same for any number of them.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.choices import DEFAULT_FORMATS
from mmdet_vis.config.load import build_dataset
from mmdet_vis.config.settings import build_settings, recommended
from mmdet_vis.data.datasets import VideoDataset, VideoInput, find_videos
from mmdet_vis.data.formats.opening import strictly
from mmdet_vis.device import parse_bytes
from mmdet_vis.errors import DatasetError, OutputError, UserError
from mmdet_vis.proposers import InCategories
from mmdet_vis.run.identity import NOT_IN_IDENTITY, compute_settings, model_identity, run_identity
from mmdet_vis.run.job import Job, jobs_of_dataset, jobs_of_files
from mmdet_vis.run.loop import run_jobs
from mmdet_vis.run.options import RunOptions
from mmdet_vis.run.places import check_places
from mmdet_vis.run.progress import RunProgress
from mmdet_vis.run.report import (
    ShardReport,
    check_can_evaluate,
    describe,
    evaluate_run,
    finish_dataset,
    submitted_format,
    summarize,
)
from mmdet_vis.run.store import DatasetStore, FilesStore, RunStore
from mmdet_vis.run.workers import Workers, balance

_LOGGER = logging.getLogger(__name__)

EXIT_SOME_FAILED = 3


@dataclass
class Run:
    """What to run, and how.

    Attributes:
        config: loaded, with the user's options applied.
        checkpoint, device, precision, compile, runtime: see :func:`mmdet_vis.api.load_model`.
        save_dir: where the results go.
        options: of segmenting and writing; no ``formats`` means the usual ones.
        resume, overwrite: what to do with an earlier run in ``save_dir``: see :meth:`RunStore.check`.
        evaluate: compare with the dataset's annotations at the end.
        categories: what a proposer's are brought to, the dataset's; None: results have the proposer's.
    """

    config: Config
    checkpoint: Path
    save_dir: Path
    options: RunOptions
    device: str = "auto"
    precision: str | None = None
    compile: bool = False
    runtime: str = "torch"
    resume: bool = False
    overwrite: bool = False
    evaluate: bool = False
    categories: tuple[str, ...] | None = None

    def settings(self) -> dict[str, Any]:
        """What results depend on besides config and weights, all of it checked.

        Raises:
            ConfigError: a setting or the device cannot be used.
        """
        given = self.options.complete(self.config)
        build_settings(self.config, given.key_num, given.mem_step, given.mem_max, given.use_cate_reduce, given.profile)
        parse_bytes(given.feature_memory)
        if given.show_thr is None:
            given = replace(given, show_thr=recommended(self.config).show_thr)
        plain = replace(given, prompts=(), corrections=())
        settings = {key: value for key, value in asdict(plain).items() if key not in NOT_IN_IDENTITY}
        return (
            settings
            | given.spoken()
            | compute_settings(self.config, self.device, self.precision, self.compile, self.runtime)
        )


def run_files(run: Run, inputs: Path | Sequence[Path], workers: Workers | None = None) -> int:
    """Segment videos and folders of frames, and write the results of each as it is done.

    ``results.json`` is written anew from time to time and whenever the run ends, also by an interruption, so what was
    computed is kept. The number of a video in it is its place among the inputs.

    Args:
        run: what, and how.
        inputs: of :func:`mmdet_vis.data.datasets.find_videos`: a folder of them, or several files and folders.
        workers: the processes of the run; alone by default.

    Returns:
        exit code: 0, or 3 if some of several videos could not be read or needed too much memory (they are named; the
        others are done).

    Raises:
        SourceError: there is no video, or the only one cannot be read.
        ConfigError, CheckpointError, OutputError: before the first video, if something cannot be used.
        OutputError: a result cannot be written, or another run writes into the same folder.
    """
    workers = workers or Workers()
    run = replace(
        run, options=replace(run.options.complete(run.config), formats=run.options.formats or DEFAULT_FORMATS)
    )
    formats = run.options.formats

    def check() -> tuple[list[VideoInput], dict[str, Any]]:
        with strictly(run.options.strict):
            videos = find_videos(inputs)
        paths = [video.path for video in videos]
        jobs = jobs_of_files(videos, run.save_dir, formats)
        # Also of formats that this run does not write: another one into the same folder may.
        places = [place for job in jobs for place in (*job.places.values(), run.save_dir / f"{job.name}.mp4")]
        given = [] if run.options.refined is None else [run.options.refined]
        check_places(
            [*given, *paths], [*places, run.save_dir / "results.json"], [path for path in paths if path.is_dir()]
        )
        return videos, model_identity(run.config, run.checkpoint, run.settings())

    videos, identity = workers.on_first(check)
    jobs = jobs_of_files(videos, run.save_dir, formats)
    store = FilesStore(run.save_dir, jobs, "json" in formats)

    def finish(reports: Sequence[ShardReport]) -> bool:
        store.write_results()
        given = [inputs] if isinstance(inputs, Path) else inputs
        name = str(given[0]) if len(given) == 1 else "all"
        summary = summarize(name, jobs, store.done(), reports)
        _tell(summary, run)
        return bool(summary["failed"])

    return _run(run, workers, jobs, store, identity, finish, alone=len(jobs) == 1)


def run_dataset(run: Run, workers: Workers | None = None) -> int:
    """Segment the videos of ``config.test.dataset`` and write the results of each as it is done, then those of all.

    Args:
        run: what, and how.
        workers: the processes of the run; alone by default.

    Returns:
        exit code: 0, or 3 if some videos could not be read or needed too much memory (they are named; the others are
        done).

    Raises:
        ConfigError, DatasetError, CheckpointError, OutputError: before the first video, if something cannot be used.
        OutputError: a result cannot be written, or another run writes into the same folder.
        ResultsError, DatasetError: the results of all videos are there, but cannot be evaluated.
    """
    workers = workers or Workers()
    dataset = workers.after_first(lambda: build_dataset(run.config))
    # What the benchmark's server takes, and always the JSON.
    formats = run.options.formats or ("json", submitted_format(dataset))
    run = replace(
        run, options=replace(run.options.complete(run.config), formats=formats), categories=dataset.categories
    )
    formats = run.options.formats
    jobs = jobs_of_dataset(dataset, run.save_dir, formats)
    store = DatasetStore(run.save_dir, jobs, "json" in formats, dataset.category_ids)

    def check() -> dict[str, Any]:
        settings = run.settings()
        if run.options.strict and dataset.doubts:
            raise DatasetError(f"{dataset.ann_file}: {dataset.doubts}; this is an error, as the run is strict")
        if run.evaluate:
            check_can_evaluate(dataset, formats)
        frames = (frame for video in dataset.videos for frame in video.frames)
        check_places([*([dataset.ann_file] if dataset.ann_file else ()), *frames], store.places())
        _warn_of_absent_categories(dataset)
        return run_identity(run.config, run.checkpoint, dataset, settings)

    def finish(reports: Sequence[ShardReport]) -> bool:
        summary = finish_dataset(store, dataset, jobs, reports, formats)
        failed: UserError | None = None
        if run.evaluate:
            try:
                evaluate_run(store, dataset)
            except UserError as error:  # The results are there; only DAVIS needs those of every video.
                failed = error
        _tell(summary, run)
        if failed is not None:
            if not summary["failed"]:
                raise failed
            _LOGGER.info("not evaluated: %s", failed)
        return bool(summary["failed"])

    return _run(run, workers, jobs, store, workers.on_first(check), finish)


def _run(
    run: Run,
    workers: Workers,
    jobs: Sequence[Job],
    store: RunStore,
    identity: dict[str, Any],
    finish: Callable[[Sequence[ShardReport]], bool],
    alone: bool = False,
) -> int:
    """What a process does of a run whose arguments are checked; returns its exit code."""

    def divide() -> tuple[list[int], list[list[int]]]:
        done = store.check(identity, run.resume, run.overwrite)
        todo = [index for index, job in enumerate(jobs) if job.id not in done]
        loads = [jobs[index].load() if workers.size > 1 else 1 for index in todo]
        return todo, [[todo[i] for i in share] for share in balance(loads, workers.size)]

    with workers.lock(run.save_dir):
        todo, shares = workers.on_first(divide)
        share = [jobs[index] for index in shares[workers.rank]]
        model = None
        if share:
            device = workers.device(run.device)
            model = load_model(
                run.config, run.checkpoint, device, run.precision, compile=run.compile, runtime=run.runtime
            )
            if run.categories is not None:
                model = _in_categories(model, run.categories)
        # Only now: an earlier run should not be lost to a model that cannot be loaded.
        workers.on_first(store.prepare)
        first = workers.rank == 0
        try:
            with RunProgress([jobs[index] for index in todo], store.done, shown=first) as progress:
                report = ShardReport()
                if model is not None:
                    report = run_jobs(model, share, store, run.options, progress, alone, first)
                reports = workers.gather(report, progress.wait)
        except BaseException:
            with suppress(OutputError):  # What went wrong first is what the user should read.
                if first and store.grows:
                    store.write_results()
            raise
        failed = workers.on_first(lambda: finish(reports))
    workers.disconnect()
    # The first process speaks for all: any other code would make torchrun report that process as broken, too.
    return EXIT_SOME_FAILED if failed and first else 0


def _in_categories(model: VISModel, categories: tuple[str, ...]) -> VISModel:
    """The same model, a proposer's categories brought to others; one line says what is left out."""
    if model.proposer is None or model.categories == categories:
        return model
    proposer = InCategories(model.proposer, categories, model.config.get("category_map"))
    if proposer.left_out:
        left = proposer.left_out
        named = f"{', '.join(left[:5])}{' ...' if len(left) > 5 else ''}"
        _LOGGER.warning(
            f"the dataset lacks {len(left)} of the proposer's {len(model.categories)} categories ({named}): what is "
            "found of these is left out of the results"
        )
    return replace(model, proposer=proposer, categories=categories)


def _tell(summary: dict[str, Any], run: Run) -> None:
    print(describe(summary))
    print(f"results ({', '.join(run.options.formats)}): {run.save_dir.resolve()}")


def _warn_of_absent_categories(dataset: VideoDataset) -> None:
    """Say which of the network's classes get no results, as the annotation file lacks them."""
    absent = [name for name, number in zip(dataset.categories, dataset.category_ids, strict=True) if number is None]
    if absent:
        named = f"{', '.join(absent[:5])}{' ...' if len(absent) > 5 else ''}"
        _LOGGER.warning(
            f"{dataset.ann_file} lacks {len(absent)} of the network's {len(dataset.categories)} categories ({named}): "
            "what is found of these is left out of the results"
        )
