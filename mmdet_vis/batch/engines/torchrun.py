"""One share of the work for each process that ``torchrun`` started; each has one worker, as :mod:`.local` has."""

from __future__ import annotations

import os
import threading
import time

from mmdet_vis.batch.engines import EngineOptions
from mmdet_vis.batch.engines.local import LocalEngine
from mmdet_vis.batch.worker import WorkerPlan
from mmdet_vis.errors import ConfigError, option
from mmdet_vis.run.workers import Workers

SECONDS_TO_LOOK = 0.5


class TorchrunEngine(LocalEngine):
    """The processes of ``torchrun``, on any number of machines.

    Raises:
        ConfigError: torchrun did not start this process, or there are more processes than GPUs.
    """

    def __init__(self, plan: WorkerPlan, options: EngineOptions) -> None:
        if "RANK" not in os.environ:
            raise ConfigError(
                f"{option('engine', 'torchrun')} needs torchrun: `torchrun --nproc-per-node N -m mmdet_vis batch ...`; "
                f"or use {option('engine', 'local')} with {option('workers')}"
            )
        super().__init__(plan, options)
        threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
        self.processes = Workers.from_environment()
        plan.device = self.processes.device(plan.device)


def _end_with_parent(parent: int) -> None:
    """End at once when the launcher is gone: nobody would end this process, and a run that goes on would meet it."""
    while os.getppid() == parent:
        time.sleep(SECONDS_TO_LOOK)
    os._exit(1)


ENGINE = TorchrunEngine
