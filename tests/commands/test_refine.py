"""``segment --prompt``, ``refine`` and ``review``, one after the other as people use them."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from mmdet_vis import VideoResult, load_model, refine, segment_video
from mmdet_vis.commands import refine as refine_command
from mmdet_vis.commands import review, segment
from mmdet_vis.errors import ConfigError, DatasetError, OutputError, ResultsError, SourceError
from mmdet_vis.structures import Delete, Prompt, Rename
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
    out, err = capsys.readouterr()
    assert err == ""
    rows = out.splitlines()[2:]
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
        (["clip.mp4", "--no-propose"], "--no-propose needs --prompt: it follows prompts alone"),
        (["--config", "x", "--weights", "y", "--no-propose"], "--prompt and --no-propose are for one video: name it"),
    ],
)
def test_prompts_are_for_one_video(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        segment.main(words)
    assert ended.value.code == 2
    assert message in capsys.readouterr().err


def test_one_video_of_a_folder_is_corrected(folder, model, no_model, caplog):
    for name in ("a", "clip", "other"):
        write_video(folder / "more" / f"{name}.mp4", 5)
    made = make_result(np.ones((2, 5, 64, 96), bool), VideoResult)
    made.save("clip.result.json")
    (folder / "fixes.json").write_text('[{"type": "delete", "id": 1}]')
    words = [*model, "--corrections", "fixes.json", "--format", "result"]
    assert refine_command.main(["clip.result.json", "more", *words, "--save-dir", "out"]) == 0
    assert sorted(path.name for path in (folder / "out").glob("*.result.json")) == ["clip.result.json"]
    assert not caplog.records
    assert refine_command.main(["clip.result.json", "more/other.mp4", *words, "--save-dir", "as_other"]) == 0
    assert "the result is of clip, and corrected with the video other" in caplog.text
    (folder / "more/clip.mp4").unlink()
    with pytest.raises(SourceError, match=r"is of the video clip, which is none of the 2 \(a, other\): name its video"):
        refine_command.main(["clip.result.json", "more", *words, "--save-dir", "none"])
    with pytest.raises(ConfigError, match=r"^prompts are for one video, there are 2 \(a, other\): name one of them"):
        segment.main(["more", *model, "--prompt", "0:box:1,2,30,40"])


@pytest.fixture
def no_model(monkeypatch):
    """Loading a model fails the test."""
    for place in ("mmdet_vis.run.options.load_model", "mmdet_vis.api.load_model"):
        monkeypatch.setattr(place, lambda *_, **__: pytest.fail("a model was loaded"))


def test_what_rearranges_a_result_needs_no_model(folder, model, no_model, capsys):
    made = make_result(np.ones((2, 5, 64, 96), bool), VideoResult)
    made.save(folder / "clip.result.json")
    (folder / "fixes.json").write_text(
        '[{"type": "delete", "id": 1}, {"type": "rename", "id": 2, "category": "otter"}]'
    )
    words = ["clip.result.json", "clip.mp4", *model, "--corrections", "fixes.json", "--save-dir", "out"]
    assert refine_command.main(words) == 0
    assert VideoResult.load("out/clip.result.json") == refine(made, [Delete(1), Rename(2, "otter")])
    assert (folder / "out/clip.mp4").stat().st_size > 0
    assert "this run: 1 video, 5 frames in" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("corrections", "message"),
    [
        (
            [{"type": "delete", "id": 1}, {"type": "rename", "id": 1, "category": "cat"}],
            "entry 1: there is no sequence 1",
        ),
        ([{"frame": 5, "id": 1, "box": [0, 0, 9, 9]}], "entry 0: frame=5: the video has 5 frames, 0 to 4"),
        ([{"frame": 1, "id": 1, "box": [0, 0, 9, 9]}] * 2, "entry 1: two prompts for the object 1 on frame 1"),
        ([{"type": "swap", "a": 1, "b": 2, "frame": 7}], "entry 0: swap: frame=7: clip has 5 frames"),
    ],
)
def test_a_correction_that_does_not_fit_is_named_before_a_model_is_loaded(
    folder, model, no_model, corrections, message
):
    make_result(np.ones((2, 5, 64, 96), bool), VideoResult).save(folder / "clip.result.json")
    (folder / "fixes.json").write_text(json.dumps(corrections))
    with pytest.raises(ConfigError, match=f"^fixes.json: {message}"):
        refine_command.main(["clip.result.json", "clip.mp4", *model, "--corrections", "fixes.json"])


def test_what_does_not_fit_the_video_is_said_before_a_model_is_loaded(folder, model, no_model):
    make_result(np.ones((2, 4, 64, 96), bool), VideoResult).save(folder / "other.result.json")
    with pytest.raises(SourceError, match="clip has 5 frames of 96x64, the result of clip has 4 frames"):
        refine_command.main(["other.result.json", "clip.mp4", *model, "--prompt", "0:box:1,2,30,40"])
    with pytest.raises(ConfigError, match=r"^'7:box:1,2,30,40': frame=7: the video has 5 frames, 0 to 4"):
        segment.main(["clip.mp4", *model, "--prompt", "0:box:1,2,30,40", "--prompt", "7:box:1,2,30,40"])
    (folder / "clip.json").write_text('[{"image_id": 0,}]')
    (folder / "categories.json").write_text('[{"id": 1, "name": "cat"}]')
    with pytest.raises(DatasetError, match=r"^clip.json is not valid JSON"):
        segment.main(["clip.mp4", *model, "--proposer", "files:clip.json"])
    (folder / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(SourceError, match=r"^broken.mp4"):
        segment.main(["broken.mp4", *model])


def test_review_says_what_it_does_not_look_at(folder, capsys):
    make_result(np.ones((3, 5, 64, 96), bool), VideoResult, show_thr=0.8).save(folder / "clip.result.json")
    result = VideoResult.load("clip.result.json")
    for sequence in result.sequences:
        sequence.confidence = np.full(5, 0.5, np.float32)
    result.save("clip.result.json")
    assert review.main(["clip.result.json"]) == 0
    out, err = capsys.readouterr()
    assert "| clip |" in out
    assert err == "not looked at: 2 sequences, which are not drawn; --show-thr 0.5 looks at these, too\n"
    assert review.main(["clip.result.json", "--show-thr", "0.6"]) == 0
    assert capsys.readouterr().err.startswith("not looked at: 1 sequence, whose score is below 0.6; --show-thr 0.5")
    assert review.main(["clip.result.json", "--show-thr", "0.5"]) == 0
    assert capsys.readouterr().err == ""
    result.sequences[1].confidence = None
    result.save("clip.result.json")
    assert review.main(["clip.result.json", "--show-thr", "0.5"]) == 0
    assert capsys.readouterr().err == "not looked at: 1 sequence without a confidence\n"
    assert review.main([".", "--show-thr", "0.5", "clip.result.json"]) == 0  # a folder is its result files
    assert len(capsys.readouterr().out.splitlines()) == 2 + 2
    (folder / "empty").mkdir()
    with pytest.raises(ResultsError, match="empty is a folder: give the JSON file in it"):
        review.main(["empty"])


def test_review_of_several_files_names_those_that_cannot_be_listed(tmp_path, caplog, capsys):
    good = make_result(np.ones((1, 3, 6, 9), bool), VideoResult)
    good.save(tmp_path / "old.json")
    good.sequences[0].confidence = np.full(3, 0.5, np.float32)
    good.save(tmp_path / "good.json")
    good.sequences.clear()
    good.save(tmp_path / "empty.json")
    caplog.set_level("INFO", "mmdet_vis")
    names = [str(tmp_path / f"{name}.json") for name in ("good", "old", "none", "empty", "good")]
    assert review.main(names) == 3
    assert len(capsys.readouterr().out.splitlines()) == 3
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(".json")[0] for line in lines] == [str(tmp_path / name) for name in ("old", "none", "empty")]
    assert "old.json: the result of clip has no confidences" in lines[0]
    assert lines[2].endswith("empty.json has no objects")
    assert review.main(names[3:4]) == 0
    assert capsys.readouterr().out == ""
    with pytest.raises(ResultsError, match=r"old.json: the result of clip has no confidences"):
        review.main(names[1:2])


def test_mistakes(folder, model, capsys):
    with pytest.raises(ConfigError, match="'0:circle:1': write FRAME:box"):
        segment.main(["clip.mp4", *model, "--prompt", "0:circle:1"])
    with pytest.raises(ResultsError, match=r"none.json"):
        refine_command.main(["none.json", "clip.mp4", *model, "--prompt", "0:box:1,2,30,40"])
    with pytest.raises(SystemExit):
        refine_command.main(["none.json", "clip.mp4", *model])
    assert "nothing to correct: give --corrections or --prompt" in capsys.readouterr().err
    assert not (folder / "mmdet_vis_results").exists()
