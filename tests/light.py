"""A tiny network with the light propagation head."""

from __future__ import annotations

from pathlib import Path

import torch

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.weights.checkpoint import write_state
from tests.tiny import write_config

LIGHT = """
_base_ = "tiny.py"
model = dict(prop_head=dict(_delete_=True, type="LightPropHead", channels=16, mid_channels=8, fine_channels=8,
                            key_channels=8, trunk_channels=16))
propose_reduce = dict(memory=dict(_delete_=True, type="MemoryFirstLastDistinct", size=4, step=2))
"""


def light_model(folder: Path) -> VISModel:
    """Random weights with which everything is visible, as a file in a folder, loaded."""
    write_config(folder, Path(__file__).parents[1])
    config = folder / "light.py"
    config.write_text(LIGHT)
    torch.manual_seed(0)
    network = build_model(load_config(config))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if parameter.ndim > 1 and not name.startswith(("backbone", "prop_head")):
                torch.nn.init.kaiming_normal_(parameter)
        network.bbox_head.fc_cls.weight.mul_(0.3)
        network.rpn_head.rpn_reg.weight.mul_(0.1)
        network.prop_head.object.bias.fill_(5.0)  # everything is there
    write_state(network.state_dict(), folder / "light.safetensors")
    return load_model(config, folder / "light.safetensors", device="cpu", precision="float32")
