"""Configs found, read and checked, for every way in, and what a command line says besides one.

A wrong value is named at once instead of failing deep inside a run; nothing here waits for PyTorch.
"""

from __future__ import annotations

import copy
import difflib
import math
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mmengine.config import Config

from mmdet_vis.choices import PRECISIONS, PROFILES, PROPOSAL_SCORES, WEIGHTS
from mmdet_vis.config.safe import read_safe_config
from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.registry import did_you_mean, file_of

DEFAULT = "seq_mask_rcnn_mobilenetv2_fpn_stills"
"""The config of the default model, see :func:`mmdet_vis.weights.find.default_weights`."""
SUFFIXES = (".py", ".json", ".yaml", ".yml")
NETWORK = "network"
"""The proposer that is the network's own detection, which is the default."""


def load_config(path: str | Path, options: Mapping[str, Any] | None = None, safe: bool = False) -> Config:
    """Read a config file or one of :func:`find_config`, apply ``options`` and check all of its blocks.

    What comes out can be relied on. A config is Python code and is executed: only use files that you trust, or
    ``safe``, which reads literals only and executes nothing, see :mod:`mmdet_vis.config.safe`.

    Raises:
        ConfigError: the file is missing or broken; or see :func:`apply_options`.
    """
    path = find_config(path)
    if path.suffix.lower() in WEIGHTS:
        raise ConfigError(f"config {path} is a file of weights: name the config first, then the weights")
    if safe:
        return apply_options(read_safe_config(path), options or {})
    try:
        config = Config.fromfile(str(path), import_custom_modules=True)
    except SystemExit as error:
        raise ConfigError(f"config {path} cannot be read: its code calls sys.exit({error.code!r})") from error
    except Exception as error:  # whatever the code of a config may raise
        raise ConfigError(f"config {path} cannot be read: {type(error).__name__}: {error}") from error
    return apply_options(config, options or {})


def apply_options(config: Config, options: Mapping[str, Any]) -> Config:
    """Apply dotted keys and values to a config, in place, and check it.

    Raises:
        ConfigError: an option names a top-level key that the config lacks, or does not fit; or a block of the config
            has a value that cannot be used, see :func:`check_config`.
    """
    name = Path(config.filename or "config").name
    if not isinstance(options, Mapping) or not all(isinstance(key, str) for key in options):
        raise ConfigError(f"{option('cfg_options')} must be {{dotted key: value, ...}}, got {options!r:.60}")
    for key in options:
        top = key.split(".")[0]
        if top not in config:
            hint = did_you_mean(top, list(config.keys()))
            raise ConfigError(f"{option('cfg_options')} {key}: {name} has no key {top!r}{hint}")
    try:
        config.merge_from_dict(copy.deepcopy(dict(options)))  # it takes "_delete_" out of what it is given
    except (TypeError, KeyError, IndexError, ValueError) as error:
        raise ConfigError(f"{option('cfg_options')} {dict(options)!r:.200}: {error}") from error
    check_config(config)
    return config


def parse_proposer(text: str) -> dict[str, Any] | None:
    """The section of a config for a proposer as a command line names it; None for ``network``.

    That is ``NAME`` or ``NAME:WEIGHTS`` (of ``files``, ``files:PATH``). Raises :class:`ConfigError`: there is no name.
    """
    name, colon, rest = text.partition(":")
    if not name or (colon and not rest):
        raise ConfigError(f"{option('proposer', text)}: write NAME or NAME:WEIGHTS, such as torchvision")
    if name == NETWORK and not rest:
        return None
    return {"type": name, **({"path" if name == "files" else "weights": rest} if rest else {})}


def shipped_configs() -> dict[str, Path]:
    """The configs that come with the program, by name; not the parts in ``_base_``.

    The name is the file's without ``.py``; where two files share it, that of the deeper one says its folder, too
    (``CateAwareReduce/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage``).
    """
    package = Path(__file__).resolve().parents[1]
    # In the installed package, or of the repository.
    folder = next((path for path in (package / "configs", package.parent / "configs") if path.is_dir()), package)
    found: dict[str, Path] = {}
    files = [path.relative_to(folder) for path in folder.rglob("*.py")] if folder is not package else []
    for path in sorted((path for path in files if path.parts[0] != "_base_"), key=lambda path: (len(path.parts), path)):
        parts = path.with_suffix("").parts
        names = ("/".join(parts[start:]) for start in reversed(range(len(parts))))
        found[next(name for name in names if name not in found)] = folder / path
    return found


def find_config(config: str | Path) -> Path:
    """The file of a config: that of a path, which always wins, or of the name of one that comes with the program.

    A name is with or without ``.py``, or the end of a path below ``configs``, such as
    ``CateAwareReduce/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage``.

    Raises:
        ConfigError: there is no such file; the nearest is named.
    """
    path = Path(config)
    if path.is_file():
        return path
    shipped = shipped_configs()
    parts = path.parts[1:] if path.parts[:1] == ("configs",) else path.parts
    if parts and not path.is_absolute():
        wanted = (*parts[:-1], parts[-1] if parts[-1].endswith(SUFFIXES) else f"{parts[-1]}.py")
        for file in shipped.values():  # the one that lies highest comes first
            if file.parts[-len(wanted) :] == wanted:
                return file
    raise ConfigError(f"config {path} does not exist{_nearest(path, list(shipped))}")


def _nearest(path: Path, shipped: list[str]) -> str:
    """A hint for a mistyped config: the nearest file of its folder, or the nearest that comes with the program."""
    if path.parent.is_dir():
        names = [file.name for file in path.parent.glob("*.py")]
        near = difflib.get_close_matches(path.name, names, n=1)
        if near:
            return f"; did you mean {path.parent / near[0]}?"
    near = difflib.get_close_matches(path.as_posix().removesuffix(".py"), shipped, n=1)
    if near:
        return f"; did you mean {near[0]}? `mmdet-vis configs` lists those that come with the program"
    return "; `mmdet-vis configs` lists those that come with the program" if len(path.parts) == 1 else ""


MAX_WHOLE = 2**16
"""Whole numbers of a model: channels, layers, numbers of objects."""
MAX_LAYERS = {"num_convs": 2**8}
"""Of what is built layer by layer, by key."""
DEVICES = ("cpu", "cuda", "mps")


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
