"""torchvision's Mask R-CNN as a proposer: the 80 categories of COCO with nothing to train."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmdet_vis.errors import CheckpointError, ConfigError, one_line, option
from mmdet_vis.files.atomic import ensure_writable_dir
from mmdet_vis.propose_reduce.proposer import Images, Place, Proposals
from mmdet_vis.registry import PROPOSERS
from mmdet_vis.weights.checkpoint import read_state_dict
from mmdet_vis.weights.find import fetching, find_weights, sha256_of

_LOGGER = logging.getLogger(__name__)

FIRST, SECOND = "maskrcnn_resnet50_fpn", "maskrcnn_resnet50_fpn_v2"
CLASSES = "roi_heads.box_predictor.cls_score.weight"
NEEDED = {CLASSES, "roi_heads.mask_predictor.mask_fcn_logits.weight"}
NO_CATEGORY = "N/A"
"""What torchvision calls the numbers that COCO's categories leave out."""


@PROPOSERS.register_module(name=["torchvision", "TorchvisionProposer"])
class TorchvisionProposer:
    """``maskrcnn_resnet50_fpn`` or ``maskrcnn_resnet50_fpn_v2``; what it finds is what the library's model finds.

    Args:
        weights: the name of one of the two, with the weights trained on COCO, which are fetched once into the folder
            where torchvision looks for them, too; or a checkpoint of one (a path, a name or an address, see
            :func:`mmdet_vis.weights.find.find_weights`): which of the two is seen from its tensors. None: the second
            with COCO's weights.
        categories: names of the classes after the background; needed unless there are COCO's 91.
        **options: of torchvision's ``MaskRCNN``, such as ``min_size=480`` (the shorter side that images are scaled to;
            800 unless it is said), ``box_score_thresh``, ``box_detections_per_img``.

    Raises:
        CheckpointError: the weights cannot be fetched, read, or are of another model.
        ConfigError: the names of the categories are missing, or not as many as the classes.
    """

    def __init__(self, weights: str | None = None, categories: Sequence[str] | None = None, **options: Any) -> None:
        official = weights if weights in (FIRST, SECOND) else None if weights else SECOND
        path = _fetched(official) if official else find_weights(str(weights))
        state = read_state_dict(path)
        if not state.keys() >= NEEDED:
            raise CheckpointError(
                f"checkpoint {path} is not of torchvision's Mask R-CNN: it lacks {' or '.join(sorted(NEEDED))}"
            )
        names = _names(path, len(state[CLASSES]), categories)
        self.model = _build(path, state, options)
        self.columns = [index for index, name in enumerate(names) if index and name != NO_CATEGORY]
        self.categories = tuple(names[index] for index in self.columns)
        self.device = torch.device("cpu")

    def to(self, device: torch.device) -> None:
        """Run on this device."""
        self.model.to(device)
        self.device = device

    @torch.no_grad()
    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`~mmdet_vis.propose_reduce.proposer.Proposer`; soft masks count from 0.5 on."""
        position = {column: index for index, column in enumerate(self.columns)}
        results = []
        for found in self.model(self._input(images)):
            labels = found["labels"].tolist()
            kept = [index for index, label in enumerate(labels) if label in position]
            results.append(
                Proposals.of_labels(
                    found["boxes"][kept].cpu().numpy(),
                    [position[labels[index]] for index in kept],
                    found["scores"][kept].cpu().numpy(),
                    len(self.columns),
                    (found["masks"][kept, 0] >= 0.5).cpu().numpy().astype(np.uint8),
                )
            )
        return results

    @torch.no_grad()
    def classify(self, images: Images, boxes: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
        """See :class:`~mmdet_vis.propose_reduce.proposer.Classifier`."""
        batch, _ = self.model.transform(self._input(images))
        features = self.model.backbone(batch.tensors)
        height, width = images.shape[1:3]
        scaled = [
            torch.as_tensor(rows, device=self.device) * batch.tensors.new_tensor([w / width, h / height] * 2)
            for rows, (h, w) in zip(boxes, batch.image_sizes, strict=True)
        ]
        heads = self.model.roi_heads
        pooled = heads.box_roi_pool(features, scaled, batch.image_sizes)
        scores = heads.box_predictor(heads.box_head(pooled))[0].softmax(dim=1)[:, [0, *self.columns]]
        return [part.cpu().numpy() for part in scores.split([len(rows) for rows in boxes])]

    def _input(self, images: Images) -> list[Tensor]:
        channels_first = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(self.device)
        return list(channels_first.float() / 255)


def _official(name: str) -> Any:
    from torchvision.models import detection

    kind = detection.MaskRCNN_ResNet50_FPN_Weights if name == FIRST else detection.MaskRCNN_ResNet50_FPN_V2_Weights
    return kind.COCO_V1


def _fetched(name: str) -> Path:
    """The file of the weights trained on COCO, where torchvision keeps it; fetched if it is not there.

    Nothing in it is executed, unlike in torchvision's own reading.
    """
    address = _official(name).url
    file = address.rpartition("/")[2]
    path = Path(torch.hub.get_dir()) / "checkpoints" / file
    if not path.is_file():
        ensure_writable_dir(path.parent)
        _LOGGER.info("fetching %s to %s", address, path)
        fix = f"get {file} in another way and name it: {option('proposer', f'torchvision:/path/to/{file}')}"
        with fetching(address, fix):
            digest = file.rpartition("-")[2].partition(".")[0]
            torch.hub.download_url_to_file(address, str(path), hash_prefix=digest, progress=sys.stderr.isatty())
    return path


def _build(path: Path, state: dict[str, Tensor], options: dict[str, Any]) -> Any:
    """The network of a checkpoint, with its weights, ready for inference."""
    from torchvision.models import detection
    from torchvision.models.detection.backbone_utils import resnet_fpn_backbone
    from torchvision.ops import FrozenBatchNorm2d

    second = "rpn.head.conv.1.0.weight" in state
    if second:
        model = detection.maskrcnn_resnet50_fpn_v2(
            weights=None, weights_backbone=None, num_classes=len(state[CLASSES]), **options
        )
    else:
        frozen = not any(key.endswith("num_batches_tracked") for key in state)
        norm = FrozenBatchNorm2d if frozen else nn.BatchNorm2d
        backbone = resnet_fpn_backbone(backbone_name="resnet50", weights=None, norm_layer=norm, trainable_layers=3)
        model = detection.MaskRCNN(backbone, len(state[CLASSES]), **options)
        if frozen and _is_official(path):
            for module in model.modules():
                if isinstance(module, FrozenBatchNorm2d):
                    module.eps = 0.0  # as torchvision does for these weights
    try:
        model.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {path} does not fit torchvision's Mask R-CNN: {one_line(error)}") from error
    return model.eval().requires_grad_(False)


def _is_official(path: Path) -> bool:
    """Whether a file holds torchvision's own weights of the first model, whatever its name."""
    return f"-{sha256_of(path)[:8]}." in str(_official(FIRST).url)


def _names(path: Path, classes: int, categories: Sequence[str] | None) -> list[str]:
    coco: list[str] = list(_official(SECOND).meta["categories"])
    if categories is None and classes == len(coco):
        return coco
    if categories is None or len(categories) != classes - 1:
        given = "none are given" if categories is None else f"{len(categories)} are given"
        raise ConfigError(
            f"proposer.categories: {path} has {classes - 1} categories, {given}: name them, as in "
            f"{option('cfg_options')} proposer.categories=\"['cat','dog']\""
        )
    return ["__background__", *categories]
