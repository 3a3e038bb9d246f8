"""Backbones: ResNet and ResNeXt of torchvision, and anything that timm has.

torchvision is imported when one of its networks is wanted: that takes seconds, which others should not pay.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mmdet_vis.models.backbones.timm_backbone import TimmBackbone
from mmdet_vis.registry import MODELS

if TYPE_CHECKING:
    from mmdet_vis.models.backbones.resnet import ResNet, ResNeXt

__all__ = ["ResNeXt", "ResNet", "TimmBackbone"]


def __getattr__(name: str) -> Any:
    if name in ("ResNet", "ResNeXt"):
        from mmdet_vis.models.backbones import resnet

        return getattr(resnet, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


@MODELS.register_module(name="ResNet")
def _resnet(**arguments: Any) -> ResNet:
    from mmdet_vis.models.backbones.resnet import ResNet

    return ResNet(**arguments)


@MODELS.register_module(name="ResNeXt")
def _resnext(**arguments: Any) -> ResNeXt:
    from mmdet_vis.models.backbones.resnet import ResNeXt

    return ResNeXt(**arguments)
