"""A job without a page: what it writes, what it leaves out, how it is stopped."""

from __future__ import annotations

import io
import json
import zipfile

import av
import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from mmdet_vis.api import load_model
from mmdet_vis.errors import ConfigError, SourceError
from mmdet_vis.webui.job import JobOptions, JobStoppedError, run_job
from tests.webui.clips import write_clip


@pytest.fixture(scope="module")
def model(tiny):
    return load_model(*tiny, device="cpu")


@pytest.fixture
def run(model, tmp_path):
    def run_on(video, *, seen=None, **options):
        folder = tmp_path / "results"
        folder.mkdir(exist_ok=True)
        steps = [] if seen is None else seen
        return run_job(model, video, folder, JobOptions(**options), lambda *step: steps.append(step))

    return run_on


def test_all_results_agree(run, tmp_path):
    seen = []
    done = run(write_clip(tmp_path / "my clip é.mp4"), seen=seen, score_thr=0.29)
    assert len(done.tracks) >= 2
    assert all(track.score >= 0.29 for track in done.tracks)

    entries = json.loads(done.results.read_text())
    best = {}
    for entry in entries:
        assert entry["video_id"] == 1
        assert entry["video_name"] == "my_clip_é"
        assert entry["score"] >= 0.29
        assert len(entry["segmentations"]) == 12
        best.setdefault(str(entry["segmentations"]), entry)
    assert len(best) == len(done.tracks)
    for entry, track in zip(best.values(), done.tracks, strict=True):
        assert [coco_mask.area(rle) for rle in entry["segmentations"]] == track.areas.tolist()

    with zipfile.ZipFile(done.pngs) as archive:
        assert archive.namelist() == [f"my_clip_é/{t:05d}.png" for t in range(12)]
        first = np.array(Image.open(io.BytesIO(archive.read("my_clip_é/00000.png"))))
    assert first.shape == (64, 96)
    # The best object is never covered.
    assert (first == 1).sum() == done.tracks[0].areas[0]

    with av.open(str(done.overlay)) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        assert video.streams.video[0].average_rate == 10
        assert sum(1 for _ in video.decode(video=0)) == 12
    assert {path.name for path in done.overlay.parent.iterdir()} == {
        "my_clip_é.json", "my_clip_é_overlay.mp4", "my_clip_é_png.zip",
    }  # fmt: skip
    assert done.timeline.count('class="track"') == len(done.tracks)
    assert f"{len(done.tracks)} objects in 12 frames of 96x64" in done.summary
    assert done.notes == []

    shares = [share for share, _ in seen]
    assert shares == sorted(shares)
    assert 0.9 < shares[-1] <= 1
    assert {"Following", "Drawing"} <= {text.split()[0] for _, text in seen}


def test_the_threshold_counts_everywhere(run, tmp_path):
    done = run(write_clip(tmp_path / "clip.mp4"), score_thr=1.0, key_num=1)
    assert done.tracks == []
    assert json.loads(done.results.read_text()) == []
    with zipfile.ZipFile(done.pngs) as archive:
        pictures = [np.array(Image.open(io.BytesIO(archive.read(name)))) for name in archive.namelist()]
    assert len(pictures) == 12
    assert not any(picture.any() for picture in pictures)
    assert "no object in 12 frames" in done.summary


@pytest.mark.parametrize(
    ("options", "frames"),
    [({"max_frames": 5}, 5), ({"max_seconds": 0.7}, 7), ({"max_frames": 9, "max_seconds": 0.01}, 1)],
)
def test_only_the_first_frames(run, tmp_path, options, frames):
    done = run(write_clip(tmp_path / "clip.mp4"), key_num=1, **options)
    assert done.notes == [f"only the first {frames} of 12 frames were used"]
    assert len(done.tracks[0].areas) == frames
    with av.open(str(done.overlay)) as video:
        assert sum(1 for _ in video.decode(video=0)) == frames


def test_more_than_there_is_changes_nothing(run, tmp_path):
    assert run(write_clip(tmp_path / "clip.mp4"), max_frames=100, max_seconds=60, key_num=1).notes == []


def test_options_reach_the_algorithm(run, tmp_path):
    clip = write_clip(tmp_path / "clip.mp4", frames=4)
    steps = {}
    for keys in (1, 2):
        seen = []
        run(clip, seen=seen, key_num=keys)
        steps[keys] = sum(text.startswith("Following") for _, text in seen)
    assert steps[1] != steps[2]
    assert run(clip, profile="fast", key_num=2).summary
    with pytest.raises(ConfigError, match="profile='slow'"):
        run(clip, profile="slow")


def test_damage_is_told(run, tmp_path):
    clip = write_clip(tmp_path / "clip.mkv", frames=60)
    clip.write_bytes(clip.read_bytes()[: clip.stat().st_size * 2 // 3])
    (note,) = run(clip, key_num=1).notes
    assert "frames" in note
    assert str(tmp_path) not in note
    (tmp_path / "text.mp4").write_text("hello")
    with pytest.raises(SourceError, match="cannot be read as a video"):
        run(tmp_path / "text.mp4")


@pytest.mark.parametrize("moment", ["Reading", "Looking", "Following", "Drawing", "Packing"])
def test_it_can_be_stopped_at_any_stage(model, tmp_path, moment):
    clip = write_clip(tmp_path / "clip.mp4")

    def stop(share, text):
        if text.startswith(moment):
            raise JobStoppedError("stopped")

    with pytest.raises(JobStoppedError):
        run_job(model, clip, tmp_path, JobOptions(key_num=1), stop)
    assert not list(tmp_path.glob("*overlay*")) or moment == "Packing"
