"""ResNet and ResNeXt feature extractors on torchvision's implementation."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision.models.resnet import Bottleneck
from torchvision.models.resnet import ResNet as TorchvisionResNet

from mmdet_vis.models.backbones.fold import block_pairs, fold
from mmdet_vis.models.backbones.frozen import NormEvalMixin, check_frozen_stages

BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class ResNet(NormEvalMixin, TorchvisionResNet):
    """Bottleneck ResNet ("pytorch style": stride in the 3x3 convolution) that returns the stages C2..C5.

    Parameter names are torchvision's and MMDetection's: ``conv1``, ``bn1``, ``layer1`` .. ``layer4``.

    Args:
        depth: 50, 101 or 152.
        groups, base_width: cardinality and width of a group; 64 and 4 give ResNeXt 64x4d.
        frozen_stages: the stem and this many stages are not trained (-1: everything is).
        norm_eval: batch normalisation uses its stored statistics also in training.
    """

    strides = (4, 8, 16, 32)

    def __init__(
        self, depth: int = 50, groups: int = 1, base_width: int = 64, frozen_stages: int = 1, norm_eval: bool = True
    ) -> None:
        if depth not in BLOCKS:
            raise ValueError(f"ResNet depth must be one of {sorted(BLOCKS)}, got {depth}")
        check_frozen_stages(frozen_stages)
        # A classifier of one class: the smallest that torchvision builds, and dropped at once.
        super().__init__(Bottleneck, list(BLOCKS[depth]), num_classes=1, groups=groups, width_per_group=base_width)
        del self.fc, self.avgpool
        self.out_channels = (256, 512, 1024, 2048)
        self.frozen_stages = frozen_stages
        self.norm_eval = norm_eval
        self._freeze()

    def _freeze(self) -> None:
        if self.frozen_stages < 0:
            return
        frozen: list[nn.Module] = [self.conv1, self.bn1]
        frozen += [getattr(self, f"layer{i}") for i in range(1, self.frozen_stages + 1)]
        for module in frozen:
            module.requires_grad_(False)

    def fold_batch_norm(self) -> None:
        """Merge each batch normalisation into the convolution before it: for inference, the same function, fewer steps.

        The parameters change names, so do this after loading weights.
        """
        fold([(self, "conv1", "bn1"), *block_pairs(self)])

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Features of images.

        Args:
            images: ``[B, 3, H, W]`` normalised, H and W multiples of 32.

        Returns:
            C2..C5: ``[B, 256, H/4, W/4]`` to ``[B, 2048, H/32, W/32]``, after ReLU.
        """
        x = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        stages = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            x = layer(x)
            stages.append(x)
        return tuple(stages)


class ResNeXt(ResNet):
    """ResNeXt: a :class:`ResNet` with grouped 3x3 convolutions, 64x4d unless told otherwise."""

    def __init__(self, depth: int = 101, groups: int = 64, base_width: int = 4, **kwargs: int | bool) -> None:
        super().__init__(depth=depth, groups=groups, base_width=base_width, **kwargs)  # type: ignore[arg-type]
