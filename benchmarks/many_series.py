"""What `rnnforecast predict` costs for very many series: whole processes, from a Parquet file to a file of forecasts.

Each size is forecast by `base`, the network that comes with the tool, and by a small stored model, once as CSV and once
as Parquet. All cores of the machine may be used; processor seconds show how much of them was.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import measure
from publish import Table, make_parser, words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Series -> months of each, and the limits in seconds and MB that a forecast of them is held to.
LENGTHS = {10_000: 120, 100_000: 100}
LIMITS = {10_000: "10 s", 100_000: "60 s, 2,000 MB"}
OTHER_LENGTH = 100
HORIZON = 12
#: Series that the small model is trained on, and how far: what it costs to serve does not depend on either.
TRAINED_SERIES = 50
SMALL = ("--num-steps", "20", "--num-members", "1", "--hidden-size", "32", "--theta-weight", "0")
OUTPUTS = ("out.csv", "out.parquet")
HEADER = ("series", "months", "model", "output", "seconds", "processor s", "peak MB", "limit")


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--sizes", default=",".join(map(str, LENGTHS)), help="numbers of series, joined by commas")
    parser.add_argument("--timeout", type=float, default=1_800, help="longest time of a process in seconds")
    options = parser.parse_args()
    table = Table("many_series", HEADER, dry_run=options.dry_run)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_panel(folder / "few.parquet", TRAINED_SERIES, max(LENGTHS.values()))
        train = [program(), "train", "few.parquet", "--name", "small", "--horizon", str(HORIZON), *SMALL, "--quiet"]
        subprocess.run(train, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        for size in map(int, words_of(options.sizes)):
            path = folder / f"{size}.parquet"
            write_panel(path, size, LENGTHS.get(size, OTHER_LENGTH))
            for model in ("base", "small"):
                for output in OUTPUTS:
                    make = partial(forecast, path, model, output, size=size, timeout=options.timeout)
                    table.attempt(str(size), make)
            path.unlink()
    table.notes.append(
        f"Whole processes of `rnnforecast predict MODEL --data panel.parquet --horizon {HORIZON} --output FILE`, "
        f"forecasts kept in the ledger; `small` is one network of 32 units, trained on {TRAINED_SERIES} series."
    )
    table.write()


def program() -> str:
    """Return the path of the command line of this interpreter."""
    return str(Path(sys.executable).with_name("rnnforecast"))


def forecast(path: Path, model: str, output: str, *, size: int, timeout: float) -> Iterator[tuple[str, ...]]:
    """Yield the row of one forecast; raises FailedError where the process fails."""
    wanted = ("--data", path.name, "--horizon", str(HORIZON), "--output", output, "--quiet")
    command = [program(), "predict", model, *wanted]
    before = processor_seconds()
    run = measure(command, path.parent, num_threads=None, timeout=timeout)
    used = processor_seconds() - before
    (path.parent / output).unlink()
    kind, limit = Path(output).suffix[1:], LIMITS.get(size, "")
    length = LENGTHS.get(size, OTHER_LENGTH)
    yield f"{size:,}", str(length), model, kind, f"{run.seconds:.1f}", f"{used:.1f}", f"{run.megabytes:.0f}", limit


def processor_seconds() -> float:
    """Return the processor time of all processes that were started and have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def write_panel(path: Path, num_series: int, num_months: int) -> None:
    """Write series of months with a level, a yearly season and noise of their own."""
    rng = np.random.default_rng(0)
    months = np.arange(num_months)
    timestamps = (np.datetime64("2010-01", "M") + months).astype("datetime64[us]")
    level = rng.lognormal(4.0, 1.0, (num_series, 1))
    season = 0.3 * np.sin(2 * np.pi * (months / 12 + rng.random((num_series, 1))))
    values = level * (1 + season + 0.05 * rng.standard_normal((num_series, num_months)))
    numbers = pa.array(np.repeat(np.arange(num_series, dtype=np.int32), num_months))
    names = pa.array([f"item {number:06d}" for number in range(num_series)])
    items = pa.DictionaryArray.from_arrays(numbers, names)
    columns = {"item": items, "date": np.tile(timestamps, num_series), "y": values.ravel()}
    pq.write_table(pa.table(columns), path, row_group_size=1_000_000)


if __name__ == "__main__":
    main()
