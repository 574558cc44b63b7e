"""Accuracy on public sets with no settings but horizon and season: the test part is forecast once and scored.

One table a set: the forecast as served, each network alone, the pretrained network, baselines, AutoETS and AutoTheta,
and results that others published. A row that fails says so and the others follow.
"""

from __future__ import annotations

import os
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import long_horizons
import numpy as np
import pandas as pd
import panels
from publish import FOLDER, Table, chosen, make_parser

import rnnforecast
from rnnforecast.model_io.base import BASE

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator

AIR_PASSENGERS = FOLDER.parent / "sample_data" / "airline_passengers.csv"
HELD_OUT = SEASON_LENGTH = 12
#: File -> settings of each run whose verdict is asked for: rows that follow no pattern to be learned.
VERDICTS: tuple[tuple[str, dict[str, object]], ...] = (
    ("csv/finance/NVDA.csv", {}),
    ("exchange_rate/exchange_rate.csv", {}),
    ("exchange_rate/exchange_rate.csv", {"target": ["0", "1", "2", "3", "4", "5", "6", "OT"]}),
)
SETS = (*panels.PANELS, "etth1_96", "etth1_720", "exchange_rate_96", "air_passengers", "verdicts")


def main() -> None:
    options = _options()
    shared = panels.Options(
        seed=options.seed,
        statistical=not options.no_statistical,
        workers=options.workers,
        cache=options.cache,
        num_steps=options.num_steps,
        max_series=options.max_series,
    )
    for name in chosen(options.sets, SETS, option="--sets"):
        section = name if name in ("m4_hourly", "air_passengers") else f"accuracy_{name}"
        if name in panels.PANELS:
            table = Table(section, panels.HEADER, dry_run=options.dry_run)
            run = partial(panels.measure, table, panels.PANELS[name], options.data / name, shared)
        elif name == "air_passengers":
            table = Table(section, ("method", "MASE", "seconds of training", "verdict"), dry_run=options.dry_run)
            run = partial(air_passengers, table, options.seeds)
        elif name == "verdicts":
            header = ("file", "target", "verdict", "against", "p", "skill %", "seconds")
            table = Table(section, header, dry_run=options.dry_run)
            run = partial(verdicts, table, options.data, _steps(options))
        else:
            table = Table(section, long_horizons.HEADER, dry_run=options.dry_run)
            which, _, horizon = name.rpartition("_")
            flat = {"seed": options.seed, **_steps(options)}
            run = partial(long_horizons.measure, table, which, int(horizon), options.data, flat, stride=options.stride)
        table.attempt(name, lambda run=run: run() or ())  # type: ignore[misc]
        table.write()


def _options() -> argparse.Namespace:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--sets", default=None, metavar="A,B", help=f"only these of {', '.join(SETS)}")
    parser.add_argument("--no-statistical", action="store_true", help="leave AutoETS and AutoTheta out")
    parser.add_argument("--cache", type=Path, default=None, help="folder that keeps forecasts of AutoETS and AutoTheta")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes for them")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seeds", type=int, default=5, help="seeds of AirPassengers, from 0 (default 5)")
    trial = parser.add_argument_group("to try the script, not to publish")
    trial.add_argument("--num-steps", type=int, default=None, help="steps of each network")
    trial.add_argument("--max-series", type=int, default=None, help="only about so many series of each panel")
    trial.add_argument("--stride", type=int, default=1, help="steps between test windows of long horizons")
    options = parser.parse_args()
    if options.max_series or options.num_steps or options.stride > 1:
        options.dry_run = True
    return options


def _steps(options: argparse.Namespace) -> dict[str, object]:
    return {} if options.num_steps is None else {"num_steps": options.num_steps}


def air_passengers(table: Table, num_seeds: int) -> None:
    """Fill the table of AirPassengers, the last 12 months held out and no settings at all."""
    frame = pd.read_csv(AIR_PASSENGERS)
    known, actual = frame.iloc[:-HELD_OUT], frame.iloc[-HELD_OUT:, -1].to_numpy(float)
    past = known.iloc[:, -1].to_numpy(float)
    scale = np.abs(past[SEASON_LENGTH:] - past[:-SEASON_LENGTH]).mean()
    found: list[tuple[float, float]] = []

    def seed_row(seed: int, path: Path, store: str) -> Iterator[list[str]]:
        trained = rnnforecast.train([path], rnnforecast.Settings.from_flat({"seed": seed}), store=store)
        forecast = rnnforecast.predict(trained.model, store=store).frame["forecast"].to_numpy(float)
        found.append((float(np.abs(actual - forecast[:HELD_OUT]).mean() / scale), trained.seconds))
        yield [f"seed {seed}", f"{found[-1][0]:.3f}", f"{found[-1][1]:.1f}", panels.verdict_of(trained)]

    def base_row(path: Path) -> Iterator[list[str]]:
        forecast = rnnforecast.predict(BASE, data=[path], horizon=HELD_OUT).frame["forecast"].to_numpy(float)
        yield ["pretrained, as it is", f"{np.abs(actual - forecast).mean() / scale:.3f}"]

    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / AIR_PASSENGERS.name
        known.to_csv(path, index=False)
        for seed in range(num_seeds):
            table.attempt(f"seed {seed}", partial(seed_row, seed, path, name))
        if found:
            mean, seconds = (statistics.mean(values) for values in zip(*found, strict=True))
            table.add("**mean**", f"**{mean:.3f}**", f"**{seconds:.1f}**")
        table.attempt("pretrained, as it is", partial(base_row, path))
    naive = np.abs(actual - past[-SEASON_LENGTH:]).mean() / scale
    table.add("seasonal naive", f"{naive:.3f}")
    table.notes.append("Goal: a mean of at most 0.42, in under 10 s. Seconds: training, judging and fitting once more.")


def verdicts(table: Table, data: Path, settings: dict[str, object]) -> None:
    """Fill the table of verdicts on rows that no forecaster can be expected to win on."""

    def verdict_row(file: str, flat: dict[str, object]) -> Iterator[list[str]]:
        with tempfile.TemporaryDirectory() as store:
            trained = rnnforecast.train([data / file], rnnforecast.Settings.from_flat(flat), store=store)
        verdict = trained.verdict or {}
        words = [str(verdict.get(key, "none")) for key in ("outcome", "against")]
        numbers = [f"{verdict[key]:.{digits}f}" if verdict else "" for key, digits in (("p_value", 3), ("skill", 1))]
        targets = ", ".join(map(str, np.atleast_1d(np.array(trained.assumptions["target"]))))
        yield [f"`{Path(file).name}`", targets, *words, *numbers, f"{trained.seconds:.1f}"]

    for file, flat in VERDICTS:
        table.attempt(f"`{Path(file).name}`", partial(verdict_row, file, {**flat, **settings}))
    table.notes.append("The verdict on the rows the tool holds out itself. Goal: no `win` where there is none to have.")


if __name__ == "__main__":
    main()
