"""Pictures of results: what is drawn, in words and marks, and what is rejected before the work."""

from __future__ import annotations

import json
import re
import struct
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.charts.chart import COLOURS, colours, themed, thinned, value
from rnnforecast.charts.forecast_charts import forecast_chart, intervals
from rnnforecast.charts.plot import charts_of, slide, write_picture
from rnnforecast.charts.profile_charts import clock_names
from rnnforecast.charts.score_charts import coverage_chart, error_chart, lead_chart, time_chart, verdict_words
from rnnforecast.errors import OutputError, UsageError
from tests.cli import examples
from tests.cli.conftest import RunCommand
from tests.house import ROOT

HOSTILE = "</script><b>&\"'\u202eevil\x1b[31m"


def _png_size(path: Path) -> tuple[int, int]:
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", content[16:24])
    return width, height


def test_predict_draws_a_slide_as_png(workplace: Path, run: RunCommand) -> None:
    ended = run("predict", "--plot", "forecast.png")
    assert (ended.code, "picture written to forecast.png" in ended.err) == (0, True)
    width, height = _png_size(workplace / "forecast.png")
    assert 2400 < width < 2900
    assert 1.6 < width / height < 2.0


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["evaluate"], ["Error by method", "Error by lead time", "seasonal-naive"]),
        (["inspect", "good.csv"], ["Usual course of a week", "Autocorrelation"]),
        (["compare", "good.csv", "--methods", "base"], ["Accuracy against time", "base"]),
        (["predict"], ["value", "7 steps ahead by good@1: 2024-03-31 to 2024-04-06", "80 % interval", "last row"]),
    ],
    ids=lambda words: words[0],
)
def test_a_picture_says_what_is_seen(workplace: Path, run: RunCommand, words: list[str], texts: list[str]) -> None:
    assert run(*words, "--plot", "picture.svg").code == 0
    drawn = (workplace / "picture.svg").read_text(encoding="utf-8")
    assert [text for text in texts if text not in drawn] == []
    assert "http" not in drawn.replace("http://www.w3.org/", "")


@pytest.mark.usefixtures("workplace")
def test_another_extension_is_rejected_before_the_work(run: RunCommand) -> None:
    ended = run("predict", "--plot", "forecast.pdf")
    assert (ended.code, ended.out) == (2, "")
    assert "picture forecast.pdf ends with neither .png nor .svg" in ended.err


def test_a_picture_never_overwrites_the_data(workplace: Path, run: RunCommand) -> None:
    (workplace / "good.csv").rename(workplace / "good.png")
    before = (workplace / "good.png").read_bytes()
    ended = run("predict", "--data", "good.png", "--plot", "./good.png")
    assert (ended.code, "--plot `good.png` would overwrite the data" in ended.err) == (2, True)
    assert (workplace / "good.png").read_bytes() == before


@pytest.mark.usefixtures("workplace")
def test_a_picture_below_a_file_is_reported_before_the_work(run: RunCommand) -> None:
    ended = run("inspect", "good.csv", "--plot", "good.csv/picture.png")
    assert (ended.code, ended.out) == (14, "")
    assert "`good.csv` is a file" in ended.err


@pytest.mark.usefixtures("workplace")
def test_without_the_extra_the_error_names_the_line_that_installs_it(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)  # importing it fails
    ended = run("predict", "--plot", "forecast.png")
    assert ended.code == 15
    assert "hint: pip install 'rnnforecast[report]'" in ended.err


