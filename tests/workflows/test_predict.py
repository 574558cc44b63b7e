from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.errors import DataError, DivergedError, InputError, UsageError
from rnnforecast.forecasting import Ensemble
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from tests.workflows.toy import days, fit, forecast, wave, write_csv, write_days


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    """Return a file with a model of horizon 7 next to it."""
    path = write_days(tmp_path)
    fit(path, num_members=2)
    return path


def _widths(frame: pd.DataFrame) -> np.ndarray:
    return np.asarray(frame["q0.975"] - frame["q0.025"])


def test_a_shorter_horizon_is_the_first_steps_of_the_whole_one(trained: Path) -> None:
    whole, short = forecast(trained).frame, forecast(trained, horizon=3).frame
    assert len(whole) == 7
    pd.testing.assert_frame_equal(short, whole.head(3))


def test_a_longer_horizon_starts_with_the_trained_one_and_says_how_it_continues(trained: Path) -> None:
    whole, long = forecast(trained), forecast(trained, horizon=20)
    pd.testing.assert_frame_equal(long.frame.head(7), whole.frame)
    assert any("trained for 7 steps, forecast for 20" in note for note in long.notes)
    assert not any("recursively" in note for note in whole.notes)


def test_intervals_beyond_the_horizon_are_not_narrower_than_a_season_before(trained: Path) -> None:
    widths = _widths(forecast(trained, horizon=28).frame)
    for start in (7, 14, 21):
        assert (widths[start : start + 7] >= widths[start - 7 : start] * (1 - 1e-9)).all()


def test_new_rows_move_the_start_of_the_forecast_without_a_refit(trained: Path) -> None:
    before = forecast(trained)
    write_days(trained.parent, 93)
    after = forecast(trained)
    assert (after.model, after.to_dict()["cutoffs"]) == (before.model, ["2024-04-02"])
    assert after.frame["date"].iloc[0] == pd.Timestamp("2024-04-03")


def test_the_first_timestamp_forecast_follows_the_last_row(trained: Path) -> None:
    result = forecast(trained)
    assert result.frame["date"].iloc[0] == pd.Timestamp("2024-03-31")
    assert set(result.frame["cutoff"]) == {pd.Timestamp("2024-03-30")}


def test_a_data_file_that_is_gone_is_an_input_error(trained: Path) -> None:
    trained.unlink()
    with pytest.raises(InputError, match=r"days\.csv does not exist"):
        forecast(trained)


def test_data_with_other_columns_are_rejected(trained: Path) -> None:
    other = write_csv(trained.parent / "other.csv", date=days(90), sales=wave(90))
    with pytest.raises(DataError, match="there is no column `value`"):
        forecast(trained, model="days", data=[other])


def test_data_of_no_model_are_forecast_by_the_network_that_comes_with_the_tool(trained: Path) -> None:
    other = write_csv(trained.parent / "other.csv", date=days(90), sales=wave(90))
    result = forecast(trained, data=[other])
    assert (result.model, set(result.frame["method"])) == ("base", {"base"})
    assert "no stored model fits `other.csv`: the pretrained `base` forecasts" in result.notes


@pytest.mark.parametrize(
    "timestamps",
    [
        pytest.param(days(60, step=7), id="weeks"),
        pytest.param([f"2024-01-{1 + n // 24:02d} {n % 24:02d}:00:00" for n in range(60)], id="hours"),
        pytest.param([f"{2000 + n // 12}-{1 + n % 12:02d}-01" for n in range(60)], id="months"),
        pytest.param(list(range(60)), id="steps"),
    ],
)
def test_data_of_another_frequency_are_rejected(trained: Path, timestamps: list[object]) -> None:
    other = write_csv(trained.parent / "other.csv", date=timestamps, value=wave(60))
    with pytest.raises(DataError):
        forecast(trained, model="days", data=[other])


@pytest.mark.filterwarnings("ignore:The 'float_precision' argument:DeprecationWarning")
@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_holds_the_rows_of_the_result(trained: Path, suffix: str) -> None:
    output = trained.parent / f"forecasts.{suffix}"
    result = forecast(trained, output=output)
    read = (
        pd.read_parquet(output)
        if suffix == "parquet"
        else pd.read_csv(output, parse_dates=["date", "cutoff"], float_precision="round_trip")
    )
    assert read.columns.tolist() == result.columns
    assert read["date"].tolist() == result.frame["date"].tolist()
    numbers = [name for name in result.columns if name.startswith(("q", "forecast"))]
    np.testing.assert_array_equal(read[numbers], result.frame[numbers])


