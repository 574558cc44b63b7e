from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import ReadResult, read_columns, read_series
from rnnforecast.errors import DataError, InputError
from tests.data.conftest import Write

PANEL = "item,date,y\nb,2024-01-01,1\na,2024-01-01,10\nb,2024-01-02,2\na,2024-01-02,20\na,2024-01-03,30\n"


def read(path: str, **settings: Any) -> ReadResult:
    return read_series([path], DataSettings(**settings))


def daily(*values: object, start: str = "2024-01-01") -> str:
    days = pd.date_range(start, periods=len(values)).strftime("%Y-%m-%d")
    return "date,y\n" + "".join(f"{day},{value}\n" for day, value in zip(days, values, strict=True))


def test_a_file_is_read_without_any_setting(write: Write) -> None:
    found = read(write(daily(1, 2, 3)))
    assert found.series.values.tolist() == [1, 2, 3]
    assert found.series.timestamps(0).astype("datetime64[D]").astype(str).tolist()[-1] == "2024-01-03"
    assert (found.assumptions.time, found.assumptions.target, found.assumptions.freq) == ("date", ("y",), "D")
    assert (found.assumptions.num_series, found.assumptions.num_rows) == (1, 3)
    assert found.findings == ()


def test_every_assumption_says_why_and_which_flag_overrides_it(write: Write) -> None:
    reasons = read(write(daily(*range(100)))).assumptions.reasons
    assert set(reasons) == {"time", "target", "id", "freq", "season_length", "horizon"}
    assert "--freq" in reasons["freq"]
    assert "--season-length" in reasons["season_length"]
    assert "--horizon" in reasons["horizon"]


def test_settings_beat_what_would_be_assumed(write: Write) -> None:
    found = read(write(daily(*range(50))), season_length=3, horizon=5, freq="D", target=("y",), time="date")
    assert (found.assumptions.season_length, found.assumptions.horizon) == (3, 5)
    assert found.series.season_length == 3
    assert found.assumptions.reasons["horizon"] == "named by --horizon"


def test_a_panel_has_the_order_of_its_ids_whatever_the_order_of_rows(write: Write) -> None:
    series = read(write(PANEL)).series
    assert series.item_ids == ["a", "b"]
    assert series.values.tolist() == [10, 20, 30, 1, 2]
    assert series.id_columns == ("item",)


def test_ids_keep_their_text(write: Write) -> None:
    text = "item,date,y\n" + "".join(f"{item},2024-01-0{day},1\n" for item in ("007", "NA", "1e5") for day in (1, 2))
    assert read(write(text), id=("item",)).series.item_ids == ["007", "1e5", "NA"]


def test_several_targets_are_series_next_to_each_other(write: Write) -> None:
    text = "item,date,p,q\na,2024-01-01,1,5\na,2024-01-02,2,6\nb,2024-01-01,3,7\nb,2024-01-02,4,8\n"
    series = read(write(text), target=("p", "q")).series
    assert series.item_ids == ["a/p", "a/q", "b/p", "b/q"]
    assert series.values.tolist() == [1, 2, 5, 6, 3, 4, 7, 8]
    assert series.target_index.tolist() == [0, 1, 0, 1]


def test_rows_out_of_order_are_sorted_and_counted(write: Write) -> None:
    found = read(write("date,y\n2024-01-02,2\n2024-01-01,1\n2024-01-03,3\n"))
    assert found.series.values.tolist() == [1, 2, 3]
    (finding,) = found.findings
    assert (finding.code, finding.severity, finding.rows) == ("N_TIME_UNSORTED", "note", (3,))
    assert finding.message == "1 row came before an earlier timestamp and was sorted by `date`"


def test_any_order_of_rows_reads_as_the_same_series(write: Write) -> None:
    rows = daily(*range(30)).splitlines()
    shuffled = [rows[0], *np.random.default_rng(0).permutation(rows[1:]).tolist()]
    assert read(write("\n".join(shuffled))).series.digest() == read(write(daily(*range(30)))).series.digest()


def test_items_that_alternate_are_in_order(write: Write) -> None:
    assert [one.code for one in read(write(PANEL)).findings] == ["N_SERIES_ENDS"]  # nothing had to be sorted


def test_repeated_rows_with_equal_values_are_dropped_and_counted(write: Write) -> None:
    found = read(write("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-02,2\n2024-01-03,\n2024-01-03,\n"))
    assert found.series.num_rows == 3
    assert found.findings[0].code == "N_VALUE_MISSING"
    repeated = next(finding for finding in found.findings if finding.code == "W_TIME_REPEATED")
    assert (repeated.count, repeated.rows) == (2, (4, 6))


