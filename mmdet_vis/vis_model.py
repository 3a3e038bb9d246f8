"""A network with what is needed to use it on videos."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmengine.config import Config

from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.device import Precision
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.propose_reduce import Proposer


@dataclass(repr=False)
class VISModel:
    """A network with what is needed to use it on videos.

    Attributes:
        network: on its device, in evaluation mode.
        config: the config that it was built from.
        categories: C names.
        preprocess: frames to network input.
        device, precision: where and how it runs.
        proposer: finds the objects in the place of the network; None: the network does.
    """

    network: SeqMaskRCNN
    config: Config
    categories: tuple[str, ...]
    preprocess: Preprocessor
    device: torch.device
    precision: Precision
    proposer: Proposer | None = None

    def __repr__(self) -> str:
        names = ", ".join(self.categories[:3]) + (", …" if len(self.categories) > 3 else "")
        how = f"{self.device}, {self.precision.name}"
        return f"VISModel({type(self.network).__name__}, {len(self.categories)} categories: {names}; {how})"

    @property
    def classifies(self) -> bool:
        """Whether the network says what objects are: not if it has no detector, or if another one proposes."""
        return self.proposer is None and self.network.bbox_head is not None
