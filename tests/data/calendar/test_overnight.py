"""Sessions that begin in the evening and end the day after, as markets from Sunday to Friday have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.read import ReadResult, read_series


def _is_open(moment: pd.Timestamp, *, opens: int, closes: int) -> bool:
    """Whether a market is open from Sunday at `opens` to Friday at `closes`, with a break from then to the opening."""
    if moment.weekday() == 5 or (moment.weekday() == 6 and moment.hour < opens):
        return False
    return not (moment.weekday() == 4 and moment.hour >= closes) and not closes <= moment.hour < opens


def _read(tmp_path: Path, moments: list[pd.Timestamp], **settings: object) -> ReadResult:
    rows = "".join(f"{moment:%Y-%m-%d %H:%M},{100 + place % 7}\n" for place, moment in enumerate(moments))
    (tmp_path / "market.csv").write_text(f"time,price\n{rows}", encoding="utf-8")
    return read_series(tmp_path / "market.csv", DataSettings(**settings))


@pytest.mark.parametrize(
    ("opens", "closes", "freq"),
    [(17, 17, "h[1111001 17:00-16:00]"), (22, 22, "h[1111001 22:00-21:00]"), (18, 17, "h[1111001 18:00-16:00]")],
    ids=["New York", "UTC", "with a break"],
)
def test_a_market_from_sunday_to_friday_has_no_gaps(tmp_path: Path, opens: int, closes: int, freq: str) -> None:
    every = pd.date_range("2024-01-01", periods=24 * 70, freq="h")
    moments = [moment for moment in every if _is_open(moment, opens=opens, closes=closes)]
    found = _read(tmp_path, moments)
    assert found.assumptions.freq == freq
    assert found.series.observed.all()
    assert [one.code for one in found.findings if one.code == "N_TIME_GAPS"] == []
    said = next(one.message for one in found.findings if one.code == "N_TIME_HOURS")
    assert said.startswith(f"sessions begin on Mon, Tue, Wed, Thu, Sun at {opens}:00")
    assert _read(tmp_path, moments, freq=freq).assumptions.freq == freq


def test_the_step_after_friday_is_sunday_evening(tmp_path: Path) -> None:
    every = pd.date_range("2024-01-01", "2024-03-08 23:00", freq="h")
    found = _read(tmp_path, [moment for moment in every if _is_open(moment, opens=17, closes=17)])
    ahead = found.series.future_timestamps(30)[0]
    assert str(ahead[0])[:16] == "2024-03-10T17:00"
    assert all(_is_open(pd.Timestamp(moment), opens=17, closes=17) for moment in ahead)


def test_ordinals_of_overnight_sessions_count_every_step_once() -> None:
    freq = Frequency("hour", phase=17 * 3_600_000_000, slots=24, weekmask="1111001")
    ordinals = np.arange(-300, 300, dtype=np.int64)
    moments = freq.to_timestamps(ordinals)
    np.testing.assert_array_equal(freq.to_ordinals(moments), ordinals)
    assert (np.diff(moments) > np.timedelta64(0, "us")).all()
    assert freq.goes_overnight


def test_markets_whose_days_end_at_midnight_stay_as_they_are(tmp_path: Path) -> None:
    moments = [moment for moment in pd.date_range("2024-01-01", periods=24 * 70, freq="h") if moment.weekday() < 5]
    assert _read(tmp_path, moments).assumptions.freq == "h[1111100 00:00-23:00]"
