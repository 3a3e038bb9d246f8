"""Preprocessing, backbone and pyramid against the reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet_vis.data.preprocess import Preprocessor


@pytest.fixture(scope="module")
def features(network, clip):
    images = Preprocessor()([clip[0], clip[5]])
    with torch.no_grad():
        return images, network.extract(images.contiguous(memory_format=torch.channels_last))


def test_images_are_the_references(goldens, clip):
    images = Preprocessor()(clip)
    for t in range(12):
        goldens.check(f"img/t{t}", images[t : t + 1])


def test_backbone_and_pyramid_samples(goldens, features):
    _, found = features
    for row, t in enumerate((0, 5)):
        for level, stage in enumerate(found.stages, start=2):
            goldens.check(f"C{level}/t{t}", stage[row : row + 1])
        for level, pyramid in enumerate(found.levels, start=2):
            goldens.check(f"P{level}/t{t}", pyramid[row : row + 1])


def test_complete_features_of_the_first_frame(goldens, features):
    """Every element, not a sample: an error at a border would escape the samples."""
    images, found = features
    full = goldens.npz("goldens_r50_full")
    arrays = {"img_t0": images[:1], "C2_t0": found.stages[0][:1], "C3_t0": found.stages[1][:1]}
    arrays |= {f"P{i}_t0": level[:1] for i, level in enumerate(found.levels, start=2)}
    for name, array in arrays.items():
        expected = full[name]
        tolerance = goldens.tolerance(f"{name[: name.index('_')]}/t0/sample", expected)
        assert np.abs(array.numpy() - expected).max() <= tolerance, name
