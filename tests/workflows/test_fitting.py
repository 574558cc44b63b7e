"""What training does with the network that comes with the tool: as it is, fitted further, or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries
from rnnforecast.forecasting import Ensemble, last_windows
from rnnforecast.members import PretrainedSettings
from rnnforecast.progress import NoProgress
from rnnforecast.store.model_file import read_model
from rnnforecast.training.budget import TimeBudget
from rnnforecast.training.checkpoints import Conduct
from rnnforecast.training.ensemble import fit_ensemble
from rnnforecast.training.recipe import Recipe, choose_recipe, gather_facts
from rnnforecast.training.starting import choose_plan, with_pretrained
from rnnforecast.workflows import fitting
from rnnforecast.workflows.base import read_base
from rnnforecast.workflows.choosing import AS_IT_IS, BOTH, SCRATCH, TUNED, Choice
from rnnforecast.workflows.fitting import Fitted, fit_again, fit_known
from rnnforecast.workflows.packing import unpack_ensemble
from rnnforecast.workflows.results import TrainResult
from rnnforecast.workflows.splitting import split_rows
from tests.training.toy import make_series
from tests.workflows.toy import days, forecast, store_of, wave, write_csv, write_days

NAIVE = {"naive", "seasonal-naive", "drift", "seasonal-drift", "window-mean"}
FAST: dict[str, object] = {"horizon": 7, "num_steps": 2, "num_members": 1, "batch_size": 4}


def _train(path: Path, **changes: object) -> TrainResult:
    return rnnforecast.train([path], Settings.from_flat({**FAST, **changes}), store=store_of(path))


def _write_panel(folder: Path, *, num_series: int = 8, num_rows: int = 90) -> Path:
    ids = [f"s{number}" for number in range(num_series) for _ in range(num_rows)]
    values = [value for number in range(num_series) for value in wave(num_rows, seed=number)]
    return write_csv(folder / "panel.csv", shop=ids, date=days(num_rows) * num_series, value=values)


def _kinds(ensemble: Ensemble) -> list[str]:
    return ["pretrained" if isinstance(member, PretrainedSettings) else "scratch" for member in ensemble.members]


def _stored(result: TrainResult) -> Ensemble:
    return unpack_ensemble(read_model(result.path))


def _assert_same_weights(first: Mapping[str, np.ndarray], second: Mapping[str, np.ndarray]) -> None:
    assert first.keys() == second.keys()
    for name, array in first.items():
        np.testing.assert_array_equal(array, second[name], err_msg=name)


def _keep(monkeypatch: pytest.MonkeyPatch, kept: str) -> None:
    """Let held-out origins always choose this candidate."""
    monkeypatch.setattr(fitting, "choose", lambda *_, **__: Choice(kept=kept, losses={kept: 1.0}))


def _without_base(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched() -> None:
        raise AssertionError("the network that comes with the tool was read")

    monkeypatch.setattr(fitting, "read_base", touched)
    monkeypatch.setattr("rnnforecast.workflows.judging.read_base", touched)


# one short series


def test_one_short_series_is_forecast_by_the_network_as_it_is_and_the_report_says_why(tmp_path: Path) -> None:
    result = _train(write_days(tmp_path))
    assert "observed steps teach less than the pre-trained network knows" in result.reasons["from"]
    assert [(member["season_class"], member["best_step"]) for member in result.members] == [("week", 0)]
    assert result.members[0]["num_steps"] == 0


def test_what_is_stored_are_the_weights_of_the_tool_with_intervals_calibrated_on_the_rows(tmp_path: Path) -> None:
    stored = _stored(_train(write_days(tmp_path)))
    _assert_same_weights(stored.weights[0], read_base().weights(7))
    assert stored.calibration is not None
    assert stored.calibration.factors.shape == (7, len(stored.quantile_levels))
    assert not np.allclose(stored.calibration.factors, 1)


def test_a_stored_network_forecasts_as_base_does_but_for_its_calibration(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    result = _train(path)
    stored, plain = forecast(path, model="days"), forecast(path, model="base", data=[path], horizon=7)
    np.testing.assert_array_equal(stored.frame["forecast"], plain.frame["forecast"])
    assert not np.array_equal(stored.frame["q0.9"], plain.frame["q0.9"])
    series = make_series(np.array(wave(90)), season_length=7)
    flat, windows = FlatSeries.from_series(series), last_windows(series)
    bare = replace(_stored(result), calibration=None).forecast(flat, windows, horizon=7)
    np.testing.assert_array_equal(bare, read_base().ensemble(7).forecast(flat, windows, horizon=7))


def test_training_shows_the_network_as_it_is_beside_the_others_and_judges_against_naive_ones(tmp_path: Path) -> None:
    result = _train(write_days(tmp_path), num_windows=5)
    assert set(result.metrics) == {"network", "pretrained"} | NAIVE
    assert result.metrics["network"]["mase"] == result.metrics["pretrained"]["mase"]
    assert result.verdict is not None
    assert result.verdict["against"] in NAIVE


# a panel


def test_a_panel_is_fitted_from_both_starts_and_the_report_holds_every_held_out_loss(tmp_path: Path) -> None:
    reason = _train(_write_panel(tmp_path)).reasons["from"]
    for name in (AS_IT_IS, SCRATCH, TUNED, BOTH):
        assert f"{name} 0." in reason
    assert "held-out loss" in reason


def test_from_scratch_never_touches_the_network_that_comes_with_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_base(monkeypatch)
    for path in (write_days(tmp_path), _write_panel(tmp_path)):
        result = _train(path, **{"from": "scratch"})
        assert _kinds(_stored(result)) == ["scratch"]
        assert "pretrained" not in result.metrics
        assert result.reasons["from"] == "given (--from)"


def test_a_described_network_never_touches_it_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_base(monkeypatch)
    assert _kinds(_stored(_train(_write_panel(tmp_path), hidden_size=4))) == ["scratch"]


def test_covariates_are_learnt_from_scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_base(monkeypatch)
    path = write_csv(tmp_path / "more.csv", date=days(90), value=wave(90), weather=wave(90, seed=3))
    result = _train(path, past=("weather",), target=("value",))
    assert _kinds(_stored(result)) == ["scratch"]
    assert "reads no covariates" in result.reasons["from"]


def test_from_pretrained_has_no_network_from_scratch(tmp_path: Path) -> None:
    result = _train(_write_panel(tmp_path), **{"from": "pretrained"})
    assert _kinds(_stored(result)) == ["pretrained"]
    assert SCRATCH not in result.reasons["from"]
    assert TUNED in result.reasons["from"]


@pytest.mark.parametrize(
    ("kept", "kinds"),
    [(AS_IT_IS, ["pretrained"]), (TUNED, ["pretrained"]), (SCRATCH, ["scratch"]), (BOTH, ["scratch", "pretrained"])],
)
def test_what_held_out_origins_choose_is_what_is_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str, kinds: list[str]
) -> None:
    _keep(monkeypatch, kept)
    path = _write_panel(tmp_path)
    result = _train(path)
    stored = _stored(result)
    assert _kinds(stored) == kinds
    assert stored.groups == ((0, 1) if kept == BOTH else ())
    assert len(result.members) == len(kinds)
    assert ("pretrained" in result.metrics) == (kept != SCRATCH)
    if kinds == ["pretrained"]:
        fitted = not np.array_equal(stored.weights[0]["input.weight"], read_base().weights(7)["input.weight"])
        assert fitted == (kept == TUNED)
    assert np.isfinite(forecast(path).frame["forecast"]).all()


def test_the_settings_reported_are_those_of_the_fit_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _keep(monkeypatch, TUNED)
    settings = Settings.from_flat({"horizon": 7, "num_steps": 2, "num_members": 1})
    path = _write_panel(tmp_path)
    result = rnnforecast.train([path], settings, store=store_of(path))
    assert (result.settings["batch_size"], result.settings["learning_rate"]) == (64, 5e-4)


def test_both_starts_forecast_the_mean_of_the_two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _keep(monkeypatch, BOTH)
    stored = replace(_stored(_train(_write_panel(tmp_path), num_members=3)), calibration=None)
    series = make_series(np.array(wave(90)), season_length=7)
    flat, windows = FlatSeries.from_series(series), last_windows(series)
    voices = [
        replace(stored, members=stored.members[part], weights=stored.weights[part], groups=()).forecast(
            flat, windows, horizon=7
        )
        for part in (slice(0, 3), slice(3, 4))
    ]
    np.testing.assert_allclose(stored.forecast(flat, windows, horizon=7), np.mean(voices, axis=0))


# the second fit, and what the first may see


def _long_series(*, changed_from: np.ndarray | None = None) -> SeriesSet:
    """Return two series of a week; from these rows on all is other, where given."""
    columns = []
    for number in range(2):
        values = np.array(wave(420, seed=number))
        if changed_from is not None:
            start = int(changed_from[number])
            values[start:] = 1e4 * np.random.default_rng(9).normal(size=420 - start)
        columns.append(values)
    return make_series(*columns, season_length=7)


@pytest.mark.parametrize("start", ["pretrained", None])
def test_the_first_fit_learns_nothing_from_the_validation_rows(start: str | None) -> None:
    settings = Settings.from_flat({**FAST, "num_steps": 4, "from": start})
    split = split_rows(_long_series(), horizon=7, evaluation=settings.evaluation)
    starts = split.known.copy()
    np.minimum.at(starts, split.validation.series, split.validation.cutoffs)
    losses = []
    for series in (_long_series(), _long_series(changed_from=starts)):
        known = series.head(split.known)
        # the recipe may look at the sign of all rows before the held-out ones
        known = replace(known, values=np.abs(known.values))
        ensemble, fits = fit_ensemble(
            known,
            _recipe(_long_series().head(split.known), settings),
            validation=split.validation,
            training=settings.training,
            conduct=Conduct(TimeBudget(None, 1), NoProgress()),
            start=read_base().weights(7),
        )
        assert "pretrained" in _kinds(ensemble)
        losses.append([fit.losses for fit in fits])
    assert losses[0] == losses[1]


def _recipe(series: SeriesSet, settings: Settings) -> Recipe:
    facts = gather_facts(series, horizon=7)
    plan, _ = choose_plan(facts, settings)
    recipe = choose_recipe(facts, settings)
    return with_pretrained(recipe, read_base().member(7), plan, training=settings.training)


def test_what_is_judged_saw_no_held_out_row(monkeypatch: pytest.MonkeyPatch) -> None:
    _keep(monkeypatch, BOTH)
    settings = Settings.from_flat(FAST)
    split = split_rows(_long_series(), horizon=7, evaluation=settings.evaluation)
    found: list[Fitted] = []
    for series in (_long_series(), _long_series(changed_from=split.known)):
        fitted, _ = fit_known(
            series.head(split.known), settings, horizon=7, validation=split.validation, progress=NoProgress()
        )
        found.append(fitted)
    for first, second in zip(found[0].ensemble.weights, found[1].ensemble.weights, strict=True):
        _assert_same_weights(first, second)


def test_the_second_fit_on_all_rows_starts_from_the_shipped_weights_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _keep(monkeypatch, TUNED)
    series, settings = _long_series(), Settings.from_flat(FAST)
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)
    calls: list[tuple[int, object, object]] = []

    def watch(rows: SeriesSet, *arguments: object, **keywords: object) -> object:
        calls.append((rows.num_rows, keywords["num_steps"], keywords["start"]))
        return fit_ensemble(rows, *arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr(fitting, "fit_ensemble", watch)
    known = series.head(split.known)
    fitted, budget = fit_known(known, settings, horizon=7, validation=split.validation, progress=NoProgress())
    again = fit_again(series, fitted, settings, budget=budget, progress=NoProgress())
    assert [(rows, steps) for rows, steps, _ in calls] == [
        (known.num_rows, None),
        (series.num_rows, [fitted.fits[0].best_step]),
    ]
    for _, _, start in calls:
        assert isinstance(start, Mapping)
        _assert_same_weights(start, read_base().weights(7))
    assert not np.array_equal(again.fits[0].weights["input.weight"], fitted.fits[0].weights["input.weight"])


def test_the_network_as_it_is_is_not_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    series = make_series(np.array(wave(90)), season_length=7)
    settings = Settings.from_flat(FAST)
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)
    monkeypatch.setattr(fitting, "fit_ensemble", None)
    known = series.head(split.known)
    fitted, budget = fit_known(known, settings, horizon=7, validation=split.validation, progress=NoProgress())
    assert fit_again(series, fitted, settings, budget=budget, progress=NoProgress()) is fitted


def test_validation_rows_without_a_value_keep_the_network_as_it_is(tmp_path: Path) -> None:
    values: list[object] = [*wave(600)]
    values[-14:-7] = [""] * 7
    path = write_csv(tmp_path / "gap.csv", date=days(600), value=values)
    result = _train(path, num_windows=1, **{"from": "pretrained"})
    assert result.reasons["from"] == "as it is: no held-out row has a value (--from)"
