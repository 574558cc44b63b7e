from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.columns.choose_roles import choose_columns, note_guess
from rnnforecast.data.columns.roles import Roles
from rnnforecast.errors import DataError

DATES = ["2024-01-01", "2024-01-02", "2024-01-03"]
NUMBERS = ["1", "2.5", "3"]


def choose(columns: dict[str, list[str]], **settings: Any) -> Roles:
    return choose_columns(pd.DataFrame(columns, dtype=object), DataSettings(**settings), path="a.csv")


def test_a_target_that_only_its_place_speaks_for_is_noted_as_a_guess() -> None:
    (found,) = note_guess(choose({"date": DATES} | dict.fromkeys("abc", NUMBERS)), "note", path="a.csv")
    assert (found.code, found.severity, found.column) == ("N_TARGET_GUESSED", "note", "c")
    assert found.message == (
        "the target `c` is a guess: the last of 3 numeric columns, none of them named like a target"
    )
    assert found.fix == "name the target: --target COLUMN; or forecast all of them: --wide"


@pytest.mark.parametrize("chosen", [("b",), ("c",)])
def test_a_named_target_is_not_a_guess(chosen: tuple[str, ...]) -> None:
    assert (
        note_guess(choose({"date": DATES} | dict.fromkeys("abc", NUMBERS), target=chosen), "note", path="a.csv") == []
    )


def test_a_target_that_is_named_like_one_is_not_a_guess() -> None:
    assert note_guess(choose({"date": DATES} | dict.fromkeys(("a", "sales", "c"), NUMBERS)), "note", path="a.csv") == []


def test_the_one_numeric_column_is_the_target() -> None:
    roles = choose({"Month": DATES, "#Passengers": NUMBERS})
    assert (roles.time, roles.target) == (("Month",), ("#Passengers",))
    assert roles.reasons["target"] == "the one numeric column"


@pytest.mark.parametrize(
    ("columns", "target"),
    [
        (["Open", "High", "Low", "Close", "Adj Close", "Volume"], "Close"),
        (["y", "gen_forecast", "system_load"], "y"),
        (["Dept_size", "Weekly_Sales", "Temperature"], "Weekly_Sales"),
        (["Consumption", "Wind", "Solar"], "Consumption"),
        (["temp", "traffic_volume", "clouds"], "traffic_volume"),
        (["a", "b", "c"], "c"),
    ],
)
def test_of_several_numeric_columns_the_one_named_like_a_target_is_taken(columns: list[str], target: str) -> None:
    roles = choose({"date": DATES} | dict.fromkeys(columns, NUMBERS))
    assert roles.target == (target,)
    assert "--target names another" in roles.reasons["target"]


def test_a_target_that_was_named_is_taken() -> None:
    roles = choose({"date": DATES, "a": NUMBERS, "close": NUMBERS}, target=("a", "close"))
    assert roles.target == ("a", "close")
    assert roles.reasons["target"] == "named by --target"


def test_a_covariate_is_not_a_target() -> None:
    assert choose({"date": DATES, "a": NUMBERS, "y": NUMBERS}, past=("y",)).target == ("a",)


def test_truth_values_are_a_target_only_where_nothing_else_is_numeric() -> None:
    flags = ["TRUE", "FALSE", "TRUE"]
    assert choose({"date": DATES, "x": NUMBERS, "flag": flags}).target == ("x",)
    assert choose({"date": DATES, "flag": flags}).target == ("flag",)


def test_numbers_of_stores_are_not_target() -> None:
    assert choose({"date": DATES, "amount_x": NUMBERS, "store": ["1", "2", "3"]}).target == ("amount_x",)


def test_a_damaged_cell_does_not_hide_the_target() -> None:
    assert choose({"date": DATES, "y": ["1", "12 kg", "3"], "name": ["a", "b", "c"]}).target == ("y",)


def test_a_time_named_like_one_goes_before_other_dates() -> None:
    assert choose({"built": DATES, "timestamp": DATES, "y": NUMBERS}).time == ("timestamp",)
    assert choose({"built": DATES, "y": NUMBERS}).time == ("built",)


def test_the_finer_of_two_time_columns_is_taken() -> None:
    columns = {"date": ["2024-01-01"] * 3, "time": ["2024-01-01 00:00", "2024-01-01 01:00", "2024-01-01 02:00"]}
    assert choose(columns | {"y": NUMBERS}).time == ("time",)


def test_a_date_column_and_one_of_times_of_day_make_one_timestamp() -> None:
    columns = {"Date": ["2024-01-01"] * 3, "Time": ["00:00", "01:00", "02:00"], "y": NUMBERS}
    assert choose(columns).time_column == "Date+Time"


def test_a_date_column_and_one_of_hours_make_one_timestamp() -> None:
    columns = {"date": ["2024-01-01"] * 3, "hour": ["22", "23", "21"], "y": NUMBERS}
    assert choose(columns).time_column == "date+hour"


def test_dates_that_do_not_repeat_need_no_time_of_day() -> None:
    assert choose({"date": DATES, "time": ["16:00", "13:00", "16:00"], "y": NUMBERS}).time == ("date",)


def test_numbers_with_units_are_a_target_whose_rows_are_rejected_later() -> None:
    assert choose({"date": DATES, "y": ["12%", "13%", "14 kg"]}).target == ("y",)


def test_the_parts_of_a_date_make_one_timestamp() -> None:
    columns = {"year": ["2024"] * 3, "month": ["1"] * 3, "day": ["1", "2", "3"], "y": NUMBERS}
    assert choose(columns).time_column == "year+month+day"


