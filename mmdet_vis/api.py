"""The program from Python: load a model, segment a video.

Example::

    from mmdet_vis import load_model, segment_video

    model = load_model()  # the default model; or load_model("config.py", "weights.pth")
    result = segment_video(model, "clip.mp4")
    for sequence in result.sequences:
        print(sequence.track_id, result.category_of(sequence), round(sequence.score, 2), len(sequence.masks))
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from numpy.typing import ArrayLike

from mmdet_vis.checks import check_path
from mmdet_vis.config.load import (
    apply_options,
    build_model,
    build_preprocessor,
    carrying_only,
    check_classes,
    load_config,
    recommended,
)
from mmdet_vis.corrections.check import apply_edits, check_result, listed, tell_new_categories, without_emptied
from mmdet_vis.data.sources.given import Color, Source
from mmdet_vis.device import check_runtime, compile_parts, place, resolve_device, resolve_precision
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.models.runtimes import use_graphs
from mmdet_vis.proposers import Proposer, build_proposer, proposed_categories
from mmdet_vis.result import VideoResult
from mmdet_vis.session import BATCH_SIZE, CHUNK_BYTES, Session, engine_settings
from mmdet_vis.structures import (
    Correction,
    Delete,
    InstanceSequence,
    Merge,
    NotVisible,
    Prompt,
    Rename,
    Split,
    Swap,
)
from mmdet_vis.vis_model import VISModel
from mmdet_vis.weights.checkpoint import load_checkpoint
from mmdet_vis.weights.find import default_weights, find_weights
from mmdet_vis.weights.graph_files import cached_graphs, carried_config, open_graph_folder, run_graphs

__all__ = [
    "BATCH_SIZE",
    "CHUNK_BYTES",
    "Delete",
    "InstanceSequence",
    "Merge",
    "NotVisible",
    "Prompt",
    "Rename",
    "Session",
    "Split",
    "Swap",
    "VISModel",
    "VideoResult",
    "engine_settings",
    "load_model",
    "load_propagator",
    "propagate",
    "refine",
    "segment_video",
]


ANY_CATEGORY = "object"
"""Of what is carried and never classified."""


def load_model(
    config: str | Path | Config | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    compile: bool = False,
    safe_config: bool = False,
    runtime: str = "torch",
    proposer: Proposer | Mapping[str, Any] | str | None = None,
    detector: bool = True,
) -> VISModel:
    """Build a model and load its weights.

    With neither config nor weights it is the default model, which comes with the program and knows persons, animals,
    vehicles and other objects.

    Args:
        config: a config file (it is executed unless ``safe_config``), the name of one that comes with the program, or
            a loaded config. None: the one that the weights carry, see ``mmdet-vis export``.
        weights: a ``.pth`` or ``.safetensors`` checkpoint: a path, a name or an address, see
            :func:`mmdet_vis.weights.find.find_weights`; None beside a config leaves the weights as initialised, at
            random. Or a folder of graphs that ``mmdet-vis export`` wrote.
        device: ``auto`` (a CUDA GPU if there is one, else the CPU), ``cpu``, ``cuda``, ``cuda:N`` or ``mps``.
        precision: ``float32`` (the published numbers), ``tf32``, ``bfloat16``, ``float16``, or ``auto`` for the
            fastest that the device does well. None: what the config recommends for the device, else ``float32``.
        cfg_options: dotted keys and values that override the config's.
        compile: use torch.compile: slow to start, faster on long runs on some devices.
        safe_config: read the config file as data: literals only, nothing in it is executed.
        runtime: what computes the network: ``torch``, or on the CPU ``onnxruntime`` or ``openvino``, for which it is
            prepared once and kept in the user's folder.
        proposer: another detector, whose objects the network carries, and whose categories results have:
            ``"torchvision"`` or what else a command line names, ``dict(type=..., ...)`` as in a config, or a
            :class:`~mmdet_vis.propose_reduce.proposer.Proposer`. None: what the config names in ``proposer``, or the
            network's own detection.
        detector: False: leave the network's own out, see :func:`load_propagator`.

    Raises:
        ConfigError: the config, the device, the precision, the runtime or the proposer cannot be used.
        CheckpointError: weights cannot be read or fetched, or belong to another model.
    """
    if config is not None and not isinstance(config, Config):
        check_path("config", config, "a file, a name that `mmdet-vis configs` lists, or a Config of mmengine")
    if weights is not None:
        check_path("weights", weights, "a file, a name or an address")
    where = resolve_device(device)
    check_runtime(runtime, where)
    if precision is not None:  # what cannot be is said before anything is read
        resolve_precision(precision, where, runtime)
    # What is wrong with a config is said before what is wrong with weights.
    chosen = None
    if isinstance(config, Config):
        chosen = apply_options(copy.deepcopy(config), cfg_options or {})
    elif config is not None:
        chosen = load_config(config, cfg_options, safe_config)
    if weights is not None:
        weights = find_weights(weights)
    if chosen is None:
        weights = weights or default_weights()
        chosen = carried_config(weights, cfg_options)
    graphs = open_graph_folder(weights) if weights is not None and weights.is_dir() else None
    if graphs is not None and runtime == "torch":
        raise ConfigError(f"{weights} holds graphs for other runtimes: use {option('runtime', 'openvino')}")
    if not detector:
        chosen = carrying_only(chosen)
    how = resolve_precision(precision or recommended(chosen).precision_on(where.type), where, runtime)
    checkpoint = weights if graphs is None else None
    network = build_model(chosen, init=checkpoint is None)
    categories = check_classes(chosen, network) if detector else (ANY_CATEGORY,)
    part = chosen.get("proposer") if proposer is None else proposer
    found = None if part is None else build_proposer(part)
    if checkpoint is not None:
        load_checkpoint(network, checkpoint, None if detector else [name for name, _ in network.named_children()])
    if found is not None:
        categories = proposed_categories(chosen, found, categories)
        if hasattr(found, "to"):
            found.to(where)
    if runtime == "torch":
        place(network, where, how)
        if compile:
            compile_parts(network)
    else:
        if compile:
            raise ConfigError(
                f"{option('compile', True)} is PyTorch's own: leave it out with {option('runtime', runtime)}"
            )
        if graphs is None and how.name == "int8":  # before graphs are prepared that would not do
            raise ConfigError(
                f"{option('precision', 'int8')} needs a folder of graphs, calibrated on frames like yours, as "
                f"{option('weights', 'FOLDER')}: mmdet-vis export CONFIG WEIGHTS FOLDER --to onnx --int8 CLIP"
            )
        graphs = graphs or cached_graphs(network, chosen)
        fast = None if how.name == "float32" else run_graphs(graphs, runtime, how.name)
        use_graphs(network, run_graphs(graphs, runtime), fast)
    return VISModel(network, chosen, categories, build_preprocessor(chosen), where, how, found)


def load_propagator(
    config: str | Path | Config | None = None,
    weights: str | Path | None = None,
    device: str = "auto",
    precision: str | None = None,
    cfg_options: Mapping[str, Any] | None = None,
    compile: bool = False,
    safe_config: bool = False,
    proposer: Proposer | Mapping[str, Any] | str | None = None,
) -> VISModel:
    """Load the part of a model that carries masks through a video, without its detector: of the default model, or any.

    It carries the masks of anyone, see :func:`propagate` (semi-supervised video object segmentation), or what a
    proposer finds, as long as that gives masks. The weights of the detector need not be there.

    Args:
        config, weights, device, precision, cfg_options, compile, safe_config, proposer: see :func:`load_model`.

    Returns:
        a model whose one category, unless it has a proposer, is ``object``.

    Raises:
        ConfigError, CheckpointError: see :func:`load_model`.
    """
    return load_model(
        config, weights, device, precision, cfg_options, compile, safe_config, proposer=proposer, detector=False
    )


def segment_video(
    model: VISModel,
    source: Source,
    key_num: int | None = None,
    mem_step: int | None = None,
    mem_max: int | None = None,
    use_cate_reduce: bool = False,
    feature_memory: str | int = "2GB",
    profile: str | None = None,
    progress: Callable[[int, int], None] | None = None,
    score_thr: float | None = None,
    color: Color = "bgr",
    prompts: Sequence[Prompt] = (),
    propose: bool = True,
) -> VideoResult:
    """Find every object of a video as one sequence of masks.

    The algorithm is Propose-Reduce, or the one that the config names in ``propose_reduce.method``, which has none of
    the options ``key_num`` to ``use_cate_reduce`` and no profile ``fast``.

    Args:
        model: from :func:`load_model`.
        source: a folder of frames, a video or image file, an archive or an annotated dataset of one video, or a list of
            image files; frames ``[T, H, W, 3]`` uint8, one
            picture ``[H, W, 3]``, PIL images, or a generator of frames, which are then all held in memory; or a
            :class:`~mmdet_vis.data.sources.FrameSource`.
        key_num: frames that objects are proposed from; the config's unless given.
        mem_step: every ``mem_step``-th propagated frame is remembered; the config's memory unless given.
        mem_max: at most so many frames are remembered, spread evenly: bounds the memory of long videos.
        use_cate_reduce: category-aware reduction (the config must have ``propose_reduce.cate_reduce``).
        feature_memory: bytes of features kept, e.g. ``"2GB"``; those of longer videos are computed again.
        profile: ``exact``, or ``fast``, which skips detections that a propagated sequence already covers; the one that
            the config recommends unless given.
        progress: called with (frames swept, frames to sweep).
        score_thr: sequences with a lower score are left out of the result; what the config recommends unless given,
            which is 0.05 where it says nothing, as in the commands.
        color: order of the channels of arrays, ``bgr`` (as OpenCV reads them) or ``rgb``.
        prompts: objects that a person shows on some frames. They are followed through the whole video, compete for
            pixels with each other and with what was found, and are never left out. What was found and is the same
            object (sequence IoU of the reduction) gives way to them.
        propose: look for objects; False: follow those of ``prompts`` alone (semi-supervised video object segmentation).

    Returns:
        the sequences with masks at the video's original size: first those of ``prompts``, in their order, then what
        was found, best first. No object gives no sequence. The ``track_id`` of a prompted sequence is the prompt's
        ``id``, if it has one; the others have the lowest numbers that are free.

    Raises:
        SourceError: the video cannot be read, or needs too much memory, also with smaller batches than usual.
        ConfigError: an option or a prompt cannot be used; also: no proposal holds a prompt's points.
    """
    with Session(model, source, feature_memory, color, keep=bool(prompts)) as session:
        return session.segment(
            prompts, propose, key_num, mem_step, mem_max, use_cate_reduce, profile, progress, score_thr
        )


def propagate(
    model: VISModel,
    source: Source,
    masks: Mapping[int, ArrayLike],
    mem_step: int | None = None,
    mem_max: int | None = None,
    feature_memory: str | int = "2GB",
    progress: Callable[[int, int], None] | None = None,
    color: Color = "bgr",
) -> VideoResult:
    """Carry given masks through a video: semi-supervised video object segmentation.

    Args:
        model: from :func:`load_propagator`; a whole model will do, and then says what the objects are.
        source: see :func:`segment_video`.
        masks: by 0-based number of the frame: ``[K, H, W]``, non-zero is the object, which is number 1 to K; or
            ``[H, W]`` whole numbers, as an indexed PNG has them: 0 is background, i is object i. Objects may be shown
            on several frames, and on different ones.
        mem_step, mem_max, feature_memory, progress, color: see :func:`segment_video`.

    Returns:
        one sequence for each object, with its number as ``track_id``; the given masks are as they were given.

    Raises:
        SourceError: the video cannot be read, or needs too much memory.
        ConfigError: the masks do not fit the video, or there are none.
    """
    if not isinstance(masks, Mapping) or not masks:
        raise ConfigError("masks must be {frame: mask, ...} with the objects of at least one frame")
    prompts = []
    for frame, given in masks.items():
        array = np.asarray(given)
        if array.ndim not in (2, 3) or (array.ndim == 2 and array.dtype.kind not in "biu"):
            what = f"{array.dtype} {list(array.shape)}" if array.ndim else f"of type {type(given).__name__}"
            raise ConfigError(f"masks[{frame!r:.40}] is {what}: give [K, H, W], or [H, W] of whole numbers")
        if array.ndim == 2:
            shown = {int(number): array == number for number in np.unique(array) if number}
            if min(shown, default=1) < 0:
                raise ConfigError(
                    f"masks[{frame!r:.40}] has {min(shown)}: objects are numbered from 1, 0 is background"
                )
        else:
            shown = {number: mask for number, mask in enumerate(array, start=1) if mask.any()}
        prompts += [Prompt(frame, mask=mask, id=number) for number, mask in shown.items()]
    if not prompts:
        raise ConfigError("masks show no object: all of them are 0, which is background")
    return segment_video(
        model, source, None, mem_step, mem_max, False, feature_memory, None, progress, None, color, prompts, False
    )


def refine(
    result: VideoResult,
    corrections: Iterable[Correction],
    model: VISModel | None = None,
    source: Source | None = None,
    mem_step: int | None = None,
    mem_max: int | None = None,
    feature_memory: str | int = "2GB",
    progress: Callable[[int, int], None] | None = None,
    color: Color = "bgr",
    session: Session | None = None,
) -> VideoResult:
    """Correct a result, and carry the corrections through the video.

    A :class:`Prompt` whose ``id`` is the ``track_id`` of a sequence corrects that sequence on its frame: each frame
    follows the nearest one on which a person gave the mask, and all of these are remembered. Towards the frame on which
    the object was detected, the masks change until what is carried there agrees with what is there. All other masks,
    and all other sequences, stay bit for bit; its category is scored anew unless a person named it. A prompt with
    another ``id``, or none, adds an object, as in :func:`segment_video`.

    Args:
        result: of :func:`segment_video`, or loaded; it is left as it is.
        corrections: :class:`Prompt`, :class:`Delete`, :class:`Split`, :class:`Merge`, :class:`Swap`, :class:`Rename`
            and :class:`NotVisible`, applied in this order; neighbouring prompts are carried together.
        model, source: the network and the video, see :func:`segment_video`; only prompts need them.
        mem_step, mem_max, feature_memory, progress, color: see :func:`segment_video`.
        session: takes the place of ``model``, ``source``, ``feature_memory`` and ``color``: its features are not
            computed again.

    Returns:
        the corrected result: sequences keep their order and ``track_id``, added ones come first. One that is
        visible in no frame any more is left out.

    Raises:
        ConfigError: a correction does not fit the result or the video; the line says which and why.
        SourceError: the video cannot be read, or is not that of the result.
    """
    check_result(result)
    corrections = listed(corrections)
    if session is not None:
        if not isinstance(session, Session):
            raise ConfigError(f"session is of type {type(session).__name__}: give a Session(model, source)")
        return session.refine(result, corrections, mem_step, mem_max, progress)
    if not any(isinstance(correction, Prompt) for correction in corrections):
        edited = apply_edits(result, enumerate(corrections))  # type: ignore[arg-type]  # no prompt is among them
        tell_new_categories(corrections, result.categories)
        return without_emptied(result, edited)
    if model is None or source is None:
        missing = " and ".join(n for n, v in (("model", model), ("source", source)) if v is None)
        raise ConfigError(f"prompts are carried through the video: refine() needs {missing}, or session, as well")
    with Session(model, source, feature_memory, color) as opened:
        return opened.refine(result, corrections, mem_step, mem_max, progress)
