"""Configs found and read, for every way in, and what a command line says besides one.

Nothing here waits for PyTorch, so what is wrong with a config is said at once.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdet_vis.config.check import check_config
from mmdet_vis.config.safe import read_safe_config
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.registry import did_you_mean

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
    if path.suffix.lower() in (".pth", ".pt", ".safetensors"):
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
            has a value that cannot be used, see :func:`~mmdet_vis.config.check.check_config`.
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


@dataclass(frozen=True)
class Published:
    """What the original project published for a config; measured there, not here.

    Attributes:
        data: the benchmark.
        metric: ``AP`` or ``J&F``.
        figure: in percent.
        category_aware: the same with category-aware reduction; None: not published.
    """

    data: str
    metric: str
    figure: float
    category_aware: float | None = None


PUBLISHED = {
    "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage": Published("YouTube-VIS 2019", "AP", 40.8, 42.5),
    "seq_mask_rcnn_r101_fpn_1x_youtubevis19_ftstage": Published("YouTube-VIS 2019", "AP", 43.8, 45.2),
    "seq_mask_rcnn_x101_fpn_1x_youtubevis19_ftstage": Published("YouTube-VIS 2019", "AP", 47.6, 48.8),
    "seq_mask_rcnn_r50_fpn_1x_youtubevis21_ftstage": Published("YouTube-VIS 2021", "AP", 39.6, 41.7),
    "seq_mask_rcnn_x101_fpn_1x_youtubevis21_ftstage": Published("YouTube-VIS 2021", "AP", 45.6, 47.2),
    "seq_mask_rcnn_r101_fpn_1x_davisuvos_ftstage": Published("DAVIS-UVOS", "J&F", 68.1),
    "seq_mask_rcnn_x101_fpn_1x_davisuvos_ftstage": Published("DAVIS-UVOS", "J&F", 70.6),
}
"""Figures by the name of the config (Lin et al., ICCV 2021, and the original project's model zoo)."""


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
