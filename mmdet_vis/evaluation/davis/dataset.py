"""The annotations of the DAVIS 2017 / 2019 unsupervised data set on disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.data.formats.davis_layout import ANNOTATIONS, RESOLUTION, davis_set, find_davis_root
from mmdet_vis.errors import DatasetError


@dataclass(frozen=True)
class DavisSequence:
    """A video of the data set.

    Attributes:
        name: name of its folder.
        annotations: T index PNGs in the order of time; the file names without ending are the frames' names.
    """

    name: str
    annotations: list[Path]


def annotated_sequences(
    davis_root: str | Path, set_name: str = "val", year: int | None = None, resolution: str = RESOLUTION
) -> list[DavisSequence]:
    """The videos of a set with their annotations for the unsupervised track.

    Arguments are those of :func:`mmdet_vis.evaluation.davis.evaluate`.

    Raises:
        DatasetError: if the set or the annotations of a video are missing.
    """
    root = find_davis_root(davis_root)
    sequences = []
    for name in davis_set(root, set_name, year):
        folder = root / ANNOTATIONS / resolution / name
        annotations = sorted(folder.glob("*.png"))
        if not annotations:
            raise DatasetError(
                f"{folder} has no PNG annotations: J&F needs a set with public ground truth, such as val, and "
                "the archive DAVIS-2017-Unsupervised"
            )
        sequences.append(DavisSequence(name, annotations))
    return sequences


def annotations_of_frames(name: str, frames: Sequence[Path]) -> DavisSequence:
    """The annotations of a video of which only the frames are known, such as one of an annotation file.

    Their folder is (a link into) ``JPEGImages/<resolution>/<video>`` of a DAVIS folder.

    Raises:
        DatasetError: there are no ``Annotations_unsupervised`` beside ``JPEGImages``, or not one for each frame.
    """
    images = frames[0].parent.resolve()
    resolution, davis_root = images.parent, images.parent.parent.parent
    folder = davis_root / ANNOTATIONS / resolution.name / images.name
    annotations = sorted(folder.glob("*.png"))
    if [path.stem for path in annotations] != sorted(frame.stem for frame in frames):
        raise DatasetError(
            f"J&F needs an index PNG for each of the {len(frames)} frames of {images}: {folder} has "
            f"{len(annotations) or 'none'}{' (others)' if len(annotations) == len(frames) else ''}; make the folder of "
            f"frames (a link to) JPEGImages/480p of a DAVIS folder with {ANNOTATIONS}, or leave the evaluation out"
        )
    return DavisSequence(name, annotations)
