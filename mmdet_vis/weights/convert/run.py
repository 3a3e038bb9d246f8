"""Converting a checkpoint from one format to another: through our names, always."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import timm
import torch
from mmengine.config import Config

from mmdet_vis.checks import as_list, check_number, check_path
from mmdet_vis.choices import WEIGHTS
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.errors import CheckpointError, option
from mmdet_vis.registry import MODELS
from mmdet_vis.weights.checkpoint import compare, read_state_dict, write_state
from mmdet_vis.weights.convert import classes as class_layers
from mmdet_vis.weights.convert.formats import FORMATS, IMAGENET, Normalization, is_of_format, recognise
from mmdet_vis.weights.convert.tensorflow import read_graph
from mmdet_vis.weights.convert.torchvision_detector import are_standard
from mmdet_vis.weights.convert.translation import Options, Report, State, Translation
from mmdet_vis.weights.published import guess_backbone


def convert_weights(
    source: str | Path,
    target: str | Path,
    source_format: str,
    target_format: str = "ours",
    config: str | Path | Config | None = None,
    classes: Sequence[str] = (),
    drop_classes: bool = False,
    norm_eps: float | None = None,
) -> Report:
    """Convert a checkpoint file from one of :data:`FORMATS` to another.

    Args:
        source: see :func:`mmdet_vis.weights.checkpoint.read_state_dict`; or a frozen TensorFlow graph (``.pb``).
        target: file to write, replaced if it exists; its ending says whether it is safetensors or of PyTorch.
        source_format, target_format: names in :data:`FORMATS`.
        config: the config of the model that the weights are for, or its file (which is executed); needed for ``ours``,
            as the measure of what fits.
        classes: keep only these classes, in this order: names of COCO's categories, or numbers (1 is the first).
        drop_classes: leave out every layer that depends on the classes.
        norm_eps: epsilon of torchvision's batch normalisation; None for its default.

    Returns:
        what was used, dropped and is left at random.

    Raises:
        CheckpointError: the source cannot be used or has nothing that fits, or options contradict each other.
        ConfigError: the config cannot be used.
        OutputError: the target cannot be written.
    """
    check_path("source", source)
    check_path("target", target)
    for argument, name in (("source_format", source_format), ("target_format", target_format)):
        if name not in FORMATS:
            raise CheckpointError(f"{option(argument, name)} is not known: use one of {', '.join(FORMATS)}")
    if norm_eps is not None:
        check_number("norm_eps", norm_eps)
    classes = as_list("classes", classes, "names or numbers")
    source, target = Path(source), Path(target)
    _check(source, target, target_format, config, bool(classes) and drop_classes)
    state = read_graph(source) if source.suffix == ".pb" else read_state_dict(source)
    settings = load_config(config) if isinstance(config, str | Path) else config
    options = _options(settings, norm_eps)
    reading = FORMATS[source_format]
    result = reading.read(state, options)
    if not result.weights or not is_of_format(state, source_format):
        raise CheckpointError(_nothing(source, source_format, state, settings))
    if classes:
        names = reading.categories() if reading.categories else None
        class_layers.keep_classes(result.weights, class_layers.numbers_of(classes, result.weights, names))
    if drop_classes:
        class_layers.drop_classes(result)
    if target_format == "ours":
        report = _fit(result, options, Path(str(config.filename if isinstance(config, Config) else config)))
        report.notes += _check_normalization(_normalization(source_format, settings), settings)
    else:
        report = _leave(result, target_format, options, source)
    write_state(result.weights, target)
    return report


def _check(
    source: Path, target: Path, target_format: str, config: str | Path | Config | None, contradiction: bool
) -> None:
    _check_target(source, target)
    if FORMATS[target_format].write is None:
        able = ", ".join(name for name, form in FORMATS.items() if form.write)
        raise CheckpointError(
            f"cannot write {target}: {target_format} can only be read; use {option('target_format')} {able}"
        )
    if target_format == "ours" and config is None:
        raise CheckpointError(f"cannot write {target}: which model is it for? name its config with {option('config')}")
    if contradiction:
        both = f"{option('classes')} and {option('drop_classes')}"
        raise CheckpointError(f"{both} contradict each other: use one of them")


def _options(settings: Config | None, norm_eps: float | None) -> Options:
    if settings is None:
        return Options(norm_eps=norm_eps)
    with torch.device("meta"):  # names and shapes are enough
        model = build_model(settings, init=False)
    expected = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    return Options(expected, are_standard(MODELS.build(settings.model.rpn_head).anchors), norm_eps)


def _fit(result: Translation, options: Options, config: Path) -> Report:
    """Keep what the model has in the same shape; the rest is dropped, in place."""
    comparison = compare(options.expected, result.weights)
    for name in [n for n in result.weights if n not in options.expected]:
        result.drop(name, f"not in the model of {config.name}")
    reshaped = [name for name, _, _ in comparison.reshaped]
    for name in reshaped:
        result.drop(name, "of another shape than the model's")
    if not any(value.ndim for value in result.weights.values()):  # counters of steps fit everywhere
        raise CheckpointError(f"{config}: no weight fits this model; choose the config of the same backbone")
    order = {name: i for i, name in enumerate(options.expected)}
    random = sorted(comparison.missing + reshaped, key=order.__getitem__)
    notes = [
        f"the source has {found[0]} classes with the background, the model {expected[0]}: choose as many with "
        f"{option('classes')} to keep the layers that depend on them"
        for name, expected, found in comparison.reshaped
        if name == class_layers.CLASSIFIER
    ]
    return Report(dict(result.origins), dict(result.dropped), random, [*result.notes, *notes])


def _leave(result: Translation, target_format: str, options: Options, source: Path) -> Report:
    """Give our names those of another format, in place."""
    kind = guess_backbone(result.weights)
    if kind is None or not kind.startswith("ResNe"):
        raise CheckpointError(
            f"checkpoint {source}: {target_format} has no names for its backbone ({kind or 'of an unknown kind'}); "
            "only ResNet and ResNeXt can be converted to it"
        )
    write = FORMATS[target_format].write
    assert write is not None  # refused before
    written = write(result.weights, options)
    dropped = result.dropped | {result.origins[ours]: loss for ours, loss in written.dropped.items()}
    result.weights = written.weights
    return Report(
        {ours: result.origins[ours] for ours in written.origins.values()}, dropped, [], result.notes + written.notes
    )


def _nothing(source: Path, source_format: str, state: State, settings: Config | None) -> str:
    found = recognise(state)
    if source_format == "timm" or (source_format == "efficientnet-lite" and found == source_format):
        name = settings.model.backbone.get("model_name") if settings is not None else None
        hint = f"the config's backbone is timm's {name}" if name else "the config needs a TimmBackbone"
    elif found is not None and found != source_format:
        hint = f"it looks like {option('source_format', found)}"
    else:
        hint = f"its first names are {', '.join(list(state)[:3])}"
    return f"checkpoint {source}: nothing in it fits {option('source_format', source_format)}; {hint}"


def _normalization(source_format: str, settings: Config | None) -> Normalization | None:
    if source_format == "timm" and settings is not None:
        pretrained = timm.get_pretrained_cfg(settings.model.backbone.model_name)
        return (pretrained.mean, pretrained.std) if pretrained is not None else None
    return FORMATS[source_format].normalization


def _check_normalization(expected: Normalization | None, settings: Config | None) -> list[str]:
    """Whether the config prepares images as the weights are used to; a note if it does not."""
    prepared = settings.get("data_preprocessor") if settings is not None else None
    if expected is None or prepared is None:
        return []
    mean, std = (255 * np.asarray(values) for values in expected)
    if np.allclose(mean, prepared.mean, atol=1) and np.allclose(std, prepared.std, atol=1) and prepared.to_rgb:
        return []
    values = [", ".join(f"{v:g}" for v in np.round(row, 3)) for row in (mean, std)]
    usual = "" if expected is IMAGENET else " rather than the usual ones"
    return [f"set data_preprocessor to RGB, mean=({values[0]}), std=({values[1]}){usual}: the weights expect it"]


def convert_checkpoint(source: str | Path, target: str | Path) -> int:
    """Write the weights of a checkpoint in another format: every tensor under its name, bit for bit.

    What else the file holds (epoch, optimizer, a ``module.`` before every key) is left out.

    Args:
        source: see :func:`mmdet_vis.weights.checkpoint.read_state_dict`.
        target: a name that ends in ``.safetensors``, ``.pth`` or ``.pt``; replaced if it exists.

    Returns:
        the number of tensors.

    Raises:
        CheckpointError: the source cannot be used, or the target is the source or has another ending.
        OutputError: the target cannot be written.
    """
    source, target = Path(source), Path(target)
    _check_target(source, target)
    state = read_state_dict(source)
    write_state(state, target)
    return len(state)


def _check_target(source: Path, target: Path) -> None:
    """Check the name of the file that the weights of another are converted into.

    Raises:
        CheckpointError: it is the source, or has the ending of no format.
    """
    if target.suffix.lower() not in WEIGHTS:
        raise CheckpointError(f"cannot write {target}: its name must end in {', '.join(WEIGHTS)}")
    if source.exists() and target.exists() and target.samefile(source):
        raise CheckpointError(f"cannot write {target}: it is the checkpoint to convert; choose another name")
