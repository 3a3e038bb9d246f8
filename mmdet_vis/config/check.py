"""Checks of a config's values, so that a wrong one is named at once instead of failing deep inside a run."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from mmdet_vis.choices import PRECISIONS, PROFILES, PROPOSAL_SCORES
from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import did_you_mean, file_of

MAX_WHOLE = 2**16
"""Whole numbers of a model: channels, layers, numbers of objects."""
MAX_LAYERS = {"num_convs": 2**8}
"""Of what is built layer by layer, by key."""
MAX_SIDE = 2**13
"""Side of the frames that the network sees, in pixels."""
MAX_DIVISOR = 2**10
DEVICES = ("cpu", "cuda", "mps")


def check_sizes(config: Mapping[str, Any], file: str) -> None:
    """Check that no number of a config that is data (plain dicts, lists and tuples) asks for absurd memory or time.

    Raises:
        ConfigError: a whole number is too large; names ``file``.
    """
    preprocessor = config.get("data_preprocessor")
    limits = {"img_scale": MAX_SIDE, "size_divisor": MAX_DIVISOR}
    if isinstance(preprocessor, Mapping):
        for key, most in limits.items():
            check_wholes(preprocessor.get(key), f"data_preprocessor.{key}", most, file)
    check_wholes(config, "", MAX_WHOLE, file)


def check_wholes(node: Any, where: str, most: int, file: str) -> None:
    """Check the whole numbers below a node of a config; ``where`` is its place.

    Raises:
        ConfigError: one is larger than ``most``.
    """
    if isinstance(node, Mapping):
        for key, value in node.items():
            limit = min(most, MAX_LAYERS.get(str(key), most))
            check_wholes(value, f"{where}.{key}" if where else str(key), limit, file)
    elif isinstance(node, list | tuple):
        for index, value in enumerate(node):
            check_wholes(value, f"{where}[{index}]", most, file)
    elif isinstance(node, int) and abs(node) > most:
        raise ConfigError(f"{file}: {where}={str(node)[:40]} is refused: more than {most}")


class Rule(NamedTuple):
    """What a value must be: a test, and its description for the error."""

    accepts: Callable[[Any], bool]
    what: str


Rules = Mapping[str, Rule]


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _numbers(value: Any, length: int, accepts: Callable[[Any], bool]) -> bool:
    return isinstance(value, list | tuple) and len(value) == length and all(map(accepts, value))


WHOLE = Rule(_whole, "a whole number from 1 on")
FRACTION = Rule(lambda v: _number(v) and 0 <= v <= 1, "a number from 0 to 1")
DECAY = Rule(lambda v: _number(v) and v > 0, "a number above 0")
MAX_LEVELS = 12
"""Of the pyramid: the coarsest has the stride of the largest frames."""
BLOCK = Rule(lambda v: isinstance(v, Mapping) and "type" in v, "a dict with a 'type'")
BLOCK_OR_NONE = Rule(lambda v: v is None or BLOCK.accepts(v), BLOCK.what)

RPN: Rules = {"nms_pre": WHOLE, "nms_post": WHOLE, "max_num": WHOLE, "nms_thr": FRACTION}
RCNN: Rules = {"score_thr": FRACTION, "nms_thr": FRACTION, "max_per_img": WHOLE, "mask_thr_binary": FRACTION}
RCNN_OPTIONAL: Rules = {"cross_nms_thr": FRACTION}
TEST_CFG: Rules = {
    "rpn": Rule(lambda v: isinstance(v, Mapping), "a dict"),
    "rcnn": Rule(lambda v: isinstance(v, Mapping), "a dict"),
}
DATA_PREPROCESSOR: Rules = {
    "img_scale": Rule(lambda v: _numbers(v, 2, _whole), "two whole numbers from 1 on"),
    "mean": Rule(lambda v: _numbers(v, 3, _number), "three numbers"),
    "std": Rule(lambda v: _numbers(v, 3, lambda s: _number(s) and s > 0), "three numbers above 0"),
    "to_rgb": Rule(lambda v: isinstance(v, bool), "True or False"),
    # The coarsest backbone stage has one cell per 32 pixels, and the neck doubles it back exactly.
    "size_divisor": Rule(lambda v: _whole(v) and v % 32 == 0, "a multiple of 32"),
}
PROPOSE_REDUCE: Rules = {
    "key_num": WHOLE,
    "key_frames": BLOCK_OR_NONE,
    "proposal_scores": Rule(lambda v: v in PROPOSAL_SCORES, f"one of {', '.join(PROPOSAL_SCORES)}"),
    "memory": BLOCK,
    "mask_nms_thr": FRACTION,
    "reduce": BLOCK,
    "cate_reduce": BLOCK_OR_NONE,
    "skip_covered_iou": FRACTION,
    **dict.fromkeys(("containment", "calibration", "overlaps", "method"), BLOCK_OR_NONE),
}
RECOMMENDED: Rules = {
    "precision": Rule(
        lambda v: isinstance(v, Mapping) and set(v) <= set(DEVICES) and set(v.values()) <= set(PRECISIONS),
        f"a dict from {', '.join(DEVICES)} to {', '.join(PRECISIONS)}",
    ),
    "profile": Rule(lambda v: v in PROFILES, f"one of {', '.join(PROFILES)}"),
    **dict.fromkeys(("score_thr", "show_thr", "show_share", "show_least"), FRACTION),
}
REQUIRED = ("key_num", "memory", "mask_nms_thr", "reduce")
PARTS: Mapping[str, Rules] = {
    "SeqNMS": {"iou_thr": FRACTION, "score_thr": FRACTION},
    "SeqSoftNMS": {"iou_thr": DECAY, "score_thr": FRACTION, "max_seq_num": WHOLE},
    "NoReduce": {},
    "DropContained": {"inside_thr": FRACTION},
    "DivideOverlaps": {"score_share": FRACTION, "most_shared": FRACTION},
    "PlattScores": {"slope": DECAY, "offset": Rule(_number, "a number")},
    "MemoryEveryNth": {"step": WHOLE},
    "MemoryKeyFrame": {},
    "MemoryFraction": {"num": WHOLE},
    "MemoryAtMost": {"size": WHOLE, "step": WHOLE},
    "MemoryFirstLastDistinct": {"size": WHOLE, "step": WHOLE},
    "MemoryFirstLastSpaced": {"size": WHOLE, "step": WHOLE},
    "KeyFramesByContent": {"step": WHOLE, "iou_thr": FRACTION},
    "TrackByIoU": {
        "iou": Rule(lambda v: v in ("mask", "box"), "'mask' or 'box'"),
        "iou_thr": FRACTION,
        "max_lost": Rule(lambda v: v == 0 or _whole(v), "a whole number from 0 on"),
        "score_thr": FRACTION,
        "mask_nms_thr": FRACTION,
    },
}
"""Arguments of the project's own parts of ``propose_reduce``; a user's registered part checks its arguments itself."""


def check_config(config: Mapping[str, Any]) -> None:
    """Check the values of every block that a config has; a block that it lacks is the business of who needs it.

    Raises:
        ConfigError: one line with the file, the key, its value, and what it must be.
    """
    check_categories(config)
    check_model(config)
    if "data_preprocessor" in config:
        check_block(config, "data_preprocessor", config["data_preprocessor"], DATA_PREPROCESSOR)
    if "propose_reduce" in config:
        check_propose_reduce(config)
    if not (config.get("proposer") is None or BLOCK.accepts(config["proposer"])):
        raise ConfigError(f"{file_of(config)}: proposer={config['proposer']!r:.80} must be {BLOCK.what}")
    if config.get("recommended") is not None:
        check_block(config, "recommended", config["recommended"], RECOMMENDED)


def check_categories(config: Mapping[str, Any]) -> None:
    """Check ``categories``: the name of a benchmark or a list of names.

    Raises:
        ConfigError: it is something else.
    """
    value = config.get("categories")
    if value is None:
        return
    if not isinstance(value, str | list | tuple):
        raise ConfigError(
            f"{file_of(config)}: categories={value!r:.200} must be the name of a benchmark or a list of category names"
        )
    try:
        resolve_categories(value)
    except ConfigError as error:
        raise ConfigError(f"{file_of(config)}: {error}") from error


def check_model(config: Mapping[str, Any]) -> None:
    """Check what the building of a Seq Mask R-CNN does not notice: ``test_cfg``, and the classes of its heads.

    Raises:
        ConfigError: see :func:`check_config`.
    """
    model = config.get("model")
    check_wholes(model, "model", MAX_WHOLE, file_of(config))
    if not isinstance(model, Mapping) or _own_type(model) != "SeqMaskRCNN":
        return
    if "test_cfg" in model:
        where = "model.test_cfg"
        check_block(config, where, model["test_cfg"], TEST_CFG, TEST_CFG)
        check_block(config, f"{where}.rpn", model["test_cfg"]["rpn"], RPN)
        check_block(config, f"{where}.rcnn", model["test_cfg"]["rcnn"], {**RCNN, **RCNN_OPTIONAL}, RCNN)
    found = {}
    for name in ("bbox_head", "mask_head"):
        head = model.get(name)
        if isinstance(head, Mapping) and "num_classes" in head:
            found[name] = head["num_classes"]
    for name, value in found.items():
        if not _whole(value) or value < 2:
            raise ConfigError(
                f"{file_of(config)}: model.{name}.num_classes={value!r:.80} must be the number of categories plus one"
            )
    if len(set(found.values())) > 1:
        given = " and ".join(f"model.{name}.num_classes={value}" for name, value in found.items())
        raise ConfigError(f"{file_of(config)}: {given} differ: both must be the number of categories plus one")


def check_pyramid(config: Mapping[str, Any], num_outs: Any, strides: Sequence[Any]) -> None:
    """Check that the RPN expects the levels that the neck makes: strides 4, 8, 16, 32 and doubled from there.

    Raises:
        ConfigError: ``num_outs`` levels of the neck, with the four backbone stages, have not the anchors' ``strides``.
    """
    if not _whole(num_outs) or not 4 <= num_outs <= MAX_LEVELS:
        raise ConfigError(
            f"{file_of(config)}: model.neck.num_outs={num_outs!r:.80} must be a whole number from 4 to {MAX_LEVELS}"
        )
    expected = [4 * 2**level for level in range(num_outs)]
    if list(strides) != expected:
        raise ConfigError(
            f"{file_of(config)}: model.neck.num_outs={num_outs} and model.rpn_head.strides={list(strides)} do not fit: "
            f"{num_outs} levels have the strides {expected}"
        )


def check_propose_reduce(config: Mapping[str, Any]) -> None:
    """Check the block ``propose_reduce``. Raises :class:`ConfigError`: it is missing; or see :func:`check_config`."""
    if not config.get("propose_reduce"):
        raise ConfigError(f"{file_of(config)}: propose_reduce is missing; it takes {', '.join(PROPOSE_REDUCE)}")
    options = config["propose_reduce"]
    check_block(config, "propose_reduce", options, PROPOSE_REDUCE, REQUIRED)
    for key, part in options.items():
        if isinstance(part, Mapping) and (rules := PARTS.get(_own_type(part))) is not None:
            arguments = {name: value for name, value in part.items() if name != "type"}
            check_block(config, f"propose_reduce.{key}", arguments, rules)


def check_block(
    config: Mapping[str, Any], where: str, block: Any, rules: Rules, required: Collection[str] = ()
) -> None:
    """Check one block: that it is a dict, has the required keys, no unknown ones, and values that the rules accept.

    Raises:
        ConfigError: one line with the file, the key, its value, and what it must be.
    """
    file = file_of(config)
    if not isinstance(block, Mapping):
        raise ConfigError(f"{file}: {where}={block!r:.200} must be a dict with {', '.join(rules)}")
    for key in block:
        if key not in rules:
            raise ConfigError(f"{file}: {where} has unknown key {key!r:.80}{did_you_mean(str(key), rules)}")
    if missing := [key for key in required if key not in block]:
        raise ConfigError(f"{file}: {where}.{missing[0]} is missing: it must be {rules[missing[0]].what}")
    for key, value in block.items():
        if not rules[key].accepts(value):
            raise ConfigError(f"{file}: {where}.{key}={value!r:.200} must be {rules[key].what}")


def _own_type(part: Mapping[str, Any]) -> str:
    """The type of a part without this package's scope; another package's scope stays."""
    name = part.get("type")
    return name.removeprefix("mmdet_vis.") if isinstance(name, str) else getattr(name, "__name__", "")