def test_repeated_timestamps_with_other_values_are_rejected_with_rows_and_values(write: Write) -> None:
    with pytest.raises(DataError) as caught:
        read(write("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-02,5\n"))
    assert "timestamp 2024-01-02 occurs in rows 3, 4 with different values, 2 and 5" in caught.value.message
    assert str(caught.value.hint).startswith("merge such rows with --duplicates")  # no column distinguishes them
    assert caught.value.code == "E_TIME_DUPLICATE"


def test_a_repeated_timestamp_of_a_panel_is_rejected_with_its_series(write: Write) -> None:
    with pytest.raises(DataError, match="series `a`: timestamp 2024-01-03"):
        read(write(PANEL + "a,2024-01-03,31\n"), id=("item",))


def test_gaps_become_masked_rows_and_are_counted(write: Write) -> None:
    found = read(write("date,y\n2024-01-01,1\n2024-01-02,2\n2024-01-05,5\n2024-01-07,7\n"))
    assert found.series.observed.tolist() == [True, True, False, False, True, False, True]
    (finding,) = found.findings
    assert finding.count == 3
    assert "2 gaps; longest: 2 steps after 2024-01-02" in finding.message


def test_closed_days_of_trading_are_gaps_of_the_business_calendar(write: Write) -> None:
    found = read(write("date,close\n2024-03-27,1\n2024-03-28,2\n2024-04-01,3\n2024-04-02,4\n"))
    assert found.assumptions.freq == "B"
    assert "1 gap or closed period" in found.findings[0].message


def test_missing_values_are_masked_and_noted_with_their_rows(write: Write) -> None:
    found = read(write(daily(1, "NA", 3)))
    assert found.series.observed.tolist() == [True, False, True]
    assert [finding.code for finding in found.findings] == ["W_VALUE_TOKENS", "N_VALUE_MISSING"]
    assert found.findings[1].message == "column `y`: 1 missing value; masked, not filled in"
    assert found.findings[1].rows == (3,)


def test_missing_values_at_either_end_are_noted_and_kept(write: Write) -> None:
    found = read(write(daily("", 2, 3, "")))
    assert found.series.num_rows == 4
    assert [finding.code for finding in found.findings] == ["N_VALUE_MISSING", "N_TARGET_LEADING", "N_TARGET_TRAILING"]
    assert "at 2024-01-04" in found.findings[2].message


def test_a_target_without_any_value_is_rejected(write: Write) -> None:
    with pytest.raises(DataError, match="target `y`: every target value is missing"):
        read(write(daily("", "", "")))


def test_a_series_without_any_value_is_left_out_and_listed_as_rejected(write: Write) -> None:
    found = read(write(PANEL.replace(",1\n", ",\n").replace(",2\n", ",\n")))
    assert found.series.item_ids == ["a"]
    assert [finding.code for finding in found.findings if finding.severity == "error"] == ["E_TARGET_MISSING"]


def test_constant_series_are_noted(write: Write) -> None:
    assert read(write(daily(5, 5, 5))).findings[0].message == "constant series: `y` never changes"


def test_text_in_the_target_is_rejected_with_file_row_column_and_value(write: Write) -> None:
    path = write(daily(1, "12 kg", 3))
    with pytest.raises(DataError) as caught:
        read(path)
    assert caught.value.message.startswith(f"{path}: column `y`, row 3: `12 kg` is a number with a unit")


def test_all_problems_of_a_file_are_found_in_one_pass(write: Write) -> None:
    text = "date,y,x\n2024-01-01,a,1\nnever,2,inf\n2024-01-03,3,3\n"
    with pytest.raises(DataError, match=": 3 problems:") as caught:
        read(write(text), target=("y",), past=("x",))
    assert [finding.code for finding in caught.value.findings] == ["E_TIME_TEXT", "E_VALUE_TEXT", "E_VALUE_INFINITE"]


def test_a_blank_id_is_rejected_with_its_rows(write: Write) -> None:
    with pytest.raises(DataError, match=r"id column `item`, row 3: missing id"):
        read(write(PANEL.replace("a,2024-01-01", ",2024-01-01")), id=("item",))


def test_rows_of_delimiters_alone_are_left_out_and_counted(write: Write) -> None:
    found = read(write(daily(1, 2, 3) + ",\n,\n"))
    assert found.series.num_rows == 3
    assert found.findings[0].message == "2 empty rows left out"


