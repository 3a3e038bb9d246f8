"""Building what configs name, with errors that a user can act on; :mod:`mmdet_vis.config.read` reads them.

The settings that a config says and a user wants are one set of defaults for the API, the commands and the page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry
from torch import Tensor
from torch.overrides import TorchFunctionMode

import mmdet_vis.baselines  # noqa: F401  (registers what a config may name in propose_reduce.method)
from mmdet_vis.checks import check_flag, check_whole
from mmdet_vis.choices import PROFILES, PROPOSAL_SCORES
from mmdet_vis.config.read import WHOLE, check_propose_reduce
from mmdet_vis.config.read import apply_options as apply_options
from mmdet_vis.config.read import load_config as load_config
from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN, without_detector
from mmdet_vis.propose_reduce import MemoryAtMost, MemoryEveryNth, ProposeReduceSettings, Reduction, SequenceMethod
from mmdet_vis.propose_reduce.memory import MemoryConfig
from mmdet_vis.registry import DATASETS, MODELS, TASK_UTILS, build_part, file_of
from mmdet_vis.structures.sequence import SHOW_SCORE_THR


def categories_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The C names of a checked config's ``categories``, in the order of the network's classes; () if it has none."""
    return resolve_categories(config.get("categories") or ())


class _Undefined(TorchFunctionMode):
    """What is to be filled at random stays as memory has it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Passes over what returns the tensor that it fills: of :mod:`torch.nn.init`, some functions are asked."""
        kwargs = kwargs or {}
        if func in (Tensor.uniform_, Tensor.normal_) or getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def build_model(config: Config, init: bool = True) -> SeqMaskRCNN:
    """Build the network of a checked config.

    Args:
        config: of a model.
        init: initialise the weights, at random; False for who loads all of them: half the time is spent on that.

    Raises:
        ConfigError: ``model`` is missing, names an unknown ``type`` (the nearest is named), or has wrong arguments.
    """
    with nullcontext() if init else _Undefined():
        network = build(MODELS, config, "model")
    if not isinstance(network, SeqMaskRCNN):
        raise ConfigError(
            f"{file_of(config)}: model.type={type(network).__name__} is a part of a network: use SeqMaskRCNN or one "
            "derived from it"
        )
    # Parts of other packages may know no such numbers; then only a run can tell.
    num_outs = getattr(network.neck, "num_outs", None)
    anchors = getattr(network.rpn_head, "anchors", None)
    if num_outs is not None and anchors is not None:
        _check_pyramid(config, num_outs, anchors.strides)
    return network


MAX_LEVELS = 12
"""Of the pyramid: the coarsest has the stride of the largest frames."""


def _check_pyramid(config: Mapping[str, Any], num_outs: Any, strides: Sequence[Any]) -> None:
    """Check that the RPN expects the levels that the neck makes: strides 4, 8, 16, 32 and doubled from there.

    Raises:
        ConfigError: ``num_outs`` levels of the neck, with the four backbone stages, have not the anchors' ``strides``.
    """
    if not WHOLE.accepts(num_outs) or not 4 <= num_outs <= MAX_LEVELS:
        raise ConfigError(
            f"{file_of(config)}: model.neck.num_outs={num_outs!r:.80} must be a whole number from 4 to {MAX_LEVELS}"
        )
    expected = [4 * 2**level for level in range(num_outs)]
    if list(strides) != expected:
        raise ConfigError(
            f"{file_of(config)}: model.neck.num_outs={num_outs} and model.rpn_head.strides={list(strides)} do not fit: "
            f"{num_outs} levels have the strides {expected}"
        )


def carrying_only(config: Config) -> Config:
    """A checked config without the detector: of a network that carries what others propose or show.

    Raises:
        ConfigError: ``model`` is no network with a propagation head.
    """
    model = config.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("prop_head"), Mapping):
        raise ConfigError(f"{file_of(config)}: model.prop_head is missing: there is nothing that carries masks")
    content = {**config.to_dict(), "model": without_detector(dict(model))}
    return Config(content, cfg_text=config.text, filename=config.filename)


def check_classes(config: Config, network: SeqMaskRCNN) -> tuple[str, ...]:
    """The names of a network's classes. Raises :class:`ConfigError`: ``categories`` are not as many as the classes."""
    names, expected = categories_of(config), network.bbox_head.num_classes - 1
    if len(names) != expected:
        raise ConfigError(
            f"{file_of(config)}: categories has {len(names)} names, model.bbox_head.num_classes - 1 is {expected}"
        )
    return names


def build(registry: Registry, config: Mapping[str, Any], key: str) -> Any:
    """Build ``config[key]``; ``key`` may be several with dots between.

    Raises:
        ConfigError: see :func:`~mmdet_vis.registry.build_part`; the file is named.
    """
    part: Any = config
    for name in key.split("."):
        part = part.get(name) if isinstance(part, Mapping | Config) else None
    try:
        return build_part(registry, part, key)
    except ConfigError as error:
        raise ConfigError(f"{file_of(config)}: {error}") from error


def build_preprocessor(config: Config) -> Preprocessor:
    """Build what makes network input of frames. Raises :class:`ConfigError`: ``data_preprocessor`` lacks something."""
    try:
        return Preprocessor(**config.get("data_preprocessor", {}))
    except (TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"{file_of(config)}: data_preprocessor: {error}") from error


def build_dataset(config: Config) -> VideoDataset:
    """Build ``config.test.dataset``.

    Raises:
        ConfigError: there is none, it cannot be built, or it has other categories than the model.
        DatasetError: its files cannot be used.
    """
    test = config.get("test") or {}
    if "dataset" not in test:
        raise ConfigError(f"{config.filename}: has no test.dataset: add it, or name the videos to segment")
    dataset: VideoDataset = build(DATASETS, Config(dict(test), filename=config.filename), "dataset")
    if not len(dataset.categories) == len(categories_of(config)) == 1:
        check_same_categories(config, "test.dataset", dataset.categories)
    return dataset


