"""Files that grow: readable at every moment, with true times."""

from __future__ import annotations

import json
import resource
import shutil
from pathlib import Path

import av
import numpy as np
import pytest

from mmdet_vis.errors import ConfigError, OutputError
from mmdet_vis.streaming import FrameResult, StreamObject
from mmdet_vis.streaming.run import FragmentedVideoWriter, JsonLinesWriter, stream_places
from mmdet_vis.structures import encode_masks
from tests.tiny import moving_frames


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as video:
        return [float(frame.time) for frame in video.decode(video=0)]


def test_a_video_can_be_played_while_it_is_written(tmp_path):
    frames = moving_frames(12)
    path = tmp_path / "a.mp4"
    with FragmentedVideoWriter(path, 10, (64, 96)) as writer:
        for index, frame in enumerate(frames):
            writer.write(frame, index / 10)
            shutil.copy(path, tmp_path / "now.mp4")  # what a kill at this moment would leave
            if index >= 2:
                assert len(times_of(tmp_path / "now.mp4")) >= index
    assert times_of(path) == pytest.approx([t / 10 for t in range(12)], abs=1e-4)
    with av.open(str(path)) as video:
        decoded = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]
    assert all(np.abs(a.astype(int) - b).mean() < 6 for a, b in zip(frames, decoded, strict=True))


def test_dropped_frames_do_not_make_a_video_faster(tmp_path):
    path = tmp_path / "a.mp4"
    given = [0.0, 0.1, 0.7, 0.7, None, 3.0]
    with FragmentedVideoWriter(path, 10, (64, 96)) as writer:
        for frame, time in zip(moving_frames(6), given, strict=True):
            writer.write(frame, time)
    assert times_of(path) == pytest.approx([0, 0.1, 0.7, 0.7, 0.8, 3.0], abs=1e-3)


def test_broadcast_rates_do_not_drift(tmp_path):
    with FragmentedVideoWriter(tmp_path / "a.mp4", 30000 / 1001, (64, 96)) as writer:
        for frame in moving_frames(30):
            writer.write(frame, None)
    assert times_of(tmp_path / "a.mp4")[-1] == pytest.approx(29 * 1001 / 30000, abs=1e-4)


def test_each_line_is_on_its_way_at_once(tmp_path):
    mask = encode_masks(np.ones((1, 4, 6), np.uint8))[0]
    image = np.zeros((4, 6, 3), np.uint8)
    with JsonLinesWriter(tmp_path / "a.jsonl") as writer:
        writer.write(FrameResult(3, 0.25, image, [StreamObject(7, 1, "größer", 0.5, mask)]))
        first = json.loads((tmp_path / "a.jsonl").read_text())
        writer.write(FrameResult(4, None, image))
    entry = {"id": 7, "category_id": 2, "category": "größer", "score": 0.5, "segmentation": mask}
    assert first == {"frame": 3, "time": 0.25, "objects": [entry]}
    second = json.loads((tmp_path / "a.jsonl").read_text().splitlines()[1])
    assert second == {"frame": 4, "time": None, "objects": []}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_line(tmp_path):
    (tmp_path / "a.jsonl").symlink_to("/dev/full")
    with JsonLinesWriter(tmp_path / "a.jsonl") as writer, pytest.raises(OutputError, match=r"a\.jsonl: No space left"):
        writer.write(FrameResult(0, None, np.zeros((4, 6, 3), np.uint8)))


def test_a_disk_that_fills_up_leaves_whole_lines(tmp_path):
    """The limit on the size of files stands for the disk: it, too, takes the part of a line that fits."""
    result = FrameResult(0, None, np.zeros((4, 6, 3), np.uint8))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with JsonLinesWriter(tmp_path / "a.jsonl") as writer:
        writer.write(result)
        line = (tmp_path / "a.jsonl").read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * len(line) + 5, before[1]))
        try:
            writer.write(result)
            with pytest.raises(OutputError, match=r"a\.jsonl: File too large; what came before is kept"):
                writer.write(result)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        assert (tmp_path / "a.jsonl").read_bytes() == 2 * line
        writer.write(result)
    assert (tmp_path / "a.jsonl").read_bytes() == 3 * line


def test_places_are_checked_before_the_work(tmp_path):
    places = stream_places("cam", "0", tmp_path / "out", ("json", "video"), overwrite=False)
    assert places == {"json": tmp_path / "out" / "cam.jsonl", "video": tmp_path / "out" / "cam.mp4"}
    places["json"].write_text("yesterday's\n")
    with pytest.raises(OutputError, match=r"cam\.jsonl is there already: overwrite=True replaces it"):
        stream_places("cam", "0", tmp_path / "out", ("json", "video"), overwrite=False)
    assert stream_places("cam", "0", tmp_path / "out", ("video",), overwrite=False)
    assert stream_places("cam", "0", tmp_path / "out", ("json",), overwrite=True)
    assert places["json"].read_text() == "yesterday's\n"
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a video")
    with pytest.raises(OutputError, match="it is the input"):
        stream_places("clip", str(clip), tmp_path, ("video",), overwrite=True)
    with pytest.raises(ConfigError, match=r"formats=.overlay.: of a stream json and video are written"):
        stream_places("clip", str(clip), tmp_path, ("overlay",), overwrite=False)
