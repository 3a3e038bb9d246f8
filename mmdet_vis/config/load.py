"""Building what configs name, with errors that a user can act on; :mod:`mmdet_vis.config.read` reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.config import Config
from mmengine.registry import Registry

from mmdet_vis.config.check import check_pyramid
from mmdet_vis.config.read import apply_options as apply_options
from mmdet_vis.config.read import load_config as load_config
from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.data.datasets import VideoDataset
from mmdet_vis.data.preprocess import Preprocessor
from mmdet_vis.errors import ConfigError
from mmdet_vis.models.seq_mask_rcnn import SeqMaskRCNN, without_detector
from mmdet_vis.registry import DATASETS, MODELS, build_part, file_of


def categories_of(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The C names of a checked config's ``categories``, in the order of the network's classes; () if it has none."""
    return resolve_categories(config.get("categories") or ())


def build_model(config: Config) -> SeqMaskRCNN:
    """Build the network of a checked config, with freshly initialised weights.

    Raises:
        ConfigError: ``model`` is missing, names an unknown ``type`` (the nearest is named), or has wrong arguments.
    """
    network = build(MODELS, config, "model")
    if not isinstance(network, SeqMaskRCNN):
        raise ConfigError(
            f"{file_of(config)}: model.type={type(network).__name__} is a part of a network: use SeqMaskRCNN or one "
            "derived from it"
        )
    # Parts of other packages may know no such numbers; then only a run can tell.
    num_outs = getattr(network.neck, "num_outs", None)
    anchors = getattr(network.rpn_head, "anchors", None)
    if num_outs is not None and anchors is not None:
        check_pyramid(config, num_outs, anchors.strides)
    return network


def carrying_only(config: Config) -> Config:
    """A checked config without the detector: of a network that carries what others propose or show.

    Raises:
        ConfigError: ``model`` is no network with a propagation head.
    """
    model = config.get("model")
    if not isinstance(model, Mapping) or not isinstance(model.get("prop_head"), Mapping):
        raise ConfigError(f"{file_of(config)}: model.prop_head is missing: there is nothing that carries masks")
    content = {**config.to_dict(), "model": without_detector(dict(model))}
    return Config(content, cfg_text=config.text, filename=config.filename)


def check_classes(config: Config, network: SeqMaskRCNN) -> tuple[str, ...]:
    """The names of a network's classes.

    Raises:
        ConfigError: ``categories`` are not as many as the classes.
    """
    names, expected = categories_of(config), network.bbox_head.num_classes - 1
    if len(names) != expected:
        raise ConfigError(
            f"{file_of(config)}: categories has {len(names)} names, model.bbox_head.num_classes - 1 is {expected}"
        )
    return names


def build(registry: Registry, config: Mapping[str, Any], key: str) -> Any:
    """Build ``config[key]``; ``key`` may be several with dots between.

    Raises:
        ConfigError: see :func:`~mmdet_vis.registry.build_part`; the file is named.
    """
    part: Any = config
    for name in key.split("."):
        part = part.get(name) if isinstance(part, Mapping | Config) else None
    try:
        return build_part(registry, part, key)
    except ConfigError as error:
        raise ConfigError(f"{file_of(config)}: {error}") from error


def build_preprocessor(config: Config) -> Preprocessor:
    """Build what makes network input of frames.

    Raises:
        ConfigError: ``data_preprocessor`` lacks something.
    """
    try:
        return Preprocessor(**config.get("data_preprocessor", {}))
    except (TypeError, ValueError, IndexError) as error:
        raise ConfigError(f"{file_of(config)}: data_preprocessor: {error}") from error


def build_dataset(config: Config) -> VideoDataset:
    """Build ``config.test.dataset``.

    Raises:
        ConfigError: there is none, it cannot be built, or it has other categories than the model.
        DatasetError: its files cannot be used.
    """
    test = config.get("test") or {}
    if "dataset" not in test:
        raise ConfigError(f"{config.filename}: has no test.dataset: add it, or segment videos with --input-dir DIR")
    dataset: VideoDataset = build(DATASETS, Config(dict(test), filename=config.filename), "dataset")
    if not len(dataset.categories) == len(categories_of(config)) == 1:
        check_same_categories(config, "test.dataset", dataset.categories)
    return dataset


def check_same_categories(config: Config, key: str, found: tuple[str, ...]) -> None:
    """Check that a dataset has the categories of the model in their order.

    Raises:
        ConfigError: it has not; ``key`` is its place in the config.
    """
    if found != categories_of(config):
        raise ConfigError(
            f"{file_of(config)}: {key} has other categories than the model, or another order: give it "
            "categories=... with the same value as the config's own"
        )
