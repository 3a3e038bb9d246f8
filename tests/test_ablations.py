"""The benchmark of ablations: its page, its notes, and its verdicts."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from mmengine.config import Config

from mmdet_vis.api import load_model, segment_video
from mmdet_vis.config.load import build_settings
from mmdet_vis.errors import ConfigError, DatasetError, OutputError
from mmdet_vis.propose_reduce import NoReduce, SeqSoftNMS
from tests import programs
from tests.tiny_dataset import write_dataset_config, write_davis, write_ytvis
from tests.tool_runs import run_benchmark

VIDEOS = {1001: 4, 7: 3}
DAVIS = """
_base_ = {base!r}
categories = ["object"]
test = dict(dataset=dict(_delete_=True, type="DAVISDataset", root=".", data_root={root!r}, set_name="val", year=2017))
"""


@pytest.fixture(scope="module")
def dataset(tiny, tmp_path_factory) -> Path:
    """A config with two videos, whose annotated objects are what the tiny network finds in them."""
    root = tmp_path_factory.mktemp("ablations")
    write_ytvis(root, "valid.json", "frames", VIDEOS)
    model = load_model(*tiny, device="cpu")
    content = json.loads((root / "valid.json").read_text())
    numbers = {category["name"]: category["id"] for category in content["categories"]}
    content["annotations"] = []
    for number, video in enumerate(content["videos"]):
        result = segment_video(model, root / "frames" / f"video{number}")
        content["annotations"] += [
            {"id": 10 * number + s.track_id, "video_id": video["id"], "iscrowd": 0, "segmentations": s.masks,
             "category_id": numbers[result.category_of(s)]}
            for s in result.sequences[:2]
        ]  # fmt: skip
    (root / "valid.json").write_text(json.dumps(content))
    return write_dataset_config(root / "config.py", tiny[0], root)


def run(config, checkpoint, monkeypatch, *options):
    """The benchmark in this process."""
    run_benchmark(monkeypatch, "ablations.py", config, checkpoint, "--device", "cpu", *options)


def listed(capsys, config, checkpoint, monkeypatch, *options) -> dict[str, dict[str, Any]]:
    """The rows that the benchmark would measure, by their ids."""
    capsys.readouterr()
    run(config, checkpoint, monkeypatch, "--list", *options)
    return {row["id"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}


@pytest.fixture(scope="module")
def measured(dataset, tiny, repository, tmp_path_factory) -> Path:
    """The page of one whole run from the command line."""
    out = tmp_path_factory.mktemp("page") / "ablations.md"
    command = [sys.executable, "benchmarks/ablations.py", str(dataset), str(tiny[1]), "--device", "cpu"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = programs.run(
        [*command, "--out", str(out), "--threads", "1"], cwd=repository, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return out


def rows_of(path: Path) -> dict[str, list[str]]:
    """The cells of the page's tables, by the first two of a row."""
    lines = [line.strip("| ").split(" | ") for line in path.read_text().splitlines() if line.startswith("| ")]
    return {f"{first}, {second}": rest for first, second, *rest in lines}


def test_the_page_has_every_row_and_claim(measured, dataset, tiny, monkeypatch, capsys):
    rows = rows_of(measured)
    variants = listed(capsys, dataset, tiny[1], monkeypatch)
    assert len(variants) == 17
    for variant in variants.values():
        numbers = [float(cell) for cell in rows[variant["name"]]]
        assert len(numbers) == 7
        assert all(0 <= number <= 100 for number in numbers[:4])
        assert numbers[5] > 0
    text = measured.read_text()
    for claim in ("More key frames help", "The sequences must be reduced", "Better than tracking by detection"):
        assert claim in text
    assert len(re.findall(r"\*\*(?:holds|does not hold)\*\*|cannot be told", text)) == 6
    assert "2 videos, 7 frames" in text
    assert "python benchmarks/ablations.py" in text


