"""Proposers by name, as functions, and in the categories of others."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmdet_vis.config.read import parse_proposer
from mmdet_vis.errors import ConfigError, DatasetError
from mmdet_vis.propose_reduce.proposer import Place, Proposals
from mmdet_vis.proposers import FunctionProposer, InCategories, build_proposer

IMAGES = np.zeros((1, 20, 30, 3), np.uint8)
PLACES = [Place("clip", 0, "00000")]


def two(image: np.ndarray) -> tuple:
    return [[1, 2, 8, 9], [5, 5, 20, 15]], torch.tensor([1, 0]), torch.tensor([0.75, 0.5])


def test_names_and_what_follows_them():
    assert parse_proposer("network") is None
    assert parse_proposer("torchvision") == {"type": "torchvision"}
    assert parse_proposer("transformers:org/name") == {"type": "transformers", "weights": "org/name"}
    assert parse_proposer("files:C:/found") == {"type": "files", "path": "C:/found"}
    for text in ("", ":x", "torchvision:"):
        with pytest.raises(ConfigError, match="write NAME or NAME:WEIGHTS"):
            parse_proposer(text)


def test_what_is_no_proposer_is_one_line():
    with pytest.raises(ConfigError, match=r"'torchvison' is not registered as a proposer; did you mean 'torchvision'"):
        build_proposer("torchvison")
    with pytest.raises(DatasetError, match="nowhere does not exist"):
        build_proposer("files:nowhere")
    with pytest.raises(ConfigError, match=r"FilesProposer\.__init__\(\) missing 1 required"):
        build_proposer({"type": "files"})
    with pytest.raises(ConfigError, match="a function is no proposer: it needs categories"):
        build_proposer(two)


def test_a_function_is_a_proposer():
    proposer = FunctionProposer(two, ["cat", "dog"])
    assert build_proposer(proposer) is proposer
    (found,) = proposer.propose(IMAGES, PLACES)
    assert found.boxes.tolist() == [[1, 2, 8, 9], [5, 5, 20, 15]]
    assert found.scores.tolist() == [[0.25, 0, 0.75], [0.5, 0.5, 0]]
    assert found.masks is None
    ready = FunctionProposer(lambda image: found, ["cat", "dog"])
    assert ready.propose(IMAGES, PLACES) == [found]
    for wrong in (([], [0], [1.0]), ([[0, 0, 1, 1]], [2], [1.0]), ([], [])):
        with pytest.raises(ConfigError, match=r"give one of each|categories begin at 0|must return"):
            FunctionProposer(lambda image, wrong=wrong: wrong, ["cat", "dog"]).propose(IMAGES, PLACES)


def test_categories_of_others():
    scores = np.array([[0.1, 0.2, 0.3, 0.4], [0.1, 0.9, 0, 0]], np.float32)
    masks = np.ones((2, 20, 30), np.uint8)
    found = Proposals(np.array([[0, 0, 3, 3], [1, 1, 2, 2]], np.float32), scores, masks)
    inner = FunctionProposer(lambda image: found, ["toaster", "Giant panda", "hound"])
    proposer = InCategories(inner, ["dog", "giant_panda", "cat"], {"hound": "dog"})
    assert proposer.categories == ("dog", "giant_panda", "cat")
    assert proposer.left_out == ["toaster"]
    (mapped,) = proposer.propose(IMAGES, PLACES)
    assert np.allclose(mapped.scores, [[0.6, 0.4, 0.3, 0]])
    assert mapped.boxes.tolist() == [[0, 0, 3, 3]]
    assert mapped.masks.shape == (1, 20, 30)
    assert not hasattr(proposer, "classify")
    with pytest.raises(ConfigError, match="none of the proposer's categories"):
        InCategories(inner, ["bird"])
