"""From file to forecast on clocks that are not simple: zones, holidays, opening hours, events, month ends."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data.calendar.closed_days import named_days
from rnnforecast.errors import DataError
from tests.workflows.toy import fit, forecast, wave, write_csv


def write_timestamps(folder: Path, timestamps: pd.DatetimeIndex, text_format: str) -> Path:
    return write_csv(folder / "rows.csv", time=list(timestamps.strftime(text_format)), y=wave(len(timestamps)))


def timestamps_of(path: Path, **arguments: object) -> list[str]:
    return [str(timestamp) for timestamp in forecast(path, **arguments).frame["time"]]


@pytest.fixture
def traded(tmp_path: Path) -> Path:
    """Rows of every day New York traded, up to the Friday before a closed Monday."""
    closed = named_days("XNYS", 2024, 2025).closed
    days = pd.bdate_range("2024-01-02", "2025-02-14")
    return write_timestamps(tmp_path, days[~days.isin(pd.DatetimeIndex(closed))], "%Y-%m-%d")


def test_no_forecast_falls_on_a_holiday_of_the_market_that_was_recognised(traded: Path) -> None:
    trained = fit(traded)
    assert any("calendar XNYS" in finding.message for finding in trained.findings)
    assert [timestamp[:10] for timestamp in timestamps_of(traded)][:5] == [
        "2025-02-18", "2025-02-19", "2025-02-20", "2025-02-21", "2025-02-24"
    ]  # fmt: skip


def test_closed_days_stand_in_the_model_and_need_no_package_to_predict(
    traded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit(traded)
    lines = traded.read_text(encoding="utf-8").splitlines()
    traded.write_text("\n".join([lines[0], *lines[-15:]]) + "\n", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "holidays", None)
    assert timestamps_of(traded)[0][:10] == "2025-02-18"


def test_hours_of_a_zone_pass_over_the_hour_that_clocks_leave_out(tmp_path: Path) -> None:
    instants = pd.date_range("2025-03-10", "2025-03-29T22:00", freq="h", tz="UTC").tz_convert("Europe/Berlin")
    path = write_timestamps(tmp_path, instants, "%Y-%m-%d %H:%M")
    fit(path, tz="Europe/Berlin")
    result = forecast(path)
    shown = [str(timestamp) for timestamp in result.frame["time"]][:4]
    assert shown == [
        "2025-03-30 00:00:00+01:00",
        "2025-03-30 01:00:00+01:00",
        "2025-03-30 03:00:00+02:00",
        "2025-03-30 04:00:00+02:00",
    ]
    assert str(result.previews[0].timestamps[2])[:16] == "2025-03-30T03:00"
    assert json.loads(json.dumps(result.to_dict()))["rows"][2][0] == "2025-03-30T03:00:00+02:00"


def test_opening_hours_continue_with_the_next_opening(tmp_path: Path) -> None:
    days = pd.bdate_range("2024-01-01", "2024-02-02")
    timestamps = pd.DatetimeIndex([day + pd.Timedelta(hours=hour) for day in days for hour in range(9, 17)])
    path = write_timestamps(tmp_path, timestamps, "%Y-%m-%d %H:%M")
    fit(path)
    assert timestamps_of(path)[:2] == ["2024-02-05 09:00:00", "2024-02-05 10:00:00"]


def test_events_are_resampled_again_when_new_rows_are_forecast(tmp_path: Path) -> None:
    minutes = np.sort(np.random.default_rng(0).choice(60 * 24 * 80, 4_000, replace=False))
    events = pd.Timestamp("2024-01-01") + pd.to_timedelta(minutes, unit="min")
    path = write_timestamps(tmp_path, pd.DatetimeIndex(events), "%Y-%m-%d %H:%M")
    fit(path, resample="1D", aggregate="count", target="y")
    assert timestamps_of(path)[0][:10] == "2024-03-21"


@pytest.mark.parametrize(
    ("alias", "first"), [("ME", "2026-01-31"), ("QE-DEC", "2031-03-31"), ("YE-DEC", "2051-12-31"), ("MS", "2026-02-01")]
)
def test_ends_of_months_stay_ends_of_months(tmp_path: Path, alias: str, first: str) -> None:
    path = write_timestamps(
        tmp_path, pd.date_range("2021-01-31", periods=60 if alias != "YE-DEC" else 30, freq=alias), "%Y-%m-%d"
    )
    if alias == "QE-DEC":
        path = write_timestamps(tmp_path, pd.date_range("2021-03-31", periods=40, freq=alias), "%Y-%m-%d")
    fit(path, horizon=4)
    assert timestamps_of(path)[0][:10] == first


def test_a_model_of_days_rejects_rows_of_hours_with_both_frequencies(tmp_path: Path) -> None:
    path = write_timestamps(tmp_path, pd.date_range("2024-01-01", periods=90, freq="D"), "%Y-%m-%d")
    fit(path)
    hourly = tmp_path / "hours.csv"
    write_timestamps(tmp_path, pd.date_range("2024-01-01", periods=90, freq="h"), "%Y-%m-%d %H:%M").rename(hourly)
    with pytest.raises(DataError, match="01:00:00 is not on the grid of frequency D; the rows are h") as caught:
        forecast(path, model="rows", data=[hourly])
    assert "--resample D --aggregate mean" in str(caught.value.hint)