def test_figures_are_those_of_the_settings(measured):
    rows = rows_of(measured)
    base = next(cells for name, cells in rows.items() if name.startswith("setting of the config"))
    assert base[3] == "100.00"  # AR10: its own sequences were annotated
    assert rows["key frames, K = 3"] == base  # equal settings are one measurement, time included
    assert rows["memory, every frame"] == base
    assert rows["key frames, K = 1"] == rows["baseline, propagation from the first frame only"]
    assert float(rows["sequence reduction, without"][4]) >= float(base[4])
    # Other masks than the annotated ones: from one frame, without memory, or without propagation.
    tracking = "baseline, detection on every frame, tracking by mask IoU"
    for other in (tracking, "memory, key frame only", "key frames, K = 1"):
        assert float(rows[other][3]) < 100


@pytest.mark.slow
def test_a_second_run_measures_only_what_is_missing(measured, dataset, tiny, monkeypatch, tmp_path, capsys):
    """As after a kill: the notes lack a row, one is marked to see that it is taken and not measured again."""
    figures = json.loads(measured.with_name("ablations.figures.json").read_text())
    gone, marked = list(figures)[-1], next(iter(figures))
    lost = figures.pop(gone)
    figures[marked]["AP"] = 0.123456
    (tmp_path / "ablations.figures.json").write_text(json.dumps(figures))
    out = tmp_path / "pages" / "ablations.md"
    options = ["--out", str(out), "--work-dir", str(tmp_path), "--threads", "1"]
    run(dataset, tiny[1], monkeypatch, *options)
    assert ", 1 to measure on 2 videos" in capsys.readouterr().err
    again = json.loads((tmp_path / "ablations.figures.json").read_text())
    assert again.keys() == figures.keys() | {gone}
    assert {**again[gone], "seconds": 0} == {**lost, "seconds": 0}
    assert "12.35" in out.read_text()
    run(dataset, tiny[1], monkeypatch, *options, "--limit", "1", "--score-thr", "0.3")
    assert f", {len(figures) + 1} to measure on 1 videos" in capsys.readouterr().err


