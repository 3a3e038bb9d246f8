"""REDUCE: from many overlapping sequences to one per object (paper section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmdet_vis.propose_reduce.sequence_iou import frame_overlaps, sequence_overlaps
from mmdet_vis.registry import TASK_UTILS
from mmdet_vis.structures.masks import RLE, decode_masks, encode_masks

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


@TASK_UTILS.register_module()
class DropContained:
    """Drops parts: a sequence that lies inside a better one of its category for its whole life. Not in the paper.

    Args:
        inside_thr: least share of the mask, in each frame that shows it, that the other one covers.
    """

    def __init__(self, inside_thr: float = 0.9) -> None:
        self.inside_thr = inside_thr

    def keep(self, inside: IoU, labels: NDArray[np.int64]) -> list[int]:
        """Positions of the sequences that stay.

        Args:
            inside: ``[M, M]``, see :func:`~mmdet_vis.propose_reduce.sequence_iou.sequence_overlaps`, best first.
            labels: ``[M]`` best category of each.
        """
        kept: list[int] = []
        for index in range(len(labels)):
            if not any(labels[b] == labels[index] and inside[index, b] >= self.inside_thr for b in kept):
                kept.append(index)
        return kept


@TASK_UTILS.register_module()
class PlattScores:
    """Scores as probabilities: ``sigmoid(slope * logit(score) + offset)`` (Platt, 1999). Not in the paper.

    The slope is above 0, so the order of sequences stays. ``benchmarks/stills.py --fit`` fits both numbers on held-out
    annotations.
    """

    def __init__(self, slope: float, offset: float) -> None:
        if slope <= 0:
            raise ValueError(f"slope must be above 0, got {slope}")
        self.slope, self.offset = slope, offset

    def __call__(self, scores: Scores) -> Scores:
        """``[M, C + 1]`` float32 to the same; the background and what is -1 stay."""
        result = scores.copy()
        values = scores[:, 1:].clip(1e-6, 1 - 1e-6).astype(np.float64)
        logits = self.slope * np.log(values / (1 - values)) + self.offset
        result[:, 1:] = np.where(scores[:, 1:] < 0, scores[:, 1:], 1 / (1 + np.exp(-logits)))
        return result


@dataclass
class Reduction:
    """Sequence reduction, plain or category-aware.

    Args:
        rule: which sequences are kept, by their best foreground score.
        category_rule: if given, applied to the kept sequences once for each category (category-aware reduction of the
            project's model zoo): a category in which a sequence is not kept gets the score -1.
        containment: if given, drops parts of the kept sequences, before ``category_rule``.
        calibration: if given, turns the final scores into probabilities.
    """

    rule: Rule
    category_rule: Rule | None = None
    containment: DropContained | None = None
    calibration: PlattScores | None = None

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
        if isinstance(self.rule, NoReduce) and self.category_rule is None and self.containment is None:
            return self.reduce(np.eye(len(sequences)), scores)  # no rule asks for the costly IoU
        iou, inside = sequence_overlaps(sequences)
        return self.reduce(iou, scores, inside)

    def reduce(self, iou: IoU, scores: Scores, inside: IoU | None = None) -> tuple[list[int], Scores]:
        """The same from the matrices ``[N, N]`` of :func:`sequence_overlaps`; ``inside`` is for ``containment``."""
        best = scores[:, 1:].max(axis=1)
        kept, decayed = self.rule.select(best, iou)
        result = scores[kept].copy()
        # Soft NMS lowers the score of a sequence as a whole, whatever its category.
        changed = decayed != best[kept]
        result[changed, 1:] *= (decayed[changed] / best[kept][changed])[:, None]
        top = result[:, 1:].argmax(axis=1) + 1
        result[np.arange(len(kept)), top] = decayed
        if self.containment is not None and inside is not None and kept:
            whole = self.containment.keep(inside[np.ix_(kept, kept)], top)
            kept, result = [kept[i] for i in whole], result[whole]
        if self.category_rule is not None and kept:
            overlap = iou[np.ix_(kept, kept)]
            for column in range(1, scores.shape[1]):
                chosen, values = self.category_rule.select(result[:, column], overlap)
                result[:, column] = -1
                result[chosen, column] = values
        return kept, result if self.calibration is None else self.calibration(result)


@TASK_UTILS.register_module()
class DivideOverlaps:
    """Gives what two objects of one category both cover to the one of which it is the larger part in that frame.

    After the reduction; not in the paper. Objects compete for pixels within the group of a key frame only. One that was
    proposed where another is out of sight may take over part of that one where they meet: the other one's head, say.

    Only objects that are about as sure as each other, and apart for most of their lives: a weak sequence must not eat a
    good one, and of an object and its part neither is to be cut.

    Args:
        score_share: least score of one over the other's.
        most_shared: the pixels that both cover are fewer than this share of either one's, over the whole video.
    """

    def __init__(self, score_share: float = 0.5, most_shared: float = 0.5) -> None:
        self.score_share, self.most_shared = score_share, most_shared

    def __call__(self, sequences: Sequence[Sequence[RLE]], scores: NDArray[np.float32]) -> list[list[RLE]]:
        """Divide.

        Args:
            sequences: M sequences of T masks of one size, after the reduction.
            scores: ``[M, C + 1]`` their class scores, index 0 is background.

        Returns:
            M sequences of T masks; those that nobody else claims are the same objects as before.
        """
        result = [list(masks) for masks in sequences]
        best, labels = scores[:, 1:].max(axis=1), scores[:, 1:].argmax(axis=1)
        alike = (labels[:, None] == labels) & (best[:, None] >= self.score_share * best)
        alike &= alike.T & ~np.eye(len(labels), dtype=bool)
        if not alike.any():
            return result
        shared = np.stack([frame_overlaps(frame)[0] for frame in zip(*sequences, strict=True)])
        area = np.diagonal(shared, axis1=1, axis2=2)
        life = area.sum(axis=0)
        alike &= shared.sum(axis=0) < self.most_shared * np.minimum(life[:, None], life)
        for t, one, other in zip(*np.nonzero((shared > 0) & np.triu(alike)), strict=True):
            larger, smaller = (one, other) if area[t, one] > area[t, other] else (other, one)
            cut, keeps = decode_masks([result[larger][t], sequences[smaller][t]])
            result[larger][t] = encode_masks((cut & (1 - keeps))[None])[0]
        return result
