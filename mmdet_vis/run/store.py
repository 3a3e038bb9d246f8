"""The folder of a run over a dataset: one file per finished video, from which a killed run goes on."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import chain
from pathlib import Path
from typing import Any

from mmdet_vis.data.formats import write_results
from mmdet_vis.errors import OutputError
from mmdet_vis.files.atomic import atomic_write, ensure_writable_dir, remove_unfinished
from mmdet_vis.run.identity import differences, is_identity

# What a run writes beside run.json, relative to its folder; --overwrite removes these and nothing else.
WRITTEN = (
    "videos/*.json", "png/*/*.png", "overlay/*/*.jpg", "video/*.mp4",
    "results.json", "submission.zip", "metrics.json", "summary.json",
)  # fmt: skip
FOLDERS = ("videos", "png/*", "png", "overlay/*", "overlay", "video")
PLACES = ("videos", "png", "overlay", "video", "results.json", "submission.zip", "metrics.json", "summary.json")
_COMPLETE = b"]\n"


class RunStore:
    """Results of the videos of a run, each in ``videos/<id>.json``, which appears when the video is done.

    Such a file is a results file for one video. ``run.json`` says what the results depend on.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def places(self) -> Iterator[Path]:
        """Files that runs write, and folders whose contents they write; they need not exist."""
        for name in (*PLACES, "run.json"):
            yield self.folder / name
        for pattern in FOLDERS:  # A link may lead elsewhere.
            yield from self.folder.glob(pattern)

    def prepare(self, identity: Mapping[str, Any], resume: bool, overwrite: bool) -> None:
        """Make the folder ready for a run.

        Args:
            identity: from :func:`mmdet_vis.run.identity.run_identity`.
            resume: keep the results of an earlier run of the same identity; without one, begin.
            overwrite: remove the files of an earlier run, whatever its identity was.

        Raises:
            OutputError: the folder cannot be written, or holds results and neither was asked for, or to be resumed
                are results of something else, or what is in it is not of a run.
        """
        ensure_writable_dir(self.folder)
        before = self._earlier()
        if before is not None:
            if overwrite:
                self._clear()
            else:
                self._check(before, identity, resume)
        # A run may have been killed before it wrote run.json.
        remove_unfinished([self.folder, *chain.from_iterable(map(self.folder.glob, FOLDERS))])
        # First of all, since it says that the other files are of a run.
        atomic_write(self.folder / "run.json", json.dumps(identity, indent=1) + "\n")
        ensure_writable_dir(self.folder / "videos")

    def _earlier(self) -> dict[str, Any] | None:
        """The identity of the run in the folder; None if nothing is where a run would write."""
        run_file = self.folder / "run.json"
        if not run_file.exists():
            for name in PLACES:
                if (self.folder / name).exists():
                    raise OutputError(
                        f"{self.folder} holds something else: {name} without the run.json of a run; use another "
                        "--save-dir, or move it away"
                    )
            return None
        try:
            before = json.loads(run_file.read_bytes())
        except (OSError, ValueError, RecursionError) as error:
            raise OutputError(
                f"{self.folder} holds something else, or a damaged run: {run_file} cannot be read ({error}); use "
                "another --save-dir, or remove this one"
            ) from error
        if not is_identity(before):
            raise OutputError(
                f"{self.folder} holds something else: {run_file} is not of a run of this tool; use another --save-dir"
            )
        return before

    def _check(self, before: Mapping[str, Any], identity: Mapping[str, Any], resume: bool) -> None:
        if not resume:
            raise OutputError(
                f"{self.folder} holds a run with {len(self.done())} finished videos: --resume goes on with it, "
                "--overwrite starts anew; or use another --save-dir"
            )
        changed = differences(before, identity)
        if changed:
            raise OutputError(
                f"cannot resume: the results in {self.folder} are of another run, different in {changed}; "
                "use another --save-dir, or start anew with --overwrite"
            )

    def _clear(self) -> None:
        """Remove what runs write but ``run.json``, without which the rest would be of something else."""
        self._remove(WRITTEN)
        for pattern in FOLDERS:
            for folder in self.folder.glob(pattern):
                with suppress(OSError):  # Something else is in it: that stays.
                    folder.rmdir()

    def _remove(self, patterns: Iterable[str]) -> None:
        for path in chain.from_iterable(sorted(self.folder.glob(pattern)) for pattern in patterns):
            try:
                path.unlink()
            except OSError as error:
                raise OutputError(f"cannot remove {path}: {error.strerror}; use another --save-dir") from error

    def done(self) -> set[int]:
        """Ids of the videos that are done."""
        return {int(path.stem) for path in self.folder.glob("videos/*.json") if _is_complete(path)}

    def forget(self, video_ids: Iterable[int]) -> None:
        """Let videos be done again.

        Raises:
            OutputError: a file cannot be removed.
        """
        self._remove(f"videos/{video_id}.json" for video_id in video_ids)

    def save(self, video_id: int, entries: Sequence[Mapping[str, Any]]) -> None:
        """Write the results of a video, in one step; from then on it is done.

        Raises:
            OutputError: the file cannot be written.
        """
        write_results(self._file(video_id), entries)

    def entries(self, video_ids: Iterable[int]) -> Iterator[dict[str, Any]]:
        """The entries of videos in the order given, one video in memory at a time.

        Raises:
            OutputError: a file has been damaged since it was written.
        """
        for video_id in video_ids:
            file = self._file(video_id)
            try:
                content = json.loads(file.read_bytes())
            except (OSError, ValueError, RecursionError) as error:
                raise OutputError(f"{file} is damaged ({error}); remove it and run again with --resume") from error
            if not isinstance(content, list) or not all(isinstance(entry, dict) for entry in content):
                raise OutputError(f"{file} holds no results; remove it and run again with --resume")
            yield from content

    def _file(self, video_id: int) -> Path:
        return self.folder / "videos" / f"{video_id}.json"


def _is_complete(path: Path) -> bool:
    """Whether the file has its end: after a power cut it may have its name but not its contents."""
    try:
        int(path.stem)
        with open(path, "rb") as file:
            file.seek(-len(_COMPLETE), os.SEEK_END)
            return file.read() == _COMPLETE
    except (OSError, ValueError):
        return False
