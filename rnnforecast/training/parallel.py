"""Fit several networks at once in threads, where processes cannot be forked; and the progress that fits have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TypeVar

import torch

from rnnforecast.progress import NoProgress, Progress

Result = TypeVar("Result")


class CancelledError(Exception):
    """A fit was cancelled because another one failed or the user interrupted the run."""


class JointProgress:
    """One stage for several fits: steps are added up, and the latest loss and score are shown."""

    def __init__(self, progress: Progress, stage: str, totals: Sequence[int]) -> None:
        self._progress = progress
        self._steps = [0] * len(totals)
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        progress.start(stage, sum(totals))

    def cancel(self) -> None:
        """Stop every fit at its next step."""
        self._cancelled.set()

    def part(self, index: int) -> Progress:
        """Return the progress of one fit."""
        return _Part(self, index)

    def update(self, index: int, step: int, loss: float | None, score: float | None) -> None:
        """Report the step of one fit. Raises CancelledError after `cancel`."""
        if self._cancelled.is_set():
            raise CancelledError
        with self._lock:
            self._steps[index] = step
            self._progress.update(sum(self._steps), loss=loss, score=score)


class _Part(NoProgress):
    def __init__(self, joint: JointProgress, index: int) -> None:
        self._joint = joint
        self._index = index

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        self._joint.update(self._index, step, loss, score)


def run_in_threads(
    tasks: Sequence[Callable[[Progress], Result]], joint: JointProgress, *, num_workers: int
) -> list[Result]:
    """Run tasks in `num_workers` threads and return their results in order; the first failure ends all of them.

    Every result is the same whatever `num_workers` is, as long as each task keeps to one thread of torch.
    """
    if num_workers == 1:
        return [task(joint.part(index)) for index, task in enumerate(tasks)]
    threads = max(1, torch.get_num_threads() // num_workers)
    # the number of threads of torch belongs to the thread that sets it
    with ThreadPoolExecutor(num_workers, initializer=torch.set_num_threads, initargs=(threads,)) as pool:
        futures = [pool.submit(task, joint.part(index)) for index, task in enumerate(tasks)]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            failed = [future for future in futures if future.done() and future.exception() is not None]
            return [future.result() for future in failed or futures]
        except BaseException:
            joint.cancel()
            pool.shutdown(wait=True, cancel_futures=True)
            failures = [future.exception() for future in futures if future.done() and not future.cancelled()]
            for failure in failures:  # the cause, not the fits it cancelled
                if failure is not None and not isinstance(failure, CancelledError):
                    raise failure from None
            raise
