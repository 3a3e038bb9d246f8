"""What the Python interface says of wrong arguments: one line that calls them as they are called in Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmdet_vis import VISModel, load_model, propagate, refine, segment_video
from mmdet_vis.data.converters import convert
from mmdet_vis.data.formats.opening import open_annotations
from mmdet_vis.errors import UserError, option
from mmdet_vis.structures import Prompt
from mmdet_vis.training.curves import plot_training
from mmdet_vis.training.state import choose_state
from mmdet_vis.weights.convert import convert_weights
from tests.tiny import moving_frames

FRAMES = moving_frames(2)
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
