"""How time and memory grow with the data: many series of 100 points, and one series of many rows.

Reading, `train` (a fixed number of steps) and `predict` each in a process of its own. The exponent of a verb is the
slope of the logarithm of its seconds over that of the rows, from 10,000 rows on: 1 is linear. Memory is what a process
takes on top of its imports, over the raw arrays of 20 bytes a row (a value, a timestamp, the code of an id).
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from processes import Run, measure
from publish import Table, chosen, make_parser

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy.typing as npt

ROWS_A_SERIES = 100
BYTES_A_ROW = 20
FEWEST_ROWS_OF_SLOPE = 10_000
PANEL_SIZES = (1, 10, 100, 1_000, 10_000, 100_000)  # series
LONG_SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)  # rows
VERBS = ("read", "train", "predict")
HEADER = ("data", "rows", "verb", "seconds", "memory MB", "over the arrays", "whole process s", "peak MB")
# imports first, so that what is measured is the work
_WORK = """
import json, resource, sys, time
import numpy, pandas, pyarrow.parquet, rnnforecast, rnnforecast.workflows.predict
from rnnforecast.data.read import read_series
if {needs_torch}:
    import torch, rnnforecast.workflows.train
idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
started = time.perf_counter()
{work}
seconds = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({{"seconds": seconds, "megabytes": (peak - idle) / 1024}}))
"""
SCRIPTS = {
    "read": _WORK.format(needs_torch=False, work="read_series(sys.argv[1])"),
    "train": _WORK.format(
        needs_torch=True,
        work="rnnforecast.train([sys.argv[1]], rnnforecast.Settings.from_flat("
        "{'num_steps': int(sys.argv[3]), 'horizon': 12}), store=sys.argv[2], name='model')",
    ),
    "predict": _WORK.format(
        needs_torch=False,
        work="rnnforecast.predict('model', data=[sys.argv[1]], store=sys.argv[2], output=sys.argv[4])",
    ),
}


@dataclass(frozen=True)
class Shape:
    """One size of one kind of data."""

    kind: str
    num_series: int
    rows_a_series: int

    @property
    def num_rows(self) -> int:
        """Rows of all series."""
        return self.num_series * self.rows_a_series

    @property
    def words(self) -> str:
        """What the table calls it."""
        return f"{self.num_series:,} series" if self.kind == "series" else "one series"


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--kinds", default=None, metavar="A,B", help="only these of series, rows")
    parser.add_argument("--verbs", default=None, metavar="A,B", help=f"only these of {', '.join(VERBS)}")
    parser.add_argument("--max-rows", type=int, default=10_000_000, help="largest data (default 10 million rows)")
    parser.add_argument("--num-steps", type=int, default=50, help="steps of each network (default 50)")
    parser.add_argument("--timeout", type=float, default=3_600, help="longest time of a process in seconds")
    options = parser.parse_args()
    verbs = chosen(options.verbs, VERBS, option="--verbs")
    kinds = {
        "series": [Shape("series", size, ROWS_A_SERIES) for size in PANEL_SIZES],
        "rows": [Shape("rows", 1, size) for size in LONG_SIZES],
    }
    for kind in chosen(options.kinds, kinds, option="--kinds"):
        table = Table(f"scale_{kind}", HEADER, dry_run=options.dry_run)
        found: dict[str, list[tuple[int, float]]] = {verb: [] for verb in verbs}
        for shape in kinds[kind]:
            if shape.num_rows <= options.max_rows:
                make = partial(measure_shape, shape, found, num_steps=options.num_steps, timeout=options.timeout)
                measure_rows(table, shape, make)
        exponents = [f"{verb} {slope:.2f}" for verb, points in found.items() if (slope := exponent(points)) is not None]
        table.notes.append(
            f"Exponents of seconds from {FEWEST_ROWS_OF_SLOPE:,} rows on: {', '.join(exponents) or 'too few sizes'}; "
            f"goal: at most 1.1. {options.num_steps} steps of each network, horizon 12. Arrays: {BYTES_A_ROW} bytes a "
            "row. Goals: `train` at most 3 times the arrays plus a constant, `predict` of 100,000 series in under "
            "60 s and 2 GB."
        )
        table.write()


def measure_rows(table: Table, shape: Shape, make: partial[Iterator[list[str]]]) -> None:
    """Take the rows of one size; where it fails, the other sizes follow."""
    table.attempt(f"{shape.words}, {shape.num_rows:,} rows", make)


def measure_shape(
    shape: Shape, found: dict[str, list[tuple[int, float]]], *, num_steps: int, timeout: float
) -> Iterator[list[str]]:
    """Write the data of one size and measure every verb on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_data(folder / "data.parquet", shape)
        for verb in VERBS:
            # a forecast needs a model, so training runs for it even where it is not asked for
            if verb not in found and not (verb == "train" and "predict" in found):
                continue
            arguments = [str(path), str(folder), str(num_steps), str(folder / "forecast.parquet")]
            run = measure([sys.executable, "-c", SCRIPTS[verb], *arguments], folder, num_threads=None, timeout=timeout)
            if verb in found:
                found[verb].append((shape.num_rows, run.figures["seconds"]))
                yield figures(shape, verb, run)


def figures(shape: Shape, verb: str, run: Run) -> list[str]:
    """Return one row of the table."""
    arrays = shape.num_rows * BYTES_A_ROW / 2**20
    megabytes = run.figures["megabytes"]
    return [
        shape.words,
        f"{shape.num_rows:,}",
        verb,
        f"{run.figures['seconds']:.2f}",
        f"{megabytes:.0f}",
        f"{megabytes / arrays:.1f}",
        f"{run.seconds:.2f}",
        f"{run.megabytes:.0f}",
    ]


def exponent(points: list[tuple[int, float]]) -> float | None:
    """Return the slope of seconds over rows, both in logarithms; None for fewer than two sizes that count."""
    large = [(rows, seconds) for rows, seconds in points if rows >= FEWEST_ROWS_OF_SLOPE]
    if len(large) < 2:
        return None
    rows, seconds = np.log(np.array(large)).T
    return float(np.polyfit(rows, seconds, 1)[0])


def write_data(path: Path, shape: Shape) -> Path:
    """Write series of trend, season and noise: months of a panel, minutes of one long series."""
    generator = np.random.default_rng(0)
    steps = np.arange(shape.rows_a_series)
    is_panel = shape.kind == "series"
    season = 12 if is_panel else 60
    timestamps = np.datetime64("2015-01", "M") + steps if is_panel else np.datetime64("2005-01-01T00:00", "m") + steps
    pattern = 10 * np.sin(2 * np.pi * steps / season)
    columns: dict[str, object] = {}
    if is_panel:
        labels = pa.array([f"item_{number:06d}" for number in range(shape.num_series)])
        codes = pa.array(np.repeat(np.arange(shape.num_series, dtype=np.int32), shape.rows_a_series))
        columns["item"] = pa.DictionaryArray.from_arrays(codes, labels)
    columns["date"] = pa.array(np.tile(timestamps.astype("datetime64[s]"), shape.num_series))
    columns["y"] = pa.array(_values(generator, shape, pattern))
    pq.write_table(pa.table(columns), path, row_group_size=1_000_000)
    return path


def _values(generator: np.random.Generator, shape: Shape, pattern: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    levels = generator.uniform(50, 500, size=shape.num_series)
    noise = generator.normal(0, 3, size=(shape.num_series, shape.rows_a_series))
    return np.round((levels[:, None] + pattern + noise).reshape(-1), 3)


if __name__ == "__main__":
    main()
