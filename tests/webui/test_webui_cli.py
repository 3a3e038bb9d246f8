"""The command line of the page: help, mistakes, and what is missing, each said in one line."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from importlib.util import find_spec

import pytest

from mmdet_vis.webui.examples import find_examples
from tests import programs
from tests.webui.clips import write_clip


@pytest.fixture
def run(repository, tmp_path):
    def run_it(*options, blocked=()):
        program = f"import runpy, sys; sys.modules.update(dict.fromkeys({list(blocked)!r}))"
        program += "; runpy.run_module('mmdet_vis.webui', run_name='__main__', alter_sys=True)"
        start = subprocess.run if blocked else programs.run
        return start(
            [sys.executable, "-c", program, *map(str, options)],
            env={**os.environ, "PYTHONPATH": str(repository), "TMPDIR": str(tmp_path)},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run_it


def one_line(done: subprocess.CompletedProcess) -> str:
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


def test_help_needs_neither_torch_nor_gradio(run):
    done = run("--help", blocked=("torch", "gradio", "cv2", "av"))
    assert done.returncode == 0, done.stderr
    words = (
        "--config --checkpoint --proposer --host --port --max-size --max-seconds --device --precision --examples "
        "127.0.0.1 7860"
    )
    for word in words.split():
        assert word in done.stdout
    assert "everyone who can reach" in " ".join(done.stdout.split())


def test_missing_gradio(run):
    assert one_line(run(blocked=("gradio",))) == "error: the web page needs gradio: pip install 'gradio>=6.31,<7'"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--port", "70000"], "70000"),
        (["--port", "-1"], "-1"),
        (["--max-size", "0"], "'0'"),
        (["--max-seconds", "nan"], "'nan'"),
        (["--precision", "int4"], "int4"),
        (["--config", "a.py"], "config a.py does not exist"),
        (["--config", "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage"], "--config needs --weights"),
    ],
)
def test_mistakes(run, options, word):
    done = run(*options)
    assert done.returncode == 2
    assert word in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_what_cannot_be_used(run, tiny, tmp_path):
    if find_spec("gradio") is None:  # importing it takes long
        pytest.skip("needs gradio: pip install -e '.[dev]'")
    model = ("--config", tiny[0], "--checkpoint", tiny[1], "--device", "cpu")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1 port {port}" in one_line(run(*model, "--port", port))
    assert "192.0.2.1" in one_line(run(*model, "--host", "192.0.2.1"))
    assert "no.pth" in one_line(run("--checkpoint", tmp_path / "no.pth", "--port", "0"))
    assert "--examples" in one_line(run(*model, "--examples", tmp_path, "--port", "0"))
    assert not list(tmp_path.glob("mmdet_vis_web_*"))


def test_examples_are_the_videos_of_a_folder(tmp_path):
    for number in (10, 9, *range(1, 7)):
        write_clip(tmp_path / f"clip{number}.mp4", frames=1)
    (tmp_path / "notes.txt").write_text("")
    (tmp_path / "frames.mp4").mkdir()
    assert [path.name for path in find_examples(tmp_path)] == [f"clip{n}.mp4" for n in range(1, 7)]
    assert isinstance(find_examples(None), list)
