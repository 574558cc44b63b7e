"""AirPassengers, the last 12 months held out, no settings at all: MASE of several seeds on one core."""

from __future__ import annotations

import os
import statistics
import tempfile
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported
if hasattr(os, "sched_setaffinity"):
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

import pandas as pd
from publish import FOLDER, make_parser, publish

import rnnforecast

SERIES = FOLDER.parent / "sample_data" / "airline_passengers.csv"
HELD_OUT = 12
SEASON_LENGTH = 12


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds, from 0 (default 5)")
    options = parser.parse_args()
    frame = pd.read_csv(SERIES)
    known, actual = frame.iloc[:-HELD_OUT], frame.iloc[-HELD_OUT:, -1].to_numpy(float)
    past = known.iloc[:, -1].to_numpy(float)
    scale = abs(past[SEASON_LENGTH:] - past[:-SEASON_LENGTH]).mean()
    rows: list[list[str]] = []
    scores, times = [], []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / SERIES.name
        known.to_csv(path, index=False)
        for seed in range(options.seeds):
            trained = rnnforecast.train([path], rnnforecast.Settings.from_flat({"seed": seed}), store=name)
            forecast = rnnforecast.predict(trained.model, store=name).frame["forecast"].to_numpy(float)
            scores.append(abs(actual - forecast[:HELD_OUT]).mean() / scale)
            times.append(trained.seconds)
            verdict = str(trained.verdict["outcome"]) if trained.verdict else "none"
            rows.append([f"seed {seed}", f"{scores[-1]:.3f}", f"{times[-1]:.1f}", verdict])
    naive = abs(actual - past[-SEASON_LENGTH:]).mean() / scale
    rows.append(["**mean**", f"**{statistics.mean(scores):.3f}**", f"**{statistics.mean(times):.1f}**", ""])
    rows.append(["seasonal naive", f"{naive:.3f}", "", ""])
    header = ("method", "MASE", "seconds of training", "verdict")
    note = (
        "Seconds of training, judging and fitting once more on one core, without imports. The mean must be under 0.85."
    )
    publish("air_passengers", header, rows, notes=[note], dry_run=options.dry_run)


if __name__ == "__main__":
    main()
