from __future__ import annotations

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
from rich.text import Text

from rnnforecast.cli.render import render
from rnnforecast.cli.render.blocks import draw, duration, errors, number, numbers, open_console, quiet_table
from rnnforecast.cli.render.csv import main_table, write_csv
from rnnforecast.cli.render.metrics import order_methods
from rnnforecast.cli.render.notices import write_notices
from rnnforecast.cli.render.plot import plot, sparkline
from rnnforecast.findings import plural
from rnnforecast.json_values import Document
from tests.cli import examples


def _csv(result: object) -> list[list[str]]:
    stream = io.StringIO()
    write_csv(result, stream)  # type: ignore[arg-type]
    return list(csv.reader(io.StringIO(stream.getvalue())))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.9341, "0.934"),
        (1.0, "1.000"),
        (123.456, "123.5"),
        (1234567.8, "1,234,568"),
        (0.01234567, "0.01235"),
        (1e12, "1.000e+12"),
        (1e-9, "1.000e-09"),
        (0.0, "0.000"),
        (-12.345, "-12.35"),
        (float("nan"), "–"),
        (None, "–"),
    ],
)
def test_a_number_has_four_significant_digits(value: object, text: str) -> None:
    assert number(value) == text


def test_numbers_of_a_column_share_their_decimals() -> None:
    assert numbers([1234.5, 0.126, None]) == ["1,234", "0", "–"]
    assert numbers([10.0, 0.126]) == ["10.00", "0.13"]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        pytest.param([0.7523, 1234567.9], ["0.752", "1,234,568"], id="beside one that exploded"),
        pytest.param([1e15, 0.7523, 12.3], ["1.000e+15", "0.752", "12.300"], id="and one that exploded out of sight"),
        pytest.param([6.874, 123.45, None], ["6.874", "123.450", "–"], id="decimals of the smallest"),
        pytest.param([6.874, 1234.5, 20123.4], ["6.874", "1,234", "20,123"], id="no decimals that say nothing"),
        pytest.param([0.0003123, 0.0012], ["0.0003123", "0.0012000"], id="small ones"),
        pytest.param([1e-12, 12.3, 345.6], ["1.000e-12", "12.30", "345.60"], id="one that is all but perfect"),
        pytest.param([0.0, 12.3], ["0.00", "12.30"], id="one that is perfect"),
        pytest.param([0.0, 0.0], ["0.000", "0.000"], id="all perfect"),
        pytest.param([float("inf"), float("nan")], ["–", "–"], id="none finite"),
        pytest.param([], [], id="none at all"),
    ],
)
def test_errors_keep_the_digits_of_the_smallest_and_lose_those_that_say_nothing(
    values: list[object], texts: list[str]
) -> None:
    assert errors(values) == texts


@pytest.mark.parametrize("width", [80, 120])
def test_a_method_that_exploded_takes_no_digit_from_the_others(width: int) -> None:
    result = examples.train_result()
    metrics = {**examples.metrics(), "drift": examples.scores(1234567.9)}
    drawn = render(replace(result, metrics=metrics), stream=io.StringIO(), width=width)
    table = drawn.partition("Test")[2].partition("\n\n")[0].splitlines()[2:]
    shown = {line.split()[0]: line.split()[1] for line in table}
    assert (shown["ensemble"], shown["naive"], shown["drift"]) == ("0.934", "1.210", "1,234,568")


@pytest.mark.parametrize(("seconds", "text"), [(0.42, "0.4 s"), (12.4, "12 s"), (200.0, "3 min 20 s")])
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_one_row_is_not_rows() -> None:
    assert (plural(1, "row"), plural(1258, "row"), plural(2, "series", "series")) == ("1 row", "1,258 rows", "2 series")


def test_the_ensemble_comes_first_and_baselines_follow_by_mase() -> None:
    assert order_methods(examples.metrics()) == ["ensemble", "drift", "naive", "seasonal-naive"]


