from __future__ import annotations

import csv
import io
import math

import numpy as np
import pytest

from rnnforecast.cli.render.blocks import duration, number, numbers, plural
from rnnforecast.cli.render.csv import write_csv
from rnnforecast.cli.render.judgement import order_methods
from rnnforecast.cli.render.notices import write_notices
from rnnforecast.cli.render.plot import plot, sparkline
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


@pytest.mark.parametrize(("seconds", "text"), [(0.42, "0.4 s"), (12.4, "12 s"), (200.0, "3 min 20 s")])
def test_a_duration_reads_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_one_row_is_no_rows() -> None:
    assert (plural(1, "row"), plural(1258, "row"), plural(2, "series", "series")) == ("1 row", "1,258 rows", "2 series")


def test_the_network_stands_first_and_baselines_follow_by_mase() -> None:
    assert order_methods(examples.metrics()) == ["network", "drift", "naive", "seasonal-naive"]


def test_networks_that_are_compared_stand_before_every_baseline() -> None:
    metrics = {"naive": {"mase": 0.5}, "gru": {"mase": 0.9}, "lstm": {"mase": 0.8}, "drift": {"mase": math.nan}}
    assert order_methods(metrics, baselines=("naive", "drift")) == ["lstm", "gru", "naive", "drift"]


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
        "", "y", np.arange(len(past)), values, np.arange(len(past), len(past) + 3), np.full((3, 1), 7.0)
    )
    assert len(plot(preview, interval=None, median=preview.quantiles[:, 0], width=60)) == 14


def test_a_sparkline_rises_with_its_values_and_skips_missing_ones() -> None:
    assert sparkline(np.array([0.0, 1.0, np.nan, 2.0, 3.0])) == "▁▃▆█"
    assert sparkline(np.array([np.nan])) == ""


def test_csv_of_a_training_is_its_metrics() -> None:
    rows = _csv(examples.train_result())
    assert rows[0][:3] == ["method", "mase", "rmsse"]
    assert [row[0] for row in rows[1:]] == ["naive", "network", "seasonal-naive", "drift"]


def test_csv_of_a_forecast_has_a_row_a_step_and_the_columns_of_the_frame() -> None:
    result = examples.predict_result(["a", "b"])
    rows = _csv(result)
    assert rows[0] == result.columns
    assert len(rows) == 1 + 2 * 10


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r"])
def test_text_a_spreadsheet_would_run_gets_an_apostrophe(start: str) -> None:
    rows = _csv(examples.predict_result([f"{start}cmd", "b"]))
    assert rows[1][0] == f"'{start}cmd"


def test_negative_numbers_stay_numbers_in_csv() -> None:
    result = examples.train_result("loss")
    metrics = {"network": {**examples.scores(1.0), "mae": -1.5}}
    assert _csv(type(result)(**{**vars(result), "metrics": metrics}))[1][4] == "-1.5"


def test_csv_of_doctor_and_models_has_a_row_each() -> None:
    assert len(_csv(examples.doctor_result())) == 3
    assert [row[0] for row in _csv(examples.models_result())] == ["model", "prices@1", "sales@2"]


def test_notices_list_five_findings_count_the_rest_and_end_with_the_notes() -> None:
    stream = io.StringIO()
    write_notices([examples.FINDING] * 7, notes=("the forecast is recursive",), stream=stream)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "repair: prices.csv: 36 business days are missing and were masked (`--freq D` keeps weekends)"
    assert lines[5:] == ["and 2 more findings, `rnnforecast inspect` lists all", "note: the forecast is recursive"]
