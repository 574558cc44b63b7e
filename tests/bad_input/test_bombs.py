from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rnnforecast.data.read import read_series
from rnnforecast.data.tables import parquet_limits as limits
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


def test_pages_that_unpack_to_far_more_than_they_are_in_the_file_are_rejected_before_they_are_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _pages_of_zeros(tmp_path)
    assert path.stat().st_size < 20_000
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", _never_with("shop", pq.ParquetFile.iter_batches))
    ended = inspect([path], {"id": ("shop",)})
    assert ended.code == ExitCode.DATA
    assert "column `shop` contains 86MiB" in ended.text
    assert "looks like a bomb" in ended.text
    assert "--max-bytes" in ended.text


def _never_with(name: str, read):  # type: ignore[no-untyped-def]
    """Return the reading of batches, which fails the test where a column is among those read."""

    def iter_batches(file, *args, **options):  # type: ignore[no-untyped-def]
        assert name not in options["columns"]
        return read(file, *args, **options)

    return iter_batches


def test_a_column_that_would_be_a_bomb_is_not_read_where_nobody_uses_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _pages_of_zeros(tmp_path)
    monkeypatch.setattr(pq.ParquetFile, "iter_batches", _never_with("shop", pq.ParquetFile.iter_batches))
    assert read_series([path]).series.values.tolist() == VALUES


def test_a_page_of_numbers_larger_than_its_rows_is_rejected_whatever_the_metadata_announce(tmp_path: Path) -> None:
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"y": pa.array([0.0] * 300_000)}), path, use_dictionary=False, write_statistics=False,
                   compression="zstd", store_schema=False)  # fmt: skip
    content = path.read_bytes()
    many, few = b"\xc0\xcf\x24", b"\xbc\x80\x00"  # 300,000 and 30 as footers write them, in three bytes
    start = content.rindex(b"schema") - 40
    path.write_bytes(content[:start] + content[start:].replace(many, few))
    assert pq.read_metadata(path).num_rows == 30
    ended = inspect([path], {})
    assert ended.code == ExitCode.DATA
    assert "looks like a bomb" in ended.text


@pytest.mark.parametrize("is_known", [True, False], ids=["texts that share their beginnings", "unknown pages"])
def test_a_column_that_its_headers_do_not_bound_is_tried_in_a_child_process_first(
    is_known: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = {"shop": pa.array([f"{number:05d}" for number in range(30)])}
    coded = {"shop": "DELTA_BYTE_ARRAY"}
    path = _write(tmp_path, texts, use_dictionary=False, column_encoding=coded)
    tried: list[list[str]] = []

    def refuses(payload: bytes, columns: list[str], *, memory: int) -> str:
        assert payload == path.read_bytes()
        assert memory < 2**33
        tried.append(columns)
        return "it ended with signal 9"

    monkeypatch.setattr(limits, "probe_in_subprocess", refuses)
    monkeypatch.setattr(limits, "_PREFIX_BYTES", 1_000) if is_known else _hide_pages(monkeypatch)
    ended = inspect([path], {"id": ("shop",), "target": ("y",)})
    assert ended.code == ExitCode.DATA
    assert ["shop"] in tried
    assert "data that cannot be read: it ended with signal 9" in ended.text


def _hide_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rnnforecast.data.tables.parquet_pages._headers", lambda *_: iter([{}]))


def test_a_column_that_a_child_process_can_read_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = _write(tmp_path, {})
    _hide_pages(monkeypatch)
    tried: list[str] = []

    def can_read_all(payload: bytes, columns: list[str], *, memory: int) -> None:
        assert memory < 2**33, len(payload)
        tried.extend(columns)

    monkeypatch.setattr(limits, "probe_in_subprocess", can_read_all)
    assert read_series([path]).series.values.tolist() == VALUES
    assert sorted(tried) == ["date", "y"]


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
from rnnforecast.data.tables.parquet_limits import probe_in_subprocess
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
