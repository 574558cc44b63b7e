"""What other programs export: banks, meters, loggers, markets, statistics; read right, or with the flags of the hint."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from tests.bad_input.harness import Case, Flags, Outcome, text_file

#: How a moment is written: a format, or what returns its text.
Write = Callable[[pd.Timestamp], str] | str
NUM_ROWS = 40
DAYS = list(pd.date_range("2024-01-15", periods=NUM_ROWS))
HOURS = list(pd.date_range("2024-01-15", periods=NUM_ROWS, freq="h"))
HALVES = list(pd.date_range("2024-01-15", periods=NUM_ROWS, freq="30min"))
MONTHS = list(pd.date_range("2020-01-01", periods=NUM_ROWS, freq="MS"))
QUARTERS = list(pd.date_range("2010-01-01", periods=NUM_ROWS, freq="QS"))
WEEKS = list(pd.date_range("2024-01-01", periods=NUM_ROWS, freq="7D"))
VALUES = [float(round(value, 1)) for value in 1_200 + 300 * np.sin(np.arange(NUM_ROWS)) + np.arange(NUM_ROWS)]


def _written(moment: pd.Timestamp, write: Write) -> str:
    return moment.strftime(write) if isinstance(write, str) else write(moment)


def _rows(
    header: str,
    moments: list[pd.Timestamp],
    write: Write,
    number: str = "{:.1f}",
    *,
    sign: str = ",",
) -> str:
    """Return a table of two columns: moments as they are written, and the values."""
    texts = [_written(moment, write) for moment in moments]
    return header + "".join(f"{text}{sign}{number.format(value)}\n" for text, value in zip(texts, VALUES, strict=True))


def _spanish(month: pd.Timestamp) -> str:
    names = ("ene", "feb", "mar", "abr", "may", "jun", "jul", "ago", "sep", "oct", "nov", "dic")
    return f"{names[month.month - 1]}-{month:%y}"


def _thirteenth(day: pd.Timestamp) -> tuple[int, int]:
    """Return the year and the period of a row where each year has thirteen."""
    place = DAYS.index(day)
    return 2019 + place // 13, place % 13 + 1


def _half_hour(moment: pd.Timestamp) -> str:
    return f"{moment:%Y-%m-%d},{2 * moment.hour + moment.minute // 30 + 1}"


def _german(value: float) -> str:
    return f"{value:,.1f}".translate(str.maketrans(",.", ".,"))


def _read(name: str, text: str, freq: str, *, says: tuple[str, ...] = (), warns: bool = False) -> Case:
    outcome: Outcome = "repaired" if warns else "accepted"
    return Case("export", name, text_file(text), outcome, says=says, values=VALUES, reads={"freq": freq})


def _fixed(name: str, text: str | bytes, says: tuple[str, ...], **fix: object) -> Case:
    flags: Flags = fix
    return Case("export", name, text_file(text), "refused", says=says, fix=flags, fixed_values=VALUES)


TIMES: tuple[Case, ...] = tuple(
    _read(f"timestamps such as {_written(moments[0], write)}", _rows("period,value\n", moments, write), freq)
    for moments, freq, write in (
        (MONTHS, "MS", "%m/%Y"),
        (MONTHS, "MS", lambda moment: f"{moment.month}-{moment.year}"),
        (MONTHS, "MS", lambda moment: f"{moment:%Y}年{moment.month}月"),
        (DAYS, "D", lambda moment: f"{moment:%Y}年{moment.month}月{moment.day}日"),
        (DAYS, "D", "%a %m/%d/%Y"),
        (DAYS, "D", "%A. %Y-%m-%d"),
        (WEEKS, "W-MON", lambda moment: f"Week of {moment:%b} {moment.day} {moment.year}"),
        (WEEKS, "W-MON", lambda moment: f"KW {moment.isocalendar()[1]:02d}/{moment.isocalendar()[0]}"),
        (WEEKS, "W-MON", lambda moment: f"{moment.isocalendar()[0]} week {moment.isocalendar()[1]}"),
        (QUARTERS, "QS-JAN", lambda moment: f"{moment.quarter}Q{moment:%y}"),
        (QUARTERS, "QS-JAN", lambda moment: f"Q{moment.quarter}'{moment:%y}"),
        (QUARTERS, "QS-JAN", lambda moment: f"T{moment.quarter} {moment.year}"),
        (QUARTERS, "QS-JAN", lambda moment: f"{moment.year} Quarter {moment.quarter}"),
        (MONTHS, "MS", lambda moment: f"FY{moment.year} P{moment.month:02d}"),
    )
)
NAMED_NUMBERS: tuple[Case, ...] = (
    _read("months as one number", _rows("yearmonth,value\n", MONTHS, "%Y%m"), "MS"),
    _read(
        "weeks as one number",
        _rows("yearweek,value\n", WEEKS, lambda moment: "{}{:02d}".format(*moment.isocalendar()[:2])),
        "W-MON",
    ),
    _read("seconds with decimals", _rows("ts,v\n", HOURS, lambda moment: f"{moment.timestamp():.3f}"), "h"),
    _read(
        "fiscal periods",
        _rows("fiscal_year,fiscal_period,sales\n", MONTHS, "%Y,%m"),
        "MS",
    ),
    _read(
        "periods of BLS",
        _rows("Year,Period,Value\n", MONTHS, "%Y,M%m"),
        "MS",
    ),
    _read("clock of twelve hours", _rows("Date,Time,kW\n", HOURS, "%m/%d/%Y,%I:%M:%S %p"), "h"),
    _read("starts in a column `von`", _rows("Datum;von;bis;Wert\n", HOURS, "%d.%m.%Y;%H:%M;x", sign=";"), "h"),
    _read(
        "settlement periods",
        _rows("SettlementDate,SettlementPeriod,Demand\n", HALVES, _half_hour),
        "30min",
    ),
    _fixed(
        "dates without marks",
        _rows("date,v\n", DAYS, "%d%m%Y"),
        ("may be a date without marks", "--date-format %d%m%Y"),
        date_format="%d%m%Y",
    ),
    _fixed(
        "dates without marks, year first",
        _rows("date,v\n", DAYS, "%y%m%d"),
        ("may be a date without marks", "--date-format %y%m%d"),
        date_format="%y%m%d",
    ),
    _fixed(
        "months in Spanish",
        _rows("Mes,v\n", MONTHS, _spanish),
        ("--locale es --date-format '%b-%y'",),
        locale="es",
        date_format="%b-%y",
    ),
    _fixed(
        "thirteen periods",
        _rows("period,sales\n", DAYS, lambda day: "FY{} P{:02d}".format(*_thirteenth(day))),
        ("is a period of 13 in a year", "--time none --season-length 13"),
        time="none",
        season_length=13,
    ),
    _fixed(
        "thirteen periods in a column",
        _rows("fiscal_year,period,sales\n", DAYS, lambda day: "{},{}".format(*_thirteenth(day))),
        ("is one of 13 periods of a year", "--time none --season-length 13"),
        time="none",
        season_length=13,
    ),
)

INFLUX = "#group,false,false,true\n#datatype,string,dateTime:RFC3339,double\n#default,_result,,\n,result,_time,_value\n"
TOA5 = '"TOA5","St1","CR1000","1234"\n"TIMESTAMP","RECORD","Power_Avg","Batt_V"\n"TS","RN","kW","Volts"\n"","","Avg","Smp"\n'
HOBO = '"Plot Title: 1234"\n"#","Date Time, GMT-05:00","Temp, °C (LGR S/N: 1)"\n'
SAP = "-----------------------\n|  Posting  |   Quantity|\n-----------------------\n"
TABLES: tuple[Case, ...] = (
    _fixed("annotations of InfluxDB", _rows(INFLUX, HOURS, ",,%Y-%m-%dT%H:%M:%SZ"), ("--comment '#'",), comment="#"),
    _read(
        "Campbell TOA5",
        _rows(TOA5, HOURS, lambda moment: f'"{moment:%Y-%m-%d %H:%M:%S}",{HOURS.index(moment)}', "{:.1f},12.5"),
        "h",
        says=("2 lines of units left out",),
        warns=True,
    ),
    _read(
        "HOBO",
        _rows(HOBO, HOURS, lambda moment: f"{HOURS.index(moment) + 1},{moment:%m/%d/%y %I:%M:%S %p}"),
        "h",
        warns=True,
    ),
    _read(
        "headers of pandas",
        _rows("Price,Close,Volume\nTicker,AAPL,AAPL\nDate,,\n", DAYS, "%Y-%m-%d", "{:.1f},7"),
        "D",
        warns=True,
    ),
    _read(
        "a frame of SAP",
        _rows(SAP, DAYS, "| %d.%m.%Y", "{:9.1f} |", sign=" |"),
        "D",
        says=("2 lines that draw a border",),
        warns=True,
    ),
    _read(
        "quotes and decimal commas",
        '"Date";"Kwh"\n'
        + "".join(f'"{day:%d-%m-%Y}";"{_german(value)}"\n' for day, value in zip(DAYS, VALUES, strict=True)),
        "D",
    ),
    _fixed(
        "a total without a name",
        _rows("Day,Users\n", DAYS, "%Y-%m-%d") + f",{sum(VALUES):.1f}\n",
        ("missing timestamp", "if it is a total: --footer 1"),
        footer=1,
    ),
    _fixed(
        "a header of two rows",
        _rows(",Sales,\nDate,North,North\n", DAYS, "%Y-%m-%d,1"),
        ("has no name above column 1", "--no-header --skip-rows 2"),
        header=False,
        skip_rows=2,
    ),
    _fixed(
        "apostrophes of Switzerland",
        _rows("Datum;Betrag CHF\n", DAYS, "%d.%m.%Y", "{:,.1f}", sign=";").replace(",", "’"),
        ("--number-format financial",),
        number_format="financial",
    ),
)
TARGETS: tuple[Case, ...] = (
    _read(
        "a forecast among the columns",
        _rows("Time,Day-ahead Load Forecast [MW],Actual Load [MW]\n", HOURS, "%Y-%m-%d %H:%M,5"),
        "h",
    ),
    _read("words without blanks", _rows("SETTLEMENTDATE,RRP,TOTALDEMAND\n", HOURS, "%Y/%m/%d %H:%M:%S,5"), "h"),
    Case(
        "export",
        "tickets",
        text_file("Created,Ticket ID\n" + "".join(f"{hour},{9_000 + row}\n" for row, hour in enumerate(HOURS))),
        "refused",
        says=("no numeric column to forecast but `Ticket ID`", "--resample 1D --aggregate count"),
        fix={"target": "Ticket ID", "resample": "1D", "aggregate": "count"},
        fixed_values=[24.0, 16.0],
    ),
)

CASES: tuple[Case, ...] = (*TIMES, *NAMED_NUMBERS, *TABLES, *TARGETS)
