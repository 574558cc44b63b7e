"""Specification of freshness: rows that are old, missing, fewer or other than those the model saw are named."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.config import Settings
from rnnforecast.data import ragged
from rnnforecast.data.read import read_series
from rnnforecast.errors import ModelFileError, StaleError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.model_io.train_stats import digests, recall, statistics_of
from rnnforecast.store.model_file import ModelFile, read_model, write_model
from rnnforecast.workflows.monitoring.freshness import check_age, last_observed, parse_age
from rnnforecast.workflows.predict import ForecastRequest, forecast_request
from tests.workflows.toy import TINY, days, fit, forecast, store_of, wave, write_csv, write_days

NOON = datetime(2024, 3, 31, 12, tzinfo=UTC)


def findings_of(path: Path) -> dict[str, Finding]:
    return {finding.code: finding for finding in forecast(path).findings}


def rewrite(path: Path, row: int, value: str) -> None:
    lines = path.read_text().splitlines()
    lines[row + 1] = f"{lines[row + 1].partition(',')[0]},{value}"
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("text", "seconds", "steps"),
    [("36h", 129_600, None), ("2d", 172_800, None), ("90 min", 5_400, None), ("1W", 604_800, None),
     ("1.5h", 5_400, None), ("3 steps", None, 3), ("1step", None, 1), ("45s", 45, None)],
)  # fmt: skip
def test_an_age_is_a_number_with_its_unit(text: str, seconds: float | None, steps: float | None) -> None:
    age = parse_age(text)
    assert (age.seconds, age.steps) == (seconds, steps)


@pytest.mark.parametrize("text", ["", "soon", "2", "-2d", "2 months", "1e3h", "2d3h"])
def test_an_invalid_age_is_rejected_with_examples(text: str) -> None:
    with pytest.raises(UsageError, match=f"invalid duration `{text}` for `--max-age`") as caught:
        parse_age(text)
    assert "`36h`" in str(caught.value.hint)


def test_rows_that_are_young_enough_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    series = read_series([write_days(tmp_path, 90)]).series  # ends on 2024-03-30
    assert check_age(series, parse_age("36h"), now=NOON) == []
    assert check_age(series, parse_age("1 step"), now=NOON) == []
    assert check_age(series, None) == []


def test_rows_that_are_too_old_are_rejected_with_their_age(tmp_path: Path) -> None:
    series = read_series([write_days(tmp_path, 60)]).series  # ends on 2024-02-29
    with pytest.raises(
        StaleError, match="the newest value is from 2024-02-29 \\(31 d 12 h ago\\), older than `--max-age 2d`"
    ):
        check_age(series, parse_age("2d"), now=NOON)
    with pytest.raises(StaleError, match="31 steps ago") as caught:
        check_age(series, parse_age("3 steps"), now=NOON)
    assert (caught.value.exit_code, caught.value.code) == (22, "E_TIME_STALE")


def test_a_last_row_without_a_value_does_not_make_rows_fresh(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    for row in range(80, 90):
        rewrite(path, row, "")
    with pytest.raises(StaleError, match="the newest value is from 2024-03-20"):
        check_age(read_series([path]).series, parse_age("3 steps"), now=NOON)


@pytest.mark.parametrize(
    ("last", "now", "hours"),
    [
        ("2024-03-31T01:00", "2024-03-31T01:30Z", 1.5),  # in Berlin it is 3:30: the clock skipped an hour
        ("2024-03-31T00:00", "2024-04-01T22:00Z", 47),
        ("2024-10-27T01:00", "2024-10-27T02:30Z", 3.5),  # it is 3:30, after two hours from 2:00 to 3:00
        ("2024-10-27T02:00", "2024-10-27T01:30Z", 0.5),  # of two hours with the same name the later one is meant
        ("2024-06-01T01:00", "2024-06-01T04:00Z", 5),
    ],
)
def test_ages_are_right_across_both_changes_of_the_clock(
    tmp_path: Path, last: str, now: str, hours: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    try:
        stamps = np.datetime64(last, "us") - np.arange(30)[::-1] * np.timedelta64(1, "h")
        path = write_csv(
            tmp_path / "hours.csv", date=stamps.astype("datetime64[m]").astype(str).tolist(), value=wave(30)
        )
        series = read_series([path]).series
        moment = datetime.fromisoformat(now)
        assert check_age(series, parse_age(f"{hours * 60:.0f}min"), now=moment) == []
        with pytest.raises(StaleError, match="older than"):
            check_age(series, parse_age(f"{hours * 60 - 1:.0f}min"), now=moment)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_steps_have_no_age(tmp_path: Path) -> None:
    series = read_series([write_csv(tmp_path / "steps.csv", value=wave(40))]).series
    with pytest.raises(UsageError, match="`--max-age` needs dates, these rows count steps"):
        check_age(series, parse_age("2d"))


def test_years_before_1970_have_an_age_too(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "old.csv", date=days(40, start=date(1950, 1, 1)), value=wave(40))
    with pytest.raises(StaleError, match="the newest value is from 1950-02-09"):
        check_age(read_series([path]).series, parse_age("2d"), now=NOON)


def test_a_single_series_of_a_panel_that_is_stale_is_named(tmp_path: Path) -> None:
    path = write_panel(tmp_path, {"a": 90, "b": 60})
    found = check_age(read_series([path]).series, parse_age("2d"), now=NOON)
    assert [finding.code for finding in found] == ["W_SERIES_STALE"]
    assert "1 of 2 series lack a value within `--max-age 2d`, such as `b`" in found[0].message


def write_panel(folder: Path, lengths: dict[str, int]) -> Path:
    rows = [
        (day, name, value)
        for name, count in lengths.items()
        for day, value in zip(days(count), wave(count), strict=True)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    return write_csv(folder / "panel.csv", date=columns[0], item=columns[1], value=columns[2])


def test_the_newest_value_of_each_series_is_found(tmp_path: Path) -> None:
    series = read_series([write_panel(tmp_path, {"a": 20, "b": 12})]).series
    last = last_observed(series) - series.first_ordinals
    assert last.tolist() == [19, 11]


def test_the_same_rows_and_newer_ones_give_no_finding(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    assert findings_of(path) == {}
    write_days(tmp_path, 100)
    assert findings_of(path) == {}


def test_a_last_row_without_a_value_is_named(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    write_days(tmp_path, 95)
    rewrite(path, 94, "")
    message = findings_of(path)["W_LAST_MISSING"].message
    assert message.startswith("the last period is missing: the rows end at 2024-04-04 with a missing value")
    assert message.endswith("the newest value is from 2024-04-03")


def test_a_file_that_shrank_is_named(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    write_days(tmp_path, 80)
    shrank = "the file shrank: the rows end at 2024-03-20, the model was trained on rows until 2024-03-30"
    named = {finding.code: finding for finding in forecast(path, data=[path]).findings}  # rows that were asked for
    assert named["W_DATA_SHRANK"].message == shrank
    with pytest.raises(StaleError, match=shrank) as caught:  # read again, nobody means fewer rows than there were
        forecast_request(ForecastRequest(output=tmp_path / "out.csv"), store=store_of(path))
    assert (caught.value.exit_code, caught.value.code) == (22, "E_DATA_SHRANK")
    assert [finding.code for finding in caught.value.findings] == ["E_DATA_SHRANK"]
    assert "--refuse-stale none" in str(caught.value.hint)
    assert not (tmp_path / "out.csv").exists()
    assert forecast_request(ForecastRequest(refuse_stale="none"), store=store_of(path)).horizon == 7


def test_every_difference_from_the_rows_that_were_meant_is_rejected_where_that_is_asked(tmp_path: Path) -> None:
    path = write_panel(tmp_path, {"a": 90, "b": 90, "c": 90})
    fit(path)
    lines = [line for line in path.read_text().splitlines() if ",c," not in line]
    lines[85] = lines[85].rpartition(",")[0] + ",7.5"
    lines[-1] = lines[-1].rpartition(",")[0] + ","
    path.write_text("\n".join(lines) + "\n")
    for kind in ("none", "shrunk"):
        assert forecast_request(ForecastRequest(refuse_stale=kind), store=store_of(path)).horizon == 7
    with pytest.raises(StaleError, match=r"the last period is missing: .*; 1 of 3 series .* are gone: `c`") as caught:
        forecast_request(ForecastRequest(refuse_stale="any", output=tmp_path / "out.csv"), store=store_of(path))
    codes = [finding.code for finding in caught.value.findings]
    assert codes == ["E_LAST_MISSING", "E_SERIES_GONE", "E_HISTORY_REVISED"]
    assert {finding.severity for finding in caught.value.findings} == {"error"}
    assert not (tmp_path / "out.csv").exists()


def test_a_window_of_rows_that_moves_on_is_not_a_finding(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    write_days(tmp_path, 100)
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], *lines[40:]]) + "\n")
    assert findings_of(path) == {}


def test_rows_of_earlier_years_with_other_closed_days_are_not_a_finding(tmp_path: Path) -> None:
    lines = (Path(__file__).parents[3] / "sample_data" / "prices.csv").read_text().splitlines()
    path = tmp_path / "prices.csv"
    path.write_text("\n".join([lines[0], *lines[253:]]) + "\n")  # from 2016 on: holidays of 2015 are not in the model
    fit(path, context_length=14)
    path.write_text("\n".join(lines) + "\n")
    assert not {code for code in findings_of(path) if code.startswith("W_")}
    rewrite(path, 1_000, "7.5,7.5,7.5,7.5,7")
    assert ", first 2018-12-21: 150.73 then, 7.5 now" in findings_of(path)["W_HISTORY_REVISED"].message


def test_history_that_was_revised_is_named_with_what_it_was(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    rewrite(path, 85, "7.5")
    rewrite(path, 86, "")
    found = findings_of(path)["W_HISTORY_REVISED"]
    assert found.count == 2
    assert "2 of 28 stored rows have other values now, first 2024-03-26: " in found.message
    assert found.message.endswith("then, 7.5 now")


def test_history_before_the_rows_the_model_keeps_is_compared_too(tmp_path: Path) -> None:
    path = write_days(tmp_path, 200)
    fit(path, context_length=14)
    rewrite(path, 3, "7.5")
    assert "before the stored rows" in findings_of(path)["W_HISTORY_REVISED"].message


def test_series_that_are_gone_are_named(tmp_path: Path) -> None:
    path = write_panel(tmp_path, {"a": 90, "b": 90})
    fit(path)
    path.write_text("\n".join(line for line in path.read_text().splitlines() if ",b," not in line) + "\n")
    assert findings_of(path)["W_SERIES_GONE"].message == "1 of 2 series the model was trained on are gone: `b`"


def test_a_revised_series_of_a_panel_is_named(tmp_path: Path) -> None:
    path = write_panel(tmp_path, {"a": 90, "b": 90})
    fit(path)
    text = path.read_text().splitlines()
    text[175] = text[175].rpartition(",")[0] + ",1.25"
    path.write_text("\n".join(text) + "\n")
    assert "of `b`: " in findings_of(path)["W_HISTORY_REVISED"].message


def test_digests_and_ranges_are_the_same_whatever_the_blocks_they_are_added_up_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    series = read_series([write_days(tmp_path, 40)]).series
    whole = statistics_of(series)
    monkeypatch.setattr(ragged, "ROWS_A_BLOCK", 7)
    parts = statistics_of(series)
    for name in ("digest", "low", "high"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))
    assert (whole.low[0], whole.high[0]) == (series.values.min(), series.values.max())


def test_digests_differ_where_a_value_moved_or_is_missing(tmp_path: Path) -> None:
    series = read_series([write_days(tmp_path, 40)]).series
    path = write_days(tmp_path, 40)
    rewrite(path, 3, "")
    missing = read_series([path]).series
    swapped = series.values.copy()
    swapped[[4, 5]] = swapped[[5, 4]]
    found = {int(digests(each)[0]) for each in (series, missing, replace(series, values=swapped))}
    assert len(found) == 3
    assert digests(series).tolist() == digests(read_series([write_days(tmp_path, 40)]).series).tolist()


def test_a_model_from_before_statistics_were_kept_still_forecasts(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    file = Path(fit(path).path)
    model = read_model(file)
    old = {name: tensor for name, tensor in model.tensors.items() if not name.startswith("training.")}
    write_model(file, ModelFile(model.manifest, old))
    assert recall(read_model(file)).statistics is None
    rewrite(path, 85, "7.5")
    assert "W_HISTORY_REVISED" in findings_of(path)


def test_train_rejects_stale_rows_before_it_trains(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    with pytest.raises(StaleError):
        rnnforecast.train([path], Settings.from_flat(TINY), store=store_of(path), max_age="2d")
    assert not (store_of(path) / "models").exists()


def test_predict_rejects_stale_rows_before_it_writes(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    fit(path)
    with pytest.raises(StaleError):
        forecast_request(ForecastRequest(max_age="2d", output=tmp_path / "out.csv"), store=store_of(path))
    assert not (tmp_path / "out.csv").exists()
    recent = [(datetime.now() - timedelta(days=back)).date().isoformat() for back in range(89, -1, -1)]
    write_csv(path, date=recent, value=wave(90))
    assert forecast_request(ForecastRequest(max_age="2d"), store=store_of(path)).horizon == 7


def test_statistics_that_do_not_fit_are_rejected(tmp_path: Path) -> None:
    path = write_days(tmp_path, 90)
    model = read_model(fit(path).path)
    for name, array in (("scale", np.zeros(1)), ("scale", np.ones(2)), ("digest", np.ones(1))):
        with pytest.raises(ModelFileError, match="what `days@1` remembers of its training rows does not fit"):
            recall(ModelFile(model.manifest, {**model.tensors, f"training.{name}": array}))
