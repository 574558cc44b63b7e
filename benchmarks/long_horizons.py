"""Long horizons of `accuracy.py`: every window of the test rows, errors in units of each channel's standard deviation.

Rows are split as the field does (ETTh1: 8640, 2880 and 2880 rows to learn from, to choose on and to test; others 70,
10 and 20 %), each channel is standardised by mean and deviation of the first part, and every window whose horizon lies
within the test rows counts, one step apart; none is dropped.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from panels import parts_of, verdict_of
from published import LONG_HORIZONS

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.data.windows import FlatSeries, Windows
from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.forecasting import Ensemble
from rnnforecast.model_io.base import read_base
from rnnforecast.model_io.pack import unpack_ensemble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from publish import Table

    from rnnforecast.arrays import Float64Array, Int64Array
    from rnnforecast.data.series import SeriesSet

    Forecaster = Callable[[Windows, int], Float64Array]

#: Set -> file, and the goal at each horizon.
SETS = {
    "etth1": ("etth1/ETTh1.csv", {96: "MSE at most 0.355", 720: "MSE at most 0.440"}),
    "exchange_rate": ("exchange_rate/exchange_rate.csv", {96: "no false win"}),
}
HEADER = ("method", "MSE", "MAE", "seconds", "verdict or source")
CUTOFFS_AT_ONCE = 64


@dataclass(frozen=True)
class Protocol:
    """The test windows of one set at one horizon: cutoffs of all channels, and their standard deviations."""

    series: SeriesSet  # every row up to the last one that is tested, one entry a channel
    spreads: Float64Array  # [C], of the first part
    cutoffs: Int64Array  # in rows
    horizon: int

    def score(self, forecaster: Forecaster) -> tuple[float, float]:
        """Return the standardised MSE and MAE of the medians a forecaster gives."""
        channels = np.arange(self.series.num_series)
        values = self.series.values.reshape(len(channels), -1)
        squares = absolutes = 0.0
        for start in range(0, len(self.cutoffs), CUTOFFS_AT_ONCE):
            cutoffs = self.cutoffs[start : start + CUTOFFS_AT_ONCE]
            windows = Windows(np.repeat(channels, len(cutoffs)), np.tile(cutoffs, len(channels)))
            median = forecaster(windows, self.horizon)
            steps = windows.cutoffs[:, None] + np.arange(self.horizon)
            error = (values[windows.series[:, None], steps] - median) / self.spreads[windows.series, None]
            squares += float((error**2).mean(axis=1).sum())
            absolutes += float(np.abs(error).mean(axis=1).sum())
        count = len(self.cutoffs) * len(channels)
        return squares / count, absolutes / count


def measure(table: Table, name: str, horizon: int, data: Path, flat: dict[str, object], *, stride: int) -> None:
    """Fill the table of one set at one horizon; `flat` are settings beside horizon and targets."""
    file, goals = SETS[name]
    frame = pd.read_csv(data / file)
    first, tested = split_of(name, len(frame))
    targets = [str(column) for column in frame.columns[1:]]
    with tempfile.TemporaryDirectory() as scratch:
        whole, known = (Path(scratch) / part / Path(file).name for part in ("whole", "known"))
        for path, rows in ((whole, tested[1]), (known, first)):
            path.parent.mkdir()
            frame.iloc[:rows].to_csv(path, index=False)
        series = rnnforecast.read_series([whole], DataSettings(target=tuple(targets), horizon=horizon)).series
        spreads = frame.iloc[:first, 1:].to_numpy(float).std(axis=0)
        cutoffs = np.arange(tested[0], tested[1] - horizon + 1, stride)
        protocol = Protocol(series, spreads, cutoffs, horizon)
        settings = {"horizon": horizon, "target": targets, **flat}
        table.attempt("rnnforecast", lambda: our_rows(protocol, known, settings, Path(scratch)))
    table.attempt("seasonal naive", lambda: baseline_rows(protocol))
    for published in LONG_HORIZONS.get((name, horizon), ()):
        table.add(published.method, f"{published.mse:.3f}", "", "", f"published: {published.source}")
    table.notes.append(
        f"{len(targets)} channels, {len(cutoffs)} test windows, {stride} step(s) apart; trained on the first {first:,} "
        f"rows with `--horizon {horizon}` and a `--target` for each channel, the rows to choose on held out of them by "
        f"the tool itself. Goal: {goals[horizon]}. Seconds are those of training."
    )


def split_of(name: str, num_rows: int) -> tuple[int, tuple[int, int]]:
    """Return the number of rows to learn from, and where the test rows begin and end."""
    if name.startswith("ett"):
        return 8640, (11520, 14400)
    return int(num_rows * 0.7), (num_rows - int(num_rows * 0.2), num_rows)


def our_rows(protocol: Protocol, known: Path, settings: dict[str, object], scratch: Path) -> Iterator[list[str]]:
    """Train as the command line does, then yield the forecast as served, each network alone, and the pretrained."""
    trained = rnnforecast.train([known], rnnforecast.Settings.from_flat(settings), store=scratch)
    model = rnnforecast.load_model(trained.model, store=scratch)
    series = replace(protocol.series, season_length=model.manifest.season_length)
    ensemble = unpack_ensemble(model)
    served = medians(ensemble, series) if trained.served == "ensemble" else baseline(trained.served, series)
    yield row("**rnnforecast**", protocol.score(served), f"{trained.seconds:.1f}", verdict_of(trained))
    for label, part in parts_of(ensemble):
        yield row(label, protocol.score(medians(part, series)))
    pretrained = read_base().ensemble(series.season_length)
    yield row("pretrained, as it is", protocol.score(medians(pretrained, series)))


def baseline_rows(protocol: Protocol) -> Iterator[list[str]]:
    """Yield the seasonal naive and the naive forecast."""
    for name in ("seasonal-naive", "naive"):
        started = time.monotonic()
        scores = protocol.score(baseline(name, protocol.series))
        yield row(name.replace("-", " "), scores, "", f"{time.monotonic() - started:.0f} s to forecast")


def row(label: str, scores: tuple[float, float], seconds: str = "", remark: str = "") -> list[str]:
    """Return one row of the table."""
    return [label, f"{scores[0]:.4f}", f"{scores[1]:.4f}", seconds, remark]


def medians(ensemble: Ensemble, series: SeriesSet) -> Forecaster:
    """Wrap an ensemble as a forecaster of medians."""
    flat = FlatSeries.from_series(series)
    level = ensemble.quantile_levels.index(0.5)
    return lambda windows, horizon: ensemble.forecast(flat, windows, horizon=horizon)[..., level]


def baseline(name: str, series: SeriesSet) -> Forecaster:
    """Wrap one of our own baselines as a forecaster of medians."""
    return lambda windows, horizon: forecast_baseline(name, series, windows, horizon=horizon, quantile_levels=(0.5,))[
        ..., 0
    ]
