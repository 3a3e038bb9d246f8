"""What a user can choose: numbers of videos, frame size, and how hard the videos are."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from mmdet_vis.errors import DatasetError

# Raised whenever the same seed gives other bytes, so that an old dataset is not taken for a new one.
GENERATOR_VERSION = 1

MIN_SIDE, MAX_SIDE = 64, 4096


@dataclass(frozen=True)
class Difficulty:
    """How hard the videos are. Lengths are fractions of the frame's scale (see ``scene.frame_scale``).

    Attributes:
        objects: least and largest number of labelled objects.
        radius: range of the objects' mean radius.
        scale_change: range of ``log`` of the largest over the mean radius during the video.
        travel: range of the distance between the four way points of a wandering object.
        deform: factor on the non-rigid and articulated motion (0 is rigid).
        pair: probability that the video's main category has two objects whose paths cross.
        twin_colours: probability that two objects of one category have the same colours.
        leave: probability that an object leaves the frame and comes back.
        confusable: probability that a further object shares shape or texture with the main category.
        distractors: largest number of unlabelled objects with shape and texture of different categories.
        occluders: largest number of reeds and rocks in the foreground.
        clutter: contrast of the patterns in the background, 0 to 1.
        background_saturation: upper bound of the saturation of background colours, 0 to 1.
        camera: range of the background's movement over the video.
        exposure: fraction of the time between two frames during which the shutter is open.
        blur_samples: renderings per exposure (odd, so that one is at mid-exposure).
        brightness: largest relative change of brightness over the video.
        noise: standard deviation of the sensor noise, in grey levels of 255.
        rim: darkening of the objects' edges, 0 to 1.
    """

    objects: tuple[int, int]
    radius: tuple[float, float]
    scale_change: tuple[float, float]
    travel: tuple[float, float]
    deform: float
    pair: float
    twin_colours: float
    leave: float
    confusable: float
    distractors: int
    occluders: int
    clutter: float
    background_saturation: float
    camera: tuple[float, float]
    exposure: float
    blur_samples: int
    brightness: float
    noise: float
    rim: float


LEVELS: dict[str, Difficulty] = {
    "easy": Difficulty(
        objects=(1, 3), radius=(0.17, 0.24), scale_change=(0.0, 0.15), travel=(0.1, 0.3), deform=0.7,
        pair=0.4, twin_colours=0.0, leave=0.0, confusable=0.0, distractors=0, occluders=0, clutter=0.0,
        background_saturation=0.3, camera=(0.0, 0.15), exposure=0.0, blur_samples=1, brightness=0.1,
        noise=0.0, rim=0.6,
    ),
    "medium": Difficulty(
        objects=(1, 4), radius=(0.13, 0.22), scale_change=(0.05, 0.3), travel=(0.1, 0.4), deform=1.0,
        pair=0.6, twin_colours=0.3, leave=0.2, confusable=0.3, distractors=0, occluders=1, clutter=0.3,
        background_saturation=0.5, camera=(0.05, 0.3), exposure=0.4, blur_samples=5, brightness=0.25,
        noise=2.0, rim=0.45,
    ),
    "hard": Difficulty(
        objects=(2, 5), radius=(0.10, 0.20), scale_change=(0.1, 0.45), travel=(0.15, 0.5), deform=1.3,
        pair=0.8, twin_colours=0.7, leave=0.4, confusable=0.5, distractors=2, occluders=2, clutter=0.6,
        background_saturation=0.8, camera=(0.1, 0.5), exposure=0.6, blur_samples=9, brightness=0.45,
        noise=5.0, rim=0.2,
    ),
}  # fmt: skip


@dataclass(frozen=True)
class DatasetOptions:
    """Everything that decides the bytes of a dataset.

    Attributes:
        train, val: number of videos.
        frames: frames per video.
        width, height: frame size in pixels.
        difficulty: a name in :data:`LEVELS`, or parameters of one's own.
        seed: any non-negative integer.
        quality: JPEG quality, 1 to 100.
    """

    train: int = 400
    val: int = 60
    frames: int = 20
    width: int = 256
    height: int = 144
    difficulty: str | Difficulty = "medium"
    seed: int = 0
    quality: int = 92

    def __post_init__(self) -> None:
        for name in ("train", "val", "frames", "width", "height", "seed", "quality"):
            if not isinstance(getattr(self, name), int):
                raise DatasetError(f"SynthVIS: {name} is {getattr(self, name)!r}; give a whole number")
        for name in ("train", "val", "seed"):
            if getattr(self, name) < 0:
                raise DatasetError(f"SynthVIS: {name} is {getattr(self, name)}; give 0 or more")
        if self.train + self.val == 0:
            raise DatasetError("SynthVIS: train and val are both 0; ask for at least one video")
        if self.frames < 2:
            raise DatasetError(f"SynthVIS: frames is {self.frames}; a video needs at least 2")
        if not all(MIN_SIDE <= side <= MAX_SIDE for side in (self.width, self.height)):
            raise DatasetError(
                f"SynthVIS: frame size {self.width}x{self.height} is outside "
                f"{MIN_SIDE}x{MIN_SIDE} to {MAX_SIDE}x{MAX_SIDE}"
            )
        if not 1 <= self.quality <= 100:
            raise DatasetError(f"SynthVIS: JPEG quality is {self.quality}; give 1 to 100")
        _check_level(self.level)

    @property
    def level(self) -> Difficulty:
        """The parameters of ``difficulty``. Raises :class:`DatasetError` if no level has that name."""
        if isinstance(self.difficulty, Difficulty):
            return self.difficulty
        if self.difficulty not in LEVELS:
            raise DatasetError(f"SynthVIS: no difficulty {self.difficulty!r}; choose from {', '.join(LEVELS)}")
        return LEVELS[self.difficulty]

    def as_json(self) -> dict[str, Any]:
        """All options as JSON values; two datasets with equal values have equal bytes."""
        values: dict[str, Any] = {f.name: getattr(self, f.name) for f in fields(self)}
        if isinstance(self.difficulty, Difficulty):
            values["difficulty"] = "custom"
        level = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self.level).items()}
        return {"generator_version": GENERATOR_VERSION, **values, "level": level}


def _check_level(level: Difficulty) -> None:
    """Refuse parameters that no video can satisfy."""
    if not 1 <= level.objects[0] <= level.objects[1]:
        raise DatasetError(f"SynthVIS: difficulty.objects is {level.objects}; give 1 <= least <= largest")
    if level.blur_samples < 1 or level.blur_samples % 2 == 0:
        raise DatasetError(f"SynthVIS: difficulty.blur_samples is {level.blur_samples}; give an odd number")
    if not 0 < level.radius[0] <= level.radius[1]:
        raise DatasetError(f"SynthVIS: difficulty.radius is {level.radius}; give 0 < least <= largest")
