"""Command line arguments of the commands that segment videos."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmdet_vis.choices import OVERLAP, PROFILES, RUNTIME_PRECISIONS, RUNTIMES, TIMEOUT, WINDOW
from mmdet_vis.commands.arguments import formats, positive, probability, seconds

if TYPE_CHECKING:
    from mmdet_vis.run.options import RunOptions

RUN_OPTIONS = (
    "key_num", "mem_step", "mem_max", "use_cate_reduce", "feature_memory", "profile", "score_thr", "show_thr",
    "use_img", "strict",
)  # fmt: skip
STREAM_SOURCE = (
    "a camera's number (0), an address (rtsp://..., http://...), - for a video on standard input (matroska, mpegts, "
    "...), a video file or a folder of frames"
)
VIDEOS = (
    "folder with videos (mp4, mov, mkv, webm, avi, ts, gif and whatever else FFmpeg reads) and folders of frames (jpg, "
    "png, webp, tif, bmp, avif, ...); one such video, folder or image; a zip or tar of them; or annotations of a "
    "dataset, for its videos; docs/inputs.md lists all"
)
STREAM_OVERWRITE = "replace earlier results of the same name"


def add_output_arguments(parser: argparse.ArgumentParser, save_dir: Path | None, format_help: str) -> None:
    """Add ``--save-dir``, which has to be given if there is no default, and :func:`add_drawing_arguments`."""
    parser.add_argument(
        "--save-dir",
        type=Path,
        default=save_dir,
        required=save_dir is None,
        help="where results go (SAVE); created if need be" + (f" (default {save_dir})" if save_dir else ""),
    )
    add_drawing_arguments(parser, format_help)


def add_drawing_arguments(parser: argparse.ArgumentParser, format_help: str) -> None:
    """Add ``--format``, ``--use-img``, ``--show-thr`` and ``--strict``."""
    parser.add_argument("--format", type=formats, metavar="LIST", help=format_help)
    parser.add_argument(
        "--use-img",
        action="store_true",
        help="draw objects as the original demo does with this flag (70%% colour, 30%% image)",
    )
    parser.add_argument(
        "--show-thr",
        type=probability,
        help="draw sequences from this score (default: what the model recommends, or 0.2)",
    )
    parser.add_argument(
        "--strict",
        action="store_true",
        help="a video of which something is left out, converted or guessed (damage, colours, times) is an error",
    )


def add_engine_arguments(parser: argparse.ArgumentParser, proposes: bool = True) -> None:
    """Add the options of the algorithm and of the engine; those that concern proposals are shown if there are any."""

    def of_proposals(text: str) -> str:
        return text if proposes else argparse.SUPPRESS

    algorithm = parser.add_argument_group("algorithm")
    key_num = of_proposals("number of key frames (default: the config's)")
    algorithm.add_argument("--key-num", type=positive, help=key_num)
    algorithm.add_argument("--mem-step", type=positive, help="remember every N-th frame (default: the config's memory)")
    algorithm.add_argument(
        "--mem-max",
        type=positive,
        help="remember at most so many frames, spread evenly (for long videos)",
    )
    algorithm.add_argument(
        "--score-thr",
        type=probability,
        help="sequences with a lower score are not written (default: what the model recommends, or 0.05)",
    )
    algorithm.add_argument(
        "--use-cate-reduce",
        action="store_true",
        help=of_proposals("category-aware reduction, with a CateAwareReduce config"),
    )
    engine = parser.add_argument_group("engine")
    engine.add_argument(
        "--device", default="auto", help="auto (a CUDA GPU if there is one, else the CPU), cpu, cuda, cuda:N or mps"
    )
    engine.add_argument(
        "--precision",
        choices=RUNTIME_PRECISIONS,
        help="float32 gives the published numbers; auto is the fastest that the device does well (default: what the "
        "model recommends, or float32)",
    )
    engine.add_argument(
        "--profile",
        choices=PROFILES,
        help=of_proposals(
            "exact is the published algorithm, fast skips detections that a propagated sequence already covers "
            "(default: what the model recommends, or exact)"
        ),
    )
    engine.add_argument(
        "--compile",
        action="store_true",
        help="torch.compile: a slow start, then faster on some devices; slower on the CPU in float32",
    )
    engine.add_argument(
        "--runtime",
        default="torch",
        choices=RUNTIMES,
        help="what computes the network; onnxruntime and openvino on the CPU (default torch)",
    )
    engine.add_argument(
        "--threads",
        type=positive,
        metavar="N",
        help="CPU threads of a process (default: OMP_NUM_THREADS, or PyTorch's choice for this machine, however many "
        "processes there are; under torchrun OMP_NUM_THREADS=1 is torchrun's and does not count: use --threads 1)",
    )
    engine.add_argument(
        "--feature-memory",
        default="2GB",
        metavar="SIZE",
        help="features kept in memory; those of longer videos are computed again (default 2GB)",
    )


PROMPT_FORMS = (
    "FRAME:box:X0,Y0,X1,Y1[:CATEGORY], FRAME:point:X,Y[,-X,Y ...][:CATEGORY] (a minus before x: not there), "
    "FRAME:mask:FILE.png[:CATEGORY], or a JSON file; frames from 0, pixels of the video; ID@FRAME:...: of the object ID"
)


def add_prompt_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--prompt`` and ``--no-propose``."""
    group = parser.add_argument_group(
        "prompts", "Objects that you show on some frames of one video are followed through it and never left out."
    )
    group.add_argument("--prompt", action="append", metavar="PROMPT", help=f"{PROMPT_FORMS}; may be given again")
    group.add_argument(
        "--no-propose", action="store_true", help="follow the prompts alone, look for nothing else (semi-supervised)"
    )


