"""The eight categories: four shapes times four textures, of which every shape and every texture has two.

A shape alone leaves two categories and a texture alone leaves two; only both together leave one. The other
eight combinations belong to no category and appear, unlabelled, as distractors at the hard level.
"""

from __future__ import annotations

from typing import NamedTuple

SHAPE_NAMES = ("fish", "turtle", "star", "ring")
TEXTURE_NAMES = ("striped", "dotted", "checked", "marbled")


class Category(NamedTuple):
    """One category: ``id`` is 1-based as in the annotation file."""

    id: int
    shape: str
    texture: str

    @property
    def name(self) -> str:
        """Name in the annotation file, e.g. ``"striped_fish"``."""
        return f"{self.texture}_{self.shape}"


def _pairs() -> list[tuple[str, str]]:
    # Shape i wears textures i and i+1: a ring of categories in which neighbours share a shape or a texture.
    return [(shape, TEXTURE_NAMES[(i + k) % 4]) for i, shape in enumerate(SHAPE_NAMES) for k in (0, 1)]


CATEGORIES: tuple[Category, ...] = tuple(Category(i, *pair) for i, pair in enumerate(_pairs(), start=1))

DISTRACTORS: tuple[tuple[str, str], ...] = tuple(
    (shape, texture) for shape in SHAPE_NAMES for texture in TEXTURE_NAMES if (shape, texture) not in _pairs()
)


def confusable(category: Category) -> list[Category]:
    """The two categories that share the shape or the texture of ``category``."""
    return [c for c in CATEGORIES if (c.shape == category.shape) != (c.texture == category.texture)]
