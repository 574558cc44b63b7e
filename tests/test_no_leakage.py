"""Nothing after a cutoff is seen: change all of it, and forecasts, weights and choices stay the same, to the byte."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

import numpy as np
import numpy.typing as npt
import pytest

import rnnforecast
from rnnforecast.config import MemberSettings, Settings
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.evaluation.baselines import BASELINES, STATISTICAL_BASELINES, forecast_baseline
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.forecasting import Engine, Ensemble
from rnnforecast.inference.engine import forecast_windows
from rnnforecast.networks import engine
from rnnforecast.options import Cell, Normalisation
from rnnforecast.progress import NoProgress
from rnnforecast.store.model_file import read_model
from rnnforecast.training.context import FitContext
from rnnforecast.training.fit import fit_train_rows
from rnnforecast.training.recipe import choose_recipe, gather_facts
from rnnforecast.training.refit import refitting_forecaster
from rnnforecast.training.split import split_rows
from rnnforecast.workflows.train import train_series
from tests.inference.pretrained_samples import USUAL, arrays_of, make_pretrained, make_pretrained_network
from tests.inference.samples import LEVELS, make_member, make_network, tensors_of

if TYPE_CHECKING:
    from pathlib import Path


LENGTHS = np.array([90, 70], dtype=np.int64)
CUTOFFS = np.array([60, 41], dtype=np.int64)
WINDOWS = Windows(series=np.array([0, 1], dtype=np.int64), cutoffs=CUTOFFS)
SEASON_LENGTH = 4
HORIZON = 7

#: Everything that changes how a window is read: mapping, attention, both directions, covariates, logarithms.
MEMBERS: dict[str, dict[str, object]] = {
    **{f"cell {cell}": {"cell": cell} for cell in get_args(Cell)},
    **{
        f"normalisation {kind}": {"normalisation": kind, "base": "season", "skip": True}
        for kind in get_args(Normalisation)
    },
    **{f"logarithms {kind}": {"normalisation": kind, "log": True, "base": "last"} for kind in get_args(Normalisation)},
    "many-to-one": {"mapping": "many-to-one"},
    "one-to-one": {"mapping": "one-to-one"},
    "one-to-many": {"mapping": "one-to-many", "num_static_covariates": 1},
    "synchronous": {"synchronous": True, "normalisation": "causal"},
    "encoder-decoder": {"mapping": "encoder-decoder", "base": "season"},
    "additive attention": {"mapping": "encoder-decoder", "attention": "additive"},
    "dot attention": {"mapping": "encoder-decoder", "attention": "dot"},
    "bidirectional": {"bidirectional": True, "num_layers": 2, "head": "segment"},
    "covariates": {"num_past_covariates": 1, "num_future_covariates": 1, "num_static_covariates": 1},
    "recursive with covariates": {"mapping": "many-to-one", "num_past_covariates": 1, "num_future_covariates": 1},
}


@pytest.mark.parametrize("name", [*BASELINES, *STATISTICAL_BASELINES])
def test_a_naive_forecast_sees_nothing_after_its_cutoff(name: str) -> None:
    before, after = (
        forecast_baseline(name, series, WINDOWS, horizon=HORIZON, quantile_levels=LEVELS)
        for series in (make_series(), make_series(changed_from=CUTOFFS))
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", ["auto-ets", "auto-theta"])
def test_a_statistical_forecast_sees_nothing_after_its_cutoff(name: str) -> None:
    pytest.importorskip("statsforecast")
    before, after = (
        forecast_baseline(name, series, WINDOWS, horizon=HORIZON, quantile_levels=LEVELS)
        for series in (make_series(), make_series(changed_from=CUTOFFS))
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", MEMBERS)
def test_a_network_sees_nothing_after_its_cutoff(name: str) -> None:
    ensemble = make_ensemble(MEMBERS[name])
    before, after = (
        ensemble.forecast(FlatSeries.from_series(fit_covariates(series, ensemble)), WINDOWS, horizon=2 * HORIZON)
        for series in (make_series(), make_series(changed_from=CUTOFFS))
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", MEMBERS)
def test_the_torch_engine_sees_nothing_after_its_cutoff(name: str) -> None:
    ensemble = replace(make_ensemble(MEMBERS[name]), engine=engine.forecast_windows)
    before, after = (
        ensemble.forecast(FlatSeries.from_series(fit_covariates(series, ensemble)), WINDOWS, horizon=HORIZON)
        for series in (make_series(), make_series(changed_from=CUTOFFS))
    )
    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("name", [name for name in MEMBERS if name != "one-to-many"])
def test_a_network_does_see_the_row_at_its_cutoff(name: str) -> None:
    ensemble = make_ensemble(MEMBERS[name])
    before, after = (
        ensemble.forecast(FlatSeries.from_series(fit_covariates(series, ensemble)), WINDOWS, horizon=HORIZON)
        for series in (make_series(), make_series(changed_from=CUTOFFS - 1))
    )
    assert not np.array_equal(before[0], after[0])


@pytest.mark.parametrize("season_length", USUAL)
@pytest.mark.parametrize("serving", [forecast_windows, engine.forecast_windows])
def test_the_pretrained_network_sees_nothing_after_its_cutoff_and_the_row_at_it(
    season_length: int, serving: Engine
) -> None:
    member = make_pretrained(season_length)
    weights = arrays_of(make_pretrained_network(member))
    ensemble = Ensemble(members=(member,), weights=(weights,), engine=serving)
    before, after, earlier = (
        ensemble.forecast(FlatSeries.from_series(series), WINDOWS, horizon=2 * HORIZON)
        for series in (
            make_series(),
            make_series(changed_from=CUTOFFS),
            make_series(changed_from=CUTOFFS - 1),
        )
    )
    np.testing.assert_array_equal(before, after)
    assert not np.array_equal(before[0], earlier[0])


def test_scales_and_recipe_are_those_of_the_rows_before_the_held_out_ones() -> None:
    settings = Settings()
    split = split_rows(make_series(), horizon=HORIZON, evaluation=settings.evaluation)
    before, after = (
        series.head(split.num_past_rows) for series in (make_series(), make_series(changed_from=split.num_past_rows))
    )
    np.testing.assert_array_equal(seasonal_scales(before).mase, seasonal_scales(after).mase)
    np.testing.assert_array_equal(seasonal_scales(before).rmsse, seasonal_scales(after).rmsse)
    recipes = [choose_recipe(gather_facts(series, horizon=HORIZON), settings) for series in (before, after)]
    assert recipes[0] == recipes[1]


def test_the_theta_method_next_to_a_network_sees_nothing_after_its_cutoff() -> None:
    ensemble = replace(make_ensemble({}), theta_weight=0.5)
    before, after = (
        ensemble.forecast(FlatSeries.from_series(fit_covariates(series, ensemble)), WINDOWS, horizon=2 * HORIZON)
        for series in (make_series(), make_series(changed_from=CUTOFFS))
    )
    np.testing.assert_array_equal(before, after)


def test_shares_of_members_are_chosen_without_the_held_out_rows() -> None:
    settings = Settings.from_flat({"from": "scratch", "num_steps": 2, "num_members": 1, "batch_size": 4})
    split = split_rows(make_series(), horizon=HORIZON, evaluation=settings.evaluation)
    first, second = (
        fit_train_rows(
            series.head(split.num_past_rows),
            settings,
            horizon=HORIZON,
            validation=split.validation,
            context=FitContext.of(settings, NoProgress()),
        )
        for series in (make_series(), make_series(changed_from=split.num_past_rows))
    )
    assert first.recipe.reasons["theta_weight"] == second.recipe.reasons["theta_weight"]
    assert first.ensemble.theta_weight > 0
    assert first.ensemble.theta_weight == second.ensemble.theta_weight
    assert_same_ensemble(first.ensemble, second.ensemble)


def test_networks_that_are_judged_were_fitted_and_calibrated_without_the_held_out_rows() -> None:
    settings = tiny_settings()
    split = split_rows(make_series(), horizon=HORIZON, evaluation=settings.evaluation)
    first, second = (
        train_series(series, settings, horizon=HORIZON, progress=NoProgress()).fitted
        for series in (make_series(), make_series(changed_from=split.num_past_rows))
    )
    assert first.recipe == second.recipe
    assert [fit.best_step for fit in first.fits] == [fit.best_step for fit in second.fits]
    assert_same_ensemble(first.ensemble, second.ensemble)


def test_weights_do_not_learn_from_the_validation_rows() -> None:
    settings = tiny_settings()
    split = split_rows(make_series(), horizon=HORIZON, evaluation=settings.evaluation)
    starts = split.num_past_rows.copy()
    np.minimum.at(starts, split.validation.series, split.validation.cutoffs)
    losses = []
    for series in (make_series(), make_series(changed_from=starts)):
        fitted = fit_train_rows(
            # positive like the rest: the recipe may look at the sign of all rows before the held-out ones
            replace(series.head(split.num_past_rows), values=np.abs(series.head(split.num_past_rows).values)),
            settings,
            horizon=HORIZON,
            validation=split.validation,
            context=FitContext.of(settings, NoProgress()),
        )
        losses.append([fit.losses for fit in fitted.fits])
    assert losses[0] == losses[1]


def test_a_backtest_with_refit_sees_nothing_after_each_cutoff() -> None:
    settings = tiny_settings()
    first, second = (
        refitting_forecaster(series, settings, horizon=HORIZON, progress=NoProgress())(WINDOWS, HORIZON)
        for series in (make_series(), make_series(changed_from=CUTOFFS))
    )
    np.testing.assert_array_equal(first, second)


def test_a_stored_network_without_refit_is_the_same_whatever_the_held_out_rows_say(tmp_path: Path) -> None:
    values = 100 + 10 * np.sin(np.arange(120) * 2 * np.pi / 12) + np.random.default_rng(1).normal(size=120)
    changed = values.copy()
    changed[-12:] = -1_000 * np.random.default_rng(2).random(12)  # other level, other spread, below zero, no season
    weights, assumptions = [], []
    for number, column in enumerate((values, changed)):
        path = tmp_path / f"{number}.csv"
        path.write_text("value\n" + "\n".join(str(value) for value in column) + "\n", encoding="utf-8")
        settings = Settings.from_flat(
            {"time": "none", "num_windows": 1, "horizon": 12, "refit": False, **TINY, "num_members": 4}
        )
        trained = rnnforecast.train([path], settings, name="model", store=tmp_path / f"store{number}")
        model = read_model(trained.path)
        weights.append({name: array for name, array in model.tensors.items() if name.startswith("members.")})
        assumptions.append(trained.assumptions)
    assert assumptions[0] == assumptions[1]
    assert weights[0].keys() == weights[1].keys()
    for name, array in weights[0].items():
        np.testing.assert_array_equal(array, weights[1][name], err_msg=name)


TINY: dict[str, object] = {"num_steps": 6, "hidden_size": 4, "batch_size": 8}


def tiny_settings() -> Settings:
    return Settings.from_flat({**TINY, "num_members": 2, "num_windows": 1})


def make_ensemble(changes: dict[str, object]) -> Ensemble:
    member = make_member(**changes)
    return Ensemble(members=(member,), weights=(tensors_of(make_network(member)),))


def make_series(*, changed_from: npt.NDArray[np.int64] | None = None) -> SeriesSet:
    """Two positive seasonal series with missing rows and covariates; from these rows on all is other, where given.

    Covariates known ahead stay: they are what a forecast may see of the future.
    """
    draw = np.random.default_rng(7)
    offsets = np.concatenate([[0], np.cumsum(LENGTHS)]).astype(np.int64)
    place = np.concatenate([np.arange(length) for length in LENGTHS])
    values = 50 + 5 * np.sin(place * 2 * np.pi / SEASON_LENGTH) + draw.normal(size=len(place))
    observed = draw.random(len(place)) >= 0.1
    past = draw.normal(size=(len(place), 1)).astype(np.float32)
    future_lengths = LENGTHS + 2 * HORIZON
    future = draw.normal(size=(int(future_lengths.sum()), 1)).astype(np.float32)
    observed[offsets[:-1] + CUTOFFS - 1] = True
    if changed_from is not None:
        late = place >= np.repeat(changed_from, LENGTHS)
        other = np.random.default_rng(8)
        values = np.where(late, 1e4 * other.normal(size=len(place)), values)
        observed = np.where(late, other.random(len(place)) >= 0.5, observed)
        observed[offsets[:-1] + CUTOFFS - 1] = True
        past = np.where(late[:, None], np.float32(99), past)
    return SeriesSet(
        id_columns=("id",),
        id_values=np.array([["a"], ["b"]], dtype=object),
        target_names=("y",),
        target_index=np.zeros(2, dtype=np.int64),
        time_column=None,
        values=np.where(observed, values, np.nan),
        observed=observed,
        offsets=offsets,
        first_ordinals=np.zeros(2, dtype=np.int64),
        freq=Frequency("step"),
        season_length=SEASON_LENGTH,
        past_covariates=past,
        past_names=("load",),
        future_covariates=future,
        future_names=("holiday",),
        future_offsets=np.concatenate([[0], np.cumsum(future_lengths)]).astype(np.int64),
        static_covariates=np.array([[0.0], [1.0]], dtype=np.float32),
        static_names=("size",),
    )


def fit_covariates(series: SeriesSet, ensemble: Ensemble) -> SeriesSet:
    """Drop the covariates that the network does not read."""
    member = ensemble.members[0]
    assert isinstance(member, MemberSettings)
    return replace(
        series,
        past_covariates=series.past_covariates[:, : member.num_past_covariates],
        future_covariates=series.future_covariates[:, : member.num_future_covariates],
        static_covariates=series.static_covariates[:, : member.num_static_covariates],
    )


def assert_same_ensemble(first: Ensemble, second: Ensemble) -> None:
    assert first.members == second.members
    for ours, theirs in zip(first.weights, second.weights, strict=True):
        assert ours.keys() == theirs.keys()
        for name, array in ours.items():
            np.testing.assert_array_equal(array, theirs[name], err_msg=name)
    assert first.calibration is not None
    assert second.calibration is not None
    np.testing.assert_array_equal(first.calibration.factors, second.calibration.factors)
