"""What the numbers of MOTS mean: an object is 1000 times its class plus its number; class 10 is of no object."""

from __future__ import annotations

from pathlib import Path

from mmdet_vis.data.formats.annotated import AnnotatedTrack, AnnotatedVideos
from mmdet_vis.errors import DatasetError

PER_CLASS = 1000
IGNORED = 10
KITTI_CLASSES = {1: "car", 2: "pedestrian"}
KITTI_NAMES = {"car": 1, "vehicle": 1, "sedan": 1, "pedestrian": 2, "person": 2}
LABELS = "labels.txt"
"""Names of the classes from 1, one a line, as CVAT writes them."""
_MAX_LABELS = 2**20


class MotsClasses:
    """Names of classes: of the first ``labels.txt`` in some folders, else those of KITTI-MOTS.

    Raises:
        DatasetError: that file cannot be read.
    """

    def __init__(self, found: AnnotatedVideos, *folders: Path) -> None:
        self.found = found
        self.names = dict(KITTI_CLASSES)
        file = next((folder / LABELS for folder in folders if (folder / LABELS).is_file()), None)
        self.listed = file is not None
        if file is not None:
            if file.stat().st_size > _MAX_LABELS:
                raise DatasetError(f"{file} is no list of classes, one a line: move it away")
            lines = file.read_text(encoding="utf-8-sig", errors="replace").splitlines()
            lines = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
            lines = [line for line in lines if line != "background"]
            self.names = dict(enumerate(lines, 1))
            for name in lines:
                found.category(name)

    def is_ignored(self, number: int) -> bool:
        """Whether a class stands for regions that count neither as objects nor as background."""
        return number == IGNORED and IGNORED not in self.names

    def name(self, number: int) -> str:
        """Name of a class."""
        if not self.listed:
            known = self.names.get(number, f"class_{number}")
            self.found.notes.guessed[f"objects of class {number}, taken as {known}"] += 1
        return self.names.get(number, f"class_{number}")


def number_tracks(videos: AnnotatedVideos, tracks: list[AnnotatedTrack], classes: dict[str, int]) -> list[int]:
    """Numbers of a video's objects, 0 for those that MOTS cannot number, which are noted."""
    counts: dict[int, int] = {}
    numbers = []
    for track in tracks:
        number = classes.get(track.category)
        counts[number or 0] = counts.get(number or 0, 0) + 1
        if number is None or counts[number] >= PER_CLASS:
            reason = "of categories without a class" if number is None else f"beyond {PER_CLASS - 1} of a class"
            videos.notes.left_out[f"objects {reason}"] += 1
        numbers.append(0 if number is None or counts[number] >= PER_CLASS else number * PER_CLASS + counts[number])
    return numbers
