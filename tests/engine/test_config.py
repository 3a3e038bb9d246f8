"""Config files and their errors."""

from __future__ import annotations

import pytest

from mmdet_vis.engine.config import build_model, load_config
from mmdet_vis.engine.settings import build_settings
from mmdet_vis.errors import ConfigError
from mmdet_vis.propose_reduce import MemoryEveryNth, MemoryFraction, SeqNMS, SeqSoftNMS

ROWS = "configs/SeqMaskRCNN"


def test_options_override(repository):
    config = load_config(
        repository / ROWS / "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py", {"propose_reduce.key_num": 3}
    )
    assert config.propose_reduce.key_num == 3


def test_unknown_type_names_the_nearest(tiny):
    config = load_config(tiny[0], {"model.neck.type": "FNP"})
    with pytest.raises(ConfigError, match=r"tiny.py: model.neck.type='FNP'.*did you mean 'FPN'"):
        build_model(config)


def test_wrong_argument_names_the_class(tiny):
    with pytest.raises(ConfigError, match=r"tiny.py: model: .*FPN.*colour"):
        build_model(load_config(tiny[0], {"model.neck.colour": "red"}))


def test_files_that_are_not_configs(tmp_path, repository):
    with pytest.raises(ConfigError, match=r"does not exist; did you mean .*r50_fpn_1x_youtubevis19"):
        load_config(repository / ROWS / "seq_mask_rcnn_r50_fpn_1x_youtubvis19_ftstage.py")
    for name, text in (("syntax.py", "model = (\n"), ("raises.py", "1/0"), ("base.py", "_base_ = 'none.py'")):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=name) as caught:
            load_config(tmp_path / name)
        assert len(str(caught.value)) < 600
    (tmp_path / "empty.py").write_text("x = 1")
    with pytest.raises(ConfigError, match="model must be a dict"):
        build_model(load_config(tmp_path / "empty.py"))


def test_unknown_option_names_the_nearest(tiny):
    with pytest.raises(ConfigError, match="did you mean 'propose_reduce'"):
        load_config(tiny[0], {"propose_reduc.key_num": 3})


def test_settings_of_the_rows(repository):
    youtube = build_settings(load_config(repository / ROWS / "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"))
    assert youtube.key_num == 5
    assert isinstance(youtube.memory, MemoryEveryNth)
    assert isinstance(youtube.reduction.rule, SeqNMS)
    davis = build_settings(load_config(repository / ROWS / "seq_mask_rcnn_r101_fpn_1x_davisuvos_ftstage.py"))
    assert davis.key_num == 8
    assert isinstance(davis.memory, MemoryFraction)
    assert isinstance(davis.reduction.rule, SeqSoftNMS)
    aware = load_config(repository / ROWS / "CateAwareReduce/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py")
    assert build_settings(aware).reduction.category_rule is None
    assert build_settings(aware, use_cate_reduce=True).reduction.category_rule.max_seq_num == 100
    assert build_settings(aware).reduction.rule.iou_thr == 0.9


def test_settings_errors(repository, tiny):
    plain = load_config(repository / ROWS / "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py")
    with pytest.raises(ConfigError, match="CateAwareReduce"):
        build_settings(plain, use_cate_reduce=True)
    with pytest.raises(ConfigError, match="--mem-step"):
        build_settings(plain, mem_step=0)
    with pytest.raises(ConfigError, match="unknown keys key_nums"):
        build_settings(load_config(tiny[0], {"propose_reduce.key_nums": 3}))
    with pytest.raises(ConfigError, match="did you mean 'SeqNMS'"):
        build_settings(load_config(tiny[0], {"propose_reduce.reduce.type": "SeqNM"}))
    with pytest.raises(ConfigError, match="step"):
        build_settings(load_config(tiny[0], {"propose_reduce.memory.step": 0}))
