"""Configs by name: from any folder, a path wins, a mistyped one names the nearest; the figures are README's."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mmdet_vis.commands.configs import PUBLISHED
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.config.read import find_config, shipped_configs
from mmdet_vis.errors import ConfigError

R50 = "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage"


@pytest.mark.parametrize("name", [R50, f"{R50}.py", f"SeqMaskRCNN/{R50}", f"configs/SeqMaskRCNN/{R50}.py"])
def test_a_config_is_found_from_any_folder(name, repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_config(name) == repository / f"configs/SeqMaskRCNN/{R50}.py"
    assert load_config(name, safe=True).propose_reduce.key_num == 5


def test_the_deeper_of_two_of_one_name_needs_its_folder(repository):
    folder = repository / "configs/SeqMaskRCNN/CateAwareReduce"
    assert find_config(f"CateAwareReduce/{R50}") == folder / f"{R50}.py"


def test_a_path_wins(repository, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own = Path(f"{R50}.py")
    own.write_text(f"_base_ = {str(repository / 'configs/SeqMaskRCNN' / own)!r}\npropose_reduce = dict(key_num=2)\n")
    assert load_config(own).propose_reduce.key_num == 2
    assert load_config(R50).propose_reduce.key_num == 5, "this is no path"


def test_names_are_unique_and_lead_to_their_files(repository):
    shipped = shipped_configs()
    files = {path for path in (repository / "configs").rglob("*.py") if "_base_" not in path.parts}
    assert set(shipped.values()) == files
    for name, path in shipped.items():
        assert find_config(name) == path


@pytest.mark.parametrize(
    ("name", "end"),
    [
        (R50.replace("youtube", "youtub"), f"; did you mean {R50}?"),
        (f"CateAwareReduce/{R50[:-1]}", f"; did you mean CateAwareReduce/{R50}?"),
        ("nonsense", "; `mmdet-vis configs` lists"),
        (f"other/folder/{R50}.py", ""),
        (f"/SeqMaskRCNN/{R50}.py", ""),
        (f"../{R50}.py", ""),
    ],
)
def test_what_does_not_exist_names_the_nearest(name, end, tmp_path, monkeypatch):
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    with pytest.raises(ConfigError, match=rf"^config {re.escape(name)} does not exist{re.escape(end)}"):
        find_config(name)


def test_published_figures_are_those_of_the_readme(repository):
    rows = re.findall(
        r"^\| `(\w+)\.py` \| ([^|]+) \| ([\d.]+) (AP|J&F) \| ([\d.]+|–)(?: AP)? \|$",
        (repository / "README.md").read_text(),
        re.MULTILINE,
    )
    found = {
        name: (data, metric, float(figure), None if aware == "–" else float(aware))
        for name, data, figure, metric, aware in rows
    }
    assert found == {name: (row.data, row.metric, row.figure, row.category_aware) for name, row in PUBLISHED.items()}


def test_every_published_config_can_be_built():
    import torch

    for name in PUBLISHED:
        with torch.device("meta"):
            build_model(load_config(name))
