"""Results of video files become something to train on: all in one file, with their frames beside it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmdet_vis.api import VideoResult
from mmdet_vis.commands.convert import main
from mmdet_vis.data.clips import YTVISClips
from mmdet_vis.data.converters.frames import write_frames
from mmdet_vis.data.formats.identify import identify
from mmdet_vis.errors import DatasetError, OutputError, ResultsError
from mmdet_vis.visualization.video_writer import VideoWriter
from tests.structures.cases import make_result, random_masks
from tests.tiny import moving_frames


@pytest.fixture
def videos(tmp_path: Path) -> Path:
    """A video file ``a`` and a folder of frames ``b``, of four frames each."""
    folder = tmp_path / "videos"
    (folder / "b").mkdir(parents=True)
    frames = moving_frames(4)
    with VideoWriter(folder / "a.mp4", 25, frames[0].shape[:2]) as video:
        for number, frame in enumerate(frames):
            video.write(frame)
            assert cv2.imwrite(str(folder / "b" / f"{number + 7}.png"), frame)
    return folder


def save_results(folder: Path) -> None:
    """What a run over the videos saves; the first object of each is a ball that a person named."""
    folder.mkdir()
    height, width = moving_frames(1)[0].shape[:2]
    for name, stems in (("a", [f"{t:05d}" for t in range(4)]), ("b", [f"{t + 7}" for t in range(4)])):
        masks = random_masks(frames=4, height=height, width=width)
        result = make_result(masks, VideoResult, name=name, frame_names=stems)
        result.sequences[0].score, result.sequences[0].named = 0.01, True
        result.save(folder / f"{name}.result.json")


def test_frames_of_files_and_folders(videos: Path, tmp_path: Path) -> None:
    assert write_frames(videos, tmp_path / "frames") == (2, 8)
    assert sorted(file.name for file in (tmp_path / "frames" / "a").iterdir()) == [f"{t:05d}.jpg" for t in range(4)]
    assert (tmp_path / "frames" / "b" / "9.png").read_bytes() == (videos / "b" / "9.png").read_bytes()
    shown = cv2.imread(str(tmp_path / "frames" / "a" / "00002.jpg")).astype(int)
    assert np.abs(shown - moving_frames(4)[2]).mean() < 8  # lossy twice
    assert write_frames(videos, videos, ["b"]) == (1, 4)  # where they are already
    with pytest.raises(DatasetError, match="has no video 'c': it has a, b"):
        write_frames(videos, tmp_path / "frames", ["c"])


def test_a_folder_of_results_can_be_trained_on(
    videos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    save_results(tmp_path / "fixed")
    monkeypatch.chdir(tmp_path)
    assert identify(Path("fixed")) == ("result", Path("fixed"))
    arguments = ["fixed", "data/all.json", "--images", "videos", "--frames-to", "data/frames"]
    assert main([*arguments, "--score-thr", "0.3", "--val-share", "0.5"]) == 0
    said = capsys.readouterr().out
    assert "wrote 8 frames of 2 videos of videos to data/frames" in said
    assert "that are not in" not in said  # every frame is found, also PNGs, of which a result knows the stem
    clips = [YTVISClips(name, "frames", num_frames=1) for name in ("all.json", "all_val.json")]
    assert [clip.videos[0].files[0].name for clip in clips] == ["00000.jpg", "7.png"]
    for part in clips:
        assert len(part[(0, 0)].images) == 1
        assert 1 in part.videos[0].labels  # named by a person, so its score does not count


def test_only_the_frames_that_are_needed_once_all_is_well(
    videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_results(tmp_path / "fixed")
    frames, target = tmp_path / "frames", tmp_path / "out.json"
    rest = [str(target), "--images", str(videos), "--frames-to", str(frames)]
    with pytest.raises(DatasetError, match="has no category 'wolf'"):
        main([str(tmp_path / "fixed"), *rest, "--categories", "wolf"])
    assert not frames.exists()
    assert main([str(tmp_path / "fixed/b.result.json"), *rest]) == 0
    assert [folder.name for folder in frames.iterdir()] == ["b"]
    (videos / "a.mp4").rename(videos / "other.mp4")
    with pytest.raises(DatasetError, match="has no video 'a': it has b, other"):
        main([str(tmp_path / "fixed/a.result.json"), *rest])
    capsys.readouterr()


def test_what_may_be_corrected_by_hand_is_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_results(tmp_path / "fixed")
    result, folder, file = (str(tmp_path / name) for name in ("fixed/b.result.json", "index", "out.json"))
    assert main([result, folder, "--to", "index"]) == 0
    with pytest.raises(OutputError, match=r"index holds something already, .*with overwrite=True"):
        main([result, folder, "--to", "index"])
    left = tmp_path / "index/b" / f".tmp-{'0' * 32}.png"  # of a conversion that was killed
    left.write_bytes(b"")
    assert main([result, folder, "--to", "index", "--overwrite"]) == 0
    assert not left.exists()
    assert main([result, file]) == 0
    assert f"wrote {file}" in capsys.readouterr().out
    assert main([result, file]) == 0
    assert f"replaced {file}" in capsys.readouterr().out


def test_what_is_missing_is_said(videos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main([str(videos), str(tmp_path / "x.json"), "--frames-to", str(tmp_path / "frames")])
    assert "--frames-to needs --images" in capsys.readouterr().err
    with pytest.raises(ResultsError, match="holds no saved result"):
        main([str(videos), str(tmp_path / "x.json"), "--from", "result"])
