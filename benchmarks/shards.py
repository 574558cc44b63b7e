"""Two workers of `predict --shard`, and a Ray of two processors, against one worker: Parquet files of 1,000 series and 120 days
each, forecast by `base`.

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

NUM_SERIES, NUM_ROWS = 1_000, 120
#: Workers of each run; 0 is Ray.
ONE, TWO, RAY = 1, 2, 0


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--runs", type=int, default=3, help="runs of each, in turn (default 3)")
    parser.add_argument("--files", type=int, default=8, help="Parquet files (default 8)")
    options = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[:2]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_rows(folder / "rows", options.files)
        found: dict[int, list[tuple[float, float]]] = {ONE: [], TWO: [], RAY: []}
        for run in range(options.runs):
            for workers in found:
                found[workers].append(forecast(folder, f"{workers}-{run}", workers, cores))
                print(workers, *found[workers][-1], flush=True)
        same = digest(folder / "1-0") == digest(folder / "2-0") == digest(folder / "0-0")
    wall = {workers: min(each[0] for each in times) for workers, times in found.items()}
    cpu = {workers: min(each[1] for each in times) for workers, times in found.items()}
    rows = [[name, f"{wall[key]:.1f}", f"{cpu[key]:.1f}"] for name, key in (("1", ONE), ("2", TWO))]
    rows.append(["Ray, 2 processors, with its start", f"{wall[RAY]:.1f}", ""])
    rows.append(["ratio of 2", f"{wall[ONE] / wall[TWO]:.2f}", f"{2 * cpu[ONE] / cpu[TWO]:.2f} with two free cores"])
    rows.append(["ratio of Ray", f"{wall[ONE] / wall[RAY]:.2f}", ""])
    note = (
        f"{options.files * NUM_SERIES:,} series, best of {options.runs} runs. Same bytes out: {'yes' if same else 'NO'}. "
        "The ratio must be 1.8 or more, that of Ray 1.6."
    )
    publish("shards", ("workers", "wall s", "processor s"), rows, notes=[note], dry_run=options.dry_run)


def write_rows(folder: Path, num_files: int) -> None:
    """Write the files, each with its own series: a week, a trend and noise."""
    folder.mkdir()
    numbers = np.random.default_rng(0)
    steps = np.arange(NUM_ROWS)
    dates = pd.date_range("2024-01-01", periods=NUM_ROWS)
    for file in range(num_files):
        level = numbers.uniform(50, 150, (NUM_SERIES, 1))
        week = numbers.uniform(0, 20, (NUM_SERIES, 1)) * np.sin(2 * np.pi * (steps + numbers.integers(7)) / 7)
        values = level + week + numbers.normal(size=(NUM_SERIES, NUM_ROWS))
        ids = [f"{file}-{number:04d}" for number in range(NUM_SERIES)]
        frame = pd.DataFrame(
            {"id": np.repeat(ids, NUM_ROWS), "date": np.tile(dates, NUM_SERIES), "value": values.round(2).ravel()}
        )
        frame.to_parquet(folder / f"rows{file}.parquet", index=False)


def forecast(folder: Path, output: str, workers: int, cores: list[int]) -> tuple[float, float]:
    """Run all workers at once, each on its core, or Ray; return seconds by the clock and of the processors."""
    before = os.times()
    started = time.monotonic()
    running = [
        subprocess.Popen(
            [
                *("taskset", "--cpu-list", str(cores[number % len(cores)]) if workers else ",".join(map(str, cores))),
                *(sys.executable, "-m", "rnnforecast", "predict", "base", "--data", str(folder / "rows"), "--id", "id"),
                *(("--shard", f"{number + 1}/{workers}") if workers else ("--on", "ray")),
                *("--output", str(folder / output), "--horizon", "7", "--quiet"),
            ],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for number in range(max(workers, 1))
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
