"""The model of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmdet_vis.api import VISModel, load_model
from mmdet_vis.choices import CPU_PRECISIONS, PRECISIONS
from mmdet_vis.config.load import build_settings, recommended
from mmdet_vis.errors import ConfigError, counted, few, option
from mmdet_vis.propose_reduce import ProposeReduceSettings
from mmdet_vis.proposers import Proposer, build_proposer, proposed_categories


class ModelStore:
    """Loads the model once, and again when another precision or detector is asked for; one is in memory at a time.

    Attributes:
        precision: that of the first load.
        recommended: what the model recommends.
        detectors: those that may propose in the place of the network's own, by names for the page.

    Args:
        arguments: of :func:`mmdet_vis.api.load_model`, without ``precision`` and ``proposer``.
        precision: see there.
        proposers: detectors as a command line names them. Their weights stay in memory.

    Raises:
        ConfigError, CheckpointError: the model or a detector cannot be loaded.
    """

    def __init__(
        self, arguments: Mapping[str, Any], precision: str | None = None, proposers: Sequence[str] = ()
    ) -> None:
        self._arguments = dict(arguments)
        built = [(name, build_proposer(name)) for name in proposers]
        self._model = load_model(**self._arguments, precision=precision)
        self.detectors: dict[str, Proposer] = {}
        for name, proposer in built:
            if proposer is not None:
                proposed_categories(self._model.config, proposer, self._model.categories)
                self.detectors[_shown(name)] = proposer
        self.precision = precision or self._model.precision.name
        self._loaded: tuple[str, str | Path | None] = (self.precision, None)
        self.recommended = recommended(self._model.config)

    def get(self, precision: str | None, detector: str | Path | None = None) -> VISModel:
        """The model, not for several threads at once.

        Args:
            precision: that of the first load unless given.
            detector: one of :attr:`detectors`, or a path of what
                :class:`~mmdet_vis.proposers.FilesProposer` reads; None: the model's own.

        Raises:
            ConfigError, CheckpointError, DatasetError: it cannot be had.
        """
        wanted = (precision or self.precision, detector)
        if wanted != self._loaded:
            proposer: Any = None
            if isinstance(detector, Path):
                proposer = {"type": "files", "path": str(detector)}
            elif detector is not None and (proposer := self.detectors.get(detector)) is None:
                raise ConfigError(f"{option('proposer', detector)} is not on this server: begin this video anew")
            self._model = load_model(**self._arguments, precision=wanted[0], proposer=proposer)
            self._loaded = wanted
        return self._model

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
        shown = few([name.replace("_", " ") for name in names], 10)
        return f"{counted(len(names), 'category')}: {shown}. Runs on {self._model.device}."


def _shown(proposer: str) -> str:
    """A detector as the page calls it: without folders of the server."""
    kind, _, weights = proposer.partition(":")
    return f"{kind} ({Path(weights).name})" if weights else kind
