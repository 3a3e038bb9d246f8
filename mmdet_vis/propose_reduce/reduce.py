"""REDUCE: from many overlapping sequences to one per object (paper section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.propose_reduce.sequence_iou import sequence_iou
from mmdet_vis.registry import TASK_UTILS
from mmdet_vis.structures.masks import RLE

Scores = NDArray[np.float32]
IoU = NDArray[np.float64]


@TASK_UTILS.register_module()
class SeqNMS:
    """Sequence NMS: a sequence is dropped if a better one overlaps it.

    Args:
        iou_thr: sequences with an IoU of **at least** this are the same object.
        score_thr: sequences below are not kept (but at least one always is).
    """

    def __init__(self, iou_thr: float = 0.5, score_thr: float = 0.05) -> None:
        self.iou_thr = iou_thr
        self.score_thr = score_thr

    def select(self, scores: Scores, iou: IoU) -> tuple[list[int], Scores]:
        """Keep the best of each group.

        Args:
            scores: ``[N]`` float32.
            iou: ``[N, N]`` sequence IoU.

        Returns:
            kept indices in descending score (ties: lowest index), and their scores ``[M]``, unchanged.
        """
        remaining = np.ones(len(scores), bool)
        kept: list[int] = []
        while remaining.any():
            best = int(np.argmax(np.where(remaining, scores, -np.inf)))
            if kept and scores[best] < np.float32(self.score_thr):
                break
            kept.append(best)
            remaining &= iou[best] < self.iou_thr
            remaining[best] = False
        return kept, scores[kept]


@TASK_UTILS.register_module()
class SeqSoftNMS:
    """Soft sequence NMS: a sequence loses score as a better one overlaps it (Gaussian decay).

    Args:
        iou_thr: the scale of the decay ``exp(-IoU^2 / iou_thr)``.
        score_thr: sequences whose decayed score is below are not kept (possibly none is).
        max_seq_num: most sequences kept.
    """

    def __init__(self, iou_thr: float = 0.5, score_thr: float = 0.001, max_seq_num: int = 20) -> None:
        self.iou_thr = iou_thr
        self.score_thr = score_thr
        self.max_seq_num = max_seq_num

    def select(self, scores: Scores, iou: IoU) -> tuple[list[int], Scores]:
        """Keep and rescore; see :meth:`SeqNMS.select`.

        Returns:
            kept indices in descending decayed score, and their decayed scores ``[M]``.
        """
        scores = scores.copy()
        threshold = np.float32(self.score_thr)
        decay = np.exp(-(iou**2) / self.iou_thr).astype(np.float32)
        remaining = np.ones(len(scores), bool)
        kept: list[int] = []
        while remaining.any() and len(kept) < self.max_seq_num:
            best = int(np.argmax(np.where(remaining, scores, -np.inf)))
            if scores[best] < threshold:
                break
            kept.append(best)
            remaining[best] = False
            others = remaining & (scores >= threshold)
            scores[others] *= decay[best, others]
        return kept, scores[kept]


@TASK_UTILS.register_module()
class NoReduce:
    """Every sequence is kept, duplicates too: Propose-Reduce without its second half, for ablations."""

    def select(self, scores: Scores, iou: IoU) -> tuple[list[int], Scores]:
        """Sort; see :meth:`SeqNMS.select`. The IoU is not looked at."""
        kept = np.argsort(-scores, kind="stable").tolist()
        return kept, scores[kept]


Rule = SeqNMS | SeqSoftNMS | NoReduce


class Reduction:
    """Sequence reduction, plain or category-aware.

    Args:
        rule: which sequences are kept, by their best foreground score.
        category_rule: if given, applied to the kept sequences once for each category (category-aware reduction of the
            project's model zoo): a category in which a sequence is not kept gets the score -1.
    """

    def __init__(self, rule: Rule, category_rule: Rule | None = None) -> None:
        self.rule = rule
        self.category_rule = category_rule

    def __call__(self, sequences: Sequence[Sequence[RLE]], scores: Scores) -> tuple[list[int], Scores]:
        """Reduce.

        Args:
            sequences: N sequences of T masks of one size.
            scores: ``[N, C + 1]`` float32 class scores, index 0 is background.

        Returns:
            kept indices, best first, and their class scores ``[M, C + 1]``.
        """
        if not sequences:
            return [], scores[:0]
        if isinstance(self.rule, NoReduce) and self.category_rule is None:
            return self.reduce(np.eye(len(sequences)), scores)  # no rule asks for the costly IoU
        return self.reduce(sequence_iou(sequences), scores)

    def reduce(self, iou: IoU, scores: Scores) -> tuple[list[int], Scores]:
        """The same from the IoU matrix ``[N, N]``."""
        best = scores[:, 1:].max(axis=1)
        kept, decayed = self.rule.select(best, iou)
        result = scores[kept].copy()
        # Soft NMS lowers the score of a sequence as a whole, whatever its category.
        changed = decayed != best[kept]
        result[changed, 1:] *= (decayed[changed] / best[kept][changed])[:, None]
        top = result[:, 1:].argmax(axis=1) + 1
        result[np.arange(len(kept)), top] = decayed
        if self.category_rule is not None and kept:
            overlap = iou[np.ix_(kept, kept)]
            for column in range(1, scores.shape[1]):
                chosen, values = self.category_rule.select(result[:, column], overlap)
                result[:, column] = -1
                result[chosen, column] = values
        return kept, result
