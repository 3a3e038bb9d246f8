"""Every run_vis script: a training run on tiny data laid out as the real ones, from weights at their own place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmdet_vis.data.categories import CATEGORIES
from tests.benchmark_layouts import TINY, UserCheckout, as_arguments, write_pth
from tests.tiny_dataset import write_ytvis

ROWS = [
    *[("YTV2019", bb, "ytv19", "youtubevis19") for bb in ("r50", "r101", "x101")],
    *[("YTV2021", bb, "ytv21", "youtubevis21") for bb in ("r50", "x101")],
    *[("DAVIS", bb, "davis", "davisuvos") for bb in ("r101", "x101")],
]
FAST = [ROWS[0]]
NAMES = {"ytv19": "youtube_vis_2019", "ytv21": "youtube_vis_2021", "davis": "davis_uvos"}
SHORT = {
    **TINY,
    "model.train_cfg.rcnn.num": 8,
    "train_cfg": {"_delete_": True, "max_iters": 2},
    "train.dataset.pipeline": [{"type": "ClipResize", "scales": [(96, 64)]}],
    "train.num_workers": 0,
    "train.batch_size": 1,
    "default_hooks.checkpoint.interval": 2,
}


@pytest.fixture(scope="module")
def checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> UserCheckout:
    made = UserCheckout(repository, tmp_path_factory.mktemp("trainer"))
    (made.root / "pretrained").mkdir()
    videos = {1: 3, 2: 2}
    for _, backbone, name, data in ROWS:
        config = repository / f"configs/SeqMaskRCNN/seq_mask_rcnn_{backbone}_fpn_1x_{data}_ftstage.py"
        write_pth(config, TINY, made.root / "pretrained" / f"seq_mask_rcnn_{backbone}_{name}_mainstage.pth")
    for name, benchmark in NAMES.items():
        source = made.root.parent / f"train_{name}"
        write_ytvis(source, "instances.json", "JPEGImages", videos)
        content = json.loads((source / "instances.json").read_text())
        content["categories"] = [{"id": 12, "name": CATEGORIES[benchmark][0]}]
        (made.root / "data" / f"train_{name}.json").write_text(json.dumps(content))
        place = made.root / "data" / ("trainvalset_davis" if name == "davis" else f"trainset_{name}")
        place.unlink(missing_ok=True)
        place.symlink_to(source / "JPEGImages")
    return made


@pytest.mark.parametrize(
    ("folder", "backbone", "name", "data"),
    [pytest.param(*row, marks=() if row in FAST else pytest.mark.slow) for row in ROWS],
)
def test_each_script(checkout: UserCheckout, folder: str, backbone: str, name: str, data: str) -> None:
    done = checkout.run(f"scripts/{folder}/run_vis_{backbone}.sh", as_arguments(SHORT), GPUS="1")
    assert done.returncode == 0, done.stderr
    out = checkout.root / "work_dirs" / f"seq_mask_rcnn_{backbone}_fpn_1x_{data}_ftstage"
    trained = torch.load(out / "iter_2.pth", weights_only=True)["state_dict"]
    start = torch.load(
        checkout.root / "pretrained" / f"seq_mask_rcnn_{backbone}_{name}_mainstage.pth", weights_only=True
    )["state_dict"]
    moved = [k for k in trained if not torch.equal(trained[k], start[k])]
    assert any(k.startswith("prop_head") for k in moved)
    # A small learning rate from these weights: had they not been loaded, nothing would be close.
    assert all(torch.allclose(trained[k], start[k], atol=0.05) for k in moved)


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"GPUS": "none"}, "GPUS=none is not a number of GPUs"),
        ({"LOAD_FROM": "gone.pth"}, "no weights to start from at gone.pth"),
        ({"DATA_ROOT": "gone"}, "no YouTube-VIS 2019 at gone/train_ytv19.json"),
        ({"CONFIG": "gone.py"}, "no configuration at gone.py"),
    ],
)
def test_what_is_missing_is_said(checkout: UserCheckout, variables: dict[str, str], words: str) -> None:
    done = checkout.run("scripts/YTV2019/run_vis_r50.sh", [], **variables)
    assert done.returncode == 2
    assert words in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_help_explains(checkout: UserCheckout) -> None:
    done = checkout.run("scripts/DAVIS/run_vis_x101.sh", ["--help"])
    assert done.returncode == 0
    assert "LOAD_FROM" in done.stdout
    assert "DAVIS unsupervised" in done.stdout
