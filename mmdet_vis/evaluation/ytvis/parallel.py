"""Work on videos in several processes that share the data already in memory."""

from __future__ import annotations

import gc
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

# What the processes run: they inherit it, and with it all data it refers to, instead of being sent copies.
_inherited: Callable[[Any], Any] | None = None


def map_in_processes(function: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[Result]:
    """Results of ``function`` for each item, in order.

    Args:
        function: may be a closure; what it returns must be picklable. It works on the state of now: changes that it
            makes are lost.
        items: picklable.
        workers: number of processes; with 1, or where processes cannot be forked (Windows), everything runs here.
    """
    global _inherited
    workers = min(workers, len(items))
    if workers <= 1 or "fork" not in multiprocessing.get_all_start_methods():
        yield from map(function, items)
        return
    _inherited = function
    # The children's garbage collector would otherwise write to, and so copy, every page it walks over.
    gc.freeze()
    try:
        with multiprocessing.get_context("fork").Pool(workers) as pool:
            yield from pool.imap(_call_inherited, items, chunksize=max(1, len(items) // (8 * workers)))
    finally:
        gc.unfreeze()
        _inherited = None


def _call_inherited(item: Any) -> Any:
    assert _inherited is not None
    return _inherited(item)
