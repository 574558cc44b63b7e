from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.tables import csv_reader as module
from rnnforecast.data.tables.csv_reader import ColumnBuffers, pieces_of
from rnnforecast.data.tables.table import read_table
from rnnforecast.errors import DataError
from tests.data.conftest import Write

ROWS = "".join(f"item {number},2024-01-{day:02d},{day * number}.5\n" for number in range(6) for day in range(1, 29))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut texts into pieces of two or three lines."""
    monkeypatch.setattr(module, "PIECE_BYTES", 50)


@given(st.binary(max_size=60).map(lambda text: text.replace(b"a", b"\n")), st.integers(1, 20))
def test_pieces_are_the_text_without_blank_lines_and_end_where_a_line_ends(text: bytes, size: int) -> None:
    pieces = list(pieces_of(text, size=size))
    assert b"".join(text[begin:end] for begin, end in pieces).split() == text.split()
    assert all(end == len(text) or text[end - 1 : end] == b"\n" for _, end in pieces)
    assert all(end - begin <= size + text[begin + size :].find(b"\n") + 1 or end == len(text) for begin, end in pieces)


def test_rows_are_collected_in_arrays_of_their_own_type() -> None:
    types = {"1": pa.timestamp("us"), "2": pa.float64(), "0": pa.dictionary(pa.int32(), pa.string()), "3": pa.int64()}
    gathered = ColumnBuffers(types, limit=10)
    for timestamps, numbers, words in (([0, 1], [1.5, None], ["a", "b"]), ([], [], []), ([None], [2.5], ["c"])):
        columns = [pa.array(numbers, pa.float64()), pa.array(words, pa.string()).dictionary_encode()]
        columns.append(pa.array(range(len(words)), pa.int64()))
        gathered.add(pa.table([pa.array(timestamps, pa.timestamp("us")), *columns], names=["1", "2", "0", "3"]))
    frame = pd.DataFrame(gathered.finish(types))
    assert gathered.num_rows == 3
    assert [str(kind) for kind in frame.dtypes] == ["datetime64[us]", "float64", "category", "int64"]
    assert frame["0"].tolist() == ["a", "b", "c"]
    assert frame["1"].isna().tolist() == [False, False, True]
    assert frame["2"].isna().tolist() == [False, True, False]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("text", [ROWS, ROWS.replace("item 3", '"item 3"'), ROWS.replace("\n", "\n\n\n"), ROWS[:-1]])
def test_any_pieces_read_the_same_series(text: str, write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("id,t,y\n" + text)
    found = read_series(path)
    monkeypatch.undo()
    assert found.series.digest() == read_series(path).series.digest()
    assert found.series.num_series == 6


@pytest.mark.usefixtures("small")
def test_a_word_in_the_last_piece_is_rejected_by_its_row(write: Write) -> None:
    with pytest.raises(DataError, match="column `y`, row 170: `abc` is not a number"):
        read_series(write("id,t,y\n" + ROWS + "item 5,2024-01-29,abc\n"))


@pytest.mark.usefixtures("small")
def test_a_step_that_is_missing_in_a_later_piece_is_rejected_by_its_row(write: Write) -> None:
    rows = "".join(f"{step},{step}.5,7\n" for step in range(1, 60))
    with pytest.raises(DataError, match="time column `step`, row 61: missing timestamp"):
        read_series(write("step,y,n\n" + rows + ",1,1\n"), DataSettings(time="step", target=("y",)))


@pytest.mark.usefixtures("small")
def test_a_ragged_row_in_a_later_piece_is_rejected_by_its_row(write: Write) -> None:
    with pytest.raises(DataError, match="row 170"):
        read_series(write("id,t,y\n" + ROWS + "item 5,2024-01-29\n"))


def test_a_line_longer_than_a_block_is_read(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_BLOCK_BYTES", 64)
    rows = "".join(f"2024-01-{day:02d},{day},{'x' * (200 if day == 20 else 1)}\n" for day in range(1, 29))
    assert read_series(write("t,y,note\n" + rows)).series.lengths.tolist() == [28]


def test_the_text_of_a_plain_file_is_freed_and_its_rows_are_still_known(write: Write) -> None:
    table = read_table(write("id,t,y\n" + ROWS))
    table.read(text=["id"], numeric=["y"], time=["t"])
    before = table.lines_of([0, 5, 167])
    table.release()
    assert table.lines_of([0, 5, 167]) == before == [2, 7, 169]
    assert not _text_of(table)


def test_the_text_of_a_file_with_blank_lines_is_kept_for_its_rows(write: Write) -> None:
    table = read_table(write("id,t,y\n\n" + ROWS))
    table.read(text=["id"], numeric=["y"], time=["t"])
    table.release()
    assert table.lines_of([0, 5]) == [3, 8]
    assert _text_of(table)


def test_the_bytes_of_a_parquet_file_are_freed_and_its_rows_are_still_known(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"t": pd.date_range("2024-01-01", periods=9), "y": np.arange(9.0)}).to_parquet(path)
    table = read_table(str(path))
    table.read(numeric=["y"], time=["t"])
    table.release()
    assert table.lines_of([0, 8]) == [1, 9]
    assert table.columns.source.payload == b""  # type: ignore[attr-defined]


def _text_of(table: object) -> bytes:
    columns = table.columns  # type: ignore[attr-defined]
    return bytes(columns.text.payload)
