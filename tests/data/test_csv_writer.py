from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.data import csv_writer as module
from rnnforecast.data.csv_writer import csv_blocks
from rnnforecast.data.write import write_table

BERLIN = pd.date_range("2024-03-30", periods=3, freq="12h", tz="Europe/Berlin")
SIZES = np.random.default_rng(0).normal(size=500) * 10.0 ** np.random.default_rng(1).integers(-30, 30, 500)
FRAMES = {
    "numbers of every size": pd.DataFrame({"y": SIZES, "whole": np.rint(SIZES / 1e15), "step": np.arange(500)}),
    "numbers that are none": pd.DataFrame({"y": [np.nan, np.inf, -np.inf, 0.0, -0.0], "z": 1.5}),
    "days": pd.DataFrame({"date": pd.date_range("2024-01-01", periods=3).to_numpy("datetime64[us]"), "y": 1.0}),
    "hours": pd.DataFrame({"date": pd.date_range("2024-01-01", periods=3, freq="h"), "y": 1.0}),
    "timestamps with a zone": pd.DataFrame({"date": BERLIN, "y": 1.0}),
    "text": pd.DataFrame({"id": ["007", "a,b", 'q"\n', ""], "y": 1}),
    "text that is missing": pd.DataFrame({"id": ["a", None, ""], "y": 1}),
    "truth values": pd.DataFrame({"flag": [True, False], "y": 1}),
    "words of a list": pd.DataFrame({"kind": pd.Categorical(["a", "b", "a"]), "y": 1}),
    "one column": pd.DataFrame({"y": [1.5, np.nan]}),
    "a name with a line break": pd.DataFrame({"a\nb": [1], "c": [2]}),
    "no row": pd.DataFrame({"id": pd.Series([], dtype=object), "y": pd.Series([], dtype=float)}),
}


def _text(frame: pd.DataFrame) -> str:
    return b"".join(csv_blocks(frame)).decode("utf-8", "surrogateescape")


@pytest.mark.parametrize("name", FRAMES)
def test_a_table_is_written_byte_for_byte_as_pandas_writes_it(name: str) -> None:
    assert _text(FRAMES[name]) == FRAMES[name].to_csv(index=False, lineterminator="\n")


@pytest.mark.parametrize("name", FRAMES)
def test_neither_the_number_of_rows_nor_where_a_block_ends_changes_anything(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = _text(FRAMES[name])
    monkeypatch.setattr(module, "FEW_ROWS", 0)
    assert _text(FRAMES[name]) == whole
    monkeypatch.setattr(module, "BLOCK_ROWS", 2)
    assert _text(FRAMES[name]) == whole


@pytest.mark.parametrize("name", FRAMES)
def test_every_table_reads_back_and_is_kept(name: str, tmp_path: Path) -> None:
    write_table(FRAMES[name], tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == b"".join(csv_blocks(FRAMES[name]))


def test_a_carriage_return_is_quoted_so_that_readers_take_it_back(tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": ["a\rb", "c"], "y": [1, 2]})
    write_table(frame, tmp_path / "out.csv")
    rows = list(csv.reader(io.StringIO(_text(frame), newline="")))
    assert rows == [["id", "y"], ["a\rb", "1"], ["c", "2"]]


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-a", "@a", "\ta", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20a"])
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    assert _text(pd.DataFrame({"id": [cell], "y": [-1.5]})) == f"id,y\n'{cell},-1.5\n"
    assert _text(pd.DataFrame({cell: ["a"], "y": [-1.5]})) == f"'{cell},y\na,-1.5\n"


def test_bytes_that_are_not_text_stay_what_they_were() -> None:
    assert (
        b"".join(csv_blocks(pd.DataFrame({"id": pd.Series(["\udcff"], dtype=object), "y": [1]}))) == b"id,y\n\xff,1\n"
    )
