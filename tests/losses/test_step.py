"""The training step as a whole, on a tiny network with random weights."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmdet_vis.errors import ConfigError
from mmdet_vis.losses.propagation import Carried, Decoded, paste_soft, propagation_loss
from mmdet_vis.losses.rpn import RPNSettings
from mmdet_vis.losses.step import PropagationSettings, TrainingStep, TrainSettings
from mmdet_vis.losses.targets import SampleSettings
from mmdet_vis.structures.clip import TrainingClip
from tests.light import light_model
from tests.step_cases import MEAN, MOVING, STD, Box, gradients, make_clip, make_step, total

LOSSES = ["loss_rpn_cls", "loss_rpn_reg", "loss_cls", "loss_reg", "loss_mask", "loss_prop"]
Tiny = tuple[Path, Path]


class Recording(TrainingStep):
    """Keeps what a step learnt from."""

    regions: list[Any]
    starts: list[Tensor]

    def forward(self, clips: Sequence[TrainingClip]) -> dict[str, Tensor]:
        self.starts = []
        return super().forward(clips)

    def _boxes(self, current: Any, regions: Any) -> Any:
        self.regions = list(regions)
        return super()._boxes(current, regions)

    def _start_masks(self, *args: Any) -> Tensor:
        self.starts.append(super()._start_masks(*args))
        return self.starts[-1]


@pytest.fixture(scope="module")
def step(tiny: Tiny) -> Recording:
    found = make_step(tiny, kind=Recording)
    assert isinstance(found, Recording)
    return found


@pytest.fixture
def sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """The step returns sums, not yet divided; the numbers that they belong to are noted."""

    def undivided(numbers: Tensor) -> list[Tensor]:
        NUMBERS[:] = numbers.tolist()
        return [torch.ones(())] * len(numbers)

    monkeypatch.setattr("mmdet_vis.losses.step._shares", undivided)


NUMBERS: list[float] = []


def values(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in losses.items()}


def flat(found: dict[str, Tensor]) -> list[float]:
    """The sums of the latest step, and their numbers."""
    return [*values(found).values(), *NUMBERS]


def test_names_and_accuracy(step: Recording) -> None:
    """The accuracy is that of the box head's largest logit over the sampled regions."""
    losses = step([make_clip(MOVING)])
    assert list(losses) == [*LOSSES, "acc"]
    assert all(v.shape == () and v.isfinite() and v > 0 for k, v in losses.items() if k != "acc")
    assert 0 <= losses["acc"] <= 100
    share = losses["acc"].item() / 100 * len(step.regions[0].labels)
    assert share == pytest.approx(round(share), abs=1e-3)


def test_images_are_normalised_and_padded(step: Recording) -> None:
    """BGR pixels become RGB numbers; what is beyond an image is zero."""
    images = [torch.full((2, 3, 30, 50), 10, dtype=torch.uint8), torch.full((3, 3, 40, 33), 20, dtype=torch.uint8)]
    images[0][:, 0] = 255  # blue
    padded = step.pad(images)
    assert padded.shape == (5, 3, 64, 64)
    expected = [(v - m) / s for v, m, s in zip((10, 10, 255), MEAN, STD, strict=True)]
    assert padded[1, :, 29, 49].tolist() == pytest.approx(expected, rel=1e-5)
    assert padded[4, 0, 39, 32].item() == pytest.approx((20 - MEAN[0]) / STD[0], rel=1e-5)
    assert not padded[:2, :, 30:].any()
    assert not padded[:2, :, :, 50:].any()
    assert not padded[2:, :, 40:].any()
    assert not padded[2:, :, :, 33:].any()


def test_same_clip_same_losses(step: Recording) -> None:
    """Whatever the global random state, and more objects and anchors than are taken."""
    boxes: list[Box | None] = [(8 * i, 8, 8 * i + 20, 50) for i in range(9)]
    clip = make_clip([boxes, boxes], labels=[1, 2, 3] * 3, seed=4)
    torch.manual_seed(1)
    once = values(step([clip]))
    torch.manual_seed(2)
    assert values(step([clip])) == once
    clip.seed = 5
    assert values(step([clip]))["loss_rpn_cls"] != once["loss_rpn_cls"]


