"""Two workers of `predict --shard` against one: 8 Parquet files of 1,000 series and 120 days each, forecast by `base`.

Each worker has one core. Seconds of processor time show what the division costs; the wall-clock ratio also has what else
the machine does. The outputs are compared byte by byte.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from publish import make_parser, publish

NUM_FILES, NUM_SERIES, NUM_ROWS = 8, 1_000, 120


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--runs", type=int, default=3, help="runs of each, in turn (default 3)")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows")
        found: dict[int, list[tuple[float, float]]] = {1: [], 2: []}
        for run in range(options.runs):
            for workers in (1, 2):
                found[workers].append(forecast(folder, f"{workers}-{run}", workers, cores))
                print(workers, *found[workers][-1], flush=True)
        same = digest(folder / "1-0") == digest(folder / "2-0")
    wall = {workers: min(each[0] for each in times) for workers, times in found.items()}
    cpu = {workers: min(each[1] for each in times) for workers, times in found.items()}
    rows = [[str(workers), f"{wall[workers]:.1f}", f"{cpu[workers]:.1f}"] for workers in (1, 2)]
    rows.append(["ratio", f"{wall[1] / wall[2]:.2f}", f"{2 * cpu[1] / cpu[2]:.2f} with two free cores"])
    note = f"Best of {options.runs} runs. Same bytes out: {'yes' if same else 'NO'}. The ratio must be 1.8 or more."
    publish("shards", ("workers", "wall s", "processor s"), rows, notes=[note], dry_run=options.dry_run)


def write_rows(folder: Path) -> None:
    """Write the files, each with its own series: a week, a trend and noise."""
    folder.mkdir()
    numbers = np.random.default_rng(0)
    steps = np.arange(NUM_ROWS)
    dates = pd.date_range("2024-01-01", periods=NUM_ROWS)
    for file in range(NUM_FILES):
        level = numbers.uniform(50, 150, (NUM_SERIES, 1))
        week = numbers.uniform(0, 20, (NUM_SERIES, 1)) * np.sin(2 * np.pi * (steps + numbers.integers(7)) / 7)
        values = level + week + numbers.normal(size=(NUM_SERIES, NUM_ROWS))
        ids = [f"{file}-{number:04d}" for number in range(NUM_SERIES)]
        frame = pd.DataFrame(
            {"id": np.repeat(ids, NUM_ROWS), "date": np.tile(dates, NUM_SERIES), "value": values.round(2).ravel()}
        )
        frame.to_parquet(folder / f"rows{file}.parquet", index=False)


def forecast(folder: Path, output: str, workers: int, cores: list[int]) -> tuple[float, float]:
    """Run all workers at once, each on its core; return seconds by the clock and of the processors."""
    before = os.times()
    started = time.monotonic()
    running = [
        subprocess.Popen(
            [
                *("taskset", "--cpu-list", str(cores[number % len(cores)])),
                *(sys.executable, "-m", "rnnforecast", "predict", "base", "--data", str(folder / "rows"), "--id", "id"),
                *("--shard", f"{number + 1}/{workers}", "--output", str(folder / output), "--horizon", "7", "--quiet"),
            ],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for number in range(workers)
    ]
    for process in running:
        if process.wait() != 0:
            raise SystemExit(f"a worker ended with {process.returncode}")
    seconds, after = time.monotonic() - started, os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, used


def digest(folder: Path) -> dict[str, bytes]:
    """Return the outputs in a folder."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


if __name__ == "__main__":
    main()
