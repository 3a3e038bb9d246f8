"""A function as a proposer: the shortest way to a detector of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.errors import ConfigError
from mmdet_vis.propose_reduce.proposer import Images, Place, Proposals

Found = Proposals | tuple[Any, ...]


class FunctionProposer:
    """Any callable that finds boxes in an image, with or without masks.

    Args:
        function: from an image ``[H, W, 3]`` uint8, RGB, to ``(boxes, labels, scores)`` or ``(boxes, labels, scores,
            masks)``: ``[N, 4]`` (x0, y0, x1, y1) in pixels, ends exclusive; ``[N]`` 0-based categories; ``[N]`` in
            [0, 1]; ``[N, H, W]``. Tensors will do. Or to :class:`Proposals`. Without masks, the mask head of the model
            that carries the objects draws them.
        categories: C names.
    """

    def __init__(self, function: Callable[[NDArray[np.uint8]], Found], categories: Sequence[str]) -> None:
        self.function = function
        self.categories = tuple(categories)

    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`~mmdet_vis.propose_reduce.proposer.Proposer`.

        Raises:
            ConfigError: what the function gives does not fit together.
        """
        found = [self.function(image) for image in images]
        try:
            return [self._of(one) for one in found]
        except ValueError as error:
            name = getattr(self.function, "__name__", type(self.function).__name__)
            raise ConfigError(f"{name}: {error}") from error

    def _of(self, found: Found) -> Proposals:
        if isinstance(found, Proposals):
            return found
        if not isinstance(found, tuple) or len(found) not in (3, 4):
            raise ValueError("the function must return (boxes, labels, scores) or (boxes, labels, scores, masks)")
        boxes, labels, scores, *masks = (_plain(value) for value in found)
        return Proposals.of_labels(boxes, labels, scores, len(self.categories), masks[0] if masks else None)


def _plain(value: Any) -> Any:
    """A tensor, on whatever device, as an array; anything else as it is."""
    return value.detach().cpu().numpy() if hasattr(value, "detach") else value
