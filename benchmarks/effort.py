"""What `--effort` buys, and another checkout beside this one: time and accuracy on the TRAINING parts of panels and on files.

The last horizon of each training part is cut off (of a file with one series several, up to a quarter), `train` sees the
rest, and what was cut off scores its forecast. Test parts are not read: this is where defaults are chosen. Every training is a
process of its own; with `--beside FOLDER` both programs are measured in turn.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from panels import PANELS
from publish import FOLDER, Table, chosen, make_parser

import rnnforecast
from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.progress import NoProgress
from rnnforecast.training.split import fit_horizon
from rnnforecast.workflows.train import train_series

EFFORTS = ("quick", "normal", "best")
SETS = ("m3_monthly", "tourism_monthly", "hospital", "nn5_daily", "m4_hourly")
#: Sets that are compared with another checkout besides: panels, and files that are read as they are.
MORE = ("m1_quarterly", "m3_yearly", "electricity", "machine_sensor", "prices", "airline_passengers")
FEWEST_OF_PANEL, MAX_CUTOFFS = 10, 8


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--sets", default=None, metavar="A,B", help=f"only these of {', '.join((*SETS, *MORE))}")
    parser.add_argument("--efforts", default=None, metavar="A,B", help=f"only these of {', '.join(EFFORTS)}")
    parser.add_argument(
        "--beside", type=Path, metavar="FOLDER", help="another checkout, measured in turn with this one"
    )
    parser.add_argument("--refit", action="store_true", help="compare the default with `--refit`")
    parser.add_argument("--one", nargs=2, metavar=("SET", "EFFORT"), help="measure one training here, as JSON")
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measure(*options.one, data=options.data)))
        return
    if options.beside is not None or options.refit:
        _compare(options.beside, chosen(options.sets, (*SETS, *MORE), option="--sets"), options.data, options.dry_run)
        return
    table = Table("effort", ("set", "effort", "networks", "MASE", "seconds"), dry_run=options.dry_run)
    for name in chosen(options.sets, SETS, option="--sets"):
        for effort in chosen(options.efforts, EFFORTS, option="--efforts"):
            table.attempt(name, lambda name=name, effort=effort: [_row(name, effort, options.data)])  # type: ignore[misc]
    table.notes.append(
        "Test parts are not read. Seconds are those of `train` without reading: the fit and its judgement."
    )
    table.write()


def _row(name: str, effort: str, data: Path) -> list[str]:
    found = _run(name, effort, data, FOLDER.parent)
    return [name, effort, f"{found['networks']:.0f}", f"{found['mase']:.3f}", f"{found['wall']:.1f}"]


def _compare(other: Path | None, names: list[str], data: Path, dry_run: bool) -> None:
    """Compare the default with that of another checkout, or with `--refit` where there is none."""
    word = "--refit" if other is None else "before"
    header = ("set", f"MASE {word}", "now", f"seconds {word}", "now", "ratio", f"processor seconds {word}", "now")
    table = Table("train_refit" if other is None else "train_beside", header, dry_run=dry_run)
    ratios: list[tuple[float, float]] = []

    def row(name: str) -> list[list[str]]:
        before = _run(name, "refit" if other is None else "normal", data, other or FOLDER.parent)
        now = _run(name, "normal", data, FOLDER.parent)
        ratios.append((now["mase"] / before["mase"], now["wall"] / before["wall"]))
        mases = [f"{found['mase']:.3f}" for found in (before, now)]
        walls = [f"{found['wall']:.1f}" for found in (before, now)]
        processors = [f"{found['processor']:.1f}" for found in (before, now)]
        return [[name, *mases, *walls, f"{now['wall'] / before['wall']:.2f}", *processors]]

    for name in names:
        table.attempt(name, lambda name=name: row(name))  # type: ignore[misc]
    means = np.exp(np.log(np.array(ratios)).mean(axis=0)) if ratios else np.ones(2)
    if other is not None:
        command = ["git", "rev-parse", "--short=7", "HEAD"]
        revision = subprocess.run(command, cwd=other, capture_output=True, text=True, check=False)
        table.notes.append(f"Before: commit {revision.stdout.strip()}.")
    table.notes.append(
        "Test parts are not read. Each set in two processes, one after the other; seconds are those of `train` without "
        f"reading. Geometric means of the ratios: MASE {means[0]:.3f}, seconds {means[1]:.2f}."
    )
    table.write()


def _run(name: str, effort: str, data: Path, program: Path) -> dict[str, float]:
    command = [sys.executable, __file__, "--data", str(data), "--one", name, effort]
    environment = {**os.environ, "PYTHONPATH": str(program.absolute()), "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(name: str, effort: str, *, data: Path) -> dict[str, float]:
    """Train on the rows before what is cut off, with the program that is imported, and score what was cut off."""
    given: dict[str, object] = {}
    trained_by: dict[str, object] = {"effort": "normal", "refit": True} if effort == "refit" else {"effort": effort}
    if name in PANELS:
        path = data / name / "train.parquet"
        given = {"horizon": PANELS[name].horizon, "season_length": PANELS[name].season_length}
    else:
        path = FOLDER.parent / "sample_data" / f"{name}.csv"
    settings = Settings.from_flat(given)
    read = rnnforecast.read_series([path], DataSettings.model_validate(given))
    series, horizon = read.series, fit_horizon(read, settings.data).horizon
    series = series.select(np.flatnonzero(series.lengths > horizon + max(2 * series.season_length, 4)))
    is_panel = series.num_series >= FEWEST_OF_PANEL
    count = 1 if is_panel else int(np.clip(np.median(series.lengths) / 4 // horizon, 1, MAX_CUTOFFS))
    known = series.head(series.lengths - count * horizon)
    started, before = time.monotonic(), _processor_seconds()
    trained = train_series(
        known,
        Settings.from_flat({**given, **trained_by, "horizon": horizon}),
        horizon=horizon,
        progress=NoProgress(),
    )
    wall, processor = time.monotonic() - started, _processor_seconds() - before
    ensemble = trained.ensemble
    windows = Windows(
        np.tile(np.arange(series.num_series), count),
        np.concatenate([series.lengths - (number + 1) * horizon for number in range(count)]),
    )
    flat = FlatSeries.from_series(series)
    if find_spec("rnnforecast.mixture.trained") is None:  # an earlier version
        quantiles = ensemble.forecast(flat, windows, horizon=horizon)
    else:
        quantiles = import_module("rnnforecast.mixture.trained").TrainedForecaster(ensemble, series)(windows, horizon)
    median = quantiles[..., ensemble.quantile_levels.index(0.5)]
    future = gather(flat, windows, context_length=1, horizon=horizon)
    seen = future.future_observed
    error = np.where(seen, np.abs(future.future_target - median), 0.0).sum(axis=1) / np.maximum(seen.sum(axis=1), 1)
    scale = seasonal_scales(known).mase[windows.series]
    mase = float(np.mean((error / scale)[(scale > 0) & seen.any(axis=1)]))
    return {"networks": len(ensemble.members), "mase": mase, "wall": wall, "processor": processor}


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
