"""What the page asks for, as corrections of the program."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet_vis.api import VideoResult
from mmdet_vis.corrections.files import correction_of
from mmdet_vis.structures import Correction, Prompt

NOT_ASKED = ("title", "warnings")
"""What a step of the history has besides what the page asked for."""


def parse_edit(data: Mapping[str, Any]) -> Correction:
    """A correction as a file of them has it, but for names of files: what the page sends is not trusted.

    Raises:
        ConfigError: it is none.
    """
    given = {name: value for name, value in data.items() if value is not None}
    if isinstance(given.get("category"), str):
        given["category"] = " ".join(given["category"].split())
    return correction_of({"type": None} | given, None)


def parse_prompt(data: Mapping[str, Any], result: VideoResult) -> Prompt:
    """Where an object is on a frame: a correction that is a :class:`~mmdet_vis.structures.Prompt`.

    Raises:
        ConfigError: it is none, or does not fit the video.
    """
    prompt = parse_edit({**data, "type": "prompt"})
    assert isinstance(prompt, Prompt)
    prompt.check(result.num_frames, result.height, result.width)
    return prompt


def pending_after(pending: list[dict[str, Any]], edit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The prompts that wait to be propagated, after a step of the history.

    Args:
        pending: those before, as :func:`~mmdet_vis.corrections.files.as_json` gives them.
        edit: the step.
    """
    if edit["type"] == "propagate":
        return []
    gone = {edit.get("id")} if edit["type"] == "delete" else set(edit.get("ids", [])[1:])
    if edit["type"] in ("delete", "merge"):
        return [prompt for prompt in pending if prompt.get("id") not in gone]
    if edit["type"] in ("prompt", "withdraw"):
        place = (edit["id"], edit["frame"])
        kept = [prompt for prompt in pending if (prompt["id"], prompt["frame"]) != place]
        return (
            kept
            if edit["type"] == "withdraw"
            else [*kept, {name: edit[name] for name in edit if name not in NOT_ASKED}]
        )
    return pending


def describe(edit: Mapping[str, Any], result: VideoResult) -> str:
    """A short title of a step: what "undo" would undo.

    Args:
        edit: the step.
        result: the one before it.
    """
    name = {s.track_id: f"#{s.track_id} {result.category_of(s)}" for s in result.sequences}
    ids = [edit["id"]] if "id" in edit else edit.get("ids") or [edit.get("a"), edit.get("b")]
    who = ", ".join(name.get(track, f"#{track}") for track in ids if track is not None)
    words = {
        "delete": "delete {who}",
        "rename": "rename {who} to {category}",
        "merge": "merge {who}",
        "split": "split {who} at frame {frame}",
        "swap": "swap {who} from frame {frame}",
        "not_visible": "{who} not visible in frames {first} to {last}",
        "prompt": "{who} drawn on frame {frame}",
        "withdraw": "{who} not drawn on frame {frame}",
        "propagate": "propagate {who}",
    }
    return words[edit["type"]].format(
        who=who, **{k: v for k, v in edit.items() if k in ("category", "frame", "first", "last")}
    )
