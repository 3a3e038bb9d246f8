"""What a run over videos is told: which model, how to segment, and what to write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
from mmdet_vis.data.sources import FrameSource
from mmdet_vis.device import check_runtime, parse_bytes, resolve_device, resolve_precision
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.structures import Correction, Prompt
from mmdet_vis.weights.find import sha256_of

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
