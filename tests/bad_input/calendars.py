"""Zones, clocks that are put back, and rows without a regular grid."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnforecast.errors import ExitCode
from tests.bad_input.harness import Case, text_file
from tests.bad_input.timestamp_texts import (
    AUTUMN,
    HOURS,
    NUM_ROWS,
    TWO_OFFSETS,
    VALUES,
    changed,
    edited,
    rows,
    steps,
    written,
)

ZONES: tuple[Case, ...] = (
    Case(
        "offset",
        "naive and aware",
        text_file(rows(changed(HOURS, 7, f"{HOURS[7]}+01:00"))),
        "refused",
        says=(f"`{HOURS[7]}+01:00` has the zone that `{HOURS[0]}` in row 2 lacks",),
        row=9,
        fix=edited(lambda text: text.replace("+01:00", "")),
        fixed_values=VALUES,
    ),
    Case(
        "offset",
        "several offsets",
        text_file(rows(TWO_OFFSETS)),
        "accepted",
        says=("+01:00, +02:00", "held in UTC"),
        reads={"freq": "h"},
        values=VALUES,
    ),
    Case(
        "nonexistent hour",
        "an hour that never was",
        text_file(rows(["2024-03-31 00:30", "2024-03-31 01:30", "2024-03-31 02:30", "2024-03-31 04:30"])),
        "refused",
        flags={"tz": "Europe/Berlin"},
        says=("2024-03-31 02:30:00 does not exist in zone Europe/Berlin", "--nonexistent shift"),
        row=4,
        column="time",
        fix={"nonexistent": "shift"},
        fixed_values=VALUES[:4],
    ),
    Case(
        "ambiguous hour",
        "an hour that came twice",
        text_file(rows(AUTUMN)),
        "refused",
        says=("with different values", "end of daylight saving time", "--tz", "--ambiguous infer"),
        row=14,
        fix={"tz": "Europe/Berlin", "ambiguous": "infer"},
        fixed_values=VALUES,
    ),
    Case(
        "ambiguous hour",
        "an hour that came twice in a zone",
        text_file(rows(AUTUMN)),
        "refused",
        flags={"tz": "Europe/Berlin"},
        says=("2024-10-27 02:00:00 is ambiguous in zone Europe/Berlin", "--ambiguous infer"),
        row=10,
        fix={"ambiguous": "infer"},
        fixed_values=VALUES,
    ),
    Case(
        "ambiguous hour",
        "an hour that came twice with offsets",
        text_file(rows(written(pd.date_range("2024-10-26T22:00", periods=NUM_ROWS, freq="15min", tz="UTC")
                               .tz_convert("Europe/Berlin"), "%Y-%m-%d %H:%M%z"))),
        "accepted",
        says=("held in UTC",),
        values=VALUES,
    ),
    Case(
        "zone",
        "a zone that is none",
        text_file(rows(HOURS)),
        "refused",
        flags={"tz": "Europe/Berln"},
        says=("unknown time zone `Europe/Berln`", "did you mean `Europe/Berlin`"),
        fix={"tz": "Europe/Berlin"},
        fixed_values=VALUES,
        code=ExitCode.USAGE,
    ),
    Case("zone", "the version of the rules", text_file(rows(HOURS)), "accepted", flags={"tz": "Europe/Berlin"},
         says=("rules of zones: 2",), values=VALUES),
)  # fmt: skip


def _events() -> list[str]:
    """Return the moments of a log."""
    minutes = np.sort(np.random.default_rng(5).choice(60 * 24 * 30, 400, replace=False))
    return [
        str(moment).replace("T", " ") for moment in np.datetime64("2024-01-01T00:00") + minutes.astype("timedelta64[m]")
    ]


def _panel(calendars: dict[str, pd.DatetimeIndex]) -> str:
    lines = [
        f"{name},{timestamp:%Y-%m-%d},{row}"
        for name, timestamps in calendars.items()
        for row, timestamp in enumerate(timestamps)
    ]
    return "\n".join(["shop,date,y", *lines]) + "\n"


def _wandering() -> list[str]:
    shifts = np.random.default_rng(2).integers(-9, 10, NUM_ROWS)
    return [
        f"{timestamp:%Y-%m-%d %H:%M:%S}"
        for timestamp in steps("2024-01-01", "5min") + pd.to_timedelta(shifts, unit="s")
    ]


GRIDS: tuple[Case, ...] = (
    Case(
        "irregular",
        "events",
        text_file(rows(_events())),
        "refused",
        says=("irregular", "up to 1 hour", "up to 1 day", "--resample", "--aggregate"),
        column="time",
        fix={"resample": "1D", "aggregate": "count"},
    ),
    Case(
        "irregular",
        "resampled without a word on how",
        text_file(rows(_events())),
        "refused",
        flags={"resample": "1D"},
        says=("belong together", "--aggregate"),
        fix={"aggregate": "sum"},
        code=ExitCode.USAGE,
    ),
    Case(
        "snapping",
        "a clock that wanders",
        text_file(rows(_wandering())),
        "repaired",
        says=("moved to the grid of frequency 5min", "by at most 9 seconds"),
        reads={"freq": "5min"},
        values=VALUES,
    ),
    Case(
        "mixed frequency",
        "series of days and of months",
        text_file(_panel({"a": steps("2024-01-01", "D"), "b": steps("2021-01-01", "MS")})),
        "refused",
        says=("D: `a`", "MS: `b`", "--resample MS --aggregate mean"),
        fix={"resample": "MS", "aggregate": "mean"},
    ),
    Case(
        "mixed frequency",
        "ends of months and first days",
        text_file(_panel({"a": steps("2021-01-31", "ME"), "b": steps("2021-01-01", "MS")})),
        "refused",
        says=("ME: `a`", "MS: `b`"),
        fix={"resample": "MS", "aggregate": "last"},
    ),
    Case(
        "mixed frequency",
        "ends of months and first days in one series",
        text_file(rows(["2024-01-31", "2024-02-29", "2024-04-01", "2024-04-30", "2024-06-01", "2024-06-30"])),
        "refused",
        says=("some timestamps are the ends of months, others their first days", "--resample MS --aggregate last"),
        column="time",
        fix={"resample": "MS", "aggregate": "last"},
    ),
    Case("mixed frequency", "business days", text_file(rows(written(steps("2024-01-01", "B"), "%Y-%m-%d"))), "accepted",
         reads={"freq": "B"}, values=VALUES),
    Case(
        "mixed frequency",
        "rows on days that a market has closed",
        text_file(rows(written(steps("2024-12-02", "B"), "%Y-%m-%d"))),
        "refused",
        flags={"calendar": "XNYS"},
        says=("2024-12-25 is a closed day of the calendar `XNYS`", "--calendar"),
        row=19,
        fix={"calendar": "weekdays"},
        fixed_values=VALUES,
    ),
    Case(
        "future",
        "timestamps in the future",
        text_file(rows([f"{2900 + row}-01-01" for row in range(NUM_ROWS)])),
        "accepted",
        says=("in the future", "2900-01-01"),
        row=2,
        values=VALUES,
    ),
)  # fmt: skip

CASES: tuple[Case, ...] = (*ZONES, *GRIDS)