def test_a_file_without_time_is_read_as_steps(write: Write) -> None:
    found = read(write("load\n5\n6\n7\n"))
    assert (found.assumptions.time, found.assumptions.freq) == (None, "step")
    assert found.series.future_timestamps(2).tolist() == [[3, 4]]
    assert found.series.future_timestamps(2).dtype == np.int64


def test_time_none_counts_the_rows_of_each_series(write: Write) -> None:
    series = read(write(PANEL), time="none").series
    assert series.item_ids == ["a", "b"]
    assert series.lengths.tolist() == [3, 2]


def test_integer_timestamps_stay_integers(write: Write) -> None:
    found = read(write("unique_id,ds,y\na,1,1\na,2,2\nb,5,3\nb,6,4\n"))
    assert found.series.first_ordinals.tolist() == [1, 5]
    assert found.series.future_timestamps(1).tolist() == [[3], [7]]


def test_integer_steps_with_a_season_are_forecast_one_season_ahead(write: Write) -> None:
    wave = np.sin(2 * np.pi * np.arange(96) / 8)
    found = read(write("t,y\n" + "".join(f"{step},{value}\n" for step, value in enumerate(wave))))
    assert (found.assumptions.season_length, found.assumptions.horizon) == (8, 8)


def test_dates_and_hours_in_two_columns_are_one_timestamp(write: Write) -> None:
    rows = [f"10/03/2004;{hour:02d}.00.00;{hour + 0.5}" for hour in range(12, 24)]
    found = read(write("Date;Time;CO\n" + "\n".join(rows) + "\n13/03/2004;00.00.00;9\n"))
    assert found.series.time_column == "Date+Time"
    assert str(found.series.timestamps(0)[0]).startswith("2004-03-10T12:00")


def test_the_parts_of_a_date_are_one_timestamp_and_can_be_named(write: Write) -> None:
    text = "No,year,month,day,hour,y\n1,2010,1,1,22,5\n2,2010,1,1,23,6\n3,2010,1,2,0,7\n"
    assert read(write(text)).series.time_column == "year+month+day+hour"
    assert read(write(text), time="year+month+day+hour").assumptions.freq == "h"


def test_parts_that_make_no_date_are_rejected(write: Write) -> None:
    with pytest.raises(DataError, match="name days that do not exist"):
        read(write("year,month,day,y\n2023,2,29,1\n2023,3,1,2\n"))
    with pytest.raises(DataError, match="`0` is not a valid month"):
        read(write("year,month,y\n2023,0,1\n2023,1,2\n"))
    with pytest.raises(DataError, match="`date`, `z` do not make up timestamps"):
        read(write("date,z,y\n2023-01-01,5000,1\n2023-01-02,6000,2\n"), time="date+z")


def test_several_files_are_a_series_each(write: Write) -> None:
    paths = [write(daily(1, 2, 3), "north.csv"), write(daily(4, 5, start="2024-02-01"), "south.csv")]
    found = read_series(paths)
    assert (found.series.id_columns, found.series.item_ids) == (("file",), ["north", "south"])
    assert found.paths == tuple(paths)


def test_several_files_with_ids_are_one_panel(write: Write) -> None:
    rows = PANEL.splitlines(keepends=True)
    paths = [write(PANEL, "one.csv"), write(rows[0] + "c,2024-01-01,7\nc,2024-01-02,8\n", "two.csv")]
    assert read_series(paths).series.item_ids == ["a", "b", "c"]


def test_the_file_as_id_can_be_named_so_that_a_model_reads_one_file_again(write: Write) -> None:
    assert read(write(daily(1, 2), "north.csv"), id=("file",)).series.item_ids == ["north"]


def test_a_glob_reads_all_its_files(write: Write, tmp_path: Path) -> None:
    write(daily(1, 2, 3), "a.csv")
    write(daily(1, 2, 3), "b.csv")
    assert read_series([tmp_path / "*.csv"]).series.item_ids == ["a", "b"]


def test_a_problem_in_the_second_file_names_that_file(write: Write) -> None:
    second = write(daily(1, "x"), "south.csv")
    with pytest.raises(DataError, match=f"{second}: column `y`, row 3"):
        read_series([write(daily(1, 2), "north.csv"), second])


def test_a_file_that_lacks_a_column_of_the_first_is_rejected(write: Write) -> None:
    with pytest.raises(DataError, match=r"south.csv lacks column `y`"):
        read_series([write(daily(1, 2), "north.csv"), write("date,z\n2024-01-01,1\n", "south.csv")])


