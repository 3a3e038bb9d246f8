"""Config files and their errors."""

from __future__ import annotations

import copy
import re

import pytest
import torch
from mmengine.config import Config

from mmdet_vis.config.load import build, build_model, build_settings, load_config
from mmdet_vis.config.read import check_config
from mmdet_vis.errors import ConfigError
from mmdet_vis.propose_reduce import MemoryEveryNth, MemoryFraction, SeqNMS, SeqSoftNMS
from mmdet_vis.registry import DATASETS
from mmdet_vis.weights.checkpoint import load_checkpoint

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
    for name, text in (
        ("syntax.py", "model = (\n"),
        ("raises.py", "1/0"),
        ("base.py", "_base_ = 'none.py'"),
        ("exit.py", "import sys\nsys.exit(3)"),
    ):
        (tmp_path / name).write_text(text)
        with pytest.raises(ConfigError, match=name) as caught:
            load_config(tmp_path / name)
        assert len(str(caught.value)) < 600
    (tmp_path / "empty.py").write_text("x = 1")
    with pytest.raises(ConfigError, match=r"empty.py: model must be a dict"):
        build_model(load_config(tmp_path / "empty.py"))
    with pytest.raises(ConfigError, match=r"^config: model must be a dict"):
        build_model(Config({"x": 1}))
    with pytest.raises(ConfigError, match=r"^config: propose_reduce is missing"):
        build_settings(Config({"x": 1}))


def test_unknown_part_of_a_pipeline_is_no_transform():
    pipeline = [{"type": "ClipFlip"}, {"type": "ClipResiz"}]
    inner = {"type": "YTVISClips", "pipeline": pipeline}
    for dataset, place in ((inner, ""), ({"type": "MixedClips", "datasets": [inner]}, ".datasets[0]")):
        config = Config({"train": {"dataset": dataset}})
        message = f"train.dataset{place}.pipeline[1].type='ClipResiz' is not registered as a transform; "
        with pytest.raises(ConfigError, match=re.escape(message + "did you mean 'ClipResize'")):
            build(DATASETS, config, "train.dataset")


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
    with pytest.raises(ConfigError, match=r"^mem_step must be at least 1"):
        build_settings(plain, mem_step=0)
    with pytest.raises(ConfigError, match="unknown key 'key_nums'; did you mean 'key_num'"):
        build_settings(load_config(tiny[0], {"propose_reduce.key_nums": 3}))
    with pytest.raises(ConfigError, match="did you mean 'SeqNMS'"):
        build_settings(load_config(tiny[0], {"propose_reduce.reduce.type": "SeqNM"}))
    with pytest.raises(ConfigError, match="step"):
        build_settings(load_config(tiny[0], {"propose_reduce.memory.step": 0}))


PROPOSE_REDUCE_ERRORS = [
    ({"propose_reduce.key_num": "abc"}, "propose_reduce.key_num='abc' must be a whole number from 1 on"),
    ({"propose_reduce.key_num": 2.5}, "propose_reduce.key_num=2.5 must be a whole number"),
    ({"propose_reduce.key_num": None}, "propose_reduce.key_num=None must be a whole number"),
    ({"propose_reduce.key_num": True}, "propose_reduce.key_num=True must be a whole number"),
    ({"propose_reduce.key_num": 0}, "propose_reduce.key_num=0 must be a whole number"),
    ({"propose_reduce.mask_nms_thr": "x"}, "propose_reduce.mask_nms_thr='x' must be a number from 0 to 1"),
    ({"propose_reduce.reduce.iou_thr": "a"}, "propose_reduce.reduce.iou_thr='a' must be a number from 0 to 1"),
    ({"propose_reduce.reduce.iou": 0.5}, "propose_reduce.reduce has unknown key 'iou'; did you mean 'iou_thr'"),
    ({"propose_reduce.reduce": 0.5}, "propose_reduce.reduce=0.5 must be a dict with a 'type'"),
    ({"propose_reduce.cate_reduce.iou_thr": 0}, "propose_reduce.cate_reduce.iou_thr=0 must be a number above 0"),
    ({"propose_reduce.memory.step": "a"}, "propose_reduce.memory.step='a' must be a whole number"),
    ({"propose_reduce.skip_covered_iou": "a"}, "propose_reduce.skip_covered_iou='a' must be a number from 0 to 1"),
    ({"propose_reduce": 5}, "propose_reduce=5 must be a dict with key_num, key_frames"),
    ({"propose_reduce": {"_delete_": True, "mask_nms_thr": 0.2}}, "propose_reduce.key_num is missing"),
]


@pytest.mark.parametrize(("options", "message"), PROPOSE_REDUCE_ERRORS)
def test_wrong_values_of_propose_reduce(tiny, options, message):
    """Each is found when the config is read, and again in one that was made or changed in Python."""
    config = load_config(tiny[0])
    config.merge_from_dict(copy.deepcopy(options))
    for use in (lambda: load_config(tiny[0], options), lambda: build_settings(config, profile="fast")):
        with pytest.raises(ConfigError) as caught:
            use()
        assert f"tiny.py: {message}" in str(caught.value)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("key", ["key_num", "memory", "mask_nms_thr", "reduce"])
def test_missing_keys_of_propose_reduce(tiny, key):
    config = load_config(tiny[0])
    del config.propose_reduce[key]
    with pytest.raises(ConfigError, match=rf"tiny.py: propose_reduce.{key} is missing: it must be a"):
        build_settings(config)


