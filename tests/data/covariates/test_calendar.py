from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.calendar.frequency import parse_frequency
from rnnforecast.data.covariates.calendar import feature_names
from rnnforecast.data.read import read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import DataError, UsageError


def read(folder: Path, timestamps: object, **settings: object) -> SeriesSet:
    """Read a file of these timestamps with covariates of the calendar, three steps ahead."""
    frame = pd.DataFrame({"date": timestamps})
    frame.assign(y=np.arange(len(frame)) % 4).to_csv(folder / "rows.csv", index=False)
    chosen = Settings.from_flat({"horizon": 3, **settings}).data
    return read_series(folder / "rows.csv", chosen).series


def column(series: SeriesSet, name: str) -> list[float]:
    values = series.future_covariates[:, series.future_names.index(f"calendar:{name}")]
    return [round(float(value), 4) for value in values]


@pytest.mark.parametrize(
    ("alias", "cycles"),
    [
        ("10s", ["hour", "day", "week", "year"]),
        ("30min", ["day", "week", "year"]),
        ("h", ["day", "week", "year"]),
        ("D", ["week", "year"]),
        ("B", ["week", "year"]),
        ("W-SUN", ["year"]),
        ("MS", ["year"]),
        ("QS-JAN", ["year"]),
    ],
)
def test_a_step_has_a_position_in_every_cycle_that_is_longer(alias: str, cycles: list[str]) -> None:
    names = feature_names(parse_frequency(alias), season_length=1, features=("season",))
    assert names == tuple(f"calendar:{cycle}-{part}" for cycle in cycles for part in ("sin", "cos"))


def test_positions_go_around_their_cycle_and_beyond_the_last_row(tmp_path: Path) -> None:
    series = read(tmp_path, pd.date_range("2024-01-01", periods=11), calendar_features="season")
    assert len(series.future_covariates) == 14
    assert column(series, "week-sin")[:7] == column(series, "week-sin")[7:]
    assert (column(series, "week-sin")[0], column(series, "week-cos")[0]) == (0.0, 1.0)  # a Monday
    assert column(series, "year-cos")[0] == 1.0


def test_hours_have_their_position_on_the_clocks_of_their_zone(tmp_path: Path) -> None:
    timestamps = [
        f"{timestamp:%Y-%m-%dT%H:%M}Z" for timestamp in pd.date_range("2024-06-30T22:00", periods=26, freq="h")
    ]
    series = read(tmp_path, timestamps, calendar_features="season", tz="Europe/Berlin")
    assert (column(series, "day-sin")[0], column(series, "day-cos")[0]) == (0.0, 1.0)  # midnight in Berlin


def test_steps_without_dates_have_their_position_in_the_season(tmp_path: Path) -> None:
    series = read(tmp_path, range(12), time="none", calendar_features="season", season_length=4)
    assert column(series, "season-sin") == [0.0, 1.0, 0.0, -1.0] * 3 + [0.0, 1.0, 0.0]


def test_holidays_of_a_country_are_days_and_for_longer_steps_their_number(tmp_path: Path) -> None:
    asked = {"calendar_features": "holidays", "country": "DE"}
    days = read(tmp_path, pd.date_range("2024-12-15", periods=16), **asked)
    assert [place for place, value in enumerate(column(days, "holiday")) if value] == [10, 11, 17]  # 25, 26, 1 January
    months = read(tmp_path, pd.date_range("2024-01-01", periods=11, freq="MS"), **asked)
    assert column(months, "holiday") == [1, 0, 1, 1, 3, 0, 0, 0, 0, 1, 0, 2, 1, 0]
    ends = read(tmp_path, pd.date_range("2024-01-31", periods=11, freq="ME"), **asked)
    assert column(ends, "holiday") == column(months, "holiday")


def test_a_part_of_a_country_has_its_own_holidays(tmp_path: Path) -> None:
    timestamps = pd.date_range("2024-01-01", periods=8)
    plain, bavaria = (
        read(tmp_path, timestamps, calendar_features="holidays", country=country) for country in ("DE", "DE-BY")
    )
    assert column(plain, "holiday")[5] == 0.0
    assert column(bavaria, "holiday")[5] == 1.0  # Epiphany


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"calendar_features": "holidays"}, "holidays need a country"),
        ({"calendar_features": "holidays", "country": "Bavaria"}, "unknown calendar `Bavaria`"),
        ({"calendar_features": "holidays", "country": "DE", "time": "none"}, "holidays need dates"),
        ({"calendar_features": "season", "time": "none", "season_length": 1}, "no position in a season"),
        ({"calendar_features": "moon"}, "unknown calendar feature `moon`; use season or holidays"),
    ],
)
def test_features_that_the_rows_cannot_have_are_rejected(
    settings: dict[str, object], words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, pd.date_range("2024-01-01", periods=12), **settings)
    assert words in caught.value.message


def test_a_column_with_the_name_of_a_feature_is_rejected(tmp_path: Path) -> None:
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=9), "calendar:holiday": 1, "y": range(9)})
    frame.to_csv(tmp_path / "rows.csv", index=False)
    asked = DataSettings(future=("calendar:holiday",), target=("y",), calendar_features=("season",))
    with pytest.raises(DataError, match="`calendar:holiday` is taken"):
        read_series(tmp_path / "rows.csv", asked)


def test_features_stand_together_or_one_by_one() -> None:
    together = Settings.from_flat({"calendar_features": ["season,holidays"]}).data
    assert together.calendar_features == ("season", "holidays")
