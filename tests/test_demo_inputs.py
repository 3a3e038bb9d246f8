"""demo/inputs: the program reads them, and demo/make_inputs.py makes them again."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from mmdet_vis.data.sources.inputs import find_inputs, open_source
from mmdet_vis.errors import OutputError, SourceError
from tests import programs

DEMO = Path(__file__).resolve().parents[1] / "demo"
SCRIPT = DEMO / "make_inputs.py"
# A user's own videos may lie beside them.
INPUTS = [DEMO / "inputs" / name for name in ("on_the_lawn.mp4", "raccoon_and_astronaut")]
FRAMES = 30

needs_photographs = pytest.mark.skipif(
    importlib.util.find_spec("skimage") is None, reason="needs scikit-image, which has the photographs"
)


def read(path: Path) -> np.ndarray:
    with open_source(path) as source:
        return np.stack(source.read(0, len(source)))


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return programs.run(command, capture_output=True, text=True, timeout=300, check=False)


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_inputs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # Dataclasses look their module up.
    spec.loader.exec_module(module)
    return module


def test_the_program_finds_the_inputs() -> None:
    assert set(INPUTS) <= set(find_inputs(DEMO / "inputs"))


def test_the_program_reads_the_inputs() -> None:
    for path in INPUTS:
        frames = read(path).astype(np.int16)
        assert frames.shape == (FRAMES, 270, 480, 3)
        # Every frame is a picture, and differs from the one before.
        assert frames.std(axis=(1, 2, 3)).min() > 30
        assert np.abs(np.diff(frames, axis=0)).mean(axis=(1, 2, 3)).min() > 1


def test_the_inputs_are_small() -> None:
    files = [INPUTS[0], *INPUTS[1].iterdir(), *(DEMO / "pictures").iterdir()]
    assert sum(path.stat().st_size for path in files) < 1.5e6


@pytest.mark.slow
@needs_photographs
def test_the_script_makes_the_inputs_again(tmp_path: Path) -> None:
    result = run("--out", tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    for path in INPUTS:
        old, new = read(path).astype(np.int16), read(tmp_path / path.name).astype(np.int16)
        # Encoders and versions of OpenCV differ a little; the next frame, or another seed, differs by 10 and more.
        assert np.abs(new - old).mean(axis=(1, 2, 3)).max() < 3


@needs_photographs
def test_size_and_number_of_frames(tmp_path: Path) -> None:
    result = run("--out", tmp_path / "new", "--size", "160x96", "--frames", "3")
    assert (result.returncode, result.stderr) == (0, "")
    paths = find_inputs(tmp_path / "new")
    assert [path.name for path in paths] == [path.name for path in INPUTS]
    for path in paths:
        assert read(path).shape == (3, 96, 160, 3)


@pytest.mark.parametrize("size", ["480", "480x", "0x270", "480x270x3", "5000x5000"])
def test_a_bad_size_is_named(tmp_path: Path, size: str) -> None:
    result = run("--out", tmp_path / "new", "--size", size)
    assert result.returncode == 2
    assert size in result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "new").exists()


def test_a_missing_package_is_named_with_its_remedy(script: ModuleType) -> None:
    with pytest.raises(SourceError, match=r"pictures_of_nobody is not installed.*`pip install pictures-of-nobody`"):
        script.read_photograph("pictures_of_nobody", "pictures-of-nobody", "data/a.png")


def test_a_photograph_that_is_missing_or_damaged_is_named(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"no_such\.png.*--force-reinstall matplotlib"):
        script.read_photograph("matplotlib", "matplotlib", "mpl-data/no_such.png")
    for name, content in (("empty.png", b""), ("text.png", b"text")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SourceError, match=name):
            script.read_file(tmp_path / name, "get another")


def test_frames_of_another_run_are_not_mixed_in(script: ModuleType, tmp_path: Path) -> None:
    frames = [np.full((32, 32, 3), value, np.uint8) for value in (10, 20, 30)]
    script.write_folder(tmp_path, iter(frames), 3)
    assert read(tmp_path)[:, 0, 0, 0].tolist() == [10, 20, 30]
    with pytest.raises(OutputError, match=r"00002\.jpg.*remove it"):
        script.write_folder(tmp_path, iter(frames[:2]), 2)
    assert len(list(tmp_path.iterdir())) == 3
