"""Parquet files that are cut, forged, encrypted, or hold types of every kind."""

from __future__ import annotations

import decimal
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.bad_input.harness import Case, Make, text_file

VALUES = [float(number) for number in range(30)]
DATES = pd.date_range("2024-01-01", periods=30)
LARGE = 2**53 + 1


def table_file(columns: Mapping[str, object], **options: object) -> Make:
    """Return the maker of a Parquet file from Arrow columns."""

    def make(folder: Path) -> Path:
        path = folder / "rows.parquet"
        pq.write_table(pa.table(dict(columns)), path, **options)
        return path

    return make


def spoiled(make: Make, spoil: Callable[[bytes], bytes]) -> Make:
    """Return the maker of a file whose bytes are changed after it was written."""

    def make_spoiled(folder: Path) -> Path:
        path = make(folder)
        assert isinstance(path, Path)
        path.write_bytes(spoil(path.read_bytes()))
        return path

    return make_spoiled


def _flipped(content: bytes) -> bytes:
    place = len(content) // 3
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def _damaged_dates(content: bytes) -> bytes:
    """Spoil the pages of the column `date` alone."""
    metadata = pq.read_metadata(pa.BufferReader(content))
    column = next(
        metadata.row_group(0).column(number)
        for number in range(metadata.num_columns)
        if metadata.row_group(0).column(number).path_in_schema == "date"
    )
    place = column.dictionary_page_offset or column.data_page_offset
    end = place + column.total_compressed_size
    return content[: place + 20] + bytes(byte ^ 0xFF for byte in content[place + 20 : end]) + content[end:]


def _invalid_text(content: bytes) -> bytes:
    return content.replace(b"series-a", b"series-\xff")


def _encrypted(folder: Path) -> Path:
    path = folder / "rows.parquet"
    path.write_bytes(b"PARE" + b"\0" * 100 + b"PARE")
    return path


def _of_pandas(folder: Path) -> Path:
    path = folder / "rows.parquet"
    pd.DataFrame({"y": VALUES}, index=pd.DatetimeIndex(DATES, name="date")).to_parquet(path)
    return path


def _extension(folder: Path) -> Path:
    field = pa.field(
        "y", pa.float64(), metadata={b"ARROW:extension:name": b"evil.type", b"ARROW:extension:metadata": b""}
    )
    path = folder / "rows.parquet"
    pq.write_table(
        pa.table([pa.array(DATES), pa.array(VALUES)], schema=pa.schema([pa.field("date", pa.timestamp("ns")), field])),
        path,
    )
    return path


PLAIN = {"date": pa.array(DATES), "y": pa.array(VALUES)}
GOOD = table_file(PLAIN)
CHECKED = table_file(PLAIN, write_page_checksum=True, compression="none", use_dictionary=False)
TEXTS = table_file(
    {"id": pa.array(["series-a"] * 30), **PLAIN}, compression="none", use_dictionary=False, write_statistics=False
)
TYPES: dict[str, tuple[dict[str, object], dict[str, object]]] = {
    "dictionary": ({"y": pa.array(VALUES).dictionary_encode()}, {}),
    "decimal128": ({"y": pa.array([decimal.Decimal(n) for n in range(30)], type=pa.decimal128(12, 2))}, {}),
    "int96": ({}, {"use_deprecated_int96_timestamps": True}),
    "date32": ({"date": pa.array(DATES.date)}, {}),
    "large_string dates": ({"date": pa.array([str(day.date()) for day in DATES], type=pa.large_string())}, {}),
    "string_view dates": ({"date": pa.array([str(day.date()) for day in DATES], type=pa.string_view())}, {}),
    "string numbers": ({"y": pa.array([str(number) for number in range(30)])}, {}),
    "int8": ({"y": pa.array(range(30), type=pa.int8())}, {}),
    "uint64": ({"y": pa.array(range(30), type=pa.uint64())}, {}),
    "float32": ({"y": pa.array(VALUES, type=pa.float32())}, {}),
    "float16": ({"y": pa.array(VALUES, type=pa.float32()).cast(pa.float16())}, {}),
    "milliseconds": ({"date": pa.array(DATES).cast(pa.timestamp("ms"))}, {}),
    "many row groups": ({}, {"row_group_size": 7}),
}

