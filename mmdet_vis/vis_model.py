"""A network with what is needed to use it on videos."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from mmengine.config import Config

from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.device import Precision
from mmdet_vis.models.heads.light_propagation import LightPropHead
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN
from mmdet_vis.propose_reduce import EngineSettings, Proposer

CHUNK_BYTES = {"cpu": 24 * 2**20, "cuda": 512 * 2**20, "mps": 128 * 2**20}
"""One decoder feature map of the objects decoded at once. On the CPU it stays below the size from which the C library
returns memory to the system after each use, which would cost as much as the convolution itself."""

BATCH_SIZE = {"cpu": 1, "cuda": 8, "mps": 2}
"""Frames per backbone batch: the CPU is busy with one, unless the network is light."""

LIGHT_BATCH_SIZE = 4
"""The same for a light network on the CPU: its maps are too small to keep several cores busy one by one."""


@dataclass
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

    @property
    def classifies(self) -> bool:
        """Whether the network says what objects are: not if it has no detector, or if another one proposes."""
        return self.proposer is None and self.network.bbox_head is not None


def engine_settings(model: VISModel, feature_bytes: int) -> EngineSettings:
    """How the engine uses the model's device, with a budget for features in bytes."""
    light = model.device.type == "cpu" and isinstance(model.network.prop_head, LightPropHead)
    return EngineSettings(
        device=model.device,
        dtype=model.precision.dtype,
        feature_bytes=feature_bytes,
        chunk_bytes=CHUNK_BYTES[model.device.type],
        batch_size=LIGHT_BATCH_SIZE if light else BATCH_SIZE[model.device.type],
    )
