"""Results never go over what a run reads, or among it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path

from mmdet_vis.errors import OutputError


def check_places(
    inputs: Iterable[Path], places: Iterable[Path], folders: Iterable[Path] = (), option: str = "--save-dir"
) -> None:
    """Refuse to write results over inputs, or to mix the two.

    Each folder is looked at once, so a dataset of a million frames, or a run over ten thousand videos, takes seconds.

    Args:
        inputs: files, and folders of which all is input.
        places: files that the run writes, and folders whose contents it writes; they need not exist.
        folders: those among ``inputs``, in which no place may lie.
        option: the one that says where results go.

    Raises:
        OutputError: names an input and the place that it is, lies in or holds.
    """
    places = list(places)
    for paths, others, swapped in ((inputs, places, False), (places, folders, True)):
        holder_of = _holders(others)
        for path in paths:
            holder = holder_of(path)
            if holder is not None:
                place, given = (path, holder) if swapped else (holder, path)
                raise OutputError(f"{place} would overwrite the input {given}: choose another {option}")


def _holders(paths: Iterable[Path]) -> Callable[[Path], Path | None]:
    """A function that finds the one of these paths that another path is or lies in, all links followed."""
    real_folder = cache(os.path.realpath)

    def split(file: str) -> tuple[str, str]:
        """The real folder and the name of a file, which itself may be a link."""
        folder, name = os.path.split(file)
        if name in ("", os.curdir, os.pardir):
            folder, name = os.path.split(os.path.realpath(file))
        return real_folder(folder), name

    def real(file: str) -> str:
        return os.path.realpath(file) if os.path.islink(file) else os.path.join(*split(file))

    known = {real(str(path)): path for path in paths}
    # The target of a link can only lie in what is there already.
    follow = any(map(os.path.lexists, known))

    @cache
    def above(folder: str) -> Path | None:
        parents = map(str, (Path(folder), *Path(folder).parents))
        return next((known[parent] for parent in parents if parent in known), None)

    def look_up(file: str) -> Path | None:
        folder, name = split(file)
        return above(folder) or known.get(os.path.join(folder, name))

    def holder_of(path: Path) -> Path | None:
        file = str(path)
        found = look_up(file) if known else None
        return look_up(os.path.realpath(file)) if found is None and follow and os.path.islink(file) else found

    return holder_of
