"""The command line tool on folders and videos, in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import torch

from mmdet_vis.data.formats import read_index_png
from tests import programs
from tests.tiny import moving_frames, write_frames
from tests.tool_runs import TWO_PROCESSES, Tool, files_of


def encode(path: Path, frames: list[np.ndarray], fps: int = 10) -> Path:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(scope="session")
def run_tool(repository, tiny):
    def run(inputs: Path, save: Path, *options: str, config=None, checkpoint=None) -> subprocess.CompletedProcess:
        command = [sys.executable, str(repository / "tools" / "test_vis.py"), str(config or tiny[0])]
        command += [str(checkpoint or tiny[1]), "--input-dir", str(inputs), "--save-dir", str(save)]
        command += ["--device", "cpu", *options]
        return programs.run(command, capture_output=True, text=True, cwd=inputs.parent)

    return run


def fails(process: subprocess.CompletedProcess, *words: str) -> None:
    assert process.returncode not in (0, 1), process.stdout
    last = process.stderr.strip().splitlines()[-1]
    assert last.startswith("error: "), process.stderr
    assert "Traceback" not in process.stderr
    for word in words:
        assert word in last, last


def test_folder_and_video_to_all_formats(run_tool, tmp_path):
    write_frames(tmp_path / "in" / "clip 10", 4)
    encode(tmp_path / "in" / "clip 9.mp4", moving_frames(6, seed=1))
    done = run_tool(tmp_path / "in", tmp_path / "out", "--format", "json,overlay,video,png", "--show-thr", "0")
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    entries = json.loads((out / "results.json").read_text())
    assert {(e["video_id"], e["video_name"]) for e in entries} == {(1, "clip 9"), (2, "clip 10")}
    for entry in entries:
        assert len(entry["segmentations"]) == (6 if entry["video_id"] == 1 else 4)
        assert entry["segmentations"][0]["size"] == [64, 96]
        assert 0.05 <= entry["score"] <= 1
        assert 1 <= entry["category_id"] <= 3
    assert sorted(p.name for p in (out / "clip 10").iterdir()) == sorted(
        f"{t:05d}.{kind}" for t in range(4) for kind in ("jpg", "png")
    )
    with av.open(str(out / "clip 9.mp4")) as video:
        assert video.streams.video[0].codec_context.name == "h264"
        assert sum(1 for _ in video.decode(video=0)) == 6
    assert read_index_png(out / "clip 10" / "00000.png").shape == (64, 96)
    assert "2 videos, 10 frames" in done.stdout
    assert str(out) in done.stdout


def test_use_img_draws_differently(run_tool, tmp_path):
    write_frames(tmp_path / "in" / "clip", 2)
    pictures = []
    for options in ([], ["--use-img"]):
        done = run_tool(tmp_path / "in", tmp_path / "out", "--format", "overlay", "--show-thr", "0", *options)
        assert done.returncode == 0, done.stderr
        pictures.append(cv2.imread(str(tmp_path / "out" / "clip" / "00000.jpg")))
    assert not np.array_equal(*pictures)
    assert not (tmp_path / "out" / "results.json").exists()


def test_category_aware_and_overrides(run_tool, tmp_path):
    write_frames(tmp_path / "in" / "clip", 3)
    done = run_tool(
        tmp_path / "in", tmp_path / "out", "--format", "json", "--use-cate-reduce", "--score-thr", "0.001",
        "--key-num", "1", "--mem-step", "2", "--cfg-options", "model.test_cfg.rcnn.max_per_img=2",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    entries = json.loads((tmp_path / "out" / "results.json").read_text())
    assert 1 <= len({str(e["segmentations"]) for e in entries}) <= 2


def test_results_never_overwrite_the_inputs(run_tool, tmp_path):
    frames = write_frames(tmp_path / "in" / "clip", 2)
    before = (frames / "00000.png").read_bytes()
    fails(run_tool(tmp_path / "in", tmp_path / "in"), "clip", "choose another --save-dir")
    assert (frames / "00000.png").read_bytes() == before
    assert len(list(frames.iterdir())) == 2


def test_one_bad_video_does_not_stop_the_others(run_tool, tmp_path):
    write_frames(tmp_path / "in" / "good", 2)
    (tmp_path / "in" / "bad.mp4").write_text("hello")
    done = run_tool(tmp_path / "in", tmp_path / "out", "--format", "json")
    assert done.returncode == 3
    assert "bad.mp4" in done.stderr
    assert "Traceback" not in done.stderr
    assert {e["video_name"] for e in json.loads((tmp_path / "out" / "results.json").read_text())} == {"good"}


def test_two_processes_give_the_same_bytes_as_one(repository, tiny, tmp_path):
    for name, frames in (("a", 4), ("b", 2), ("c", 5), ("d", 3)):
        write_frames(tmp_path / "in" / name, frames, seed=frames)
    (tmp_path / "in" / "bad.mp4").write_text("hello")
    tool = Tool(repository, *tiny)
    options = ("--input-dir", str(tmp_path / "in"), "--format", "png,json,video", "--key-num", "1", "--show-thr", "0")
    for save, launcher in (("one", ()), ("two", TWO_PROCESSES)):
        code, out, err = tool.run(tmp_path / save, *options, launcher=launcher)
        assert code == 3, err
        assert out.count("4 of 5 videos done") == 1, "one process speaks"
        assert ("2 processes" in out) == bool(launcher)
        assert "bad.mp4" in err
    assert files_of(tmp_path / "two", "**/*", "**/.progress/*") == files_of(tmp_path / "one", "**/*", "**/.progress/*")
    assert len(list(tmp_path.glob("two/.progress/*.json"))) == 5
    code, out, err = tool.run(tmp_path / "two", *options, "--resume", "--key-num", "2", launcher=TWO_PROCESSES)
    assert (code, err.count("error: cannot resume: ")) == (2, 1), err


def test_no_detection_is_an_empty_result(run_tool, tmp_path):
    write_frames(tmp_path / "in" / "clip", 2)
    done = run_tool(tmp_path / "in", tmp_path / "out", "--cfg-options", "model.test_cfg.rcnn.score_thr=1.0")
    assert done.returncode == 0, done.stderr
    assert json.loads((tmp_path / "out" / "results.json").read_text()) == []
    assert (tmp_path / "out" / "clip.mp4").is_file()
    assert "no object" in done.stdout


def test_bad_inputs(run_tool, tmp_path):
    (tmp_path / "empty").mkdir()
    fails(run_tool(tmp_path / "empty", tmp_path / "out"), "empty")
    fails(run_tool(tmp_path / "nowhere", tmp_path / "out"), "nowhere")
    folder = tmp_path / "cut" / "clip"
    folder.mkdir(parents=True)
    cv2.imwrite(str(folder / "0.jpg"), moving_frames(1)[0])
    data = (folder / "0.jpg").read_bytes()
    (folder / "1.jpg").write_bytes(data[: len(data) // 2])
    fails(run_tool(tmp_path / "cut", tmp_path / "out"), "1.jpg")
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "video.mp4").write_text("hello")
    fails(run_tool(tmp_path / "text", tmp_path / "out"), "video.mp4")


def test_corrupt_video_keeps_the_frames_before_the_damage(run_tool, tmp_path):
    (tmp_path / "in").mkdir()
    rng = np.random.default_rng(0)
    frames = [rng.integers(0, 255, (64, 96, 3), dtype=np.uint8) for _ in range(60)]
    path = encode(tmp_path / "in" / "clip.mp4", frames)
    whole = path.read_bytes()
    start = whole.index(b"mdat")
    damaged = bytearray(whole)
    middle = start + (len(whole) - start) // 2
    damaged[middle : middle + 20000] = bytes(20000)
    path.write_bytes(bytes(damaged))
    done = run_tool(tmp_path / "in", tmp_path / "out", "--format", "video", "--key-num", "1", "--mem-step", "30")
    assert done.returncode == 0, done.stderr
    assert "warning: " in done.stderr
    assert "clip.mp4" in done.stderr
    with av.open(str(tmp_path / "out" / "clip.mp4")) as video:
        assert 0 < sum(1 for _ in video.decode(video=0)) < 60


def test_bad_checkpoints(run_tool, tmp_path, repository, tiny):
    write_frames(tmp_path / "in" / "clip", 1)
    fails(run_tool(tmp_path / "in", tmp_path / "out", checkpoint=tmp_path / "no.pth"), "no.pth", "does not exist")
    config = repository / "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
    fails(run_tool(tmp_path / "in", tmp_path / "out", config=config), "does not fit", "missing")

    class Attack:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "owned"),)

    torch.save({"state_dict": Attack()}, tmp_path / "attack.pth")
    fails(run_tool(tmp_path / "in", tmp_path / "out", checkpoint=tmp_path / "attack.pth"), "attack.pth", "refused")
    assert not (tmp_path / "owned").exists()


def test_bad_config_and_output(run_tool, tmp_path, tiny):
    write_frames(tmp_path / "in" / "clip", 1)
    config = tmp_path / "typo.py"
    config.write_text(tiny[0].read_text().replace("TimmBackbone", "TimBackbone"))
    fails(run_tool(tmp_path / "in", tmp_path / "out", config=config), "TimBackbone", "'TimmBackbone'")
    (tmp_path / "file").write_text("")
    fails(run_tool(tmp_path / "in", tmp_path / "file" / "out"), "file")


def test_command_line_mistakes(run_tool, tmp_path):
    for options, word in ((["--format", "gif"], "gif"), (["--cfg-options", "a"], "KEY=VALUE")):
        done = run_tool(tmp_path, tmp_path / "out", *options)
        assert done.returncode == 2
        assert word in done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_demo_on_the_real_clip(repository, shared, tmp_path):
    """`sh demo.sh` with generated R50 weights on the 96-frame clip."""
    contract = "contract_seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.json"
    make = [sys.executable, str(shared / "reference/make_weights.py"), str(shared / "reference/contracts" / contract)]
    programs.run([*make, str(tmp_path / "r50.pth")], check=True)
    shutil.copytree(shared / "data" / "videos" / "7741a0fbce", tmp_path / "in" / "7741a0fbce")
    environment = {
        **os.environ,
        "CONFIG": str(repository / "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"),
        "CHECKPOINT": str(tmp_path / "r50.pth"),
        "INPUT_DIR": str(tmp_path / "in"),
        "SAVE_DIR": str(tmp_path / "out"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }
    options = ["--key-num", "2", "--show-thr", "0.02"]
    subprocess.run(["sh", str(repository / "demo.sh"), *options], env=environment, cwd=tmp_path, check=True)
    assert len(list((tmp_path / "out" / "7741a0fbce").glob("*.jpg"))) == 96
    with av.open(str(tmp_path / "out" / "7741a0fbce.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 96
