"""The network that comes with the tool, in every command: as it is, fine-tuned, and only where it may be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import DataSettings, Settings
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.inference.season_classes import SEASON_CLASSES, SeasonClass
from rnnforecast.model_io.base import read_base
from rnnforecast.model_io.pack import check_shapes, unpack_ensemble
from rnnforecast.store.model_file import read_model
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from rnnforecast.workflows.results import TrainResult
from tests.house import run_cli, run_python
from tests.workflows.toy import days, forecast, store_of, wave, write_csv, write_days

NAIVE = set(BASELINES)
FAST: dict[str, object] = {"horizon": 7, "num_steps": 2, "num_members": 1, "batch_size": 4}


def _train(path: Path, **changes: object) -> TrainResult:
    return rnnforecast.train([path], Settings.from_flat({**FAST, **changes}), store=store_of(path))


# forecasts without training


def test_without_any_store_base_forecasts_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = rnnforecast.predict(data=[write_days(tmp_path)])
    assert result.model == "base"
    assert set(result.frame["method"]) == {"base"}
    assert result.notes[:2] == (
        "no stored model fits `days.csv`: the pretrained `base` forecasts",
        f"`rnnforecast train {tmp_path / 'days.csv'}` trains a model on its rows",
    )
    assert all(len(note) < 100 for note in result.notes if "/" not in note)
    assert any("`rnnforecast train " in note for note in result.notes)
    assert [path.name for path in tmp_path.iterdir()] == ["days.csv"]


def test_base_by_name_forecasts_even_where_a_model_fits_the_file(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    _train(path)
    assert forecast(path, data=[path]).model == "days@1"
    assert forecast(path, model="base", data=[path]).model == "base"


def test_base_forecasts_any_horizon_and_level_without_a_warning(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    result = forecast(path, model="base", data=[path], horizon=200, quantiles=[0.05, 0.5, 0.99])
    assert len(result.frame) == 200
    quantiles = result.frame[["q0.05", "q0.5", "q0.99"]].to_numpy()
    assert np.isfinite(quantiles).all()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    assert not any("recursively" in note for note in result.notes)


def test_the_torch_engine_forecasts_the_same(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    ours, theirs = (forecast(path, model="base", data=[path], engine=engine).frame for engine in ("numpy", "torch"))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-4)


@pytest.mark.parametrize("season_length", [1, 2, 5, 6, 9, 13, 36, 60, 288])
def test_base_forecasts_every_season_length(tmp_path: Path, season_length: int) -> None:
    path = write_csv(tmp_path / "steps.csv", value=wave(700))
    reading = DataSettings(time="none", season_length=season_length, horizon=12)
    frame = forecast_request(ForecastRequest(reading=reading), "base", data=[path], store=store_of(path)).frame
    assert np.isfinite(frame["forecast"]).all()
    assert len(frame) == 12


def test_base_without_a_file_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="`base` was not trained on a file of yours") as caught:
        rnnforecast.predict("base", store=tmp_path / "store")
    assert "`rnnforecast predict base --data FILE`, `rnnforecast evaluate base FILE`" in str(caught.value.hint)


def test_base_says_which_members_carry_the_forecast(tmp_path: Path) -> None:
    result = rnnforecast.predict("base", data=[write_days(tmp_path)], store=tmp_path)
    assert [note for note in result.notes if note.startswith("weights: ") and note.endswith(" %")]


def test_columns_for_a_stored_model_are_rejected_with_the_fix(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    _train(path)
    reading = DataSettings(target=("value",), season_length=7)
    with pytest.raises(
        UsageError, match="days@1 reads its data as it was trained to: --season-length, --target"
    ) as caught:
        forecast_request(ForecastRequest(reading=reading), "days", data=[path], store=store_of(path))
    assert "leave them out" in str(caught.value.hint)
    assert "rnnforecast predict base --data FILE" in str(caught.value.hint)


def test_columns_choose_what_base_reads(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "two.csv", date=days(90), north=wave(90), south=[9 * value for value in wave(90)])
    reading = DataSettings(target=("south",))
    frame = forecast_request(ForecastRequest(reading=reading), "base", data=[path], store=store_of(path)).frame
    assert frame["forecast"].min() > 500


# judged like any other


def test_base_is_evaluated_on_a_file(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    result = rnnforecast.evaluate("base", [path], store=store_of(path))
    assert result.model == "base"
    assert set(result.metrics) == {"ensemble", "theta"} | NAIVE
    assert not any("are within the rows the model was fitted on" in note for note in result.notes)


def test_base_is_fitted_to_nothing_and_so_never_refitted(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    with pytest.raises(UsageError, match="`base` is fitted to nothing") as caught:
        rnnforecast.evaluate("base", [path], store=store_of(path), refit=True)
    assert "--refit" in str(caught.value.hint)


def test_base_alone_is_compared_with_naive_forecasts(tmp_path: Path) -> None:
    result = rnnforecast.compare([write_days(tmp_path)], Settings.from_flat({"horizon": 7}), methods=["base"])
    assert set(result.metrics) == {"base", "theta"} | NAIVE
    assert result.networks == ("base",)
    assert result.verdict is not None
    assert result.verdict["method"] == "base"
    assert result.verdict["against"] in NAIVE


def test_a_cell_that_is_compared_is_trained_from_scratch_whatever_start_was_asked_for(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    settings = {"horizon": 7, "num_steps": 2, "num_members": 1, "hidden_size": 4}
    plain, asked = (
        rnnforecast.compare([path], Settings.from_flat({**settings, **start}), methods=["gru", "base"]).metrics
        for start in ({}, {"from": "pretrained"})
    )
    assert asked["gru"]["mase"] == plain["gru"]["mase"]
    assert asked["gru"]["mase"] != asked["base"]["mase"]


def test_compared_and_trained_it_has_the_same_scores(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    compared = rnnforecast.compare([path], Settings.from_flat({"horizon": 7}), methods=["base"]).metrics
    trained = _train(path).metrics
    for key in ("mase", "wql"):
        assert compared["base"][key] == trained["base"][key]


# its name, its file, its process


def test_no_model_may_take_its_name(tmp_path: Path) -> None:
    path = write_days(tmp_path, name="base.csv")
    with pytest.raises(UsageError, match="`base` is the name of the pretrained model in the package") as caught:
        _train(path)
    assert "--name" in str(caught.value.hint)
    assert not store_of(path).exists()


@pytest.mark.parametrize("entry", SEASON_CLASSES, ids=lambda entry: entry.name)
def test_the_pretrained_file_serves_every_season_class_with_finite_numbers(entry: SeasonClass) -> None:
    for season_length in (entry.shortest, min(entry.longest, 2_000)):
        weights = read_base().weights(season_length)
        assert {array.dtype for array in weights.values()} == {np.dtype(np.float32)}
        assert all(np.isfinite(array).all() for array in weights.values())
        assert (weights["head.width"] > 0).all()


def test_a_forecast_by_base_loads_neither_torch_nor_scipy(tmp_path: Path) -> None:
    write_days(tmp_path)
    code = (
        "import sys, rnnforecast\n"
        "rnnforecast.predict('base', data=['days.csv'])\n"
        "print([name for name in ('torch', 'scipy') if name in sys.modules])\n"
    )
    done = run_python(code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_the_command_forecasts_by_base(tmp_path: Path) -> None:
    write_days(tmp_path)
    done = run_cli("predict", "base", "--data", "days.csv", "--horizon", "3", "--format", "json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"base"' in done.stdout
    assert "pretrained" in done.stdout


def test_the_command_rejects_columns_for_a_stored_model(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    _train(path)
    done = run_cli("predict", "days", "--data", "days.csv", "--target", "value", "--store", "store", cwd=tmp_path)
    assert done.returncode == 2
    assert "--target would change that" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_command_trains_from_where_it_is_told_to(tmp_path: Path) -> None:
    write_days(tmp_path)
    flags = ("--from", "scratch", "--num-steps", "2", "--num-members", "1", "--format", "json")
    done = run_cli("train", "days.csv", *flags, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert '"from": "given (--from)"' in done.stdout


def test_a_stored_model_holds_the_trunk_of_its_zero_shot_networks_once(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=600, freq="h")
    values = np.sin(np.arange(600) * np.pi / 12) + np.random.default_rng(1).normal(0, 0.3, 600)
    path = write_csv(tmp_path / "hours.csv", time=list(hours.astype(str)), value=values.tolist())
    model = read_model(_train(path, horizon=24).path, check_shapes=check_shapes)
    restored = unpack_ensemble(model)
    seasons = {
        member.season_length: weights
        for member, weights, group in zip(
            restored.members, restored.weights, restored.groups or (0,) * len(restored.members), strict=True
        )
        if group == restored.zero_shot_group
    }
    assert tuple(seasons) == (24, 7, 1)
    for length, weights in seasons.items():
        expected = read_base().weights(length)
        assert weights.keys() == expected.keys()
        assert all(np.array_equal(weights[name], expected[name]) for name in expected)
    assert len({id(weights["trunk.norm.weight"]) for weights in seasons.values()}) == 1
    assert sum(name.endswith("trunk.norm.weight") for name in model.tensors) == len(restored.members) - 2