def check_same_categories(config: Config, key: str, found: tuple[str, ...]) -> None:
    """Check that a dataset has the categories of the model in their order.

    Raises:
        ConfigError: it has not; ``key`` is its place in the config.
    """
    if found != categories_of(config):
        raise ConfigError(
            f"{file_of(config)}: {key} has other categories than the model, or another order: give it "
            "categories=... with the same value as the config's own"
        )


SKIP_COVERED_IOU = 0.7
"""Overlap at which the fast profile takes a detection for an object that it already has."""


@dataclass(frozen=True)
class Recommended:
    """How a model is used unless the user says it: its config's block ``recommended``; what that lacks is as here.

    Attributes:
        precision: number formats of :data:`mmdet_vis.choices.PRECISIONS` by kind of device (cpu, cuda, mps).
        profile: see :func:`build_settings`.
        score_thr: lowest score of a sequence in a result.
        show_thr: lowest score of a sequence that is drawn.
        show_share: where the best score of a video times this is lower than ``show_thr``, it takes its place: one that
            finds little of which it is sure still shows the best of it.
        show_least: but nothing below this is drawn.
    """

    precision: Mapping[str, str] = field(default_factory=dict)
    profile: str = "exact"
    score_thr: float = 0.05
    show_thr: float = SHOW_SCORE_THR
    show_share: float = 1.0
    show_least: float = SHOW_SCORE_THR

    def precision_on(self, device: str) -> str:
        """The number format on a kind of device; float32, which gives the published numbers, unless one is named."""
        return self.precision.get(device, "float32")

    def drawn_from(self, scores: Sequence[float]) -> float:
        """Score from which on the sequences of a video with these scores are drawn."""
        return min(self.show_thr, max(self.show_least, self.show_share * max(scores, default=0.0)))


def recommended(config: Mapping[str, Any]) -> Recommended:
    """What a checked config recommends."""
    return Recommended(**(config.get("recommended") or {}))


def build_settings(
    config: Config,
    key_num: int | None = None,
    mem_step: int | None = None,
    mem_max: int | None = None,
    use_cate_reduce: bool = False,
    profile: str | None = None,
) -> ProposeReduceSettings | SequenceMethod:
    """Build the algorithm's settings, or the other method that the config names.

    Args:
        config: with a ``propose_reduce`` dict, see ``docs/configs.md``.
        key_num: overrides the key frames: so many, evenly spread.
        mem_step: overrides the memory: every ``mem_step``-th frame is remembered.
        mem_max: overrides the memory: at most so many frames, spread evenly and at least ``mem_step`` apart.
        use_cate_reduce: apply ``cate_reduce`` after ``reduce``.
        profile: ``exact`` for the published algorithm, or ``fast``: detections that an already propagated sequence
            covers are skipped (``skip_covered_iou`` of the config, 0.7 unless it says). None: what it recommends.

    Raises:
        ConfigError: a key or value that cannot be used, or an option that the config's ``method`` does not have.
    """
    check_propose_reduce(config)
    check_flag("use_cate_reduce", use_cate_reduce)
    options: Mapping[str, Any] = config["propose_reduce"]

    def part(key: str) -> Any:
        return None if options.get(key) is None else build(TASK_UTILS, config, f"propose_reduce.{key}")

    if profile is not None and profile not in PROFILES:
        raise ConfigError(f"{option('profile', profile)} is not known: use one of {', '.join(PROFILES)}")
    if options.get("method") is not None:
        given = {
            option("key_num"): key_num is not None,
            option("mem_step"): mem_step is not None,
            option("mem_max"): mem_max is not None,
            option("use_cate_reduce"): use_cate_reduce,
            option("profile", "fast"): profile == "fast",
        }
        name = options["method"]["type"]
        if unfit := [argument for argument, is_given in given.items() if is_given]:
            raise ConfigError(
                f"{unfit[0]} is an option of Propose-Reduce, {file_of(config)} has propose_reduce.method={name}: "
                "leave one of them out"
            )
        method: SequenceMethod = part("method")
        if not callable(method):
            raise ConfigError(f"{file_of(config)}: propose_reduce.method.type={name!r} is no method: use TrackByIoU")
        return method
    by_content = part("key_frames") if key_num is None else None
    key_num = options["key_num"] if key_num is None else key_num
    for name, value, least in (("key_num", key_num, 1), ("mem_step", mem_step, 1), ("mem_max", mem_max, 2)):
        if value is not None:
            check_whole(name, value, least)
    fast = (profile or recommended(config).profile) == "fast"
    skip = float(options.get("skip_covered_iou", SKIP_COVERED_IOU)) if fast else None
    memory: MemoryConfig
    if mem_max is not None:
        memory = MemoryAtMost(mem_max, mem_step or 1)
    elif mem_step is not None:
        memory = MemoryEveryNth(mem_step)
    else:
        memory = part("memory")
    category_rule = part("cate_reduce") if use_cate_reduce else None
    if use_cate_reduce and category_rule is None:
        raise ConfigError(
            f"{option('use_cate_reduce')} needs a config with propose_reduce.cate_reduce, {file_of(config)} has "
            "none: use one of configs/SeqMaskRCNN/CateAwareReduce"
        )
    reduction = Reduction(part("reduce"), category_rule, part("containment"), part("calibration"))
    scores = options.get("proposal_scores", PROPOSAL_SCORES[0])
    nms_thr, overlaps = options["mask_nms_thr"], part("overlaps")
    return ProposeReduceSettings(key_num, memory, nms_thr, reduction, skip, by_content, scores, overlaps)
