"""What the wheel alone does: built, installed in a fresh environment, and used from an empty folder.

``MMDET_VIS_WHEEL`` names a wheel that is built already.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.request
import venv
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from PIL import Image

from mmdet_vis.visualization.video_writer import VideoWriter
from tests.tiny import moving_frames

pytestmark = pytest.mark.slow

R50 = "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage"
OVERFIT = "seq_mask_rcnn_resnet10t_overfit"
TRAINING = """
_base_ = "./base.py"
data_preprocessor = dict(img_scale=(96, 64))
train = dict(
    dataset=dict(
        ann_file="SynthVIS/train/instances.json",
        img_prefix="SynthVIS/train/JPEGImages",
        pipeline=[dict(type="ClipResize", scales=[(96, 64)])],
    ),
    batch_size=1,
    num_workers=0,
)
train_cfg = dict(max_iters=5, val_interval=5)
val_cfg = dict(num_videos=1)
"""


def checked(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-4000:]}"


def build_wheel(repository: Path, folder: Path) -> Path:
    """Build the wheel from a copy of what the build needs, so that the checkout stays as it is."""
    if not find_spec("build") or int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("needs build and setuptools>=77: pip install build 'setuptools>=77'")
    source = folder / "source"
    for name in ("mmdet_vis", "configs", "pretrained", "scripts"):
        shutil.copytree(repository / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE"):
        shutil.copy(repository / name, source / name)
    out = str(folder / "dist")
    checked([sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, str(source)])
    (wheel,) = (folder / "dist").glob("*.whl")
    return wheel


class Installed:
    """The program from the wheel; everything else is the environment's that runs the tests."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        venv.create(folder / "environment", symlinks=os.name != "nt")
        scripts = folder / "environment" / ("Scripts" if os.name == "nt" else "bin")
        self.python = scripts / "python"
        install = [sys.executable, "-m", "pip", "--python", str(self.python), "install", "--quiet", "--no-deps"]
        checked([*install, "--no-index", str(wheel)])
        (site,) = (folder / "environment").rglob("site-packages")
        # After pip, which shall not see the package in the environment of the tests. Behind the wheel on the path.
        (site / "others.pth").write_text("\n".join(path for path in sys.path if path.endswith("-packages")))
        self.program = scripts / "mmdet-vis"
        self.folder = folder / "empty"
        self.folder.mkdir()
        left_out = ("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV")
        self.environment = {name: value for name, value in os.environ.items() if name not in left_out}
        self.environment |= {"MMDET_VIS_HOME": str(folder / "home"), "OMP_WAIT_POLICY": "PASSIVE"}

    def run(self, *words: str | Path) -> str:
        return self.execute(self.program, *words)

    def execute(self, program: Path, *words: str | Path) -> str:
        done = subprocess.run(
            list(map(str, (program, *words))),
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout


@pytest.fixture(scope="module")
def installed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("wheel")
    named = os.environ.get("MMDET_VIS_WHEEL")
    return Installed(Path(named) if named else build_wheel(repository, folder), folder)


def test_it_is_the_wheel_that_runs(installed: Installed, repository: Path) -> None:
    where = installed.execute(installed.python, "-c", "import mmdet_vis; print(mmdet_vis.__file__)").strip()
    assert installed.folder.parent in Path(where).parents
    assert "segment" in installed.run("--help")
    assert installed.run("--version").startswith("mmdet-vis ")


def test_every_config_and_the_default_model_are_in_it(installed: Installed, repository: Path) -> None:
    package = next((installed.folder.parent / "environment").rglob("site-packages/mmdet_vis"))
    for folder in ("configs", "mmdet_vis"):
        for path in (repository / folder).rglob("*.py"):
            name = path.relative_to(repository)
            assert (package / (name if folder == "configs" else name.relative_to("mmdet_vis"))).is_file(), name
    assert list((package / "pretrained").glob("*.safetensors"))


def test_a_video_is_segmented(installed: Installed) -> None:
    frames = moving_frames(4)
    with VideoWriter(installed.folder / "clip.mp4", 10, frames[0].shape[:2]) as video:
        for frame in frames:
            video.write(frame)
    shown = installed.run("segment", "clip.mp4", "--device", "cpu", "--key-num", "2")
    results = installed.folder / "mmdet_vis_results"
    assert str(results) in shown
    assert isinstance(json.loads((results / "results.json").read_text()), list)
    assert (results / "clip.mp4").stat().st_size > 0


def test_configs_are_listed_and_built_by_name(installed: Installed) -> None:
    assert re.search(rf"^{R50} .*40\.8 AP", installed.run("configs"), re.MULTILINE)
    code = (
        "import torch\n"
        "from mmdet_vis.config.load import build_model, load_config\n"
        f"config = load_config({R50!r})\n"
        "with torch.device('meta'): print(type(build_model(config)).__name__)"
    )
    assert installed.execute(installed.python, "-c", code).strip() == "SeqMaskRCNN"


@pytest.mark.parametrize("case", ["a", "b"])
def test_results_are_evaluated(installed: Installed, shared: Path, case: str) -> None:
    folder = shared / "reference" / "ytvis_ap"
    files = (folder / f"case_{case}_results.json", folder / f"case_{case}_gt.json")
    installed.run("eval", *files, "--out", "metrics.json")
    metrics = json.loads((installed.folder / "metrics.json").read_text())
    expected = json.loads((folder / f"case_{case}_expected.json").read_text())
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-6)