@pytest.mark.usefixtures("sums")
def test_clips_of_different_sizes_and_lengths(step: Recording) -> None:
    """A batch is the sum of its clips: each keeps its own size, frames and objects."""
    smaller: list[list[Box | None]] = [[(5, 5, 30, 30)], [(8, 5, 33, 30)], [(11, 5, 36, 30)]]
    clips = [make_clip(MOVING, seed=1), make_clip(smaller, (45, 80), seed=2), make_clip([[], []], (64, 70), seed=3)]
    alone = [flat(step([clip])) for clip in clips]
    together = flat(step(clips))
    assert together == pytest.approx([sum(column) for column in zip(*alone, strict=True)], rel=1e-4)


def test_regions_lie_in_their_own_image(step: Recording) -> None:
    """Not in the padding, which is as large as the batch's largest image."""
    sizes = [(64, 96), (45, 70)]
    step([make_clip([[], []], size, seed=n) for n, size in enumerate(sizes)])
    for regions, (height, width) in zip(step.regions, sizes, strict=True):
        assert regions.boxes.amin() >= 0
        assert regions.boxes[:, 2].amax() == width - 1
        assert regions.boxes[:, 3].amax() == height - 1


def test_detection_looks_at_the_last_frame_alone(step: Recording) -> None:
    """Another reference frame changes what is carried and nothing else."""
    clip = make_clip(MOVING)
    before = values(step([clip]))
    clip.images[0] = clip.images[0].flip(2)
    after = values(step([clip]))
    assert {k for k in before if after[k] != pytest.approx(before[k], rel=1e-4)} == {"loss_prop"}


