"""Scores as probabilities: the calibration that fits annotated stills, and a picture of how right scores are."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from mmdet_vis.errors import DatasetError
from mmdet_vis.evaluation.stills import BINS, tenths

_STEPS = 100
"""Of Newton's method."""
_FOLDS = 10


def _logits(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(logit(scores.clip(1e-6, 1 - 1e-6)), np.float64)


def fit_platt(scores: NDArray[np.float64], right: NDArray[np.float64]) -> tuple[float, float]:
    """Slope and offset of :class:`~mmdet_vis.propose_reduce.PlattScores` of the largest likelihood (Newton's method).

    Args:
        scores: ``[N]`` in [0, 1], as the model gives them.
        right: ``[N]`` 1 where the sequence is right, else 0.

    Raises:
        DatasetError: all are right, or none is.
    """
    if not len(right) or right.all() or not right.any():
        raise DatasetError(f"{len(right)} sequences, {int(right.sum())} of them right: no calibration can be fitted")
    # Platt's own targets, which keep the fit finite where the classes are separable.
    target = np.where(right > 0, (right.sum() + 1) / (right.sum() + 2), 1 / ((1 - right).sum() + 2))
    inputs = np.stack((_logits(scores), np.ones(len(scores))), axis=1)
    weights = np.array([1.0, 0.0])
    for _ in range(_STEPS):
        found = expit(inputs @ weights)
        hessian = (inputs * (found * (1 - found))[:, None]).T @ inputs + 1e-9 * np.eye(2)
        weights = weights - np.linalg.solve(hessian, inputs.T @ (found - target)).clip(-2, 2)
    return float(weights[0]), float(weights[1])


def cross_validated(
    scores: NDArray[np.float64], right: NDArray[np.float64], images: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Scores calibrated by the sequences of other images, in ten folds: ``[N]`` in [0, 1].

    Args:
        scores, right: see :func:`fit_platt`. That the scores are calibrated already makes no difference.
        images: ``[N]`` the image of each; image ``i`` is of fold ``i % 10``.

    Raises:
        DatasetError: see :func:`fit_platt`.
    """
    found = np.zeros(len(scores))
    for fold in range(_FOLDS):
        own = images % _FOLDS == fold
        if own.any():
            slope, offset = fit_platt(scores[~own], right[~own])
            found[own] = expit(slope * _logits(scores[own]) + offset)
    return found


def calibration_error(scores: NDArray[np.float64], right: NDArray[np.float64]) -> float:
    """Expected calibration error (Guo et al., ICML 2017): mean distance of score and share of right ones, by tenths."""
    parts = [tenths(scores) == number for number in range(BINS)]
    return float(sum(abs((scores[p] - right[p]).sum()) for p in parts if p.any()) / max(len(scores), 1))


def calibration_table(rows: NDArray[np.float64], images: NDArray[np.int64]) -> str:
    """How good the scores of :func:`~mmdet_vis.evaluation.stills.on_objects` are as probabilities, as text.

    That is as they are, and calibrated by :func:`cross_validated`.
    """
    lines = ["| scores | calibration error | Brier score |", "|---|---|---|"]
    right = rows[:, 2]
    crossed = cross_validated(rows[:, 0], right, images)
    for name, scores in (("as they are", rows[:, 0]), ("fitted anew, in cross-validation", crossed)):
        brier = float(np.square(scores - right).mean())
        lines.append(f"| {name} | {calibration_error(scores, right):.3f} | {brier:.3f} |")
    return "\n".join(lines)


def diagram(rows: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Reliability diagram: share of right sequences against their score, ``[360, 360, 3]`` uint8 BGR.

    One bar for each tenth with sequences, as wide as the tenth; the diagonal is what calibrated scores would do.
    """
    size, edge = 360, 40
    picture = np.full((size, size, 3), 255, np.uint8)
    side = size - 2 * edge
    for number in range(BINS):
        part = rows[tenths(rows[:, 0]) == number]
        if len(part):
            left, right = (edge + round(side * n / BINS) for n in (number, number + 1))
            top = size - edge - round(side * float(part[:, 2].mean()))
            cv2.rectangle(picture, (left + 1, top), (right - 1, size - edge), (200, 150, 90), -1)
            cv2.putText(picture, str(len(part)), (left + 2, top - 4), cv2.FONT_HERSHEY_SIMPLEX, 0.33, (60, 60, 60), 1)
    cv2.rectangle(picture, (edge, edge), (size - edge, size - edge), (0, 0, 0), 1)
    cv2.line(picture, (edge, size - edge), (size - edge, edge), (60, 60, 200), 1, cv2.LINE_AA)
    axis = size - edge
    labels = {
        "score": (size // 2 - 18, size - 12),
        "0": (edge - 4, axis + 18),
        "1": (axis - 4, axis + 18),
        "share of right sequences": (edge, edge - 12),
    }
    for text, where in labels.items():
        cv2.putText(picture, text, where, cv2.FONT_HERSHEY_SIMPLEX, 0.42, (0, 0, 0), 1, cv2.LINE_AA)
    return picture
