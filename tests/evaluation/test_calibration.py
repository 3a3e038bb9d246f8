"""The calibration that fits best, and the reliability diagram."""

from __future__ import annotations

import numpy as np
import pytest

from mmdet_vis.errors import DatasetError
from mmdet_vis.evaluation.calibration import calibration_error, calibration_table, cross_validated, diagram, fit_platt


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


def test_cross_validation_does_not_see_what_it_calibrates() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(2000)
    right = (rng.random(2000) < scores**3).astype(float)
    images = np.arange(2000) // 5
    crossed = cross_validated(scores, right, images)
    assert calibration_error(crossed, right) < 0.04 < 0.2 < calibration_error(scores, right)
    changed = right.copy()
    changed[images == 7] = 1 - changed[images == 7]
    again = cross_validated(scores, changed, images)
    assert (again[images % 10 == 7] == crossed[images % 10 == 7]).all()
    assert (again[images % 10 != 7] != crossed[images % 10 != 7]).all()
    table = calibration_table(np.stack((scores, right, right), axis=1), images)
    assert f"| as they are | {calibration_error(scores, right):.3f} |" in table
    assert calibration_error(np.array([0.25, 0.25, 0.75, 0.75]), np.array([0, 1, 1, 1.0])) == pytest.approx(0.25)


def test_the_diagram_has_a_bar_as_high_as_the_share() -> None:
    rows = np.array([(0.75, 1, right) for right in (1, 1, 1, 0)], float)
    picture = diagram(rows)
    bar = (picture == (200, 150, 90)).all(axis=2)
    assert bar.any(axis=1).sum() == pytest.approx(0.75 * 280, abs=8)
    columns = np.flatnonzero(bar.any(axis=0))
    assert 40 + 0.7 * 280 <= columns.min() < columns.max() <= 40 + 0.8 * 280
