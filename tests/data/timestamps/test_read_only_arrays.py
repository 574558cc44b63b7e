"""Specification: dates are read where pandas gives out read-only arrays, as pandas 3 always does."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest

from rnnforecast.data.read import read_series
from tests.data.conftest import Write


@pytest.fixture(autouse=True)
def read_only() -> Iterator[None]:
    """Let pandas 2 hand out read-only arrays too."""
    if int(pd.__version__.split(".")[0]) >= 3:
        yield
        return
    with pd.option_context("mode.copy_on_write", True):
        assert not pd.Series([1.0]).to_numpy().flags.writeable
        yield


@pytest.mark.parametrize(
    ("header", "form"),
    [("date", "%d %b %Y"), ("date", "%d.%m.%Y"), ("date", "%Y-%m-%d"), ("year,month,day", "%Y,%m,%d"), ("date", "%s")],
)
def test_dates_in_every_form_are_read_from_read_only_arrays(write: Write, header: str, form: str) -> None:
    days = pd.date_range("2024-01-01", periods=40, tz="UTC")
    texts = [str(int(day.timestamp())) if form == "%s" else day.strftime(form) for day in days]
    path = write(f"{header},value\n" + "".join(f"{text},{row}\n" for row, text in enumerate(texts)))
    series = read_series(str(path)).series
    assert str(series.timestamps(0)[0])[:10] == "2024-01-01"
    assert series.freq.alias == "D"


def test_quarters_in_columns_are_read_from_read_only_arrays(write: Write) -> None:
    rows = "".join(f"{2000 + row // 4},{row % 4 + 1},{row}\n" for row in range(40))
    series = read_series(str(write("year,quarter,value\n" + rows))).series
    assert series.freq.unit == "quarter"
