"""The calibration that fits best, and the reliability diagram."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.errors import DatasetError
from mmdet_vis.evaluation.calibration import diagram, fit_platt


def test_the_fitted_calibration_finds_what_made_the_labels() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, 20000)
    right = (rng.random(20000) < 1 / (1 + np.exp(-(0.6 * logits - 1.2)))).astype(float)
    slope, offset = fit_platt(1 / (1 + np.exp(-logits)), right)
    assert slope == pytest.approx(0.6, abs=0.05)
    assert offset == pytest.approx(-1.2, abs=0.05)
    separable = fit_platt(np.array([0.1, 0.2, 0.8, 0.9]), np.array([0.0, 0, 1, 1]))
    assert np.isfinite(separable).all()
    with pytest.raises(DatasetError, match="4 sequences, 0 of them right"):
        fit_platt(np.full(4, 0.5), np.zeros(4))


def test_the_diagram_has_a_bar_as_high_as_the_share() -> None:
    rows = np.array([(0.75, 1, right) for right in (1, 1, 1, 0)], float)
    picture = diagram(rows)
    bar = (picture == (200, 150, 90)).all(axis=2)
    assert bar.any(axis=1).sum() == pytest.approx(0.75 * 280, abs=8)
    columns = np.flatnonzero(bar.any(axis=0))
    assert 40 + 0.7 * 280 <= columns.min() < columns.max() <= 40 + 0.8 * 280
