"""Fit networks in forked processes: several at once, one each, or one network by a team that splits every batch.

Steps of a small network are bound by Python, and threads wait for one another in it. A forked process starts in
milliseconds and reads the rows of its parent. It computes with one thread, so results do not depend on the load.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import multiprocessing
import signal
import sys
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import torch

from rnnforecast.errors import ResourceError, RnnForecastError
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.training.parallel import CancelledError, JointProgress

if TYPE_CHECKING:
    from multiprocessing.context import ForkContext, ForkProcess

    from rnnforecast.training.checkpoints import Checkpoints

Result = TypeVar("Result")

_PR_SET_PDEATHSIG = 1
#: Seconds between two reports of a process, and between two looks at its parent for a signal to stop.
_SECONDS_BETWEEN_REPORTS = 0.05
_SECONDS_BETWEEN_LOOKS = 0.1
#: A part of a batch smaller than this is not worth a process.
FEWEST_WINDOWS_OF_PART = 8


def can_fork() -> bool:
    """Whether this process may be forked: on Linux, from its only thread, before a GPU was used."""
    alone = threading.active_count() == 1 and threading.current_thread() is threading.main_thread()
    return sys.platform == "linux" and alone and not torch.cuda.is_initialized()  # type: ignore[no-untyped-call]


def num_processes() -> int:
    """Return how many processes of one thread each use the processors that torch may use."""
    return torch.get_num_threads() if can_fork() else 1


class Team:
    """Processes that fit one network together, each on a part of every batch; all hold the same weights.

    Numbers of every process lie in shared memory, in two places in turn, so that one meeting a step is enough.
    """

    def __init__(self, size: int, num_numbers: int, context: ForkContext) -> None:
        self.size = size
        self.rank = 0
        memory = mmap.mmap(-1, 2 * size * num_numbers * 4)
        self._numbers = torch.from_numpy(np.frombuffer(memory, np.float32).reshape(2, size, num_numbers))
        self._barrier = context.Barrier(size)
        self._turn = 0

    def part(self) -> slice:
        """Return the windows of a batch that this process works on."""
        return slice(self.rank, None, self.size)

    @torch.no_grad()
    def average(self, tensors: Sequence[torch.Tensor], value: float) -> float:
        """Replace tensors by their means over the processes, and return the mean of `value`."""
        place = self._next_place()
        place[self.rank, 0] = value
        for piece, tensor in _pieces(place[self.rank], tensors):
            piece.copy_(tensor)
        self._barrier.wait()
        # one order of summands for all, so that all get the same bytes
        mean = place[:, : 1 + _count(tensors)].mean(0)
        for piece, tensor in _pieces(mean, tensors):
            tensor.copy_(piece)
        return float(mean[0])

    def smallest(self, number: float) -> float:
        """Return the smallest `number` of all processes."""
        place = self._next_place()
        place[self.rank, 0] = number
        self._barrier.wait()
        return float(place[:, 0].min())

    def _next_place(self) -> torch.Tensor:
        self._turn = 1 - self._turn
        return self._numbers[self._turn]


def _pieces(numbers: torch.Tensor, tensors: Sequence[torch.Tensor]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield the place of each tensor behind the first number, in its shape."""
    start = 1
    for tensor in tensors:
        yield numbers[start : start + tensor.numel()].view_as(tensor), tensor
        start += tensor.numel()


def make_team(size: int, network: torch.nn.Module) -> Team:
    """Return a team of `size` processes that fits a network."""
    return Team(size, _count(list(network.parameters())) + 1, multiprocessing.get_context("fork"))


@dataclass(frozen=True)
class Task(Generic[Result]):
    """One fit, number `index` of its stage; with a `team`, in a process for each part, the first of which reports."""

    index: int
    run: Callable[[Progress], Result]
    team: Team | None = None


def run_in_processes(
    tasks: Sequence[Task[Result]], joint: JointProgress, *, num_workers: int, checkpoints: Checkpoints | None = None
) -> list[Result]:
    """Run tasks in at most `num_workers` processes and return their results in order; the first failure ends all.

    A signal noted by `checkpoints` is passed on: every fit saves its state, then CancelledError is raised.

    Raises the error of a fit, ResourceError where a process was killed.
    """
    pool: _Pool[Result] = _Pool(joint, checkpoints)
    waiting = [(task, rank) for task in tasks for rank in range(1 if task.team is None else task.team.size)]
    try:
        while (waiting and not pool.is_stopping) or pool.children:
            while waiting and not pool.is_stopping and len(pool.children) < num_workers:
                pool.start(*waiting.pop(0))
            pool.receive()
    finally:
        pool.kill()
    if len(pool.results) < len(tasks):
        raise CancelledError
    return [pool.results[task.index] for task in tasks]


