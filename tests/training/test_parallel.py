from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
import torch

from rnnforecast.progress import NoProgress, Progress
from rnnforecast.training.parallel import CancelledError, JointProgress, run_in_threads


class Watcher(NoProgress):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, int]] = []
        self.steps: list[int] = []

    def start(self, stage: str, total: int) -> None:
        self.stages.append((stage, total))

    def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:  # noqa: ARG002
        self.steps.append(step)


def _joint(num_tasks: int = 2, watcher: Progress | None = None) -> JointProgress:
    return JointProgress(watcher or NoProgress(), "fitting", [3] * num_tasks)


def _answer(number: int) -> Callable[[Progress], int]:
    def task(watcher: Progress) -> int:
        time.sleep(0.01 * (3 - number))
        watcher.update(3)
        return number

    return task


def _run_until_ended(reached: list[str]) -> Callable[[Progress], str]:
    """Return a task that ends when its watcher says so, and by itself only after many steps."""

    def task(watcher: Progress) -> str:
        for step in range(2_000):
            try:
                watcher.update(step)
            except CancelledError:
                reached.append("ended")
                raise
            time.sleep(0.005)
        reached.append("ran to its end")
        return "done"

    return task


def _fail(error: BaseException) -> Callable[[Progress], str]:
    def task(watcher: Progress) -> str:
        watcher.update(1)
        raise error

    return task


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_results_come_in_the_order_of_the_tasks(num_workers: int) -> None:
    assert run_in_threads([_answer(n) for n in range(3)], _joint(3), num_workers=num_workers) == [0, 1, 2]


@pytest.mark.parametrize("failing_first", [True, False])
def test_the_failure_of_one_ends_the_others(failing_first: bool) -> None:
    reached: list[str] = []
    tasks = [_run_until_ended(reached), _fail(ValueError("odd"))]
    with pytest.raises(ValueError, match="odd"):
        run_in_threads(tasks[::-1] if failing_first else tasks, _joint(), num_workers=2)
    assert "ran to its end" not in reached


def test_a_fit_that_waits_for_a_worker_is_not_started_after_a_failure() -> None:
    started = threading.Event()

    def last(_: Progress) -> str:
        started.set()
        return ""

    with pytest.raises(ValueError, match="odd"):
        run_in_threads([_fail(ValueError("odd")), last], _joint(), num_workers=1)
    assert not started.is_set()


def test_an_interrupt_ends_every_fit_and_is_what_the_caller_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    reached: list[str] = []

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("rnnforecast.training.parallel.wait", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_in_threads([_run_until_ended(reached)] * 2, _joint(), num_workers=2)
    assert "ran to its end" not in reached


def test_steps_of_all_fits_are_added_up_in_one_stage() -> None:
    watcher = Watcher()
    run_in_threads([_answer(0), _answer(1)], _joint(2, watcher), num_workers=2)
    assert watcher.stages == [("fitting", 6)]
    assert watcher.steps == [3, 6]


def test_the_threads_of_torch_are_shared_out_and_given_back() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(4)
        seen = run_in_threads([lambda _: torch.get_num_threads()] * 2, _joint(), num_workers=2)
        assert seen == [2, 2]
        assert torch.get_num_threads() == 4
    finally:
        torch.set_num_threads(before)