def test_networks_that_are_compared_come_before_every_baseline() -> None:
    metrics = {"naive": {"mase": 0.5}, "gru": {"mase": 0.9}, "lstm": {"mase": 0.8}, "drift": {"mase": math.nan}}
    assert order_methods(metrics, ("gru", "lstm")) == ["lstm", "gru", "naive", "drift"]


def test_a_chart_has_a_line_a_row_and_two_for_the_time_axis() -> None:
    preview = examples.preview()
    lines = plot(preview, interval=None, median=preview.quantiles[:, 2], width=60, height=10)
    assert len(lines) == 12
    assert max(line.cell_len for line in lines) <= 60


def test_a_chart_shades_the_interval_after_the_last_row_alone() -> None:
    preview = examples.preview()
    low, high = preview.quantiles[:, 0], preview.quantiles[:, 4]
    lines = plot(preview, interval=(low, high), median=preview.quantiles[:, 2], width=80)
    shaded = [line.plain.index("░") for line in lines if "░" in line.plain]
    assert min(shaded) > 60


@pytest.mark.parametrize("past", [[], [5.0], [np.nan, np.nan], [1.0, np.nan, 3.0], [7.0, 7.0, 7.0]])
def test_a_chart_is_drawn_of_short_missing_and_constant_rows(past: list[float]) -> None:
    whole = examples.preview(steps=True)
    values = np.asarray(past)
    preview = type(whole)(
        "",
        "y",
        np.arange(len(past)),
        values,
        np.arange(len(past), len(past) + 3),
        np.full(3, 7.0),
        np.full((3, 1), 7.0),
    )
    assert len(plot(preview, interval=None, median=preview.quantiles[:, 0], width=60)) == 14


def test_one_step_ahead_has_its_time_once_on_the_axis() -> None:
    whole = examples.preview(steps=True)
    preview = replace(whole, timestamps=whole.timestamps[:1], quantiles=whole.quantiles[:1], median=whole.median[:1])
    axis = plot(preview, interval=None, median=preview.median, width=80)[-1].plain.split()
    assert axis == [str(whole.past_timestamps[0]), str(whole.timestamps[0])]


def test_a_sparkline_rises_with_its_values_and_skips_missing_ones() -> None:
    assert sparkline(np.array([0.0, 1.0, np.nan, 2.0, 3.0])) == "▁▃▆█"
    assert sparkline(np.array([np.nan])) == ""


def test_csv_of_a_training_is_its_metrics() -> None:
    rows = _csv(examples.train_result())
    assert rows[0][:3] == ["method", "mase", "rmsse"]
    assert [row[0] for row in rows[1:]] == ["naive", "ensemble", "seasonal-naive", "drift"]


def test_csv_of_a_forecast_has_a_row_a_step_and_the_columns_of_the_frame() -> None:
    result = examples.predict_result(["a", "b"])
    rows = _csv(result)
    assert rows[0] == result.columns
    assert len(rows) == 1 + 2 * 10


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_text_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    rows = _csv(examples.predict_result([f"{start}cmd", "b"]))
    assert rows[1][0] == f"'{start}cmd"


def test_hidden_characters_show_in_csv() -> None:
    rows = _csv(examples.predict_result(["a\x1b[31m\x9b\u202e\rb", "b"]))
    assert rows[1][0] == r"a\x1b[31m\x9b\u202e\rb"


def test_negative_numbers_stay_numbers_in_csv() -> None:
    result = examples.train_result("loss")
    metrics = {"ensemble": {**examples.scores(1.0), "mae": -1.5}}
    assert _csv(type(result)(**{**vars(result), "metrics": metrics}))[1][4] == "-1.5"


def test_csv_of_doctor_and_models_has_a_row_each() -> None:
    assert len(_csv(examples.doctor_result())) == 3
    assert [row[0] for row in _csv(examples.models_result())] == ["model", "prices@1", "sales@2"]


