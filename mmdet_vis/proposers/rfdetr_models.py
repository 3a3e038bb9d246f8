"""RF-DETR's segmentation models as proposers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmdet_vis.errors import CheckpointError, ConfigError, one_line, option
from mmdet_vis.propose_reduce.proposer import Images, Place, Proposals
from mmdet_vis.proposers.named import missing_package
from mmdet_vis.registry import PROPOSERS
from mmdet_vis.weights.find import fetching, find_weights

SIZES = {name.lower(): f"RFDETRSeg{name}" for name in ("Nano", "Small", "Medium", "Large")}


@PROPOSERS.register_module(name=["rfdetr", "RFDETRProposer"])
class RFDETRProposer:
    """``RFDETRSegNano`` to ``RFDETRSegLarge`` of the package rfdetr; needs ``mmdet_vis[rfdetr]``.

    Args:
        weights: ``nano``, ``small``, ``medium`` or ``large``: that model with its weights of COCO, which rfdetr fetches
            once into its own cache; or a checkpoint of a segmentation model of rfdetr, of which it tells the size. Read
            by rfdetr as tensors and plain data.
        score_thr: objects below are left out.
        **options: of rfdetr's model, such as ``resolution=432``.

    Raises:
        CheckpointError: the weights cannot be fetched or read.
        ConfigError: rfdetr is not installed.
    """

    def __init__(self, weights: str = "nano", score_thr: float = 0.1, **options: Any) -> None:
        if "trust_checkpoint" in options:
            raise ConfigError("proposer.trust_checkpoint is refused: weights are read as data, nothing in them is run")
        try:
            import rfdetr
        except ImportError as error:
            raise missing_package("rfdetr") from error
        if weights in SIZES:
            fix = f"get its weights in another way and name them: {option('proposer', 'rfdetr:FILE')}"
            with fetching(f"rfdetr's weights for {SIZES[weights]}", fix):
                self.model = getattr(rfdetr, SIZES[weights])(**options)
        else:
            self.model = _from_file(find_weights(weights), options)
        self.score_thr = score_thr
        self.categories = tuple(str(name) for name in self.model.class_names)

    def to(self, device: torch.device) -> None:
        """Run on this device."""
        self.model.model.device = device
        self.model.model.model.to(device)

    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`~mmdet_vis.propose_reduce.proposer.Proposer`."""
        found = self.model.predict(list(images), threshold=self.score_thr, include_source_image=False)
        return [self._of(one) for one in found]

    def _of(self, found: Any) -> Proposals:
        names = [str(name) for name in found.data["class_name"]] if len(found) else []
        # Numbers of categories that the network has and nothing is called by are never objects.
        kept = [index for index, name in enumerate(names) if name in self.categories]
        return Proposals.of_labels(
            found.xyxy[kept],
            [self.categories.index(names[index]) for index in kept],
            found.confidence[kept],
            len(self.categories),
            None if found.mask is None else found.mask[kept].astype(np.uint8),
        )


def _from_file(path: Path, options: dict[str, Any]) -> Any:
    from rfdetr import RFDETR

    try:
        return RFDETR.from_checkpoint(str(path), **options)
    except (TypeError, ConfigError):
        raise
    except Exception as error:  # pickles that are refused and sizes that do not fit among others
        raise CheckpointError(f"checkpoint {path} cannot be read by rfdetr: {one_line(error)}") from error
