"""Work on all cores: NumPy releases the interpreter lock while it computes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WORKERS = 8
_NAME = "rnnforecast-work"


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(work: Callable[[Item], Result], items: Sequence[Item], *, is_alone: bool = False) -> Iterator[Result]:
    """Yield the result of each item in order; one after the other where `is_alone`, or within such work.

    An error or Ctrl-C ends the work with the items under way.
    """
    num_workers = min(num_cores(), MAX_WORKERS, len(items))
    if is_alone or num_workers < 2 or threading.current_thread().name.startswith(_NAME):
        yield from map(work, items)
        return
    pool = ThreadPoolExecutor(num_workers, thread_name_prefix=_NAME)
    try:
        yield from pool.map(work, items)
    finally:
        pool.shutdown(cancel_futures=True)
