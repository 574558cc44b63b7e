from __future__ import annotations

import json
import sys
from types import ModuleType
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.sources import expand
from rnnforecast.data.tables import csv_reader, formats
from rnnforecast.data.tables.table import read_table
from rnnforecast.errors import DataError, InputError
from rnnforecast.options import TRAINING_FILES
from rnnforecast.store.registry import DATA_SUFFIXES
from tests.data.conftest import Write

if TYPE_CHECKING:
    from rnnforecast.data.sources import Source

ROWS = [{"day": f"2024-01-{day:02d}", "sales": day} for day in range(1, 29)]
LINES = "".join(json.dumps(row) + "\n" for row in ROWS)


def _open_json_lines(source: Source, settings: DataSettings) -> formats.ColumnSource:
    frame = pd.DataFrame([json.loads(line) for line in source.payload.splitlines()])
    return csv_reader.open_columns(source.with_payload(frame.to_csv(index=False).encode()), settings)


def test_a_format_is_added_by_one_module_and_one_entry(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(LINES, "rows.jsonl")
    with pytest.raises(DataError, match="is JSON, not CSV, Excel or Parquet"):
        read_table(path)
    module = ModuleType("json_lines")
    monkeypatch.setattr(module, "open_columns", _open_json_lines, raising=False)
    monkeypatch.setitem(sys.modules, "json_lines", module)
    entry = formats.FileFormat("JSON lines", (".jsonl",), b"", "json_lines")
    monkeypatch.setattr(formats, "FORMATS", (entry, *formats.FORMATS))
    assert read_series(path).series.values.tolist() == list(range(1, 29))


@pytest.mark.parametrize("known", formats.FORMATS, ids=lambda known: known.title)
def test_every_format_has_a_reader(known: formats.FileFormat) -> None:
    __import__(known.reader)
    assert callable(sys.modules[known.reader].open_columns)


@pytest.mark.parametrize("known", formats.FORMATS, ids=lambda known: known.title)
def test_every_format_is_named_in_the_help_and_the_hint_and_none_of_its_files_is_taken_for_a_model(
    known: formats.FileFormat,
) -> None:
    assert known.title in TRAINING_FILES.help
    with pytest.raises(InputError, match="no input was named") as caught:
        expand([])
    assert known.title in str(caught.value.hint)
    assert set(known.extensions) <= DATA_SUFFIXES


def test_formats_are_identified_by_content_before_extension() -> None:
    assert formats.format_of("rows.csv", b"PAR1....") is formats.PARQUET
    assert formats.format_of("rows.parquet", b"a,b\n1,2\n") is formats.CSV
    assert formats.format_of("rows.log", b"a,b\n1,2\n") is formats.CSV


def test_a_format_that_is_not_supported_is_rejected_by_name() -> None:
    with pytest.raises(DataError, match="is a PDF document, not CSV, Excel or Parquet"):
        formats.format_of("rows.csv", b"%PDF-1.7")
