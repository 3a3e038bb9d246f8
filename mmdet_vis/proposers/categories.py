"""A proposer's categories by those of a dataset or a model: the same names, however they are spelt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from mmdet_vis.data.categories import plain_name
from mmdet_vis.errors import ConfigError, few
from mmdet_vis.propose_reduce.proposer import Images, Place, Proposals, Proposer


class InCategories:
    """A proposer in other categories: columns of scores are put in their order, names that are not among them go.

    Args:
        categories: the names that results should have.
        renamed: names of the proposer that stand for one of ``categories``; several may stand for the same one, whose
            score is then the best of them.

    Attributes:
        left_out: names of the proposer that nothing stands for.

    Raises:
        ConfigError: no category is left.
    """

    def __init__(self, proposer: Proposer, categories: Sequence[str], renamed: Mapping[str, str] | None = None) -> None:
        self.proposer, self.categories = proposer, tuple(categories)
        place = {plain_name(name): column for column, name in enumerate(categories, start=1)}
        also = {plain_name(old): plain_name(new) for old, new in (renamed or {}).items()}
        self._to = [place.get(also.get(plain_name(name), plain_name(name)), 0) for name in proposer.categories]
        self.left_out = [name for name, column in zip(proposer.categories, self._to, strict=True) if not column]
        if not any(self._to):
            raise ConfigError(
                f"none of the proposer's categories ({few(proposer.categories)}) is one of {', '.join(categories):.200}"
            )
        if hasattr(proposer, "classify"):
            self.classify = self._classify

    def to(self, device: torch.device) -> None:
        """Move the proposer, where it can be."""
        if hasattr(self.proposer, "to"):
            self.proposer.to(device)

    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`~mmdet_vis.propose_reduce.proposer.Proposer`; objects of other categories are left out."""
        results = []
        for found in self.proposer.propose(images, places):
            scores = self._scores(found.scores)
            kept = scores[:, 1:].max(axis=1, initial=0) > 0
            masks = None if found.masks is None else found.masks[kept]
            results.append(Proposals(found.boxes[kept], scores[kept], masks))
        return results

    def _classify(self, images: Images, boxes: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        rows: list[NDArray[np.float32]] = self.proposer.classify(images, boxes)  # type: ignore[attr-defined]
        return [self._scores(row) for row in rows]

    def _scores(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        result = np.zeros((len(scores), len(self.categories) + 1), np.float32)
        for column, target in enumerate(self._to, start=1):
            if target:
                result[:, target] = np.maximum(result[:, target], scores[:, column])
        result[:, 0] = 1 - result[:, 1:].max(axis=1, initial=0)
        return result
