"""The parts of a long video become one result: the same object is one sequence from part to part."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import numpy as np

from mmdet_vis.result import VideoResult
from mmdet_vis.streaming.linker import Identity, IdentityLinker
from mmdet_vis.structures import RLE, InstanceSequence, empty_rle


@dataclass
class _Track:
    identity: Identity
    proposed_on: int | None
    masks: dict[int, RLE] = field(default_factory=dict)
    confidence: dict[int, float] | None = field(default_factory=dict)

    def add(self, sequence: InstanceSequence, empty: RLE, shared: int, before: int) -> None:
        """Take the new frames of a part, of which ``before`` frames are joined; it shares ``shared`` with them."""
        for t in range(shared, len(sequence.masks)):
            if sequence.masks[t]["counts"] != empty["counts"]:
                self.masks[before - shared + t] = sequence.masks[t]
        if sequence.confidence is None or self.confidence is None:
            self.confidence = None
        else:
            self.confidence |= {before - shared + t: c for t, c in enumerate(sequence.confidence) if t >= shared}

    def sequence(self, rank: int, length: int, nothing: RLE) -> InstanceSequence:
        """The whole of it."""
        known = self.confidence
        confidence = None if known is None else np.array([known.get(t, 0.0) for t in range(length)], np.float32)
        return InstanceSequence(
            track_id=rank,
            label=self.identity.label,
            score=self.identity.score,
            class_scores=(self.identity.class_sum / self.identity.windows).astype(np.float32),
            masks=[self.masks.get(t, nothing) for t in range(length)],
            confidence=confidence,
            proposed_on=self.proposed_on,
        )


def join_chunks(chunks: Iterable[VideoResult], overlap: int, score_thr: float = 0.0) -> VideoResult:
    """Join the results of neighbouring parts of one video, as :func:`mmdet_vis.streaming.segment_stream` does.

    :class:`~mmdet_vis.streaming.linker.IdentityLinker` recognises the objects of the part before on the frames that
    both parts have. The result of a frame is that of the first part that holds it; category and score of a sequence are
    those of the mean class scores over its parts, and its confidence is 0 where a part does not have it. Sequences come
    in descending order of their scores, those of equal scores in the order in which they appear.

    Args:
        chunks: in order, one in memory at a time. One of no more than ``overlap`` frames after the first has nothing
            new and is left out.
        overlap: frames that neighbours share.
        score_thr: sequences of a part with a lower score are left out.

    Raises:
        ValueError: there is no part, or they are of different videos or models.
    """
    linker = IdentityLinker(overlap)
    tracks: dict[int, _Track] = {}
    whole: VideoResult | None = None
    names: list[str] = []
    length = 0
    for chunk in chunks:
        nothing = empty_rle(chunk.height, chunk.width)
        shared = overlap if whole is not None else 0
        if whole is None:
            whole = chunk
        elif chunk.num_frames <= shared:
            continue
        if (chunk.height, chunk.width, chunk.categories) != (whole.height, whole.width, whole.categories):
            raise ValueError(f"the parts of {whole.name} are of different videos or models")
        kept = [sequence for sequence in chunk.sequences if sequence.score >= score_thr]
        for identity, sequence in zip(linker.link(kept, shared), kept, strict=True):
            if identity is None:
                continue
            on = None if sequence.proposed_on is None else length - shared + sequence.proposed_on
            track = tracks.setdefault(identity.track_id, _Track(identity, on))
            track.add(sequence, nothing, shared, length)
        names += chunk.frame_names[shared:]
        length += chunk.num_frames - shared
    if whole is None:
        raise ValueError("there is no part to join")
    found = sorted(tracks.values(), key=lambda track: (-track.identity.score, track.identity.track_id))
    sequences = [track.sequence(rank, length, nothing) for rank, track in enumerate(found, start=1)]
    return replace(whole, num_frames=length, frame_names=names, sequences=sequences)
