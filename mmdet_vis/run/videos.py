"""Run a model over files or over a dataset, alone or as one of several processes: one way for both.

What can be wrong with the arguments shows before a model is loaded, and once: the first process goes ahead. Then each
process does its share of the videos; results are the same for any number of them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdet_vis.api import VideoResult, VISModel
from mmdet_vis.choices import DEFAULT_FORMATS
from mmdet_vis.config.load import build_dataset
from mmdet_vis.data.datasets import VideoDataset, VideoInput, find_videos
from mmdet_vis.data.formats.json_files import RESULTS_MEMBER
from mmdet_vis.data.formats.opening import strictly
from mmdet_vis.errors import (
    EXIT_SOME_FAILED,
    ConfigError,
    DatasetError,
    OutputError,
    SourceError,
    UserError,
    few,
    option,
)
from mmdet_vis.evaluation.of_dataset import annotations_of, davis_truth, evaluate_folder
from mmdet_vis.evaluation.submission import write_davis_zip
from mmdet_vis.files.atomic import atomic_write, check_places, write_zip
from mmdet_vis.progress import RunProgress
from mmdet_vis.proposers import FilesProposer, InCategories, build_proposer
from mmdet_vis.run.job import Job, jobs_of_dataset, jobs_of_files
from mmdet_vis.run.loop import ShardReport, describe, run_jobs, summarize
from mmdet_vis.run.options import Plan, RunOptions, identity_of
from mmdet_vis.run.store import DatasetStore, FilesStore, RunStore, earlier_formats
from mmdet_vis.run.workers import Workers, balance

_LOGGER = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Run(Plan):
    """What to run over videos, and how; no ``formats`` among the options means the usual ones.

    Attributes:
        save_dir: where the results go.
        resume, overwrite: what to do with an earlier run in ``save_dir``: see :meth:`RunStore.check`.
        evaluate: compare with the dataset's annotations at the end.
        categories: what a proposer's are brought to, the dataset's; None: results have the proposer's.
    """

    save_dir: Path
    resume: bool = False
    overwrite: bool = False
    evaluate: bool = False
    categories: tuple[str, ...] | None = None


def run_files(run: Run, inputs: Path | Sequence[Path], workers: Workers | None = None) -> int:
    """Segment videos and folders of frames, and write the results of each as it is done.

    ``results.json`` is written anew from time to time and whenever the run ends, also by an interruption, so what was
    computed is kept. The number of a video in it is its place among the inputs, see
    :func:`mmdet_vis.data.datasets.find_videos`. Without ``workers`` this process is alone.

    Returns:
        exit code: 0, or 3 if some of several videos could not be read or needed too much memory (they are named; the
        others are done).

    Raises:
        SourceError: there is no video, or the only one cannot be read.
        ConfigError, CheckpointError, OutputError: before the first video, if something cannot be used.
        OutputError: a result cannot be written, or another run writes into the same folder.
    """
    workers = workers or Workers()
    # Who goes on with a run means its files, also if another version began it, of which others are usual.
    usual = earlier_formats(run.save_dir) if run.resume else ()
    run = replace(run, options=run.options.complete(run.config, usual or DEFAULT_FORMATS))

    def check() -> tuple[list[VideoInput], dict[str, Any]]:
        with strictly(run.options.strict):
            videos = _asked_for(find_videos(inputs), run.options)
        given = [video.path for video in videos] + ([run.options.refined] if run.options.refined else [])
        jobs = jobs_of_files(videos, run.save_dir, run.options.formats)
        # Also of formats that this run does not write: another one into the same folder may.
        places = [place for job in jobs for place in (*job.places.values(), run.save_dir / f"{job.name}.mp4")]
        check_places(given, [*places, run.save_dir / "results.json"], filter(Path.is_dir, given))
        return videos, identity_of(run.config, run.checkpoint, run.settings())

    videos, identity = workers.on_first(check)
    jobs = jobs_of_files(videos, run.save_dir, run.options.formats)
    store = FilesStore(run.save_dir, jobs, "json" in run.options.formats)

    def finish(reports: Sequence[ShardReport]) -> bool:
        store.write_results()
        given = [inputs] if isinstance(inputs, Path) else inputs
        summary = summarize(str(given[0]) if len(given) == 1 else "all", jobs, store.done(), reports)
        _tell(summary, run)
        return bool(summary["failed"])

    return _run(run, workers, jobs, store, identity, finish, alone=len(jobs) == 1)


def _asked_for(videos: list[VideoInput], options: RunOptions) -> list[VideoInput]:
    """The videos of a run: what a person said of one is used on that one alone."""
    if len(videos) == 1:
        return videos
    names = few([video.name for video in videos])
    if options.prompts or not options.propose:
        raise ConfigError(f"prompts are for one video, there are {len(videos)} ({names}): name one of them")
    if options.refined is None:
        return videos
    own = VideoResult.load(options.refined).name
    named = [video for video in videos if video.name == own]
    if not named:
        raise SourceError(
            f"{options.refined} is of the video {own}, which is none of the {len(videos)} ({names}): name its video"
        )
    return named


def run_dataset(run: Run, workers: Workers | None = None) -> int:
    """Segment the videos of ``config.test.dataset`` and write the results of each as it is done, then those of all.

    Arguments and exit code are those of :func:`run_files`.

    Raises:
        ConfigError, DatasetError, CheckpointError, OutputError: before the first video, if something cannot be used.
        OutputError: a result cannot be written, or another run writes into the same folder.
        ResultsError, DatasetError: the results of all videos are there, but cannot be evaluated.
    """
    workers = workers or Workers()
    dataset = workers.after_first(lambda: build_dataset(run.config))
    # What the benchmark's server takes and the evaluation reads, J&F index PNGs, AP the JSON; and that always.
    needed = "png" if dataset.submission == "davis" else "json"
    options = run.options.complete(run.config, ("json", needed))
    run = replace(run, options=options, categories=dataset.categories)
    jobs = jobs_of_dataset(dataset, run.save_dir, options.formats)
    store = DatasetStore(run.save_dir, jobs, "json" in options.formats, dataset.category_ids)

    def check() -> dict[str, Any]:
        settings = run.settings()
        if options.strict and dataset.doubts:
            raise DatasetError(f"{dataset.ann_file}: {dataset.doubts}; this is an error, as the run is strict")
        if run.evaluate:
            _check_can_evaluate(dataset, needed, options.formats)
        frames = (frame for video in dataset.videos for frame in video.frames)
        check_places([*([dataset.ann_file] if dataset.ann_file else ()), *frames], store.places())
        absent = [name for name, number in zip(dataset.categories, dataset.category_ids, strict=True) if number is None]
        _tell_left_out(absent, dataset.categories, f"{dataset.ann_file} lacks", "network")
        return identity_of(run.config, run.checkpoint, settings, dataset)

    def finish(reports: Sequence[ShardReport]) -> bool:
        summary = _finish_dataset(store, dataset, jobs, reports, needed if needed in options.formats else None)
        failed: UserError | None = None
        if run.evaluate:
            try:
                metrics = evaluate_folder(store.folder, dataset)
                print(metrics.table())
                atomic_write(store.folder / "metrics.json", json.dumps(metrics.summary(), indent=2) + "\n")
            except UserError as error:  # The results are there; only DAVIS needs those of every video.
                failed = error
        _tell(summary, run)
        if failed is not None:
            if not summary["failed"]:
                raise failed
            _LOGGER.info("not evaluated: %s", failed)
        return bool(summary["failed"])

    return _run(run, workers, jobs, store, workers.on_first(check), finish)


def _check_can_evaluate(dataset: VideoDataset, needed: str, formats: Sequence[str]) -> None:
    """Find out before the run whether its results can be evaluated: most validation sets lack annotations."""
    if dataset.submission == "davis":
        davis_truth(dataset)
    elif annotations_of(dataset) is None:
        raise DatasetError(
            f"{option('evaluate', True)}: {dataset.ann_file or dataset.name} has no annotations: leave it out, and "
            "upload submission.zip to the benchmark's server"
        )
    if needed not in formats:
        raise ConfigError(f"{option('evaluate', True)} needs {needed} among the {option('formats')} of this dataset")


def _finish_dataset(
    store: RunStore, dataset: VideoDataset, jobs: Sequence[Job], reports: Sequence[ShardReport], submitted: str | None
) -> dict[str, Any]:
    """Write what a run over a dataset ends with; returns its summary, see :func:`summarize`.

    ``results.json`` has the entries of all videos that are done, in the order of the dataset. ``submission.zip`` is
    what the benchmark's server takes. ``summary.json`` is apart from them, so that equal results are equal files.
    """
    store.write_results()
    done, pngs = store.done(), dataset.submission == "davis"
    whole = [job for job in jobs if job.id in done and (not pngs or job.has_pictures(job.frames, ("png",)))]
    submission = store.folder / "submission.zip"
    if not whole or submitted is None:
        submission.unlink(missing_ok=True)  # of an earlier run
    elif pngs:
        write_davis_zip(submission, store.folder / "png", [job.name for job in whole])
    else:
        write_zip(submission, [(RESULTS_MEMBER, store.folder / RESULTS_MEMBER)], compress=True)
    summary = summarize(dataset.name, jobs, done, reports)
    kept = {key: value for key, value in summary.items() if key not in ("sequences", "failed")}
    atomic_write(store.folder / "summary.json", json.dumps(kept, indent=2) + "\n")
    if summary["this_run"]["videos"]:
        (store.folder / "metrics.json").unlink(missing_ok=True)  # Of fewer results, from before this run.
    return summary


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
        if alone:
            share = [_opened(job, run.options) for job in share]
        _check_proposals(run.config, share)
        model = _load(run, workers) if share and run.options.needs_model else None
        # Only now: an earlier run should not be lost to a model that cannot be loaded.
        workers.on_first(store.prepare)
        first = workers.rank == 0
        try:
            loads = {jobs[index].id: jobs[index].frames or 1 for index in todo}
            progress = RunProgress(loads, store.done, shown=first)
            with progress.bar:
                report = ShardReport()
                if share:
                    update = store.update_results if first else None
                    report = run_jobs(model, share, store.save, run.options, progress, alone, update)
                reports = workers.gather(report, progress.wait)
        except BaseException:
            with suppress(OutputError):  # What went wrong first is what the user should read.
                if first:
                    store.stop(alone=workers.size == 1)
            raise
        failed = workers.on_first(lambda: finish(reports))
    workers.disconnect()
    # The first process speaks for all: any other code would make torchrun report that process as broken, too.
    return EXIT_SOME_FAILED if failed and first else 0


def _opened(job: Job, options: RunOptions) -> Job:
    """The only video of a run, opened before a model is loaded: what is wrong with it or its prompts is said now."""
    try:
        source = job.open()
    except SourceError as error:
        raise SourceError(job.failure(str(error))) from error
    except Exception:  # such as too little memory: the loop over videos knows what to say
        return job
    try:
        options.check(source)
    except BaseException:
        source.close()
        raise
    return replace(job, open=lambda: source)


def _check_proposals(config: Config, jobs: Sequence[Job]) -> None:
    """Read files of proposals, where they are what proposes, before a model is loaded."""
    section = config.get("proposer") or {}
    if jobs and section.get("type") in FilesProposer.NAMES:
        proposer = build_proposer(section)
        assert isinstance(proposer, FilesProposer)
        for job in jobs:
            proposer.check(job.name)


def _load(run: Run, workers: Workers) -> VISModel:
    """The model, a proposer's categories brought to those of the run."""
    model = run.load(workers.device(run.device))
    if run.categories is None or model.proposer is None or model.categories == run.categories:
        return model
    proposer = InCategories(model.proposer, run.categories, model.config.get("category_map"))
    _tell_left_out(proposer.left_out, model.categories, "the dataset lacks", "proposer")
    return replace(model, proposer=proposer, categories=run.categories)


def _tell(summary: dict[str, Any], run: Run) -> None:
    print(describe(summary))
    print(f"results ({', '.join(run.options.formats)}): {run.save_dir.resolve()}")


def _tell_left_out(absent: Sequence[str], categories: Sequence[str], who_lacks: str, whose: str) -> None:
    """Say which of the categories that are looked for get no results, as the dataset has none of that name."""
    if absent:
        _LOGGER.warning(
            f"{who_lacks} {len(absent)} of the {whose}'s {len(categories)} categories ({few(absent)}): what is found "
            "of these is left out of the results"
        )
