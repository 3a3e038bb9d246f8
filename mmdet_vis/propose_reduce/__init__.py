"""Propose-Reduce: key frames, detection, propagation, scores, reduction."""

from mmdet_vis.propose_reduce.feature_store import EngineSettings
from mmdet_vis.propose_reduce.memory import (
    MemoryAtMost,
    MemoryEveryNth,
    MemoryFirstLastDistinct,
    MemoryFirstLastSpaced,
    MemoryFraction,
    MemoryKeyFrame,
)
from mmdet_vis.propose_reduce.pipeline import ProposeReduceSettings, SequenceMethod, Sequences, propose_reduce
from mmdet_vis.propose_reduce.propose import KeyFramesByContent, key_frames
from mmdet_vis.propose_reduce.proposer import Place, Proposals, Proposer
from mmdet_vis.propose_reduce.reduce import (
    DivideOverlaps,
    DropContained,
    NoReduce,
    PlattScores,
    Reduction,
    SeqNMS,
    SeqSoftNMS,
)

__all__ = [
    "DivideOverlaps",
    "DropContained",
    "EngineSettings",
    "KeyFramesByContent",
    "MemoryAtMost",
    "MemoryEveryNth",
    "MemoryFirstLastDistinct",
    "MemoryFirstLastSpaced",
    "MemoryFraction",
    "MemoryKeyFrame",
    "NoReduce",
    "Place",
    "PlattScores",
    "Proposals",
    "ProposeReduceSettings",
    "Proposer",
    "Reduction",
    "SeqNMS",
    "SeqSoftNMS",
    "SequenceMethod",
    "Sequences",
    "key_frames",
    "propose_reduce",
]
