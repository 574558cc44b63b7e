from __future__ import annotations

import io
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.files import local as opening
from rnnforecast.data.read import read_series
from rnnforecast.data.tables import parquet_reader as parquet
from rnnforecast.errors import DataError, ExitCode, InputError
from tests.bad_input.files import ROWS, VALUES
from tests.bad_input.harness import inspect, with_stdin


def _repeated(folder: Path, num_rows: int) -> Path:
    """Write one value and one timestamp so often that few bytes announce many rows."""
    path = folder / "rows.parquet"
    table = pa.table({"y": pa.DictionaryArray.from_arrays(pa.array(np.zeros(num_rows, np.int8)), pa.array([1.0]))})
    pq.write_table(table, path, row_group_size=num_rows, compression="zstd")
    return path


def test_a_parquet_file_that_announces_more_cells_than_are_read_is_rejected_from_its_metadata(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _repeated(tmp_path, 1_000_000)
    assert path.stat().st_size < 10_000
    monkeypatch.setattr(parquet, "MAX_CELLS", 999_999)
    ended = inspect([path], {})
    assert ended.code == ExitCode.DATA
    assert "announces 1000000 cells" in ended.text
    assert inspect([path], {"max_bytes": "1GiB"}).code == 0


def test_a_file_that_guarantees_far_more_than_its_size_is_tried_in_a_child_of_little_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _repeated(tmp_path, 3_000_000)
    tried: list[int] = []

    def refuses(payload: bytes, columns: list[str], *, memory: int) -> str | None:
        tried.append(memory)
        return f"it asks for {len(payload)} bytes times too many for {columns}"

    monkeypatch.setattr(parquet, "probe_in_subprocess", refuses)
    ended = inspect([path], {})
    assert (ended.code, len(tried)) == (ExitCode.DATA, 1)
    assert "damaged Parquet file: it asks for" in ended.text


def test_rows_that_unpack_to_more_than_the_named_cap_are_rejected_before_they_are_read(tmp_path: Path) -> None:
    path = _repeated(tmp_path, 1_000_000)
    ended = inspect([path], {"max_bytes": "1MiB"})
    assert ended.code == ExitCode.DATA
    assert "contains more than 1MiB (8MiB so far or announced)" in ended.text


def test_a_child_that_runs_out_of_memory_is_a_rejection_not_an_end(tmp_path: Path) -> None:
    from rnnforecast.data.tables.parquet_reader import probe_in_subprocess

    payload = _repeated(tmp_path, 1_000_000).read_bytes()
    assert probe_in_subprocess(payload, ["y"], memory=2**26) is not None
    assert probe_in_subprocess(payload, ["y"], memory=2**33) is None
    assert probe_in_subprocess(b"no parquet", ["y"], memory=2**33) is not None


@pytest.mark.parametrize("announced", [-19, -1, 29, 31])
def test_a_parquet_file_whose_row_groups_hold_another_number_of_rows_than_it_announces_is_rejected(
    announced: int, tmp_path: Path
) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30), "y": VALUES}).to_parquet(path, index=False)
    content = path.read_bytes()
    zigzag = 2 * announced if announced >= 0 else -2 * announced - 1  # how a footer writes whole numbers
    start = content.index(b"\x16\x3c", content.index(b"schema"))  # the field of 30 rows, in the footer of the file
    path.write_bytes(content[:start] + bytes([0x16, zigzag]) + content[start + 2 :])
    assert pq.read_metadata(path).num_rows == announced
    ended = inspect([path], {})
    assert ended.code == ExitCode.DATA
    assert f"damaged Parquet file: it announces {announced} rows, its row groups 30" in ended.text


@pytest.mark.parametrize("place", range(20))
def test_a_parquet_file_with_any_byte_flipped_is_read_or_rejected_never_worse(place: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30), "y": VALUES})
    frame.to_parquet(path, index=False)
    content = bytearray(path.read_bytes())
    for offset in range(place, len(content), 97):
        spoiled = bytearray(content)
        spoiled[offset] ^= 0x5A
        path.write_bytes(spoiled)
        assert inspect([path], {}).code in (0, ExitCode.DATA)