STREAM_DEFAULTS = {"window": WINDOW, "overlap": OVERLAP, "timeout": TIMEOUT}


def add_stream_arguments(parser: argparse.ArgumentParser, title: str) -> argparse._ArgumentGroup:
    """Add the options of streams; those that are not given are None, see :data:`STREAM_DEFAULTS`."""
    stream = parser.add_argument_group(
        title,
        "Video that is live or very long, a window of frames at a time and in bounded memory. SAVE/NAME.jsonl (a line "
        "for each frame) and SAVE/NAME.mp4 grow as results come. An object keeps its id from window to window if its "
        "masks overlap on the frames that both share. Frames that a camera or a live address sends while a window is "
        "segmented are dropped evenly; their number is shown.",
    )
    stream.add_argument(
        "--window",
        type=positive,
        metavar="N",
        help=f"frames that are segmented at once (default {STREAM_DEFAULTS['window']})",
    )
    stream.add_argument(
        "--overlap",
        type=positive,
        metavar="N",
        help=f"frames that neighbouring windows share (default {STREAM_DEFAULTS['overlap']})",
    )
    stream.add_argument(
        "--timeout",
        type=seconds,
        metavar="SECONDS",
        help=f"give up a source that sends nothing for so long (default {STREAM_DEFAULTS['timeout']:g})",
    )
    return stream


def add_dataset_arguments(parser: argparse.ArgumentParser, title: str) -> None:
    """Add the options of a run over the config's dataset."""
    dataset = parser.add_argument_group(
        title,
        "Start with `torchrun --nproc_per_node N` to share the videos, also those that are named, among N processes, "
        "each with its GPU. Each video's result is in SAVE/videos/ID.json as soon as it is done.",
    )
    earlier = dataset.add_mutually_exclusive_group()
    earlier.add_argument(
        "--resume",
        action="store_true",
        help="go on with the run in SAVE where it stopped, also with videos that are named; refused if it is of "
        "another model or other settings. Without it and --overwrite, a SAVE with results of a dataset is refused",
    )
    earlier.add_argument(
        "--overwrite",
        action="store_true",
        help="remove the results in SAVE and start anew",
    )
    dataset.add_argument(
        "--eval",
        action="store_true",
        help="evaluate the results with the dataset's annotations: prints a table and writes SAVE/metrics.json",
    )


def given_options(args: argparse.Namespace, **others: Any) -> RunOptions:
    """What a command line says of segmenting and writing, by the arguments added here; ``others`` come first."""
    from mmdet_vis.run.options import RunOptions

    given = {name: getattr(args, name) for name in RUN_OPTIONS} | {"formats": args.format or ()}
    return RunOptions(**{**given, "propose": not getattr(args, "no_propose", False), **others})


def given_model(args: argparse.Namespace) -> dict[str, Any]:
    """What :func:`add_engine_arguments` gives of the model, and its weights, as arguments of a plan."""
    return {name: getattr(args, name) for name in ("checkpoint", "device", "precision", "compile", "runtime")}
