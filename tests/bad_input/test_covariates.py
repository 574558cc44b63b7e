"""Covariates that are missing, odd or new when a model forecasts, through the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd
import pytest

from rnnforecast.errors import ExitCode
from tests.bad_input.test_models import FAST, Ended, run

NUM_DAYS, AHEAD = 40, 2
DAYS = [str(day.date()) for day in pd.date_range("2024-01-01", periods=NUM_DAYS + 10)]
ROLES = ("--id", "shop", "--target", "y", "--future", "promo", "--future", "sky", "--static", "size")
SKIES = ("clear", "rain")


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)


def panel(name: str, *, ahead: int = AHEAD, **cells: object) -> str:
    """Write two shops, `ahead` rows of each without a target; a cell `sky_41` stands in row 41 of shop `a`, from 0."""
    lines = ["shop,date,y,promo,sky,size"]
    for shop, size in (("a", 1), ("b", 2)):
        for row in range(NUM_DAYS + ahead):
            values: dict[str, object] = {
                "date": DAYS[row],
                "y": "" if row >= NUM_DAYS else 100 + row % 5 + 10 * size,
                "promo": row % 3,
                "sky": SKIES[row % 2],
                "size": size,
            }
            if shop == "a":
                values |= {key.split("_")[0]: cell for key, cell in cells.items() if key.endswith(f"_{row}")}
            lines.append(",".join([shop, *(str(value) for value in values.values())]))
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return name


def plan(name: str, days: Sequence[str], *, shops: Sequence[str] = ("a", "b"), sky: str = "rain") -> str:
    """Write what is known ahead into a file of its own."""
    rows = [f"{shop},{day},1,{sky}" for shop in shops for day in days]
    Path(name).write_text("\n".join(["shop,date,promo,sky", *rows]) + "\n", encoding="utf-8")
    return name


def trained(**cells: object) -> Ended:
    return run("train", panel("panel.csv", **cells), *FAST, *ROLES, "--format", "json")  # type: ignore[arg-type]


def predict(*words: str) -> Ended:
    return run("predict", "panel", *words, "--format", "json")


def messages(ended: Ended, severity: str) -> list[str]:
    return [one["message"] for one in ended.document["findings"] if one["severity"] == severity]


def test_what_is_not_known_for_the_horizon_is_rejected_with_column_ids_and_first_timestamp() -> None:
    assert trained().code == 0
    ended = predict("--data", panel("short.csv", ahead=1))
    assert ended.code == ExitCode.DATA
    for words in (
        "`promo`, `sky`",
        "`a`, `b`",
        f"the first missing timestamp is {DAYS[NUM_DAYS + 1]}",
        "--future-data",
    ):
        assert words in ended.err
    fixed = predict("--data", "short.csv", "--future-data", plan("plan.csv", DAYS[NUM_DAYS + 1 : NUM_DAYS + 2]))
    assert (fixed.code, len(fixed.document["rows"])) == (0, 4)


def test_rows_behind_the_last_target_are_what_is_known_ahead() -> None:
    ended = trained()
    assert ended.code == 0
    assert "4 rows after the last target with future covariates: `promo`, `sky`" in messages(ended, "note")
    assert not any("missing value" in message for message in messages(ended, "note"))
    rows = predict().document["rows"]
    assert [row[1] for row in rows] == DAYS[NUM_DAYS : NUM_DAYS + 2] * 2


def test_rows_of_a_second_file_give_the_same_forecast_as_rows_of_the_same_one() -> None:
    assert trained().code == 0
    together = predict("--data", panel("same.csv"))
    days = DAYS[NUM_DAYS : NUM_DAYS + AHEAD]
    rows = [f"{shop},{day},{r % 3},{SKIES[r % 2]}" for shop in "ab" for r, day in enumerate(days, start=NUM_DAYS)]
    Path("plan.csv").write_text("\n".join(["shop,date,promo,sky", *rows]) + "\n", encoding="utf-8")
    apart = predict("--data", panel("past.csv", ahead=0), "--future-data", "plan.csv")
    assert apart.document["rows"] == together.document["rows"]


@pytest.mark.parametrize("days", [DAYS[:5], DAYS[NUM_DAYS + 3 : NUM_DAYS + 5]], ids=["past", "too late"])
def test_a_plan_of_other_dates_is_rejected_with_both(days: Sequence[str]) -> None:
    assert trained(ahead=0).code == 0
    ended = predict("--future-data", plan("plan.csv", days))
    assert ended.code == ExitCode.DATA
    assert f"its rows are from {days[0]} to {days[-1]}, rows from {DAYS[NUM_DAYS]} on are needed" in ended.err


def test_a_plan_off_the_grid_is_rejected_with_its_rows() -> None:
    assert trained(ahead=0).code == 0
    ended = predict("--future-data", plan("plan.csv", [f"{DAYS[NUM_DAYS]}T07:30:00"], shops=("a",)))
    assert ended.code == ExitCode.DATA
    assert "row 2" in ended.err
    assert "is not a step of the series, whose frequency is D" in ended.err


def test_extra_rows_of_a_plan_are_counted_and_not_used() -> None:
    assert trained(ahead=0).code == 0
    wanted = DAYS[NUM_DAYS : NUM_DAYS + AHEAD]
    plain = predict("--future-data", plan("plan.csv", wanted))
    more = predict("--future-data", plan("more.csv", [*DAYS[NUM_DAYS - 3 : NUM_DAYS], *wanted], shops=("a", "b", "z")))
    assert plain.document["rows"] == more.document["rows"]
    assert messages(plain, "warning") == []
    found = [one for one in more.document["findings"] if one["code"] == "W_COVARIATE_EXTRA"]
    assert [one["count"] for one in found] == [11]


def test_an_extra_column_is_counted_and_not_used() -> None:
    assert trained().code == 0
    frame = pd.read_csv(panel("same.csv"), dtype=str, keep_default_na=False)
    frame.assign(mood="x").to_csv("wide.csv", index=False)
    wide = predict("--data", "wide.csv")
    assert messages(wide, "warning") == ["1 column was not there when panel@1 was trained and not used: `mood`"]
    assert wide.document["rows"] == predict("--data", "same.csv").document["rows"]


@pytest.mark.parametrize("column", ["promo", "sky", "size"])
def test_a_missing_column_is_rejected_by_name(column: str) -> None:
    assert trained().code == 0
    frame = pd.read_csv(panel("same.csv"), dtype=str, keep_default_na=False)
    frame.drop(columns=column).to_csv("narrow.csv", index=False)
    ended = predict("--data", "narrow.csv")
    assert ended.code == ExitCode.DATA
    assert f"there is no column `{column}`" in ended.err


@pytest.mark.parametrize(("column", "cell", "words"), [("promo", "high", "numbers"), ("sky", "7", "words")])
def test_a_column_of_another_kind_is_rejected_by_name(column: str, cell: str, words: str) -> None:
    assert trained().code == 0
    frame = pd.read_csv(panel("same.csv"), dtype=str, keep_default_na=False)
    frame.assign(**{column: cell}).to_csv("other.csv", index=False)
    ended = predict("--data", "other.csv")
    assert ended.code == ExitCode.DATA
    assert f"covariate `{column}` holds" in ended.err
    assert f"where the model was trained on {words}" in ended.err


def test_a_new_category_is_counted_and_read_as_the_mean_of_the_known_ones() -> None:
    assert trained().code == 0
    ended = predict("--data", panel("new.csv", sky_40="hail", sky_41="hail"))
    assert ended.code == 0
    found = [one for one in ended.document["findings"] if one["code"] == "W_CATEGORY_UNKNOWN"]
    assert [(one["count"], one["rows"], one["column"], one["value"]) for one in found] == [(2, [42, 43], "sky", "hail")]
    torch = predict("--data", "new.csv", "--engine", "torch")
    ours, theirs = (pd.DataFrame(one.document["rows"]).iloc[:, 3:-1].astype(float) for one in (ended, torch))
    pd.testing.assert_frame_equal(ours, theirs, rtol=1e-5)
    strict = run("train", panel("new.csv", sky_40="hail"), *FAST, *ROLES, "--strict", "--format", "json")
    assert strict.code == 0  # in a training every category is known


@pytest.mark.parametrize("column", ["promo", "sky"])
def test_an_empty_cell_in_the_horizon_is_rejected_by_row(column: str) -> None:
    assert trained().code == 0
    ended = predict("--data", panel("hole.csv", **{f"{column}_41": ""}))  # type: ignore[arg-type]
    assert ended.code == ExitCode.DATA
    assert f"covariate `{column}`, row 43: missing value" in ended.err


def test_rows_of_another_frequency_are_rejected_with_both_and_resampled_when_asked() -> None:
    hours = [f"{day}T{hour:02d}:00:00,{number % 7}" for number, day in enumerate(DAYS) for hour in range(24)]
    Path("daily.csv").write_text("date,y\n" + "\n".join(f"{day},{n % 7}" for n, day in enumerate(DAYS)) + "\n")
    Path("hourly.csv").write_text("date,y\n" + "\n".join(hours) + "\n")
    assert run("train", "daily.csv", *FAST, "--name", "panel").code == 0
    ended = predict("--data", "hourly.csv")
    assert ended.code == ExitCode.DATA
    assert "steps of D" in ended.err
    assert "--resample D --aggregate mean" in ended.err
    fixed = predict("--data", "hourly.csv", "--resample", "D", "--aggregate", "mean")
    assert fixed.code == 0
    assert fixed.document["rows"][0][1] == predict("--data", "daily.csv").document["rows"][0][1]


def test_timestamps_without_a_zone_are_rejected_where_the_model_has_one() -> None:
    plain = "\n".join(f"{DAYS[n // 24]}T{n % 24:02d}:00:00,{n % 7}" for n in range(60))
    Path("zoned.csv").write_text("date,y\n" + plain.replace(":00:00,", ":00:00Z,") + "\n")
    Path("plain.csv").write_text("date,y\n" + plain + "\n")
    assert run("train", "zoned.csv", *FAST, "--name", "panel").code == 0
    ended = predict("--data", "plain.csv")
    assert ended.code == ExitCode.DATA
    assert "are without a zone, the model panel@1 was trained on timestamps in UTC" in ended.err


def test_a_static_word_that_changes_is_rejected_with_ids_and_rows() -> None:
    ended = trained(size_7="big", size_9="big")
    assert ended.code == ExitCode.DATA
    lines = [
        "shop,date,y,kind",
        *(f"{s},{day},{n % 4},{'x' if n < 30 else 'y'}" for s in "ab" for n, day in enumerate(DAYS)),
    ]
    Path("kinds.csv").write_text("\n".join(lines) + "\n")
    ended = run("train", "kinds.csv", *FAST, "--id", "shop", "--target", "y", "--static", "kind")
    assert ended.code == ExitCode.DATA
    assert "static covariate `kind`, rows 32, 33, 34, 35, 36 and 35 more: changes in series `a`, `b`" in ended.err
