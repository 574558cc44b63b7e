"""Covariates of words, of a second file and of the calendar, from training to forecast and score."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.errors import DataError, UsageError
from rnnforecast.workflows.model_rows import load
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from rnnforecast.workflows.predict_and_log import predict_and_log
from tests.workflows.toy import TINY, days, fit, forecast, store_of, wave, write_csv

NUM_ROWS = 90
SKIES = ("clear", "rain", "snow")


def write_rows(folder: Path, *, name: str = "c.csv", num_rows: int = NUM_ROWS) -> Path:
    return write_csv(folder / name, date=days(num_rows), value=wave(num_rows))


def write_plan(folder: Path, *, name: str = "plan.csv", first: int = 0, last: int = NUM_ROWS + 7) -> Path:
    timestamps, skies = days(last)[first:], [SKIES[number % 5 % 3] for number in range(first, last)]
    return write_csv(folder / name, date=timestamps, sky=skies, temp=[number % 9 for number in range(first, last)])


@pytest.fixture
def beside(tmp_path: Path) -> Path:
    """A model whose covariates stand in a second file."""
    path, ahead = write_rows(tmp_path), write_plan(tmp_path)
    fit(path, future="sky,temp", future_data=str(ahead), num_windows=1)
    return path


def test_a_model_remembers_its_second_file_and_reads_it_again(beside: Path) -> None:
    result = forecast(beside)
    assert len(result.frame) == 7
    loaded = rnnforecast.load_model("c", store=store_of(beside))
    assert loaded.manifest.input.future_paths == (str(beside.parent / "plan.csv"),)
    assert loaded.manifest.categories == {"sky": SKIES}
    assert loaded.manifest.roles.future == ("sky", "temp")


def test_fresh_rows_need_a_fresh_second_file(beside: Path, tmp_path: Path) -> None:
    fresh = write_rows(tmp_path, name="d.csv", num_rows=95)
    with pytest.raises(DataError, match="there is no column `sky`") as caught:
        forecast(beside, model="c", data=[fresh])
    assert "--future-data" in str(caught.value.hint)
    files = rnnforecast.Files((fresh,), (write_plan(tmp_path, name="e.csv", last=102),))
    assert forecast(beside, model="c", data=files).frame["cutoff"].iloc[0] == np.datetime64(days(95)[-1])


def test_both_engines_forecast_the_same_from_words_of_a_second_file(beside: Path) -> None:
    ours, theirs = (forecast(beside, engine=engine).frame["forecast"] for engine in ("numpy", "torch"))
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)


def test_a_word_moves_the_forecast(beside: Path, tmp_path: Path) -> None:
    text = (tmp_path / "plan.csv").read_text()
    other = tmp_path / "other.csv"
    other.write_text(text.replace(f"{days(91)[-1]},clear", f"{days(91)[-1]},snow"))
    assert text != other.read_text()
    plain, moved = (
        forecast(beside, data=rnnforecast.Files((beside,), (path,))) for path in (tmp_path / "plan.csv", other)
    )
    assert not np.allclose(plain.frame["forecast"], moved.frame["forecast"], rtol=1e-9)


@pytest.mark.parametrize("refit", [False, True])
def test_evaluate_reads_the_second_file(refit: bool, beside: Path) -> None:
    files = rnnforecast.Files((beside,), (beside.parent / "plan.csv",))
    named = rnnforecast.evaluate("c", files, num_windows=2, refit=refit, store=store_of(beside))
    remembered = rnnforecast.evaluate("c", num_windows=2, refit=refit, store=store_of(beside))
    assert named.metrics == remembered.metrics


def test_compare_reads_the_second_file(beside: Path) -> None:
    flat = {**TINY, "future": "sky,temp", "future_data": str(beside.parent / "plan.csv"), "num_windows": 1}
    result = rnnforecast.compare([beside], rnnforecast.Settings.from_flat(flat), methods=["gru"])
    assert np.isfinite(float(str(dict(result.metrics["gru"])["mase"])))


def test_a_second_file_for_a_model_without_covariates_ahead_is_rejected(tmp_path: Path) -> None:
    path, ahead = write_rows(tmp_path), write_plan(tmp_path)
    fit(path)
    with pytest.raises(UsageError, match="has no `future` covariates"):
        forecast(path, data=rnnforecast.Files((path,), (ahead,)))


def test_base_reads_covariates_known_ahead_from_a_second_file(tmp_path: Path) -> None:
    path, ahead = write_rows(tmp_path), write_plan(tmp_path)
    reading = DataSettings(future=("sky", "temp"), horizon=7)
    files = rnnforecast.Files((path,), (ahead,))
    loaded = load("base", data=files, store=tmp_path, reading=reading)
    assert loaded.series.future_names == ("sky", "temp")
    result = rnnforecast.predict("base", data=files, reading=reading, store=tmp_path)
    assert np.isfinite(result.frame["forecast"]).all()


def test_base_forecasts_with_features_of_the_calendar(tmp_path: Path) -> None:
    reading = DataSettings(calendar_features=("season",))
    result = rnnforecast.predict("base", data=[write_rows(tmp_path)], reading=reading, store=tmp_path)
    assert np.isfinite(result.frame["forecast"]).all()


def test_base_forecasts_by_a_past_covariate_that_leads_and_says_so(tmp_path: Path) -> None:
    generator = np.random.default_rng(4)
    visits, rain = generator.normal(50, 10, (2, 300)).round(1)
    sales = 20 + np.roll(visits, 5) + generator.normal(0, 3, 300).round(1)
    frame = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=300), "sales": sales, "visits": visits})
    path = tmp_path / "shop.csv"
    frame.assign(rain=rain, mood=np.where(rain > 50, "good", "bad")).to_csv(path, index=False)
    reading = DataSettings(target=("sales",), past=("visits", "rain", "mood"), horizon=5)
    result = rnnforecast.predict("base", data=[path], reading=reading, store=tmp_path)
    np.testing.assert_allclose(result.frame["forecast"], 20 + visits[-5:], atol=6)
    said = "\n".join(result.notes)
    assert "past covariates lead the target: `visits` by 5 steps" in said
    assert "only networks from scratch read `mood`: regressions read numbers" in said
    assert (
        "regressions do not read 1 of 3 covariates (they explain no more than chance, or are too many for 300 rows): `rain`"
        in said
    )
    assert [gain.name for gain in result.gains] == ["visits"]


@pytest.mark.parametrize("horizon", [3, 7, 20])
def test_the_calendar_is_known_for_any_horizon(horizon: int, tmp_path: Path) -> None:
    path = write_rows(tmp_path)
    fit(path, calendar_features="season,holidays", country="DE", num_windows=1)
    result = forecast(path, horizon=horizon)
    assert len(result.frame) == horizon
    assert np.isfinite(result.frame["forecast"]).all()
    roles = rnnforecast.load_model("c", store=store_of(path)).manifest.roles
    assert (roles.future, len(roles.generated)) == ((), 5)


def test_the_calendar_stands_next_to_columns_known_ahead(tmp_path: Path) -> None:
    path, ahead = write_rows(tmp_path), write_plan(tmp_path)
    fit(path, future="sky", future_data=str(ahead), calendar_features="season", num_windows=1)
    assert len(forecast(path).frame) == 7
    with pytest.raises(DataError, match=r"covariates \(`sky`\) end before the horizon of 8 steps"):
        forecast(path, horizon=8)


def test_actuals_are_scored_without_the_covariates(tmp_path: Path) -> None:
    path = write_rows(tmp_path)
    fit(path, future="sky", future_data=str(write_plan(tmp_path)), calendar_features="season", num_windows=1)
    predict_and_log(ForecastRequest(), store=store_of(path))
    later = write_rows(tmp_path, name="later.csv", num_rows=NUM_ROWS + 7)
    result = rnnforecast.score("c", data=[later], store=store_of(path))
    assert result.metrics
    assert "N_COLUMN_UNUSED" not in {finding.code for finding in result.findings}


def test_rows_are_brought_to_the_steps_of_a_model_when_asked(tmp_path: Path) -> None:
    path = write_rows(tmp_path)
    fit(path)
    halves = [f"{day}T{hour}:00" for day in days(NUM_ROWS) for hour in ("00", "12")]
    fine = write_csv(tmp_path / "fine.csv", date=halves, value=np.repeat(wave(NUM_ROWS), 2).tolist())
    asked = DataSettings(resample="D", aggregate="mean")
    result = forecast_request(ForecastRequest(reading=asked), "c", data=[fine], store=store_of(path))
    np.testing.assert_allclose(result.frame["forecast"], forecast(path).frame["forecast"])


def test_what_a_word_means_is_learned(tmp_path: Path) -> None:
    draw = np.random.default_rng(0).integers(0, 3, 150)
    high = {"clear": 0.0, "rain": 40.0, "snow": -40.0}
    skies = [SKIES[number] for number in draw]
    values = [100 + high[sky] for sky in skies]
    path = write_csv(tmp_path / "c.csv", date=days(150), value=[*values[:-7], *[""] * 7], sky=skies)
    plain: dict[str, object] = {"season_length": 1, "context_length": 4, "base": "none", "log": False, "refit": False}
    learning = {"num_steps": 100, "learning_rate": 0.02, "batch_size": 32, "hidden_size": 16}
    fit(path, future="sky", num_windows=1, **plain, **learning)
    np.testing.assert_allclose(forecast(path).frame["forecast"], values[-7:], atol=15)
