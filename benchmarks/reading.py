"""How fast a panel becomes series beside the parser it is read with, and how much memory that takes.

Whole processes, run in turn so that both meet the same machine; seconds are those of the reading alone, without
imports. The peer reads the same CSV file with `pyarrow.csv.read_csv` and sorts it by id and timestamp.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from publish import make_parser, publish

ROWS_A_SERIES = 1_000
#: Bytes of one row in memory at the least: a value, a timestamp and the code of its id.
BYTES_A_ROW = 20
_MEASURED = """
import json, re, sys, time
def most():  # of this program alone: the peak that getrusage knows begins with that of the process that started it
    return int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
{imports}
idle = most()
started = time.perf_counter()
{work}
seconds = time.perf_counter() - started
peak = most()
print(json.dumps({{"seconds": seconds, "megabytes": (peak - idle) / 1024}}))
"""
PEER = _MEASURED.format(
    imports="import pyarrow.csv",
    work="pyarrow.csv.read_csv(sys.argv[1]).sort_by([('item', 'ascending'), ('date', 'ascending')])",
)
OURS = _MEASURED.format(
    imports="import pyarrow.csv, pyarrow.compute, pyarrow.parquet, pandas, rnnforecast\n"
    "from rnnforecast.data.read import read_series",
    work="read_series(sys.argv[1])",
)


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of the panel (default 5 million)")
    parser.add_argument(
        "--parquet-rows", type=int, default=20_000_000, help="rows of the Parquet file (default 20 million)"
    )
    parser.add_argument("--runs", type=int, default=3, help="runs of each (default 3)")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        csv_file = write_panel(folder / "panel.csv", num_rows=options.rows)
        shuffled = write_panel(folder / "by_time.csv", num_rows=options.rows, by_time=True)
        for words, path in (("CSV, series one below the other", csv_file), ("CSV, by time", shuffled)):
            peer, ours = compare(path, num_runs=options.runs)
            rows.append(figures(words, options.rows, ours, peer))
        for path in (csv_file, shuffled):
            path.unlink()
        larger = write_panel(folder / "larger.csv", num_rows=2 * options.rows)
        rows.append(figures("CSV, twice the rows", 2 * options.rows, [measure(OURS, larger)], None))
        larger.unlink()
        parquet = write_panel(folder / "panel.parquet", num_rows=options.parquet_rows)
        rows.append(figures("Parquet", options.parquet_rows, [measure(OURS, parquet)], None))
    header = (
        "file",
        "rows",
        "seconds",
        "peer, seconds",
        "ratio",
        "ratio must be under",
        "memory MB",
        "times the arrays",
    )
    note = (
        "Three columns; memory is what reading takes at most on top of the imports, the text of a CSV among it; the "
        f"arrays are {BYTES_A_ROW} bytes a row (value, timestamp, code of the id). Parquet is read row group by row group."
    )
    publish("reading", header, rows, notes=[note], dry_run=options.dry_run)


def write_panel(path: Path, *, num_rows: int, by_time: bool = False) -> Path:
    """Write a panel of daily series of equal length, one below the other or timestamp by timestamp."""
    num_series = num_rows // ROWS_A_SERIES
    series = np.arange(num_series, dtype=np.int32)
    steps = np.arange(ROWS_A_SERIES, dtype=np.int32)
    items = np.tile(series, ROWS_A_SERIES) if by_time else np.repeat(series, ROWS_A_SERIES)
    days = np.repeat(steps, num_series) if by_time else np.tile(steps, num_series)
    labels = pa.array([f"item_{number:06d}" for number in series])
    dates = pa.array((np.datetime64("2020-01-01") + steps).astype("datetime64[D]"))
    values = np.round(np.random.default_rng(0).normal(100, 10, len(items)), 3)
    if path.suffix == ".csv":
        columns: dict[str, Any] = {
            "item": labels.take(pa.array(items)),
            "date": dates.cast(pa.string()).take(pa.array(days)),
            "y": pa.array(values),
        }
        pa_csv.write_csv(pa.table(columns), path)
        return path
    columns = {
        "item": pa.DictionaryArray.from_arrays(pa.array(items), labels),
        "date": dates.take(pa.array(days)),
        "y": pa.array(values),
    }
    pq.write_table(pa.table(columns), path, row_group_size=1_000_000)
    return path


def compare(path: Path, *, num_runs: int) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return the figures of the peer and ours, measured in turn."""
    peer, ours = [], []
    for _ in range(num_runs):
        peer.append(measure(PEER, path))
        ours.append(measure(OURS, path))
    return peer, ours


def measure(code: str, path: Path) -> dict[str, float]:
    """Run one reading in a process of its own."""
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def figures(words: str, num_rows: int, ours: list[dict[str, float]], peer: list[dict[str, float]] | None) -> list[str]:
    """Return one row of the table."""
    seconds = statistics.median(run["seconds"] for run in ours)
    megabytes = statistics.median(run["megabytes"] for run in ours)
    arrays = num_rows * BYTES_A_ROW / 2**20
    beside = statistics.median(run["seconds"] for run in peer) if peer else None
    return [
        words,
        f"{num_rows:,}",
        f"{seconds:.2f}",
        "" if beside is None else f"{beside:.2f}",
        "" if beside is None else f"{seconds / beside:.2f}",
        "" if beside is None else "2",
        f"{megabytes:.0f}",
        f"{megabytes / arrays:.1f}",
    ]


if __name__ == "__main__":
    main()
