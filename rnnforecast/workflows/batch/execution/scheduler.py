"""Run several jobs at once, each in its own processes: one loop, no threads, one job per worker.

The first signal stops the run in order, a second Ctrl-C at once.
"""

from __future__ import annotations

import os
import selectors
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from rnnforecast.errors import ExitCode
from rnnforecast.frozen import dataclass
from rnnforecast.workflows.batch.execution.outcomes import FailedError, StoppedError, stopped_job
from rnnforecast.workflows.batch.execution.process import Command, JobProcess, as_shell_line, describe_exit
from rnnforecast.workflows.batch.execution.steps import Steps
from rnnforecast.workflows.batch.results import JobError, JobResult

#: Time a process has to stop before it is killed.
GRACE_SECONDS = 8.0

_LONGEST_WAIT = 0.5
_SHORTEST_WAIT = 0.02


@dataclass(frozen=True)
class Task:
    """A job as the scheduler sees it."""

    name: str
    start: Callable[[], Steps]
    log: Callable[[bytes], None]
    timeout: float | None = None
    waits_for: str = ""  # the task that must have finished before this one starts


class _Slot:
    """A running task, and the process of its current step."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.steps = task.start()
        self.process: JobProcess | None = None
        self.started = time.monotonic()

    @property
    def deadline(self) -> float | None:
        """When the current step must have finished: its own limit, else that of the job."""
        if self.process is None:
            return None
        if self.process.time_limit is not None:
            return self.process.started + self.process.time_limit
        return None if self.task.timeout is None else self.started + self.task.timeout


class Scheduler:
    """The loop; `run` yields the result of each task as soon as there is one."""

    def __init__(self, num_workers: int, *, signals: SignalHandler, folder: Path) -> None:
        self._num_workers = num_workers
        self._signals = signals
        self._folder = folder
        self._slots: list[_Slot] = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(signals, selectors.EVENT_READ)

    def run(self, tasks: Sequence[Task], *, on_start: Callable[[str], object]) -> Generator[JobResult, None, None]:
        """Run all tasks in order, `num_workers` at a time; after a signal the rest is reported as stopped."""
        waiting = list(tasks)
        try:
            while waiting or self._slots:
                yield from self._start(waiting, on_start)
                if self._slots:
                    self._wait()
                    yield from self._check_processes()
        finally:  # a second Ctrl-C, or a bug: no process is left behind
            for slot in self._slots:
                if slot.process is not None:
                    slot.process.signal(signal.SIGKILL)
                    slot.process.popen.wait()
                    slot.process.completed()
            self._selector.close()

    def _start(self, waiting: list[Task], on_start: Callable[[str], object]) -> Iterator[JobResult]:
        if self._signals.received is not None:
            code = 128 + self._signals.received
            reason = stopped_job(self._signals.received, "before the job started")
            yield from (JobResult(task.name, "stopped", code, error=reason) for task in waiting)
            waiting.clear()
        while len(self._slots) < self._num_workers and self._signals.received is None:
            unfinished = {task.name for task in waiting} | {slot.task.name for slot in self._slots}
            ready = (task for task in waiting if task.waits_for == task.name or task.waits_for not in unfinished)
            # tasks that wait for each other: the first of them starts
            task = next(ready, None) or (None if self._slots else next(iter(waiting), None))
            if task is None:
                return
            waiting.remove(task)
            on_start(task.name)
            slot = _Slot(task)
            result = self._advance(slot, lambda slot=slot: next(slot.steps))  # type: ignore[misc]
            if result is None:
                self._slots.append(slot)
            else:
                yield result

    def _wait(self) -> None:
        """Sleep until a process prints something or exits, a deadline passes, or a signal arrives; read the output."""
        now = time.monotonic()
        times = [slot.deadline - now for slot in self._slots if slot.deadline is not None]
        has_closed_pipes = any(slot.process is not None and slot.process.num_open_pipes == 0 for slot in self._slots)
        longest = min([_LONGEST_WAIT, *times, *([_SHORTEST_WAIT] if has_closed_pipes else [])])
        for key, _ in self._selector.select(max(longest, 0.0)):
            if key.data is not None and key.data.read(key.fileobj) == 0:
                self._selector.unregister(key.fileobj)
                key.data.num_open_pipes -= 1
        if self._signals.received is not None and self._signals in self._selector.get_map():
            self._selector.unregister(self._signals)  # one signal wakes the loop once

    def _check_processes(self) -> Iterator[JobResult]:
        for slot in list(self._slots):
            process = slot.process
            if process is None:
                continue
            if not process.has_exited():
                self._stop_if_necessary(slot, process)
                continue
            result = self._finish_step(slot, process)
            if result is not None:
                self._slots.remove(slot)
                yield result

    def _stop_if_necessary(self, slot: _Slot, process: JobProcess) -> None:
        if self._signals.received is not None:
            process.stop(grace=GRACE_SECONDS)
        elif slot.deadline is not None and time.monotonic() >= slot.deadline:
            process.timed_out = True
            process.stop(grace=GRACE_SECONDS)
        process.kill_if_overdue()

    def _finish_step(self, slot: _Slot, process: JobProcess) -> JobResult | None:
        for pipe in process.pipes:
            if pipe in self._selector.get_map():
                self._selector.unregister(pipe)
        completed = process.completed()
        slot.process = None
        slot.task.log(f"# {describe_exit(completed.returncode)}\n".encode())
        number = self._signals.received
        if number is not None and completed.returncode != 0:
            return self._advance(slot, lambda: slot.steps.throw(StoppedError(number)))
        return self._advance(slot, lambda: slot.steps.send(completed))

    def _advance(self, slot: _Slot, resume: Callable[[], Command]) -> JobResult | None:
        """Let a job start its next process; return its result after the last one."""
        while True:
            try:
                command = resume()
            except StopIteration as stop:
                result: JobResult = stop.value
                return result
            except Exception as error:  # a bug in one job must not lose the others
                return self._crashed(slot, error)
            number = self._signals.received
            if number is not None:
                resume = _thrower(slot, StoppedError(number))
                continue
            slot.task.log(f"$ {as_shell_line(command.arguments)}\n".encode("utf-8", "backslashreplace"))
            try:
                slot.process = JobProcess(command, folder=self._folder, log=slot.task.log)
            except OSError as error:
                resume = _thrower(slot, _not_started(command, error))
                continue
            for pipe in slot.process.pipes:
                self._selector.register(pipe, selectors.EVENT_READ, data=slot.process)
            return None

    def _crashed(self, slot: _Slot, error: Exception) -> JobResult:
        import traceback

        slot.task.log("".join(traceback.format_exception(error)).encode("utf-8", "backslashreplace"))
        summary = f"{type(error).__name__}: {error}".splitlines()[0]
        reason = JobError("E_INTERNAL", f"this is a bug in rnnforecast ({summary})", "please report it with the log")
        seconds = time.monotonic() - slot.started
        return JobResult(slot.task.name, "failed", int(ExitCode.INTERNAL), seconds=seconds, error=reason)


def _thrower(slot: _Slot, error: Exception) -> Callable[[], Command]:
    return lambda: slot.steps.throw(error)


def _not_started(command: Command, error: OSError) -> FailedError:
    message = f"no process could be started for `{command.arguments[0]}`: {(error.strerror or str(error)).lower()}"
    hint = "use fewer `--workers`, or check the limits of this user with `ulimit -a`"
    return FailedError(int(ExitCode.RESOURCES), JobError("E_RUN_PROCESS", message, hint))


_STOPPING = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


class SignalHandler:
    """Keeps the signal that stopped a run in `received`, else None; its descriptor is readable after a signal.

    A signal that was ignored when the run began (`nohup`) stays ignored. Outside the main thread nothing is handled.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def fileno(self) -> int:
        """Return the descriptor that wakes a waiting loop."""
        return self._read

    def __enter__(self) -> SignalHandler:
        if threading.current_thread() is threading.main_thread():
            for number in _STOPPING:
                if signal.getsignal(number) != signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        os.close(self._read)
        os.close(self._write)

    def _handle(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if self.received is None:
            self.received = number
            os.write(self._write, b"!")
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
