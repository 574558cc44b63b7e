"""The page: one file, safe to open, complete without a network; looked at in a browser where there is one."""

from __future__ import annotations

import base64
import gzip
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import rnnforecast
from rnnforecast.charts.chart import Chart
from rnnforecast.charts.page import MAX_TABLE, Page, findings_list, number_words, text, time_words
from rnnforecast.errors import UsageError
from tests.charts.browser import CHROMIUM, Browser
from tests.cli import examples
from tests.cli.conftest import RunCommand

HOSTILE = (
    "</script><script>window.hurt=1</script>",
    "<img src=x onerror=window.hurt=1>",
    '"quoted" & more',
    "\u202eright-to-left",
)
LONG = "x" * 10_000


@pytest.fixture(scope="module")
def panel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the page of a panel with hostile names, missing, constant and nearly empty series."""
    folder = tmp_path_factory.mktemp("panel")
    days = pd.date_range("2024-01-01", periods=60)
    rows = []
    for number, name in enumerate([*HOSTILE, LONG, "constant", "gone", *(f"item {n:03d}" for n in range(25))]):
        values = (
            np.full(60, 7.0) if name == "constant" else 10 * (number + 1) + np.sin(np.arange(60) * 2 * np.pi / 7) * 3
        )
        values[: 57 if name == "gone" else 0] = np.nan
        rows.append(pd.DataFrame({"item": name, "day": days, "sales": values}))
    pd.concat(rows).to_csv(folder / "panel.csv", index=False)
    rnnforecast.report("base", [folder / "panel.csv"], output=folder / "panel.html", store=folder / "store")
    return folder / "panel.html"


def _numbers(page: str) -> dict[str, Any]:
    packed = re.search(r'id="numbers">([^<]*)<', page)
    assert packed is not None
    found: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(packed[1])))
    return found


def test_report_writes_one_page_about_a_model(workplace: Path, run: RunCommand) -> None:
    ended = run("report")
    assert (ended.code, "Page written to report.html  good@1, 1 series" in ended.out) == (0, True)
    page = (workplace / "report.html").read_text(encoding="utf-8")
    shown = [
        "value: the next 7 steps",
        "Errors",
        "Past windows",
        "Data",
        "Model",
        "seasonal-naive",
        "MIT-licensed",
        "Make it again",
    ]
    assert [words for words in shown if words not in page] == []
    assert "windows are within the rows the model was fitted on" not in page  # it was not fitted on all rows
    assert len(_numbers(page)["panel"]["series"][0]["forecast"]) == 7


def test_the_page_asks_for_nothing_and_allows_two_scripts_alone(panel: Path) -> None:
    page = panel.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', page)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; script-src 'sha256-")
    assert policy[1].count("sha256-") == 2
    assert "unsafe-eval" not in policy[1]
    visible = re.sub(r"<script.*?</script>|<style>.*?</style>", "", page, flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="(?!#|data:,)[^"]*"', visible) == []


def test_names_from_files_are_escaped(panel: Path) -> None:
    page = panel.read_text(encoding="utf-8")
    assert page.count("<script") == 3
    assert "<img" not in page
    assert "\u202e" not in page
    assert max(len(one["name"]) for one in _numbers(page)["panel"]["series"]) <= 200


def test_every_chart_has_words_and_numbers(panel: Path) -> None:
    page = panel.read_text(encoding="utf-8")
    charts = _numbers(page)["charts"]
    assert {"errors", "leads", "calibration", "history", "windows0"} <= charts.keys()
    assert all(len(chart["spec"]["description"]) > 30 for chart in charts.values())
    assert page.count("In words and numbers") == len(charts)
    windows = [row for row in charts["windows0"]["spec"]["data"]["values"] if "forecast" in row]
    assert windows
    assert all(row["low"] <= row["forecast"] <= row["high"] for row in windows)


def test_predict_and_evaluate_write_pages_of_their_results(workplace: Path, run: RunCommand) -> None:
    assert run("predict", "--report", "forecast.html", "--horizon", "3").code == 0
    assert "value: the next 3 steps" in (workplace / "forecast.html").read_text(encoding="utf-8")
    ended = run("evaluate", "--report", "backtest.html", "--num-windows", "4")
    assert (ended.code, "page written to backtest.html" in ended.err) == (0, True)
    page = (workplace / "backtest.html").read_text(encoding="utf-8")
    assert {"leads", "calibration", "cutoffs", "windows0"} <= _numbers(page)["charts"].keys()
    windows = _numbers(page)["charts"]["windows0"]["spec"]
    assert [layer["encoding"].get("detail", {}).get("field") for layer in windows["layer"][:3]] == [
        "window",
        None,
        "window",
    ]
    assert len({row["window"] for row in windows["data"]["values"] if "window" in row}) == 4
    assert "The rival is " in page


@pytest.mark.parametrize(
    "words", [["report", "--output", "a.pdf"], ["predict", "--report", "a.txt"], ["evaluate", "--report", "a"]]
)
@pytest.mark.usefixtures("workplace")
def test_another_extension_is_rejected(run: RunCommand, words: list[str]) -> None:
    ended = run(*words)
    assert (ended.code, "does not end with .html" in ended.err) == (2, True)
    assert "--report" not in ended.err


def test_a_page_never_overwrites_the_data(workplace: Path, run: RunCommand) -> None:
    (workplace / "good.csv").rename(workplace / "good.html")
    ended = run("report", "base", "good.html", "--output", "good.html")
    assert (ended.code, "would overwrite the data" in ended.err) == (2, True)


@pytest.mark.parametrize("values", [[5.0], [5.0] * 30, [None] * 29 + [1.0]], ids=["one row", "constant", "missing"])
def test_little_data_gives_a_page_that_says_so(tmp_path: Path, values: list[float | None]) -> None:
    days = pd.date_range("2024-01-01", periods=len(values))
    pd.DataFrame({"date": days, "a": values}).to_csv(tmp_path / "rows.csv", index=False)
    reading = ["--freq", "D", "--horizon", "2"]
    output = tmp_path / "rows.html"
    from rnnforecast.cli.main import main

    words = ["predict", "base", "--data", str(tmp_path / "rows.csv"), "--report", str(output), "--no-ledger", *reading]
    assert main(words) == 0
    page = output.read_text(encoding="utf-8")
    assert "a: the next 2 steps" in page
    assert "This page forecasts without a test" in page


def test_a_large_panel_stays_small() -> None:
    from rnnforecast.charts.panel import panel_of
    from rnnforecast.data.read import read_series
    from rnnforecast.workflows.forecasts.panel import Forecast

    count, length, horizon = 3_000, 30, 40
    frame = pd.DataFrame(
        {
            "item": np.repeat([f"i{number}" for number in range(count)], length),
            "day": np.tile(pd.date_range("2024-01-01", periods=length), count),
            "x": np.random.default_rng(0).lognormal(size=count * length),
        }
    )
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        frame.to_parquet(Path(folder) / "x.parquet")
        series = read_series([Path(folder) / "x.parquet"]).series
    levels = (0.025, 0.1, 0.5, 0.9, 0.975)
    quantiles = np.random.default_rng(1).lognormal(size=(count, horizon, len(levels)))
    middle = quantiles[..., 2]
    forecast = Forecast(levels, middle, middle, np.sort(quantiles), "base")
    found = panel_of(series, forecast, errors={})
    assert len(found["series"]) == count + 1
    one = found["series"][5]
    low, step = one["scale"]
    assert low + one["forecast"][0] * step == pytest.approx(quantiles[4, 0, 2], abs=step)
    assert len(gzip.compress(json.dumps(found).encode())) < 2_500_000


def test_the_sum_has_the_dates_of_its_rows_next_to_a_series_that_ended_long_before(tmp_path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=200).astype(str)
    rows = [f"old,{days[0]},5", *(f"{name},{day},{place}" for name in "ab" for place, day in enumerate(days))]
    (tmp_path / "panel.csv").write_text("\n".join(["item,day,x", *rows]), encoding="utf-8")
    rnnforecast.report("base", [tmp_path / "panel.csv"], output=tmp_path / "page.html", store=tmp_path / "store")
    panel = _numbers((tmp_path / "page.html").read_text(encoding="utf-8"))["panel"]
    total = panel["series"][0]
    moments = np.array(panel["times"][total["at"] :][: len(total["history"])], dtype="datetime64[ms]")
    place = (moments - np.datetime64(days[0])) // np.timedelta64(1, "D")
    assert (total["name"], total["history"]) == ("All series together (2)", (2.0 * place).tolist())


def test_words_of_a_page_are_text() -> None:
    assert text("<b>&\u202e\x07") == "&lt;b&gt;&amp;  "
    assert [number_words(each) for each in (None, 12345, 0.12345, "a", True)] == ["–", "12,345", "0.1235", "a", "–"]
    assert (time_words(0), time_words(45_000_000)) == ("1970-01-01", "1970-01-01 12:30")
    assert (len(text(LONG)), text(LONG, is_whole=True)) == (60, LONG)
    assert findings_list(()) == ""
    assert findings_list([examples.FINDING]).startswith('<ul class="card findings"><li class="warning">')


def test_a_long_table_is_thinned_and_says_so() -> None:
    rows = tuple({"t": number, "a": number} for number in range(600))
    content = Page(title="t", eyebrow="e").figure(
        "c", Chart("t", "s", "w", rows, (), columns={"t": "step", "a": "value"})
    )
    assert content.count("<tr>") == MAX_TABLE + 1
    assert "every 10th of 600 rows" in content


def test_the_rows_of_a_backtest_are_written(workplace: Path, run: RunCommand) -> None:
    ended = run("evaluate", "--num-windows", "2", "--output", "windows.parquet", "--format", "json")
    assert (ended.code, "rows written to windows.parquet" in ended.err) == (0, True)
    frame = pd.read_parquet(workplace / "windows.parquet")
    good = pd.read_csv(workplace / "good.csv", parse_dates=["date"])
    ours = frame[frame["method"] == "ensemble"].merge(good, on="date")
    assert len(ours) == 14
    assert (ours["actual"] == ours["value"]).all()
    assert (ours["date"] - ours["cutoff"]).dt.days.tolist() == ours["lead"].tolist() == [*range(1, 8)] * 2
    mae = (ours["forecast"] - ours["actual"]).abs().mean()
    scores = json.loads(ended.out)["metrics"]["ensemble"]
    assert mae == pytest.approx(scores["mae"])
    assert np.sqrt((ours["mean"] - ours["actual"]).pow(2).mean()) == pytest.approx(scores["rmse"])


@pytest.mark.parametrize("output", ["-", "windows.json", "sqlite:///x.db#windows"])
@pytest.mark.usefixtures("workplace")
def test_windows_go_to_a_csv_or_parquet_file_only(run: RunCommand, output: str) -> None:
    ended = run("evaluate", "--output", output)
    assert (ended.code, "the windows are written to a .csv or .parquet file" in ended.err) == (2, True)


def test_a_result_made_by_hand_has_no_windows() -> None:
    with pytest.raises(UsageError, match="holds no windows"):
        rnnforecast.windows_frame(examples.evaluate_result())


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Return a browser; without Chromium the test is skipped, with that reason."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed: `apt-get install chromium`")
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


def test_in_a_browser_the_page_is_quick_quiet_and_follows_the_picker(panel: Path, browser: Browser) -> None:
    browser.open(panel)
    browser.wait_for("document.querySelectorAll('#picker svg .mark-line path').length > 1")
    title = "document.querySelector('#picker h3').textContent"
    drawn = "document.querySelector('#picker svg').outerHTML"
    assert browser.value(title) == "All series together (32)"
    assert "95 %" not in browser.value("document.querySelector('#picker svg').textContent")
    assert browser.value("document.querySelector('#picker .count').textContent").startswith("32 series")
    before = browser.value(drawn)
    browser.value("document.querySelector('#search').value = 'ITEM 007'")
    browser.value("document.querySelector('#search').dispatchEvent(new Event('input'))")
    assert browser.value("document.querySelectorAll('#picker li').length") == 1
    browser.value("document.querySelector('#picker li').click()")
    assert browser.value(title) == "item 007"
    browser.wait_for(f"{drawn} !== {json.dumps(before)}")
    assert browser.value("document.querySelectorAll('#picker svg .mark-area path').length") == 2
    assert "95 %" in browser.value("document.querySelector('#picker svg').textContent")
    browser.value("document.querySelector('#picker [data-zoom=in]').click()")
    browser.value("document.querySelector('#theme').click()")
    assert browser.value("document.documentElement.dataset.theme") == "dark"
    assert browser.value("window.hurt") is None
    assert browser.console == []
    assert [url for url in browser.requests if not url.startswith(("file:", "data:"))] == []


def test_in_a_browser_the_arrow_keys_choose_and_hostile_names_stay_text(panel: Path, browser: Browser) -> None:
    browser.open(panel)
    browser.value("document.querySelector('#order').value = 'file'")
    browser.value("document.querySelector('#order').dispatchEvent(new Event('change'))")
    press = "document.querySelector('.list').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}))"
    seen = []
    for _ in range(32):
        browser.value(press)
        seen.append(browser.value("document.querySelector('#picker h3').textContent"))
    assert HOSTILE[0] in seen
    assert HOSTILE[1] in seen
    assert any(name.startswith("xxxx") and len(name) <= 200 for name in seen)
    assert browser.value("document.querySelectorAll('img, iframe').length") == 0
    assert browser.value("window.hurt") is None


@pytest.mark.parametrize("width", [400, 1400])
def test_in_a_browser_nothing_is_wider_than_the_window(panel: Path, browser: Browser, width: int) -> None:
    browser.resize(width, 900)
    browser.open(panel)
    assert browser.value("document.documentElement.scrollWidth") <= width
