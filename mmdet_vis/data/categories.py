"""Category names of the public benchmarks; the id of a category in the annotation files is its position plus one."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from mmdet_vis.errors import ConfigError

YOUTUBE_VIS_2019 = (
    "person", "giant_panda", "lizard", "parrot", "skateboard", "sedan", "ape", "dog", "snake", "monkey",
    "hand", "rabbit", "duck", "cat", "cow", "fish", "train", "horse", "turtle", "bear",
    "motorbike", "giraffe", "leopard", "fox", "deer", "owl", "surfboard", "airplane", "truck", "zebra",
    "tiger", "elephant", "snowboard", "boat", "shark", "mouse", "frog", "eagle", "earless_seal", "tennis_racket",
)  # fmt: skip

YOUTUBE_VIS_2021 = (
    "airplane", "bear", "bird", "boat", "car", "cat", "cow", "deer", "dog", "duck",
    "earless_seal", "elephant", "fish", "flying_disc", "fox", "frog", "giant_panda", "giraffe", "horse", "leopard",
    "lizard", "monkey", "motorbike", "mouse", "parrot", "person", "rabbit", "shark", "skateboard", "snake",
    "snowboard", "squirrel", "surfboard", "tennis_racket", "tiger", "train", "truck", "turtle", "whale", "zebra",
)  # fmt: skip

OVIS = (
    "Person", "Bird", "Cat", "Dog", "Horse", "Sheep", "Cow", "Elephant", "Bear", "Zebra",
    "Giraffe", "Poultry", "Giant_panda", "Lizard", "Parrot", "Monkey", "Rabbit", "Tiger", "Fish", "Turtle",
    "Bicycle", "Motorcycle", "Airplane", "Boat", "Vehicle",
)  # fmt: skip

CATEGORIES: dict[str, tuple[str, ...]] = {
    "youtube_vis_2019": YOUTUBE_VIS_2019,
    "youtube_vis_2021": YOUTUBE_VIS_2021,
    "youtube_vis_2022": YOUTUBE_VIS_2021,
    "ovis": OVIS,
    "davis_uvos": ("object",),
}


def resolve_categories(value: str | Sequence[str]) -> tuple[str, ...]:
    """Category names from a config value: the name of a benchmark, or the names themselves.

    Raises:
        ConfigError: the benchmark is not known, or a name is not a string.
    """
    if isinstance(value, str):
        if value not in CATEGORIES:
            raise ConfigError(
                f"categories={value!r:.80} is not known: give one of {', '.join(CATEGORIES)} or a list of names"
            )
        return CATEGORIES[value]
    names = tuple(value)
    if not names or not all(isinstance(n, str) for n in names):
        raise ConfigError("categories must be the name of a benchmark or a list of category names")
    return names


def find_name(name: str, names: Sequence[str]) -> int | None:
    """The place of a category among others: that of its own spelling, else of one alike by :func:`plain_name`."""
    if name in names:
        return list(names).index(name)
    plain = plain_name(name)
    return next((place for place, other in enumerate(names) if plain_name(other) == plain), None)


@lru_cache(4096)
def plain_name(name: str) -> str:
    """A category's name without what spellings differ in: case, spaces at its ends, what stands between words, accents
    that are characters of their own (as on macOS) or not."""
    return "_".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").replace("-", " ").split())
