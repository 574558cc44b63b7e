"""What safety costs: files and the ledger of issued forecasts replaced safely, beside a plain write of the same.

Safe is what every output goes through: a locked temporary file, a flush, the bytes read back and compared, a rename, a
flush of the folder. Both are run in turn in one process, so that they meet the same disk.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow.parquet as pq
from publish import make_parser, publish

from rnnforecast.errors import OutputError
from rnnforecast.store.files import replace_file
from rnnforecast.store.ledger import LEDGER_LEVELS, Issued, Ledger

HORIZON = 12
#: The price may be this share of the plain write, or so many milliseconds where that is more.
LIMIT_SHARE, LIMIT_MS = 0.05, 50.0


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--runs", type=int, default=15, help="runs of each (default 15)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = [file_row(folder, num_bytes, options.runs) for num_bytes in (1_000, 1_000_000, 50_000_000)]
        rows += [ledger_row(folder, num_series, options.runs) for num_series in (1, 10_000)]
    header = (
        "what",
        "plain ms",
        "with flush ms",
        "safe ms",
        "ratio to plain",
        "ratio to flushed",
        "price ms",
        "allowed ms",
        "processor ms",
    )
    notes = [
        f"The fastest of {options.runs} runs, in turn: what else the machine does makes the others slower. Plain opens "
        "the file and writes it; with flush it also waits for the disk (`fsync`), as whoever wants to keep it must. "
        "The ledger "
        f"keeps {HORIZON} steps a series as Parquet; beside it the same table is written as Parquet with no lock, no "
        "temporary file and nothing read back. The price is safe less plain; allowed are 5 % of plain, or 50 ms.",
    ]
    publish("safety", header, rows, notes=notes, dry_run=options.dry_run)


def file_row(folder: Path, num_bytes: int, num_runs: int) -> list[str]:
    """Return the row of a file of so many bytes."""
    content, path = os.urandom(num_bytes), folder / "out.bin"

    def safe() -> None:
        replace_file(path, lambda stream: _write(stream, content), check=lambda written: _compare(written, content))

    figures = measure([lambda: path.write_bytes(content), lambda: _flushed(path, content), safe], num_runs)
    return _row(f"a file of {num_bytes:,} bytes", figures)


def ledger_row(folder: Path, num_series: int, num_runs: int) -> list[str]:
    """Return the row of the forecasts of so many series: each run issues those of a cutoff of its own."""
    ledger = Ledger(folder, f"panel{num_series}")
    parts = [issued(num_series, cutoff=cutoff) for cutoff in range(num_runs + 1)]
    path = ledger.append(parts.pop())
    table = pq.read_table(path)
    copy = folder / "copy.parquet"

    def write_plainly(*, flush: bool) -> None:
        with copy.open("wb") as stream:
            pq.write_table(table, stream, compression="zstd", write_page_checksum=True)
            if flush:
                stream.flush()
                os.fsync(stream.fileno())

    def keep() -> None:
        ledger.append(parts.pop())

    figures = measure([lambda: write_plainly(flush=False), lambda: write_plainly(flush=True), keep], num_runs)
    return _row(f"the ledger, {num_series:,} series", figures)


def measure(works: Sequence[Callable[[], object]], num_runs: int) -> list[float]:
    """Return the least milliseconds of each piece of work, run in turn, and those of the processor for the last."""
    taken: list[list[float]] = [[] for _ in works]
    busy = []
    for _ in range(num_runs):
        for work, times in zip(works, taken, strict=True):
            started, used = time.perf_counter(), time.process_time()
            work()
            times.append((time.perf_counter() - started) * 1e3)
        busy.append((time.process_time() - used) * 1e3)
    return [*(min(times) for times in taken), statistics.median(busy)]


def issued(num_series: int, *, cutoff: int) -> Issued:
    """Return forecasts of a panel as the ledger keeps them."""
    count = num_series * HORIZON
    dice = np.random.default_rng(cutoff)
    values = dice.normal(100.0, 10.0, count)
    start = np.datetime64("2024-01-01", "us") + cutoff * np.timedelta64(1, "D")
    lead = np.tile(np.arange(1, HORIZON + 1, dtype=np.int32), num_series)
    return Issued(
        ids=tuple(f'["item_{number:06d}"]' for number in range(num_series)),
        targets=("y",),
        item=np.repeat(np.arange(num_series, dtype=np.int32), HORIZON),
        target=np.zeros(count, np.int32),
        version=np.ones(count, np.int32),
        cutoff=np.full(count, start),
        timestamp=start + lead * np.timedelta64(1, "D"),
        lead=lead,
        forecast=values,
        quantiles=values[:, None] + np.linspace(-2, 2, len(LEDGER_LEVELS)),
        baseline=values + 1.0,
        scale=np.ones(count),
        last_value=values,
        method=("ensemble",),
        served=np.zeros(count, np.int32),
        issued_at=np.full(count, start),
        facts={"name": f"panel{num_series}"},
    )


def _row(what: str, figures: Sequence[float]) -> list[str]:
    plain, flushed, safe, busy = figures
    ratios = [f"{safe / plain:.2f}", f"{safe / flushed:.2f}"]
    allowed = max(LIMIT_SHARE * plain, LIMIT_MS)
    return [
        what,
        *(f"{each:.1f}" for each in figures[:3]),
        *ratios,
        f"{safe - plain:.1f}",
        f"{allowed:.1f}",
        f"{busy:.1f}",
    ]


def _flushed(path: Path, content: bytes) -> None:
    with path.open("wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(stream.fileno())


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)


def _compare(path: Path, content: bytes) -> None:
    place, block, wanted = 0, bytearray(1 << 20), memoryview(content)
    with path.open("rb", buffering=0) as stream:
        while count := stream.readinto(block):
            if block[:count] != wanted[place : place + count]:
                raise OutputError(f"{path} is not what was written", hint="look at the disk")
            place += count
    if place != len(content):
        raise OutputError(f"{path} is {place} bytes, not {len(content)}", hint="look at the disk")


if __name__ == "__main__":
    main()