def test_a_full_disk_leaves_no_picture(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OutputError("no space left")

    monkeypatch.setattr("rnnforecast.charts.plot.replace_bytes", full)
    with pytest.raises(OutputError, match="no space left"):
        rnnforecast.plot(rnnforecast.predict("good"), "forecast.png")
    assert not (workplace / "forecast.png").exists()


def test_names_from_files_stay_text(tmp_path: Path) -> None:
    result = examples.predict_result()
    preview = replace(result.previews[0], label=HOSTILE, target=HOSTILE)
    chart = forecast_chart(replace(result, previews=(preview,)), preview)
    write_picture([chart], tmp_path / "hostile.svg")
    drawn = (tmp_path / "hostile.svg").read_text(encoding="utf-8")
    assert "<b>" not in drawn
    assert "</script>" not in drawn
    assert "\u202e" not in drawn
    assert "\x1b" not in drawn


def test_a_name_of_ten_thousand_characters_is_shortened() -> None:
    result = examples.predict_result()
    preview = replace(result.previews[0], label="x" * 10_000)
    drawn = slide([forecast_chart(result, preview)])
    assert len(drawn["title"]["text"]) <= 90


@pytest.mark.parametrize("past", [[], [np.nan] * 8, [5.0], [5.0] * 8], ids=["none", "missing", "one row", "constant"])
def test_odd_series_are_drawn(tmp_path: Path, past: list[float]) -> None:
    result = examples.predict_result()
    times = result.previews[0].past_timestamps[: len(past)]
    preview = replace(result.previews[0], past_target=np.array(past), past_timestamps=times)
    chart = forecast_chart(result, preview)
    write_picture([chart], tmp_path / "odd.svg")
    assert ("no observed value" in chart.summary) == (not np.isfinite(past).any())


@pytest.mark.parametrize("name", ["constructor", "toString", "__proto__", "@bad"])
def test_a_name_that_means_something_to_the_library_is_drawn_as_a_name(tmp_path: Path, name: str) -> None:
    result = examples.predict_result()
    chart = forecast_chart(result, replace(result.previews[0], label=name, target=name))
    write_picture([chart], tmp_path / "name.svg")
    assert name in (tmp_path / "name.svg").read_text(encoding="utf-8")


def test_what_the_library_cannot_draw_is_an_error_of_the_output(tmp_path: Path) -> None:
    result = examples.predict_result()
    chart = replace(forecast_chart(result, result.previews[0]), layers=({"mark": "nothing"},))
    with pytest.raises(OutputError, match=r"picture .* cannot be drawn"):
        write_picture([chart], tmp_path / "none.svg")


@pytest.mark.parametrize(
    "lines", [["date,a", "2024-01-01,1"], ["date,a", *(f"2024-01-{d:02d},7" for d in range(1, 29))]]
)
def test_the_profile_of_little_data_is_drawn(tmp_path: Path, run: RunCommand, lines: list[str]) -> None:
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    ended = run("inspect", str(tmp_path / "rows.csv"), "--freq", "D", "--plot", str(tmp_path / "rows.svg"))
    assert ended.code == 0
    assert "Autocorrelation" in (tmp_path / "rows.svg").read_text(encoding="utf-8")


def test_a_result_without_a_picture_is_rejected() -> None:
    with pytest.raises(UsageError, match="a DoctorResult cannot be drawn"):
        charts_of(examples.doctor_result())


def test_intervals_are_the_usual_ones_widest_first() -> None:
    levels = (0.025, 0.1, 0.3, 0.5, 0.7, 0.9, 0.975)
    found = intervals(np.arange(7.0)[None], levels)
    assert [(each.level, each.low[0], each.high[0]) for each in found] == [(95, 0, 6), (80, 1, 5)]
    assert intervals(np.arange(3.0)[None], (0.1, 0.5, 0.7)) == []


def test_every_role_has_a_colour_in_both_themes() -> None:
    spec = slide([forecast_chart(examples.predict_result(), examples.predict_result().previews[0])])
    assert "@" not in json.dumps({key: item for key, item in spec.items() if key != "title"}).replace("prices@", "")
    assert themed({"color": "@ink", "data": {"values": ["@ink"]}}, dark=True) == {
        "color": COLOURS["@ink"][1],
        "data": {"values": ["@ink"]},
    }


def test_numbers_of_a_chart_are_finite_and_short() -> None:
    assert [value(number) for number in (1 / 3, np.nan, np.inf, None, 12345678.9)] == [
        0.333333,
        None,
        None,
        None,
        1.23457e7,
    ]


def test_a_long_line_is_cut_into_parts() -> None:
    assert thinned(4).tolist() == [0, 1, 2, 3]
    assert (len(thinned(100_000)), thinned(100_000)[-1] < 100_000) == (5_000, True)


@pytest.mark.parametrize(
    ("outcome", "skill", "words"),
    [
        ("win", 21.3, "The ensemble beats drift: its error is typically 21 % smaller"),
        ("loss", -21.3, "The ensemble loses to drift: its error is typically 21 % larger"),
        ("tie", -0.4, "The ensemble and drift are level: 0.4 % may be chance"),
    ],
)
def test_the_headline_is_the_verdict(outcome: str, skill: float, words: str) -> None:
    assert verdict_words(examples.verdict(outcome, skill=skill)) == words


def test_no_verdict_and_no_skill_are_reported() -> None:
    assert verdict_words(None) == "No verdict: there are too few rows for a test"
    untested = verdict_words(examples.untested())
    assert untested.startswith("Whether the ensemble beats drift cannot be tested yet: 3 windows are too few to test")
    assert "which makes no error here" in verdict_words({**examples.verdict("loss"), "skill": None})


def test_one_lead_time_has_no_chart_and_calibration_names_the_worst_quantile() -> None:
    assert lead_chart([{"method": "ensemble", "lead": 1, "mase": 1.0}], examples.metrics()) is None
    assert "quantile 0.9, below which 70 % of the actuals were" in coverage_chart((0.1, 0.9), (0.1, 0.7), 20).summary


def test_the_rival_of_the_verdict_is_drawn_even_if_others_are_better() -> None:
    metrics = examples.metrics() | {"theta": examples.scores(1.0), "mean": examples.scores(1.1)}
    rows = [{"method": name, "lead": lead, "mase": 1.0} for name in metrics for lead in (1, 2)]
    chart = lead_chart(rows, metrics, rival="seasonal-naive")
    assert chart is not None
    assert list(chart.columns.values()) == ["lead", "ensemble", "seasonal-naive", "theta", "mean"]
    kinds = {row["method"]: row["kind"] for row in error_chart(metrics, rival="seasonal-naive").rows}
    assert (kinds["seasonal-naive"], kinds["drift"]) == ("rival of the verdict", "simple method")


def test_a_long_headline_is_wrapped_and_has_no_backticks() -> None:
    drawn = slide(charts_of(examples.compare_result())[1], headline="try `--num-windows 5` " * 10)
    assert len(drawn["title"]["text"]) > 1
    assert "`" not in "".join(drawn["title"]["text"])


def test_every_picture_of_the_pages_is_made_by_a_command_that_they_show() -> None:
    folder = ROOT / "docs" / "pictures"
    pages = "".join(page.read_text(encoding="utf-8") for page in ROOT.glob("docs/*.md"))
    made = set(re.findall(r"--(?:plot|report) docs/pictures/([\w.-]+)", pages))
    drawn = {path.name for path in folder.iterdir() if not path.name.startswith("synthetic-")}  # by `pretraining`
    assert drawn == made
    assert max(path.stat().st_size for path in folder.iterdir()) < 200_000


@pytest.mark.parametrize(
    ("freq", "length", "first", "last"),
    [
        ("30min", 48, "00:00", "23:30"),
        ("h", 168, "Mon 00:00", "Sun 23:00"),
        ("D", 7, "Mon", "Sun"),
        ("MS", 12, "Jan", "Dec"),
        ("D", 5, "1", "5"),
    ],
)
def test_the_axis_of_a_season_has_the_names_of_the_clock(freq: str, length: int, first: str, last: str) -> None:
    moments = pd.date_range(
        "2024-03-06 05:00" if freq in ("h", "30min") else "2024-03-06", periods=4 * length, freq=freq
    )
    position = (np.arange(4 * length) + 3) % length
    order, names = clock_names(moments.to_numpy().astype("datetime64[us]"), position, length)
    assert (names[0], names[-1], len(set(names))) == (first, last, length)
    assert sorted(order) == list(range(length))


def test_labels_of_methods_that_are_alike_do_not_overlap() -> None:
    metrics = {
        name: {"mase": mase} for name, mase in {"gru": 0.65, "lstm": 0.66, "transformer": 0.67, "naive": 2.4}.items()
    }
    chart = time_chart(metrics, {"gru": 0.5, "lstm": 0.55, "transformer": 0.52, "naive": 0.001}, networks=["gru"])
    assert chart is not None
    places = [(layer["mark"]["align"], layer["mark"]["dy"]) for layer in chart.layers[1:]]
    assert len(set(places[:3])) == 3
    assert chart.encoding["x"]["axis"]["values"] == [0.001, 0.01, 0.1, 1.0]


def test_methods_without_an_error_have_no_place_on_a_logarithmic_axis() -> None:
    metrics = {name: {"mase": mase} for name, mase in {"gru": 0.0, "naive": 2.4}.items()}
    assert time_chart(metrics, {"gru": 0.5, "naive": 0.001}, networks=["gru"]) is None


def test_the_keys_of_areas_are_as_large_as_squares() -> None:
    assert colours({"forecast": "@forecast", "95 % interval": "@wide"})["legend"]["symbolType"] == "square"
    assert colours({"gru": "@forecast"})["legend"]["symbolType"] == "stroke"
