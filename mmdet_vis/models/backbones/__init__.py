"""Backbones: ResNet and ResNeXt of torchvision, and anything that timm has."""

from mmdet_vis.models.backbones.resnet import ResNet, ResNeXt
from mmdet_vis.models.backbones.timm_backbone import TimmBackbone

__all__ = ["ResNeXt", "ResNet", "TimmBackbone"]