def run_apart(task: Task[Result], joint: JointProgress, checkpoints: Checkpoints | None = None) -> Result:
    """Run a task that starts threads in a separate process where that is possible, so that this one can be forked later."""
    if can_fork():
        return run_in_processes([task], joint, num_workers=1, checkpoints=checkpoints)[0]
    return task.run(joint.part(task.index))


@dataclass
class _Child:
    process: ForkProcess
    index: int
    rank: int


class _Pool(Generic[Result]):
    def __init__(self, joint: JointProgress, checkpoints: Checkpoints | None) -> None:
        self._joint = joint
        self._checkpoints = checkpoints
        self._context = multiprocessing.get_context("fork")
        self.children: dict[Connection, _Child] = {}
        self.results: dict[int, Result] = {}
        self.is_stopping = False

    def start(self, task: Task[Result], rank: int) -> None:
        """Start the process of one task, or of one part of a team."""
        ours, theirs = self._context.Pipe(duplex=False)
        process = self._context.Process(
            target=_work, args=(task, rank, theirs, [ours, *self.children], self._checkpoints), daemon=True
        )
        with warnings.catch_warnings():
            # other threads are those of idle libraries, which the child does not use
            warnings.simplefilter("ignore", DeprecationWarning)
            process.start()
        theirs.close()
        self.children[ours] = _Child(process, task.index, rank)

    def receive(self) -> None:
        """Wait for reports and results, and pass on a signal to stop. Raises the error of a fit."""
        for pipe in wait(list(self.children), timeout=_SECONDS_BETWEEN_LOOKS):
            if isinstance(pipe, Connection):
                self._read(pipe)
        if self._checkpoints is not None and self._checkpoints.is_interrupted and not self.is_stopping:
            self.is_stopping = True
            for child in self.children.values():
                child.process.terminate()

    def _read(self, pipe: Connection) -> None:
        child = self.children[pipe]
        try:
            kind, content = pipe.recv()
        except EOFError:
            child.process.join()
            raise _killed(child.process.exitcode) from None
        if kind == "progress":
            self._joint.update(child.index, *content)
            return
        result, records = content
        if self._checkpoints is not None and child.rank == 0:
            self._checkpoints.merge(records)
        child.process.join()
        del self.children[pipe]
        pipe.close()
        if kind == "result":
            if child.rank == 0:
                self.results[child.index] = result
            return
        if not (self.is_stopping and isinstance(result, CancelledError)):
            raise result
        # the others of a team would wait for this one
        for other, mate in list(self.children.items()):
            if mate.index == child.index:
                self._end(other)

    def _end(self, pipe: Connection) -> None:
        process = self.children.pop(pipe).process
        process.kill()
        process.join()
        pipe.close()

    def kill(self) -> None:
        """End all processes at once."""
        for pipe in list(self.children):
            self._end(pipe)


def _work(
    task: Task[Result], rank: int, pipe: Connection, others: list[Connection], checkpoints: Checkpoints | None
) -> None:
    """Run a task in its process and send what comes of it; SIGTERM lets it save its state and stop."""
    for other in others:
        other.close()  # or the end of another process would not be seen
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # end with the parent, also inside a meeting of a team
    torch.set_num_threads(1)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL if checkpoints is None else lambda *_: checkpoints.interrupt())
    if checkpoints is not None:
        checkpoints.forget_counts()
    if task.team is not None:
        task.team.rank = rank
    try:
        result: object = task.run(_Reports(pipe) if rank == 0 else NoProgress())
        kind = "result"
    except BaseException as error:
        if not isinstance(error, RnnForecastError | CancelledError):
            error.add_note(traceback.format_exc())  # the place of a fault of the program is lost on the way
        kind, result = "error", error
    records = None if checkpoints is None else checkpoints.records()
    with contextlib.suppress(BrokenPipeError):
        pipe.send((kind, (result if rank == 0 or kind == "error" else None, records)))


class _Reports(NoProgress):
    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sent = 0.0

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:
        """Send a step, unless one was sent a moment ago."""
        now = time.monotonic()
        if now - self._sent < _SECONDS_BETWEEN_REPORTS:
            return
        self._sent = now
        self._pipe.send(("progress", (step, loss, score)))


def _count(tensors: Sequence[torch.Tensor]) -> int:
    return sum(tensor.numel() for tensor in tensors)


def _killed(code: int | None) -> ResourceError:
    how = f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"
    message = f"a process that fitted a network was ended from outside ({how})"
    hint = "where memory ran out, lower `--batch-size` or `--hidden-size`, or set OMP_NUM_THREADS=1 for one process"
    return ResourceError(message, hint=hint, code="E_RUN_MEMORY")
