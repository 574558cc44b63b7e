"""Fits in forked processes: results, progress, failures, and a team that fits one network together."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from rnnforecast.data.windows import Windows
from rnnforecast.errors import DivergedError, ResourceError
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.training.ensemble_weights import Rival
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.loop import TrainWindows, fit_network
from rnnforecast.training.parallel import JointProgress
from rnnforecast.training.processes import Task, Team, make_team, run_in_processes
from rnnforecast.training.sampling import make_sampler
from rnnforecast.training.state import ValidationWindows
from tests.house import ROOT
from tests.training.test_parallel import Watcher
from tests.training.toy import SMALL, as_windows, fit_settings, make_flat, make_series, small_network, wave

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="fits are forked on Linux alone")


def _joint(num_tasks: int = 2, watcher: Progress | None = None) -> JointProgress:
    return JointProgress(watcher or NoProgress(), "fitting", [3] * num_tasks)


def _run(*runs: Callable[[Progress], object], num_workers: int = 2, watcher: Progress | None = None) -> list[object]:
    tasks = [Task(index, run) for index, run in enumerate(runs)]
    return run_in_processes(tasks, _joint(len(runs), watcher), num_workers=num_workers)


def _answer(number: int, progress: Progress) -> tuple[int, int, int]:
    progress.update(3)
    return number, os.getpid(), torch.get_num_threads()


def _sleep(_: Progress) -> None:
    time.sleep(60)


def _fail(error: BaseException, _: Progress) -> None:
    raise error


@pytest.mark.parametrize("num_workers", [1, 2, 3])
def test_every_task_runs_in_its_process_with_one_thread_and_results_come_in_order(num_workers: int) -> None:
    found = _run(*(partial(_answer, n) for n in range(3)), num_workers=num_workers)
    numbers, processes, threads = zip(*found, strict=True)
    assert (numbers, threads) == ((0, 1, 2), (1, 1, 1))
    assert len({*processes, os.getpid()}) == 4


def test_steps_of_all_processes_are_added_up_in_one_stage() -> None:
    watcher = Watcher()
    _run(partial(_answer, 0), partial(_answer, 1), watcher=watcher)
    assert (watcher.stages, watcher.steps) == ([("fitting", 6)], [3, 6])


def test_the_failure_of_one_ends_the_others_and_keeps_its_message_and_hint() -> None:
    started = time.monotonic()
    with pytest.raises(DivergedError, match="the loss was nan") as caught:
        _run(_sleep, partial(_fail, DivergedError("the loss was nan", hint="lower it", code="E_RUN_DIVERGED")))
    assert (caught.value.hint, caught.value.code) == ("lower it", "E_RUN_DIVERGED")
    assert time.monotonic() - started < 30


def test_a_fault_of_the_program_keeps_its_place() -> None:
    with pytest.raises(ValueError, match="odd") as caught:
        _run(partial(_fail, ValueError("odd")))
    assert "in _fail" in caught.value.__notes__[0]


def test_a_process_that_is_killed_is_an_error_that_names_the_signal() -> None:
    with pytest.raises(ResourceError, match=r"ended from outside \(signal 9\)"):
        _run(_sleep, lambda _: os.kill(os.getpid(), signal.SIGKILL))


def test_a_process_with_other_threads_is_not_forked() -> None:
    """In a process of its own: here other tests may have left threads."""
    code = (
        "import threading\nfrom rnnforecast.training.processes import can_fork\nended = threading.Event()\n"
        "before = can_fork()\nthreading.Thread(target=ended.wait).start()\nprint(before, can_fork())\nended.set()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(sys.platform == "linux"), "False"]


def _fit(team: Team | None, progress: Progress, rival: Rival | None = None) -> Fit:
    series = make_series(wave(60), wave(50, seed=2))
    flat, network = make_flat(series), small_network()
    return fit_network(
        network,
        TrainWindows(flat, make_sampler(series.lengths - 8, SMALL), team),
        replace(fit_settings(num_steps=20, batch_size=16), starts_fitted=True, patience=20, far_behind=((1, 1e9),)),
        validation_windows=ValidationWindows(flat, as_windows([0, 1], [50, 40]), rival),
        seed=1,
        budget_seconds=None,
        progress=progress,
    )


def test_a_team_fits_as_one_process_does_but_for_rounding() -> None:
    team = make_team(2, small_network())
    (together,) = run_in_processes([Task(0, partial(_fit, team), team)], _joint(1), num_workers=2)
    alone = _fit(None, NoProgress())
    assert together.best_step == alone.best_step > 0
    np.testing.assert_allclose(together.losses, alone.losses, rtol=1e-3)
    for name, weights in alone.weights.items():
        np.testing.assert_allclose(together.weights[name], weights, atol=1e-3, err_msg=name)


def test_a_team_is_as_far_behind_forecasts_without_training_as_one_process() -> None:
    series, levels = make_series(wave(60), wave(50, seed=2)), SMALL.quantile_levels
    quantiles = np.full((2, SMALL.horizon, len(levels)), 50.0)
    rival = Rival.of(quantiles, series, Windows(np.array([0, 1]), np.array([50, 40])), levels)
    team = make_team(2, small_network())
    task = Task(0, partial(_fit, team, rival=rival), team)
    (together,) = run_in_processes([task], _joint(1), num_workers=2)
    assert together.ratio == pytest.approx(_fit(None, NoProgress(), rival).ratio, rel=1e-3)


def test_a_team_gives_the_same_bytes_again() -> None:
    found = []
    for _ in range(2):
        team = make_team(2, small_network())
        found += run_in_processes([Task(0, partial(_fit, team), team)], _joint(1), num_workers=2)
    assert found[0].losses == found[1].losses
    for name, weights in found[0].weights.items():
        np.testing.assert_array_equal(weights, found[1].weights[name], err_msg=name)


def test_the_time_budget_cuts_the_steps_of_a_whole_team() -> None:
    def fit(team: Team, progress: Progress) -> float:
        progress.update(1)
        return team.smallest(10.0 - team.rank)

    team = make_team(2, small_network())
    assert run_in_processes([Task(0, partial(fit, team), team)], _joint(1), num_workers=2) == [9.0]
