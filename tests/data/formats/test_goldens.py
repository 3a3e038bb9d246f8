"""Results JSON and DAVIS index maps against the published code, at four pairs of sizes."""

import json

import numpy as np
import pytest

from mmdet_vis.data.formats import index_maps, sequence_annotations
from mmdet_vis.structures import InstanceSequence, VideoResult, decode_masks, encode_masks
from mmdet_vis.structures.resize import rles_to_original, to_original


@pytest.fixture(scope="module")
def goldens(shared):
    folder = shared / "reference" / "goldens"
    meta = json.loads((folder / "goldens_units.json").read_text())
    return {k: v for k, v in meta.items() if k.startswith("json/")}, np.load(folder / "goldens_units.npz")


@pytest.fixture(params=["json/0", "json/1", "json/2", "json/3"])
def case(request, goldens):
    meta, arrays = goldens[0][request.param], goldens[1]
    shape = tuple(meta["shape"])  # [K, T, H_pad, W_pad]
    bits = np.unpackbits(arrays[f"{request.param}/masks_packed"])[: np.prod(shape)]
    scores = arrays[f"{request.param}/scores"]
    return meta, bits.reshape(shape), scores, arrays[f"{request.param}/davis_index"]


def result_of(meta, masks, scores):
    sequences = []
    for rank, (own, row) in enumerate(zip(masks, scores, strict=True), start=1):
        rles = rles_to_original(encode_masks(own), tuple(meta["img"]), tuple(meta["ori"]))
        label = int(row[1:].argmax())
        sequences.append(InstanceSequence(rank, label, float(row[1:].max()), row[1:], rles))
    categories = scores.shape[1] - 1
    return VideoResult(
        name="golden",
        height=meta["ori"][0],
        width=meta["ori"][1],
        num_frames=masks.shape[1],
        sequences=sequences,
        categories=tuple(f"c{i}" for i in range(categories)),
        category_ids=tuple(range(1, categories + 1)),
    )


def test_annotations_and_index_maps_are_those_of_the_reference(case):
    meta, masks, scores, davis_index = case
    result = result_of(meta, masks, scores)
    entries = sequence_annotations(result, meta["video_index"] + 1, meta["score_thr"])
    assert entries == meta["annotations"]
    maps = list(index_maps(result))
    assert all(m.dtype == np.uint8 for m in maps)
    np.testing.assert_array_equal(np.stack(maps), davis_index)


def test_arrays_and_rles_resize_alike(case):
    meta, masks, _, _ = case
    size = tuple(meta["img"]), tuple(meta["ori"])
    np.testing.assert_array_equal(
        decode_masks(rles_to_original(encode_masks(masks[0]), *size)), to_original(masks[0], *size)
    )
