"""Any feature extractor of timm, by name."""

from __future__ import annotations

import difflib

import torch
from torch import Tensor, nn

from mmdet_vis.errors import ConfigError
from mmdet_vis.models.backbones.fold import Pair, block_pairs, fold
from mmdet_vis.models.backbones.frozen import NormEvalMixin, check_frozen_stages
from mmdet_vis.models.backbones.fused import fuse_pairs
from mmdet_vis.registry import MODELS

STRIDES = (4, 8, 16, 32)
WEIGHTS = ("cache_dir", "checkpoint_path", "pretrained_cfg", "pretrained_cfg_overlay")
"""Arguments of timm that name a file or an address to load: older versions of timm unpickle it."""


@MODELS.register_module()
class TimmBackbone(NormEvalMixin, nn.Module):
    """A timm model cut into the stages of strides 4, 8, 16 and 32.

    Args:
        model_name: a name of ``timm.list_models()``, e.g. ``"tf_efficientnet_lite0"``.
        pretrained: let timm fetch its ImageNet weights (needs a network at build time).
        frozen_stages: the first so many of the four stages, and all before them, are not trained (1: C2 and the stem).
        norm_eval: batch normalisation uses its stored statistics also in training.
        **options: passed to ``timm.create_model`` (``drop_path_rate`` and the like).

    Raises:
        ConfigError: the name is unknown (the nearest ones are named), the model has no such stages, ``frozen_stages``
            is not their number, or an option is one of :data:`WEIGHTS`.
    """

    strides = STRIDES

    def __init__(
        self,
        model_name: str,
        pretrained: bool = False,
        frozen_stages: int = 0,
        norm_eval: bool = True,
        **options: object,
    ) -> None:
        super().__init__()
        import timm  # takes a second, which a config without it should not pay

        check_frozen_stages(frozen_stages)
        refused = [name for name in WEIGHTS if name in options]
        if refused:
            raise ConfigError(f"backbone: {refused[0]} is not taken: name weights in load_from, which executes nothing")
        if not timm.is_model(model_name.split(".")[0]):
            near = difflib.get_close_matches(model_name, timm.list_models(), n=3)
            hint = f"; did you mean {', '.join(near)}?" if near else ""
            raise ConfigError(f"backbone: timm has no model named {model_name!r}{hint}")
        try:
            probe = timm.create_model(model_name, features_only=True)
            reductions = probe.feature_info.reduction()
            places = (max(i for i, r in enumerate(reductions) if r == stride) for stride in STRIDES)
            # Some families leave out their first levels unless they are asked for: a position is no index there.
            indices = tuple(probe.feature_info.out_indices[place] for place in places)
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
        # Some transformers return [B, H, W, C]; timm's wrapper says so.
        declared = getattr(self.body, "output_fmt", None)
        self.channels_last = str(getattr(declared, "value", declared)).upper() == "NHWC"
        self._freeze(frozen_stages)

    def _freeze(self, stages: int) -> None:
        """Freeze every parameter up to the end of the ``stages``-th of the four stages."""
        if stages < 1:
            return
        # The wrapper joins the levels of a module's name with underscores, some models keep the dots.
        stage = self.body.feature_info.module_name()[:stages][-1].replace(".", "_")
        names = [name for name, _ in self.body.named_parameters()]
        last = max(i for i, name in enumerate(names) if name.replace(".", "_").startswith(f"{stage}_"))
        for index, parameter in enumerate(self.body.parameters()):
            if index <= last:
                parameter.requires_grad_(False)

    def fold_batch_norm(self) -> None:
        """Merge batch normalisations into convolutions, in the families of ResNet and EfficientNet.

        For inference: the same function, fewer steps. The parameters change names, so do this after loading weights.
        """
        fold(self._pairs())

    def fuse(self) -> int:
        """Compute each convolution and its activation in one step, see :mod:`mmdet_vis.models.backbones.fused`.

        For inference on a CPU, after :meth:`fold_batch_norm`. Returns how many were changed.
        """
        return fuse_pairs(self._pairs())

    def _pairs(self) -> list[Pair]:
        return [(self.body, "conv_stem", "bn1"), (self.body, "conv1", "bn1"), *block_pairs(self.body)]

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """``[B, 3, H, W]`` normalised images to features ``[B, out_channels[i], H / strides[i], W / strides[i]]``."""
        stages = self.body(images)
        return tuple(torch.movedim(s, -1, 1) for s in stages) if self.channels_last else tuple(stages)