@pytest.mark.parametrize("place", range(10))
def test_a_zip_with_any_byte_changed_or_lost_is_read_or_rejected_never_worse(place: int, tmp_path: Path) -> None:
    path = tmp_path / "rows.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("rows.csv", ROWS)
    content = path.read_bytes()
    for offset in range(place, len(content), 60):
        for spoiled in (
            content[:offset] + content[offset + 3 :],
            content[:offset] + bytes([content[offset] ^ 0xFF]) + content[offset + 1 :],
            content[:offset] + content[offset - 50 : offset] + content[offset:],
        ):
            path.write_bytes(spoiled)
            assert inspect([path], {}).code in (0, ExitCode.DATA)


def test_standard_input_is_read_and_kept_below_the_cap() -> None:
    ended = with_stdin(ROWS.encode(), lambda: inspect([Path("-")], {}))
    assert ended.document["assumptions"]["num_rows"] == 30
    refused = with_stdin(ROWS.encode() * 100, lambda: inspect([Path("-")], {"max_bytes": "1KB"}))
    assert refused.code == ExitCode.DATA
    assert "standard input contains more than 1000B" in refused.text


def test_a_named_pipe_is_read(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=lambda: path.write_text(ROWS))
    writer.start()
    read = read_series([path])
    writer.join()
    assert read.series.values.tolist() == VALUES


def test_a_named_pipe_that_nobody_writes_to_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    monkeypatch.setattr(opening, "PIPE_WAIT_SECONDS", 0.05)
    with pytest.raises(InputError, match=r"named pipe that nobody wrote to for 0\.05 seconds"):
        read_series([path])


def test_a_file_that_changes_once_while_it_is_read_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    seen: list[int] = []

    def fingerprint(_: int | str) -> tuple[int, int, int]:
        seen.append(1)
        return len(ROWS), min(len(seen), 2), 0

    monkeypatch.setattr(opening, "fingerprint", fingerprint)
    assert read_series([path]).series.values.tolist() == VALUES
    assert len(seen) == 4


def test_a_file_that_keeps_changing_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    count = iter(range(10))
    monkeypatch.setattr(opening, "fingerprint", lambda _: (len(ROWS), next(count), 0))
    ended = inspect([path], {})
    assert ended.code == ExitCode.INPUT
    assert "changed while it was read, twice" in ended.text


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_of_thousands_of_columns_only_the_used_ones_are_read(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{kind}"
    columns = {"date": pd.date_range("2024-01-01", periods=12)} | {f"c{place}": range(12) for place in range(4_000)}
    frame = pd.DataFrame(columns)
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False)
    read = read_series([path], DataSettings(target=("c7",)))
    assert read.series.values.tolist() == list(range(12))


def test_rows_that_do_not_fit_into_memory_are_rejected_with_an_estimate_and_the_flag_that_reads_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rows.parquet"
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=1_000, freq="h"), "y": np.arange(1_000.0)})
    frame.to_parquet(path, index=False, row_group_size=100)
    monkeypatch.setattr(parquet, "free_memory", lambda: 30_000)
    ended = inspect([path], {})
    assert ended.code == ExitCode.DATA
    assert "1000 rows: reading 2 columns needs about" in ended.text
    assert "--sample" in ended.document["hint"]
    fitting = int(ended.document["hint"].split()[-1])
    assert inspect([path], {"sample": fitting}).code == 0


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_sample_is_the_last_rows_of_a_file(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"rows.{kind}"
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=100), "y": np.arange(100.0)})
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path, index=False, row_group_size=30)
    read = read_series([path], DataSettings(sample=25))
    assert read.series.values.tolist() == list(range(75, 100))
    assert "the 75 rows before them are left out" in read.findings[0].message


def test_very_many_series_are_arrays_not_objects(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    ids = np.repeat(np.arange(100_000), 3)
    days = np.tile(pd.date_range("2024-01-01", periods=3).to_numpy(), 100_000)
    table = pa.table({"item_id": pa.array(ids.astype(str)), "date": pa.array(days), "y": pa.array(ids.astype(float))})
    pq.write_table(table, path)
    series = read_series([path]).series
    assert (series.num_series, series.num_rows) == (100_000, 300_000)
    assert series.item_ids[:3] == ["0", "1", "2"]
    assert series.values[-3:].tolist() == [99_999.0] * 3


def test_a_terminal_is_not_an_input(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(terminal, "isatty", lambda: True)
    monkeypatch.setattr("sys.stdin", terminal)
    with pytest.raises(InputError, match="standard input is a terminal"):
        read_series(["-"])


def test_a_cut_parquet_file_is_rejected_by_the_number_of_its_rows(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30), "y": VALUES}).to_parquet(path)
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DataError, match="damaged Parquet file"):
        read_series([path])
