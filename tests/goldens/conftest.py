"""The reference's numbers, the generated weights they were computed with, and how closely they must be met."""

from __future__ import annotations

import importlib.util
import json
import re
import zlib
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mmdet_vis.config.load import build_model, load_config
from mmdet_vis.device import Precision, place

R50 = "configs/SeqMaskRCNN/seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.py"


class Goldens:
    """Reads the golden files and compares with them; remembers the worst case of each stage."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.worst: dict[str, float] = {}

    @cached_property
    def r50(self) -> Any:
        return np.load(self.folder / "goldens_r50.npz")

    @cached_property
    def units(self) -> Any:
        return np.load(self.folder / "goldens_units.npz")

    @cached_property
    def floor(self) -> dict[str, dict[str, float]]:
        return self.json("noise_floor")["max_abs_diff_fp32_vs_fp64"]

    def json(self, name: str) -> Any:
        return json.loads((self.folder / f"{name}.json").read_text())

    def npz(self, name: str) -> Any:
        return np.load(self.folder / f"{name}.npz")

    def tolerance(self, name: str, expected: np.ndarray) -> float:
        """Ten times the stage's noise floor, or 1e-5 of the largest value where that is more."""
        stage = re.sub(r"(?<=[a-z])\d+(?=/)", "*", name)
        stage = re.sub(r"(rpn_cls|rpn_reg|mask_logits_)\d+", r"\1#", stage)
        stage = re.sub(r"/(rpn_cls|rpn_reg)\*/", r"/\1#/", stage)
        return max(10 * self.floor[stage]["max_abs"], 1e-5 * float(np.abs(expected).max(initial=0)))

    def check(self, name: str, actual: torch.Tensor | np.ndarray) -> None:
        """Compare a whole array, or the sample of it that the goldens hold (``NAME/sample``)."""
        array = np.asarray(actual.detach().float() if isinstance(actual, torch.Tensor) else actual)
        if f"{name}/sample" in self.r50:
            shape = tuple(self.r50[f"{name}/shape"])
            assert array.size == np.prod(shape), f"{name}: {array.shape} against {shape}"
            name, base = f"{name}/sample", name
            expected = self.r50[name]
            array = array.reshape(-1)[self.indices(base, array.size, len(expected))]
        else:
            expected = self.r50[name]
            assert array.shape == expected.shape, f"{name}: {array.shape} against {expected.shape}"
        difference = float(np.abs(array - expected).max(initial=0))
        tolerance = self.tolerance(name, expected)
        stage = re.sub(r"\d+", "*", name)
        self.worst[stage] = max(self.worst.get(stage, 0.0), difference / tolerance)
        assert difference <= tolerance, f"{name}: differs by {difference:.3g}, allowed {tolerance:.3g}"

    @staticmethod
    def indices(name: str, numel: int, count: int) -> np.ndarray:
        """Which elements a sample holds: the rule by which the goldens were made."""
        if numel <= count:
            return np.arange(numel)
        return np.sort(np.random.default_rng(zlib.crc32(name.encode())).choice(numel, count, replace=False))


@pytest.fixture(scope="session")
def goldens(shared: Path, request: pytest.FixtureRequest) -> Goldens:
    goldens = Goldens(shared / "reference" / "goldens")
    yield goldens
    if request.config.getoption("verbose") > 0:
        for stage, share in sorted(goldens.worst.items()):
            print(f"\nworst {stage}: {share:.3f} of the tolerance", end="")


@pytest.fixture(scope="session")
def make_weights(shared: Path) -> Callable[[str], dict[str, torch.Tensor]]:
    """Generated weights of a contract: ``make_weights("contract_….json")``."""
    spec = importlib.util.spec_from_file_location("make_weights", shared / "reference" / "make_weights.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def make(contract: str) -> dict[str, torch.Tensor]:
        content = json.loads((shared / "reference" / "contracts" / contract).read_text())
        weights = module.make_weights(content["state_dict"])
        return {k: torch.from_numpy(v.copy()) for k, v in weights.items()}

    return make


@pytest.fixture(scope="session")
def r50_weights(make_weights: Callable[[str], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return make_weights("contract_seq_mask_rcnn_r50_fpn_1x_youtubevis19_ftstage.json")


@pytest.fixture(scope="session")
def network(repository: Path, r50_weights: dict[str, torch.Tensor]) -> Any:
    """R50 on YouTube-VIS 2019 with generated weights, as the program runs it in float32 on the CPU."""
    network = build_model(load_config(repository / R50))
    network.load_state_dict(r50_weights, strict=False)
    place(network, torch.device("cpu"), Precision("float32", torch.float32))
    return network


@pytest.fixture(scope="session")
def clip(shared: Path) -> list[np.ndarray]:
    """The first 12 frames of the real clip, BGR uint8 ``[360, 480, 3]``."""
    files = sorted((shared / "data" / "videos" / "7741a0fbce").glob("*.jpg"))[:12]
    return [cv2.imread(str(f)) for f in files]
