"""Which groups a model file has: those with a weight, the networks next to the Theta method, as the effort allows."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.forecasting import last_windows, split_groups
from rnnforecast.members import PretrainedSettings
from rnnforecast.mixture.trained import TrainedForecaster, networks_alone
from rnnforecast.mixture.zero_shot import ZeroShot
from rnnforecast.model_io.base import read_base
from rnnforecast.model_io.pack import unpack_ensemble
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile, read_model
from rnnforecast.training.ensemble import fit_ensemble
from rnnforecast.training.recipe import Recipe
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
from tests.workflows.toy import forecast, store_of, wave, write_days

NAIVE = set(BASELINES)


@pytest.mark.parametrize(
    ("group_weights", "kinds"),
    [
        ({"zero_shot": 1.0}, ["pretrained", "pretrained"]),
        ({"fine_tuned": 1.0}, ["pretrained"]),
        ({"from_scratch": 1.0}, ["scratch"]),
        ({"from_scratch": 0.2, "fine_tuned": 0.8}, ["scratch", "pretrained"]),
        (
            {"from_scratch": 0.2, "fine_tuned": 0.3, "zero_shot": 0.5},
            ["scratch", "pretrained", "pretrained", "pretrained"],
        ),
    ],
)
def test_the_groups_with_a_weight_are_stored_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_weights: dict[str, float], kinds: list[str]
) -> None:
    give_weights(monkeypatch, **group_weights)
    path = write_panel(tmp_path)
    result = train_fast(path)
    stored = stored_ensemble(result)
    assert kinds_of(stored) == kinds
    several, has_zero_shot = len(group_weights) > 1, "zero_shot" in group_weights
    numbers = (*range(len(group_weights)), *([len(group_weights) - 1] if has_zero_shot else []))
    assert stored.groups == (numbers if several else ())
    assert stored.group_weights == pytest.approx(tuple(group_weights.values()) if several else ())
    assert stored.zero_shot_group == (len(group_weights) - 1 if has_zero_shot else None)
    assert stored.theta_weight == 0.0
    assert len(result.members) == len(kinds)
    assert ("base" in result.metrics) == ("pretrained" in kinds)
    as_shipped = [
        np.array_equal(weights["input.weight"], read_base().weights(member.season_length)["input.weight"])
        for member, weights in zip(stored.members, stored.weights, strict=True)
        if isinstance(member, PretrainedSettings)
    ]
    assert as_shipped == [False] * ("fine_tuned" in group_weights) + [True, True] * has_zero_shot
    assert np.isfinite(forecast(path).frame["forecast"]).all()


def test_the_theta_method_has_its_share_next_to_those_of_the_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_weights(monkeypatch, from_scratch=0.2, zero_shot=0.6, theta=0.2)
    stored = stored_ensemble(train_fast(write_panel(tmp_path), theta_weight=0.2))
    assert stored.group_weights == pytest.approx((0.25, 0.75))
    assert stored.theta_weight == pytest.approx(0.2)


def test_weights_that_were_not_fitted_are_stored_in_half_the_room_without_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_weights(monkeypatch, fine_tuned=0.5, zero_shot=0.5)
    result = train_fast(write_panel(tmp_path))
    file = read_model(result.path)
    tuned, plain = file.member(0), file.member(1)
    assert {tensor.dtype for tensor in plain.values()} == {np.dtype(np.float16)}
    assert tuned["input.weight"].dtype == np.float32
    assert_same_weights(stored_ensemble(result).weights[1], read_base().weights(7))
    assert {tensor.dtype for tensor in stored_ensemble(result).weights[1].values()} == {np.dtype(np.float32)}


def test_no_note_blames_the_time_budget_for_a_network_that_was_not_fitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_weights(monkeypatch, fine_tuned=0.5, zero_shot=0.5)
    assert not any("time budget" in note for note in train_fast(write_panel(tmp_path)).notes)


@pytest.mark.parametrize(("group", "num_steps"), [("fine_tuned", 200), ("zero_shot", 0)])
def test_the_settings_reported_are_those_of_the_fit_that_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group: str, num_steps: int
) -> None:
    give_weights(monkeypatch, **{group: 1.0})

    def few_steps(series: SeriesSet, recipe: Recipe, **keywords: object) -> object:
        few = replace(recipe, fit=replace(recipe.fit, num_steps=2))
        if recipe.tuning is not None:
            few = replace(few, tuning=replace(recipe.tuning, num_steps=2))
        return fit_ensemble(series, few, **keywords)  # type: ignore[arg-type]

    monkeypatch.setattr("rnnforecast.training.ensemble.fit_ensemble", few_steps)
    settings = Settings.from_flat({"horizon": 7, "num_members": 1})
    path = write_panel(tmp_path)
    result = rnnforecast.train([path], settings, store=store_of(path))
    found = result.settings
    assert (found["num_steps"], found["batch_size"], found["learning_rate"]) == (num_steps, 64, 5e-4)


def test_several_networks_of_one_start_have_one_member(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    give_weights(monkeypatch, from_scratch=0.75, fine_tuned=0.25)
    stored = replace(stored_ensemble(train_fast(write_panel(tmp_path), num_members=3)), calibration=None)
    assert stored.groups == (0, 0, 0, 1)
    series = make_series(np.array(wave(90)), season_length=7)
    flat, windows = FlatSeries.from_series(series), last_windows(series)
    first, second = (group.forecast(flat, windows, horizon=7) for group in split_groups(stored))
    np.testing.assert_allclose(stored.forecast(flat, windows, horizon=7), 0.75 * first + 0.25 * second)


# how much training, and how much of the Theta method


def test_a_quick_training_fits_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.training.ensemble.fit_ensemble", None)
    result = train_fast(write_panel(tmp_path), effort="quick")
    assert [(member["season_length"], member["best_step"]) for member in result.members] == [(7, 0), (1, 0)]
    assert_same_weights(stored_ensemble(result).weights[0], read_base().weights(7))
    assert result.reasons["from"].startswith("quick: the zero-shot ensemble is used without training")
    assert stored_ensemble(result).zero_shot_group == 0


@pytest.mark.parametrize("weight", [0.0, 0.5])
@pytest.mark.parametrize("start", [None, "scratch"])
def test_a_given_share_of_the_theta_method_is_stored(tmp_path: Path, weight: float, start: str | None) -> None:
    result = train_fast(write_days(tmp_path), theta_weight=weight, **{"from": start})
    assert read_model(result.path).manifest.theta_weight == weight
    assert result.settings["theta_weight"] == weight
    assert ("networks" in result.metrics) == (weight > 0)


def test_a_described_network_has_the_theta_method_next_to_it_where_that_was_asked_for(tmp_path: Path) -> None:
    assert stored_ensemble(train_fast(write_days(tmp_path), hidden_size=4, theta_weight=0.3)).theta_weight == 0.3


def test_the_row_of_the_networks_alone_is_that_of_a_model_without_the_theta_method(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    mixed, plain = (train_fast(path, theta_weight=weight).metrics for weight in (0.5, 0.0))
    assert mixed["networks"]["mase"] == plain["ensemble"]["mase"]
    assert mixed["ensemble"]["mase"] != plain["ensemble"]["mase"]


def test_the_networks_alone_are_shown_and_never_judged_against(tmp_path: Path) -> None:
    result = train_fast(write_days(tmp_path), num_windows=5, **{"from": "scratch"})
    assert result.verdict is not None
    assert result.verdict["method"] == "ensemble"
    assert result.verdict["against"] in NAIVE


@pytest.mark.parametrize("num_rows", [60, 90, 400])
def test_a_blend_forecasts_the_same_from_the_rows_in_its_file_as_from_the_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_rows: int
) -> None:
    path = write_days(tmp_path, num_rows)
    settings = Settings.from_flat({**FAST, "theta_weight": 0.5, "from": "scratch"})
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
    rnnforecast.train(["-"], settings, store=store_of(path))
    own, given = forecast(path, horizon=20), forecast(path, model="stdin", data=[path], horizon=20)
    assert "the model was trained on standard input: its own last rows are used" in own.notes
    np.testing.assert_allclose(own.frame["forecast"], given.frame["forecast"], rtol=1e-9)


# files that nobody vouches for


@pytest.mark.parametrize("group_weights", [[], [1.0], [0.2, 0.3, 0.5], [0.1] * 64])
def test_weights_that_do_not_fit_the_groups_of_a_file_are_replaced_by_equal_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, group_weights: list[float]
) -> None:
    give_weights(monkeypatch, from_scratch=0.9, zero_shot=0.1)
    file = read_model(train_fast(write_panel(tmp_path)).path)
    values = {**file.manifest.to_dict(), "group_weights": group_weights}
    changed = ModelFile(Manifest.from_json(json.dumps(values), source="a file"), file.tensors)
    ensemble = unpack_ensemble(changed)
    assert (ensemble.groups, ensemble.group_weights) == ((0, 1, 1), ())
    same = replace(unpack_ensemble(file), group_weights=(0.5, 0.5))
    series = make_series(np.array(wave(90)), season_length=7)
    windows = last_windows(series)
    found, expected = (TrainedForecaster(each, series)(windows, 7) for each in (ensemble, same))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("groups", [[], [0], [0, 0], [0, 1, 2]])
def test_groups_that_do_not_fit_the_networks_of_a_file_leave_no_share(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: list[int]
) -> None:
    give_weights(monkeypatch, from_scratch=0.9, zero_shot=0.1)
    file = read_model(train_fast(write_panel(tmp_path)).path)
    values = {**file.manifest.to_dict(), "groups": groups}
    ensemble = unpack_ensemble(ModelFile(Manifest.from_json(json.dumps(values), source="a file"), file.tensors))
    assert ensemble.group_weights == ()
    series = make_series(np.array(wave(90)), season_length=7)
    assert np.isfinite(TrainedForecaster(ensemble, series)(last_windows(series), 7)).all()


def test_detection_reads_the_networks_of_a_model_with_a_zero_shot_group(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    give_weights(monkeypatch, from_scratch=0.4, zero_shot=0.6)
    stored = stored_ensemble(train_fast(write_panel(tmp_path)))
    assert kinds_of(networks_alone(stored)) == ["scratch"]
    only = replace(stored, members=stored.members[1:], weights=stored.weights[1:], groups=(), group_weights=())
    alone = networks_alone(replace(only, zero_shot_group=0))
    assert [member.season_length for member in alone.members] == [7]
    series = make_series(np.array(wave(90)), season_length=7)
    found = alone.forecast(FlatSeries.from_series(series), last_windows(series), horizon=7)
    assert np.isfinite(found).all()


def test_forecasts_without_training_of_one_window_are_computed_once_in_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []
    forecast = ZeroShot.__call__

    def count(self: ZeroShot, windows: Windows, horizon: int) -> np.ndarray:
        asked.extend(zip(windows.series.tolist(), windows.cutoffs.tolist(), strict=True))
        return forecast(self, windows, horizon)

    monkeypatch.setattr(ZeroShot, "__call__", count)
    result = train_fast(write_panel(tmp_path))
    assert {"base", "ensemble"} <= set(result.metrics)
    assert asked
    assert len(asked) == len(set(asked))
