"""What the page asks for, as corrections of the program."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmdet_vis.api import VideoResult
from mmdet_vis.errors import ConfigError
from mmdet_vis.structures import Delete, Edit, Merge, NotVisible, Prompt, Rename, Split, Swap

_KINDS: dict[str, type[Edit]] = {
    "delete": Delete,
    "rename": Rename,
    "merge": Merge,
    "split": Split,
    "swap": Swap,
    "not_visible": NotVisible,
}
_PROMPT = ("frame", "mask", "box", "point", "labels", "category", "id")
_TEXT, _LIST = ("category",), ("ids",)
NOT_ASKED = ("title", "warnings")
"""What a step of the history has besides what the page asked for."""


def parse_edit(data: Mapping[str, Any]) -> Edit:
    """A correction that needs no network: ``type``, and the arguments of its class.

    Raises:
        ConfigError: it is none, or its arguments are not such.
    """
    kind = _KINDS.get(str(data.get("type")))
    if kind is None:
        raise ConfigError(f"{data.get('type')!r:.40} is no correction: use {', '.join(_KINDS)} or prompt")
    known = [field.name for field in fields(kind)]
    given = {name: value for name, value in data.items() if name != "type"}
    if not given.keys() <= set(known):
        raise ConfigError(f"{data['type']} takes {', '.join(known)}")
    for name, value in given.items():
        if name in _TEXT:
            fits = isinstance(value, str)
        elif name in _LIST:
            fits = isinstance(value, list) and all(type(item) is int for item in value)
        else:
            fits = type(value) is int
        if not fits:
            raise ConfigError(f"{data['type']}: {name} is {value!r:.40}")
    if "category" in given:
        given["category"] = " ".join(given["category"].split())
    try:
        return kind(**given)
    except TypeError:
        raise ConfigError(f"{data['type']} needs {', '.join(known)}") from None


def parse_prompt(data: Mapping[str, Any], result: VideoResult) -> Prompt:
    """Where an object is on a frame: the arguments of :class:`~mmdet_vis.structures.Prompt`.

    Raises:
        ConfigError: it is none, or does not fit the video.
    """
    given = {name: value for name, value in data.items() if name != "type" and value is not None}
    if not given.keys() <= set(_PROMPT) or "frame" not in given:
        raise ConfigError(f"a prompt has a frame and one of mask, box and point, not {', '.join(given):.100}")
    if isinstance(given.get("category"), str):
        given["category"] = " ".join(given["category"].split())
    try:
        prompt = Prompt(**given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"this is no prompt: {error}") from error
    prompt.check(result.num_frames, result.height, result.width)
    return prompt


def prompt_data(prompt: Prompt) -> dict[str, Any]:
    """A prompt as JSON takes it; :func:`parse_prompt` gives an equal one."""
    values = {name: getattr(prompt, name) for name in _PROMPT}
    return {"type": "prompt", **{name: value for name, value in values.items() if value is not None}}


def pending_after(pending: list[dict[str, Any]], edit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The prompts that wait to be propagated, after a step of the history.

    Args:
        pending: those before, as :func:`prompt_data` gives them.
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