def test_any_quantile_is_read_off_the_trained_ones_in_order(trained: Path) -> None:
    levels = [0.01, 0.05, 0.15, 0.25, 0.5, 0.75, 0.99]
    frame = forecast(trained, quantiles=levels).frame
    quantiles = frame[[f"q{level:g}" for level in levels]].to_numpy()
    assert (np.diff(quantiles, axis=1) >= 0).all()
    np.testing.assert_array_equal(quantiles[:, 4], frame["forecast"])


def test_quantiles_chosen_in_training_are_forecast_unless_others_are_named(tmp_path: Path) -> None:
    path = write_days(tmp_path)
    fit(path, quantiles=(0.1, 0.9))
    assert forecast(path).quantile_levels == (0.1, 0.9)
    assert forecast(path, quantiles=[0.5]).quantile_levels == (0.5,)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"horizon": 0}, "`horizon` = 0"),
        ({"horizon": -3}, "`horizon` = -3"),
        ({"horizon": 1_000_000}, "`horizon` = 1000000"),
        ({"quantiles": [1.5]}, "`quantiles` = 1.5"),
    ],
)
def test_a_horizon_or_level_out_of_bounds_is_rejected(trained: Path, arguments: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        forecast(trained, **arguments)
    assert words in caught.value.message


def test_integer_steps_stay_integers_in_frame_and_document(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "steps.csv", step=range(10, 100), value=wave(90))
    fit(path, time="step")
    result = forecast(path)
    assert result.frame["step"].tolist() == list(range(100, 107))
    assert result.frame["step"].dtype == np.int64
    document = json.loads(json.dumps(result.to_dict()))
    assert (document["cutoffs"], document["rows"][0][0], document["rows"][0][1]) == ([99], 100, 99)


def test_rows_without_a_time_column_are_steps_from_zero(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "rows.csv", value=wave(90))
    fit(path, time="none")
    frame = forecast(path).frame
    assert frame["step"].tolist() == list(range(90, 97))
    assert set(frame["cutoff"]) == {89}


def test_several_targets_are_forecast_next_to_each_other_and_distinguished(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "two.csv", date=days(90), north=wave(90), south=[9 * v for v in wave(90)])
    fit(path, target=("north", "south"))
    frame = forecast(path).frame
    assert frame["target"].tolist() == ["north"] * 7 + ["south"] * 7
    assert frame["forecast"].head(7).mean() < 200 < frame["forecast"].tail(7).mean()


def test_a_panel_keeps_its_ids_and_is_written_in_their_order(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "panel.csv", shop=["b"] * 60 + ["a"] * 60, date=days(60) * 2, value=wave(60) + wave(60, seed=3)
    )
    fit(path)
    frame = forecast(path).frame
    assert frame["shop"].tolist() == ["a"] * 7 + ["b"] * 7


def test_an_id_column_keeps_its_values_whatever_its_name(tmp_path: Path) -> None:
    ids = ("q0.1", "part_level", "what_if")
    shops = ["a"] * 40 + ["b"] * 40
    path = write_csv(tmp_path / "panel.csv", **dict.fromkeys(ids, shops), date=days(40) * 2, value=wave(80),
                     price=[1, 2] * 40)  # fmt: skip
    reading = Settings.from_flat({"id": ids, "target": "value", "future": "price"}).data
    plan = pd.DataFrame({"q0.1": ["a", "b"], "part_level": ["a", "b"], "what_if": ["a", "b"], "price": 1})
    plan.assign(date=days(41)[-1]).to_csv(tmp_path / "plan.csv", index=False)
    files = rnnforecast.Files((path,), (tmp_path / "plan.csv",))
    request = ForecastRequest(1, (0.1, 0.9), reading=reading, components=True, changes=("price=2",))
    frame = forecast_request(request, "base", data=files).frame
    assert frame[list(ids)].to_numpy().tolist() == [["a"] * 3, ["b"] * 3]
    assert frame["_q0.1"].dtype == frame["_what_if"].dtype == np.float64


def test_several_files_are_series_named_by_their_stems(tmp_path: Path) -> None:
    paths = [write_days(tmp_path, 60, name=f"{name}.csv", seed=seed) for seed, name in enumerate(["pump", "fan"])]
    fit(*paths)
    assert sorted(set(forecast(paths[0]).frame["file"])) == ["fan", "pump"]


def test_a_series_not_seen_in_training_is_forecast_and_said(tmp_path: Path) -> None:
    path = write_csv(
        tmp_path / "panel.csv", shop=["a"] * 60 + ["b"] * 60, date=days(60) * 2, value=wave(60) + wave(60, seed=3)
    )
    fit(path)
    other = write_csv(
        tmp_path / "other.csv", shop=["a"] * 60 + ["new"] * 60, date=days(60) * 2, value=wave(60) + wave(60, seed=3)
    )
    result = forecast(path, model="panel", data=[other])
    assert "cold start: 1 series the model has not seen in training: `new`" in result.notes
    assert len(result.frame) == 14


def test_the_newest_model_is_taken_and_named(trained: Path) -> None:
    fit(trained)
    assert "model days@2, the newest" in forecast(trained).notes


def test_a_forecast_that_is_not_finite_never_reaches_the_user(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Ensemble, "forecast", lambda *_, horizon, **__: np.full((1, horizon, 13), np.nan))
    with pytest.raises(DivergedError, match="is not finite"):
        forecast(trained)


def test_a_forecast_never_overwrites_the_rows_it_was_made_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_csv(tmp_path / "s.csv", date=days(60), value=wave(60))
    monkeypatch.chdir(tmp_path)
    before = path.read_bytes()
    for output in ("s.csv", "./s.csv", path):
        with pytest.raises(UsageError, match=r"--output .* would overwrite the data") as caught:
            rnnforecast.predict("base", data=["s.csv"], output=output, store=tmp_path / "store")
        assert caught.value.exit_code == 2
    assert path.read_bytes() == before


def test_a_horizon_whose_windows_begin_before_the_rows_of_a_regression_is_forecast(tmp_path: Path) -> None:
    hours = pd.date_range("2024-01-01", periods=4_000, freq="h")
    values = 10 + np.sin(np.arange(4_000) * np.pi / 12) + np.random.default_rng(0).normal(0, 0.1, 4_000)
    path = tmp_path / "hours.csv"
    pd.DataFrame({"time": hours, "value": values}).to_csv(path, index=False)
    frame = rnnforecast.predict("base", data=[path], horizon=480).frame
    assert len(frame) == 480
    assert frame["forecast"].between(8, 12).all()


def _shops(folder: Path) -> Path:
    path = folder / "shops.csv"
    rows = [
        f"{shop},{day},{10 * place + row % 7}"
        for place, shop in enumerate("abcdef")
        for row, day in enumerate(days(60))
    ]
    path.write_text("shop,date,sales\n" + "\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_the_chosen_series_are_shown_whatever_their_place(tmp_path: Path) -> None:
    request = ForecastRequest(horizon=3, reading=Settings.from_flat({}).data, series=("f", "b"))
    found = forecast_request(request, "base", data=[_shops(tmp_path)], store=tmp_path / "store")
    assert [preview.label for preview in found.previews] == ["f", "b"]
    shown = found.frame[found.frame["shop"] == "f"]["forecast"].to_numpy()
    np.testing.assert_array_equal(found.previews[0].median, shown)


def test_sums_of_the_chosen_series_are_shown(tmp_path: Path) -> None:
    request = ForecastRequest(horizon=7, reading=Settings.from_flat({}).data, series=("e",), sum="horizon")
    found = forecast_request(request, "base", data=[_shops(tmp_path)], store=tmp_path / "store")
    summed = found.frame[found.frame["shop"] == "e"]["forecast"].to_numpy()
    np.testing.assert_array_equal(found.previews[0].median, summed)


def test_an_unknown_series_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    path = _shops(tmp_path)
    path.write_text(path.read_text(encoding="utf-8").replace("\na,", "\nnorth,"), encoding="utf-8")
    request = ForecastRequest(horizon=3, reading=Settings.from_flat({}).data, series=("nort",))
    with pytest.raises(UsageError, match=r"there is no series `nort`; did you mean `north`\?") as error:
        forecast_request(request, "base", data=[path], store=tmp_path / "store")
    assert error.value.hint == "name one: --series north"


def test_the_folder_of_an_output_is_made(trained: Path) -> None:
    output = trained.parent / "new" / "folder" / "out.csv"
    forecast(trained, output=output)
    assert len(pd.read_csv(output)) == 7
