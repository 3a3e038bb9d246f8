"""Every script on tiny data laid out as the real ones, from its checkpoint's own place to a submission that passes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mmdet_vis.evaluation.submission import check_davis_submission, check_ytvis_submission
from mmdet_vis.evaluation.ytvis import load_annotations
from tests.benchmark_layouts import ROWS, TINY, UserCheckout, as_arguments, script_of, write_pth

# The others differ from it by names, the network and the reduction.
FAST = [("DAVIS", "r101", False)]
SOME = [row for row in ROWS if (row[0], row[1], row[5]) in FAST]
OTHERS = [pytest.param(*row, marks=pytest.mark.slow) for row in ROWS if row not in SOME]


def config_of(repository: Path, backbone: str, data: str) -> Path:
    return repository / f"configs/SeqMaskRCNN/seq_mask_rcnn_{backbone}_fpn_1x_{data}_ftstage.py"


@pytest.fixture(scope="module")
def checkout(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> UserCheckout:
    """With checkpoints of networks made tiny, which are the same for all rows of a benchmark."""
    made = UserCheckout(repository, tmp_path_factory.mktemp("user"))
    for kind in ("youtubevis19", "davisuvos"):
        weights = write_pth(config_of(repository, "r101", kind), TINY, made.root.parent / f"{kind}.pth")
        for _, backbone, name, data, _, _ in ROWS:
            link = made.checkpoint(backbone, name)
            link.parent.mkdir(exist_ok=True)
            if (data == "davisuvos") == (kind == "davisuvos") and not link.exists():
                link.symlink_to(weights)
    return made


def results_of(checkout: UserCheckout, backbone: str, name: str, key_num: int, category_aware: bool) -> Path:
    """Where the original's scripts put results: beside the repository."""
    variant = "Ft_CAReduce" if category_aware else "Ft"
    return checkout.root.parent / f"Results_{name}" / f"vis_{backbone}_{variant}-k{key_num}"


def check_results(checkout: UserCheckout, out: Path, name: str) -> None:
    """That the folder holds results of all videos, and a zip that the benchmark's server would take."""
    summary = json.loads((out / "summary.json").read_text())
    assert (summary["videos_done"], summary["failures"]) == (2, [])
    entries = json.loads((out / "results.json").read_text())
    assert {entry["video_id"] for entry in entries} == {1, 2}
    if name == "davis":
        report = check_davis_submission(out / "submission.zip", checkout.root / "data" / "trainvalset_davis")
    else:
        annotations = load_annotations(checkout.root / "data" / f"valid_{name}.json")
        report = check_ytvis_submission(out / "submission.zip", annotations)
    assert report.problems == []


@pytest.mark.parametrize(("folder", "backbone", "name", "data", "key_num", "category_aware"), [*SOME, *OTHERS])
def test_each_script(
    checkout: UserCheckout, folder: str, backbone: str, name: str, data: str, key_num: int, category_aware: bool
) -> None:
    options = ["--eval"] if name == "davis" else []
    done = checkout.run(script_of(folder, backbone, category_aware), [*options, *as_arguments(TINY)])
    assert done.returncode == 0, done.stderr
    out = results_of(checkout, backbone, name, key_num, category_aware)
    check_results(checkout, out, name)
    settings = json.loads((out / "run.json").read_text())["options"]
    assert (settings["key_num"], settings["use_cate_reduce"]) == (key_num, category_aware)
    assert ("J&F-Mean" in done.stdout) == (out / "metrics.json").exists() == (name == "davis")


@pytest.mark.slow
def test_two_processes_and_their_exit_code(checkout: UserCheckout, tmp_path: Path) -> None:
    """With GPUS=2: the same results as one process, and 3, not torchrun's 1, if a video cannot be read."""
    script = script_of("YTV2019", "r50", True)
    variables = {"GPUS": "2", "SAVE_DIR": str(tmp_path)}
    frame = checkout.root.parent / "ytv2019/valid/JPEGImages/00f88c4f0a/00005.jpg"
    whole = frame.read_bytes()
    frame.write_bytes(whole[:100])
    try:
        done = checkout.run(script, as_arguments(TINY), **variables)
    finally:
        frame.write_bytes(whole)
    assert done.returncode == 3, done.stderr
    assert "2 processes" in done.stdout
    assert "video 2 (00f88c4f0a)" in done.stdout
    assert done.stderr.count("error: ") == 1
    for word in ("Traceback", "exitcode"):
        assert word not in done.stderr, "torchrun has nothing to add"
    done = checkout.run(script, ["--resume", *as_arguments(TINY)], **variables)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "vis_r50_Ft_CAReduce-k5"
    check_results(checkout, out, "ytv19")


@pytest.fixture(scope="module")
def published(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> UserCheckout:
    """With checkpoints of the networks as they are, of random weights."""
    return UserCheckout(repository, tmp_path_factory.mktemp("published"))


@pytest.mark.slow
@pytest.mark.parametrize(("folder", "backbone", "name", "data", "key_num", "category_aware"), ROWS)
def test_each_script_with_the_published_network(
    repository: Path,
    published: UserCheckout,
    folder: str,
    backbone: str,
    name: str,
    data: str,
    key_num: int,
    category_aware: bool,
) -> None:
    weights = published.checkpoint(backbone, name)
    if not weights.exists():
        write_pth(config_of(repository, backbone, data), {}, weights)
    # Small frames, few objects, and no thresholds, since what random weights find has no confidence.
    options = {
        "data_preprocessor.img_scale": (160, 96),
        "model.test_cfg.rcnn.max_per_img": 2,
        "model.test_cfg.rcnn.score_thr": 0.0,
        "propose_reduce.reduce.score_thr": 0.0,
    }
    script = script_of(folder, backbone, category_aware)
    done = published.run(script, ["--score-thr", "0", *as_arguments(options)])
    assert done.returncode == 0, done.stderr
    check_results(published, results_of(published, backbone, name, key_num, category_aware), name)
