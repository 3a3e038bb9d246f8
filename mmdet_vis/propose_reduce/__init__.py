"""Propose-Reduce: key frames, detection, propagation, scores, reduction."""

from mmdet_vis.propose_reduce.budget import EngineSettings
from mmdet_vis.propose_reduce.key_frames import key_frames
from mmdet_vis.propose_reduce.memory import (
    MemoryAtMost,
    MemoryEveryNth,
    MemoryFirstLastDistinct,
    MemoryFirstLastSpaced,
    MemoryFraction,
    MemoryKeyFrame,
)
from mmdet_vis.propose_reduce.pipeline import ProposeReduceSettings, SequenceMethod, Sequences, propose_reduce
from mmdet_vis.propose_reduce.reduce import DropContained, NoReduce, PlattScores, Reduction, SeqNMS, SeqSoftNMS

__all__ = [
    "DropContained",
    "EngineSettings",
    "MemoryAtMost",
    "MemoryEveryNth",
    "MemoryFirstLastDistinct",
    "MemoryFirstLastSpaced",
    "MemoryFraction",
    "MemoryKeyFrame",
    "NoReduce",
    "PlattScores",
    "ProposeReduceSettings",
    "Reduction",
    "SeqNMS",
    "SeqSoftNMS",
    "SequenceMethod",
    "Sequences",
    "key_frames",
    "propose_reduce",
]
