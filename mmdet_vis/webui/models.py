"""The model of the page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.choices import CPU_PRECISIONS, PRECISIONS
from mmdet_vis.config.load import build_settings, recommended
from mmdet_vis.errors import counted, few
from mmdet_vis.propose_reduce import ProposeReduceSettings


class ModelStore:
    """Loads the model once, and again when another precision is asked for; one is in memory at a time.

    Attributes:
        precision: that of the first load.
        recommended: what the model recommends.

    Args:
        arguments: of :func:`mmdet_vis.api.load_model`, without ``precision``.
        precision: see there.

    Raises:
        ConfigError, CheckpointError: the model cannot be loaded.
    """

    def __init__(self, arguments: Mapping[str, Any], precision: str | None = None) -> None:
        self._arguments = dict(arguments)
        self._model = load_model(**self._arguments, precision=precision)
        self.precision = self._loaded = precision or self._model.precision.name
        self.recommended = recommended(self._model.config)

    def get(self, precision: str | None) -> VISModel:
        """The model in a precision, that of the first load unless given; not for several threads at once."""
        precision = precision or self.precision
        if precision != self._loaded:
            self._model = load_model(**self._arguments, precision=precision)
            self._loaded = precision
        return self._model

    @property
    def categories(self) -> tuple[str, ...]:
        """The names that the model knows."""
        return self._model.categories

    @property
    def precisions(self) -> tuple[str, ...]:
        """What the device can do."""
        return PRECISIONS if self._model.device.type == "cuda" else CPU_PRECISIONS

    @property
    def key_num(self) -> int | None:
        """The config's number of key frames; None if its method has none, and no profiles either."""
        settings = build_settings(self._model.config)
        return settings.key_num if isinstance(settings, ProposeReduceSettings) else None

    def describe(self) -> str:
        """One line about the model."""
        names = self._model.categories
        shown = few([name.replace("_", " ") for name in names], 12)
        return f"{counted(len(names), 'category')}: {shown}. Runs on {self._model.device}."
