"""The panels of `accuracy.py`: train with nothing but horizon and season, forecast the test part once, score it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from published import PANELS as PUBLISHED
from published import Published
from scoring import LEVELS, Scores, in_sample_scales, score_points, score_quantiles
from statistical import forecast_panel

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.data.windows import FlatSeries
from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.forecasting import Ensemble, interpolate_quantiles, last_windows
from rnnforecast.model_io.base import read_base
from rnnforecast.model_io.pack import unpack_ensemble

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from publish import Table

    from rnnforecast.arrays import Float64Array
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.members import Member
    from rnnforecast.workflows.results import TrainResult

Row = list[str]


@dataclass(frozen=True)
class Panel:
    """One set: its season and horizon, and the goal it is held against."""

    name: str
    season_length: int
    horizon: int
    goal: str


PANELS = {
    panel.name: panel
    for panel in (
        Panel("m4_hourly", 24, 48, "OWA at most 0.42"),
        Panel("m3_monthly", 12, 18, "sMAPE at most 12.8, MASE at most 0.78"),
        Panel("m3_yearly", 1, 6, "sMAPE at most 15.6, MASE at most 2.60"),
        Panel("m1_quarterly", 4, 8, "MASE under those of AutoETS and AutoTheta"),
        Panel("tourism_monthly", 12, 24, "sMAPE at most 17.5, MASE at most 1.36"),
        Panel("nn5_daily", 7, 56, "sMAPE at most 20.7"),
        Panel("hospital", 12, 12, "MASE at most 0.748, wQL at most 0.0500"),
    )
}


@dataclass(frozen=True)
class Options:
    """What the command line says about all panels."""

    seed: int
    statistical: bool
    workers: int
    cache: Path | None
    num_steps: int | None
    max_series: int | None


@dataclass
class Bench:
    """One panel while it is measured: what was read, what is true, and what OWA is measured in."""

    panel: Panel
    options: Options
    series: SeriesSet
    train_file: Path
    actual: Float64Array  # [S, H]
    scales: Float64Array  # [S]
    naive2: Scores | None = None

    @classmethod
    def open(cls, panel: Panel, folder: Path, options: Options, scratch: Path) -> Bench:
        """Read the training part, and line the test part up with it."""
        train_file = folder / "train.parquet"
        if options.max_series is not None:
            train = pd.read_parquet(train_file)
            items = train["unique_id"].unique()
            kept = items[:: -(-len(items) // options.max_series)]
            train_file = scratch / f"{panel.name}.parquet"
            train[train["unique_id"].isin(kept)].to_parquet(train_file)
        reading = DataSettings(horizon=panel.horizon, season_length=panel.season_length)
        series = rnnforecast.read_series([train_file], reading).series
        test = pd.read_parquet(folder / "test.parquet").sort_values("ds")
        parts = {str(item): part["y"].to_numpy(float) for item, part in test.groupby("unique_id")}
        actual = np.stack([parts[item] for item in series.item_ids])
        bench = cls(panel, options, series, train_file, actual, in_sample_scales(series))
        reference = folder / "reference_forecasts.parquet"
        if reference.is_file():
            bench.naive2 = dict(bench.organisers(reference))["Naive2"]
        return bench

    def organisers(self, path: Path) -> Iterator[tuple[str, Scores]]:
        """Yield the scores of the forecasts that the organisers of the competition published."""
        table = pd.read_parquet(path).sort_values("h")
        for name, part in table.groupby("model"):
            steps = {str(item): found["yhat"].to_numpy(float) for item, found in part.groupby("unique_id")}
            forecast = np.stack([steps[item] for item in self.series.item_ids])
            label = f"M4 submission {name}" if str(name).isdigit() else str(name)
            yield label, Scores(*score_points(forecast, self.actual, self.scales))

    def row(self, label: str, scores: Scores, *, seconds: float | None = None, remark: str = "") -> Row:
        """Return one row of the table."""
        smape, mase, *rest = scores.cells()
        owa = ""
        if self.naive2 is not None:
            owa = f"{(scores.smape / self.naive2.smape + scores.mase / self.naive2.mase) / 2:.3f}"
        return [label, smape, mase, owa, *rest, "" if seconds is None else f"{seconds:.1f}", remark]

    def scored(self, label: str, quantiles: Float64Array, *, seconds: float | None = None, remark: str = "") -> Row:
        """Return the row of forecasts [S, H, Q] at `LEVELS`."""
        return self.row(label, score_quantiles(quantiles, self.actual, self.scales), seconds=seconds, remark=remark)


#: Choices that a note gives the reasons of.
REASONS = ("context_length", "segment_length", "num_members", "num_steps", "from", "theta_weight")
HEADER = ("method", "sMAPE", "MASE", "OWA", "wQL", "in 80 %", "in 95 %", "seconds", "verdict or source")


def measure(table: Table, panel: Panel, folder: Path, options: Options) -> None:
    """Fill the table of one panel: our rows first, then the baselines, then what others published."""
    with tempfile.TemporaryDirectory() as name:
        bench = Bench.open(panel, folder, options, type(folder)(name))
        table.attempt("rnnforecast", lambda: our_rows(bench, table, name))
    table.attempt("pretrained, as it is", lambda: pretrained_row(bench))
    seasonal = "seasonal-naive" if panel.season_length > 1 else "naive"
    for baseline in ("theta", seasonal):
        table.attempt(baseline, lambda baseline=baseline: baseline_row(bench, baseline))  # type: ignore[misc]
    if options.statistical:
        for baseline in ("auto-ets", "auto-theta"):
            table.attempt(baseline, lambda baseline=baseline: statistical_row(bench, baseline))  # type: ignore[misc]
    reference = folder / "reference_forecasts.parquet"
    if reference.is_file():
        table.attempt(
            "organisers",
            lambda: (bench.row(found, scores, remark="computed here") for found, scores in bench.organisers(reference)),
        )
    for published in PUBLISHED.get(panel.name, ()):
        table.add(*published_row(published))
    table.notes.append(
        f"{bench.series.num_series} series, {bench.series.num_rows:,} rows, horizon {panel.horizon}; the clock is only "
        f"steps, so `--horizon {panel.horizon} --season-length {panel.season_length}` are given and nothing else. "
        f"Goal: {panel.goal}. Seconds: training, judging and fitting once more; for statsforecast those of all its "
        "processes together."
    )


def our_rows(bench: Bench, table: Table, store: str) -> Iterator[Row]:
    """Train as the command line does, then yield the forecast as served and each network alone."""
    panel, options = bench.panel, bench.options
    flat: dict[str, object] = {"horizon": panel.horizon, "season_length": panel.season_length, "seed": options.seed}
    if options.num_steps is not None:
        flat["num_steps"] = options.num_steps
    trained = rnnforecast.train([bench.train_file], rnnforecast.Settings.from_flat(flat), store=store)
    frame = rnnforecast.predict(trained.model, store=store, quantiles=LEVELS).frame
    ids = [str(item) for item in frame["unique_id"].iloc[:: panel.horizon]]
    if ids != bench.series.item_ids:
        raise ValueError(f"{len(ids)} series were forecast, {bench.series.num_series} asked for")
    columns = [f"q{level:g}" for level in LEVELS]
    quantiles = frame[columns].to_numpy(float).reshape(len(ids), panel.horizon, len(LEVELS))
    yield bench.scored("**rnnforecast**", quantiles, seconds=trained.seconds, remark=verdict_of(trained))
    ensemble = unpack_ensemble(rnnforecast.load_model(trained.model, store=store))
    for label, part in parts_of(ensemble):
        yield bench.scored(label, forecast_all(part, bench))
    reasons = {key: reason for key, reason in trained.reasons.items() if key in REASONS}
    table.notes.append(f"Chosen: {'; '.join(f'{key}: {reason}' for key, reason in reasons.items())}.")


def parts_of(ensemble: Ensemble) -> Iterator[tuple[str, Ensemble]]:
    """Yield the networks without the Theta method, where it has a share, and each network alone; not calibrated."""
    share = float(getattr(ensemble, "theta_weight", 0.0))
    if share:
        without: Any = {"theta_weight": 0.0, "calibration": None}
        yield f"the networks without their {100 * share:.0f} % of Theta", replace(ensemble, **without)
    for number, (member, weights) in enumerate(zip(ensemble.members, ensemble.weights, strict=True)):
        yield f"network {number + 1} alone: {describe(member)}", Ensemble(members=(member,), weights=(weights,))


def pretrained_row(bench: Bench) -> Iterator[Row]:
    """Yield the row of the network that comes with the tool, fitted to nothing; seconds are those of forecasting."""
    started = time.monotonic()
    quantiles = forecast_all(read_base().ensemble(bench.series.season_length), bench)
    yield bench.scored("pretrained, as it is", quantiles, seconds=time.monotonic() - started)


def baseline_row(bench: Bench, name: str) -> Iterator[Row]:
    """Yield the row of one of our own baselines."""
    started = time.monotonic()
    windows = last_windows(bench.series)
    quantiles = forecast_baseline(name, bench.series, windows, horizon=bench.panel.horizon, quantile_levels=LEVELS)
    yield bench.scored(name.replace("-", " "), quantiles, seconds=time.monotonic() - started)


def statistical_row(bench: Bench, name: str) -> Iterator[Row]:
    """Yield the row of a method of statsforecast."""
    options = bench.options
    quantiles, seconds = forecast_panel(
        name, bench.series, horizon=bench.panel.horizon, workers=options.workers, cache=options.cache
    )
    yield bench.scored(
        {"auto-ets": "AutoETS", "auto-theta": "AutoTheta"}[name], quantiles, seconds=seconds, remark="statsforecast"
    )


def published_row(published: Published) -> Row:
    """Return the row of a result that others published."""
    scores = [
        "" if value is None else f"{value:.{digits}f}"
        for value, digits in ((published.smape, 3), (published.mase, 3), (published.owa, 3), (published.wql, 4))
    ]
    return [published.method, *scores, "", "", "", f"published: {published.source}"]


def forecast_all(ensemble: Ensemble, bench: Bench) -> Float64Array:
    """Forecast after the last row of each series at `LEVELS`: [S, H, Q]."""
    flat = FlatSeries.from_series(bench.series)
    trained = ensemble.forecast(flat, last_windows(bench.series), horizon=bench.panel.horizon)
    return np.asarray(interpolate_quantiles(trained, ensemble.quantile_levels, LEVELS))


def verdict_of(trained: TrainResult) -> str:
    """Return the verdict on rows the tool held out itself, and what it serves where that is no network."""
    outcome = "none" if trained.verdict is None else f"{trained.verdict['outcome']} ({trained.verdict['skill']:+.1f} %)"
    return outcome if trained.served == "ensemble" else f"{outcome}, serves {trained.served}"


def describe(member: Member) -> str:
    """Say in a few words what a network is."""
    cell = getattr(member, "cell", None)
    shape = f"{member.num_layers} x {member.hidden_size}, look-back {member.context_length}"
    if cell is None:
        return f"pretrained, {shape}"
    extra = f", segment {member.segment_length}, base {getattr(member, 'base', 'none')}"
    return f"{cell} {shape}{extra}"
