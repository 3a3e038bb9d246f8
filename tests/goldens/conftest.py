"""The reference's numbers, the generated weights they were computed with, and the network that must meet them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.device import Precision, place
from tests.goldens.reference import Goldens
from tests.goldens.weights import generated_weights

R50 = "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"


@pytest.fixture(scope="session")
def full_set(repository: Path) -> Path | None:
    """The reference's files, where they lie beside the repository."""
    folder = repository.parent / "shared" / "reference"
    return folder if (folder / "goldens").is_dir() else None


@pytest.fixture(scope="session")
def goldens(full_set: Path | None, request: pytest.FixtureRequest) -> Iterator[Goldens]:
    """The full set, or else the compact one, so that nobody goes without."""
    goldens = Goldens(full_set and full_set / "goldens")
    yield goldens
    if request.config.getoption("verbose") > 0:
        for stage, share in sorted(goldens.worst.items()):
            print(f"\nworst {stage}: {share:.3f} of the tolerance", end="")


@pytest.fixture(scope="session")
def r50_weights(repository: Path) -> dict[str, torch.Tensor]:
    """Generated weights of R50 on YouTube-VIS 2019, by the keys of the network."""
    with torch.device("meta"):
        state = build_model(load_config(repository / R50)).state_dict()
    return generated_weights({key: tuple(value.shape) for key, value in state.items()})


@pytest.fixture(scope="session")
def network(repository: Path, r50_weights: dict[str, torch.Tensor]) -> Any:
    """R50 on YouTube-VIS 2019 with generated weights, as the program runs it in float32 on the CPU."""
    network = build_model(load_config(repository / R50))
    network.load_state_dict(r50_weights)
    place(network, torch.device("cpu"), Precision("float32", torch.float32))
    return network


@pytest.fixture(scope="session")
def clip(shared: Path) -> list[np.ndarray]:
    """The first 12 frames of the real clip, BGR uint8 ``[360, 480, 3]``."""
    files = sorted((shared / "data" / "videos" / "7741a0fbce").glob("*.jpg"))[:12]
    return [cv2.imread(str(f)) for f in files]
