"""Images, videos and folders of frames."""

from __future__ import annotations

import random
from pathlib import Path

from mmdet_vis.data.clips.raw import read_image
from mmdet_vis.data.sources import find_inputs, open_source
from mmdet_vis.errors import SourceError
from mmdet_vis.streaming.frames import Stream
from mmdet_vis.streaming.sources import FolderStream, check_source
from tests.reliability.fuzzing.damage import damage_bytes
from tests.reliability.fuzzing.media import IMAGES, image_file
from tests.reliability.fuzzing.reader import SPECIAL, Attempts, Reader, make_special, odd_name, the_file

READ_FRAMES = 40


def make_image(rng: random.Random, folder: Path, templates: Path) -> str:
    """An image of any kind, most of them damaged."""
    kind = rng.choice(IMAGES)
    ending, data = image_file(rng, kind)
    if rng.random() < 0.6:
        damage, data = damage_bytes(rng, data)
        kind = f"{kind}, {damage}"
    if rng.random() < 0.1:
        ending = rng.choice((".jpg", ".PNG", ".webp", ".bmp"))
    (folder / odd_name(rng, ending)).write_bytes(data)
    return kind


def read_image_file(folder: Path) -> None:
    """As a video of one frame, and as an image to train on."""
    file = the_file(folder)
    size = (24, 32)
    with Attempts() as attempts:
        with attempts.another(), open_source(file) as source:
            size = (source.height, source.width)
            frame = source.read(0, 1)[0]
            assert frame.shape == (*size, 3)
        with attempts.another():
            read_image(file, size)


def make_video(rng: random.Random, folder: Path, templates: Path) -> str:
    """A video, most of them damaged."""
    source = rng.choice(sorted((templates / "videos").iterdir()))
    kind, data = source.name, source.read_bytes()
    for _ in range(rng.choice((0, 1, 1, 1, 2))):
        damage, data = damage_bytes(rng, data)
        kind = f"{source.name}, {damage}"
    (folder / odd_name(rng, source.suffix)).write_bytes(data)
    return kind


def read_video(folder: Path) -> None:
    """Frames forwards, from the end, and as a stream."""
    file = the_file(folder)
    with Attempts() as attempts:
        with attempts.another(), open_source(file) as source:
            last = len(source) - 1
            for start in (0, last, last // 2, max(last - 5, 0)):
                for frame in source.read(start, min(start + 3, len(source))):
                    assert frame.shape == (source.height, source.width, 3)
        with attempts.another():
            from mmdet_vis.streaming.container import FileStream

            check_source(str(file))
            _read_stream(FileStream(file))


def _read_stream(stream: Stream) -> None:
    try:
        for number, frame in enumerate(stream.frames()):
            assert frame.image.ndim == 3
            if number >= READ_FRAMES:
                break
    finally:
        stream.close()


def make_folder(rng: random.Random, folder: Path, templates: Path) -> str:
    """A folder with videos, folders of frames, and things that are neither."""
    kinds = []
    for number in range(rng.randrange(1, 4)):
        kind = rng.choice(("frames", "frames", "frames", "frames", "video", *SPECIAL, "odd"))
        kinds.append(kind)
        name = folder / (f"clip{number}" if rng.random() < 0.7 else odd_name(rng, str(number)))
        if kind == "frames":
            _make_frames(rng, name)
        elif kind == "video":
            videos = templates / "videos"
            _, data = damage_bytes(rng, rng.choice(sorted(videos.iterdir())).read_bytes())
            name.with_suffix(".mp4").write_bytes(data)
        elif kind == "link loop":
            name.with_suffix(rng.choice(("", ".mp4", ".png"))).symlink_to(rng.choice((".", "..", name.name, "missing")))
        else:
            make_special(rng, kind, name.with_name(name.name + rng.choice(("", ".mp4", ".png", ".jpg"))))
    return ", ".join(kinds)


def _make_frames(rng: random.Random, folder: Path) -> None:
    """A folder of one to four frames, some of them damaged, of another size, or no images at all."""
    folder.mkdir()
    kind = rng.choice(("jpeg", "png", "webp", "bmp"))
    state = rng.getstate()
    for number in range(rng.randrange(1, 5)):
        if rng.random() < 0.9:
            rng.setstate(state)  # the same size as the others
        ending, data = image_file(rng, kind)
        rng.seed(rng.randrange(2**32) + number)
        if rng.random() < 0.2:
            _, data = damage_bytes(rng, data)
        (folder / f"{number}{ending}").write_bytes(data)
    if rng.random() < 0.3:
        kind = rng.choice((*SPECIAL, "odd"))
        make_special(rng, kind, folder / f"9{rng.choice(('.png', '.jpg', ''))}")


def read_folder(folder: Path) -> None:
    """What a run over a folder reads, then every entry by itself."""
    with Attempts(every=True) as attempts:
        inputs: list[Path] = []
        with attempts.another():
            inputs = find_inputs(folder)
        for entry in [*inputs, *sorted(folder.iterdir())]:
            with attempts.another(), open_source(entry) as source:
                source.read(0, min(len(source), READ_FRAMES))
            with attempts.another():
                check_source(str(entry))
                if entry.is_dir():
                    _read_stream(FolderStream(entry))
        if not inputs:
            raise SourceError(f"{folder}: nothing to read")


READERS = (
    Reader("image", make_image, read_image_file),
    Reader("video", make_video, read_video),
    Reader("folder", make_folder, read_folder),
)
