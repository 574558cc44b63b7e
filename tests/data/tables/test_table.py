from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.tables import parquet_reader as module
from rnnforecast.data.tables.table import read_table
from rnnforecast.errors import DataError
from tests.data.conftest import Write


def parquet(frame: pd.DataFrame, folder: Path) -> str:
    path = folder / "rows.parquet"
    frame.to_parquet(path)
    return str(path)


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n",
        "a;b\n1;2\n",
        "a\tb\n1\t2\n",
        "a|b\n1|2\n",
        "sep=;\na;b\n1;2\n",
        '"a","b"\n"1","2"\n',
        "\n a , b\n1,2\n",
    ],
)
def test_the_delimiter_is_found(write: Write, text: str) -> None:
    table = read_table(write(text))
    assert table.names == ("a", "b")
    assert table.sample.iloc[0].tolist() == ["1", "2"]


def test_a_decimal_comma_does_not_pass_for_a_delimiter(write: Write) -> None:
    assert read_table(write("t;y\n1;2,5\n2;3,5\n")).names == ("t", "y")


def test_two_delimiters_that_fit_equally_are_rejected(write: Write) -> None:
    with pytest.raises(DataError, match=r"`,` and `;` split the rows equally well"):
        read_table(write("a,b;c\n1,2;3\n4,5;6\n"))


def test_a_quoted_cell_may_hold_delimiters_and_line_ends(write: Write) -> None:
    table = read_table(write('t,name,y\n1,"a, b\nc",2\n2,d,x\n'))
    assert table.sample["name"].tolist() == ["a, b\nc", "d"]
    assert table.lines_of([0, 1]) == [2, 4]


def test_rows_are_counted_as_an_editor_counts_lines(write: Write) -> None:
    table = read_table(write("t,y\n\n1,2\n\n3,4\n"))
    assert len(table.sample) == 2
    assert table.lines_of([0, 1]) == [3, 5]


def test_an_empty_line_of_a_single_column_is_a_missing_row(write: Write) -> None:
    table = read_table(write("y\n1\n\n3\n"))
    assert table.read(numeric=["y"])["y"].isna().tolist() == [False, True, False]
    assert table.lines_of([2]) == [4]


def test_ids_survive_as_they_are_written(write: Write) -> None:
    table = read_table(write("id,y\n007,1\nNA,2\nnull,3\n1e5,4\nTrue,5\n"))
    assert table.read(text=["id"])["id"].tolist() == ["007", "NA", "null", "1e5", "True"]


def test_words_for_missing_are_left_to_the_parser_of_numbers(write: Write) -> None:
    tokens = ["", "NA", "NaN", "null", "None", "n/a", "-"]
    table = read_table(write("t,y\n" + "".join(f"{row},{token}\n" for row, token in enumerate(tokens)) + "9,1.5\n"))
    assert table.read(numeric=["y"])["y"].tolist()[:-1] == tokens


def test_header_only_is_rejected_with_the_count(write: Write) -> None:
    with pytest.raises(DataError, match="has a header but 0 data rows"):
        read_table(write("t,y\n"))


def test_a_missing_header_is_rejected(write: Write) -> None:
    with pytest.raises(DataError, match=r"has no header: row 1 begins with `2024-01-01`"):
        read_table(write("2024-01-01,5\n2024-01-02,6\n"))


def test_rows_with_too_many_or_too_few_cells_are_named(write: Write) -> None:
    table = read_table(write("t,y\n1,2\n1,2,3\n4,5\n6\n"))
    assert table.read(numeric=["y"])["y"].tolist() == [2, 5]
    (problem,) = table.problems
    assert "rows 3, 5: 3 cells where the header has 2 columns, `1,2,3`" in problem.message
    assert problem.rows == (3, 5)


def test_a_long_row_does_not_make_up_for_a_short_one(write: Write) -> None:
    table = read_table(write("a,b,c\n1,2,3,4\n1,2\n5,6,7\n"))
    assert table.read(numeric=["c"])["c"].tolist() == [7]
    assert "rows 2, 3" in table.problems[0].message


def test_a_last_row_that_is_cut_is_rejected(write: Write) -> None:
    table = read_table(write("t,y\n1,2\n2"))
    table.read(numeric=["y"])
    assert "row 3: the last row is incomplete, 1 cell where the header has 2 columns" in table.problems[0].message
    assert "--drop-last-partial" in str(table.problems[0].fix)


def test_delimiters_behind_the_last_column_are_not_cells(write: Write) -> None:
    assert read_table(write("t,y\n1,2,\n3,4,,\n")).read(numeric=["y"])["y"].tolist() == [2, 4]


def test_a_quote_that_is_never_closed_is_rejected_near_its_row(write: Write) -> None:
    with pytest.raises(DataError, match="row 3: a quote opens there, and the quotes do not pair up"):
        read_table(write('t,name\n1,a\n2,"b\n3,c\n')).read(text=["name"])


def test_columns_without_a_name_are_called_by_their_position(write: Write) -> None:
    assert read_table(write(",y\n1,2\n")).names == ("Unnamed: 0", "y")


