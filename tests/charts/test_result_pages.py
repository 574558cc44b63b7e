"""Pages of results, charts of a training and of alarms, and the page that must not replace another one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.charts.alarm_charts import alarm_chart
from rnnforecast.charts.chart import step_words
from rnnforecast.charts.network_charts import gradient_chart, loss_chart, memory_chart
from rnnforecast.charts.page import code_text
from rnnforecast.charts.report import page_of, result_page
from rnnforecast.charts.score_charts import gains_chart, lead_chart
from rnnforecast.charts.sections import _SIMPLE
from rnnforecast.config import DataSettings
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.naive import METHODS
from rnnforecast.findings import JSONValue
from rnnforecast.inference.categorical import CATEGORICAL_BASELINES
from rnnforecast.mixture.gains import CovariateGain
from rnnforecast.store.record import FitCurve, LeadRecord
from tests.cli import examples
from tests.cli.conftest import RunCommand
from tests.cli.detect_examples import detect_result

CURVE = FitCurve(
    name="gru, 48 steps",
    steps=(10, 20),
    losses=(0.9, 0.4),
    norms=(2.0, 0.5),
    score_steps=(10, 20),
    scores=(0.8, 0.85),
    best_step=10,
)


def test_the_curves_of_a_training_are_drawn_with_both_kinds_of_windows() -> None:
    chart = loss_chart([CURVE, CURVE])
    assert [(row["network"], row["windows"], row["t"], row["loss"]) for row in chart.rows[:3]] == [
        ("gru, 48 steps", "training", 10, 1.125),
        ("gru, 48 steps", "training", 20, 0.5),
        ("gru, 48 steps", "validation", 10, 1.0),
    ]
    assert "gru, 48 steps #2 1 at step 10" in chart.summary
    assert "do not compare between networks" in chart.subtitle
    gradients = gradient_chart([CURVE], clip=1.0)
    assert "at most 2 on average over a few steps; it is clipped above 1." in gradients.summary


def test_a_network_that_reads_segments_has_an_unbroken_line() -> None:
    result = examples.diagnose_result()
    curves: tuple[Mapping[str, JSONValue], ...] = (
        {"name": "gru", "lags": [48, 96], "norms": [1.0, 0.5]},
        {"name": "rnn", "lags": [1, 2], "norms": [1.0, 0.0]},
    )
    chart = memory_chart(replace(result, memory=curves))
    assert all(row["norm"] > 0 for row in chart.rows)
    assert [(row["network"], row["t"]) for row in chart.rows] == [("gru", 48), ("gru", 96), ("rnn", 1)]


def test_alarms_are_marks_on_the_rows() -> None:
    result = detect_result()
    chart = alarm_chart(result, result.previews[0])
    marks = next(layer for layer in chart.layers if layer["mark"]["type"] == "point")
    assert len(marks["data"]["values"]) == np.isfinite(result.previews[0].median).sum()
    assert chart.title == "vibration: 3 alarms, 12 rows above the threshold"
    spans = next(layer for layer in chart.layers if layer["mark"]["type"] == "rect")
    assert len(spans["data"]["values"]) == len(result.alarms)


def test_bounds_and_a_direction_that_say_nothing_are_left_out() -> None:
    result = detect_result(num_alarms=1)
    absurd = {**result.alarms[0], "kind": "shape", "lower": -98_765.0, "upper": 98_765.0}
    page = result_page(replace(result, alarms=(absurd,)), command="").to_html()
    assert "98,76" not in page
    assert "<td>shape</td>" in page


def test_every_column_with_an_alarm_is_drawn(tmp_path: Path) -> None:
    generator = np.random.default_rng(1)
    a, b = generator.normal(size=(2, 700))
    a[600], b[650] = 40, 40
    days = np.datetime64("2022-01-01") + np.arange(700)
    rows = [f"{day},{one:.3f},{other:.3f}" for day, one, other in zip(days, a, b, strict=True)]
    (tmp_path / "m.csv").write_text("\n".join(["day,a,b", *rows]), encoding="utf-8")
    reading = DataSettings(target=("a", "b"))
    found = rnnforecast.detect([tmp_path / "m.csv"], last="150 steps", reading=reading, store=tmp_path / "store")
    assert {preview.target for preview in found.previews} == {"a", "b"}


def test_every_alarm_of_a_long_history_is_marked() -> None:
    result = detect_result()
    count = 20_000
    times = np.datetime64("2024-01-01", "us") + np.arange(count) * np.timedelta64(1, "m")
    values = np.sin(np.arange(count) / 50)
    marked = np.where(np.arange(count) % 6_007 == 6_006, values, np.nan)
    preview = replace(
        result.previews[0], past_timestamps=times, past_target=values, timestamps=times, median=marked,
        quantiles=np.zeros((count, 2)),
    )  # fmt: skip
    chart = alarm_chart(result, preview)
    marks = next(layer for layer in chart.layers if layer["mark"]["type"] == "point")
    assert (len(chart.rows), len(marks["data"]["values"])) == (5_000, 3)


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (examples.compare_result(), ["Comparison of methods", "Error by method"]),
        (examples.diagnose_result(), ["How far back a gradient reaches", "Advice"]),
        (detect_result(), ["3 alarms in 3,432 rows", "missing signal", "network"]),
        (detect_result(panel=True), ["&lt;", "[red]p0[/]"][1:]),
        (detect_result(num_alarms=0), ["No alarm", "No row is as rare as the budget allows."]),
    ],
    ids=["compare", "diagnose", "detect", "panel", "no alarm"],
)
def test_a_result_has_a_page(result: object, words: list[str]) -> None:
    page = result_page(result, command="rnnforecast again").to_html()  # type: ignore[arg-type]
    assert [each for each in [*words, "rnnforecast again"] if each not in page] == []


def test_a_result_without_a_page_is_rejected() -> None:
    with pytest.raises(UsageError, match="a DoctorResult has no page"):
        page_of(examples.doctor_result())


@pytest.mark.usefixtures("workplace")
def test_inspect_and_detect_write_pages(run: RunCommand, workplace: Path) -> None:
    ended = run("inspect", "good.csv", "--report", "read.html")
    assert (ended.code, "page written to read.html" in ended.err) == (0, True)
    page = (workplace / "read.html").read_text(encoding="utf-8")
    assert "How the data were read" in page
    ended = run("detect", "good.csv", "--report", "good.csv")
    assert (ended.code, "would overwrite the data" in ended.err) == (2, True)


def test_a_report_replaces_a_page_only_when_it_is_named(workplace: Path, run: RunCommand) -> None:
    (workplace / "report.html").write_text("mine", encoding="utf-8")
    ended = run("report")
    assert (ended.code, "report.html exists, and no `--output` names it" in ended.err) == (2, True)
    assert (workplace / "report.html").read_text(encoding="utf-8") == "mine"
    assert "`--overwrite` replaces it, `--output report-2.html` writes next to it" in ended.err
    assert run("report", "--output", "report.html", "--overwrite").code == 2
    assert run("report", "--overwrite").code == 0
    assert "good@1" in (workplace / "report.html").read_text(encoding="utf-8")


def test_a_report_has_the_test_by_lead_time_without_a_second_fit(workplace: Path, run: RunCommand) -> None:
    assert run("report", "--output", "page.html").code == 0
    page = (workplace / "page.html").read_text(encoding="utf-8")
    assert 'data-chart="test-leads"' in page
    assert 'data-chart="test-calibration"' in page
    assert 'data-chart="leads"' not in page


def test_a_page_of_a_large_panel_has_one_past_window_of_each_series(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = np.arange("2024-01-01", "2024-03-01", dtype="datetime64[D]")
    rows = [f"{day},{name},{place % 7 + number}" for number, name in enumerate("abc") for place, day in enumerate(days)]
    (tmp_path / "panel.csv").write_text("\n".join(["day,shop,sales", *rows]), encoding="utf-8")
    found = []
    for large in (4, 3):
        monkeypatch.setattr("rnnforecast.charts.report.LARGE_PANEL", large)
        rnnforecast.report("base", [tmp_path / "panel.csv"], output=tmp_path / "page.html")
        found += re.findall(
            r"what happened: (\d+) of each series", (tmp_path / "page.html").read_text(encoding="utf-8")
        )
    assert (int(found[0]) > 1, found[1]) == (True, "1")


def test_a_record_whose_parts_differ_in_length_is_rejected() -> None:
    with pytest.raises(ValueError, match="as many values as steps"):
        FitCurve(steps=(1,), losses=(1.0, 2.0), norms=(1.0,))
    with pytest.raises(ValueError, match="one value for each lead time"):
        LeadRecord(leads=(1, 2), mase={"ensemble": (1.0,)})
    with pytest.raises(ValueError, match="one value for each level"):
        LeadRecord(levels=(0.1, 0.9), below=(0.5,))


def test_a_step_has_words_and_a_hidden_line_is_named() -> None:
    assert [step_words(alias) for alias in ("MS", "30min", "W-MON", "1D", "5min@Mon-Fri")] == [
        "one month", "30 minutes", "one week", "one day", "5min@Mon-Fri"]  # fmt: skip
    rows = [{"method": name, "lead": lead, "mase": error + lead} for lead in (1, 2) for name, error in
            (("ensemble", 1.0), ("base", 1.001), ("naive", 3.0))]  # fmt: skip
    chart = lead_chart(
        rows, {name: {"mase": error} for name, error in (("ensemble", 1.0), ("base", 1.1), ("naive", 3.0))}
    )
    assert chart is not None
    assert chart.subtitle.endswith("smaller is better; base lies below ensemble")


def test_what_covariates_gain_is_drawn_the_most_helpful_first() -> None:
    chart = gains_chart([CovariateGain("holiday", 1.5, 20, 8, 1), CovariateGain("temperature", -12.0, 20, 17, 1)])
    assert chart is not None
    assert [(row["covariate"], row["effect"]) for row in chart.rows] == [
        ("temperature", "helps"),
        ("holiday", "does not help"),
    ]
    assert chart.summary == "Change of the error with each covariate: temperature -12 %, holiday +1.5 %."
    assert gains_chart([]) is None


def test_the_parts_of_a_forecast_are_drawn_and_totals_have_no_page(workplace: Path, run: RunCommand) -> None:
    asked = ("predict", "base", "--data", "good.csv", "--no-ledger")
    assert run(*asked, "--components", "--report", "parts.html").code == 0
    page = (workplace / "parts.html").read_text(encoding="utf-8")
    assert "Parts of the forecast" in page
    assert "the parts add up to it" in page
    ended = run(*asked, "--total", "all", "--report", "total.html")
    assert (ended.code, "neither draws their sums" in ended.err) == (2, True)
    assert not (workplace / "total.html").exists()


def test_what_stands_between_backticks_is_code_and_its_markup_text() -> None:
    assert code_text("use `--refit <b>`") == "use <code>--refit &lt;b&gt;</code>"


def test_the_verdict_says_what_each_naive_forecast_is() -> None:
    assert set(_SIMPLE) == {*METHODS, *CATEGORICAL_BASELINES}
