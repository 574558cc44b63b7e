from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.tables.table import read_table
from rnnforecast.errors import ExitCode
from tests.bad_input.harness import inspect
from tests.bad_input.parquet_files import PLAIN, VALUES

LONG = "0" * 300_000  # more than a cell may have, and far more than it takes packed


def _write(folder: Path, columns: dict[str, object], **options: object) -> Path:
    path = folder / "rows.parquet"
    given = {"compression": "zstd", "write_statistics": False, "store_schema": False} | options
    pq.write_table(pa.table(PLAIN | columns), path, **given)
    return path


def _one_text(text: str) -> pa.DictionaryArray:
    """Return a text that stands once in a dictionary, and once in each of 30 rows."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * 30, pa.int8()), pa.array([text]))


def _pages_of_zeros(folder: Path) -> Path:
    """Write texts whose pages unpack to 90 MB."""
    return _write(folder, {"shop": pa.array(["0" * 3_000_000] * 30)}, use_dictionary=False)


def test_a_text_of_a_dictionary_longer_than_any_cell_is_rejected_where_its_column_is_used(tmp_path: Path) -> None:
    path = _write(tmp_path, {"shop": _one_text(LONG)}, dictionary_pagesize_limit=2**30)
    assert path.stat().st_size < 3_000
    ended = inspect([path], {"id": ("shop",)})
    assert ended.code == ExitCode.DATA
    assert "column `shop` contains a text of 293KiB, more than 128KiB" in ended.text
    assert ended.findings[0]["column"] == "shop"
    assert inspect([path], {"id": ("shop",), "max_bytes": "1GiB"}).code == 0


def test_columns_that_unpack_to_far_more_than_the_file_are_rejected_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _pages_of_zeros(tmp_path)
    assert path.stat().st_size < 20_000
    monkeypatch.delattr(pq.ParquetFile, "iter_batches")
    ended = inspect([path], {"id": ("shop",)})
    assert ended.code == ExitCode.DATA
    assert "times its own" in ended.text
    assert "looks like a bomb" in ended.text
    assert "--max-bytes" in ended.text


@pytest.mark.parametrize("encoding", ["DELTA_BYTE_ARRAY", "DELTA_LENGTH_BYTE_ARRAY"])
def test_texts_of_which_no_dictionary_can_be_read_are_read(encoding: str, tmp_path: Path) -> None:
    texts = [f"{number:05d}" for number in range(30)]
    path = _write(tmp_path, {"shop": pa.array(texts)}, use_dictionary=False, column_encoding={"shop": encoding})
    assert read_table(str(path)).read(text=["shop"])["shop"].tolist() == texts


def test_a_damaged_column_is_an_error_only_where_it_is_used(tmp_path: Path) -> None:
    path = _write(tmp_path, {"x": pa.array([0.5] * 30)}, use_dictionary=False, compression="none")
    content = path.read_bytes()
    assert content.count(30 * np.float64(0.5).tobytes()) == 1
    start = content.index(30 * np.float64(0.5).tobytes()) - 9
    path.write_bytes(content[:start] + b"\xff" * 9 + content[start + 9 :])
    assert read_series([path], DataSettings(target=("y",))).series.values.tolist() == VALUES
    ended = inspect([path], {"target": ("x",)})
    assert (ended.code, "column `x` cannot be read" in ended.text) == (ExitCode.DATA, True)


def test_a_long_text_of_a_dictionary_takes_memory_once_and_not_in_each_row(tmp_path: Path) -> None:
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * 30_000, pa.int32()), pa.array(["0" * 100_000]))
    columns = {"shop": texts, "y": pa.array(np.arange(30_000.0)), "date": pa.array(range(30_000))}
    path = _write(tmp_path, columns, dictionary_pagesize_limit=2**30)
    usual = pa.default_memory_pool()
    counted = pa.proxy_memory_pool(usual)
    pa.set_memory_pool(counted)
    try:
        found = read_table(str(path)).read(text=["shop"], numeric=["y"])
    finally:
        pa.set_memory_pool(usual)
    assert found["shop"].cat.categories.tolist() == ["0" * 100_000]
    assert 0 < counted.max_memory() < 2**26  # 3 GB where each row had its own text
    del found  # its texts lie in `counted` with pandas 3, which must outlive them


_LIMITED = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_AS, (2**33, 2**33))
from rnnforecast.data.tables.parquet_reader import probe_in_subprocess
print(probe_in_subprocess(Path(sys.argv[1]).read_bytes(), ["y"], memory=2**34))
"""


def test_a_child_process_asks_for_no_more_memory_than_its_job_may_have(tmp_path: Path) -> None:
    path = _write(tmp_path, {})
    done = subprocess.run([sys.executable, "-c", _LIMITED, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "None"


def test_archives_within_archives_are_limited_by_the_size_of_the_file(tmp_path: Path) -> None:
    rows = b"date,value\n" + b"2024-01-01,1\n" * 6_000_000
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(gzip.compress(rows, 1)))
    ended = inspect([path], {})
    assert (ended.code, "looks like a bomb" in ended.text) == (ExitCode.DATA, True)


def test_zeros_are_rejected_by_the_first_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress(bytes(2**22)))
    assert "of NUL bytes: it is binary or damaged" in inspect([path], {}).text
    with open("/dev/zero", encoding="utf-8") as zeros:
        monkeypatch.setattr("sys.stdin", zeros)
        assert "begins with 4MiB of NUL bytes" in inspect([Path("-")], {}).text
