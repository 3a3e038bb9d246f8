"""The configs that come with the program: found by name from any folder, and the figures published for them."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.errors import ConfigError

SUFFIXES = (".py", ".json", ".yaml", ".yml")


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


def shipped_folder() -> Path | None:
    """The folder ``configs``: in the installed package, or of the repository; None: neither is there."""
    package = Path(__file__).resolve().parents[1]
    return next((path for path in (package / "configs", package.parent / "configs") if path.is_dir()), None)


def shipped_configs() -> dict[str, Path]:
    """The configs that come with the program, by name; not the parts in ``_base_``.

    The name is the file's without ``.py``; where two files share it, that of the deeper one says its folder, too
    (``CateAwareReduce/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage``).
    """
    folder = shipped_folder()
    found: dict[str, Path] = {}
    files = [path.relative_to(folder) for path in folder.rglob("*.py")] if folder is not None else []
    for path in sorted((path for path in files if path.parts[0] != "_base_"), key=lambda path: (len(path.parts), path)):
        parts = path.with_suffix("").parts
        names = ("/".join(parts[start:]) for start in reversed(range(len(parts))))
        assert folder is not None
        found[next(name for name in names if name not in found)] = folder / path
    return found


def find_config(config: str | Path) -> Path:
    """The file of a config that is named by its path, or by its name if it comes with the program.

    Args:
        config: a path, which always wins; or a name with or without ``.py``, or the end of its path below ``configs``,
            such as ``CateAwareReduce/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage``.

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
