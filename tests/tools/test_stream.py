"""tools/test_vis.py --stream in processes of its own: pipes, kills, signals, and what is on the disk afterwards."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.errors import run_command
from mmdet_vis.structures import areas
from tests import programs
from tests.tiny import moving_frames, write_frames
from tests.tool_runs import wait_for


def encode(path: Path, frames: list[np.ndarray], fps: int = 10, **options: str) -> Path:
    with av.open(str(path), "w", options=options) as container:
        stream = container.add_stream("libx264", rate=fps, options={"g": "5", "bf": "0"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    return path


class StreamTool:
    """The tool with a small window, on one core."""

    def __init__(self, repository: Path, tiny: tuple[Path, Path]) -> None:
        self.command = [sys.executable, str(repository / "tools" / "test_vis.py"), *map(str, tiny), "--device", "cpu"]
        self.command += ["--key-num", "2", "--show-thr", "0"]
        self.environment = {**os.environ, "OMP_WAIT_POLICY": "PASSIVE"}

    def start(self, save: Path, *options: str) -> subprocess.Popen[str]:
        return programs.Popen(
            [*self.command, "--save-dir", str(save), *options],
            env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    def run(self, save: Path, *options: str, send: bytes = b"") -> tuple[int, str, str]:
        done = programs.run(
            [*self.command, "--save-dir", str(save), *options],
            env=self.environment, input=send, capture_output=True, timeout=300,
        )  # fmt: skip
        return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture(scope="module")
def tool(repository, tiny):
    return StreamTool(repository, tiny)


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pictures(path: Path) -> list[float]:
    """Times of the frames of a video."""
    with av.open(str(path)) as video:
        return [float(frame.time) for frame in video.decode(video=0)]


def last(text: str) -> str:
    return text.strip().splitlines()[-1]


def test_an_mp4_through_a_pipe(tool, tmp_path, tiny):
    frames = moving_frames(15, height=63, width=95)  # odd: H.264 has no such size
    even = [np.pad(frame, ((0, 1), (0, 1), (0, 0))) for frame in frames]
    clip = encode(tmp_path / "clip.mp4", even, movflags="faststart")
    options = ("--stream", "-", "--window", "8", "--overlap", "3", "--score-thr", "0")
    code, out, err = tool.run(tmp_path / "out", *options, send=clip.read_bytes())
    assert code == 0, err
    assert "stdin: 15 frames" in out
    found = lines(tmp_path / "out" / "stdin.jsonl")
    assert [line["frame"] for line in found] == list(range(15))
    assert [line["time"] for line in found] == pytest.approx([t / 10 for t in range(15)], abs=1e-3)
    times = pictures(tmp_path / "out" / "stdin.mp4")
    assert np.diff(times) == pytest.approx([0.1] * 14, abs=1e-3)
    # The first window is exactly what the Python interface gives for these frames.
    with av.open(str(clip)) as video:
        decoded = [frame.to_ndarray(format="bgr24") for frame in video.decode(video=0)]
    model = load_model(*tiny, device="cpu")
    seen = [s for s in segment_video(model, decoded[:8], key_num=2).sequences if areas(s.masks).any()]
    for t in range(8):
        visible = [s.masks[t] for s in seen if areas(s.masks)[t]]
        assert [o["segmentation"] for o in found[t]["objects"]] == visible
    objects = [o for line in found for o in line["objects"]]
    assert {o["category"] for o in objects} <= {"cat", "dog", "bird"}
    assert all(0 <= o["score"] <= 1 and 1 <= o["category_id"] <= 3 for o in objects)
    assert {o["id"] for o in objects} == set(range(1, max(o["id"] for o in objects) + 1))
    assert f"{max(o['id'] for o in objects)} objects" in out
    assert not list((tmp_path / "out").glob(".*"))


def test_a_folder_of_frames_without_times(tool, tmp_path):
    folder = write_frames(tmp_path / "clip", 5, height=50, width=71)
    out = tmp_path / "out"
    code, _, err = tool.run(out, "--stream", str(folder))
    assert code == 0, err
    assert [line["time"] for line in lines(out / "clip.jsonl")] == [None] * 5
    assert np.diff(pictures(out / "clip.mp4")) == pytest.approx([1 / 6] * 4, abs=1e-3)
    with av.open(str(out / "clip.mp4")) as video:
        stream = video.streams.video[0]
        assert (stream.height, stream.width) == (50, 72)


def test_killed_in_the_middle_everything_before_can_be_read(tool, tmp_path):
    clip = encode(tmp_path / "clip.mkv", moving_frames(400))
    found = tmp_path / "out" / "clip.jsonl"
    process = tool.start(tmp_path / "out", "--stream", str(clip), "--window", "10", "--overlap", "2")
    wait_for(process, lambda: found.exists() and found.read_bytes().count(b"\n") >= 18)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    rows = lines(found)
    assert 18 <= len(rows) < 400
    assert [row["frame"] for row in rows] == list(range(len(rows)))
    times = pictures(tmp_path / "out" / "clip.mp4")
    assert len(times) >= len(rows) - 2
    assert np.diff(times) == pytest.approx([0.1] * (len(times) - 1), abs=2e-3)


def test_a_signal_ends_with_everything_flushed(tool, tmp_path):
    clip = encode(tmp_path / "clip.mkv", moving_frames(400))
    found = tmp_path / "out" / "clip.jsonl"
    process = tool.start(tmp_path / "out", "--stream", str(clip), "--window", "10", "--overlap", "2")
    wait_for(process, lambda: found.exists() and found.read_bytes().count(b"\n") >= 10)
    start = time.monotonic()
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=60)
    assert time.monotonic() - start < 30
    assert process.returncode == 130, err
    assert last(err) == "interrupted"
    assert "Traceback" not in err
    rows = lines(found)
    assert 10 <= len(rows) < 400
    assert f"clip: {len(rows)} frames" in out
    assert len(pictures(tmp_path / "out" / "clip.mp4")) == len(rows)


def test_a_pipe_that_stalls(tool, tmp_path):
    clip = encode(tmp_path / "clip.ts", moving_frames(30))
    process = tool.start(tmp_path / "out", "--stream", "-", "--timeout", "1", "--window", "8", "--overlap", "2")
    assert process.stdin is not None
    process.stdin.buffer.write(clip.read_bytes())
    process.stdin.flush()
    out = process.stdout.read()  # the pipe stays open
    err = process.stderr.read()
    assert process.wait(60) == 2
    process.stdin.close()
    rows = lines(tmp_path / "out" / "stdin.jsonl")
    assert 20 <= len(rows) <= 30
    assert last(err).startswith(f"error: standard input: stalled, no frame came for 1 s after frame {len(rows)}")
    assert "Traceback" not in err
    assert f"stdin: {len(rows)} frames" in out
    assert len(pictures(tmp_path / "out" / "stdin.mp4")) == len(rows)


def test_an_address_where_nobody_answers(tool, tmp_path):
    code, _, err = tool.run(tmp_path / "out", "--stream", "http://127.0.0.1:9/live")
    assert code == 2
    assert last(err).startswith("error: http://127.0.0.1:9/live: cannot be opened as a video")
    assert "Traceback" not in err
    assert not list((tmp_path / "out").iterdir())


@pytest.fixture(scope="module")
def main(repository):
    """The tool's main function in this process: what is wrong with the words needs no network to be loaded."""
    spec = importlib.util.spec_from_file_location("test_vis_tool", repository / "tools" / "test_vis.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--stream", "nowhere.mp4"], "error: nowhere.mp4: no such file"),
        (["--stream", "0", "--window", "8", "--overlap", "8"], "error: --overlap must be a whole number from 1 to 7"),
        (["--stream", ".", "--format", "png"], "error: --format png: of a stream json and video are written"),
        (["--stream", "0", "--input-dir", "."], "--stream and --input-dir are two kinds of input"),
        (["--stream", "0", "--eval"], "--eval is for runs over a dataset: leave it out with --stream"),
        (["--window", "8", "--input-dir", "."], "--window is an option of --stream"),
        (["--stream", "0", "--timeout", "0"], "use a number of seconds above 0"),
    ],
)
def test_mistakes_are_one_clear_line(main, tiny, tmp_path, monkeypatch, capsys, options, words):
    monkeypatch.setattr(sys, "argv", ["test_vis.py", *map(str, tiny), "--save-dir", str(tmp_path / "out"), *options])
    with pytest.raises(SystemExit) as ended:
        run_command(main)
    assert ended.value.code == 2
    assert words in last(capsys.readouterr().err)
