"""Save fits while they run, so that a killed training resumes, with the same bytes as without the interruption."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from rnnforecast.errors import ModelFileError, OutputError
from rnnforecast.store.checkpoint import Checkpoint, CheckpointFolder, read_checkpoint, write_checkpoint
from rnnforecast.training.parallel import CancelledError

INTERVAL_SECONDS = 30.0

#: Printed when a saved training is interrupted.
SAVED = "the training so far is saved: the same command resumes it"

_STOP_SIGNALS = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


@dataclass(frozen=True)
class Records:
    """What happened in one process: fits too short to be written, notes, and what was resumed."""

    finished: dict[str, Checkpoint]
    problems: tuple[str, ...]
    num_fits: int
    num_steps: int
    has_failed: bool


class Checkpoints:
    """Saves the fits of one training: every half minute, and on a signal to stop.

    The fits may run in several threads, or in processes, whose records are merged.

    A fit shorter than the interval is never written while it runs. A checkpoint that cannot be saved is noted and
    stops no training.
    """

    def __init__(self, folder: CheckpointFolder, *, interval_seconds: float | None = None) -> None:
        self._folder = folder
        self._interval = INTERVAL_SECONDS if interval_seconds is None else interval_seconds
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._finished: dict[str, Checkpoint] = {}  # fits too short to be written
        self._problems: list[str] = []
        self._others = [] if folder.path.is_dir() else folder.others()
        self._num_fits = 0
        self._num_steps = 0
        self._has_failed = False

    def of(self, fit: str) -> FitCheckpoint:
        """Return the checkpoint of one fit; `fit` is the digest of everything it starts from."""
        return FitCheckpoint(self, fit, self._started)

    def load(self, fit: str) -> Checkpoint | None:
        """Return the saved state of a fit, None where no usable one exists."""
        try:
            found = read_checkpoint(self._folder.file(fit))
            if found is None or found.facts.get("fit") == fit:
                return found
            self.note(f"the checkpoint {self._folder.file(fit)} belongs to another fit and was not used")
        except ModelFileError as error:
            self.note(f"{error.message}; the training started over")
        return None

    def count_resumed(self, num_steps: int) -> None:
        """Count a fit that resumed after `num_steps`."""
        with self._lock:
            self._num_fits += 1
            self._num_steps += num_steps

    def write(self, fit: str, state: Checkpoint) -> None:
        """Save the state of a fit; a disk error is noted once."""
        try:
            write_checkpoint(self._folder.file(fit), state)
        except OutputError as error:
            if not self._has_failed:
                self.note(f"no checkpoint could be written: {error.message}")
            self._has_failed = True

    def keep_finished(self, fit: str, state: Checkpoint) -> None:
        """Save a finished fit: at once or, before the first interval has passed, on a signal to stop."""
        if self.is_interrupted or time.monotonic() - self._started >= self._interval:
            self.write(fit, state)
        else:
            with self._lock:
                self._finished[fit] = state

    @property
    def interval(self) -> float:
        """Seconds between two saves of a fit."""
        return self._interval

    @property
    def is_interrupted(self) -> bool:
        """Whether the training received a signal to stop."""
        return self._ended.is_set()

    def note(self, problem: str) -> None:
        """Keep a note for the user."""
        with self._lock:
            if problem not in self._problems:
                self._problems.append(problem)

    def interrupt(self) -> None:
        """Let every fit save its state at its next step and stop."""
        self._ended.set()

    def records(self) -> Records:
        """Return what a process has to tell its parent."""
        return Records(self._finished, tuple(self._problems), self._num_fits, self._num_steps, self._has_failed)

    def merge(self, records: Records) -> None:
        """Take over the records of a process that was forked from this one; it started from these notes and counts."""
        self._finished |= records.finished
        for problem in records.problems:
            self.note(problem)
        self._num_fits += records.num_fits
        self._num_steps += records.num_steps
        self._has_failed |= records.has_failed

    def forget_counts(self) -> None:
        """Start the counts of a forked process at nothing."""
        self._finished, self._num_fits, self._num_steps = {}, 0, 0

    def notes(self) -> tuple[str, ...]:
        """Return the notes for the user: checkpoints resumed, not used, not written."""
        notes = [f"a checkpoint of this name was made with other {cause} and was not used" for cause in self._others]
        if self._num_fits:
            fits = "one fit" if self._num_fits == 1 else f"{self._num_fits} fits"
            notes.append(
                f"the training resumed from its checkpoint: {self._num_steps} steps of {fits} were already done"
            )
        return (*notes, *self._problems)

    def remove(self) -> None:
        """Remove the checkpoints: the training is done."""
        self._folder.remove()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let SIGTERM, SIGHUP and Ctrl-C end the fits of a `with` block at their next step, each of them saved.

        The previous handler of the signal runs afterwards; a second signal calls it at once. Outside the main thread,
        which receives the signals, nothing is handled, and an ignored signal stays ignored.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        noted: list[int] = []
        before: dict[int, Any] = {number: signal.getsignal(number) for number in _STOP_SIGNALS}

        def note(number: int, frame: FrameType | None) -> None:
            if noted:
                _pass_on(number, before[number], frame)
                return
            noted.append(number)
            self._ended.set()

        for number, handler in before.items():
            if handler not in (signal.SIG_IGN, None):
                signal.signal(number, note)
        try:
            yield
        except CancelledError:
            if not noted:
                raise
        finally:
            for number, handler in before.items():
                if handler is not None:
                    signal.signal(number, handler)
        if noted:
            for fit, state in self._finished.items():
                self.write(fit, state)
            _pass_on(noted[0], before[noted[0]], None, note=None if self._has_failed else SAVED)


@dataclass
class FitCheckpoint:
    """The checkpoint of one fit: the state it resumes from, and where it is saved."""

    checkpoints: Checkpoints
    fit: str
    _saved: float

    def load(self) -> Checkpoint | None:
        """Return the state to resume from, None at the very beginning."""
        return self.checkpoints.load(self.fit)

    def reject(self, reason: str) -> None:
        """Note that the loaded state does not fit and is not used."""
        self.checkpoints.note(f"the checkpoint of a fit was not used: {reason}; the training started over")

    def count_resumed(self, num_steps: int) -> None:
        """Note that the fit resumed after `num_steps`."""
        self.checkpoints.count_resumed(num_steps)

    def save_if_due(self, make_state: Callable[[], Checkpoint]) -> None:
        """Save the state where the interval has passed. Raises CancelledError after a signal to stop."""
        ended = self.checkpoints.is_interrupted
        if ended or time.monotonic() - self._saved >= self.checkpoints.interval:
            self.checkpoints.write(self.fit, self._signed(make_state()))
            self._saved = time.monotonic()
        if ended:
            raise CancelledError

    def finish(self, make_state: Callable[[], Checkpoint]) -> None:
        """Keep the state of a finished fit."""
        self.checkpoints.keep_finished(self.fit, self._signed(make_state()))

    def _signed(self, state: Checkpoint) -> Checkpoint:
        return Checkpoint({"fit": self.fit, **state.facts}, state.tensors)


def _pass_on(number: int, handler: Any, frame: FrameType | None, *, note: str | None = None) -> None:
    """Call the previous handler of a signal; an exception that it raises gets a `note` for the user."""
    if not callable(handler):
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        return
    try:
        handler(number, frame)
    except BaseException as error:
        if note is not None:
            error.add_note(note)
        raise
