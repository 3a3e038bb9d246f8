"""Files whose names say something else than what is in them, pictures that are not read, streams among others."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image, features

from mmdet_vis.data.sources import find_inputs, open_source
from mmdet_vis.data.sources.video_index import aspect_note
from mmdet_vis.errors import SourceError
from mmdet_vis.streaming.container import FileStream

SIZE = (48, 64)


def pixels(channels: int = 3, size: tuple[int, int] = SIZE) -> np.ndarray:
    picture = np.full((*size, channels), 90, np.uint8)
    picture[10:20, 10:20, :3] = (200, 220, 30)
    if channels == 4:
        picture[..., 3] = 255
        picture[:5, :, 3] = 0
    return picture


def video(
    path: Path,
    codec: str = "libx264",
    form: str = "yuv420p",
    channels: int = 3,
    sizes: Any = (SIZE,),
    container: str | None = None,
    frames: int = 3,
    title: str = "",
) -> Path:
    with av.open(str(path), "w", format=container) as file:
        file.metadata["title"] = title
        streams = []
        for height, width in sizes:
            stream: Any = file.add_stream(codec, rate=25)
            stream.width, stream.height, stream.pix_fmt = width, height, form
            streams.append((stream, pixels(channels, (height, width))))
        for index in range(frames):
            for stream, picture in streams:
                frame = av.VideoFrame.from_ndarray(picture, "rgba" if channels == 4 else "rgb24").reformat(format=form)
                frame.pts, frame.time_base = index, Fraction(1, 25)
                file.mux(stream.encode(frame))
        for stream, _ in streams:
            file.mux(stream.encode())
    return path


def bare(folder: Path, ending: str) -> Path:
    """A stream without a container, as cameras leave it."""
    codec, form, kind = {
        "mjpeg": ("mjpeg", "yuvj420p", "mjpeg"),
        "h264": ("libx264", "yuv420p", "h264"),
        "y4m": ("rawvideo", "yuv420p", "yuv4mpegpipe"),
    }[ending]
    return video(folder / f"a.{ending}", codec, form, container=kind)


def image(path: Path, form: str = "PNG") -> Path:
    Image.fromarray(pixels()).save(path, form)
    return path


@pytest.mark.parametrize(
    ("make", "frames", "said"),
    [
        (lambda p: shutil.move(video(p / "a.mp4"), p / "a.jpg"), 3, ["is a video, other than its name says"]),
        (lambda p: image(p / "a.mp4"), 1, ["is an image, other than its name says"]),
        (lambda p: image(p / "a.png", "WEBP"), 1, []),
        (lambda p: shutil.move(video(p / "a.mp4"), p / "a"), 3, []),
        (lambda p: shutil.move(video(p / "a.mkv"), p / "-50%d ä#:x.MKV"), 3, []),
        (lambda p: video(p / "a.mov", "qtrle", "argb", 4), 3, ["has transparency, which is ignored"]),
        (lambda p: video(p / "a.mov", "qtrle", "argb"), 3, []),
        (lambda p: video(p / "a.mov", sizes=(SIZE, (24, 32))), 3, ["has 2 video streams: the one of 64x48 is used"]),
        (lambda p: video(p / "a.avi", "mjpeg", "yuvj420p", sizes=((49, 65),)), 3, []),
        (lambda p: video(p / "a.mp4", form="yuv444p", sizes=((49, 65),)), 3, []),
        (lambda p: video(p / "a.mp4", form="gray"), 3, []),
        (lambda p: bare(p, "mjpeg"), 3, ["no time stamps: its 3 frames are taken as 25 per second"]),
        (lambda p: bare(p, "h264"), 3, ["no time stamps: its 3 frames are taken as 25 per second"]),
        (lambda p: bare(p, "y4m"), 3, []),
    ],
)
def test_what_counts_is_in_the_file(tmp_path: Path, make: Callable[[Path], Any], frames: int, said: list[str]) -> None:
    path = Path(make(tmp_path))
    with open_source(path) as source:
        assert len(source) == frames
        assert source.warnings == [f"{path}: {line}" for line in said]
        ground, thing = (int(source.read(0, 1)[0][y, x].max()) for y, x in ((40, 50), (15, 15)))
        assert abs(ground - 90) < 8
        assert thing > 180


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow has no AVIF")
def test_avif(tmp_path: Path) -> None:
    image(tmp_path / "0.avif", "AVIF")
    Image.fromarray(pixels()).save(tmp_path / "1.avif", save_all=True, append_images=[Image.fromarray(pixels())] * 2)
    assert [len(open_source(tmp_path / name)) for name in ("0.avif", "1.avif")] == [1, 3]
    assert find_inputs(tmp_path) == [tmp_path / "1.avif"]
    data = bytearray((tmp_path / "1.avif").read_bytes())
    unit = data.index(b"mdhd") + 24
    data[unit : unit + 4] = bytes(4)  # parts of a second: Pillow divides by them
    (tmp_path / "1.avif").write_bytes(data)
    with pytest.raises(SourceError, match=r"1\.avif: no frame can be decoded"):
        open_source(tmp_path / "1.avif")


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100)


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.heic", HEIC, r"HEIC images, which are not read: save them as JPEG \(heif-convert"),
        ("a.jpg", HEIC, "HEIC images, which are not read"),
        ("a.exr", b"v/1\1", "images of high dynamic range, which are not read: save them as 16-bit PNG or TIFF"),
        ("a.DNG", b"II*\0" + bytes(50), "raw images of a camera, which are not read: develop them"),
        ("a.psd", b"8BPS", "save them as PNG"),
        ("a.mp4", b"", "cannot be read as a video"),
        ("b.mp4", b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer: get the file itself"),
        ("c.jpg", b"\n<!DOCTYPE html><html>", "is a web page: download the file itself"),
        ("e.mp4", b"Rar!\x1a\x07", "is an archive of a kind that is not read: unpack it and give the folder"),
        ("f.mp4", b"7z\xbc\xaf\x27\x1c", "is an archive of a kind that is not read"),
        ("g.mp4", b"PK\3\4", "is a zip archive that is cut short: get it again"),
        ("d.mp4", b"#EXTM3U\nfile:///etc/passwd\n", "is a playlist: give the video that it names"),
    ],
)
def test_pictures_that_are_not_read(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(SourceError, match=message):
        open_source(tmp_path / name)
    if not name.endswith((".jpg", ".mp4")):  # those count as what they are called
        with pytest.raises(SourceError, match=f"holds no images; 1 files are .*{message}"):
            open_source(tmp_path)
        with pytest.raises(SourceError, match=f"holds no input; 1 files are .*{message}"):
            find_inputs(tmp_path)


def test_a_cover_is_no_video(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        sound: Any = container.add_stream("aac", rate=44100)
        cover: Any = container.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = av.stream.Disposition.attached_pic
        frame = av.VideoFrame.from_ndarray(pixels(), "rgb24").reformat(format="yuvj420p")
        frame.pts = 0
        container.mux(cover.encode(frame))
        for index in range(10):
            samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
            samples.sample_rate, samples.pts = 44100, 1024 * index
            container.mux(sound.encode(samples))
        container.mux(sound.encode())
    with pytest.raises(SourceError, match="has a cover picture and no video"):
        open_source(tmp_path / "song.mp4")


def test_folders_as_systems_leave_them(tmp_path: Path) -> None:
    names = ("frame2.png", "frame10.JPG", "._frame2.png", "Thumbs.db", "desktop.ini", ".DS_Store", "__MACOSX/x.png")
    for name in names:
        (tmp_path / "day 1/clip" / name).parent.mkdir(parents=True, exist_ok=True)
        image(tmp_path / "day 1/clip" / name)
    with open_source(tmp_path / "day 1/clip") as source:
        assert (source.frame_names, source.warnings) == (["frame2", "frame10"], [])
    video(tmp_path / "day 1/x.mp4")
    (tmp_path / "day 2").mkdir()
    video(tmp_path / "day 2/y.mp4")
    # Where a folder holds nothing itself, what is deeper in it counts.
    assert [path.name for path in find_inputs(tmp_path)] == ["x.mp4", "clip", "y.mp4"]


def test_names_of_frames_that_let_one_doubt(tmp_path: Path) -> None:
    names = {
        "gaps": ("5.png", "10.png", "15.png", "30.png", "35.png"),
        "steps": ("00000.png", "00005.png", "00010.png"),
        "apart": ("frame2.png", "frame10.png", "frame900.png"),
        "twice": ("0.png", "0.jpg", "1.png"),
    }
    said = {"gaps": "2 of 7 numbers are missing: its frames follow each other",
            "twice": "1 of 3 images have the name of another with another ending: each is a frame"}  # fmt: skip
    for folder, files in names.items():
        (tmp_path / folder).mkdir()
        for name in files:
            image(tmp_path / folder / name, "JPEG" if name.endswith("jpg") else "PNG")
        with open_source(tmp_path / folder) as source:
            assert source.warnings == [f"{tmp_path / folder}: {said[folder]}" for _ in range(folder in said)]


def test_frames_whose_size_changes_on_the_way_are_scaled_and_said(tmp_path: Path) -> None:
    first, second = bare(tmp_path, "h264").read_bytes(), video(tmp_path / "b.h264", sizes=((64, 96),), container="h264")
    (tmp_path / "c.h264").write_bytes(first + second.read_bytes())
    said = "of another size (96x64): scaled to the first one's 64x48"
    with open_source(tmp_path / "c.h264") as source:
        assert {frame.shape for frame in source.read(0, 6)} == {(48, 64, 3)}
        assert any(line.endswith(f"3 of 6 frames are {said}") for line in source.warnings)
    with closing(FileStream(tmp_path / "c.h264")) as stream:
        assert [frame.image.shape for frame in stream.frames()] == [(48, 64, 3)] * 6
        assert any(f"frame 3 is {said}" in line for line in stream.notes)


def test_recordings_that_were_joined_keep_what_is_whole(tmp_path: Path) -> None:
    parts = [video(tmp_path / f"{name}.ts", frames=8).read_bytes() for name in "ab"]
    (tmp_path / "joined.ts").write_bytes(b"".join(parts))
    with open_source(tmp_path / "joined.ts") as source:
        assert 0 < len(source) <= 8
        assert any("damaged; only the" in line for line in source.warnings)


@pytest.mark.parametrize(("ending", "codec"), [(".ivf", "libvpx"), (".m1v", "mpeg1video")])
def test_bare_streams(tmp_path: Path, ending: str, codec: str) -> None:
    path = tmp_path / f"a{ending}"
    with av.open(str(path), "w", format={".m1v": "mpeg1video"}.get(ending)) as container:
        stream = container.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for _ in range(3):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), format="rgb24")))
        container.mux(stream.encode())
    assert find_inputs(tmp_path) == [path]
    assert len(open_source(path)) == 3


@pytest.mark.parametrize(("ending", "fix"), [(".braw", "export H.264"), (".wtv", "convert it to mp4")])
def test_videos_that_are_not_read(tmp_path: Path, ending: str, fix: str) -> None:
    (tmp_path / f"a{ending}").write_bytes(bytes(100))
    with pytest.raises(SourceError, match=f"is one of the .*{fix}"):
        open_source(tmp_path / f"a{ending}")


def test_sizes_of_turned_pixels_that_are_not_square() -> None:
    assert "(16:15, shown as 768x576): masks are of the stored 720x576" in aspect_note(Fraction(16, 15), (576, 720))
    assert "(15:16, shown as 576x768): masks are of the stored 576x720" in aspect_note(
        Fraction(16, 15), (576, 720), True
    )


def test_text_that_is_no_utf_8_is_no_error(tmp_path: Path) -> None:
    path = video(tmp_path / "old_camera.mkv", title="summer of 1998")
    content = path.read_bytes()
    assert b"summer of 1998" in content
    path.write_bytes(content.replace(b"summer of 1998", b"\xe9t\xe9, en c\xf4te   "))
    with open_source(path) as opened, closing(FileStream(path)) as stream:
        assert len(opened) == len(list(stream.frames())) == 3
