"""The network stage by stage on parts of the reference's own input to each, which come with the repository.

A convolution sees only so far, so that a corner or a window of a stage's input is enough for a part of what the
reference makes of it. The tests on whole frames, which need the frames, chain the stages; here each one stands alone.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from pycocotools import mask as coco_mask

from mmdet_vis.losses.regions import choose_regions
from mmdet_vis.losses.targets import SampleSettings
from mmdet_vis.models.heads.mask import paste_masks
from mmdet_vis.models.seq_mask_rcnn import rois_of
from mmdet_vis.ops import multiclass_nms
from mmdet_vis.propose_reduce.sequence_iou import mask_nms
from mmdet_vis.structures import encode_masks
from mmdet_vis.structures.boxes import decode_boxes
from mmdet_vis.structures.clip import FrameTargets
from tests.goldens.make_compact import INSIDE, REGIONS, SEEN_C2, digest, make, units, whole
from tests.goldens.reference import DATA, Goldens
from tests.goldens.test_golden_training import first
from tests.goldens.weights import generated_weights

SIZE = (360, 480)
STRIDE = 4  # of C2


@pytest.fixture(scope="module")
def compact():
    return Goldens()


@pytest.fixture(scope="module")
def windows(compact):
    return {name: torch.from_numpy(array.copy()) for name, array in compact.npz("windows").items()}


def check(compact, stage, actual, expected):
    assert actual.shape == expected.shape
    compact.compare(f"{stage}/t0/sample", actual.detach().numpy(), expected.numpy())


@torch.no_grad()
def test_stem_and_first_stage(compact, network, windows):
    body = network.backbone

    def c2(image):
        return body.layer1(body.maxpool(body.relu(body.bn1(body.conv1(image)))))

    side = windows["C2"].shape[-1]
    check(compact, "C2", c2(windows["image"])[..., :side, :side], windows["C2"])
    origins = [part.start // STRIDE for part in INSIDE]
    rows, columns = (slice(p.start - at, p.stop - at) for p, at in zip(SEEN_C2, origins, strict=True))
    check(compact, "C2", c2(windows["image_inside"])[..., rows, columns], windows["C2_inside"])


@torch.no_grad()
def test_later_stages(compact, network, windows):
    body, sides = network.backbone, whole()
    side = sides["C3"]
    check(compact, "C3", body.layer2(windows["C2"])[..., :side, :side], windows["C3"][..., :side, :side])
    c4 = body.layer3(windows["C3"])
    c5 = body.layer4(c4)
    for name, found in (("C4", c4), ("C5", c5)):
        places = tuple(windows[f"{name}_places"].long())
        assert len(places[0]) > 400
        check(compact, name, found[places], windows[f"{name}_values"])


@torch.no_grad()
def test_pyramid(compact, network, windows):
    body, sides = network.backbone, whole()
    c4 = body.layer3(windows["C3"])
    stages = windows["C2"], windows["C3"], c4, body.layer4(c4)
    corner = sides["C5"]
    corners = [
        stage[..., : corner * scale, : corner * scale] for stage, scale in zip(stages, (8, 4, 2, 1), strict=True)
    ]
    levels = dict(zip(("P2", "P3", "P4", "P5", "P6"), network.neck(corners), strict=True))
    for name in ("P2", "P3", "P4"):
        check(compact, name, levels[name][:, ::4, : sides[name], : sides[name]], windows[name])
    check(compact, "P5", levels["P5"][..., :1, :1], windows["P5"][..., :1, :1])
    assert torch.equal(levels["P6"], levels["P5"][..., ::2, ::2])


@torch.no_grad()
def test_proposals_of_the_coarse_levels(compact, network, windows):
    """RPN on P5 and P6; those of its proposals that are good enough are among the reference's, and none of others."""
    levels = [torch.zeros(1, 256, 1, 1)] * 3 + [windows["P5"], windows["P5"][..., ::2, ::2]]
    logits, deltas = network.rpn_head(levels)
    for level in (3, 4):
        compact.check(f"det/t0/rpn_cls{level}", logits[level].permute(0, 3, 1, 2).contiguous())
        compact.check(f"det/t0/rpn_reg{level}", deltas[level].permute(0, 3, 1, 2).contiguous())
    settings = {**network.test_cfg["rpn"]}
    for level in range(3):
        logits[level] = torch.full_like(logits[level], -30.0)  # never proposed
    ours = network.rpn_head.propose(logits, deltas, SIZE, **settings)[0]
    theirs = torch.from_numpy(compact.r50["det/t0/proposals"].copy())
    assert (theirs[:-1, 4] >= theirs[1:, 4]).all()
    good = ours[ours[:, 4] > 1e-9] if len(theirs) < settings["max_num"] else ours[ours[:, 4] >= theirs[-1, 4]]
    assert len(good) >= 5
    nearest = (good[:, None] - theirs[None]).abs().amax(dim=2).min(dim=1).values
    assert float(nearest.max()) <= compact.tolerance("det/t0/proposals", theirs.numpy())


