"""Results never go over what a run reads, or among it."""

from __future__ import annotations

import os
from collections.abc import Iterable
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
    taken = _Paths(places)
    for path in inputs:
        place = taken.holder_of(path)
        if place is not None:
            raise _refusal(place, path, option)
    held = _Paths(folders)
    for place in taken.paths.values():
        folder = held.holder_of(place)
        if folder is not None:
            raise _refusal(place, folder, option)


def _refusal(place: Path, path: Path, option: str) -> OutputError:
    return OutputError(f"{place} would overwrite the input {path}: choose another {option}")


class _Paths:
    """Paths as they really are, links followed, to find the one that another path is or lies in.

    Attributes:
        paths: as they were given, by what they are.
    """

    def __init__(self, paths: Iterable[Path]) -> None:
        # One look at each folder, however many files it has.
        self._real_folder = cache(os.path.realpath)
        self._holder_of_folder = cache(self._find)
        self.paths = {self._real(str(path)): path for path in paths}
        # The target of a link can only lie in what is there already.
        self._follow = any(map(os.path.lexists, self.paths))

    def holder_of(self, path: Path) -> Path | None:
        """The path of these that ``path`` is or lies in."""
        if not self.paths:
            return None
        file = str(path)
        found = self._look_up(file)
        if found is None and self._follow and os.path.islink(file):
            found = self._look_up(os.path.realpath(file))
        return found

    def _look_up(self, file: str) -> Path | None:
        folder, name = self._split(file)
        return self._holder_of_folder(folder) or self.paths.get(os.path.join(folder, name))

    def _find(self, folder: str) -> Path | None:
        parents = map(str, (Path(folder), *Path(folder).parents))
        return next((self.paths[parent] for parent in parents if parent in self.paths), None)

    def _real(self, file: str) -> str:
        return os.path.realpath(file) if os.path.islink(file) else os.path.join(*self._split(file))

    def _split(self, file: str) -> tuple[str, str]:
        """The real folder and the name of a file, which itself may be a link."""
        folder, name = os.path.split(file)
        if name in ("", os.curdir, os.pardir):
            folder, name = os.path.split(os.path.realpath(file))
        return self._real_folder(folder), name
