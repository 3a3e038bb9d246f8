"""A worker of a pool that imports nothing and does nothing, but may die."""

from __future__ import annotations

import os
import signal
from dataclasses import dataclass
from multiprocessing.connection import Connection


@dataclass
class StubPlan:
    retries: int = 1
    device: str = "cpu"
    out: str = ""


def work(plan: StubPlan, connection: Connection) -> None:
    """Dies of rows called ``poison``, once of one called ``once``, and as soon as it starts if told to."""
    if plan.out == "never":
        os._exit(3)
    connection.send(("ready", None))
    while True:
        try:
            row = connection.recv()
        except EOFError:
            return
        marker = os.path.join(plan.out, f"{row['id']}-{os.getpid()}")
        before = [name for name in os.listdir(plan.out) if name.startswith(row["id"])]
        with open(marker, "w", encoding="utf-8"):
            pass
        if row["id"] == "poison" or (row["id"] == "once" and not before):
            os.kill(os.getpid(), signal.SIGKILL)
        connection.send(("row", {**row, "status": "done", "pid": os.getpid()}))