def test_notices_list_five_findings_count_the_rest_and_end_with_the_notes() -> None:
    stream = io.StringIO()
    write_notices([examples.FINDING] * 7, notes=("the forecast is recursive",), stream=stream)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "warning: prices.csv: 36 business days are missing and were masked (`--freq D` keeps weekends)"
    assert lines[5:] == ["and 2 more findings, `rnnforecast inspect` lists all", "note: the forecast is recursive"]


def test_one_finding_that_is_not_listed_is_counted_as_one() -> None:
    stream = io.StringIO()
    write_notices([examples.FINDING] * 6, notes=(), stream=stream)
    assert stream.getvalue().splitlines()[5:] == ["and 1 more finding, `rnnforecast inspect` lists all"]


def _screen(result: Document, width: int) -> str:
    return render(result, stream=io.StringIO(), width=width)


def test_the_forecast_on_the_screen_is_the_median_whatever_levels_were_asked_for() -> None:
    full = examples.predict_result()
    first = replace(full.previews[0], quantiles=full.previews[0].quantiles[:, :1])
    screen = _screen(replace(full, quantile_levels=(0.025,), previews=(first,)), 80)
    header, row = screen.splitlines()[1:3]
    assert header.split() == ["forecast", "q0.025", "mean"]
    assert row.split()[1:3] == numbers([float(first.median[0]), float(first.quantiles[0, 0])], digits=5)


def test_an_interval_that_was_asked_for_is_shown_by_its_name() -> None:
    full = replace(examples.predict_result(), quantile_levels=(0.05, 0.25, 0.5, 0.75, 0.95))
    assert full.previews[0].quantiles.shape[1] == 5
    header = _screen(full, 80).splitlines()[1]
    assert [word.strip() for word in header.split("  ") if word] == [
        "forecast",
        "50 % interval",
        "90 % interval",
        "mean",
    ]


@pytest.mark.parametrize("width", [34, 40, 60, 80])
def test_no_number_of_a_forecast_is_cut_on_a_narrow_terminal(width: int) -> None:
    table = _screen(examples.predict_result(), width).split("\n\n")[0].splitlines()[2:]
    assert all(len(line) <= width for line in table)
    assert [line.split()[1] for line in table] == numbers(list(examples.predict_result().previews[0].median), digits=5)


@pytest.mark.parametrize("width", [40, 60, 80])
def test_no_number_of_a_table_of_metrics_is_cut(width: int) -> None:
    huge = {name: {**scores, "mae": 8.5e9, "rmse": 9.8e9} for name, scores in examples.metrics().items()}
    screen = _screen(replace(examples.train_result(), metrics=huge), width)
    table = screen[screen.index("Test") :].split("\n\n")[0]
    assert "…" not in table
    assert f"{huge['ensemble']['mase']:.3f}" in table
    assert "`--format json` also has" in table


def test_a_naive_forecast_without_error_is_reported_to_make_none() -> None:
    verdict = {**examples.verdict("tie"), "skill": None, "skill_interval": [None, None]}
    screen = _screen(replace(examples.train_result(), verdict=verdict), 100)
    assert "the ensemble does not beat" in screen
    assert "makes no error here" in screen
    assert "error is –" not in screen


def test_a_result_without_a_screen_or_a_table_is_an_error() -> None:
    class Other(Document):
        """A result nobody registered."""

    with pytest.raises(TypeError, match="no screen for Other"):
        render(Other(), stream=io.StringIO())
    with pytest.raises(TypeError, match="no CSV table for Other"):
        main_table(Other())


def test_text_that_a_screen_forgot_to_escape_does_not_reach_the_terminal() -> None:
    table = quiet_table([("\x1b[31mname", "left")])
    table.add_row("\x1b]0;owned\x07 \u202eleft")
    drawn = draw([Text("a\x1b[2Jb"), table], open_console(io.StringIO()))
    assert "\x1b" not in drawn
    assert "\u202e" not in drawn
    assert r"a\x1b[2Jb" in drawn
    assert r"\x1b]0;owned" in drawn
