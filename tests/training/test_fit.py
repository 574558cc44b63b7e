"""The groups of an ensemble after training: the pretrained network, zero-shot and fine-tuned, and others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.forecasting import Ensemble
from rnnforecast.model_io.base import read_base
from rnnforecast.progress import NoProgress
from rnnforecast.training import fit as fitting
from rnnforecast.training import state
from rnnforecast.training.context import FitContext, TimeBudget
from rnnforecast.training.ensemble import fit_ensemble
from rnnforecast.training.fit import Fitted, fit_again, fit_train_rows
from rnnforecast.training.fit_result import Fit
from rnnforecast.training.initial_weights import FINE_TUNED, SCRATCH, ZERO_SHOT, choose_plan, with_pretrained
from rnnforecast.training.recipe import Recipe, choose_recipe, gather_facts
from rnnforecast.training.split import split_rows
from rnnforecast.training.state import BestWeights
from tests.training.toy import make_series
from tests.workflows.ensembles import (
    FAST,
    assert_same_weights,
    give_weights,
    kinds_of,
    stored_ensemble,
    train_fast,
    write_panel,
)
from tests.workflows.toy import days, forecast, wave, write_csv, write_days

NAIVE = set(BASELINES)


def _without_base(monkeypatch: pytest.MonkeyPatch) -> None:
    def touched() -> None:
        raise AssertionError("the pretrained network was read")

    monkeypatch.setattr(fitting, "read_base", touched)
    monkeypatch.setattr("rnnforecast.training.judge.base_ensemble", touched)


# one short series


def test_one_short_series_is_forecast_by_the_network_zero_shot_and_the_report_says_why(tmp_path: Path) -> None:
    result = train_fast(write_days(tmp_path))
    assert "to fine-tune the pretrained network" in result.reasons["from"]
    assert [(member["season_class"], member["best_step"]) for member in result.members] == [
        ("week", 0),
        ("none", 0),
    ]
    assert result.members[0]["num_steps"] == 0


def test_what_is_stored_are_the_weights_of_the_tool_with_intervals_calibrated_on_the_rows(tmp_path: Path) -> None:
    stored = stored_ensemble(train_fast(write_days(tmp_path)))
    assert_same_weights(stored.weights[0], read_base().weights(7))
    assert stored.calibration is not None
    assert stored.calibration.factors.shape == (7, len(stored.quantile_levels))
    assert not np.allclose(stored.calibration.factors, 1)


def test_a_stored_network_forecasts_as_base_does_but_for_its_calibration(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    train_fast(path)
    stored = forecast(path, model="days").frame
    base = forecast(path, model="base", data=[path], horizon=7).frame
    np.testing.assert_allclose(stored["forecast"], base["forecast"], rtol=1e-5)
    assert not np.allclose(stored["q0.9"], base["q0.9"])


def test_training_shows_the_network_zero_shot_next_to_the_others_and_judges_against_naive_ones(tmp_path: Path) -> None:
    result = train_fast(write_days(tmp_path), num_windows=5, theta_weight=0.2)
    assert set(result.metrics) == {"ensemble", "networks", "base", "theta"} | NAIVE
    scores = [result.metrics[method]["mase"] for method in ("ensemble", "networks", "base")]
    assert scores[0] != scores[1] == scores[2]
    assert result.verdict is not None
    assert result.verdict["against"] in NAIVE


def test_training_says_where_base_alone_had_the_smaller_error(tmp_path: Path) -> None:
    result = train_fast(write_days(tmp_path), num_windows=5, theta_weight=0.2)
    ours, theirs = (result.metrics[method]["mase"] for method in ("ensemble", "base"))
    said = [note for note in result.notes if note.startswith("`base` without training has the smaller error")]
    assert len(said) == int(float(str(theirs)) < float(str(ours)))


# a panel


def test_a_panel_is_fitted_from_both_starts_and_the_report_holds_every_share_and_held_out_loss(tmp_path: Path) -> None:
    reasons = train_fast(write_panel(tmp_path)).reasons
    assert "fine-tuned the pretrained network and trained others from scratch" in reasons["from"]
    chosen, alone = reasons["theta_weight"].split("; alone: ")
    assert "validation loss 0." in chosen
    for name in (ZERO_SHOT, SCRATCH, FINE_TUNED):
        assert re.search(rf"{name} \d", alone)


def test_what_is_stored_has_the_shares_that_the_report_names(tmp_path: Path) -> None:
    result = train_fast(write_panel(tmp_path))
    stored = stored_ensemble(result)
    assert sum(stored.group_weights) == pytest.approx(1.0)
    assert len(stored.group_weights) == len(set(stored.groups))
    assert result.settings["theta_weight"] == stored.theta_weight
    networks = [100 * share * (1 - stored.theta_weight) for share in stored.group_weights]
    for share in networks:
        assert f" {share:.0f} %" in result.reasons["theta_weight"]


def test_from_scratch_never_touches_the_network_that_comes_with_the_tool(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_base(monkeypatch)
    for path in (write_days(tmp_path), write_panel(tmp_path)):
        result = train_fast(path, **{"from": "scratch"})
        assert kinds_of(stored_ensemble(result)) == ["scratch"]
        assert "base" not in result.metrics
        assert "networks" in result.metrics
        assert result.reasons["from"] == "given (--from)"


def test_a_described_network_never_touches_it_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _without_base(monkeypatch)
    assert kinds_of(stored_ensemble(train_fast(write_panel(tmp_path), hidden_size=4))) == ["scratch"]


def test_a_described_network_speaks_alone(tmp_path: Path) -> None:
    result = train_fast(write_days(tmp_path), hidden_size=4)
    assert (stored_ensemble(result).theta_weight, result.settings["theta_weight"]) == (0.0, 0.0)
    assert "networks" not in result.metrics
    assert "theta_weight" not in result.reasons


def test_cells_that_are_compared_speak_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.forecasting.forecast_theta_in_context", None)
    monkeypatch.setattr(fitting, "forecast_theta_in_context", None)
    result = rnnforecast.compare([write_days(tmp_path)], Settings.from_flat(FAST), methods=["gru", "base"])
    assert np.isfinite(float(str(result.metrics["gru"]["mase"])))


def test_past_covariates_of_text_and_few_rows_are_learned_from_scratch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _without_base(monkeypatch)
    words = ["wet" if value > 0 else "dry" for value in wave(90, seed=3)]
    path = write_csv(tmp_path / "more.csv", date=days(90), value=wave(90), weather=words)
    result = train_fast(path, past=("weather",), target=("value",))
    assert kinds_of(stored_ensemble(result)) == ["scratch"]
    assert "read `--past` columns of text" in result.reasons["from"]


def test_a_past_covariate_that_leads_few_rows_reaches_the_forecast_without_training(tmp_path: Path) -> None:
    visits = np.random.default_rng(7).normal(size=163)
    values = 100 + 20 * np.roll(visits, 3)
    path = write_csv(tmp_path / "led.csv", date=days(160), value=values[:160].tolist(), visits=visits[:160].tolist())
    result = train_fast(path, past=("visits",), target=("value",))
    assert set(kinds_of(stored_ensemble(result))) == {"pretrained"}
    found = forecast(path, model="led").frame["forecast"]
    np.testing.assert_allclose(found[:3], values[160:], atol=6)


def test_covariates_known_ahead_reach_the_forecast_without_a_network_from_scratch(tmp_path: Path) -> None:
    weather = np.random.default_rng(7).normal(size=97)
    values: list[object] = [*(np.array(wave(90)) + 20 * weather[:90]), *[""] * 7]
    path = write_csv(tmp_path / "ahead.csv", date=days(97), value=values, weather=weather.tolist())
    result = train_fast(path, future=("weather",), target=("value",))
    assert set(kinds_of(stored_ensemble(result))) == {"pretrained"}
    assert float(str(result.metrics["ensemble"]["mase"])) < 0.5 * float(str(result.metrics["naive"]["mase"]))
    found = forecast(path, model="ahead").frame["forecast"]
    assert np.corrcoef(found, weather[90:])[0, 1] > 0.8


def _with_weather(folder: Path) -> Path:
    rows = 900
    words = ["wet" if value > 0 else "dry" for value in wave(rows, seed=3)]
    return write_csv(folder / "more.csv", date=days(rows), value=wave(rows), weather=words)


def test_networks_that_read_covariates_speak_next_to_the_pretrained_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_weights(monkeypatch, from_scratch=0.5, zero_shot=0.5)
    result = train_fast(_with_weather(tmp_path), past=("weather",), target=("value",))
    assert kinds_of(stored_ensemble(result)) == ["scratch", "pretrained", "pretrained"]
    assert forecast(tmp_path / "more.csv", model="more").frame["forecast"].notna().all()


def test_it_is_reported_where_no_forecast_depends_on_a_covariate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_weights(monkeypatch, zero_shot=1.0)
    result = train_fast(_with_weather(tmp_path), past=("weather",), target=("value",))
    assert kinds_of(stored_ensemble(result)) == ["pretrained", "pretrained"]
    assert result.reasons["from"].endswith("so no forecast depends on them")


def test_from_pretrained_has_no_network_from_scratch(tmp_path: Path) -> None:
    result = train_fast(write_panel(tmp_path), **{"from": "pretrained"})
    assert set(kinds_of(stored_ensemble(result))) == {"pretrained"}
    assert SCRATCH not in result.reasons["theta_weight"]
    assert FINE_TUNED in result.reasons["theta_weight"]


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
    starts = split.num_past_rows.copy()
    np.minimum.at(starts, split.validation.series, split.validation.cutoffs)
    losses = []
    for series in (_long_series(), _long_series(changed_from=starts)):
        known = series.head(split.num_past_rows)
        # the recipe may look at the sign of all rows before the held-out ones
        known = replace(known, values=np.abs(known.values))
        ensemble, fits = fit_ensemble(
            known,
            _recipe(_long_series().head(split.num_past_rows), settings),
            validation=split.validation,
            training=settings.training,
            context=FitContext(TimeBudget(None, 1), NoProgress()),
            start=read_base().weights(7),
        )
        assert "pretrained" in kinds_of(ensemble)
        losses.append([fit.losses for fit in fits])
    assert losses[0] == losses[1]


def _recipe(series: SeriesSet, settings: Settings) -> Recipe:
    facts = gather_facts(series, horizon=7)
    plan, _ = choose_plan(facts, settings)
    recipe = choose_recipe(facts, settings)
    return with_pretrained(recipe, read_base().member(7), plan, training=settings.training)


def test_what_is_judged_saw_no_held_out_row() -> None:
    settings = Settings.from_flat(FAST)
    split = split_rows(_long_series(), horizon=7, evaluation=settings.evaluation)
    found: list[Fitted] = []
    for series in (_long_series(), _long_series(changed_from=split.num_past_rows)):
        context = FitContext.of(settings, NoProgress())
        fitted = fit_train_rows(
            series.head(split.num_past_rows), settings, horizon=7, validation=split.validation, context=context
        )
        found.append(fitted)
    before, after = (each.ensemble for each in found)
    assert (before.groups, before.group_weights, before.theta_weight) == (
        after.groups,
        after.group_weights,
        after.theta_weight,
    )
    assert len(before.group_weights) > 1
    for first, second in zip(before.weights, after.weights, strict=True):
        assert_same_weights(first, second)


def test_the_second_fit_on_all_rows_starts_from_the_pretrained_weights_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BestWeights, "validate_start", lambda _: None)  # fine-tuning counts as an improvement
    give_weights(monkeypatch, fine_tuned=1.0)
    series, settings = _long_series(), Settings.from_flat(FAST)
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)
    calls: list[tuple[int, object, object]] = []

    def watch(rows: SeriesSet, *arguments: object, **keywords: object) -> object:
        calls.append((rows.num_rows, keywords["num_steps"], keywords["start"]))
        return fit_ensemble(rows, *arguments, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr("rnnforecast.training.ensemble.fit_ensemble", watch)
    known = series.head(split.num_past_rows)
    context = FitContext.of(settings, NoProgress())
    fitted = fit_train_rows(known, settings, horizon=7, validation=split.validation, context=context)
    again = fit_again(series, fitted, settings, context=context)
    assert [(rows, steps) for rows, steps, _ in calls] == [
        (known.num_rows, None),
        (series.num_rows, [fitted.fits[0].best_step]),
    ]
    for _, _, start in calls:
        assert isinstance(start, Mapping)
        assert_same_weights(start, read_base().weights(7))
    assert not np.array_equal(again.fits[0].weights["input.weight"], fitted.fits[0].weights["input.weight"])


def test_the_network_zero_shot_is_not_fitted_again(monkeypatch: pytest.MonkeyPatch) -> None:
    series = make_series(np.array(wave(90)), season_length=7)
    settings = Settings.from_flat(FAST)
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)
    monkeypatch.setattr("rnnforecast.training.ensemble.fit_ensemble", None)
    known = series.head(split.num_past_rows)
    context = FitContext.of(settings, NoProgress())
    fitted = fit_train_rows(known, settings, horizon=7, validation=split.validation, context=context)
    assert fit_again(series, fitted, settings, context=context) is fitted


def test_the_second_fit_leaves_the_network_zero_shot_and_every_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BestWeights, "validate_start", lambda _: None)  # fine-tuning counts as an improvement
    give_weights(monkeypatch, from_scratch=0.2, fine_tuned=0.3, zero_shot=0.4, theta=0.1)
    series, settings = _long_series(), Settings.from_flat({**FAST, "theta_weight": 0.1})
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)
    known = series.head(split.num_past_rows)
    context = FitContext.of(settings, NoProgress())
    fitted = fit_train_rows(known, settings, horizon=7, validation=split.validation, context=context)
    again = fit_again(series, fitted, settings, context=context)
    before, after = fitted.ensemble, again.ensemble
    assert (after.members, after.groups, after.group_weights) == (before.members, before.groups, before.group_weights)
    assert after.theta_weight == before.theta_weight == pytest.approx(0.1)
    assert_same_weights(after.weights[2], read_base().weights(7))
    assert again.fits[2] is fitted.fits[2]
    changed = [
        any(not np.array_equal(new[name], old[name]) for name in old)
        for new, old in zip(after.weights, before.weights, strict=True)
    ]
    assert changed == [fit.best_step > 0 for fit in fitted.fits]
    assert any(changed)


def test_fine_tuning_that_improves_nothing_is_left_out_and_that_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    def perfect(best: BestWeights) -> None:
        best.score = 0.0

    monkeypatch.setattr(BestWeights, "validate_start", perfect)
    series, settings = _long_series(), Settings.from_flat({**FAST, "from": "pretrained"})
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)
    known = series.head(split.num_past_rows)
    context = FitContext.of(settings, NoProgress())
    fitted = fit_train_rows(known, settings, horizon=7, validation=split.validation, context=context)
    weekly, plain = fitted.ensemble.weights  # the zero-shot ensemble reads the season, and none
    assert_same_weights(weekly, read_base().weights(7))
    assert_same_weights(plain, read_base().weights(1))
    assert fitted.notes == (
        "fine-tuning did not improve the pretrained network on the validation rows: it is used without training",
    )
    assert fit_again(series, fitted, settings, context=context) is fitted


@pytest.mark.parametrize(("num_behind", "kept"), [(0, 4), (1, 3), (2, 0), (4, 0)])
def test_networks_from_scratch_are_used_where_most_of_them_kept_up_and_that_is_reported(
    monkeypatch: pytest.MonkeyPatch, num_behind: int, kept: int
) -> None:
    series, settings = _long_series(), Settings.from_flat({**FAST, "num_members": 4})
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)

    def fit(*arguments: object, **keywords: object) -> tuple[Ensemble, tuple[Fit, ...]]:
        ensemble, fits = fit_ensemble(*arguments, **keywords)  # type: ignore[arg-type]
        behind = range(num_behind)
        return ensemble, tuple(
            replace(fit, is_stopped=index in behind, is_behind=index in behind) for index, fit in enumerate(fits)
        )

    monkeypatch.setattr("rnnforecast.training.ensemble.fit_ensemble", fit)
    give_weights(monkeypatch, zero_shot=1.0) if not kept else give_weights(monkeypatch, from_scratch=0.5, zero_shot=0.5)
    known = series.head(split.num_past_rows)
    context = FitContext.of(settings, NoProgress())
    fitted = fit_train_rows(known, settings, horizon=7, validation=split.validation, context=context)
    assert kinds_of(fitted.ensemble).count("scratch") == kept
    assert ("none of what was trained is used" in fitted.recipe.reasons["from"]) == (kept == 0)
    said = [note for note in fitted.notes if "far behind the forecasts without training" in note]
    assert [note.split(" networks")[0] for note in said] == ([f"{num_behind} of 5"] if num_behind else [])


def test_fits_that_stop_early_are_counted_in_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    scores = count(1)
    monkeypatch.setattr(state, "validation_score", lambda *_: float(next(scores)))
    flags = {"hidden_size": 4, "num_members": 1, "num_layers": 1}
    series, settings = make_series(np.array(wave(90)), season_length=7), Settings.from_flat(flags)
    split = split_rows(series, horizon=7, evaluation=settings.evaluation)
    known = series.head(split.num_past_rows)
    context = FitContext.of(settings, NoProgress())
    fitted = fit_train_rows(known, settings, horizon=7, validation=split.validation, context=context)
    (fit,) = fitted.fits
    assert (fit.is_stopped, fit.best_step, fit.num_steps) == (True, 18, 72)
    assert fitted.notes == (
        "1 of 1 networks stopped early, after 72 of 180 steps in all: the validation score no longer improved "
        "(`--effort best` fits all to the end)",
    )


def test_validation_rows_without_a_value_leave_the_usual_weights(tmp_path: Path) -> None:
    values: list[object] = [*wave(600)]
    values[-14:-7] = [""] * 7
    path = write_csv(tmp_path / "gap.csv", date=days(600), value=values)
    result = train_fast(path, num_windows=1, **{"from": "scratch"})
    assert result.reasons["theta_weight"].endswith("usual weights, as no validation row has a value (--theta-weight)")
    assert stored_ensemble(result).theta_weight == pytest.approx(0.15)
