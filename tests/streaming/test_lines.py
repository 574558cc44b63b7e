"""Lines in three formats: what is read, what is written, and what is answered as malformed."""

from __future__ import annotations

import csv
import json
import math

import pytest

from rnnforecast.errors import DataError
from rnnforecast.options import LineFormat
from rnnforecast.streaming.lines import Columns, LineReader, LineWriter, Row, guess_format

COLUMNS = Columns("time", "heat", ("pump",))
NEW_YEAR = 1_704_067_200_000_000


@pytest.mark.parametrize(
    ("line", "kind"),
    [('{"time": 1}', "json"), ("pump,site=a heat=1.5 1704067200000000000", "influx"), ("time,pump,heat", "csv")],
)
def test_the_format_is_that_of_the_first_line(line: str, kind: str) -> None:
    assert guess_format(line) == kind


@pytest.mark.parametrize(
    ("kind", "line"),
    [
        ("csv", "a,2024-01-01 00:00:00,1.5"),
        ("csv", '"a",2024-01-01T00:00,1.5'),
        ("json", '{"heat": 1.5, "time": "2024-01-01T00:00:00", "pump": "a", "more": [1]}'),
        ("json", '{"heat": 1.5, "time": 1704067200, "pump": "a"}'),
        ("json", '{"heat": "1.5", "time": 1704067200000, "pump": "a"}'),
    ],
)
def test_a_row_is_series_time_and_value_in_every_format(kind: LineFormat, line: str) -> None:
    reader = LineReader(kind, COLUMNS, ["pump", "time", "heat"])
    row = reader.read(line)
    assert (row.key, row.time, row.value, row.problem) == ("a", NEW_YEAR, 1.5, "")


def test_the_series_of_the_influx_protocol_is_measurement_and_tags() -> None:
    row = LineReader("influx", COLUMNS).read('pump,site=a\\ b heat=1.5,state="on, off" 1704067200000000000')
    assert (row.key, row.time, row.value) == ("pump,site=a\\ b", NEW_YEAR, 1.5)


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        ("csv", "a,2024-01-01", "2 fields, the header has 3"),
        ("csv", "a,yesterday,1", "yesterday"),
        ("csv", "a,2024-01-01T00:00Z,1", "in a zone, unlike those of the model"),
        ("csv", "a,2024-01-01,warm", "value `warm` is not a number"),
        ("csv", "a,2024-01-01,inf", "infinite"),
        ("json", "{", "Expecting"),
        ("json", "[1]", "not a JSON object"),
        ("json", '{"time": "2024-01-01", "pump": "a"}', "`heat` is missing"),
        ("json", '{"time": null, "heat": 1, "pump": "a"}', "timestamp is missing"),
        ("influx", "pump", "not a line of the Influx protocol"),
        ("influx", "pump cold=1 1", "field `heat` is missing"),
        ("influx", "pump heat=1", "a timestamp is missing"),
    ],
)
def test_a_line_that_cannot_be_read_says_why(kind: LineFormat, line: str, problem: str) -> None:
    assert problem in LineReader(kind, COLUMNS, ["pump", "time", "heat"]).read(line).problem


@pytest.mark.parametrize(
    ("kind", "line", "problem"),
    [
        ("csv", '"a"\rb,2024-01-01,1', "a quoted field is followed by text, or never ends"),
        ("csv", f'"{"a" * 9_000_000}",2024-01-01,1', "longer than 1,000,000 characters"),
        ("json", "[" * 100_000, "nested too deeply"),
        ("json", '{"heat": ' + "9" * 6_000 + "}", "a number has too many digits"),
        ("json", '{"heat": 1, "time": NaN, "pump": "a"}', "`NaN` is not JSON: a missing value is null"),
        ("json", '{"heat": NaN, "time": "2024-01-01", "pump": "a"}', "`NaN` is not JSON: a missing value is null"),
        ("json", '{"heat": "1_000", "time": "2024-01-01", "pump": "a"}', "value `1_000` is not a number"),
        ("csv", "a,2024-01-01,1_000", "value `1_000` is not a number"),
        ("csv", "a,2024-01-01,\u0661", "value `\u0661` is not a number"),
        ("csv", f"{'a' * 1_001},2024-01-01,1", "the ids of its series have over 1,000 characters"),
        ("json", '{"heat": 1, "time": 1e300, "pump": "a"}', "the timestamp is out of range"),
        ("json", '{"heat": 1, "heat": 2, "time": "2024-01-01", "pump": "a"}', "a key is there twice"),
        ("json", '{"time": "2024-01-01", "pump": "a", "heat": 1' + "0" * 400 + "}", "a number is out of range"),
        ("influx", "m heat=1,heat=2 1", "a key is there twice"),
        ("influx", "pump heat=1 " + "9" * 40, "the timestamp is out of range"),
        ("influx", "pump heat=NaN 1704240000000000000", "value `NaN` is not a number"),
        ("influx", "pump heat=1iu 1704240000000000000", "value `1iu` is not a number"),
        ("influx", "pump heat=1_0 1704240000000000000", "value `1_0` is not a number"),
        ("influx", "m,=,, heat=1 1", "not a line of the Influx protocol"),
        ("influx", "m heat=1,,cold=2 1", "not a line of the Influx protocol"),
        ("influx", "m heat= 1", "not a line of the Influx protocol"),
    ],
)
def test_whatever_a_line_holds_is_answered_in_plain_words(kind: LineFormat, line: str, problem: str) -> None:
    assert LineReader(kind, COLUMNS, ["pump", "time", "heat"]).read(line).problem == problem


