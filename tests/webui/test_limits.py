"""Videos that are missing, too large or too long are refused with one line before they are decoded."""

from __future__ import annotations

import pytest

from mmdet_vis.errors import SourceError
from mmdet_vis.webui.limits import Limits, check_video
from tests.tiny import moving_frames
from tests.webui.clips import encode, write_clip


@pytest.mark.parametrize("ending", ["mp4", "mkv", "avi"])
def test_length_is_allowed_up_to_the_limit(tmp_path, ending):
    clip = write_clip(tmp_path / f"clip.{ending}", frames=20)  # two seconds
    check_video(clip, Limits(max_seconds=2))
    with pytest.raises(SourceError, match=rf"^clip.{ending} is longer than 1.7 s.*: cut it$"):
        check_video(clip, Limits(max_seconds=1.7))


def test_size(tmp_path):
    clip = write_clip(tmp_path / "clip.mp4")
    with clip.open("ab") as file:
        file.write(bytes(1_150_000))
    check_video(clip, Limits(max_megabytes=2))
    with pytest.raises(SourceError, match=r"^clip.mp4 has 1.1 MB, this server takes 1: "):
        check_video(clip, Limits(max_megabytes=1))


def test_frames_count_besides_seconds(tmp_path):
    clip = encode(tmp_path / "fast.mp4", moving_frames(121), fps=1000)
    with pytest.raises(SourceError, match=r"fast\.mp4 has more than 120 frames"):
        check_video(clip, Limits(max_seconds=2))
    check_video(encode(tmp_path / "fast.mp4", moving_frames(120), fps=1000), Limits(max_seconds=2))


def test_few_frames_over_a_long_time(tmp_path):
    """What counts is the time that they take, whatever the rate says."""
    clip = encode(tmp_path / "lapse.mp4", moving_frames(4), fps=10, stamps=[0, 1, 2, 300])
    with pytest.raises(SourceError, match=r"lapse\.mp4 is longer than 5 s"):
        check_video(clip, Limits(max_seconds=5))


def test_missing_and_unreadable(tmp_path):
    with pytest.raises(SourceError, match=r"^gone.mp4 is no longer on the server: drop it again$"):
        check_video(tmp_path / "gone.mp4", Limits())
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(SourceError, match="cannot be read as a video"):
        check_video(tmp_path / "text.mp4", Limits())