def test_names_lose_blanks_that_nobody_sees(write: Write) -> None:
    assert read_table(write("t\u00a0,\u200by \n1,2\n")).names == ("t", "y")


def test_parquet_keeps_ids_as_text_and_empty_numbers_missing(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["007", "NA"], "t": pd.to_datetime(["2024-01-01", "2024-01-02"]), "y": [1.5, None]})
    table = read_table(parquet(frame, tmp_path))
    assert table.names == ("id", "t", "y")
    found = table.read(text=["id"], numeric=["y"])
    assert found["id"].tolist() == ["007", "NA"]
    assert found["y"].isna().tolist() == [False, True]
    assert table.lines_of([1]) == [2]


def test_an_index_of_pandas_is_a_column(tmp_path: Path) -> None:
    frame = pd.DataFrame({"y": [1.0]}, index=pd.DatetimeIndex(["2024-01-01"], name="when"))
    assert read_table(parquet(frame, tmp_path)).names == ("y", "when")


def test_categories_and_truth_values_of_parquet_read_as_plain_ones(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"id": pd.Categorical(["b", "a"]), "flag": [True, False], "n": pd.array([1, None], dtype="Int64")}
    )
    found = read_table(parquet(frame, tmp_path)).read(text=["id"], numeric=["flag", "n"])
    assert found["id"].tolist() == ["b", "a"]
    assert found["flag"].tolist() == [1.0, 0.0]
    assert found["n"].isna().tolist() == [False, True]


def test_a_nested_column_that_is_not_used_does_no_harm(tmp_path: Path) -> None:
    table = read_table(parquet(pd.DataFrame({"y": [1.0], "list": [[1, 2]]}), tmp_path))
    assert list(table.sample.columns) == ["y"]


@pytest.mark.parametrize("cut", [40, -10])
def test_a_cut_parquet_file_is_rejected(tmp_path: Path, cut: int) -> None:
    path = Path(parquet(pd.DataFrame({"y": range(100)}), tmp_path))
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match="damaged Parquet file"):
        read_table(str(path))


def test_a_parquet_file_without_rows_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="columns but 0 data rows"):
        read_table(parquet(pd.DataFrame({"y": pd.Series([], dtype=float)}), tmp_path))


def test_a_parquet_file_that_announces_too_much_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_CELLS", 50)
    with pytest.raises(DataError, match="announces 100 cells"):
        read_table(parquet(pd.DataFrame({"y": range(100)}), tmp_path))


def test_a_text_file_named_parquet_is_read_as_text(write: Write) -> None:
    assert read_table(write("t,y\n1,2\n", "rows.parquet")).names == ("t", "y")


def test_a_binary_file_named_parquet_is_rejected(write: Write) -> None:
    with pytest.raises(DataError, match="does not begin with PAR1"):
        read_table(write(b"XXXX\0\0\0", "rows.parquet"))


def test_a_nameless_index_of_pandas_is_a_column_of_the_sample_too(tmp_path: Path) -> None:
    table = read_table(parquet(pd.DataFrame({"y": [1.0]}, index=pd.DatetimeIndex(["2024-01-01"])), tmp_path))
    assert list(table.sample.columns) == list(table.names)


def test_comments_before_the_header_are_rejected_with_the_command_that_removes_them(write: Write) -> None:
    with pytest.raises(DataError, match="row 1 is a comment, not a header") as caught:
        read_table(write("# made by me\nt,y\n1,2\n"))
    assert "grep -v '^#'" in str(caught.value.hint)


def test_a_header_may_begin_with_a_hash(write: Write) -> None:
    assert read_table(write("#t,y\n1,2\n")).names == ("#t", "y")


def test_an_open_quote_that_leaves_the_sample_no_row_is_rejected_by_the_file(write: Write) -> None:
    path = write('shop\n"a",1\n"",2\n"3,4\n')
    with pytest.raises(DataError, match="cannot be read as a table: Could not skip initial 1 rows") as caught:
        read_table(path, DataSettings(sample=7))
    assert "look for a row unlike the others" in str(caught.value.hint)


def test_more_columns_than_can_be_chosen_from_are_rejected_as_such(write: Write) -> None:
    header = ",".join(f"c{number}" for number in range(30_000))
    with pytest.raises(DataError, match=r"has 30,000 columns, at most 20,000 are read"):
        read_table(write(f"{header}\n{header}\n"))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pa.array([0, 1], pa.duration("us")), "contains spans of time"),
        (pa.array([2_147_483_000, 1], pa.date32()), "a date that is not on the calendar"),
    ],
)
def test_parquet_that_is_whole_is_not_called_damaged(tmp_path: Path, values: pa.Array, words: str) -> None:
    pq.write_table(pa.table({"t": [1, 2], "y": values}), tmp_path / "p.parquet")
    with pytest.raises(DataError) as caught:
        read_series([tmp_path / "p.parquet"], DataSettings(target=("y",)))
    told = [caught.value.message, *(finding.message for finding in caught.value.findings)]
    assert any(words in message for message in told)
