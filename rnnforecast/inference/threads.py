"""Work on all cores: NumPy releases the interpreter lock while it computes."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

MAX_WORKERS = 8
_NAME = "rnnforecast-work"


def num_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep NumPy's matrix products to one thread, and restore their threads afterwards.

    Batches of forecasts already use all cores, and threads inside small products wait for one another: a training took
    twice as long. The command line sets the variable before NumPy is imported, which costs nothing.
    """
    if os.environ.get("OPENBLAS_NUM_THREADS") == "1":
        yield
        return
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1, user_api="blas"):
        yield


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
