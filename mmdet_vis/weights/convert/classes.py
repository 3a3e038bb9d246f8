"""The layers with something per category: which rows are whose, and choosing some of them.

Ours, torchvision's and those of MMDetection 0.x and 1.x count the background as class 0. MMDetection from 2.0 on has
it last in the classifier, and not at all in box regression and masks.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import torch
from torch import Tensor

from mmdet_vis.errors import CheckpointError, option
from mmdet_vis.weights.convert.translation import Translation

ROWS = {"bbox_head.fc_cls": 1, "bbox_head.fc_reg": 4, "mask_head.conv_logits": 1}
"""Class-dependent layers and their rows per class."""

CLASSIFIER = "bbox_head.fc_cls.weight"


def rows_per_class(name: str) -> int:
    """Rows that a weight has for each class; 0 if it does not depend on the class."""
    return ROWS.get(name.rpartition(".")[0], 0)


def background_first(weights: dict[str, Tensor]) -> None:
    """From the order of MMDetection 2 and 3 to ours, in place; the rows of a background that it lacks are zero."""
    for name, value in weights.items():
        rows = rows_per_class(name)
        if name.startswith("bbox_head.fc_cls."):
            weights[name] = torch.cat((value[-1:], value[:-1]))
        elif rows:
            weights[name] = torch.cat((value.new_zeros(rows, *value.shape[1:]), value))


def background_last(weights: dict[str, Tensor]) -> None:
    """The inverse of :func:`background_first`, in place."""
    for name, value in weights.items():
        rows = rows_per_class(name)
        if name.startswith("bbox_head.fc_cls."):
            weights[name] = torch.cat((value[1:], value[:1]))
        elif rows:
            weights[name] = value[rows:]


def keep_classes(weights: dict[str, Tensor], classes: Sequence[int]) -> None:
    """Keep the background and some classes of our layout, 1 being the first after it, in the order given, in place."""
    count = len(weights[CLASSIFIER])
    for name, value in weights.items():
        rows = rows_per_class(name)
        if rows and len(value) == rows * count:  # a regression that all classes share is nobody's
            per_class = value.reshape(count, rows, *value.shape[1:])
            weights[name] = per_class[[0, *classes]].flatten(0, 1)


def drop_classes(translation: Translation) -> None:
    """Leave out every class-dependent layer."""
    for name in [n for n in translation.weights if rows_per_class(n)]:
        translation.drop(name, "depends on the classes")


def numbers_of(chosen: Sequence[str], weights: dict[str, Tensor], names: Sequence[str] | None) -> list[int]:
    """Class numbers of what ``--classes`` lists, by names or numbers; the weights are under our names.

    The ``names`` of all classes of the source have the background first; None if they are not known.

    Raises:
        CheckpointError: there is no such class, it is listed twice, or the source has no classifier.
    """
    classifier = weights.get(CLASSIFIER)
    if classifier is None:
        raise CheckpointError(f"{option('classes')}: the source has no classifier to choose classes from; leave it out")
    count = len(classifier)
    known = list(names) if names is not None and len(names) == count else []
    numbers = []
    for item in chosen:
        if item in known[1:]:
            number = known.index(item)
        elif item.isascii() and item.isdigit() and 1 <= int(item) < count:
            number = int(item)
        else:
            near = difflib.get_close_matches(item, known, n=1)
            kinds = "names or numbers" if known else "numbers"
            meant = f"did you mean {near[0]!r}?" if near else f"use {kinds} 1 to {count - 1}"
            raise CheckpointError(f"{option('classes')}: the source has no class {item!r}; {meant}")
        if number in numbers:
            raise CheckpointError(f"{option('classes')}: {item!r} is listed twice; list every class once")
        numbers.append(number)
    return numbers