def test_three_frames(step: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks are carried over the middle frame; its object that is unknown costs nothing there."""
    seen: list[tuple[Sequence[Decoded], Carried]] = []

    def record(found: Sequence[Decoded], clip: TrainingClip, carried: Carried, bce_weight: float) -> Tensor:
        seen.append((found, carried))
        return propagation_loss(found, clip, carried, bce_weight)

    monkeypatch.setattr("mmdet_vis.losses.step.propagation_loss", record)
    clip = make_clip([MOVING[0], MOVING[1], MOVING[0]])
    clip.frames[1].ids[1] = 77
    loss = step([clip])["loss_prop"]
    [(found, carried)] = seen
    assert [f.soft.shape for f in found] == [(2, 64, 96)] * 2
    assert [r.tolist() for r in carried.rows] == [[0, -1], [0, 1]]
    overlaps = []
    for soft, frame, objects in ((found[0].soft, clip.frames[1], [0]), (found[1].soft, clip.frames[2], [0, 1])):
        for k in objects:
            truth = frame.masks[k].float()
            overlaps.append(torch.minimum(soft[k], truth).sum() / torch.maximum(soft[k], truth).sum())
    assert loss.item() == pytest.approx(sum(1 - o.item() for o in overlaps) / 2 / 2, rel=1e-4)


def test_no_objects_at_all(step: Recording) -> None:
    """Only background is learnt, and the gradient exists."""
    clips = [make_clip([[], []], seed=1), make_clip([[], []], seed=2)]
    losses = step(clips)
    total(losses).backward()
    assert [k for k in LOSSES if losses[k] > 0] == ["loss_rpn_cls", "loss_cls"]
    assert all((r.labels == 0).all() and len(r.labels) for r in step.regions)
    assert all(p.grad is None or p.grad.isfinite().all() for p in step.model.parameters())


def test_objects_with_empty_masks_count_for_nothing(step: Recording) -> None:
    """Hidden in the current frame: neither a region nor carried. The same as if it were not there."""
    hidden = make_clip([[*MOVING[0], (2, 2, 9, 9)], [*MOVING[1], None]], seed=3)
    without = make_clip(MOVING, seed=3)
    without.images = hidden.images
    assert values(step([hidden])) == values(step([without]))


def test_all_masks_empty(step: Recording) -> None:
    losses = step([make_clip([[None, None], [None, None]])])
    assert all(v.isfinite() for v in losses.values())
    assert [losses[k].item() for k in ("loss_reg", "loss_mask", "loss_prop")] == [0, 0, 0]


@pytest.mark.usefixtures("sums")
def test_a_clip_that_is_not_exhaustive_adds_no_background(step: Recording) -> None:
    """Without objects it adds nothing at all, but the least of the anchors' number."""
    full, other = make_clip(MOVING, seed=1), make_clip([[], []], seed=2, exhaustive=False)
    alone, together = flat(step([full])), flat(step([full, other]))
    alone[-4] += 2
    assert together == pytest.approx(alone, rel=1e-4)


def test_only_objects_are_learnt_from_a_clip_that_is_not_exhaustive(step: Recording) -> None:
    """No region is background; the gradient of a background anchor or category is never upwards for it."""
    clip = make_clip(MOVING, exhaustive=False)
    losses = step([clip])
    assert (step.regions[0].labels > 0).all()
    assert len(step.regions[0].labels) == step.regions[0].num_positive >= 2
    found = gradients(step, [clip])
    # A descent step raises the objectness bias and lowers that of the background category.
    assert (found["rpn_head.rpn_cls.bias"] <= 0).all()
    assert found["rpn_head.rpn_cls.bias"].sum() < 0
    assert found["bbox_head.fc_cls.bias"][0] > 0
    assert all(losses[k] > 0 for k in LOSSES)
    full = gradients(step, [make_clip(MOVING)])
    assert full["bbox_head.fc_cls.bias"][0] < 0


def test_nothing_to_learn(step: Recording) -> None:
    """Not exhaustive and without objects: every loss is zero, and so is the gradient."""
    clip = make_clip([[], []], exhaustive=False)
    assert values(step([clip])) == dict.fromkeys([*LOSSES, "acc"], 0.0)
    assert not any(g.any() for g in gradients(step, [clip]).values())


def with_share(tiny: Tiny, share: float) -> Recording:
    found = make_step(tiny, TrainSettings(prop=PropagationSettings(true_mask_share=share)), Recording)
    assert isinstance(found, Recording)
    return found


def test_true_masks_for_all_clips(tiny: Tiny) -> None:
    """In the order in which the objects are carried."""
    step = with_share(tiny, 1.0)
    clip = make_clip([MOVING[0][::-1], MOVING[1]])
    clip.frames[0].ids = clip.frames[0].ids.flip(0)
    step([clip])
    assert torch.equal(step.starts[0], clip.frames[0].masks.flip(0).float())


def test_masks_of_the_mask_head_for_all_clips(step: Recording) -> None:
    """What it draws in the true boxes of the first frame for the true category, not thresholded."""
    clip = make_clip(MOVING, (60, 90), labels=[3, 1])
    step([clip])
    [start] = step.starts
    boxes = clip.frames[0].boxes
    with torch.no_grad():
        features = step.model.extract(step.pad([clip.images]))[slice(0, 1)]
        rois = F.pad(boxes, (1, 0))
        logits = step.model.mask_head(step.model.mask_roi_extractor(features.levels, rois))
        expected = paste_soft(torch.stack((logits[0, 3], logits[1, 1])).sigmoid(), boxes, (60, 90))
    torch.testing.assert_close(start, expected, rtol=0, atol=1e-5)
    outside = 1 - clip.frames[0].masks.float()
    assert not (start * outside).any()
    assert ((start > 0) & (start < 1)).any()


def test_share_of_true_masks_follows_from_the_seeds(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    """A third of many clips, the same ones when asked again, and those among others for a larger share."""
    step = with_share(tiny, 0.0)
    monkeypatch.setattr(step.model, "mask_logits", lambda levels, rois, labels: torch.zeros(len(rois), 28, 28))
    clip = make_clip(MOVING)
    with torch.no_grad():
        features = step.model.extract(step.pad([clip.images]))[slice(0, 1)]

    def chosen(share: float) -> list[bool]:
        step.settings = TrainSettings(prop=PropagationSettings(true_mask_share=share))
        found = []
        for seed in range(150):
            clip.seed = seed
            start = TrainingStep._start_masks(step, features, clip, Carried(torch.tensor([0]), [torch.tensor([0])]))
            found.append(start.max().item() == 1)
        return found

    third = chosen(1 / 3)
    assert third == chosen(1 / 3)
    assert 50 - 29 <= sum(third) <= 50 + 29  # five standard deviations of 5.8
    assert all(more >= less for more, less in zip(chosen(2 / 3), third, strict=True))


def test_propagation_does_not_teach_the_mask_head(tiny: Tiny) -> None:
    """The masks that it starts from are not derived; backbone and neck are, through both frames."""
    step = with_share(tiny, 0.0)
    step([make_clip(MOVING)])["loss_prop"].backward()
    parts = {name.split(".")[0] for name, p in step.model.named_parameters() if p.grad is not None and p.grad.any()}
    assert parts == {"backbone", "neck", "prop_head"}


def test_boxes_and_masks_are_taught_by_category(step: Recording) -> None:
    """Objects of category 3 leave the box changes and mask channels of all others alone, the background's too."""
    found = gradients(step, [make_clip(MOVING, labels=[3, 3])])
    changes = found["bbox_head.fc_reg.bias"].reshape(4, 4)
    assert changes.any(dim=1).tolist() == [False, False, False, True]
    assert (found["mask_head.conv_logits.bias"] != 0).tolist() == [False, False, False, True]


def large_boxes(shift: int) -> Sequence[Box | None]:
    return [(20 + shift, 30, 280 + shift, 290), (10 + shift, 10, 40 + shift, 60), (200 + shift, 20, 310, 120)]


def test_gradients_reach_every_parameter(tiny: Tiny) -> None:
    """Objects of many sizes and all anchors, so that every level of the pyramid is learnt from."""
    step = make_step(tiny, TrainSettings(rpn=RPNSettings(num=10**6), rcnn=SampleSettings(num=64)))
    step.model.test_cfg["rpn"] |= {"max_num": 40}
    with torch.no_grad():
        # The last normalisation of a residual block starts at zero and would stop gradients of what is before it.
        for parameter in step.model.backbone.parameters():
            parameter.add_(0.5 * (parameter == 0))
    total(step([make_clip([large_boxes(0), large_boxes(6)], (320, 320))])).backward()
    none = [name for name, p in step.model.named_parameters() if p.grad is None or not p.grad.any()]
    # A bias of the memory's keys moves the affinities of all positions alike, which the softmax does not see: its
    # gradient is zero but for rounding.
    assert [n for n in none if n != "prop_head.atn_key.bias"] == []
    assert all(p.grad.isfinite().all() for p in step.model.parameters() if p.grad is not None)


def test_the_losses_fall(tiny: Tiny) -> None:
    """Twelve steps on one clip. The regression losses are left out: their regions are others in each step."""
    step = with_share(tiny, 1.0)
    clips = [make_clip(MOVING)]
    optimiser = torch.optim.AdamW(step.parameters(), lr=1e-3)
    curve = []
    for _ in range(12):
        losses = step(clips)
        curve.append(values(losses))
        optimiser.zero_grad()
        total(losses).backward()
        optimiser.step()
    assert sum(curve[-1][k] for k in LOSSES) < 0.8 * sum(curve[0][k] for k in LOSSES)
    assert all(curve[-1][k] < 0.9 * curve[0][k] for k in ("loss_rpn_cls", "loss_cls", "loss_mask"))


def test_single_stills_teach_the_detector_alone(tiny: Tiny) -> None:
    step = make_step(tiny)
    losses = step([make_clip([MOVING[0]], seed=3), make_clip([MOVING[1]], seed=4)])
    assert losses["loss_prop"] == 0
    assert all(losses[name] > 0 for name in LOSSES if name != "loss_prop")
    total(losses).backward()
    taught = {name.split(".")[0] for name, p in step.model.named_parameters() if p.grad is not None}
    assert taught == {"backbone", "neck", "rpn_head", "bbox_head", "mask_head"}


def test_a_detector_beside_a_light_head_learns_from_single_frames(tmp_path: Path) -> None:
    """Its propagation head is trained alone: clips of several frames are refused in a line."""
    network = light_model(tmp_path).network.requires_grad_(True).train()
    step = TrainingStep(network, TrainSettings(), MEAN, STD)
    with pytest.raises(ConfigError, match=r"take clips of one frame, train.dataset.num_frames=1"):
        step([make_clip(MOVING)])
    losses = step([make_clip(MOVING[:1])])
    assert losses["loss_prop"].item() == 0
    total(losses).backward()
    assert network.bbox_head.fc_cls.weight.grad is not None
    assert all(parameter.grad is None for parameter in network.prop_head.parameters())
