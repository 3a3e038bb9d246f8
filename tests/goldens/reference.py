"""The reference's numbers: the full set of files, or the part of it that lies in this folder; and how to meet them."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

DATA = Path(__file__).resolve().parent / "data"
"""The compact set, made by :mod:`tests.goldens.make_compact`."""


class Part(Mapping[str, np.ndarray]):
    """The arrays of the compact set whose names begin with that of a file, without it."""

    def __init__(self, arrays: Any, name: str) -> None:
        self._arrays = arrays
        self._names = {key.partition("/")[2]: key for key in arrays.files if key.partition("/")[0] == name}

    def __getitem__(self, key: str) -> np.ndarray:
        return self._arrays[self._names[key]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


class Goldens:
    """Reads golden files and compares with them; remembers the worst case of each stage.

    Args:
        folder: of the full set; None: the compact set.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder
        self.worst: dict[str, float] = {}

    @cached_property
    def r50(self) -> Mapping[str, np.ndarray]:
        return self.npz("goldens_r50")

    @cached_property
    def units(self) -> Mapping[str, np.ndarray]:
        return self.npz("goldens_units")

    @cached_property
    def floor(self) -> dict[str, dict[str, float]]:
        return self.json("noise_floor")["max_abs_diff_fp32_vs_fp64"]

    @cached_property
    def _compact(self) -> tuple[Any, Any]:
        return np.load(DATA / "stages.npz"), json.loads((DATA / "stages.json").read_text())

    def json(self, name: str) -> Any:
        if self.folder is None:
            content = self._compact[1][name]
            if name.startswith("results_"):
                masks = content["segmentations"]
                return [{**e, "segmentations": masks[e["segmentations"]]} for e in content["entries"]]
            return content
        return json.loads((self.folder / f"{name}.json").read_text())

    def npz(self, name: str) -> Mapping[str, np.ndarray]:
        return Part(self._compact[0], name) if self.folder is None else np.load(self.folder / f"{name}.npz")

    def tolerance(self, name: str, expected: np.ndarray) -> float:
        """Ten times the stage's noise floor, or 1e-5 of the largest value where that is more."""
        stage = re.sub(r"(?<=[a-z])\d+(?=/)", "*", name)
        stage = re.sub(r"(rpn_cls|rpn_reg|mask_logits_)\d+", r"\1#", stage)
        stage = re.sub(r"/(rpn_cls|rpn_reg)\*/", r"/\1#/", stage)
        stage = stage if stage in self.floor else stage.removesuffix("/sample")
        return max(10 * self.floor[stage]["max_abs"], 1e-5 * float(np.abs(expected).max(initial=0)))

    def check(self, name: str, actual: torch.Tensor | np.ndarray) -> None:
        """Compare a whole array, or the sample of it that the goldens hold (``NAME/sample``)."""
        found, expected = self.pair(self.r50, name, actual)
        self.compare(f"{name}/sample" if f"{name}/sample" in self.r50 else name, found, expected)

    def pair(
        self, arrays: Mapping[str, np.ndarray], name: str, actual: torch.Tensor | np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What is found and what is expected at the places that the goldens hold: all, or a sample."""
        array = actual.detach().float().numpy() if isinstance(actual, torch.Tensor) else actual
        if f"{name}/sample" not in arrays:
            assert array.shape == arrays[name].shape, f"{name}: {array.shape} against {arrays[name].shape}"
            return array, arrays[name]
        shape, expected = tuple(arrays[f"{name}/shape"]), arrays[f"{name}/sample"]
        assert array.size == np.prod(shape), f"{name}: {array.shape} against {shape}"
        return array.reshape(-1)[self.indices(name, array.size, len(expected))], expected

    def compare(self, name: str, found: np.ndarray, expected: np.ndarray) -> None:
        """Within the tolerance of the stage ``name``."""
        difference = float(np.abs(found - expected).max(initial=0))
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
