"""Every published row has a main stage: its network, its videos, and stills beside them."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config

from mmdet_vis.config.load import load_config
from mmdet_vis.data.categories import resolve_categories
from mmdet_vis.weights.convert.torchvision_detector import categories

FOLDER = Path(__file__).resolve().parent.parent / "configs" / "SeqMaskRCNN"
ROWS = sorted(path.name.removesuffix("_ftstage.py") for path in FOLDER.glob("*_ftstage.py"))


def read(name: str) -> Config:
    return load_config(FOLDER / name)


@pytest.mark.parametrize("row", ROWS)
def test_a_row_has_both_stages_of_one_network_and_one_benchmark(row: str) -> None:
    main, fine = read(f"{row}_mainstage.py"), read(f"{row}_ftstage.py")
    assert main.model.pop("train_cfg") == {"prop": {"true_mask_share": 0.5}}
    for key in ("model", "categories", "data_preprocessor", "test", "propose_reduce"):
        assert main[key] == fine[key], key
    stills, videos = main.train.dataset.datasets
    for key in ("ann_file", "img_prefix", "categories", "pipeline"):
        assert videos[key] == fine.train.dataset[key], key
    assert stills.scales == [main.data_preprocessor.img_scale]
    assert set(stills.category_map) <= set(resolve_categories(main.categories))
    named = [name for names in stills.category_map.values() for name in names]
    assert len(set(named)) == len(named)
    assert named == ["*"] or set(named) <= set(categories())
    assert fine.load_from.endswith("_mainstage.pth")


def test_all_rows_share_one_recipe_for_stills() -> None:
    """Their data files repeat it, as each benchmark has categories and a size of its own."""
    own = ("categories", "category_map", "scales")
    recipes = [read(f"{row}_mainstage.py").train.dataset.datasets[0] for row in ROWS]
    assert all(
        {k: r[k] for k in r if k not in own} == {k: recipes[0][k] for k in recipes[0] if k not in own} for r in recipes
    )
