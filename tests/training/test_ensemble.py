from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.errors import DataError, ExitCode, ResourceError
from rnnforecast.forecasting import Ensemble, last_windows
from rnnforecast.progress import NoProgress
from rnnforecast.store.checkpoint import CheckpointFolder, RunDigests
from rnnforecast.training import ensemble as module
from rnnforecast.training.checkpoints import Checkpoints
from rnnforecast.training.context import FitContext, TimeBudget
from rnnforecast.training.ensemble import choose_device, fit_ensemble
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.loop import fit_network
from rnnforecast.training.recipe import choose_recipe, gather_facts
from tests.training.toy import make_series, wave

VALIDATION = Windows(series=np.array([0, 1]), cutoffs=np.array([50, 40]))


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def _fit(
    series: SeriesSet | None = None, *, validation: Windows | None = VALIDATION, **flags: object
) -> tuple[Ensemble, tuple[Fit, ...]]:
    settings = Settings.from_flat({"num_steps": 6, "hidden_size": 4, "num_members": 2, **flags})
    series = series or make_series(wave(60), wave(50, seed=2))
    return fit_ensemble(
        series,
        choose_recipe(gather_facts(series, horizon=4), settings),
        validation=validation,
        training=settings.training,
        context=FitContext(TimeBudget(None), NoProgress()),
    )


def _assert_same(first: Ensemble, second: Ensemble) -> None:
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)


def test_the_same_seed_gives_the_same_bytes() -> None:
    _assert_same(_fit()[0], _fit()[0])


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize("num_members", [2, 3])
def test_the_bytes_do_not_depend_on_how_many_networks_are_fitted_at_once(
    num_members: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, _ = _fit(num_members=num_members)
    monkeypatch.setattr("rnnforecast.training.ensemble.torch.get_num_threads", lambda: 1)
    torch.set_num_threads(1)
    _assert_same(together, _fit(num_members=num_members)[0])


def test_another_seed_gives_other_weights() -> None:
    first, second = (_fit(seed=seed)[0].weights[0] for seed in (0, 1))
    assert any(not np.array_equal(array, second[name]) for name, array in first.items())


def test_members_of_the_same_settings_start_from_different_weights() -> None:
    ensemble, _ = _fit(num_members=5)
    first, fifth = ensemble.weights[0], ensemble.weights[4]
    assert any(not np.array_equal(array, fifth[name]) for name, array in first.items())


def test_the_global_random_state_is_left_alone() -> None:
    torch.manual_seed(11)
    before = torch.get_rng_state()
    _fit()
    assert torch.equal(torch.get_rng_state(), before)


def test_a_series_too_short_for_one_window_is_rejected_with_the_numbers() -> None:
    with pytest.raises(DataError, match="the longest series leaves 4 rows, needs 6") as caught:
        _fit(make_series(wave(4)), validation=None)
    assert "--horizon" in str(caught.value.hint)


def test_a_device_that_is_not_there_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ResourceError, match="device `cuda` is not available"):
        choose_device("cuda")


def test_auto_takes_a_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert choose_device("auto").type == "cuda"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert choose_device("auto").type == "cpu"


def test_memory_that_runs_out_is_a_rejection_that_names_the_batch_size(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("full")

    monkeypatch.setattr(module, "fit_network", fail)
    with pytest.raises(ResourceError, match="cpu ran out of memory at batch size 128") as caught:
        _fit(make_series(wave(400), wave(400)))
    assert "--batch-size" in str(caught.value.hint)


@pytest.fixture
def gpu_that_vanishes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Let the first fit lose its device in the middle; return the step at which it did."""
    steps: list[int] = []

    def lose(step: int) -> None:
        if not steps and step == 3:
            steps.append(step)
            raise torch.AcceleratorError("CUDA error: the device is gone\nCompile with ...")

    class Losing(NoProgress):
        def update(self, step: int, *, loss: float | None = None, score: float | None = None) -> None:  # noqa: ARG002
            lose(step)

    def fit(*arguments: Any, **options: Any) -> Fit:
        return fit_network(*arguments, **{**options, "progress": Losing()})

    monkeypatch.setattr(module, "fit_network", fit)
    return steps


def test_a_gpu_that_vanishes_in_the_middle_leaves_the_work_to_the_cpu(
    gpu_that_vanishes: list[int], tmp_path: Path
) -> None:
    saved = Checkpoints(CheckpointFolder(tmp_path, "a", RunDigests("data", "settings", "program")))
    series, settings = make_series(wave(60), wave(50, seed=2)), {"num_steps": 6, "hidden_size": 4, "num_members": 2}
    chosen = Settings.from_flat(settings)
    ensemble, _ = fit_ensemble(
        series,
        choose_recipe(gather_facts(series, horizon=4), chosen),
        validation=VALIDATION,
        training=chosen.training,
        context=FitContext(TimeBudget(None), NoProgress(), lambda: saved),
    )
    assert gpu_that_vanishes
    assert saved.notes() == (
        "cpu was lost while the networks were fitted (CUDA error: the device is gone); they were fitted on the CPU",
    )
    _assert_same(ensemble, _fit(series)[0])


def test_a_gpu_that_was_named_and_vanishes_is_a_lack_of_resources(gpu_that_vanishes: list[int]) -> None:
    with pytest.raises(ResourceError, match=r"cpu was lost .* \(CUDA error: the device is gone\)") as caught:
        _fit(device="cpu")  # named, as `cuda` would be where there is one
    assert gpu_that_vanishes
    assert caught.value.exit_code == ExitCode.RESOURCES


def test_logarithms_around_one_level_step_over_rows_that_have_none() -> None:
    series = make_series(wave(60))
    settings = Settings.from_flat({"num_steps": 3, "num_members": 1, "mapping": "one-to-many", "log": True})
    recipe = choose_recipe(gather_facts(series, horizon=4), settings)
    values = wave(70)
    values[60:] = -5.0
    later = make_series(values)
    ensemble, _ = fit_ensemble(
        later,
        recipe,
        validation=None,
        training=settings.training,
        context=FitContext(TimeBudget(None), NoProgress()),
    )
    forecast = ensemble.forecast(FlatSeries.from_series(later), last_windows(later), horizon=4)
    assert np.isfinite(forecast).all()


def test_at_most_512_windows_validate_evenly_spread() -> None:
    many = Windows(series=np.zeros(1_100, dtype=np.int64), cutoffs=np.arange(1_100))
    thinned = module._subsample(many)
    assert (len(thinned), thinned.cutoffs[:3].tolist()) == (367, [0, 3, 6])
