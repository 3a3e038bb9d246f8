"""Box head: category and box of a region."""

from __future__ import annotations

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from mmdet_vis.registry import MODELS


@MODELS.register_module()
class SharedFCBBoxHead(nn.Module):
    """Two shared fully connected layers, then category and class-specific box (Fast R-CNN).

    Args:
        num_classes: categories plus one; index 0 is background.
        in_channels, roi_size: shape of a pooled region.
        fc_channels: width of the shared layers.
        num_shared_fcs: how many shared layers.
        class_agnostic: one box for all categories, which few examples can teach better; it is returned for each.
    """

    stds = (0.1, 0.1, 0.2, 0.2)

    def __init__(
        self,
        num_classes: int,
        in_channels: int = 256,
        roi_size: int = 7,
        fc_channels: int = 1024,
        num_shared_fcs: int = 2,
        class_agnostic: bool = False,
    ) -> None:
        super().__init__()
        self.num_classes = num_classes
        widths = [in_channels * roi_size * roi_size] + [fc_channels] * num_shared_fcs
        self.shared_fcs = nn.ModuleList(nn.Linear(i, o) for i, o in pairwise(widths))
        self.fc_cls = nn.Linear(widths[-1], num_classes)
        self.fc_reg = nn.Linear(widths[-1], 4 * (1 if class_agnostic else num_classes))
        for fc in self.shared_fcs:
            nn.init.xavier_uniform_(fc.weight)  # type: ignore[arg-type]
            nn.init.zeros_(fc.bias)  # type: ignore[arg-type]
        for fc, std in ((self.fc_cls, 0.01), (self.fc_reg, 0.001)):
            nn.init.normal_(fc.weight, std=std)
            nn.init.zeros_(fc.bias)

    def embed(self, regions: Tensor) -> Tensor:
        """Pooled regions ``[N, C, S, S]`` to ``[N, fc_channels]``."""
        x = regions.flatten(1)
        for fc in self.shared_fcs:
            x = F.relu_(fc(x))
        return x

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor]:
        """Pooled regions ``[N, C, S, S]`` to class logits ``[N, num_classes]`` and deltas ``[N, 4 * num_classes]``."""
        x = self.embed(regions)
        deltas = self.fc_reg(x)
        if deltas.shape[1] == 4:
            deltas = deltas.repeat(1, self.num_classes)
        return self.fc_cls(x), deltas

    def classify(self, regions: Tensor) -> Tensor:
        """Class probabilities ``[N, num_classes]`` of pooled regions, without their boxes."""
        return self.fc_cls(self.embed(regions)).softmax(dim=1)
