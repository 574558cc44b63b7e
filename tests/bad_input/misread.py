"""Files that a careless reader takes for something else without a word: timestamps read as file order, months as ids."""

from __future__ import annotations

import gzip

import pandas as pd

from tests.bad_input.harness import Case, text_file
from tests.bad_input.timestamp_texts import DAYS, NUM_ROWS, SECONDS, VALUES, edited, rows, steps, written

ENGLISH = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
#: Year and ISO week of weeks that pass a year of 53.
WEEKS = [timestamp.isocalendar() for timestamp in pd.date_range("2020-06-01", periods=NUM_ROWS, freq="7D")]
HOURS = steps("2024-10-26T22:00", "h").tz_localize("UTC").tz_convert("Europe/Berlin")
WIDE = "shop," + ",".join(DAYS[:6]) + "\n" + "".join(f"{name},1,2,3,4,5,6\n" for name in "abc")

UNREAD: tuple[Case, ...] = (
    Case(
        "unclear date",
        "a month by its name and a year of two digits",
        text_file(rows(written(steps("1982-04-01", "MS"), "%b-%y"), names="date,y")),
        "refused",
        says=("`date` is named like a time", "`Apr-82`", "--date-format '%b-%y'", "--time none"),
        column="date",
        fix={"date_format": "%b-%y"},
        fixed_values=VALUES,
    ),
    Case(
        "unclear date",
        "a month by its name and a year of two digits in a named column",
        text_file(rows(written(steps("1982-04-01", "MS"), "%b-%y"))),
        "refused",
        flags={"time": "time"},
        says=("`Apr-82` has a year of two digits", "--date-format %b-%y"),
        row=2,
        fix={"date_format": "%b-%y"},
        fixed_values=VALUES,
    ),
    Case(
        "format",
        "a day of the year",
        text_file(rows(written(steps("2024-01-01", "D"), "%Y-%j"), names="day,y")),
        "refused",
        says=("`2024-001`", "--date-format '%Y-%j'"),
        column="day",
        fix={"date_format": "%Y-%j"},
        fixed_values=VALUES,
    ),
    Case(
        "offset",
        "zones by their letters",
        text_file(rows([f"{timestamp:%Y-%m-%d %H:%M %Z}" for timestamp in HOURS])),
        "refused",
        says=("`2024-10-27 00:00 CEST`", "zones by their offset, as +01:00"),
        column="time",
        fix=text_file(rows([timestamp.isoformat() for timestamp in HOURS])),
        fixed_values=VALUES,
    ),
    Case(
        "period",
        "seasons that look like months",
        text_file(rows([f"{year}-{(year + 1) % 100:02d}" for year in range(2000, 2012)], names="year,y")),
        "refused",
        says=("`2000-01` in row 2 may be a month, or the season", "--date-format %Y-%m"),
        row=2,
        column="year",
        fix=text_file(rows(range(2000, 2012), names="year,y")),
        fixed_values=VALUES[:12],
    ),
    Case(
        "missing timestamp",
        "all that is wrong with a column of timestamps at once",
        text_file(rows([{3: "2024-02-30", 8: "", 11: "soon"}.get(row, day) for row, day in enumerate(DAYS)])),
        "refused",
        says=("row 10: missing timestamp", "`2024-02-30` is not a date", "`soon` is not a date"),
        row=13,
        column="time",
        fix=edited(lambda text: text.replace("2024-02-30", "2024-01-23").replace("\n,8", "\n2024-01-28,8").replace(
            "soon", "2024-01-31")),
        fixed_values=VALUES,
    ),
)  # fmt: skip

