"""What a page takes as a video: files, animations, images, zips of them; and what it refuses, with one line."""

from __future__ import annotations

import shutil
import zipfile

import numpy as np
import pytest
from PIL import Image

from mmdet_vis.errors import SourceError
from mmdet_vis.webui.inputs import Limits, check_video, clean_name, open_input, take_uploads
from tests.tiny import moving_frames, write_frames
from tests.webui.clips import encode, write_clip

LIMITS = Limits(max_megabytes=1, max_seconds=2)


@pytest.fixture
def take(tmp_path):
    def take_files(*files, limits=LIMITS):
        name = take_uploads(files, tmp_path / "project" / "input", limits)
        with open_input(tmp_path / "project" / "input") as source:
            return name, len(source), (source.height, source.width), list(source.warnings)

    return take_files


def animate(path, frames):
    pictures = [Image.fromarray(frame[..., ::-1]) for frame in frames]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=100, lossless=True)
    return path


def pack(path, files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, file in files.items():
            archive.writestr(name, file if isinstance(file, bytes) else file.read_bytes())
    return path


def test_a_video(take, tmp_path):
    assert take(write_clip(tmp_path / "clip.mp4")) == ("clip", 12, (64, 96), [])


def test_images_together_are_frames_in_natural_order(take, tmp_path):
    frames = write_frames(tmp_path / "frames", 11)
    files = [(file).rename(frames / f"shot_{int(file.stem)}.png") for file in sorted(frames.iterdir())]
    assert take(*reversed(files)) == ("shot", 11, (64, 96), [])
    with open_input(tmp_path / "project" / "input") as source:
        assert source.frame_names[1:3] + source.frame_names[-1:] == ["shot_1", "shot_2", "shot_10"]
        assert np.array_equal(source.read(10, 11)[0], moving_frames(11)[10])


@pytest.mark.parametrize("ending", ["webp", "png", "apng", "gif"])
def test_animations(take, tmp_path, ending):
    path = tmp_path / f"dance.{ending}"
    animate(path.with_suffix(".png") if ending == "apng" else path, moving_frames(5))
    if ending == "apng":
        path.with_suffix(".png").rename(path)
    assert take(path)[:3] == ("dance", 5, (64, 96))


@pytest.mark.parametrize("folder", ["", "frames/", "a/b/"])
def test_a_zip_of_images(take, tmp_path, folder):
    frames = sorted(write_frames(tmp_path / "frames", 4).iterdir())
    files = {f"{folder}{file.name}": file for file in frames} | {f"__MACOSX/{folder}._00000.png": b"x"}
    name, count, size, _ = take(pack(tmp_path / "shots.zip", files))
    assert (name, count, size) == ("shots", 4, (64, 96))


def test_a_zip_of_a_video(take, tmp_path):
    packed = pack(tmp_path / "clip.zip", {"film.mp4": write_clip(tmp_path / "film.mp4", frames=3)})
    assert take(packed)[:2] == ("clip", 3)


@pytest.mark.parametrize("name", ["input", "frames", "unpacked", "project"])
def test_a_zip_may_be_called_as_a_folder_of_the_server(take, tmp_path, name):
    frames = sorted(write_frames(tmp_path / "shots", 2).iterdir())
    assert take(pack(tmp_path / f"{name}.zip", {file.name: file for file in frames}))[:2] == (name, 2)
    assert [path.name for path in (tmp_path / "project").iterdir()] == ["input"]


def test_what_is_refused(take, tmp_path):
    clip, frames = write_clip(tmp_path / "clip.mp4"), sorted(write_frames(tmp_path / "frames", 2).iterdir())
    (tmp_path / "other").mkdir()
    twin = shutil.copy(frames[1], tmp_path / "other" / "00000.png")
    large = tmp_path / "large.mp4"
    large.write_bytes(bytes(1_100_000))
    two = {f"{folder}/0.png": frames[0] for folder in "ab"}
    many = {f"{number}.png": b"" for number in range(200)}
    for files, words in (
        ([], "no video: drop one"),
        ([clip, write_clip(tmp_path / "b.mp4")], "one video at a time: .* 2 are videos or archives"),
        ([frames[0], clip], "one video at a time: .* clip.mp4 is not"),
        ([frames[0], twin], "two images are called 00000.png"),
        ([large], "large.mp4 has 1.0 MB, this server takes 1"),
        ([tmp_path / "gone.mp4"], "gone.mp4 is no longer on the server"),
        ([write_clip(tmp_path / "long.mp4", frames=40)], "long.mp4 is longer than 2 s"),
        ([pack(tmp_path / "two.zip", two)], "two.zip holds 2 videos or folders"),
        ([pack(tmp_path / "many.zip", many)], "many.zip holds 200 files"),
        ([pack(tmp_path / "evil.zip", {"../evil.png": b""})], "leads out of its folder"),
        ([pack(tmp_path / "empty.zip", {"a.txt": b""})], "holds no input"),
    ):
        with pytest.raises(SourceError, match=words) as caught:
            take(*files)
        assert str(tmp_path) not in str(caught.value)
        assert "\n" not in str(caught.value)
        for left in (tmp_path / "project", tmp_path / "project" / "input"):
            if left.exists():
                shutil.rmtree(left)
    assert not (tmp_path / "evil.png").exists()


def test_names_are_those_of_files():
    assert clean_name("my clip é.v2") == "my_clip_é.v2"
    assert clean_name("../../etc") == "etc"
    assert clean_name("...") == clean_name("") == "video"
    assert len(clean_name("a" * 300)) == 60


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
