"""Stamps, calendars and frequencies that are wrong, odd or unclear: B40 to B60."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.errors import ExitCode
from tests.bad_input.harness import Case, Make, parquet_file, text_file

NUM_ROWS = 40
VALUES = [float(row) for row in range(NUM_ROWS)]


def rows(stamps: Iterable[object], *, names: str = "time,y") -> str:
    """Return a table of these stamps with the values 0, 1, 2 ..."""
    return "\n".join([names, *(f"{stamp},{value}" for value, stamp in enumerate(stamps))]) + "\n"


def steps(first: str, step: str, num_rows: int = NUM_ROWS) -> pd.DatetimeIndex:
    """Return stamps of a regular calendar."""
    return pd.date_range(first, periods=num_rows, freq=step)


def written(stamps: pd.DatetimeIndex, text_format: str) -> list[str]:
    """Return stamps as text."""
    return list(stamps.strftime(text_format))


def changed(stamps: Sequence[str], row: int, text: str) -> list[str]:
    """Return texts with one of them, counted from 0, written otherwise."""
    return [*stamps[:row], text, *stamps[row + 1 :]]


def edited(change: Callable[[str], str]) -> Make:
    """Return the edit of a file that the message asks for."""

    def edit(folder: Path) -> Path:
        path = folder / "rows.csv"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
        return path

    return edit


def local(first: str, num_rows: int, *, minutes: int = 15, zone: str = "Europe/Berlin") -> list[str]:
    """Return what the clocks of a zone showed, from an instant on."""
    instants = pd.date_range(first, periods=num_rows, freq=f"{minutes}min", tz="UTC")
    return written(instants.tz_convert(zone), "%Y-%m-%d %H:%M")


DAYS = written(steps("2024-01-20", "D"), "%Y-%m-%d")
HOURS = written(steps("2024-01-01", "h"), "%Y-%m-%d %H:%M")
SHORT_DAYS = written(steps("2024-01-01", "D", 12), "%d/%m/%Y")
AUTUMN = local("2024-10-26T22:00", NUM_ROWS)
LATER = (*HOURS[21:], "2024-01-02 16:00")
TWO_OFFSETS = [f"{stamp}+01:00" for stamp in HOURS[:20]] + [f"{stamp}+02:00" for stamp in LATER]
SECONDS = [1_700_000_000 + 60 * row for row in range(NUM_ROWS)]
MINUTE = {"freq": "min"}

FORMATS: tuple[Case, ...] = (
    Case(
        "B40",
        "two formats",
        text_file(rows(changed(DAYS, 5, "25/01/2024"))),
        "refused",
        says=("`25/01/2024`", "another format than `2024-01-20` in row 2", "--date-format"),
        row=7,
        column="time",
        fix=edited(lambda text: text.replace("25/01/2024", "2024-01-25")),
        fixed_values=VALUES,
    ),
    Case(
        "B41",
        "day first by one row",
        text_file(rows(written(steps("2024-01-01", "D"), "%d/%m/%Y"))),
        "accepted",
        says=("day/month/year", "no other order fits"),
        values=VALUES,
        reads={"freq": "D"},
    ),
    Case(
        "B41",
        "undecidable",
        text_file(rows(SHORT_DAYS)),
        "refused",
        says=("`02/01/2024` may be 2024-01-02 or 2024-02-01", "--dayfirst", "--monthfirst"),
        row=3,
        fix={"dayfirst": True},
        fixed_values=VALUES[:12],
    ),
    Case(
        "B41",
        "month first is a reading too",
        text_file(rows(SHORT_DAYS)),
        "accepted",
        flags={"date_format": "%m/%d/%Y"},
        reads={"freq": "MS"},
        values=VALUES[:12],
    ),
    Case(
        "B41",
        "both orders",
        text_file(rows(["13/02/2024", "02/14/2024", "15/02/2024"])),
        "refused",
        says=("`13/02/2024`", "row 3", "`02/14/2024`"),
        fix=edited(lambda text: text.replace("02/14/2024", "14/02/2024")),
        fixed_values=VALUES[:3],
    ),
    Case(
        "B42",
        "two digits of a year",
        text_file(rows(written(steps("2024-01-01", "D"), "%d/%m/%y"))),
        "refused",
        says=("two digits", "--date-format"),
        row=2,
        fix={"date_format": "%d/%m/%y"},
        fixed_values=VALUES,
    ),
    Case(
        "B42",
        "days of a spreadsheet",
        text_file(rows([45292.5 + row for row in range(NUM_ROWS)], names="date,y")),
        "refused",
        says=("45292.5", "2024-01-01T12:00:00", "--excel-dates"),
        column="date",
        fix={"excel_dates": True},
        fixed_values=VALUES,
    ),
    Case("B43", "seconds", text_file(rows(SECONDS)), "accepted", says=("read as s since 1970",), reads=MINUTE),
    Case(
        "B43",
        "milliseconds",
        text_file(rows([second * 1_000 for second in SECONDS])),
        "accepted",
        says=("read as ms since 1970",),
        reads=MINUTE,
    ),
    Case(
        "B43",
        "microseconds",
        text_file(rows([second * 10**6 for second in SECONDS])),
        "accepted",
        says=("read as us since 1970",),
        reads=MINUTE,
    ),
    Case(
        "B43",
        "nanoseconds",
        text_file(rows([second * 10**9 for second in SECONDS])),
        "accepted",
        says=("read as ns since 1970",),
        reads=MINUTE,
    ),
    Case(
        "B43",
        "two units",
        text_file(rows([second * (1_000 if row == 9 else 1) for row, second in enumerate(SECONDS)])),
        "refused",
        says=("is ms since 1970 by its size", "is s"),
        row=11,
        fix=edited(lambda text: text.replace("1700000540000", "1700000540")),
        fixed_values=VALUES,
    ),
    Case(
        "B43",
        "seconds with decimals",
        text_file(rows([f"{second}.250" for second in SECONDS])),
        "accepted",
        says=("to the millisecond",),
        values=VALUES,
    ),
    Case("B43", "a unit that is named", text_file(rows([60_000 * row for row in range(NUM_ROWS)])), "accepted",
         flags={"epoch_unit": "ms"}, says=("read as ms",), reads=MINUTE),
    Case("B44", "weeks", text_file(rows([f"2024-W{week:02d}" for week in range(1, 41)])), "accepted",
         reads={"freq": "W-MON"}, values=VALUES),
    Case("B44", "quarters", text_file(rows([f"{1987 + row // 4} Q{row % 4 + 1}" for row in range(NUM_ROWS)])),
         "accepted", reads={"freq": "QS-JAN"}, values=VALUES),
    Case("B44", "months", text_file(rows(written(steps("2020-01-01", "MS"), "%Y-%m"))), "accepted",
         reads={"freq": "MS"}, values=VALUES),
    Case("B44", "months by name", text_file(rows(written(steps("1982-04-01", "MS"), "%Y %b"))), "accepted",
         reads={"freq": "MS"}, values=VALUES),
    Case(
        "B44",
        "24 o clock",
        text_file(rows(changed(HOURS, 24, "2024-01-01 24:00"))),
        "repaired",
        says=("24:00: midnight at the end of the day",),
        row=26,
        values=VALUES,
    ),
    Case(
        "B44",
        "months in another language",
        text_file(rows([f"{day}. Dezember 2024" for day in range(1, 21)])),
        "refused",
        says=("`1. Dezember 2024`", "--locale de"),
        row=2,
        fix={"locale": "de"},
        fixed_values=VALUES[:20],
    ),
    Case(
        "B45",
        "date and hour",
        text_file(rows([f"{stamp[:10]},{int(stamp[11:13])}" for stamp in HOURS], names="date,slot,y")),
        "refused",
        says=("occurs in rows", "--time date,hour"),
        flags={"time": "date", "target": ("y",)},
        fix={"time": "date,slot"},
        fixed_values=VALUES,
    ),
    Case(
        "B45",
        "date and hour by their names",
        text_file(rows([f"{stamp[:10]},{int(stamp[11:13])}" for stamp in HOURS], names="date,hour,y")),
        "accepted",
        reads={"time": "date+hour", "freq": "h"},
        values=VALUES,
    ),
    Case(
        "B45",
        "year month day hour",
        text_file(rows([f"{stamp[:4]},{stamp[5:7]},{stamp[8:10]},{stamp[11:13]}" for stamp in HOURS],
                       names="year,month,day,hour,y")),
        "accepted",
        reads={"time": "year+month+day+hour", "freq": "h"},
        values=VALUES,
    ),
)  # fmt: skip

ZONES: tuple[Case, ...] = (
    Case(
        "B46",
        "naive and aware",
        text_file(rows(changed(HOURS, 7, f"{HOURS[7]}+01:00"))),
        "refused",
        says=(f"`{HOURS[7]}+01:00` has the zone that `{HOURS[0]}` in row 2 lacks",),
        row=9,
        fix=edited(lambda text: text.replace("+01:00", "")),
        fixed_values=VALUES,
    ),
    Case(
        "B46",
        "several offsets",
        text_file(rows(TWO_OFFSETS)),
        "accepted",
        says=("+01:00, +02:00", "held in UTC"),
        reads={"freq": "h"},
        values=VALUES,
    ),
    Case(
        "B47",
        "an hour that never was",
        text_file(rows(["2024-03-31 00:30", "2024-03-31 01:30", "2024-03-31 02:30", "2024-03-31 04:30"])),
        "refused",
        flags={"tz": "Europe/Berlin"},
        says=("2024-03-31 02:30:00 never was in zone Europe/Berlin", "--nonexistent shift"),
        row=4,
        column="time",
        fix={"nonexistent": "shift"},
        fixed_values=VALUES[:4],
    ),
    Case(
        "B48",
        "an hour that came twice",
        text_file(rows(AUTUMN)),
        "refused",
        says=("with different values", "clock that was put back", "--tz", "--ambiguous infer"),
        row=14,
        fix={"tz": "Europe/Berlin", "ambiguous": "infer"},
        fixed_values=VALUES,
    ),
    Case(
        "B48",
        "an hour that came twice in a zone",
        text_file(rows(AUTUMN)),
        "refused",
        flags={"tz": "Europe/Berlin"},
        says=("2024-10-27 02:00:00 came twice in zone Europe/Berlin", "--ambiguous infer"),
        row=10,
        fix={"ambiguous": "infer"},
        fixed_values=VALUES,
    ),
    Case(
        "B48",
        "an hour that came twice with offsets",
        text_file(rows(written(pd.date_range("2024-10-26T22:00", periods=NUM_ROWS, freq="15min", tz="UTC")
                               .tz_convert("Europe/Berlin"), "%Y-%m-%d %H:%M%z"))),
        "accepted",
        says=("held in UTC",),
        values=VALUES,
    ),
    Case(
        "B49",
        "a zone that is none",
        text_file(rows(HOURS)),
        "refused",
        flags={"tz": "Europe/Berln"},
        says=("no time zone `Europe/Berln`", "did you mean `Europe/Berlin`"),
        fix={"tz": "Europe/Berlin"},
        fixed_values=VALUES,
        code=ExitCode.USAGE,
    ),
    Case("B49", "the version of the rules", text_file(rows(HOURS)), "accepted", flags={"tz": "Europe/Berlin"},
         says=("rules of zones: 2",), values=VALUES),
)  # fmt: skip

SPANS: tuple[Case, ...] = (
    *(
        Case("B50", f"the year {year}", text_file(rows([f"{year + row:04d}-01-01" for row in range(-span, span)])),
             "accepted", reads={"freq": "YS-JAN"}, values=VALUES[: 2 * span])
        for year, span in ((21, 20), (1677, 20), (2262, 20))
    ),
    Case("B50", "the year 9999", text_file(rows([f"{9970 + row}-01-01" for row in range(20)])), "accepted",
         values=VALUES[:20]),
    Case(
        "B50",
        "a horizon past the last year",
        text_file(rows([f"{9960 + row}-01-01" for row in range(NUM_ROWS)])),
        "refused",
        flags={"horizon": 4},
        says=("4 steps of YS-JAN after 9999-01-01 would lead to year 10003", "--horizon"),
        fix=edited(lambda text: text.replace("\n99", "\n98")),
    ),
    Case(
        "B51",
        "a leap second",
        text_file(rows(["2016-12-31 23:59:58", "2016-12-31 23:59:59", "2016-12-31 23:59:60", "2017-01-01 00:00:01"])),
        "repaired",
        says=("leap second",),
        row=4,
        values=VALUES[:4],
    ),
    Case(
        "B51",
        "a day that is none",
        text_file(rows(changed(DAYS, 11, "2024-02-30"))),
        "refused",
        says=("`2024-02-30` is not a date",),
        row=13,
        fix=edited(lambda text: text.replace("2024-02-30", "2024-01-31")),
        fixed_values=VALUES,
    ),
    Case("B51", "nanoseconds", text_file(rows([f"{stamp}:00.000000000" for stamp in HOURS])), "accepted",
         reads={"freq": "h"}, values=VALUES),
    *(
        Case("B52", f"no stamp but {word or 'a blank'}", text_file(rows(changed(DAYS, 4, word))), "refused",
             says=("no stamp",), row=6, column="time",
             fix=edited(lambda text, word=word: text.replace(f"\n{word},4", "\n2024-01-24,4")),  # type: ignore[misc]
             fixed_values=VALUES)
        for word in ("", "NaT")
    ),
    Case("B52", "no stamp in Parquet",
         parquet_file({"time": pd.Series(pd.to_datetime(DAYS)).where(np.arange(NUM_ROWS) != 4), "y": VALUES}),
         "refused", says=("no stamp",), row=5, column="time"),
    Case(
        "B53",
        "out of order",
        text_file("time,y\n" + "\n".join(f"{DAYS[row]},{row}" for row in reversed(range(NUM_ROWS))) + "\n"),
        "repaired",
        says=("were sorted",),
        values=VALUES,
    ),
    Case("B54", "a row twice", text_file(rows(DAYS) + f"{DAYS[3]},3\n"), "repaired", says=("1 row repeated",), row=42,
         values=VALUES),
    Case(
        "B55",
        "a stamp twice",
        text_file(rows(DAYS) + f"{DAYS[3]},5\n"),
        "refused",
        says=(DAYS[3], "rows 5, 42", "3 and 5", "--duplicates"),
        row=42,
        fix={"duplicates": "mean"},
        fixed_values=[*VALUES[:3], 4.0, *VALUES[4:]],
    ),
    Case(
        "B56",
        "a gap",
        text_file("\n".join(line for line in rows(DAYS).splitlines() if "2024-02-0" not in line) + "\n"),
        "accepted",
        says=("9 stamps", "the longest of 9 after 2024-01-31", "masked"),
        values=[*VALUES[:12], *([float("nan")] * 9), *VALUES[21:]],
    ),
)  # fmt: skip


def _events() -> list[str]:
    """Return the moments of a log."""
    minutes = np.sort(np.random.default_rng(5).choice(60 * 24 * 30, 400, replace=False))
    return [str(np.datetime64("2024-01-01T00:00") + minute).replace("T", " ") for minute in minutes]


def _panel(calendars: dict[str, pd.DatetimeIndex]) -> str:
    lines = [f"{name},{stamp:%Y-%m-%d},{row}" for name, stamps in calendars.items() for row, stamp in enumerate(stamps)]
    return "\n".join(["shop,date,y", *lines]) + "\n"


def _wandering() -> list[str]:
    shifts = np.random.default_rng(2).integers(-9, 10, NUM_ROWS)
    return [f"{stamp:%Y-%m-%d %H:%M:%S}" for stamp in steps("2024-01-01", "5min") + pd.to_timedelta(shifts, unit="s")]


GRIDS: tuple[Case, ...] = (
    Case(
        "B57",
        "events",
        text_file(rows(_events())),
        "refused",
        says=("irregular", "up to 1 hour", "up to 1 day", "--resample", "--aggregate"),
        column="time",
        fix={"resample": "1D", "aggregate": "count"},
    ),
    Case(
        "B57",
        "resampled without a word on how",
        text_file(rows(_events())),
        "refused",
        flags={"resample": "1D"},
        says=("belong together", "--aggregate"),
        fix={"aggregate": "sum"},
        code=ExitCode.USAGE,
    ),
    Case(
        "B58",
        "a clock that wanders",
        text_file(rows(_wandering())),
        "repaired",
        says=("moved to the grid of frequency 5min", "by at most 9 seconds"),
        reads={"freq": "5min"},
        values=VALUES,
    ),
    Case(
        "B59",
        "series of days and of months",
        text_file(_panel({"a": steps("2024-01-01", "D"), "b": steps("2021-01-01", "MS")})),
        "refused",
        says=("D: `a`", "MS: `b`", "--resample MS --aggregate mean"),
        fix={"resample": "MS", "aggregate": "mean"},
    ),
    Case(
        "B59",
        "ends of months and first days",
        text_file(_panel({"a": steps("2021-01-31", "ME"), "b": steps("2021-01-01", "MS")})),
        "refused",
        says=("ME: `a`", "MS: `b`"),
        fix={"resample": "MS", "aggregate": "last"},
    ),
    Case("B59", "business days", text_file(rows(written(steps("2024-01-01", "B"), "%Y-%m-%d"))), "accepted",
         reads={"freq": "B"}, values=VALUES),
    Case(
        "B59",
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
        "B60",
        "stamps in the future",
        text_file(rows([f"{2900 + row}-01-01" for row in range(NUM_ROWS)])),
        "accepted",
        says=("in the future", "2900-01-01"),
        row=2,
        values=VALUES,
    ),
)  # fmt: skip

CASES: tuple[Case, ...] = (*FORMATS, *ZONES, *SPANS, *GRIDS)
