"""Run jobs side by side in processes of their own: one loop, no thread, as many at a time as there are workers."""

from __future__ import annotations

import selectors
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.errors import ExitCode
from rnnforecast.workflows.batch.execution.outcomes import FailedError, StoppedError, stopped_before
from rnnforecast.workflows.batch.execution.process import Child, Command, as_shell_line, describe_end
from rnnforecast.workflows.batch.results import JobError, JobResult

if TYPE_CHECKING:
    from rnnforecast.workflows.batch.execution.job import Work
    from rnnforecast.workflows.batch.execution.signals import Stopper

#: How long a process may take to end when it is asked to.
GRACE_SECONDS = 8.0

_LONGEST_NAP = 0.5
_SHORTEST_NAP = 0.02


@dataclass(frozen=True)
class Task:
    """A job as the loop sees it."""

    name: str
    begin: Callable[[], Work]
    log: Callable[[bytes], None]
    timeout: float | None = None
    waits_for: str = ""  # the task that must have ended before this one begins


class _Slot:
    """One task that is being worked on, and the process of its present step."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.work = task.begin()
        self.child: Child | None = None
        self.started = time.monotonic()

    @property
    def deadline(self) -> float | None:
        """When the present step must be over: its own limit, else that of the job."""
        if self.child is None:
            return None
        if self.child.time_limit is not None:
            return self.child.started + self.child.time_limit
        return None if self.task.timeout is None else self.started + self.task.timeout


class Scheduler:
    """The loop; `run` yields how each task ended as soon as it has."""

    def __init__(self, num_workers: int, *, stopper: Stopper, folder: Path) -> None:
        self._num_workers = num_workers
        self._stopper = stopper
        self._folder = folder
        self._slots: list[_Slot] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(stopper, selectors.EVENT_READ)

    def run(self, tasks: Sequence[Task], *, on_start: Callable[[str], None]) -> Generator[JobResult, None, None]:
        """Run all tasks in order, `num_workers` at a time; after a signal those left are reported as stopped."""
        waiting = list(tasks)
        try:
            while waiting or self._slots:
                yield from self._begin(waiting, on_start)
                if self._slots:
                    self._wait()
                    yield from self._look_after()
        finally:  # a second Ctrl-C, or an error of ours: nobody is left behind
            for slot in self._slots:
                if slot.child is not None:
                    slot.child.signal(signal.SIGKILL)
                    slot.child.process.wait()
                    slot.child.ended()
            self._selector.close()

    def _begin(self, waiting: list[Task], on_start: Callable[[str], None]) -> Iterator[JobResult]:
        if self._stopper.signal is not None:
            code, reason = 128 + self._stopper.signal, stopped_before(self._stopper.signal)
            yield from (JobResult(task.name, "stopped", code, error=reason) for task in waiting)
            waiting.clear()
        while len(self._slots) < self._num_workers and self._stopper.signal is None:
            unfinished = {task.name for task in waiting} | {slot.task.name for slot in self._slots}
            ready = (task for task in waiting if task.waits_for == task.name or task.waits_for not in unfinished)
            # a circle of waiting tasks is none of ours to refuse: the first of it begins
            task = next(ready, None) or (None if self._slots else next(iter(waiting), None))
            if task is None:
                return
            waiting.remove(task)
            on_start(task.name)
            slot = _Slot(task)
            result = self._advance(slot, lambda slot=slot: next(slot.work))  # type: ignore[misc]
            if result is None:
                self._slots.append(slot)
            else:
                yield result

    def _wait(self) -> None:
        """Sleep until a process says something or ends, a time is over, or a signal comes; take what was said."""
        now = time.monotonic()
        times = [slot.deadline - now for slot in self._slots if slot.deadline is not None]
        silent = any(slot.child is not None and slot.child.num_open_pipes == 0 for slot in self._slots)
        nap = min([_LONGEST_NAP, *times, *([_SHORTEST_NAP] if silent else [])])
        for key, _ in self._selector.select(max(nap, 0.0)):
            if key.data is not None and key.data.read(key.fileobj) == 0:
                self._selector.unregister(key.fileobj)
                key.data.num_open_pipes -= 1
        if self._stopper.signal is not None and self._stopper in self._selector.get_map():
            self._selector.unregister(self._stopper)  # told once

    def _look_after(self) -> Iterator[JobResult]:
        for slot in list(self._slots):
            child = slot.child
            if child is None:
                continue
            if not child.has_ended():
                self._hurry(slot, child)
                continue
            result = self._take_end(slot, child)
            if result is not None:
                self._slots.remove(slot)
                yield result

    def _hurry(self, slot: _Slot, child: Child) -> None:
        if self._stopper.signal is not None:
            child.stop(grace=GRACE_SECONDS)
        elif slot.deadline is not None and time.monotonic() >= slot.deadline:
            child.timed_out = True
            child.stop(grace=GRACE_SECONDS)
        child.kill_when_over()

    def _take_end(self, slot: _Slot, child: Child) -> JobResult | None:
        for pipe in child.pipes:
            if pipe in self._selector.get_map():
                self._selector.unregister(pipe)
        ended = child.ended()
        slot.child = None
        slot.task.log(f"# {describe_end(ended.returncode)}\n".encode())
        number = self._stopper.signal
        if number is not None and ended.returncode != 0:
            return self._advance(slot, lambda: slot.work.throw(StoppedError(number)))
        return self._advance(slot, lambda: slot.work.send(ended))

    def _advance(self, slot: _Slot, go_on: Callable[[], Command]) -> JobResult | None:
        """Let a job go on to its next process; return its result where that was the last."""
        while True:
            try:
                command = go_on()
            except StopIteration as end:
                result: JobResult = end.value
                return result
            except Exception as error:  # a bug of ours in one job is no reason to lose the others
                return self._crashed(slot, error)
            number = self._stopper.signal
            if number is not None:
                go_on = _thrower(slot, StoppedError(number))
                continue
            slot.task.log(f"$ {as_shell_line(command.arguments)}\n".encode("utf-8", "backslashreplace"))
            try:
                slot.child = Child(command, folder=self._folder, log=slot.task.log)
            except OSError as error:
                go_on = _thrower(slot, _not_started(command, error))
                continue
            for pipe in slot.child.pipes:
                self._selector.register(pipe, selectors.EVENT_READ, data=slot.child)
            return None

    def _crashed(self, slot: _Slot, error: Exception) -> JobResult:
        import traceback

        slot.task.log("".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace"))
        what = f"{type(error).__name__}: {error}".splitlines()[0]
        reason = JobError("E_INTERNAL", f"this is a bug in rnnforecast ({what})", "please report it with the job's log")
        seconds = time.monotonic() - slot.started
        return JobResult(slot.task.name, "failed", int(ExitCode.INTERNAL), seconds=seconds, error=reason)


def _thrower(slot: _Slot, error: Exception) -> Callable[[], Command]:
    return lambda: slot.work.throw(error)


def _not_started(command: Command, error: OSError) -> FailedError:
    reason = f"no process could be started for `{command.arguments[0]}`: {(error.strerror or str(error)).lower()}"
    hint = "use fewer `--workers`, or see the limits of this user with `ulimit -a`"
    return FailedError(int(ExitCode.RESOURCES), JobError("E_RUN_PROCESS", reason, hint))
