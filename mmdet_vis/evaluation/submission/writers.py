"""The zip file that the server of DAVIS takes, and what checks of submissions say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.errors import OutputError, counted
from mmdet_vis.files.atomic import write_zip


def write_davis_zip(path: str | Path, results_dir: str | Path, videos: Iterable[str] | None = None) -> None:
    """Write a DAVIS submission: a zip with ``<video>/<frame>.png`` for each PNG of a results folder, or of some videos.

    The same results give the same bytes.

    Raises:
        OutputError: if the folder holds no such PNGs or the zip cannot be written.
    """
    wanted = None if videos is None else set(videos)
    found = sorted(Path(results_dir).glob("*/*.png"))
    files = [file for file in found if wanted is None or file.parent.name in wanted]
    if not files:
        raise OutputError(f"cannot write {path}: {results_dir} holds no <video>/<frame>.png")
    write_zip(path, [(f"{file.parent.name}/{file.name}", file) for file in files], compress=False)


MOST_LISTED = 50


@dataclass(frozen=True)
class Report:
    """Problems for which a server would reject a submission or score it wrongly, and what was checked, in words."""

    problems: list[str]
    checked: str

    def text(self) -> str:
        """The first problems and their number, or that there are none."""
        if not self.problems:
            return f"no problems in {self.checked}"
        lines = [f"- {problem}" for problem in self.problems[:MOST_LISTED]]
        if len(self.problems) > MOST_LISTED:
            lines.append(f"... and {len(self.problems) - MOST_LISTED} more")
        return "\n".join([*lines, f"{counted(len(self.problems), 'problem')} in {self.checked}"])
