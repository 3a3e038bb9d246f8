"""One deterministic training step beside the reference's: losses, sampled regions, targets and gradient norms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.losses.regions import Regions
from mmdet_vis.losses.step import TrainingStep, TrainSettings
from mmdet_vis.structures.clip import FrameTargets, TrainingClip

R50 = "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"
PADDED = (384, 480)


def first(indices: Tensor, number: int) -> Tensor:
    """The choice that the goldens were made with."""
    return indices[:number]


def frame_targets(spec: dict[str, Any], which: str, packed: np.ndarray, size: tuple[int, int]) -> FrameTargets:
    """Targets of the current or the reference frame; an object moves by its ``v`` from one to the other."""
    objects = [o for o in spec["objs"] if o.get("only", which) == which]
    moved = [np.add(o["c"], o["v"]) if which == "ref" else np.array(o["c"]) for o in objects]
    boxes = [[*(c - o["r"]), *(c + o["r"])] for c, o in zip(moved, objects, strict=True)]
    masks = np.unpackbits(packed)[: len(objects) * PADDED[0] * PADDED[1]].reshape(-1, *PADDED)
    return FrameTargets(
        boxes=torch.tensor(np.array(boxes), dtype=torch.float32),
        labels=torch.tensor([o["cls"] for o in objects]),
        masks=torch.from_numpy(masks[:, : size[0], : size[1]].copy()),
        ids=torch.tensor([o["id"] for o in objects]),
        ignored=torch.zeros((0, 4)),
    )


class Recording(TrainingStep):
    """Keeps what a step chose."""

    regions: list[Regions]
    starts: list[Tensor]

    def _boxes(self, current: Any, regions: Any) -> Any:
        self.regions, self.starts = list(regions), []
        return super()._boxes(current, regions)

    def _start_masks(self, *args: Any) -> Tensor:
        self.starts.append(super()._start_masks(*args))
        return self.starts[-1]


@pytest.fixture(scope="module")
def step(
    shared: Path, repository: Path, r50_weights: dict[str, Tensor]
) -> tuple[Recording, dict[str, Tensor], dict[str, Any], Any]:
    """The step's module after its backward pass, its losses, and the goldens."""
    folder = shared / "reference" / "goldens"
    golden = json.loads((folder / "goldens_train.json").read_text())
    arrays = np.load(folder / "goldens_train.npz")
    config = load_config(repository / R50)
    model = build_model(config)
    model.load_state_dict(r50_weights, strict=False)
    model.train()
    pre = config.data_preprocessor
    module = Recording(model, TrainSettings(), pre.mean, pre.std, pre.to_rgb, pre.size_divisor)
    module.chooser = lambda seed: first
    files = sorted((shared / "data" / "videos" / "7741a0fbce").glob("*.jpg"))
    clips = []
    for number, spec in enumerate(golden["spec"]):
        images = np.stack([cv2.imread(str(files[spec[k]])) for k in ("ref", "cur")])
        size = images.shape[1:3]
        frames = [
            frame_targets(spec, k, arrays[f"{n}_masks_{number}"], size) for k, n in (("ref", "ref"), ("cur", "gt"))
        ]
        clips.append(TrainingClip(torch.from_numpy(images).permute(0, 3, 1, 2), frames))
    losses = module(clips)
    sum(v for k, v in losses.items() if k.startswith("loss")).backward()
    return module, losses, golden, arrays


def test_losses(step: Any) -> None:
    """Every loss to rounding, and the accuracy exactly."""
    _, losses, golden, _ = step
    for name, expected in golden["losses"].items():
        value = float(np.sum(expected))
        assert losses[name].item() == pytest.approx(value, rel=2e-5), name
    total = sum(v.item() for k, v in losses.items() if k.startswith("loss"))
    assert total == pytest.approx(golden["total"], rel=1e-5)


def test_sampled_regions(step: Any) -> None:
    """Which proposals are learnt from, in which order, and for which category."""
    module, _, _, arrays = step
    for number, regions in enumerate(module.regions):
        assert regions.num_positive == arrays[f"num_pos_{number}"]
        np.testing.assert_allclose(regions.boxes.numpy(), arrays[f"sampled_boxes_{number}"], atol=2e-3)
        assert regions.labels[: regions.num_positive].tolist() == arrays[f"pos_labels_{number}"].tolist()
    assert torch.cat([r.labels for r in module.regions]).tolist() == arrays["rcnn_labels"].tolist()


def test_region_targets(step: Any) -> None:
    """Box changes of the object's own class, and mask targets to the pixel."""
    module, _, _, arrays = step
    weights = arrays["rcnn_bbox_weights"].reshape(256, 41, 4)[..., 0]
    rows, classes = weights.nonzero()
    expected = arrays["rcnn_bbox_targets"].reshape(256, 41, 4)[rows, classes]
    np.testing.assert_allclose(torch.cat([r.deltas for r in module.regions]).numpy(), expected, atol=2e-4)
    masks = torch.cat([r.masks for r in module.regions]).numpy()
    packed = arrays["mask_targets"]
    shape = tuple(arrays["mask_targets_shape"])
    np.testing.assert_array_equal(masks, np.unpackbits(packed)[: np.prod(shape)].reshape(shape))


def test_masks_that_propagation_starts_from(step: Any) -> None:
    """Soft masks of the mask head inside the true boxes: mean and largest value of each."""
    module, _, _, arrays = step
    for number, masks in enumerate(module.starts):
        stats = torch.stack([masks.flatten(1).mean(1), masks.flatten(1).amax(1)], dim=1)
        np.testing.assert_allclose(stats.numpy(), arrays[f"ref_masks_in_{number}_stats"], rtol=1e-4)


def test_gradient_norms(step: Any) -> None:
    """Every parameter has the reference's gradient norm; frozen and unused ones have none."""
    module, _, golden, _ = step
    # In float64: the norm of twelve million float32 numbers is off in the third digit.
    norms = {
        n: p.grad.double().norm().item() if p.grad is not None else None for n, p in module.model.named_parameters()
    }
    for name, expected in golden["grad_norms"].items():
        if expected is None:
            assert norms.get(name) is None, name
        else:
            assert norms[name] == pytest.approx(expected, rel=1e-3, abs=1e-6), name
    assert set(norms) <= set(golden["grad_norms"])
    total = np.sqrt(sum(n**2 for n in norms.values() if n is not None))
    assert total == pytest.approx(golden["total_grad_norm_before_clip"], rel=1e-3)
