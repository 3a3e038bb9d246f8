"""``segment --prompt``, ``refine`` and ``review``, one after the other as people use them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mmdet_vis import VideoResult, load_model, refine, segment_video
from mmdet_vis.commands import refine as refine_command
from mmdet_vis.commands import review, segment
from mmdet_vis.data.formats.errors import ResultsError
from mmdet_vis.errors import ConfigError, OutputError
from mmdet_vis.structures import Prompt, Rename
from tests.commands.test_segment import write_video
from tests.structures.cases import make_result

SQUARE = np.zeros((64, 96), np.uint8)
SQUARE[15:41, 13:34] = 1


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_video(tmp_path / "clip.mp4", 5)
    cv2.imwrite("square.png", SQUARE * 255)
    return tmp_path


@pytest.fixture
def model(tiny):
    return ["--config", str(tiny[0]), "--weights", str(tiny[1]), "--device", "cpu"]


def test_from_prompts_to_a_corrected_result(folder, model, tiny, capsys):
    words = ["clip.mp4", *model, "--save-dir", "out", "--format", "json,result"]
    prompts = ["--prompt", "2:mask:square.png:dog", "--prompt", "1:box:5,10,40,45"]
    assert segment.main([*words, *prompts, "--no-propose"]) == 0
    result = VideoResult.load("out/clip.result.json")
    assert len(result.sequences) == 2
    assert result.category_of(result.sequences[0]) == "dog"
    np.testing.assert_array_equal(result.sequences[0].masks_array()[2], SQUARE)
    network = load_model(*tiny, device="cpu")
    asked = [Prompt(2, mask=SQUARE, category="dog"), Prompt(1, box=(5, 10, 40, 45))]
    assert segment_video(network, "clip.mp4", prompts=asked, propose=False) == result
    # The results file has both objects, whatever their scores.
    entries = json.loads((folder / "out/results.json").read_text())
    assert len({str(entry["segmentations"]) for entry in entries}) == 2
    # The same command again has nothing to do; with another prompt it is another run.
    assert segment.main([*words, *prompts, "--no-propose", "--resume"]) == 0
    with pytest.raises(OutputError, match=r"cannot resume: .*prompts"):
        segment.main([*words, *prompts[:2], "--no-propose", "--resume"])

    capsys.readouterr()
    assert review.main(["out/clip.result.json", "--show-thr", "0", "--number", "2", "--apart", "1"]) == 0
    rows = capsys.readouterr().out.splitlines()[2:]
    confidences = [float(row.split("|")[1]) for row in rows]
    assert confidences == sorted(confidences)
    assert len(rows) == 2

    (folder / "fixes.json").write_text(
        '[{"type": "rename", "id": 2, "category": "otter"}, {"frame": 4, "id": 2, "mask": "square.png"}]'
    )
    words = ["out/clip.result.json", "clip.mp4", *model, "--save-dir", "fixed", "--corrections", "fixes.json"]
    assert refine_command.main([*words, "--format", "json,result"]) == 0
    fixed = VideoResult.load("fixed/clip.result.json")
    assert fixed == refine(result, [Rename(2, "otter"), Prompt(4, mask=SQUARE, id=2)], network, "clip.mp4")
    assert fixed.sequences[0].masks == result.sequences[0].masks


def test_the_result_that_is_corrected_is_not_overwritten(folder, model):
    made = make_result(np.ones((1, 5, 64, 96), bool), VideoResult)
    made.save(folder / "clip.result.json")
    words = ["clip.result.json", "clip.mp4", *model, "--prompt", "0:box:1,2,30,40"]
    with pytest.raises(OutputError, match=r"would overwrite the input clip\.[a-z.0-9]*: choose another save_dir"):
        refine_command.main([*words, "--save-dir", "."])
    assert VideoResult.load("clip.result.json") == made


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["clip.mp4", "other.mp4", "--prompt", "0:box:1,2,3,4"],
            "--prompt and --no-propose are for one video: name it",
        ),
        (["--config", "x", "--weights", "y", "--no-propose"], "--prompt and --no-propose are for one video: name it"),
    ],
)
def test_prompts_are_for_one_video(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        segment.main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_mistakes(folder, model, capsys):
    with pytest.raises(ConfigError, match="'0:circle:1': write FRAME:box"):
        segment.main(["clip.mp4", *model, "--prompt", "0:circle:1"])
    with pytest.raises(ResultsError, match=r"none.json"):
        refine_command.main(["none.json", "clip.mp4", *model, "--prompt", "0:box:1,2,30,40"])
    with pytest.raises(SystemExit):
        refine_command.main(["none.json", "clip.mp4", *model])
    assert "nothing to correct: give --corrections or --prompt" in capsys.readouterr().err
    assert not (folder / "mmdet_vis_results").exists()
