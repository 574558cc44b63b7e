"""How often the verdict is a win, where there is nothing to win and where there is something.

`base` is scored on seeded random walks and white noise as `evaluate base` does it, with the rival chosen on the windows
before. The power is that of the test alone: losses of windows are log-normal with a coefficient of variation of 0.35 and
a correlation of 0.7 between methods, two more naive forecasts are 10 and 20 % worse than the rival.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
from publish import make_parser, publish

import rnnforecast
from rnnforecast.evaluation.verdict import judge

ROWS, HORIZON = 150, 8
NUM_WINDOWS, NUM_FALSE = (5, 8, 20), (5, 8)
SKILLS = (0.0, 0.1, 0.2, 0.33, 0.5)
VARIATION, CORRELATION = 0.35, 0.7


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--series", type=int, default=500, help="number of walks, and of series of noise (default 500)")
    parser.add_argument("--draws", type=int, default=1_000, help="draws of each power (default 1,000)")
    options = parser.parse_args()
    started = time.monotonic()
    publish(
        "verdict_power",
        ("windows", *(f"{100 * skill:.0f} % better" for skill in SKILLS)),
        [[str(count), *(f"{power(count, skill, options.draws):.2f}" for skill in SKILLS)] for count in NUM_WINDOWS],
        notes=[f"Part of {options.draws:,} draws whose verdict is a win."],
        dry_run=options.dry_run,
    )
    publish(
        "verdict_false_wins",
        ("data", "windows", "win", "tie", "loss", "wins %"),
        list(false_wins(options)),
        notes=[
            f"{ROWS} rows, horizon {HORIZON}, judged by `evaluate base`; at most 5 % may be wins. "
            f"{time.monotonic() - started:.0f} s for all.",
            "On white noise the mean of all rows is the best forecast: without it among the rivals 7 and 17 % were wins.",
        ],
        dry_run=options.dry_run,
    )


def power(num_windows: int, skill: float, num_draws: int) -> float:
    """Return the part of draws in which a network that is better by `skill` wins."""
    generator = np.random.default_rng(int(1_000 * skill) + num_windows)
    spread = np.sqrt(np.log(1 + VARIATION**2))
    names = ("ensemble", "naive", "drift", "window-mean")
    levels = np.log([1 - skill, 1.0, 1.1, 1.2])
    covariance = CORRELATION + (1 - CORRELATION) * np.eye(len(names))
    wins = 0
    for _ in range(num_draws):
        drawn = np.exp(spread * generator.multivariate_normal(np.zeros(len(names)), covariance, num_windows) + levels)
        losses = {name: drawn[:, [place]] for place, name in enumerate(names)}
        wins += judge(losses, np.zeros(num_windows, dtype=np.int64), rival="naive").outcome == "win"
    return wins / num_draws


def false_wins(options: argparse.Namespace) -> list[list[str]]:
    """Judge `base` on series that nothing can forecast; one row for each number of windows."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for label, is_walk in (("random walks", True), ("white noise", False)):
            verdicts = [outcomes(seed, Path(folder), is_walk=is_walk) for seed in range(options.series)]
            for place, num_windows in enumerate(NUM_FALSE):
                counts = Counter(each[place] for each in verdicts)
                numbers = [str(counts[name]) for name in ("win", "tie", "loss")]
                rows.append([label, str(num_windows), *numbers, f"{100 * counts['win'] / options.series:.1f}"])
    return rows


def outcomes(seed: int, folder: Path, *, is_walk: bool) -> list[str]:
    """Return the outcome on one series of business days for each number of windows."""
    values = np.random.default_rng(seed).normal(size=ROWS)
    path = folder / "series.csv"
    dates = pd.bdate_range("2020-01-01", periods=ROWS)
    pd.DataFrame({"date": dates, "y": 50 + (values.cumsum() if is_walk else values)}).to_csv(path, index=False)
    files = rnnforecast.Files((path,), (), rnnforecast.Settings.from_flat({"horizon": HORIZON}).data)
    result = rnnforecast.evaluate("base", files, num_windows=max(NUM_FALSE))
    if result.backtest is None or result.verdict is None:
        return []
    losses = result.backtest.scaled_errors()
    return [
        judge(
            {name: loss[-count:] for name, loss in losses.items()},
            np.zeros(count, dtype=np.int64),
            rival=str(result.verdict["against"]),
        ).outcome
        for count in NUM_FALSE
    ]


if __name__ == "__main__":
    main()
