"""``mmdet-vis configs``: the table of all, and one printed as a file that can be loaded."""

from __future__ import annotations

from mmdet_vis.commands.configs import main
from mmdet_vis.config.load import load_config
from mmdet_vis.config.read import shipped_configs

R50 = "seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage"


def test_table(capsys):
    assert main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines[2 : 2 + len(shipped_configs())]}
    assert set(rows) == set(shipped_configs())
    assert rows[R50] == ["YouTube-VIS", "2019", "ResNet-50", "40.8", "AP", "42.5", "AP"]
    assert rows[f"CateAwareReduce/{R50}"] == ["YouTube-VIS", "2019", "ResNet-50", "42.5", "AP"]
    assert rows["seq_mask_rcnn_x101_fpn_1x_davisuvos_ftstage"] == ["DAVIS-UVOS", "ResNeXt-101", "64x4d", "70.6", "J&F"]
    assert rows["seq_mask_rcnn_mobilenetv2_fpn_stills"][-3:] == ["the", "default", "model"]
    assert rows["seq_mask_rcnn_lite0_synthvis"] == ["SynthVIS", "tf_efficientnet_lite0"]


def test_a_printed_config_is_the_config(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main([R50, "--cfg-options", "propose_reduce.key_num=3"]) == 0
    (tmp_path / "mine.py").write_text(capsys.readouterr().out)
    wanted = load_config(R50, {"propose_reduce.key_num": 3}).to_dict()
    assert load_config("mine.py").to_dict() == wanted
    assert load_config("mine.py", safe=True).to_dict() == wanted
