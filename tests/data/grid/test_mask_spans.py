from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.read import read_series
from rnnforecast.errors import DataError, UsageError
from rnnforecast.grammars import Span


def write(folder: Path, freq: str, periods: int = 48, start: str = "2020-01-01") -> Path:
    path = folder / "rows.csv"
    stamps = pd.date_range(start, periods=periods, freq=freq).strftime("%Y-%m-%d %H:%M")
    path.write_text("t,y\n" + "".join(f"{stamp},{row + 1}\n" for row, stamp in enumerate(stamps)))
    return path


@pytest.mark.parametrize(
    ("freq", "span", "masked"),
    [
        ("MS", "2020-03..2021-06", range(2, 18)),
        ("MS", "2021..2021", range(12, 24)),
        ("MS", "..2020-02", range(2)),
        ("MS", "2023-11..", range(46, 48)),
        ("D", "2020-01-05..2020-01-07", range(4, 7)),
        ("h", "2020-01-01 05:00..2020-01-01 07:30", range(5, 8)),
        ("h", "2020-01-02..2020-01-02", range(24, 48)),
        ("W-SUN", "2020-02-03..2020-02-16", range(5, 7)),
    ],
)
def test_both_ends_of_a_span_count_and_whole_periods_of_them(
    tmp_path: Path, freq: str, span: str, masked: range
) -> None:
    found = read_series(write(tmp_path, freq), DataSettings(mask=(span,)))
    assert np.flatnonzero(~found.series.observed).tolist() == list(masked)
    assert np.isnan(found.series.values[list(masked)]).all()
    (noted,) = [one for one in found.findings if one.code == "W_VALUE_MASKED"]
    assert (noted.count, noted.value) == (len(masked), span)


def test_steps_are_masked_by_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("y\n" + "\n".join(map(str, range(40))) + "\n")
    assert np.flatnonzero(~read_series(path, DataSettings(mask=("10..12",))).series.observed).tolist() == [10, 11, 12]


def test_a_span_is_local_time_of_the_zone(tmp_path: Path) -> None:
    found = read_series(write(tmp_path, "h"), DataSettings(tz="Europe/Berlin", mask=("2020-01-02..2020-01-02",)))
    assert np.flatnonzero(~found.series.observed).tolist() == list(range(24, 48))


@pytest.mark.parametrize("span", ["2019-03..2019-06", "2030.."])
def test_a_span_that_covers_no_row_is_rejected(tmp_path: Path, span: str) -> None:
    with pytest.raises(UsageError, match="covers no observed target; the rows reach from 2020-01-01 to 2023-12-01"):
        read_series(write(tmp_path, "MS"), DataSettings(mask=(span,)))


@pytest.mark.parametrize("span", ["2020-13..2021", "2020", "..", "March..April"])
def test_an_invalid_span_is_rejected_when_settings_are_read(span: str) -> None:
    with pytest.raises(UsageError, match=r"use FROM\.\.TO"):
        Settings.from_flat({"mask": [span]})


def test_a_span_of_dates_does_not_fit_steps_nor_the_reverse(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="names steps, but the rows have dates"):
        read_series(write(tmp_path, "D"), DataSettings(mask=("10..12",)))
    path = tmp_path / "steps.csv"
    path.write_text("y\n" + "\n".join(map(str, range(40))) + "\n")
    with pytest.raises(UsageError, match="names dates, but the rows are steps") as caught:
        read_series(path, DataSettings(mask=("2020-01..2020-02",)))
    assert caught.value.hint == "name steps, such as `--mask 0..39`"


def test_masks_that_leave_nothing_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="every target is masked: --mask 2020"):
        read_series(write(tmp_path, "MS"), DataSettings(mask=("2020..",)))


def test_a_span_has_open_ends() -> None:
    assert (Span.parse("..2019").first, Span.parse("2019-05 ..").last) == (None, None)


@pytest.mark.parametrize("text", ["2016-06..2016-03", "9..2"])
def test_a_span_that_ends_before_it_begins_is_answered_with_its_ends_swapped(text: str) -> None:
    first, last = text.split("..")
    with pytest.raises(UsageError, match="ends before it begins") as caught:
        Span.parse(text)
    assert caught.value.hint == f"swap its ends: `{last}..{first}`"
