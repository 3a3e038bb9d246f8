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
from mmdet_vis.propose_reduce.reduce import NoReduce, Reduction, SeqNMS, SeqSoftNMS

__all__ = [
    "EngineSettings",
    "MemoryAtMost",
    "MemoryEveryNth",
    "MemoryFirstLastDistinct",
    "MemoryFirstLastSpaced",
    "MemoryFraction",
    "MemoryKeyFrame",
    "NoReduce",
    "ProposeReduceSettings",
    "Reduction",
    "SeqNMS",
    "SeqSoftNMS",
    "SequenceMethod",
    "Sequences",
    "key_frames",
    "propose_reduce",
]