@pytest.mark.parametrize("name", ["t", "step", "ds", "year", "Index"])
def test_whole_numbers_are_time_where_the_name_says_so(name: str) -> None:
    assert choose({name: ["1", "2", "3"], "y": NUMBERS}).time == (name,)


def test_whole_numbers_of_another_name_are_not_time() -> None:
    roles = choose({"visitors": ["1", "2", "3"], "y": NUMBERS})
    assert roles.time == ()
    assert "steps in file order" in roles.reasons["time"]


def test_time_none_reads_rows_as_steps() -> None:
    assert choose({"date": DATES, "y": NUMBERS}, time="none").time_column is None


def test_a_column_named_like_a_time_with_words_in_each_row_is_not_passed_over() -> None:
    weeks = [f"week {word}" for word in ("one", "two", "three", "four")]
    with pytest.raises(DataError, match="`date` is named like a time, but the format of `week one` is unknown"):
        choose({"date": weeks, "y": ["1", "2", "3", "5"]})
    assert choose({"week": ["calm", "calm", "busy", "calm"], "y": ["1", "2", "3", "5"]}).time == ()


def test_an_exported_index_is_neither_time_nor_target() -> None:
    roles = choose({"Unnamed: 0": ["2701", "2702", "2703"], "Date": DATES, "size": NUMBERS})
    assert (roles.time, roles.target) == (("Date",), ("size",))


def test_a_nameless_column_of_dates_is_the_time() -> None:
    assert choose({"Unnamed: 0": DATES, "y": NUMBERS}).time == ("Unnamed: 0",)


@pytest.mark.parametrize(("wrong", "right"), [("Sales", "sales"), ("slaes", "sales"), (" sales", "sales")])
def test_an_unknown_column_is_rejected_with_the_one_that_is_meant(wrong: str, right: str) -> None:
    with pytest.raises(DataError, match=f"there is no column `{wrong}`, did you mean `{right}`?") as caught:
        choose({"date": DATES, "sales": NUMBERS}, target=(wrong,))
    assert caught.value.hint == "the columns are `date`, `sales`"


def test_all_unknown_columns_are_named_at_once() -> None:
    with pytest.raises(DataError, match=r"(?s)no column `q`.*there is no column `r`"):
        choose({"date": DATES, "sales": NUMBERS}, target=("q",), id=("r",))


def test_a_column_that_stands_there_twice_is_rejected_with_both_positions() -> None:
    frame = pd.DataFrame([["2024-01-01", "1", "2"]], columns=["date", "y", "y"], dtype=object)
    with pytest.raises(DataError, match="column `y` occurs 2 times, at positions 2, 3"):
        choose_columns(frame, DataSettings(), path="a.csv")


@pytest.mark.parametrize("names", [["when", "when", "y"], ["date", "date", "y"], ["y"] * 3])
def test_names_that_stand_twice_are_rejected_where_they_are_used(names: list[str]) -> None:
    cells = {"date": DATES, "when": ["Q-x1", "Q-x2", "Q-x3"], "y": ["4", "9", "5"]}
    frame = pd.DataFrame(np.array([cells[name][:3] for name in names], dtype=object).T, columns=names)
    with pytest.raises(DataError, match=r"occurs \d times|named like a time"):
        choose_columns(frame, DataSettings(), path="a.csv")


def test_a_column_in_two_roles_is_rejected() -> None:
    with pytest.raises(DataError, match="`y` is named as target and past, but a column can have only one"):
        choose({"date": DATES, "y": NUMBERS}, target=("y",), past=("y",))


def test_a_file_without_numbers_is_rejected_with_what_it_holds() -> None:
    with pytest.raises(DataError, match="no numeric column to forecast: `date` holds dates; `name` holds text"):
        choose({"date": DATES, "name": ["a", "b", "c"]})


def test_a_file_without_numbers_whose_words_repeat_is_for_a_target_of_categories() -> None:
    dates = [f"2024-01-{day:02d}" for day in range(1, 13)]
    with pytest.raises(DataError, match="no numeric column to forecast") as caught:
        choose({"date": dates, "state": ["run", "idle", "run"] * 4})
    assert "--target state`" in str(caught.value.hint)


def test_a_target_of_text_is_rejected_with_the_numeric_columns() -> None:
    with pytest.raises(DataError, match="target `name` holds text, not numbers") as caught:
        choose({"date": DATES, "name": ["a", "b", "c"], "y": NUMBERS}, target=("name",))
    assert caught.value.hint == "numeric columns: `y`; `rnnforecast train a.csv --target name` forecasts categories"


def test_a_covariate_of_words_holds_categories() -> None:
    roles = choose({"date": DATES, "weather": ["sun", "rain", "sun"], "y": NUMBERS}, past=("weather",))
    assert roles.categorical == ("weather",)


def test_a_covariate_of_dates_is_rejected() -> None:
    with pytest.raises(DataError, match="covariate `due` holds dates, neither numbers nor words") as caught:
        choose({"date": DATES, "due": DATES, "y": NUMBERS}, time="date", past=("due",))
    assert "as numbers" in str(caught.value.hint)


def test_columns_that_may_be_ids_are_those_of_text_and_those_named_so() -> None:
    columns = {"note": ["x", "y", "z"], "store": ["1", "2", "3"], "date": DATES, "temp": NUMBERS, "y": NUMBERS}
    assert choose(columns).id_candidates == ("store", "note")


def test_a_column_of_numbers_that_another_flag_takes_is_not_reported_to_lack_numbers() -> None:
    with pytest.raises(DataError, match=r"no numeric column to forecast.*`y` is taken by another flag"):
        choose({"date": DATES, "y": NUMBERS}, past=("y",))