MODEL_ERRORS = [
    ({"model.test_cfg.rcnn.score_thr": "abc"}, "model.test_cfg.rcnn.score_thr='abc' must be a number from 0 to 1"),
    ({"model.test_cfg.rcnn.max_per_img": 2.5}, "model.test_cfg.rcnn.max_per_img=2.5 must be a whole number"),
    ({"model.test_cfg.rpn.foo": 1}, "model.test_cfg.rpn has unknown key 'foo'; known: max_num, nms_post"),
    ({"model.test_cfg.rpn.nms_thre": 1}, "model.test_cfg.rpn has unknown key 'nms_thre'; did you mean 'nms_thr'"),
    ({"model.test_cfg.rcnn": 3}, "model.test_cfg.rcnn=3 must be a dict"),
    ({"model.test_cfg": 3}, "model.test_cfg=3 must be a dict with rpn, rcnn"),
    ({"model.neck.num_outs": 4}, "model.neck.num_outs=4 and model.rpn_head.strides=[4, 8, 16, 32, 64] do not fit"),
    ({"model.neck.num_outs": 3}, "model.neck.num_outs=3 must be a whole number from 4 to 12"),
    (
        {"model": {"_delete_": True, "type": "SingleRoIExtractor"}},
        "model.type=SingleRoIExtractor is a part of a network",
    ),
    ({"model.neck.num_outs": 5000}, "model.neck.num_outs=5000 must be a whole number from 4 to 12"),
    ({"model.rpn_head.strides": [4, 8]}, "5 levels have the strides [4, 8, 16, 32, 64]"),
    ({"model.rpn_head.strides": 4}, "model: "),
    ({"model.neck.out_channels": -1}, "model: "),
    ({"model.bbox_head.num_classes": 3}, "model.bbox_head.num_classes=3 and model.mask_head.num_classes=4 differ"),
    ({"model.bbox_head.num_classes": "a"}, "model.bbox_head.num_classes='a' must be the number of categories plus one"),
    ({"data_preprocessor.size_divisor": 0}, "data_preprocessor.size_divisor=0 must be a multiple of 32"),
    ({"data_preprocessor.size_divisor": 16}, "data_preprocessor.size_divisor=16 must be a multiple of 32"),
    ({"data_preprocessor.img_scale": (0, 0)}, "data_preprocessor.img_scale=(0, 0) must be two whole numbers"),
    ({"data_preprocessor.img_scale": 640}, "data_preprocessor.img_scale=640 must be two whole numbers"),
    ({"data_preprocessor.std": (0, 0, 0)}, "data_preprocessor.std=(0, 0, 0) must be three numbers above 0"),
    ({"data_preprocessor.mean": (1, 2)}, "data_preprocessor.mean=(1, 2) must be three numbers"),
    ({"data_preprocessor.to_bgr": True}, "data_preprocessor has unknown key 'to_bgr'; did you mean 'to_rgb'"),
    ({"data_preprocessor": 5}, "data_preprocessor=5 must be a dict"),
]


@pytest.mark.parametrize(("options", "message"), MODEL_ERRORS)
def test_wrong_values_of_the_model(tiny, options, message):
    with pytest.raises(ConfigError) as caught:
        build_model(load_config(tiny[0], options))
    assert "tiny.py: " in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("value", "message"),
    [(5, "categories=5 must be the name of a benchmark"), ("coco", "tiny.py: categories='coco' is not known")],
)
def test_wrong_categories(tiny, value, message):
    with pytest.raises(ConfigError, match=message):
        load_config(tiny[0], {"categories": value})


def test_other_values_are_used(tiny):
    four = {"model.neck.num_outs": 4, "model.rpn_head.strides": [4, 8, 16, 32]}
    assert build_model(load_config(tiny[0], four)).rpn_head.anchors.strides == (4, 8, 16, 32)
    config = load_config(tiny[0], {"propose_reduce.skip_covered_iou": 0.6, "propose_reduce.cate_reduce": None})
    assert build_settings(config, profile="fast").skip_covered_iou == 0.6
    assert build_settings(config).skip_covered_iou is None


def test_every_shipped_config_is_valid(repository):
    configs = sorted((repository / ROWS).rglob("*.py"))
    assert len(configs) > 10
    for path in configs:
        config = load_config(path)
        check_config(config)
        classes = {config.model.bbox_head.num_classes, config.model.mask_head.num_classes}
        expected = {"davis": 2, "mobilenetv2": 20, "stills": 5}
        assert classes == {next((n for word, n in expected.items() if word in path.name), 41)}
        assert "num_classes" not in config


def test_a_config_without_the_other_blocks_builds(tiny):
    config = load_config(tiny[0])
    assert build_model(Config({"model": config.model, "default_scope": "mmdet_vis"})).bbox_head.num_classes == 4


def test_weights_that_are_loaded_over_are_not_drawn_before(tiny):
    config = load_config(tiny[0])
    before = torch.get_rng_state()
    bare = build_model(config, init=False)
    assert torch.equal(torch.get_rng_state(), before)
    usual = build_model(config)
    assert not torch.equal(torch.get_rng_state(), before)
    for network in (bare, usual):
        load_checkpoint(network, tiny[1])
    assert bare.state_dict().keys() == usual.state_dict().keys()
    assert all(torch.equal(value, usual.state_dict()[name]) for name, value in bare.state_dict().items())
    assert [name for name, _ in bare.named_buffers()] == [name for name, _ in usual.named_buffers()]
    assert all(torch.equal(*pair) for pair in zip(bare.buffers(), usual.buffers(), strict=True))