@torch.no_grad()
def test_box_head_on_the_references_proposals(compact, network, windows):
    proposals = torch.from_numpy(compact.r50["det/t0/proposals"][:, :4].copy())
    inside = within(proposals)
    assert int(inside.sum()) == 8
    logits, deltas = network.bbox_head(network.bbox_roi_extractor(*in_window(windows, proposals[inside])))
    chosen = inside.numpy()
    for name, found in (("rcnn_cls_logits", logits), ("rcnn_bbox_pred", deltas)):
        compact.compare(f"det/t0/{name}", found.numpy(), compact.r50[f"det/t0/{name}"][chosen])


@torch.no_grad()
def test_mask_head_on_the_references_detections(compact, network, windows):
    boxes = torch.from_numpy(compact.r50["det/t0/det_bboxes"][:, :4].copy())
    labels = torch.from_numpy(compact.r50["det/t0/det_labels"].copy())
    inside = within(boxes)
    assert int(inside.sum()) == 1
    found = network.mask_logits(*in_window(windows, boxes[inside]), labels[inside])
    compact.compare("det/t0/mask_logits_28", found.numpy(), compact.r50["det/t0/mask_logits_28"][inside.numpy()])


def within(boxes):
    """Which boxes are pooled from P4, and from the columns that are there, ``[N]`` bool."""
    size = (boxes[:, 2:] - boxes[:, :2] + 1).prod(dim=1).sqrt()
    return (boxes[:, 2] <= (REGIONS - 2) * 16) & (size >= 224) & (size < 448)


def in_window(windows, boxes):
    """Levels of which only P4 is more than nothing, and the boxes' regions."""
    nothing = torch.zeros(1, 256, 1, 1)
    return [nothing, nothing, windows["P4_regions"], nothing], rois_of(boxes, 0)


def test_from_the_box_heads_output_to_detections(compact, network):
    arrays = {name: torch.from_numpy(array.copy()) for name, array in compact.r50.items() if array.dtype != np.int64}
    boxes = decode_boxes(
        arrays["det/t0/proposals"][:, :4], arrays["det/t0/rcnn_bbox_pred"], network.bbox_head.stds, SIZE
    )
    compact.check("det/t0/boxes_before_nms", boxes)
    rcnn = network.test_cfg["rcnn"]
    scores = arrays["det/t0/rcnn_cls_logits"].softmax(1)
    found, confidence, labels = multiclass_nms(boxes, scores, rcnn["score_thr"], rcnn["nms_thr"], rcnn["max_per_img"])
    compact.check("det/t0/det_bboxes", torch.cat((found, confidence[:, None]), dim=1))
    assert labels.tolist() == compact.r50["det/t0/det_labels"].tolist()


def test_from_mask_logits_to_distinct_masks(compact, network):
    logits, boxes = compact.r50["det/t0/mask_logits_28"], compact.r50["det/t0/det_bboxes"][:, :4]
    probability = torch.from_numpy(logits.copy()).sigmoid().numpy()
    masks = encode_masks(paste_masks(probability, boxes, SIZE, network.test_cfg["rcnn"]["mask_thr_binary"]))
    expected = compact.json("goldens_r50")
    for ours, theirs in zip(masks, expected["det/t0/det_masks"], strict=True):
        assert coco_mask.area(theirs) <= 100 or coco_mask.iou([ours], [theirs], [0])[0, 0] >= 0.999
    assert mask_nms(masks, 0.2) == expected["det/t0/mask_nms_kept"]


