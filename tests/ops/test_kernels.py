"""torchvision's operators, loaded without torchvision, are the same; a start does not wait for what it does not use."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys
import mmdet_vis.api
heavy = ("torchvision", "timm", "scipy.optimize", "matplotlib", "pandas", "gradio", "mmengine.runner")
assert not set(heavy) & set(sys.modules), set(heavy) & set(sys.modules)

import torch
from mmdet_vis.ops import nms, roi_align
from mmdet_vis.structures.boxes import to_half_open

torch.manual_seed(0)
corners = torch.rand(60, 2) * 40
boxes = torch.cat((corners, corners + torch.rand(60, 2) * 20), dim=1)
scores, features = torch.rand(60), torch.rand(2, 3, 16, 16)
rois = torch.cat((torch.randint(0, 2, (60, 1)).float(), boxes), dim=1)
found = nms(boxes, scores, 0.5), roi_align(features, rois, 7, 0.25, 2)
assert "torchvision" not in sys.modules
features.requires_grad_()
roi_align(features, rois, 7, 0.25, 2).square().sum().backward()
assert features.grad.abs().sum() > 0
assert "torchvision" in sys.modules, "which has the gradients"

import torchvision
shifted = rois.clone()
shifted[:, 1:] = to_half_open(boxes) + 2
expected = torchvision.ops.roi_align(features, shifted, 7, 0.25, 2, True)
assert torch.equal(found[0], torchvision.ops.nms(to_half_open(boxes), scores, 0.5))
assert torch.equal(found[1], expected)
"""


def test_in_a_process_of_its_own():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