CASES: tuple[Case, ...] = (
    Case(
        "damaged parquet",
        "cut",
        spoiled(GOOD, lambda content: content[:-20]),
        "refused",
        says=("damaged Parquet",),
        fix=GOOD,
    ),
    Case(
        "damaged parquet",
        "damaged dates",
        spoiled(GOOD, _damaged_dates),
        "refused",
        says=("damaged Parquet",),
        fix=GOOD,
    ),
    Case(
        "damaged parquet",
        "wrong magic at the end",
        spoiled(GOOD, lambda content: content[:-4] + b"XXXX"),
        "refused",
        says=("damaged Parquet",),
        fix=GOOD,
    ),
    Case(
        "damaged parquet",
        "damaged footer",
        spoiled(GOOD, lambda content: content[:-60] + b"\xff" * 40 + content[-20:]),
        "refused",
        says=("damaged Parquet",),
        fix=GOOD,
    ),
    Case(
        "damaged parquet",
        "wrong magic",
        spoiled(GOOD, lambda content: b"XXXX" + content[4:]),
        "refused",
        says=("does not begin with PAR1",),
        fix=GOOD,
    ),
    Case(
        "damaged parquet",
        "flipped page bytes",
        spoiled(CHECKED, _flipped),
        "refused",
        says=("damaged Parquet",),
        fix=CHECKED,
    ),
    Case(
        "damaged parquet",
        "text that is no utf-8",
        spoiled(TEXTS, _invalid_text),
        "refused",
        says=("damaged Parquet", "UTF8"),
        flags={"id": ("id",)},
        fix=TEXTS,
    ),
    Case("foreign parquet", "encrypted", _encrypted, "refused", says=("encrypted Parquet",)),
    Case(
        "foreign parquet",
        "unknown extension type",
        _extension,
        "refused",
        says=("`y`", "extension type", "evil.type"),
        column="y",
        fix=GOOD,
    ),
    Case(
        "nested parquet",
        "an unused list",
        table_file({**PLAIN, "list": pa.array([[1, 2]] * 30)}),
        "accepted",
        values=VALUES,
    ),
    Case(
        "nested parquet",
        "a list as target",
        table_file({**PLAIN, "list": pa.array([[1, 2]] * 30)}),
        "refused",
        flags={"target": ("list",)},
        says=("`list`", "list"),
        column="list",
        fix={"target": ("y",)},
    ),
    *(
        Case("parquet types", name, table_file({**PLAIN, **columns}, **options), "accepted", values=VALUES)
        for name, (columns, options) in TYPES.items()
    ),
    Case(
        "parquet types",
        "digits that are lost",
        table_file({**PLAIN, "y": pa.array([LARGE + n for n in range(30)], type=pa.int64())}),
        "repaired",
        says=("digits are lost",),
        column="y",
    ),
    Case(
        "parquet types",
        "digits of a decimal that are lost",
        table_file(
            {
                **PLAIN,
                "y": pa.array([decimal.Decimal(f"{n}.12345678901234567891") for n in range(30)], pa.decimal128(38, 20)),
            }
        ),
        "repaired",
        says=("digits are lost",),
        column="y",
    ),
    Case(
        "empty parquet",
        "a null column as target",
        table_file({**PLAIN, "y": pa.nulls(30)}),
        "refused",
        says=("every target value is missing",),
        column="y",
    ),
    Case(
        "empty parquet",
        "no row group",
        table_file({"date": pa.array([], pa.date32()), "y": pa.array([], pa.float64())}),
        "refused",
        says=("0 data rows",),
    ),
    Case("empty parquet", "an index in pandas metadata", _of_pandas, "accepted", values=VALUES, reads={"time": "date"}),
    Case("damaged parquet", "text instead", text_file("date,y\n", "rows.parquet"), "refused", says=("0 data rows",)),
)