def test_a_quoted_field_beyond_the_limit_of_the_reader_is_answered() -> None:
    before = csv.field_size_limit(131_072)
    try:
        row = LineReader("csv", COLUMNS, ["pump", "time", "heat"]).read(f'"{"a" * 140_000}",2024-01-01,1')
    finally:
        csv.field_size_limit(before)
    assert row.problem == "a quoted field is too long"


@pytest.mark.parametrize(("step", "problem"), [("9" * 30, "step"), ("1.5", "step `1.5` is not a whole number")])
def test_a_step_that_is_no_number_of_64_bits_is_malformed(step: str, problem: str) -> None:
    columns = Columns("time", "heat", (), is_calendar=False)
    assert problem in LineReader("csv", columns, ["time", "heat"]).read(f"{step},1").problem


def test_a_month_is_its_first_day_as_train_reads_it() -> None:
    reader = LineReader("csv", COLUMNS, ["pump", "time", "heat"])
    assert reader.read("a,2024-02,1").time == reader.read("a,2024-02-01,1").time is not None


@pytest.mark.parametrize("text", ["02.01.2024", "2024-13", "soon"])
def test_a_timestamp_that_is_not_iso_is_answered_with_the_form_it_needs(text: str) -> None:
    problem = LineReader("csv", COLUMNS, ["pump", "time", "heat"]).read(f"a,{text},1").problem
    assert problem == f"timestamp `{text}` is not written like 2024-01-31 or 2024-01-31T13:45:00"


def test_an_empty_field_is_a_missing_value() -> None:
    row = LineReader("csv", COLUMNS, ["pump", "time", "heat"]).read("a,2024-01-01,")
    assert math.isnan(row.value)
    assert row.problem == ""


@pytest.mark.parametrize("kind", ["csv", "json"])
def test_ids_with_slashes_are_separate_series_and_come_back_unchanged(kind: LineFormat) -> None:
    columns = Columns("time", "heat", ("site", "pump"))
    reader = LineReader(kind, columns, ["site", "pump", "time", "heat"])
    writer = LineWriter(kind, columns, (0.5,), 1)
    pairs = [("a/b", "c"), ("a", "b/c"), ("a\\", "b/c"), ("a\\/b", "c"), ("a", "b")]
    lines = [
        json.dumps({"site": site, "pump": pump, "time": "2024-01-01", "heat": 1})
        if kind == "json"
        else f"{site},{pump},2024-01-01,1"
        for site, pump in pairs
    ]
    rows = [reader.read(line) for line in lines]
    assert len({row.key for row in rows}) == len(pairs)
    if kind == "csv":
        answers = [next(csv.reader([writer.line(row, "ok", (None,) * 4, (1.0,))])) for row in rows]
        assert [tuple(cells[:2]) for cells in answers] == pairs
        assert {len(cells) for cells in answers} == {len(next(csv.reader([writer.header()])))}


def test_an_id_that_a_spreadsheet_would_run_is_written_as_text() -> None:
    for text in ("=1+1", "-A1", "+A1", "@A1"):
        line = LineWriter("csv", COLUMNS, (0.5,), 1).line(
            Row(text, 0, "2024-01-01", 1.0, ids=[text]), "ok", (None,) * 4, ()
        )
        assert next(csv.reader([line]))[0] == f"'{text}"


def test_a_line_of_a_file_without_the_columns_is_not_printed() -> None:
    with pytest.raises(DataError, match=r"lacks time, heat, pump; it has: 1 other fields"):
        LineReader("csv", COLUMNS).read("root:hunter2:20228:0:99999:7:::")


def test_a_header_without_a_column_of_the_model_is_an_error() -> None:
    with pytest.raises(DataError, match="lacks heat; it has: pump, time"):
        LineReader("csv", COLUMNS).read("pump,time")


def test_a_repeated_header_is_a_header_and_another_one_is_malformed() -> None:
    reader = LineReader("csv", COLUMNS)
    assert reader.read("pump,time,heat").is_header
    assert reader.read("pump,time,heat").is_header
    assert "4 fields" in reader.read("pump,time,heat,load").problem


@pytest.mark.parametrize("kind", ["csv", "json", "influx"])
def test_an_answer_reads_back(kind: LineFormat) -> None:
    writer = LineWriter(kind, COLUMNS, (0.1, 0.9), 1)
    row = Row("a", NEW_YEAR, "2024-01-01", -1.5, ids=("a",))
    line = writer.line(row, "ok", (-2.0, None, -1.0, 1.5), (3.25, -4.0))
    assert line.endswith("\n")
    assert line.count("\n") == 1
    if kind == "json":
        record = json.loads(line)
        assert (record["value"], record["expected"], record["lower"], record["score"]) == (-1.5, -2, None, 1.5)
        assert (record["alarm"], record["q0.1"], record["q0.9"]) == (True, 3.25, -4)
    elif kind == "csv":
        names, cells = next(csv.reader([writer.header()])), next(csv.reader([line]))
        record = dict(zip(names, cells, strict=True))
        assert (record["pump"], record["heat"], record["q0.9"], record["alarm"]) == ("a", "-1.5", "-4", "true")
    else:
        assert line == 'a status="ok",alarm=true,expected=-2,upper=-1,score=1.5,q0.1=3.25,q0.9=-4 2024-01-01\n'


def test_an_answer_to_a_malformed_line_is_one_line_too() -> None:
    problem = LineReader("json", COLUMNS).read("{").problem
    for kind in ("csv", "json", "influx"):
        line = LineWriter(kind, COLUMNS, (0.5,), 2).line(Row(), f'malformed: "{problem}"', (None,) * 4, ())
        assert (line.count("\n"), line[-1]) == (1, "\n")
