"""From a table to a file, written completely and verified, or not at all."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from rnnforecast.data.csv_writer import csv_blocks
from rnnforecast.data.databases.address import is_database, parse_address
from rnnforecast.data.tables.excel_package import load_openpyxl, rows_of_sheet, write_sheet
from rnnforecast.errors import OutputError, UsageError
from rnnforecast.escaping import visible
from rnnforecast.store.files import check_writable, make_folder, replace_file

if TYPE_CHECKING:
    import pandas as pd

STDOUT = "-"
Kind = Literal["csv", "xlsx", "parquet"]
_KINDS: dict[str, Kind] = {".csv": "csv", ".xlsx": "xlsx", ".parquet": "parquet", ".pq": "parquet"}
#: Wait for a busy database, unless the user names another.
DEFAULT_WAIT = 30.0  # seconds


def write_table(frame: pd.DataFrame, output: str | Path) -> None:
    """Write a table as CSV, Excel or Parquet, by the extension of its name; `-` writes CSV to standard output.

    A temporary file is written, read back, and only then moved into place. Raises UsageError for an unknown
    extension, OutputError where the file cannot be written or does not read back correctly.
    """
    kind = output_kind(output)
    if str(output) == STDOUT:
        _to_stdout(frame)
        return
    write: dict[Kind, Callable[[pd.DataFrame, BinaryIO], None]]
    write = {"csv": _write_csv, "xlsx": write_sheet, "parquet": _write_parquet}
    replace_file(Path(output), lambda stream: write[kind](frame, stream), check=_checker(frame, output, kind))


def check_output(output: str | Path, *, wait: float = DEFAULT_WAIT) -> None:
    """Check before the work starts that a table can be written there, in a file or in a database; folders are made.

    `wait` is the time in seconds to wait for a busy database. Raises UsageError or OutputError, for a database also
    ResourceError without its package and TryLaterError while it is busy.
    """
    if is_database(output):
        from rnnforecast.data.databases.writing import Target, check_target

        check_target(Target.of(str(output), wait=wait))
        return
    if output_kind(output) == "xlsx":
        load_openpyxl()
    if str(output) != STDOUT:
        make_folder(Path(output).parent)
        check_writable(Path(output))


def write_forecasts(
    frame: pd.DataFrame, output: str | Path, *, model: str, key: Sequence[str], wait: float = DEFAULT_WAIT
) -> None:
    """Write forecasts to a file, or into a table of a database with the name of the model before them.

    The same model, cutoff, ids and timestamps (`key`, columns of the frame) are the same rows of the table. Raises what
    `write_table` and `write_rows` raise.
    """
    if not is_database(output):
        write_table(frame, output)
        return
    from rnnforecast.data.databases.writing import Target, write_rows

    column = "model"
    while column in frame.columns:
        column = f"_{column}"
    whole = frame.copy(deep=False)
    whole.insert(0, column, model)
    write_rows(whole, Target.of(str(output), wait=wait), key=(column, *key))


def shown_output(output: str | Path) -> str:
    """Return an output without its password."""
    return parse_address(str(output)).shown if is_database(output) else str(output)


def output_kind(output: str | Path) -> Kind:
    """Return the format of an extension. Raises UsageError for an unknown one."""
    kind = "csv" if str(output) == STDOUT else _KINDS.get(Path(output).suffix.lower())
    if kind is not None:
        return kind
    raise UsageError(
        f"output {output} ends with none of .csv, .xlsx and .parquet",
        hint="use one of these extensions, write `-` for CSV on standard output, or name a table: "
        "`sqlite:///x.db#forecasts`",
        code="E_RUN_OUTPUT",
    )


def _write_csv(frame: pd.DataFrame, stream: BinaryIO) -> None:
    for block in csv_blocks(frame):
        stream.write(block)


def _write_parquet(frame: pd.DataFrame, stream: BinaryIO) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.Table.from_pandas(frame, preserve_index=False)
    pq.write_table(table, stream, write_page_checksum=True)


def _to_stdout(frame: pd.DataFrame) -> None:
    try:
        for block in csv_blocks(frame):
            sys.stdout.write(visible(block.decode("utf-8", "surrogateescape"), keep="\n\t"))
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"standard output cannot be written: {error.strerror or error}") from error


def _checker(frame: pd.DataFrame, output: str | Path, kind: Kind) -> Callable[[Path], None]:
    """Return the check of the finished temporary file: as many rows and columns as were meant."""

    def check(path: Path) -> None:
        rows, columns = _read_back(path, kind)
        if (rows, columns) != (len(frame), len(frame.columns)):
            message = (
                f"{output} was written with {len(frame)} rows of {len(frame.columns)} columns "
                f"but read back with {rows} of {columns}"
            )
            raise OutputError(message, hint="check the disk; the earlier file is untouched", code="E_OUT_READ_BACK")

    return check


def _read_back(path: Path, kind: Kind) -> tuple[int, int]:
    if kind == "parquet":
        import pyarrow.parquet as pq

        table = pq.ParquetFile(path, page_checksum_verification=True).read()
        return table.num_rows, table.num_columns
    return rows_of_sheet(path) if kind == "xlsx" else _rows_of_csv(path)


def _rows_of_csv(path: Path) -> tuple[int, int]:
    """Return the number of rows as wide as the header, and that width; read block by block."""
    import csv

    import pyarrow as pa
    import pyarrow.csv as pa_csv

    with path.open(encoding="utf-8", errors="surrogateescape", newline="") as stream:
        names = [str(number) for number in range(len(next(csv.reader(stream), [])))]
    reader = pa_csv.open_csv(
        path,
        read_options=pa_csv.ReadOptions(use_threads=False, column_names=names),
        parse_options=pa_csv.ParseOptions(
            newlines_in_values=True, ignore_empty_lines=False, invalid_row_handler=lambda _: "skip"
        ),
        # cells are not converted, and the first of a row is enough
        convert_options=pa_csv.ConvertOptions(
            check_utf8=False, column_types=dict.fromkeys(names, pa.binary()), include_columns=names[:1]
        ),
    )
    return sum(batch.num_rows for batch in reader) - 1, len(names)