@pytest.mark.parametrize("number", [0, 1])
def test_regions_and_targets_of_training(compact, number):
    """From the reference's own regions, which are chosen again with their labels, box changes and mask targets."""
    arrays, spec = compact.npz("goldens_train"), compact.json("goldens_train")["spec"][number]
    objects = [o for o in spec["objs"] if o.get("only", "cur") == "cur"]
    boxes = [[*np.subtract(o["c"], o["r"]), *np.add(o["c"], o["r"])] for o in objects]
    truth = torch.tensor(np.array(boxes), dtype=torch.float32)
    masks = np.unpackbits(arrays[f"gt_masks_{number}"])[: len(objects) * 384 * 480].reshape(-1, 384, 480)
    target = FrameTargets(
        boxes=truth,
        labels=torch.tensor([o["cls"] for o in objects]),
        masks=torch.from_numpy(masks[:, :360].copy()),
        ids=torch.tensor([o["id"] for o in objects]),
        ignored=torch.zeros((0, 4)),
    )
    theirs = torch.from_numpy(arrays[f"sampled_boxes_{number}"].copy())
    ours = choose_regions(theirs[len(truth) :], target, True, first, SampleSettings())
    positive = int(arrays[f"num_pos_{number}"])
    assert ours.num_positive == positive
    torch.testing.assert_close(ours.boxes, theirs)
    assert ours.labels[:positive].tolist() == arrays[f"pos_labels_{number}"].tolist()
    weights = arrays["rcnn_bbox_weights"].reshape(2, 128, 41, 4)[number, ..., 0]
    rows, classes = weights.nonzero()
    expected = arrays["rcnn_bbox_targets"].reshape(2, 128, 41, 4)[number, rows, classes]
    np.testing.assert_allclose(ours.deltas.numpy(), expected, atol=2e-5)
    shape = tuple(arrays["mask_targets_shape"])
    all_masks = np.unpackbits(arrays["mask_targets"])[: np.prod(shape)].reshape(shape)
    begin = 0 if number == 0 else int(arrays["num_pos_0"])
    np.testing.assert_array_equal(ours.masks.numpy(), all_masks[begin : begin + positive])


def test_the_compact_set_holds_the_references_numbers_alone(full_set, compact):
    """Made anew from the full set it is the same; it is small, and its arrays are numbers."""
    assert sum(file.stat().st_size for file in DATA.iterdir()) <= 3_000_000
    if full_set is None:
        pytest.skip("needs the reference data in ../shared, which is not part of the repository")
    arrays, values = make(full_set)
    kept, texts = compact._compact
    assert set(kept.files) == set(arrays)
    for name, array in arrays.items():
        assert array.dtype.kind in "fiu", name
        np.testing.assert_array_equal(kept[name], array, err_msg=name, strict=True)
    assert texts == values


def test_rules_of_inputs_are_the_references(full_set):
    if full_set is None:
        pytest.skip("needs the reference data in ../shared, which is not part of the repository")
    from tests.goldens import inputs

    stored = Goldens(full_set / "goldens").units
    for level, array in enumerate(inputs.pyramid()):
        assert np.array_equal(array.numpy(), stored[f"roi/feat{level}"])
    for name, array in inputs.propagation().items():
        assert np.array_equal(array.numpy(), stored[f"prop/{name}"])
    assert set(units(Goldens(full_set / "goldens"))) == set(Goldens().units)


def test_generated_weights_have_the_streams_of_their_keys():
    """Known first values: the same on every machine, whatever else is drawn."""
    shapes = {"backbone.conv1.weight": (64, 3, 7, 7), "prop_head.atn_key.bias": (64,), "rpn_head.rpn_reg.bias": (12,)}
    both = generated_weights({"prop_head.enc_fuse.0.bias": (9,), "prop_head.qry_fuse.0.bias": (9,), **shapes})
    assert torch.equal(both["prop_head.enc_fuse.0.bias"], both["prop_head.qry_fuse.0.bias"])
    alone = generated_weights(shapes)
    assert all(torch.equal(alone[key], both[key]) for key in shapes)
    assert alone["rpn_head.rpn_reg.bias"][[2, 3]].min() > 0.4 > alone["rpn_head.rpn_reg.bias"][[0, 1]].max()


def test_generated_weights_are_the_references(full_set, repository, r50_weights):
    """Key by key as the reference's own generator makes them."""
    if full_set is None:
        pytest.skip("needs the reference data in ../shared, which is not part of the repository")
    import importlib.util

    spec = importlib.util.spec_from_file_location("make_weights", full_set / "make_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    large = {"backbone.layer4.0.conv1.weight", "prop_head.RF2.convFS.weight", "bbox_head.fc_cls.weight"}
    for key, value in r50_weights.items():
        if value.numel() < 50_000 or key in large:
            theirs = module.make_one(key, tuple(value.shape), str(value.dtype))
            assert np.array_equal(value.numpy(), theirs), key


def test_contracts_of_the_checkpoints(compact, repository):
    """Keys and shapes of the twelve configurations, by the digests of the published ones."""
    from mmdet_vis.config.load import build_model, load_config

    contracts = compact.json("contracts")
    assert len(contracts) == 12
    for name, (config, number, expected) in contracts.items():
        with torch.device("meta"):
            state = build_model(load_config(repository / config)).state_dict()
        shapes = {key: tuple(value.shape) for key, value in state.items()}
        assert (len(shapes), digest(shapes)) == (number, expected), name