def test_files_that_write_time_differently_are_rejected(write: Write) -> None:
    with pytest.raises(DataError, match="write time in different ways"):
        read_series([write(daily(1, 2), "a.csv"), write("date,y\n1,2\n2,3\n", "b.csv")])


def test_a_missing_file_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        read(str(tmp_path / "none.csv"))


def test_all_ways_to_hold_the_same_rows_give_the_same_series(write: Write, tmp_path: Path) -> None:
    values = [0.1, 1 / 3, 2e-17, 123456.789012345]
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=4), "y": values})
    frame.to_parquet(tmp_path / "a.parquet")
    text = daily(*values)
    paths = [
        write(text),
        write(gzip.compress(text.encode()), "a.csv.gz"),
        write(text.replace(",", ";"), "semicolon.csv"),
        write(text.replace("\n", "\r\n"), "windows.csv"),
        str(tmp_path / "a.parquet"),
    ]
    assert len({read(path).series.digest() for path in paths}) == 1


def test_covariates_are_cut_where_the_target_ends(write: Write) -> None:
    text = "item,date,y,p,f,c\n" + "".join(
        f"a,2024-01-0{day},{day if day < 4 else ''},{day if day < 4 else ''},{day * 10},1\n" for day in range(1, 7)
    )
    series = read(write(text), past=("p",), future=("f",), static=("c",)).series
    assert series.values.tolist() == [1, 2, 3]
    assert series.past_covariates[:, 0].tolist() == [1, 2, 3]
    assert series.future_covariates[:, 0].tolist() == [10, 20, 30, 40, 50, 60]
    assert series.future_offsets.tolist() == [0, 6]
    assert series.static_covariates.tolist() == [[1]]


def test_without_future_covariates_empty_targets_at_the_end_stay_rows(write: Write) -> None:
    assert read(write(daily(1, 2, ""))).series.num_rows == 3


def test_truth_values_are_covariates_of_zero_and_one(write: Write) -> None:
    text = "date,y,holiday\n2024-01-01,1,TRUE\n2024-01-02,2,FALSE\n"
    assert read(write(text), past=("holiday",)).series.past_covariates[:, 0].tolist() == [1, 0]


@pytest.mark.parametrize("role", ["past", "future"])
def test_a_covariate_missing_in_the_history_is_filled_and_said(write: Write, role: str) -> None:
    cells = ["", "", "3", "", "5"]
    text = "date,y,p\n" + "".join(f"2024-01-0{day},{day},{cell}\n" for day, cell in enumerate(cells, start=1))
    found = read(write(text), **{role: ("p",)})
    columns = found.series.past_covariates if role == "past" else found.series.future_covariates
    assert columns[:, 0].tolist() == [3, 3, 3, 3, 5]
    (noted,) = found.findings
    assert (noted.code, noted.count, noted.rows) == ("W_COVARIATE_FILLED", 3, (2, 3, 5))


def test_a_covariate_of_the_steps_to_come_is_never_filled(write: Write) -> None:
    text = "date,y,p\n2024-01-01,1,1\n2024-01-02,2,\n2024-01-03,,\n2024-01-04,,4\n"
    with pytest.raises(DataError, match=r"covariate `p`, row 4: missing value"):
        read(write(text), future=("p",))


def test_a_covariate_that_one_series_lacks_is_filled_there_from_the_others_with_a_warning(write: Write) -> None:
    text = "id,date,y,p\na,2024-01-01,1,\na,2024-01-02,2,\nb,2024-01-01,1,7\nb,2024-01-02,2,8\n"
    found = read(write(text), id=("id",), target=("y",), past=("p",))
    assert [one.rows for one in found.findings if one.code == "W_COVARIATE_FILLED"] == [(2, 3)]
    assert found.series.past_covariates[:, 0].tolist() == [7, 7, 7, 8]


def test_a_covariate_in_a_gap_holds_the_value_before_it(write: Write) -> None:
    text = "date,y,p\n2024-01-01,1,7\n2024-01-02,2,8\n2024-01-04,4,9\n"
    assert read(write(text), past=("p",)).series.past_covariates[:, 0].tolist() == [7, 8, 8, 9]


def test_a_static_covariate_that_changes_is_rejected_with_rows_and_series(write: Write) -> None:
    text = "item,date,y,c\na,2024-01-01,1,1\na,2024-01-02,2,2\n"
    with pytest.raises(DataError, match=r"static covariate `c`, row 3: changes in series `a`"):
        read(write(text), static=("c",), id=("item",))


