"""Which settings the ablations compare, and which claims of the paper their figures answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from mmengine.config import Config

from benchmarks.common import ROOT

CATE_AWARE = ROOT / "configs" / "_base_" / "propose_reduce" / "ytvis_cate_aware.py"
KEY_NUMS = (1, 2, 3, 5, 8)
Figures = Mapping[str, float]


@dataclass(frozen=True)
class Variant:
    """A row of the table.

    Attributes:
        id: short and unique.
        part: the part of the algorithm that is varied.
        setting: what it is here.
        options: keys of ``propose_reduce`` and the values that replace the config's.
        arguments: of :func:`mmdet_vis.api.segment_video`.
        precision: of :func:`mmdet_vis.api.load_model`.
    """

    id: str
    part: str
    setting: str
    options: Mapping[str, Any] = field(default_factory=dict)
    arguments: Mapping[str, Any] = field(default_factory=dict)
    precision: str = "float32"

    @property
    def name(self) -> str:
        """What people call it."""
        return f"{self.part}, {self.setting}"


def variants(config: Config) -> list[Variant]:
    """The rows, the config's own setting first; everything that a row does not name is the config's."""
    aware = {key: config.propose_reduce.get(key) for key in ("reduce", "cate_reduce")}
    if aware["cate_reduce"] is None:
        published = Config.fromfile(CATE_AWARE).propose_reduce
        aware = {key: published[key] for key in aware}
    memories: dict[str, tuple[str, dict[str, Any]]] = {
        "every": ("every frame", {"type": "MemoryEveryNth", "step": 1}),
        "fifth": ("every 5th frame", {"type": "MemoryEveryNth", "step": 5}),
        "first": ("key frame only", {"type": "MemoryKeyFrame"}),
    }
    rows = [Variant("base", "setting of the config", describe(config))]
    rows += [Variant(f"keys {number}", "key frames", f"K = {number}", {"key_num": number}) for number in KEY_NUMS]
    rows += [
        Variant("reduction", "sequence reduction", f"with ({config.propose_reduce.reduce.type})"),
        Variant("no reduction", "sequence reduction", "without", {"reduce": {"type": "NoReduce"}}),
        Variant("category-aware", "sequence reduction", "category-aware", aware, {"use_cate_reduce": True}),
    ]
    rows += [Variant(f"memory {id}", "memory", name, {"memory": part}) for id, (name, part) in memories.items()]
    rows += [
        Variant("fast", "engine", "`--profile fast`", arguments={"profile": "fast"}),
        Variant("bfloat16", "engine", "`--precision bfloat16`", precision="bfloat16"),
        Variant("first frame", "baseline", "propagation from the first frame only", {"key_num": 1}),
    ]
    rows += [
        Variant(
            f"track {iou}",
            "baseline",
            f"detection on every frame, tracking by {iou} IoU",
            {"method": {"type": "TrackByIoU", "iou": iou}},
        )
        for iou in ("mask", "box")
    ]
    return rows


def describe(config: Config) -> str:
    """The config's own setting in a few words."""
    own = config.propose_reduce
    memory = ", ".join(f"{key} {value}" for key, value in own.memory.items() if key != "type")
    return f"K = {own.key_num}, {own.memory.type}{f' ({memory})' if memory else ''}, {own.reduce.type}"


@dataclass(frozen=True)
class Claim:
    """A statement of the paper: the AP of ``better`` is above that of each of ``worse``."""

    text: str
    better: str
    worse: tuple[str, ...]


CLAIMS = (
    Claim("More key frames help (5 against 1)", "keys 5", ("keys 1",)),
    Claim("The sequences must be reduced", "reduction", ("no reduction",)),
    Claim("Category-aware reduction helps", "category-aware", ("reduction",)),
    Claim("A long memory helps (every frame against the key frame only)", "memory every", ("memory first",)),
    Claim("Better than tracking by detection", "base", ("track mask", "track box")),
    Claim("Better than propagation from a single frame", "base", ("first frame",)),
)


def judge(claim: Claim, figures: Mapping[str, Figures], names: Mapping[str, str]) -> list[str]:
    """A row of the table of claims: the claim, whether it holds, and the two APs.

    Args:
        figures: of each variant by its id.
        names: what the table calls the variants.
    """
    better = figures[claim.better]["AP"]
    rival = max(claim.worse, key=lambda id: figures[id]["AP"])
    worse = figures[rival]["AP"]
    if min(better, worse) < 0:
        return [claim.text, "cannot be told", "the videos have no annotated object"]
    verdict = "holds" if better > worse else "does not hold"
    difference = f"{100 * (better - worse):+.2f}"
    texts = f"{names[claim.better]}: {100 * better:.2f}; {names[rival]}: {100 * worse:.2f} ({difference})"
    return [claim.text, f"**{verdict}**", texts]
