"""What a run over videos is told: how to segment, and what to write."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config

from mmdet_vis.api import VideoResult, VISModel, refine, segment_video
from mmdet_vis.choices import DEFAULT_FORMATS, in_order
from mmdet_vis.config.settings import recommended
from mmdet_vis.corrections.files import as_json
from mmdet_vis.data.sources import FrameSource
from mmdet_vis.structures import Correction, Prompt


@dataclass
class RunOptions:
    """How videos are segmented and what is written.

    What is None is as the model recommends it: see :class:`mmdet_vis.config.settings.Recommended`.

    Attributes:
        key_num, mem_step, mem_max, use_cate_reduce, feature_memory, profile: see :func:`mmdet_vis.api.segment_video`.
        score_thr: lowest score of an entry of ``results.json``.
        show_thr: lowest score of a sequence that is drawn; None: what the model recommends for each video.
        use_img: draw as the original's demo: 70 % colour, 30 % image.
        strict: a video of which something is left out, converted or guessed is not segmented: it fails with that line.
        formats: of :data:`~mmdet_vis.choices.FORMATS`; kept in its order.
        prompts, propose: see :func:`mmdet_vis.api.segment_video`.
        refined: a result that is corrected in the place of segmenting, see :func:`mmdet_vis.api.refine`.
        corrections: of ``refined``.
    """

    key_num: int | None = None
    mem_step: int | None = None
    mem_max: int | None = None
    use_cate_reduce: bool = False
    feature_memory: str = "2GB"
    profile: str | None = None
    score_thr: float | None = None
    show_thr: float | None = None
    use_img: bool = False
    strict: bool = False
    formats: Sequence[str] = DEFAULT_FORMATS
    prompts: Sequence[Prompt] = ()
    propose: bool = True
    refined: Path | None = None
    corrections: Sequence[Correction] = ()

    def __post_init__(self) -> None:
        self.formats = in_order(self.formats)

    def complete(self, config: Config) -> RunOptions:
        """The same with what a config recommends for what is None, but for ``show_thr``."""
        usual = recommended(config)
        score_thr = usual.score_thr if self.score_thr is None else self.score_thr
        return replace(self, profile=self.profile or usual.profile, score_thr=score_thr)

    def segment(self, model: VISModel, source: FrameSource, progress: Callable[[int, int], None]) -> VideoResult:
        """Segment a video with these options, see :func:`mmdet_vis.api.segment_video`; or correct its result."""
        if self.refined is not None:
            return refine(
                VideoResult.load(self.refined),
                self.corrections,
                model,
                source,
                mem_step=self.mem_step,
                mem_max=self.mem_max,
                feature_memory=self.feature_memory,
                progress=progress,
            )
        return segment_video(
            model,
            source,
            key_num=self.key_num,
            mem_step=self.mem_step,
            mem_max=self.mem_max,
            use_cate_reduce=self.use_cate_reduce,
            feature_memory=self.feature_memory,
            profile=self.profile,
            progress=progress,
            score_thr=0.0,  # index PNGs have all; results.json does not
            prompts=self.prompts,
            propose=self.propose,
        )

    def spoken(self) -> dict[str, Any]:
        """What a person said of the video, as JSON knows it, for the identity of a run; nothing if nobody did."""
        said: dict[str, Any] = {"prompts": [as_json(prompt) for prompt in self.prompts], "propose": self.propose}
        if not self.prompts and self.propose:
            said = {}
        if self.refined is not None:
            digest = hashlib.sha256(self.refined.read_bytes()).hexdigest()
            said |= {"refined": digest, "corrections": [as_json(correction) for correction in self.corrections]}
        return said
