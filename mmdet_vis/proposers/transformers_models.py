"""Instance segmenters of Hugging Face's transformers as proposers: Mask2Former, MaskFormer and what loads like them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from mmdet_vis.errors import CheckpointError, ConfigError, one_line, option
from mmdet_vis.propose_reduce.proposer import Images, Place, Proposals
from mmdet_vis.proposers.named import missing_package
from mmdet_vis.registry import PROPOSERS
from mmdet_vis.structures.masks import encode_masks, rle_boxes
from mmdet_vis.weights.find import TIMEOUT, fetching, quiet_hub

_LOGGER = logging.getLogger(__name__)

DEFAULT = "facebook/mask2former-swin-tiny-coco-instance"
FILES = ("*.json", "*.safetensors")
"""What is fetched: no format that could hold code."""


@PROPOSERS.register_module(name=["transformers", "TransformersProposer"])
class TransformersProposer:
    """A model of ``AutoModelForUniversalSegmentation`` with its image processor; needs ``mmdet_vis[transformers]``.

    Args:
        weights: a folder as ``save_pretrained`` writes it, with the processor's file, or the name of a model on the
            Hugging Face hub, which is fetched once into the hub's cache. Only safetensors are read, and no code of a
            model's own is run.
        score_thr: objects below are left out, as by the processor's ``threshold``.

    Raises:
        CheckpointError: the model cannot be fetched or read.
        ConfigError: transformers is not installed, or the model segments no instances.
    """

    def __init__(self, weights: str = DEFAULT, score_thr: float = 0.1) -> None:
        try:
            from transformers import AutoImageProcessor, AutoModelForUniversalSegmentation
        except ImportError as error:
            raise missing_package("transformers") from error
        folder = _folder(weights)
        try:
            self.processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True)
            self.model = AutoModelForUniversalSegmentation.from_pretrained(
                folder, local_files_only=True, use_safetensors=True
            )
        except (OSError, ValueError, KeyError) as error:
            raise CheckpointError(f"{weights} cannot be read as an instance segmenter: {one_line(error)}") from error
        if not hasattr(self.processor, "post_process_instance_segmentation"):
            raise ConfigError(f"{weights}: {type(self.processor).__name__} finds no instances: use Mask2Former's like")
        self.model.eval().requires_grad_(False)
        self.score_thr = score_thr
        names = self.model.config.id2label
        self.categories = tuple(str(names[index]) for index in range(len(names)))

    def to(self, device: torch.device) -> None:
        """Run on this device."""
        self.model.to(device)

    @torch.no_grad()
    def propose(self, images: Images, places: Sequence[Place]) -> list[Proposals]:
        """See :class:`~mmdet_vis.propose_reduce.proposer.Proposer`; boxes are those of the masks."""
        size = images.shape[1:3]
        inputs = self.processor(images=list(images), return_tensors="pt").to(self.model.device)
        found = self.processor.post_process_instance_segmentation(
            self.model(**inputs), threshold=self.score_thr, target_sizes=[size] * len(images), return_binary_maps=True
        )
        return [self._of(one["segmentation"], one["segments_info"], size) for one in found]

    def _of(self, maps: torch.Tensor | None, segments: list[dict[str, float]], size: tuple[int, int]) -> Proposals:
        masks = np.zeros((0, *size), np.uint8)
        if maps is not None and segments:
            masks = maps.reshape(-1, *size).cpu().numpy().astype(np.uint8)
        shown = [index for index, mask in enumerate(masks) if mask.any()]
        boxes: NDArray[np.float64] = rle_boxes(encode_masks(masks[shown]))
        labels = [int(segments[index]["label_id"]) for index in shown]
        scores = [segments[index]["score"] for index in shown]
        return Proposals.of_labels(boxes, labels, scores, len(self.categories), masks[shown])


def _folder(weights: str) -> Path:
    """The folder of a model; one on the hub is fetched if it is not in the cache."""
    if Path(weights).exists() or weights.count("/") != 1 or weights.startswith((".", "/", "~")):
        path = Path(weights).expanduser()
        if not (path / "config.json").is_file():
            raise CheckpointError(f"{weights} is no folder with a config.json, as save_pretrained writes it")
        return path
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    fix = (
        f"get the folder of that model (config.json, preprocessor_config.json, model.safetensors) in another way and "
        f"name it: {option('proposer', 'transformers:FOLDER')}"
    )
    with fetching(f"{weights} of the Hugging Face hub", fix), quiet_hub():
        try:
            found = Path(snapshot_download(weights, allow_patterns=list(FILES), local_files_only=True))
            if (found / "config.json").is_file() and any(found.glob("*.safetensors")):
                return found
        except LocalEntryNotFoundError:
            pass
        _LOGGER.info("fetching %s from the Hugging Face hub", weights)
        return Path(snapshot_download(weights, allow_patterns=list(FILES), etag_timeout=TIMEOUT))