def test_a_page_does_not_depend_on_the_day(measured, dataset, tiny, monkeypatch, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.figures.json").write_bytes(measured.with_name("ablations.figures.json").read_bytes())
        run(dataset, tiny[1], monkeypatch, "--out", str(tmp_path / f"{name}.md"), "--threads", "1")
    one, two = ((tmp_path / f"{name}.md").read_text().replace(f"{name}.md", "") for name in ("one", "two"))
    assert one == two


def test_variants_change_what_they_say(dataset, tiny, monkeypatch, capsys):
    rows = listed(capsys, dataset, tiny[1], monkeypatch)

    def settings(name):
        return build_settings(Config({"propose_reduce": rows[name]["propose_reduce"]}), **rows[name]["arguments"])

    assert [settings(f"keys {number}").key_num for number in (1, 2, 3, 5, 8)] == [1, 2, 3, 5, 8]
    assert isinstance(settings("no reduction").reduction.rule, NoReduce)
    assert isinstance(settings("category-aware").reduction.category_rule, SeqSoftNMS)
    assert settings("memory fifth").memory.step == 5
    assert settings("memory first").memory.start(9, 10).capacity == 1
    assert settings("fast").skip_covered_iou == 0.7
    assert settings("track box").iou == "box"
    assert rows["bfloat16"]["precision"] == "bfloat16"
    assert settings("base").key_num == 3  # untouched
    assert rows["base"]["key"] == rows["keys 3"]["key"] != rows["keys 1"]["key"]


def test_the_published_category_aware_setting_is_filled_in(dataset, tiny, monkeypatch, capsys):
    options = ["--cfg-options", "propose_reduce.cate_reduce=None", "propose_reduce.reduce.iou_thr=0.5"]
    row = listed(capsys, dataset, tiny[1], monkeypatch, *options)["category-aware"]
    assert row["propose_reduce"]["reduce"]["iou_thr"] == 0.9
    assert row["propose_reduce"]["cate_reduce"]["max_seq_num"] == 100


@pytest.mark.parametrize(
    ("base", "mask", "box", "verdict"),
    [
        (0.5, 0.25, 0.3, r"\*\*holds\*\* \| .*: 50.00; .*by box IoU: 30.00 \(\+20.00\)"),
        (0.5, 0.625, 0.3, r"\*\*does not hold\*\* \| .*: 50.00; .*by mask IoU: 62.50 \(-12.50\)"),
        (0.5, 0.5, 0.3, r"\*\*does not hold\*\*"),
        (-1.0, -1.0, -1.0, "cannot be told"),
    ],
)
def test_verdicts(dataset, tiny, monkeypatch, capsys, tmp_path, base, mask, box, verdict):
    """Of noted figures: nothing is measured."""
    rows = listed(capsys, dataset, tiny[1], monkeypatch, "--threads", "1")
    noted = dict.fromkeys(("AP", "AP50", "AP75", "AR10", "sequences", "seconds"), 0.5)
    figures = {row["key"]: noted for row in rows.values()}
    for name, value in (("base", base), ("track mask", mask), ("track box", box)):
        figures[rows[name]["key"]] = {**noted, "AP": value}
    (tmp_path / "a.figures.json").write_text(json.dumps(figures))
    run(dataset, tiny[1], monkeypatch, "--out", str(tmp_path / "a.md"), "--threads", "1")
    assert re.search(rf"Better than tracking by detection \| {verdict}", (tmp_path / "a.md").read_text())


def test_what_cannot_be_measured(dataset, tiny, tmp_path, monkeypatch):
    options = ["--out", str(tmp_path / "a.md")]
    with pytest.raises(ConfigError, match=r"config.py: propose_reduce is missing"):
        run(dataset, tiny[1], monkeypatch, *options, "--cfg-options", "propose_reduce=None")
    (tmp_path / "davis").mkdir()
    davis = write_davis(tmp_path / "davis")
    one = tmp_path / "davis.py"
    one.write_text(DAVIS.format(base=str(tiny[0]), root=str(davis)))
    with pytest.raises(ConfigError, match=r"davis.py: test.dataset must have YouTube-VIS annotations"):
        run(one, tiny[1], monkeypatch, *options)
    content = json.loads((dataset.parent / "valid.json").read_text())
    (tmp_path / "valid.json").write_text(json.dumps({**content, "annotations": []}))
    empty = ["--cfg-options", f"test.dataset.ann_file={tmp_path / 'valid.json'}"]
    with pytest.raises(DatasetError, match=r"valid.json has no annotated object"):
        run(dataset, tiny[1], monkeypatch, *options, *empty)
    (tmp_path / "a.figures.json").write_text("[1, 2]")
    with pytest.raises(OutputError, match=r"a.figures.json does not hold figures"):
        run(dataset, tiny[1], monkeypatch, *options)
    assert not (tmp_path / "a.md").exists()


def test_the_section_on_where_the_error_is(dataset, tiny, monkeypatch, tmp_path):
    """An oracle that picks finds the annotated sequences, which are the network's own."""
    out = tmp_path / "ablations.md"
    out.write_text("# Ablations\n\nfigures\n## Where the error is\n\nold\n")
    run_benchmark(monkeypatch, "proposals.py", dataset, tiny[1], "--device", "cpu", "--out", str(out))
    text = out.read_text()
    assert text.startswith("# Ablations\n\nfigures\n\n## Where the error is")
    assert "old" not in text
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("| ")]
    rows = [(name, [float(cell) for cell in cells]) for name, *cells in lines[2:]]
    assert len(rows) == 8
    assert rows[3][0] == rows[7][0] == "the same, an oracle picks and names the sequences"
    assert rows[3][1][0] == 100
    assert all(0 <= cell <= 100 for _, cells in rows for cell in cells[:4])
    assert "Of the " in text
    assert "python benchmarks/proposals.py" in text
