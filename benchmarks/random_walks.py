"""How often the verdict is `win` where there is nothing to win: seeded random walks, and a share price.

Even seeds are sums of normal steps on days, odd seeds exponentials of such sums on business days (drift 0).
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from publish import make_parser, publish

import rnnforecast

if TYPE_CHECKING:
    from collections.abc import Mapping


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=False)
    parser.add_argument("--walks", type=int, default=50, help="number of walks, seeds from 0 (default 50)")
    parser.add_argument("--length", type=int, default=500, help="rows of each walk (default 500)")
    options = parser.parse_args()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name:
        verdicts = [judge_walk(seed, options.length, Path(name)) for seed in range(options.walks)]
        rows = [summary(f"{options.walks} random walks of {options.length} rows", verdicts)]
        if options.data is not None:
            path = options.data / "csv" / "finance" / "NVDA.csv"
            trained = rnnforecast.train([path], store=name)
            rows.append(summary(f"`NVDA.csv`, {trained.assumptions['num_rows']} rows", [trained.verdict or {}]))
    header = ("data", "win", "tie", "loss", "share of wins", "mean skill %")
    note = f"No settings at all; at most 5 % of the walks may be won. {time.monotonic() - started:.0f} s for all."
    publish("random_walks", header, rows, notes=[note], dry_run=options.dry_run)


def judge_walk(seed: int, length: int, folder: Path) -> Mapping[str, object]:
    """Train on one walk and return the verdict."""
    steps = np.random.default_rng(seed).normal(size=length)
    if seed % 2:
        values = 100 * np.exp(0.02 * np.cumsum(steps))
        timestamps = pd.bdate_range("2018-01-01", periods=length)
    else:
        values = 100 + np.cumsum(steps)
        timestamps = pd.date_range("2018-01-01", periods=length)
    path = folder / f"walk_{seed}.csv"
    pd.DataFrame({"date": timestamps, "value": values}).to_csv(path, index=False)
    verdict = rnnforecast.train([path], rnnforecast.Settings.from_flat({"seed": seed}), store=folder).verdict or {}
    print(f"walk {seed}: {verdict.get('outcome')}", flush=True)
    return verdict


def summary(label: str, verdicts: list[Mapping[str, object]]) -> list[str]:
    """Return the row of one kind of data."""
    outcomes = Counter(str(verdict.get("outcome")) for verdict in verdicts)
    skills = [float(str(verdict["skill"])) for verdict in verdicts if verdict.get("skill") is not None]
    counts = [str(outcomes[outcome]) for outcome in ("win", "tie", "loss")]
    skill = f"{np.mean(skills):+.1f}" if skills else ""
    return [label, *counts, f"{100 * outcomes['win'] / len(verdicts):.0f} %", skill]


if __name__ == "__main__":
    main()