def test_a_series_without_a_static_value_has_the_mean_of_the_others_or_an_unknown_category(write: Write) -> None:
    cells = {"a": ("1", "north"), "b": ("", ""), "c": ("4", "south"), "d": ("4", "south")}
    lines = [f"{item},2024-01-0{day},{day},{size},{word}" for item, (size, word) in cells.items() for day in (1, 2)]
    found = read(
        write("\n".join(["item,date,y,size,place", *lines])), id=("item",), target=("y",), static=("size", "place")
    )
    assert found.series.static_covariates.tolist() == [[1, 1], [3, 0], [4, 2], [4, 2]]
    said = [one.message for one in found.findings if one.code == "W_COVARIATE_UNKNOWN"]
    assert said == [
        "static covariate `size`: missing in 1 of 4 series, such as `b`; read as the mean of the others, 3",
        "static covariate `place`: missing in 1 of 4 series, such as `b`; read as an unknown category",
    ]


def test_an_empty_cell_of_a_static_covariate_takes_the_value_of_its_series(write: Write) -> None:
    text = "item,date,y,c\na,2024-01-01,1,\na,2024-01-02,2,7\na,2024-01-03,2,\n"
    found = read(write(text), static=("c",), id=("item",))
    assert found.series.static_covariates.tolist() == [[7]]
    assert not [one for one in found.findings if one.code == "W_COVARIATE_UNKNOWN"]
    with pytest.raises(DataError, match=r"static covariate `c`, row 4: changes in series `a`"):
        read(write(f"{text[:-1]}8\n"), static=("c",), id=("item",))


def test_a_static_covariate_without_any_value_is_an_error_with_the_fix(write: Write) -> None:
    with pytest.raises(DataError, match=r"static covariate `c`: every value is missing") as raised:
        read(write("item,date,y,c\na,2024-01-01,1,\na,2024-01-02,2,\n"), static=("c",), id=("item",), target=("y",))
    assert raised.value.hint == "write its values, or leave `c` out"


def test_the_parts_that_columns_play_are_listed(write: Write) -> None:
    found = read(write("date,y,p,z\n2024-01-01,1,1,a\n2024-01-02,2,2,b\n"), past=("p",), target=("y",))
    assert found.roles == {"date": "time", "y": "target", "p": "past", "z": "unused"}
    assert found.columns == ("date", "y", "p", "z")
    assert read_columns(found.paths[0]) == found.columns


def test_the_digest_of_a_reading_is_that_of_its_files(write: Write) -> None:
    one, two = write(daily(1, 2), "a.csv"), write(daily(1, 3), "b.csv")
    assert read(one).digest != read(two).digest
    assert read_series([one, two]).digest not in (read(one).digest, read(two).digest)


def test_names_that_libraries_use_inside_do_no_harm(write: Write) -> None:
    text = "index,ds,unique_id,0,level_0\nx,2024-01-01,a,1,5\nx,2024-01-02,a,2,6\n"
    assert read(write(text), target=("0",)).series.values.tolist() == [1, 2]


@pytest.mark.parametrize("words", [("a,b",), ("a", "b"), "a,b", ("a, b",)])
@pytest.mark.parametrize("role", ["target", "past", "future"])
def test_a_comma_parts_columns_in_every_role(write: Write, role: str, words: object) -> None:
    path = write("date,y,a,b\n" + "".join(f"2024-01-{day:02d},{day},1,2\n" for day in range(1, 9)))
    chosen: dict[str, object] = {"target": "y"} | {role: words}
    series = read(path, **chosen).series
    names = {"target": series.target_names, "past": series.past_names, "future": series.future_names}
    assert names[role] == ("a", "b")


def test_ids_and_static_covariates_are_separated_by_commas_too(write: Write) -> None:
    rows = "".join(f"2024-01-{day:02d},{shop},x,3,4,{day}\n" for shop in "pq" for day in range(1, 9))
    series = read(write("date,shop,city,s,t,y\n" + rows), id=("shop,city",), static=("s,t",), target="y").series
    assert series.id_columns == ("shop", "city")
    assert series.static_names == ("s", "t")


def test_a_column_whose_name_holds_a_comma_is_one_column(write: Write) -> None:
    path = write('date,"a,b",a,b\n' + "".join(f"2024-01-{day:02d},{day},1,2\n" for day in range(1, 9)))
    assert read(path, target="a,b").series.target_names == ("a,b",)
    assert read(path, target=("b,a",)).series.target_names == ("b", "a")
