"""A propagation head that notes what passes through it."""

from __future__ import annotations

from typing import Any

import torch


class RecordingHead:
    """Stands in for the propagation head of a network and keeps the results of its calls, in order."""

    def __init__(self, head: Any) -> None:
        self._head = head
        self.log: dict[str, list[torch.Tensor]] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._head, name)

    def _note(self, name: str, value: torch.Tensor) -> None:
        self.log.setdefault(name, []).append(value.clone())

    def memorize(self, p2: torch.Tensor, masks: torch.Tensor, *rest: Any) -> tuple[torch.Tensor, torch.Tensor]:
        keys, values = self._head.memorize(p2, masks, *rest)
        self._note("mem_key", keys)
        self._note("mem_value", values)
        return keys, values

    def read(self, *inputs: Any) -> torch.Tensor:
        out = self._head.read(*inputs)
        self._note("mem_read", out)
        return out

    def decode(self, *inputs: Any) -> torch.Tensor:
        out = self._head.decode(*inputs)
        self._note("prob_fg", out)
        return out
