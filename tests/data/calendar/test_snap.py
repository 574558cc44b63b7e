from __future__ import annotations

import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError
from tests.data.conftest import Write


def _in_utc(zone: str, hour: int = 0) -> str:
    timestamps = pd.date_range("2023-09-01", periods=120, tz=zone) + pd.Timedelta(hours=hour)
    texts = timestamps.tz_convert("UTC").strftime("%Y-%m-%dT%H:%M:%SZ")
    return "date,y\n" + "".join(f"{text},{row}\n" for row, text in enumerate(texts))


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Europe/Helsinki", "Europe/London"])
def test_midnights_of_a_zone_told_in_utc_are_not_moved_to_the_day_before(write: Write, zone: str) -> None:
    path = write(_in_utc(zone))
    with pytest.raises(
        DataError, match=r"timestamps fall on \d\d:00 and \d\d:00 for months each, as midnights of a zone"
    ):
        read_series([path])
    read = read_series([path], DataSettings(tz=zone)).series
    assert str(read.freq.to_timestamps(read.first_ordinals)[0]).startswith("2023-09-01")


def test_an_hour_of_the_day_told_in_utc_stays_in_its_day(write: Write) -> None:
    read = read_series([write(_in_utc("America/New_York", 16))])
    assert [finding.code for finding in read.findings if finding.severity == "warning"] == ["W_TIME_SNAPPED"]
    assert str(read.series.freq.to_timestamps(read.series.first_ordinals)[0]).startswith("2023-09-01")
