"""The processes of one run, as ``torchrun`` starts them, and what each of them does."""

from __future__ import annotations

import gc
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
import torch.distributed as dist

from mmdet_vis.errors import ConfigError, UserError, option
from mmdet_vis.files.lock import RunLock

_T = TypeVar("_T")

# A process that is done early waits for the slowest one, which may have hours of video left.
PATIENCE = timedelta(days=30)
# A training step waits for the slowest process, at most as long as that validates a share of the videos.
STEP_PATIENCE = timedelta(hours=2)
# These keep the group of the time of their import as the default of arguments. Parts of the network import them: if
# that were after the processes are connected, disconnect() would leave threads of the group behind, and now and then
# they abort the process ("terminate called") while it ends.
KEEP_THE_GROUP = ("torch.distributed.nn.functional", "torch.distributed.optim")
POLL_SECONDS = 0.5
SECONDS_TO_SPEAK = 5.0


def balance(loads: Sequence[int], parts: int) -> list[list[int]]:
    """Divide items over ``parts`` so that the sums of their loads are nearly equal (longest first to the least loaded).

    Returns:
        the items' indices of each part, ascending; the same for the same arguments.
    """
    shares: list[list[int]] = [[] for _ in range(parts)]
    sums = [0] * parts
    for index in sorted(range(len(loads)), key=lambda i: (-loads[i], i)):
        least = sums.index(min(sums))
        shares[least].append(index)
        sums[least] += loads[index]
    return [sorted(share) for share in shares]


@dataclass(frozen=True)
class Workers:
    """This process among those of the run; alone unless ``torchrun`` started it.

    Attributes:
        rank: number of this process, 0 to ``size - 1``.
        size: how many there are on all machines.
        local_rank: number of this process on its machine; it uses the GPU of that number.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @classmethod
    def from_environment(cls, training: bool = False) -> Workers:
        """Read what ``torchrun`` says in RANK, WORLD_SIZE and LOCAL_RANK, and connect the processes.

        In ``training`` they talk at every step, over NCCL between GPUs; else only at the beginning and the end of a
        run, over the CPU.
        """
        size = int(os.environ.get("WORLD_SIZE", "1"))
        if size == 1:
            return cls()
        for module in KEEP_THE_GROUP:
            importlib.import_module(module)
        if training:
            dist.init_process_group(
                "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=STEP_PATIENCE
            )
        else:
            dist.init_process_group("gloo", timeout=PATIENCE)
        return cls(dist.get_rank(), size, int(os.environ["LOCAL_RANK"]))

    def device(self, name: str) -> str:
        """The device of this process for ``device``: ``auto`` and ``cuda`` mean one GPU for each process.

        Raises:
            ConfigError: there are more processes than GPUs.
        """
        if self.size == 1 or name not in ("auto", "cuda") or (name == "auto" and not torch.cuda.is_available()):
            return name
        number = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if self.local_rank >= number:
            raise ConfigError(
                f"process {self.local_rank + 1} of this machine has no GPU (there are {number}): "
                f"start as many processes as GPUs, or share a device with {option('device', 'cuda:0')} or "
                f"{option('device', 'cpu')}"
            )
        torch.cuda.set_device(self.local_rank)
        return f"cuda:{self.local_rank}"

    def on_first(self, work: Callable[[], _T]) -> _T:
        """Run ``work`` in process 0 while the others wait; all return what it returned (it must be picklable).

        Raises:
            UserError: in process 0, if ``work`` raised it; the others exit with its code and leave the talking to it.
        """
        outcome: list[object] = [None, None]
        error = None
        if self.rank == 0:
            try:
                outcome[0] = work()
            except UserError as caught:
                error = caught
                outcome[1] = caught.exit_code
        if self.size > 1:
            dist.broadcast_object_list(outcome)
        if error is not None:
            raise error
        if outcome[1] is not None:
            # torchrun ends all processes once one has failed: the first should have its say before that.
            time.sleep(SECONDS_TO_SPEAK)
            sys.exit(int(str(outcome[1])))
        return outcome[0]  # type: ignore[return-value]

    def after_first(self, work: Callable[[], _T]) -> _T:
        """Run ``work`` in process 0 and then, if it went well there, in the others; each returns its own value.

        Raises:
            UserError: see :meth:`on_first`.
        """
        values: list[_T] = []
        self.on_first(lambda: values.append(work()))
        return values[0] if self.rank == 0 else work()

    @contextmanager
    def lock(self, folder: Path) -> Iterator[None]:
        """Keep other runs out of a folder, which is made if need be, until the last process has left the block.

        Raises:
            OutputError: another run writes there, or it cannot be written to.
        """
        lock = RunLock(folder, self.rank)
        try:
            owner = self.on_first(lock.acquire)
            if self.rank > 0:
                lock.join(owner)
            yield
        finally:
            lock.release()

    def gather(self, value: _T, while_waiting: Callable[[float], None]) -> list[_T]:
        """Wait for all processes; process 0 gets every process's (picklable) value by rank, the others an empty list.

        ``while_waiting`` is called again and again with the seconds that it may take, to sleep or to show progress.
        """
        if self.size == 1:
            return [value]
        arrived = dist.barrier(async_op=True)
        while not arrived.is_completed():
            while_waiting(POLL_SECONDS)
        arrived.wait()  # gloo ends the process if a work is dropped that nobody waited for
        values: list[_T | None] | None = [None] * self.size if self.rank == 0 else None
        dist.gather_object(value, values)
        return values or []  # type: ignore[return-value]

    def disconnect(self) -> None:
        """Leave the group of processes; none may still wait for this one.

        Whatever uses the group, such as a model that trains on it, has to be given up before: threads of a group that
        is still in use live on, and now and then they abort the process ("terminate called") while it ends.
        """
        if self.size > 1:
            gc.collect()  # A model that was given up refers to itself in circles.
            dist.destroy_process_group()
