import sys
from pathlib import Path

from PIL import Image

from tests import programs
from tests.tiny import write_frames

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments):
    command = [sys.executable, ROOT / "demo/make_gif.py", *arguments]
    return programs.run(list(map(str, command)), capture_output=True, text=True, cwd=ROOT)


def test_results_side_by_side(tmp_path):
    write_frames(tmp_path / "a", 6)
    write_frames(tmp_path / "b", 5)
    done = run(tmp_path / "a", tmp_path / "b", "--out", tmp_path / "x.gif", "--width", 48, "--every", 2)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "x.gif") as picture:
        assert (picture.width, picture.n_frames) == (96, 3)


def test_a_name_of_another_kind(tmp_path):
    write_frames(tmp_path / "a", 2)
    done = run(tmp_path / "a", "--out", tmp_path / "x.mp4")
    assert (done.returncode, len(done.stderr.strip().splitlines())) == (2, 1)
    assert list(tmp_path.iterdir()) == [tmp_path / "a"]
