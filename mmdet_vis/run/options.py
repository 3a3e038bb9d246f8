"""What a run over videos is told: which model, how to segment, and what to write.

And what of it decides on the results, so that a resumed run never mixes those of two models or settings.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config

from mmdet_vis.api import VideoResult, VISModel, load_model, refine, segment_video
from mmdet_vis.checks import as_list, check_number, check_path, in_order
from mmdet_vis.choices import FORMATS
from mmdet_vis.config.load import build_settings, recommended
from mmdet_vis.corrections.check import check_prompts, check_same_video, tell_other_name
from mmdet_vis.corrections.files import as_json
from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.data.sources import FrameSource
from mmdet_vis.device import check_runtime, parse_bytes, resolve_device, resolve_precision
from mmdet_vis.errors import CheckpointError, ConfigError, OutputError, few, option
from mmdet_vis.files.storage import Storage
from mmdet_vis.structures import Correction, Prompt
from mmdet_vis.version import __version__
from mmdet_vis.weights.find import sha256_of
from mmdet_vis.weights.graph_files import INDEX

IDENTITY = "run.json"
"""The file of a run that holds its identity."""
DIFFERENCES_NAMED = 3
# Where the data lie does not change results; which videos they are is told by the dataset itself.
IGNORED_CONFIG_KEYS = ("test",)
UNREADABLE = (OSError, ValueError, RecursionError)
"""What reading JSON raises; the last one for lists in lists in lists."""
# Options that decide on how a run goes, not on what it finds; and what a person said, which is there if anything was.
NOT_IN_IDENTITY = ("feature_memory", "strict", "prompts", "propose", "refined", "corrections")


@dataclass
class RunOptions:
    """How videos are segmented and what is written.

    What is None is as the model recommends it: see :class:`mmdet_vis.config.load.Recommended`.

    Attributes:
        key_num, mem_step, mem_max, use_cate_reduce, feature_memory, profile: see :func:`mmdet_vis.api.segment_video`.
        score_thr: lowest score of an entry of ``results.json``.
        show_thr: lowest score of a sequence that is drawn; None: what the model recommends for each video.
        use_img: draw as the original's demo: 70 % colour, 30 % image.
        strict: a video of which something is left out, converted or guessed is not segmented: it fails with that line.
        formats: of :data:`~mmdet_vis.choices.FORMATS`; kept in its order. Without any, the usual ones.
        prompts, propose: see :func:`mmdet_vis.api.segment_video`.
        refined: a result that is corrected in the place of segmenting, see :func:`mmdet_vis.api.refine`.
        corrections: of ``refined``.
    """

    key_num: int | None = None
    mem_step: int | None = None
    mem_max: int | None = None
    use_cate_reduce: bool = False
    feature_memory: str = "2GB"
    profile: str | None = None
    score_thr: float | None = None
    show_thr: float | None = None
    use_img: bool = False
    strict: bool = False
    formats: Sequence[str] = ()
    prompts: Sequence[Prompt] = ()
    propose: bool = True
    refined: Path | None = None
    corrections: Sequence[Correction] = ()

    def __post_init__(self) -> None:
        self.formats = in_order(as_list("formats", self.formats, ", ".join(FORMATS)))
        for kind in self.formats:
            if kind not in FORMATS:
                raise ConfigError(f"{option('formats', kind)} is not known: use some of {', '.join(FORMATS)}")
        for name in ("score_thr", "show_thr"):
            if getattr(self, name) is not None:
                check_number(name, getattr(self, name))

    def complete(self, config: Config, formats: Sequence[str] = ()) -> RunOptions:
        """The same with what a config recommends for what is None, but for ``show_thr``; ``formats`` if it has none."""
        usual = recommended(config)
        score_thr = usual.score_thr if self.score_thr is None else self.score_thr
        formats = self.formats or formats
        return replace(self, profile=self.profile or usual.profile, score_thr=score_thr, formats=formats)

    def algorithm(self, *names: str) -> dict[str, Any]:
        """Those of these options that say how the algorithm works, and further ones, as arguments of that name."""
        chosen = ("key_num", "mem_step", "mem_max", "use_cate_reduce", "profile", *names)
        return {name: getattr(self, name) for name in chosen}

    @property
    def needs_model(self) -> bool:
        """Whether a network is asked anything: corrections that rearrange a result do not."""
        return self.refined is None or any(isinstance(correction, Prompt) for correction in self.corrections)

    def check(self, source: FrameSource) -> None:
        """Find what a person said that does not fit the video, before anything is computed.

        Raises:
            ConfigError, SourceError, ResultsError: a prompt; ``refined``, which is of another video or cannot be read.
        """
        if self.refined is not None:
            check_same_video(VideoResult.load(self.refined), source)
        check_prompts(self.prompts, source)

    def segment(self, model: VISModel | None, source: FrameSource, progress: Callable[[int, int], None]) -> VideoResult:
        """Segment a video with these options, see :func:`mmdet_vis.api.segment_video`; or correct its result, of which
        a ``model`` of None asks nothing, see :attr:`needs_model`.
        """
        if self.refined is not None:
            how: dict[str, Any] = {name: getattr(self, name) for name in ("mem_step", "mem_max", "feature_memory")}
            result = VideoResult.load(self.refined)
            if not self.needs_model:  # else the session does
                tell_other_name(result, source)
            return refine(result, self.corrections, model, source, progress=progress, **how)
        assert model is not None
        how = self.algorithm("feature_memory", "prompts", "propose")
        # Index PNGs have sequences of all scores; results.json does not.
        return segment_video(model, source, progress=progress, score_thr=0.0, **how)

    def in_identity(self) -> dict[str, Any]:
        """What results depend on, as JSON knows it; what a person said of the video only if anybody did."""
        facts = {each.name: getattr(self, each.name) for each in fields(self) if each.name not in NOT_IN_IDENTITY}
        if self.prompts or not self.propose:
            facts |= {"prompts": [as_json(prompt) for prompt in self.prompts], "propose": self.propose}
        if self.refined is not None:
            corrections = [as_json(correction) for correction in self.corrections]
            facts |= {"refined": sha256_of(self.refined), "corrections": corrections}
        return facts


@dataclass
class Plan:
    """A model and what it is to do, alike for runs, batches and streams.

    Attributes:
        config: loaded, with the user's options applied.
        checkpoint, device, precision, compile, runtime: see :func:`mmdet_vis.api.load_model`.
        options: of segmenting and writing.
    """

    config: Config
    checkpoint: Path
    options: RunOptions = field(default_factory=RunOptions)
    device: str = "auto"
    precision: str | None = None
    compile: bool = False
    runtime: str = "torch"

    def __post_init__(self) -> None:
        if not isinstance(self.config, Config):
            raise ConfigError(f"config is of type {type(self.config).__name__}: give what load_config(path) returns")
        check_path("checkpoint", self.checkpoint)
        self.checkpoint = Path(self.checkpoint)

    def load(self, device: str | None = None) -> VISModel:
        """The model, on ``device`` if that is another. Raises: see :func:`mmdet_vis.api.load_model`."""
        where, how, runtime = device or self.device, self.precision, self.runtime
        return load_model(self.config, self.checkpoint, where, how, compile=self.compile, runtime=runtime)

    def settings(self) -> dict[str, Any]:
        """What results depend on besides config and weights, all of it checked.

        Raises:
            ConfigError: a setting cannot be used, or the device is not there or cannot do that precision or runtime.
        """
        usual, given = recommended(self.config), self.options.complete(self.config)
        build_settings(self.config, **given.algorithm())
        parse_bytes(given.feature_memory)
        if given.show_thr is None:
            given = replace(given, show_thr=usual.show_thr)
        where = resolve_device(self.device)
        check_runtime(self.runtime, where)
        precision = resolve_precision(self.precision or usual.precision_on(where.type), where, self.runtime)
        return (
            given.in_identity()
            | {
                "device": where.type,
                "precision": precision.name,
                "compile": self.compile,
                # The last digits depend on it, where no GPU does the products.
                "threads": torch.get_num_threads() if where.type == "cpu" else None,
            }
            | ({} if self.runtime == "torch" else {"runtime": self.runtime})
        )


def identity_of(
    config: Config, checkpoint: Path, options: Mapping[str, Any], dataset: VideoDataset | None = None
) -> dict[str, Any]:
    """Everything that the results of a run depend on, as a JSON object.

    Weights, also those that ``proposer`` names, are told apart by size and SHA-256, a dataset by its videos (ids,
    names, sizes, names of frames) and category ids, neither by its place; ``options`` are other settings by name.

    Raises:
        CheckpointError: the checkpoint cannot be read.
    """
    settings = {key: value for key, value in config.to_dict().items() if key not in IGNORED_CONFIG_KEYS}
    identity = {"version": __version__, "checkpoint": _digest_of(checkpoint), "options": options, "config": settings}
    section = config.get("proposer") or {}
    named = section.get("weights") or section.get("path")
    if named is not None and Path(named).is_file():
        identity["proposer"] = _digest_of(Path(named))
    if dataset is not None:
        digest = hashlib.sha256()
        for video in dataset.videos:
            facts = (video.id, video.name, video.height, video.width, [frame.name for frame in video.frames])
            digest.update(json.dumps(facts).encode())
        videos = {"videos": len(dataset), "sha256": digest.hexdigest()}
        identity["dataset"] = {"category_ids": dataset.category_ids, **videos}
    return as_read(identity)


def as_read(value: dict[str, Any], skipkeys: bool = False) -> dict[str, Any]:
    """An object as it comes back from a JSON file: tuples are lists there, classes and functions their names."""
    text = json.dumps(value, default=lambda part: str(getattr(part, "__qualname__", part)), skipkeys=skipkeys)
    plain: dict[str, Any] = json.loads(text)
    return plain


def earlier_run(
    storage: Storage, done: Callable[[], int], other: str | None, resume: bool, overwrite: bool | None, of: str
) -> dict[str, Any] | None:
    """The identity of the run whose results are in a folder; None to begin. Changes nothing.

    Args:
        storage, done: the folder, and how many videos the run there has finished.
        other: the name of something that runs write and that is there.
        resume, overwrite: go on with an earlier run, or begin whatever there is of one; None: it cannot be begun anew.
        of: what a run is over, a key of its identity: ``dataset`` or ``batch``.

    Raises:
        OutputError: what is there is of no such run, or nobody said what is to become of it.
    """
    kind, argument = ("batch", "out") if of == "batch" else ("run", "save_dir")
    use = f"use another {option(argument)}"
    place = storage.place(IDENTITY)
    try:
        before = json.loads(storage.read(IDENTITY))
    except FileNotFoundError:
        if other is None:
            return None
        what = f"{other} without the {IDENTITY} of a {kind}"
        raise OutputError(f"{storage.uri} holds something else: {what}; {use}, or move it away") from None
    except UNREADABLE as error:
        what = f"something else, or a damaged {kind}: {place} cannot be read ({error})"
        raise OutputError(f"{storage.uri} holds {what}; {use}, or remove this one") from error
    if not isinstance(before, dict) or not {"version", "checkpoint", "options", of, "config"} <= before.keys():
        raise OutputError(f"{storage.uri} holds something else: {place} is not of a {kind} of this tool; {use}")
    if not resume and not overwrite:
        anew = "" if overwrite is None else f", {option('overwrite', True)} starts anew"
        ways = f"{option('resume', True)} goes on with it{anew}"
        raise OutputError(f"{storage.uri} holds a {kind} with {done()} finished videos: {ways}; or {use}")
    return None if overwrite else before


def check_same(before: dict[str, Any], now: Mapping[str, Any], of_another: str, way_out: str) -> None:
    """Check that an earlier run is of the same identity as this one, whichever version wrote it.

    Raises:
        OutputError: it is not; says that it is ``of_another``, the first differences, and the ``way_out``.
    """
    options = before.get("options")
    if isinstance(options, dict) and isinstance(options.get("formats"), list):  # once kept as they were typed
        before = {**before, "options": {**options, "formats": list(in_order(map(str, options["formats"])))}}
    if changed := differences(before, now):
        raise OutputError(f"cannot resume: {of_another}, different in {changed}; {way_out}")


def differences(before: Any, now: Any) -> str:
    """The first settings that differ, as text for an error message; empty if none does."""
    return few(list(_differences(before, now, "")), DIFFERENCES_NAMED)


def _differences(before: Any, now: Any, where: str) -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in [*before, *(key for key in now if key not in before)]:
            yield from _differences(before.get(key), now.get(key), f"{where}.{key}" if where else str(key))
    elif before != now:
        yield f"{where} ({_short(before)} before, {_short(now)} now)"


def _short(value: Any) -> str:
    try:
        text = json.dumps(value)
    except RecursionError:
        return "..."
    return text if len(text) <= 50 else f"{text[:46]}..."


def _digest_of(checkpoint: Path) -> str:
    """Size and SHA-256 of a file of weights; of a folder of graphs, of its index, which has those of the others."""
    if checkpoint.is_dir():
        checkpoint = checkpoint / INDEX
    try:
        return f"{checkpoint.stat().st_size} bytes, sha256 {sha256_of(checkpoint)}"
    except FileNotFoundError:
        raise CheckpointError(f"checkpoint {checkpoint} does not exist: check the path") from None
    except OSError as error:
        raise CheckpointError(f"checkpoint {checkpoint} cannot be read: {error.strerror}") from error
