"""``mmdet-vis segment``: videos alone, several of them, with a model of one's own; the door does the same."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from mmdet_vis.commands import segment, stream
from mmdet_vis.visualization.video_writer import VideoWriter
from tests.tiny import moving_frames

SMALL = ["--device", "cpu", "--key-num", "2", "--format", "json,video"]


def write_video(path: Path, frames: int = 4) -> Path:
    path.parent.mkdir(exist_ok=True)
    content = moving_frames(frames)
    with VideoWriter(path, 10, content[0].shape[:2]) as video:
        for frame in content:
            video.write(frame)
    return path


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MMDET_VIS_HOME", str(tmp_path / "home"))
    return tmp_path


def test_a_video_alone(folder, capsys):
    """The default model, and results in a folder of the working folder, which is named at the end."""
    write_video(folder / "clip.mp4")
    assert segment.main(["clip.mp4", *SMALL]) == 0
    results = folder / "mmdet_vis_results"
    assert f"results (json, video): {results}" in capsys.readouterr().out.splitlines()
    assert (results / "clip.mp4").stat().st_size > 0
    assert isinstance(json.loads((results / "results.json").read_text()), list)


def test_several_videos_and_folders_and_a_model_of_ones_own(folder, tiny):
    write_video(folder / "b.mp4")
    write_video(folder / "more" / "a.mp4")
    write_video(folder / "more" / "c.mp4")
    model = ["--config", str(tiny[0]), "--weights", str(tiny[1])]
    assert segment.main(["b.mp4", *SMALL, "more", *model, "--save-dir", "out", "more/a.mp4"]) == 0
    assert sorted(path.name for path in (folder / "out").glob("*.mp4")) == ["a.mp4", "b.mp4", "c.mp4"]


def test_the_door_does_the_same(folder, tiny):
    write_video(folder / "clip.mp4")
    assert segment.main([*map(str, tiny), *SMALL, "--input-dir", "clip.mp4", "--save-dir", "door"], tool=True) == 0
    model = ["--config", str(tiny[0]), "--weights", str(tiny[1])]
    assert segment.main([*model, "clip.mp4", *SMALL, "--save-dir", "new"]) == 0
    assert (folder / "door/results.json").read_bytes() == (folder / "new/results.json").read_bytes()


def test_a_stream(folder, tiny, capsys):
    write_video(folder / "clip.mp4")
    model = ["--config", str(tiny[0]), "--weights", str(tiny[1]), "--device", "cpu", "--key-num", "2"]
    assert stream.main(["clip.mp4", *model, "--save-dir", "out", "--window", "3", "--overlap", "1"]) == 0
    assert len((folder / "out/clip.jsonl").read_text().splitlines()) >= 4
    assert "clip: 4 frames" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "no VIDEO: name videos or folders of them, or --config and --weights to run the config's dataset"),
        (
            ["a.mp4", "--config", "seq_mask_rcnn_lite0_synthvis"],
            "--config needs --weights: give both, or neither for the default model",
        ),
        (["a.mp4", "--eval"], "--eval is for runs over a dataset: leave it out with VIDEO"),
        (["a.mp4", "--overwrite"], "--overwrite is for runs over a dataset: leave it out with VIDEO"),
    ],
)
def test_mistakes_are_one_line(words, message, capsys):
    with pytest.raises(SystemExit) as ended:
        segment.main(words, prog="mmdet-vis segment")
    assert ended.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == f"mmdet-vis segment: error: {message}"


def test_a_video_that_is_not_there(folder):
    from mmdet_vis.errors import SourceError

    with pytest.raises(SourceError, match=r"^no.mp4: no such file or folder; give a video"):
        segment.main(["no.mp4", *SMALL])
    assert not (folder / "mmdet_vis_results").exists()
    assert "torch" in sys.modules
