"""Fits that are killed and go on: the same bytes, whatever the step, the cell or the number of threads."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from rnnforecast.config import Settings
from rnnforecast.data.windows import Windows
from rnnforecast.forecasting import Ensemble
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.store.checkpoint import Checkpoint, CheckpointFolder, RunDigests, read_checkpoint, write_checkpoint
from rnnforecast.training.checkpoints import SAVED, Checkpoints
from rnnforecast.training.context import FitContext, TimeBudget
from rnnforecast.training.ensemble import fit_ensemble
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.parallel import CancelledError
from rnnforecast.training.recipe import choose_recipe, gather_facts
from tests.training.toy import make_series, wave

VALIDATION = Windows(series=np.array([0, 1]), cutoffs=np.array([50, 40]))
RUN = RunDigests(data="d" * 12, settings="5" * 12, program="f" * 12)
NUM_STEPS = 12


class KilledError(Exception):
    """Stands for whatever ends a process."""


class DiesAfter(NoProgress):
    """Ends the fits after so many steps in all."""

    def __init__(self, num_steps: int, end: Callable[[], None] | None = None) -> None:
        self.left = num_steps
        self._end = end

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:  # noqa: ARG002
        self.left -= 1
        if self.left == 0:
            if self._end is None:
                raise KilledError
            self._end()


def _open(folder: Path, *, interval_seconds: float = 0.0, run: RunDigests = RUN) -> Checkpoints:
    return Checkpoints(CheckpointFolder(folder, "y", run), interval_seconds=interval_seconds)


def _fit(
    checkpoints: Checkpoints | None, *, progress: Progress | None = None, **flags: object
) -> tuple[Ensemble, tuple[Fit, ...]]:
    settings = Settings.from_flat({"num_steps": NUM_STEPS, "hidden_size": 4, "num_members": 2, **flags})
    series = make_series(wave(60), wave(50, seed=2))
    return fit_ensemble(
        series,
        choose_recipe(gather_facts(series, horizon=4), settings),
        validation=VALIDATION,
        training=settings.training,
        context=FitContext(
            TimeBudget(None), progress or NoProgress(), None if checkpoints is None else lambda: checkpoints
        ),
    )


def _assert_same(ours: tuple[Ensemble, tuple[Fit, ...]], theirs: tuple[Ensemble, tuple[Fit, ...]]) -> None:
    for first, second in zip(ours[0].weights, theirs[0].weights, strict=True):
        assert {name: array.tobytes() for name, array in first.items()} == {
            name: array.tobytes() for name, array in second.items()
        }
    for one, other in zip(ours[1], theirs[1], strict=True):
        assert (one.losses, one.norms, one.scores) == (other.losses, other.norms, other.scores)
        assert (one.best_step, one.best_score) == (other.best_step, other.best_score)
        assert (one.clipped_fraction, one.num_rollbacks) == (other.clipped_fraction, other.num_rollbacks)


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("killed_after", [1, 7, NUM_STEPS, NUM_STEPS + 5])
def test_a_fit_that_was_killed_continues_and_ends_with_the_same_bytes(tmp_path: Path, killed_after: int) -> None:
    with pytest.raises(KilledError):
        _fit(_open(tmp_path), progress=DiesAfter(killed_after))
    again = _open(tmp_path)
    _assert_same(_fit(again), _fit(None))
    steps, fits = killed_after, "one fit" if killed_after < NUM_STEPS + 1 else "2 fits"
    assert again.notes() == (f"the training resumed from its checkpoint: {steps} steps of {fits} were already done",)


def test_a_fit_killed_again_and_again_ends_with_the_same_bytes(tmp_path: Path) -> None:
    for _ in range(4):
        with pytest.raises(KilledError):
            _fit(_open(tmp_path), progress=DiesAfter(3))
    _assert_same(_fit(_open(tmp_path)), _fit(None))


@pytest.mark.parametrize(
    "flags",
    [
        {"mapping": "encoder-decoder", "attention": "dot"},
        {"cell": "lstm", "num_layers": 2, "dropout": 0.3},
        {"cell": "mingru", "normalisation": "global"},
    ],
)
def test_all_that_is_random_in_a_network_resumes_where_it_was(tmp_path: Path, flags: dict[str, object]) -> None:
    with pytest.raises(KilledError):
        _fit(_open(tmp_path), progress=DiesAfter(5), **flags)
    _assert_same(_fit(_open(tmp_path), **flags), _fit(None, **flags))  # type: ignore[arg-type]


@pytest.mark.usefixtures("two_threads")
def test_sigterm_saves_the_fits_of_all_threads_and_is_passed_on(tmp_path: Path) -> None:
    class EndedError(BaseException):
        pass

    def end(*_: object) -> None:
        raise EndedError

    before = signal.signal(signal.SIGTERM, end)
    try:
        watcher = DiesAfter(5, lambda: os.kill(os.getpid(), signal.SIGTERM))
        with pytest.raises(EndedError) as caught:
            _fit(_open(tmp_path, interval_seconds=3600), progress=watcher, num_steps=400)
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert caught.value.__notes__ == [SAVED]
    again = _open(tmp_path, interval_seconds=3600)
    _assert_same(_fit(again, num_steps=400), _fit(None, num_steps=400))
    assert "resumed from its checkpoint" in again.notes()[0]


def test_a_second_signal_does_not_wait_for_the_step(tmp_path: Path) -> None:
    checkpoints = _open(tmp_path)
    told: list[int] = []

    def interrupt_twice() -> None:
        for number in range(3):
            told.append(number)
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), checkpoints.interruptible():
        interrupt_twice()
    assert (told, checkpoints.is_interrupted) == ([0, 1], True)


def test_a_signal_that_is_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        checkpoints = _open(tmp_path)
        with checkpoints.interruptible():
            os.kill(os.getpid(), signal.SIGHUP)
        assert not checkpoints.is_interrupted
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_fit_that_ended_before_the_first_interval_is_saved_when_the_training_is_told_to_end(tmp_path: Path) -> None:
    def end() -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        _fit(_open(tmp_path, interval_seconds=3600), progress=DiesAfter(NUM_STEPS + 2, end))
    again = _open(tmp_path)
    _assert_same(_fit(again), _fit(None))
    assert f"{NUM_STEPS + 3} steps of 2 fits" in again.notes()[0]


def test_a_short_fit_writes_nothing(tmp_path: Path) -> None:
    _fit(_open(tmp_path, interval_seconds=3600))
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_other_data_is_not_used_and_that_is_reported(tmp_path: Path) -> None:
    with pytest.raises(KilledError):
        _fit(_open(tmp_path), progress=DiesAfter(5))
    for run, what in (
        (RunDigests("e" * 12, RUN.settings, RUN.program), "data"),
        (RunDigests(RUN.data, "6" * 12, RUN.program), "settings"),
        (RunDigests(RUN.data, "6" * 12, "a" * 12), "settings and version, machine or number of threads"),
    ):
        other = _open(tmp_path, run=run)
        assert other.load("0" * 64) is None
        assert other.notes() == (f"a checkpoint of this name was made with other {what} and was not used",)


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "foreign", "other fit", "other tensors", "other facts"])
def test_a_checkpoint_that_is_damaged_is_not_used_and_that_is_reported(tmp_path: Path, damage: str) -> None:
    with pytest.raises(KilledError):
        _fit(_open(tmp_path), progress=DiesAfter(5))
    (path,) = tmp_path.rglob("*.checkpoint")
    _spoil(path, damage)
    again = _open(tmp_path)
    _assert_same(_fit(again), _fit(None))
    assert len(again.notes()) == 1
    assert "not used" in again.notes()[0] or "training started over" in again.notes()[0]


def _spoil(path: Path, damage: str) -> None:
    content = bytearray(path.read_bytes())
    found = read_checkpoint(path)
    assert found is not None
    if damage == "flip":
        content[-5] ^= 1
    elif damage == "cut":
        del content[-100:]
    elif damage == "empty":
        content.clear()
    elif damage == "foreign":
        content[:] = b"\x80\x04\x95" + bytes(200)
    if damage == "other fit":
        write_checkpoint(path, Checkpoint({**found.facts, "fit": "0"}, found.tensors))
    elif damage == "other tensors":
        tensors = {name: array for name, array in found.tensors.items() if name != "generator"}
        write_checkpoint(path, Checkpoint(found.facts, tensors))
    elif damage == "other facts":
        write_checkpoint(path, Checkpoint({**found.facts, "step": -1}, found.tensors))
    else:
        path.write_bytes(content)


def test_a_disk_that_takes_no_checkpoint_hurts_no_training_and_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").touch()
    checkpoints = _open(tmp_path)
    _assert_same(_fit(checkpoints), _fit(None))
    (note,) = checkpoints.notes()
    assert note.startswith("no checkpoint could be written: ")


def test_checkpoints_go_when_the_training_is_done_and_with_them_old_ones_of_the_name(tmp_path: Path) -> None:
    other = RunDigests("e" * 12, RUN.settings, RUN.program)
    for run in (RUN, other):
        with pytest.raises(KilledError):
            _fit(_open(tmp_path, run=run), progress=DiesAfter(2))
    folder = CheckpointFolder(tmp_path, "y", RUN)
    folder.remove()
    assert [path.name for path in folder.path.parent.iterdir()] == [other.folder_name]
    folder.remove(now=folder.path.parent.stat().st_mtime + 90_000)
    assert list(tmp_path.iterdir()) == []


def test_the_end_of_the_other_fits_is_not_an_end_of_the_training_itself(tmp_path: Path) -> None:
    with pytest.raises(CancelledError), _open(tmp_path).interruptible():
        raise CancelledError
