"""The layout of the DAVIS 2017 / 2019 unsupervised data set on disk."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmdet_vis.errors import DatasetError

ANNOTATIONS = Path("Annotations_unsupervised", "480p")
IMAGES = Path("JPEGImages", "480p")
# The folders of ImageSets that hold lists for the unsupervised track: val is in the first, test-dev in the second.
_IMAGE_SETS = ("2017", "2019")


@dataclass(frozen=True)
class DavisSequence:
    """A video of the data set.

    Attributes:
        name: name of its folder.
        annotations: T index PNGs in the order of time; the file names without ending are the frames' names.
    """

    name: str
    annotations: list[Path]


def sequence_names(davis_root: str | Path, set_name: str = "val") -> list[str]:
    """Names of the videos of a set, from ``ImageSets``.

    Raises:
        DatasetError: if there is no such list or it is empty.
    """
    root = Path(davis_root)
    candidates = [root / "ImageSets" / year / f"{set_name}.txt" for year in _IMAGE_SETS]
    path = next((path for path in candidates if path.is_file()), None)
    if path is None:
        raise DatasetError(
            f"{root} has no ImageSets/2017/{set_name}.txt (nor 2019): give the folder DAVIS and a set it lists"
        )
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path} ({error}): it must list one video name per line") from error
    if not names:
        raise DatasetError(f"{path} lists no videos: it must name one per line")
    return names


def annotated_sequences(davis_root: str | Path, set_name: str = "val") -> list[DavisSequence]:
    """The videos of a set with their annotations for the unsupervised track.

    Raises:
        DatasetError: if the set or the annotations of a video are missing.
    """
    root = Path(davis_root) / ANNOTATIONS
    sequences = []
    for name in sequence_names(davis_root, set_name):
        annotations = sorted((root / name).glob("*.png"))
        if not annotations:
            raise DatasetError(
                f"{root / name} has no PNG annotations: J&F needs a set with public ground truth, such as val, and "
                "the archive DAVIS-2017-Unsupervised"
            )
        sequences.append(DavisSequence(name, annotations))
    return sequences
