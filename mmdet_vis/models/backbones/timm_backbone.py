"""Any feature extractor of timm, by name."""

from __future__ import annotations

import difflib

import timm
import torch
from torch import Tensor, nn

from mmdet_vis.errors import ConfigError
from mmdet_vis.registry import MODELS

STRIDES = (4, 8, 16, 32)


@MODELS.register_module()
class TimmBackbone(nn.Module):
    """A timm model cut into the stages of strides 4, 8, 16 and 32.

    Args:
        model_name: a name of ``timm.list_models()``, e.g. ``"tf_efficientnet_lite0"``.
        pretrained: let timm fetch its ImageNet weights (needs a network at build time).
        frozen_stages: this many of timm's first feature stages (its stem included) are not trained (-1: all are).
        norm_eval: batch normalisation uses its stored statistics also in training.
        **options: passed to ``timm.create_model`` (``drop_path_rate`` and the like).

    Raises:
        ConfigError: the name is unknown (the nearest ones are named), or the model has no such stages.
    """

    strides = STRIDES

    def __init__(
        self,
        model_name: str,
        pretrained: bool = False,
        frozen_stages: int = -1,
        norm_eval: bool = True,
        **options: object,
    ) -> None:
        super().__init__()
        if not timm.is_model(model_name.split(".")[0]):
            near = difflib.get_close_matches(model_name, timm.list_models(), n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise ConfigError(f"backbone: timm has no model named {model_name!r}{hint}")
        try:
            probe = timm.create_model(model_name, features_only=True)
            reductions = probe.feature_info.reduction()
            indices = tuple(max(i for i, r in enumerate(reductions) if r == stride) for stride in STRIDES)
        except (RuntimeError, AttributeError, ValueError) as error:
            raise ConfigError(
                f"backbone: {model_name!r} does not give features at strides 4, 8, 16 and 32; "
                "choose a hierarchical model (ResNet, EfficientNet, ConvNeXt, Swin …)"
            ) from error
        self.body = timm.create_model(
            model_name, pretrained=pretrained, features_only=True, out_indices=indices, **options
        )
        self.out_channels = tuple(self.body.feature_info.channels())
        self.norm_eval = norm_eval
        for index, module in enumerate(self.body.children()):
            if index < frozen_stages:
                module.requires_grad_(False)

    def train(self, mode: bool = True) -> TimmBackbone:
        """Switch to training; batch normalisation stays in evaluation mode under ``norm_eval``."""
        super().train(mode)
        if mode and self.norm_eval:
            for module in self.modules():
                if isinstance(module, nn.modules.batchnorm._BatchNorm):
                    module.eval()
        return self

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """``[B, 3, H, W]`` normalised images to features ``[B, out_channels[i], H / strides[i], W / strides[i]]``."""
        stages = self.body(images)
        # Transformers of timm may return channels last as [B, H, W, C].
        return tuple(
            s if s.shape[1] == c else torch.movedim(s, -1, 1) for s, c in zip(stages, self.out_channels, strict=True)
        )
