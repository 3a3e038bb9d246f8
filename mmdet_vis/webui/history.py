"""The corrections of a result: an append-only log on disk, in which one can go back and forth."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmdet_vis.api import VideoResult
from mmdet_vis.errors import ResultsError, UserError

MOST_EDITS = 2000
"""Entries of a log: what a page can fill the disk with is bounded."""

_FIRST, _LOG = "result.json", "edits.jsonl"


class HistoryError(UserError):
    """There is nothing to go back to, or too much has been done."""


@dataclass(frozen=True)
class State:
    """A result, and the edit that made it.

    Attributes:
        result: all sequences.
        edit: what was asked for, as the page sent it, with a ``title``; None for the automatic result.
    """

    result: VideoResult
    edit: dict[str, Any] | None = None


class History:
    """The states of a video's result; what is undone can be redone until something else is done.

    The log has a line per step, ``{"edit", "order"}``, ``{"undo": true}`` or ``{"redo": true}``. Beside it,
    ``edits/NUMBER.json`` holds the sequences that step ``NUMBER`` changed, so that nothing is computed when it is read
    again, and a step takes the disk that it changes.

    Args:
        folder: where it is, or will be.
        first: the automatic result, for a new history; None reads what is there.

    Raises:
        ResultsError: what is there is damaged.
        OutputError: the result cannot be written.
    """

    def __init__(self, folder: Path, first: VideoResult | None = None) -> None:
        self._folder = folder
        self._lines = 0
        if first is not None:
            (folder / "edits").mkdir(exist_ok=True)
            (folder / _LOG).unlink(missing_ok=True)
            first.save(folder / _FIRST)
        self._states = [State(first or VideoResult.load(folder / _FIRST))]
        self._position = 0
        if first is None:
            try:
                self._read()
            except (OSError, ValueError, TypeError, LookupError, RecursionError) as error:
                raise ResultsError(f"{folder / _LOG} is damaged: start this video again") from error
            if not 0 <= self._position < len(self._states):
                raise ResultsError(f"{folder / _LOG} is damaged: start this video again")

    @staticmethod
    def exists(folder: Path) -> bool:
        """Whether a folder holds one."""
        return (folder / _FIRST).is_file()

    @property
    def revision(self) -> int:
        """Grows with every step, also back and forth."""
        return self._lines

    @property
    def result(self) -> VideoResult:
        """The present one."""
        return self._states[self._position].result

    @property
    def edits(self) -> list[dict[str, Any]]:
        """Those that made the present result, first to last."""
        return [state.edit for state in self._states[1 : self._position + 1] if state.edit is not None]

    @property
    def undone(self) -> dict[str, Any] | None:
        """What :meth:`redo` would do again."""
        return self._states[self._position + 1].edit if self._position + 1 < len(self._states) else None

    def add(self, edit: dict[str, Any], result: VideoResult) -> None:
        """Note an edit and what came of it; what was undone before is gone.

        Raises:
            HistoryError: there are too many.
            OutputError: the disk is full.
        """
        self._check_room()
        before = {sequence.track_id: sequence for sequence in self.result.sequences}
        changed = [s for s in result.sequences if (known := before.get(s.track_id)) is not s and known != s]
        replace(result, sequences=changed).save(self._folder / "edits" / f"{self._lines}.json")
        self._append({"edit": edit, "order": [sequence.track_id for sequence in result.sequences]})
        del self._states[self._position + 1 :]
        self._states.append(State(result, edit))
        self._position += 1

    def undo(self) -> None:
        """Go back by a step. Raises :class:`HistoryError`: there is none."""
        self._move("undo", -1, self._position > 0)

    def redo(self) -> None:
        """Do again what was undone last. Raises :class:`HistoryError`: nothing was."""
        self._move("redo", 1, self.undone is not None)

    def _move(self, what: str, by: int, possible: bool) -> None:
        if not possible:
            raise HistoryError(f"nothing to {what}")
        self._check_room()
        self._append({what: True})
        self._position += by

    def _check_room(self) -> None:
        if self._lines >= MOST_EDITS:
            raise HistoryError(
                f"this video has {MOST_EDITS} corrections, the most: export it and start again from that"
            )

    def _append(self, line: dict[str, Any]) -> None:
        with (self._folder / _LOG).open("a", encoding="utf-8") as log:
            log.write(json.dumps(line) + "\n")
            log.flush()
            os.fsync(log.fileno())
        self._lines += 1

    def _read(self) -> None:
        path = self._folder / _LOG
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        if text and not text.endswith("\n"):  # the program was killed in the middle of a line: it never counted
            text = text[: text.rfind("\n") + 1]
            path.write_text(text, encoding="utf-8")
        for line in text.splitlines():
            entry = json.loads(line)
            if "undo" in entry:
                self._position -= 1
            elif "redo" in entry:
                self._position += 1
            else:
                del self._states[self._position + 1 :]
                self._states.append(State(self._replayed(entry["order"]), entry["edit"]))
                self._position += 1
            self._lines += 1

    def _replayed(self, order: list[int]) -> VideoResult:
        changed = VideoResult.load(self._folder / "edits" / f"{self._lines}.json")
        known = {s.track_id: s for s in self.result.sequences} | {s.track_id: s for s in changed.sequences}
        return replace(changed, sequences=[known[track] for track in order])