def test_labelme_is_converted(installed: Installed) -> None:
    clip = installed.folder / "labelme" / "clip"
    clip.mkdir(parents=True)
    shape = {"label": "cat", "points": [[4, 4], [30, 4], [30, 20]], "group_id": None, "shape_type": "polygon"}
    for name in ("f0", "f1"):
        Image.new("RGB", (60, 40)).save(clip / f"{name}.jpg")
        content = {"shapes": [shape], "imagePath": f"{name}.jpg", "imageHeight": 40, "imageWidth": 60}
        (clip / f"{name}.json").write_text(json.dumps(content))
    installed.run("convert", "labelme", "converted.json", "--from", "labelme")
    content = json.loads((installed.folder / "converted.json").read_text())
    assert (len(content["videos"]), len(content["annotations"])) == (1, 1)
    assert "no problems" in installed.run("check", "converted.json", "--img-prefix", "labelme")


def test_five_steps_are_trained(installed: Installed) -> None:
    size = ["--frames", "4", "--size", "96x64", "--difficulty", "easy"]
    installed.run("synth", "data/SynthVIS", "--train", "1", "--val", "1", *size, "--workers", "1")
    (installed.folder / "base.py").write_text(installed.run("configs", OVERFIT))
    (installed.folder / "training.py").write_text(TRAINING)
    assert "trained 5 iterations" in installed.run("train", "training.py", "--device", "cpu")
    checkpoint = next((installed.folder / "work_dirs/training").glob("iter_5.pth"))
    installed.run("export", "training.py", checkpoint, "own.safetensors")
    installed.run("segment", "labelme/clip", "--weights", "own.safetensors", "--device", "cpu", "--save-dir", "own")


@pytest.mark.skipif(find_spec("gradio") is None, reason="needs gradio: pip install -e '.[web]'")
def test_the_page_opens(installed: Installed) -> None:
    dead = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), "http://127.0.0.1:9")
    process = subprocess.Popen(
        [str(installed.program), "web", "--port", "0", "--device", "cpu"],
        cwd=installed.folder,
        env={**installed.environment, **dead},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        lines = []
        address = None
        while address is None:
            lines.append(process.stdout.readline())
            assert lines[-1], "".join(lines)
            address = re.search(r"http://127\.0\.0\.1:\d+", lines[-1])
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(address.group(), timeout=60) as answer:
            assert answer.status == 200
            assert "mmdet_vis" in answer.read().decode()
    finally:
        process.terminate()
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_names_in_the_wheel_fit_every_file_system(installed: Installed, repository: Path) -> None:
    """No two names differ in case only, and none is longer than Windows takes."""
    package = next((installed.folder.parent / "environment").rglob("site-packages/mmdet_vis"))
    names = [path.relative_to(package).as_posix() for path in package.rglob("*") if "__pycache__" not in path.parts]
    assert len({name.lower() for name in names}) == len(names)
    assert max(map(len, names)) < 120