PARTS: tuple[Case, ...] = (
    Case("split date", "year and quarter by its letter",
         text_file(rows([f"{1990 + row // 4},Q{row % 4 + 1}" for row in range(NUM_ROWS)], names="Year,Quarter,y")),
         "accepted", reads={"time": "Year+Quarter", "freq": "QS-JAN", "num_series": 1}, values=VALUES),
    Case("split date", "year and month by its name",
         text_file(rows([f"{1990 + row // 12},{ENGLISH[row % 12]}" for row in range(NUM_ROWS)], names="Year,Month,y")),
         "accepted", reads={"time": "Year+Month", "freq": "MS", "num_series": 1}, values=VALUES),
    Case("split date", "year and week", text_file(rows([f"{year},{week}" for year, week, _ in WEEKS], names="year,week,y")),
         "accepted", says=("read as ISO weeks",), reads={"time": "year+week", "freq": "W-MON"}, values=VALUES),
    Case(
        "split date",
        "a week that its year lacks",
        text_file(rows([f"2021,{week}" for week in range(20, 54)], names="year,week,y")),
        "refused",
        says=("`53` is not an ISO week of its year",),
        row=35,
        column="week",
        fix=edited(lambda text: text.replace("2021,53", "2022,1")),
        fixed_values=VALUES[:34],
    ),
)  # fmt: skip

NUMBERS: tuple[Case, ...] = (
    Case("period", "weeks as one number", text_file(rows([100 * year + week for year, week, _ in WEEKS], names="week,y")),
         "accepted", says=("YYYYWW",), reads={"freq": "W-MON"}, values=VALUES),
    Case("period", "months with a point", text_file(rows(written(steps("2020-01-01", "MS"), "%Y.%m"))), "accepted",
         reads={"freq": "MS"}, values=VALUES),
    Case("period", "years with decimals", text_file(rows([f"{1949 + row / 12:.7g}" for row in range(NUM_ROWS)])),
         "accepted", says=("years with decimals",), reads={"freq": "MS"}, values=VALUES),
    Case("period", "quarters as decimals of years", text_file(rows([f"{1950 + row / 4:g}" for row in range(NUM_ROWS)])),
         "accepted", says=("years with decimals",), reads={"freq": "QS-JAN"}, values=VALUES),
    Case(
        "period",
        "quarters behind the point",
        text_file(rows([f"{1987 + row // 4}.{row % 4 + 1}" for row in range(NUM_ROWS)], names="date,y")),
        "refused",
        says=("1987.1 is neither",),
        column="date",
        fix={"time": "none"},
        fixed_values=VALUES,
    ),
    *(
        Case("epoch", f"epochs in a column called {name}", text_file(rows(SECONDS, names=f"{name},y")), "accepted",
             says=("read as s since 1970",), reads={"time": name, "freq": "min"}, values=VALUES)
        for name in ("ts", "x")
    ),
)  # fmt: skip

PACKED: tuple[Case, ...] = (
    Case("compression", "bytes behind a gzip", text_file(gzip.compress(rows(DAYS).encode()) + b"2024-03-01,7", "rows.csv.gz"),
         "refused", says=("damaged or truncated gzip",), fix=text_file(rows(DAYS), "rows.csv"), fixed_values=VALUES),
    Case("compression", "zeros behind a gzip", text_file(gzip.compress(rows(DAYS).encode()) + bytes(512), "rows.csv.gz"),
         "accepted", values=VALUES),
    *(
        Case("wrong file type", f"{words} named csv", text_file(magic + b"abc\n" * 9), "refused", says=(words, "export"))
        for words, magic in (("an LZ4 file", b"\x04\x22\x4d\x18"), ("a RAR archive", b"Rar!\x1a\x07\x01"),
                             ("compressed with `compress`", b"\x1f\x9d\x90"))
    ),
)  # fmt: skip

LAYOUTS: tuple[Case, ...] = (
    Case(
        "header",
        "timestamps side by side in the header",
        text_file(WIDE),
        "refused",
        says=("the table is wide: 6 columns are named after timestamps", "--wide", "--target 2024-01-25"),
        column=DAYS[0],
        fix={"target": (DAYS[5],)},
    ),
    *(
        Case(
            "delimiter",
            f"cells parted by {words}",
            text_file(rows(DAYS).replace(",", sign)),
            "refused",
            says=("another delimiter", f"--delimiter {flag}"),
            fix={"delimiter": sign},
            fixed_values=VALUES,
        )
        for words, sign, flag in (("blanks", " ", "space"), ("tildes", "~", "'~'"), ("carets", "^", "'^'"))
    ),
)

CASES: tuple[Case, ...] = (*UNREAD, *PARTS, *NUMBERS, *PACKED, *LAYOUTS)
