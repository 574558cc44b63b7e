"""Saving fits while they run, so that a killed training goes on where it was: same bytes as if it had never ended."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rnnforecast.errors import ModelFileError, OutputError
from rnnforecast.store.checkpoint import Checkpoint, CheckpointFolder, read_checkpoint, write_checkpoint
from rnnforecast.training.parallel import CancelledError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

    from rnnforecast.progress import Progress
    from rnnforecast.training.budget import TimeBudget

INTERVAL_SECONDS = 30.0

#: Said to whoever interrupts a training that was saved.
SAVED = "what was trained so far is saved: the same command goes on from there"

_ENDING = tuple(
    number for name in ("SIGINT", "SIGTERM", "SIGHUP") if (number := getattr(signal, name, None)) is not None
)


class Checkpoints:
    """Saves the fits of one training, which may run in several threads: every half minute, and when it is told to end.

    A fit that lasts no longer than the interval is never written while it runs. What cannot be saved hurts no
    training: it is noted.
    """

    def __init__(self, folder: CheckpointFolder, *, interval_seconds: float | None = None) -> None:
        self._folder = folder
        self._interval = INTERVAL_SECONDS if interval_seconds is None else interval_seconds
        self._started = time.monotonic()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._finished: dict[str, Checkpoint] = {}  # fits that ended too soon to be written
        self._problems: list[str] = []
        self._others = [] if folder.path.is_dir() else folder.others()
        self._num_fits = 0
        self._num_steps = 0
        self._is_refused = False

    def of(self, fit: str) -> FitCheckpoint:
        """Return the checkpoint of one fit; `fit` is the digest of all it starts from."""
        return FitCheckpoint(self, fit, self._started)

    def load(self, fit: str) -> Checkpoint | None:
        """Return the state a fit was saved in, None where there is none that can be used."""
        try:
            found = read_checkpoint(self._folder.file(fit))
            if found is None or found.facts.get("fit") == fit:
                return found
            self.note(f"the checkpoint {self._folder.file(fit)} is of another fit and was not used")
        except ModelFileError as refusal:
            self.note(f"{refusal.message}; the training began anew")
        return None

    def count_resumed(self, num_steps: int) -> None:
        """Note that a fit went on after `num_steps`."""
        with self._lock:
            self._num_fits += 1
            self._num_steps += num_steps

    def write(self, fit: str, state: Checkpoint) -> None:
        """Save the state of a fit; a disk that refuses is noted once."""
        try:
            write_checkpoint(self._folder.file(fit), state)
        except OutputError as refusal:
            if not self._is_refused:
                self.note(f"no checkpoint could be kept: {refusal.message}")
            self._is_refused = True

    def keep_finished(self, fit: str, state: Checkpoint) -> None:
        """Save a fit that has ended, at once or, in the first moments of a training, when that is told to end."""
        if self.is_interrupted or time.monotonic() - self._started >= self._interval:
            self.write(fit, state)
        else:
            with self._lock:
                self._finished[fit] = state

    @property
    def interval(self) -> float:
        """Seconds between two states of a fit that are saved."""
        return self._interval

    @property
    def is_interrupted(self) -> bool:
        """Whether the training was told to end."""
        return self._ended.is_set()

    def note(self, problem: str) -> None:
        """Remember what the user is told at the end."""
        with self._lock:
            if problem not in self._problems:
                self._problems.append(problem)

    def notes(self) -> tuple[str, ...]:
        """Return what the user is told of checkpoints: gone on from, not used, not written."""
        notes = [f"a checkpoint of this name was made with other {what} and was not used" for what in self._others]
        if self._num_fits:
            fits = "one fit" if self._num_fits == 1 else f"{self._num_fits} fits"
            notes.append(
                f"the training went on from its checkpoint: {self._num_steps} steps of {fits} were done already"
            )
        return (*notes, *self._problems)

    def remove(self) -> None:
        """Remove the checkpoints: the training is done."""
        self._folder.remove()

    @contextmanager
    def interruptible(self) -> Iterator[None]:
        """Let SIGTERM, SIGHUP and Ctrl-C end the fits of a `with` block at their next step, each of them saved.

        What the signal did before is done then; a second signal does it at once. Nothing is handled outside the main
        thread, to which signals belong, and a signal that is ignored stays so.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        noted: list[int] = []
        before: dict[int, Any] = {number: signal.getsignal(number) for number in _ENDING}

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
            _pass_on(noted[0], before[noted[0]], None, words=None if self._is_refused else SAVED)


@dataclass
class FitCheckpoint:
    """The checkpoint of one fit: what it goes on from, and where it is saved."""

    checkpoints: Checkpoints
    fit: str
    _saved: float

    def load(self) -> Checkpoint | None:
        """Return the state to go on from, None at the very beginning."""
        return self.checkpoints.load(self.fit)

    def refuse(self, reason: str) -> None:
        """Note that the state that was loaded does not fit and is not used."""
        self.checkpoints.note(f"the checkpoint of a fit was not used: {reason}; the training began anew")

    def went_on(self, num_steps: int) -> None:
        """Note that the fit went on after `num_steps`."""
        self.checkpoints.count_resumed(num_steps)

    def after_step(self, make_state: Callable[[], Checkpoint]) -> None:
        """Save the state where it is time to. Raises CancelledError once the training was told to end."""
        ended = self.checkpoints.is_interrupted
        if ended or time.monotonic() - self._saved >= self.checkpoints.interval:
            self.checkpoints.write(self.fit, self._signed(make_state()))
            self._saved = time.monotonic()
        if ended:
            raise CancelledError

    def finish(self, make_state: Callable[[], Checkpoint]) -> None:
        """Keep the state of a fit that has ended."""
        self.checkpoints.keep_finished(self.fit, self._signed(make_state()))

    def _signed(self, state: Checkpoint) -> Checkpoint:
        return Checkpoint({"fit": self.fit, **state.facts}, state.tensors)


@dataclass(frozen=True)
class Conduct:
    """How fits are carried out: how long they may take, who watches, and where they are saved (None: nowhere)."""

    budget: TimeBudget
    progress: Progress
    checkpoints: Checkpoints | None = field(default=None)


def _pass_on(number: int, handler: Any, frame: FrameType | None, *, words: str | None = None) -> None:
    """Do what a signal did before; an exception that it raises is given `words` for the user."""
    if not callable(handler):
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        return
    try:
        handler(number, frame)
    except BaseException as ending:
        if words is not None:
            ending.add_note(words)
        raise
