"""What the Python interface says of wrong arguments: one line that calls them as they are called in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mmdet_vis import (
    Delete,
    Merge,
    NotVisible,
    Rename,
    Session,
    Split,
    VideoResult,
    VISModel,
    load_model,
    propagate,
    refine,
    segment_video,
)
from mmdet_vis.batch.tasks import Task
from mmdet_vis.data.converters import convert
from mmdet_vis.data.formats.opening import open_annotations
from mmdet_vis.errors import UserError, option
from mmdet_vis.evaluation.ytvis import evaluate
from mmdet_vis.run.options import Plan, RunOptions
from mmdet_vis.streaming import StreamReader, segment_stream
from mmdet_vis.structures import Prompt
from mmdet_vis.training.curves import plot_training
from mmdet_vis.training.state import choose_state
from mmdet_vis.weights.convert import convert_weights
from tests.tiny import moving_frames

FRAMES = moving_frames(2)
EMPTY = np.zeros((64, 96), int)
BOX = Prompt(0, box=(1, 2, 30, 40))


@pytest.fixture(scope="module")
def model(tiny: tuple[Path, Path]) -> VISModel:
    return load_model(*tiny, device="cpu")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"key_num": "5"}, "key_num must be at least 1 and a whole number, got '5'"),
        ({"mem_step": 1.5}, "mem_step must be at least 1 and a whole number, got 1.5"),
        ({"mem_max": 1}, "mem_max must be at least 2"),
        ({"score_thr": "0.5"}, "score_thr must be a number from 0 to 1, got '0.5'"),
        ({"score_thr": 2}, "score_thr must be a number from 0 to 1, got 2"),
        ({"prompts": BOX}, "prompts is of type Prompt: give a list of Prompt"),
        ({"prompts": 3}, "prompts is of type int: give a list of Prompt"),
        ({"prompts": [3]}, r"prompts\[0\] is of type int: give a list of Prompt"),
        ({"propose": False}, "propose=False follows nothing but prompts"),
    ],
)
def test_arguments_of_segment_video(model: VISModel, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}") as caught:
        segment_video(model, FRAMES, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: segment_video(FRAMES, m), "model is of type list: give what load_model returned, then the video"),
        (lambda m: propagate(m, FRAMES, {}), "masks must be {frame: mask, ...}"),
        (lambda m: propagate(m, FRAMES, FRAMES[0]), "masks must be {frame: mask, ...}"),
        (lambda m: propagate(m, FRAMES, {0: np.full((64, 96), 0.5)}), r"masks\[0\] is float64 \[64, 96\]: give"),
        (lambda m: refine("out.json", [], m, FRAMES), "result is of type str: give a result"),
    ],
)
def test_arguments_in_the_wrong_place(model: VISModel, call: Callable[[VISModel], Any], message: str) -> None:
    with pytest.raises(UserError, match=f"^{message}"):
        call(model)


def test_config_and_weights_exchanged(tiny: tuple[Path, Path]) -> None:
    with pytest.raises(UserError, match="is a file of weights: name the config first, then the weights"):
        load_model(tiny[1], tiny[0])


@pytest.mark.parametrize(
    ("frame", "way"),
    [
        (FRAMES[0] / 255, "of 0 to 1 make"),
        (FRAMES[0].astype(np.float32), "of numbers from 0 to 255 make"),
        (FRAMES[0].astype(np.uint16) * 256, "of 16 bits make"),
        (FRAMES[0].transpose(2, 0, 1), "put the channels last"),
        (FRAMES[0][..., 0], r"of grey frames \[T, H, W\] make"),
        (np.dstack([FRAMES[0], FRAMES[0][..., 0]]), "leave the fourth channel out"),
    ],
)
def test_frames_of_another_kind_come_with_the_way_to_mend_them(model: VISModel, frame: Any, way: str) -> None:
    with pytest.raises(UserError, match=rf"^source\[0\] is .*: a frame must be \[H, W, 3\] uint8; {way}"):
        segment_video(model, [frame, frame])


@pytest.fixture(scope="module")
def result(model: VISModel) -> VideoResult:
    return segment_video(model, FRAMES, key_num=1, score_thr=0.0)


WRONG: dict[str, tuple[Callable[[Any, Any], Any], str]] = {
    "a size that is none": (lambda m, r: Session(m, FRAMES, feature_memory=-1), "feature_memory -1 is not a size"),
    "no size": (lambda m, r: segment_video(m, FRAMES, feature_memory=None), "feature_memory None is not a size"),
    "no function": (lambda m, r: segment_video(m, FRAMES, progress=True), "progress is of type bool: give a function"),
    "true that is text": (
        lambda m, r: segment_video(m, FRAMES, propose="no"),
        "propose must be True or False, got 'no'",
    ),
    "a number that is true": (
        lambda m, r: segment_video(m, FRAMES, key_num=True),
        "key_num must be at least 1 and a whole",
    ),
    "frames of None": (lambda m, r: segment_video(m, [None, None]), r"source\[0\] is of type NoneType"),
    "an address": (lambda m, r: segment_video(m, "http://host/a.mp4"), ".* an address is read as a stream"),
    "a camera": (lambda m, r: segment_video(m, "0"), "0: no such file or folder; a camera is read as a stream"),
    "no path": (lambda m, r: segment_video(m, ""), "source is empty: give a path"),
    "no device": (lambda m, r: load_model(device=None), "device=None is not a device"),
    "options as text": (
        lambda m, r: load_model(m.config.filename, cfg_options="a=1"),
        "cfg_options must be {dotted key",
    ),
    "a dict as config": (lambda m, r: load_model({"model": {}}), "config is of type dict: give a file"),
    "weights that are read": (lambda m, r: load_model(m.config, {"a": 1}), "weights is of type dict: give a file"),
    "nothing shown": (lambda m, r: propagate(m, FRAMES, {0: EMPTY}), "masks show no object"),
    "numbers below 0": (lambda m, r: propagate(m, FRAMES, {0: EMPTY - 1}), r"masks\[0\] has -1: objects are numbered"),
    "the name of a mask": (lambda m, r: propagate(m, FRAMES, {0: "a.png"}), r"masks\[0\] is of type str"),
    "a mask that is none": (
        lambda m, r: Prompt(0, mask=EMPTY * np.nan),
        "prompt: mask has numbers that are not finite",
    ),
    "one label": (lambda m, r: Prompt(0, point=(1, 2), labels="1"), "prompt: labels is of type str: give a list"),
    "one correction": (
        lambda m, r: refine(r, Delete(1)),
        "corrections is of type Delete: give a list of Prompt, Delete",
    ),
    "a file of them": (lambda m, r: refine(r, "fixes.json"), "corrections is of type str: give a list"),
    "no session": (lambda m, r: refine(r, [BOX], session=m), "session is of type VISModel: give a Session"),
    "an id as text": (lambda m, r: Delete("1"), "delete: id='1' must be a whole number"),
    "a new id as text": (lambda m, r: Split(1, 1, "x"), "split: new_id='x' must be a whole number"),
    "one of several": (lambda m, r: Merge(3), "merge: ids is of type int: give a list"),
    "no name": (lambda m, r: Rename(1, None), "rename: category=None must be a name"),
    "a frame as text": (lambda m, r: NotVisible(1, "0", 2), "not visible: first='0' must be a whole number"),
    "a result's name": (
        lambda m, r: Session(m, FRAMES).refine("a.json", [BOX]),
        "result is of type str: give a result",
    ),
    "index": (lambda m, r: r.frame("0"), "index='0' must be a whole number: the 0-based number of a frame"),
    "the frame for its number": (lambda m, r: r.draw(FRAMES[0], 0), r"index=array\(\[\[\[.* must be a whole number"),
    "a name for the frame": (lambda m, r: r.draw(0, "a.jpg"), r"image is of type str: give the frame, \[H, W, 3\]"),
    "a score as text": (lambda m, r: r.filter("0.5"), "score must be a number from 0 on, got '0.5'"),
    "a label": (lambda m, r: r.filter(category=1), "category is of type int: give a list of names"),
    "a label for a sequence": (lambda m, r: r.category_of(1), "sequence is of type int: give one of"),
    "the number as text": (lambda m, r: r.sequence("1"), "there is no sequence '1' in the result"),
    "save": (lambda m, r: r.save(None), "path is of type NoneType: give a path"),
    "a path as stream": (lambda m, r: segment_stream(m, "a.mp4"), "frames is of type str: give an iterable of frames"),
    "prompts of a stream": (
        lambda m, r: segment_stream(m, FRAMES, prompts=[BOX]),
        "segment_stream has no argument 'prompts'",
    ),
    "window": (lambda m, r: segment_stream(m, FRAMES, "4"), "window must be at least 2 and a whole number, got '4'"),
    "sizes": (
        lambda m, r: list(segment_stream(m, [FRAMES[0], FRAMES[1][:-8]], 2, 1)),
        r"frames\[1\] is 96x56, frames\[0\]",
    ),
    "frames for a reader": (lambda m, r: StreamReader(FRAMES), "source is of type list: give a camera's number"),
    "timeout": (lambda m, r: StreamReader(".", timeout=-1), "timeout must be a number from 0 on, got -1"),
    "source of annotations": (lambda m, r: convert(3, "a.json"), "source is of type int: give a path"),
    "a format of weights": (
        lambda m, r: convert_weights("a.pth", "b.pth", "mmdte"),
        "source_format='mmdte' is not known",
    ),
    "paths for contents": (
        lambda m, r: evaluate("r.json", "a.json"),
        "annotations is a path: give what load_annotations",
    ),
    "one format": (lambda m, r: RunOptions(formats="json"), "formats is of type str: give a list of json, overlay"),
    "an unknown format": (lambda m, r: RunOptions(formats=["jpeg"]), "formats='jpeg' is not known"),
    "the name of a config": (lambda m, r: Plan("a.py", Path("w.pth")), "config is of type str: give what load_config"),
    "a row that is none": (lambda m, r: Task.from_row("a.mp4"), "a row must be {'id': name, 'uri': path"),
    "no folder": (lambda m, r: plot_training(None, "a.png"), "work_dir is of type NoneType: give a path"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments(model: VISModel, result: VideoResult, name: str) -> None:
    call, message = WRONG[name]
    with pytest.raises(UserError, match=f"^{message}") as caught:
        call(model, result)
    assert "\n" not in str(caught.value)
    assert "--" not in str(caught.value)


def test_frames_of_a_stream_may_be_pictures_of_any_kind(model: VISModel) -> None:
    """As they may of a video: the results of one image, PIL images and RGB are those of BGR frames."""
    as_bgr = list(segment_stream(model, FRAMES, 2, 1))
    rgb = [np.ascontiguousarray(frame[..., ::-1]) for frame in FRAMES]
    for frames, color in ((rgb, "rgb"), ([Image.fromarray(frame) for frame in rgb], "bgr"), (np.stack(FRAMES), "bgr")):
        found = list(segment_stream(model, frames, 2, 1, color=color))  # type: ignore[arg-type]
        assert [(f.index, f.objects) for f in found] == [(f.index, f.objects) for f in as_bgr]
    assert len(list(segment_stream(model, FRAMES[0], 2, 1))) == 1  # type: ignore[arg-type]


def _no_flag(call: Callable[[], Any]) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "--" not in str(caught.value)
    return str(caught.value)


def test_arguments_are_not_called_flags(tiny: tuple[Path, Path], tmp_path: Path) -> None:
    """What stands behind commands too."""
    weights = tmp_path / "weights.pth"
    weights.write_bytes(tiny[1].read_bytes())
    (tmp_path / "iter_5.pth").touch()
    (tmp_path / "a.json").write_text("{}")
    assert "say with to_format" in _no_flag(lambda: convert(tmp_path / "a.json", tmp_path / "out"))
    assert "name one with from_format" in _no_flag(lambda: open_annotations(tmp_path))
    assert "the work_dir of one" in _no_flag(lambda: plot_training(tmp_path, tmp_path / "x.png"))
    assert "add resume=True to continue, or choose another work_dir" in _no_flag(lambda: choose_state(tmp_path, False))
    assert "resume=True: " in _no_flag(lambda: choose_state(tmp_path / "..", True))
    assert "with config" in _no_flag(lambda: convert_weights(weights, tmp_path / "x.pth", "torchvision"))
    both = {"config": tiny[0], "classes": ["cat"], "drop_classes": True}
    said = _no_flag(lambda: convert_weights(weights, tmp_path / "x.pth", "torchvision", **both))
    assert "classes and drop_classes contradict each other" in said
    assert option("to_format", "coco") == "to_format='coco'"


FLAG = re.compile(r"(?<![\w-])--[a-z]")
COMMAND = re.compile(r"(?:mmdet-vis|torchrun|ffmpeg|pip) [^;:,()`']*")
"""A whole command that somebody is told to type has options."""


def _texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of each string of a module that it may say, with ``{}`` for what is filled in."""
    documents = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    parts: set[int] = set()
    for node in ast.walk(tree):  # a whole comes before its parts
        if isinstance(node, ast.JoinedStr):
            parts |= {id(part) for part in node.values}
            yield node.lineno, "".join(part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documents | parts:
            yield node.lineno, node.value


def test_only_commands_speak_of_flags(repository: Path) -> None:
    """What stands behind commands and calls says :func:`option`; of flags speak the commands alone."""
    package = repository / "mmdet_vis"
    wrong = [
        f"{path.relative_to(repository)}:{line}: {text}"
        for path in sorted(package.rglob("*.py"))
        if path.relative_to(package).parts[0] not in ("commands", "webui")
        for line, text in _texts(ast.parse(path.read_text(encoding="utf-8")))
        if FLAG.search(COMMAND.sub("", text))
    ]
    assert not wrong, "\n".join(wrong)
    (said,) = (text for _, text in _texts(ast.parse('f"{a}: use --to or `mmdet-vis export A --to {b}`"')))
    assert FLAG.search(COMMAND.sub("", said))
