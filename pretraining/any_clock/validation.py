"""Score the network on real series that it never trains on, cut before their test parts, and on simulated ones.

Axis legend: S series, H horizon, Q quantiles.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from pretraining.any_clock.clock import seasons_of
from pretraining.any_clock.forecast import forecast_series
from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rnnforecast.inference.equations import Tensors

DECILES = np.arange(1, 10) / 10
#: Panels by folder: season length and horizon; their last `horizon` steps of the training part are forecast.
PANELS = {
    "m3_monthly": (12, 18),
    "m3_yearly": (1, 6),
    "m1_quarterly": (4, 8),
    "tourism_monthly": (12, 24),
    "hospital": (12, 12),
    "nn5_daily": (7, 56),
    "m4_hourly": (24, 48),
}
#: Season lengths of the clocks of the long sets.
CLOCK_SEASONS = {"15min": 96, "h": 24, "D": 7, "W": 52, "ME": 12, "MS": 12}
Forecaster: TypeAlias = "Callable[[Sequence[np.ndarray], int, int], np.ndarray]"


@dataclass(frozen=True)
class Task:
    """Series cut before the steps to forecast."""

    name: str
    season_length: int
    pasts: tuple[np.ndarray, ...]  # [N_s] each, NaN where missing
    actual: np.ndarray  # [S, H], NaN where missing
    scale: np.ndarray  # [S] in-sample seasonal naive error, NaN where it is 0

    @property
    def horizon(self) -> int:
        """Steps to forecast."""
        return int(self.actual.shape[1])


def make_task(
    name: str, series: Sequence[np.ndarray], season_length: int, horizon: int, *, scale_season: int | None = None
) -> Task:
    """Cut the last `horizon` steps off each series [N_s]."""
    lag = season_length if scale_season is None else scale_season
    kept = [values for values in series if len(values) > horizon + max(lag, 3) and np.isfinite(values[:-horizon]).any()]
    pasts = tuple(values[:-horizon] for values in kept)
    errors = np.array([np.nanmean(np.abs(past[lag:] - past[:-lag])) for past in pasts])
    return Task(
        name,
        season_length,
        pasts,
        np.stack([values[-horizon:] for values in kept]),
        np.where(errors > 0, errors, np.nan),
    )


def panel_tasks(folder: Path, *, most: int = 200) -> Iterator[Task]:
    """Yield a task for each panel under `folder`, from its training part alone."""
    for name, (season_length, horizon) in PANELS.items():
        path = folder / name / "train.parquet"
        if path.exists():
            series = read_series(path)
            every = max(1, len(series) // most)
            yield make_task(name, series[::every], season_length, horizon)


def long_tasks(folder: Path, *, most: int = 6) -> Iterator[Task]:
    """Yield a task for each set and term of `gift/terms.csv`, all windows before the first test window of any term."""
    with (folder / "gift" / "terms.csv").open(encoding="utf-8") as file:
        terms = list(csv.DictReader(file))
    for term in terms:
        path = folder / "gift" / f"{term['set']}.parquet"
        if not path.exists():
            continue
        horizon = int(term["horizon"])
        tested = max(
            int(other["horizon"]) * int(other["num_windows"]) for other in terms if other["set"] == term["set"]
        )
        season_length = CLOCK_SEASONS[term["freq"]]
        cut = [values[: len(values) - tested] for values in read_series(path)]
        windows = [
            values[: len(values) - window * horizon]
            for values in cut
            for window in range(most)
            if len(values) - (window + 1) * horizon > 2 * max(season_length, horizon // 2)
        ]
        if windows:
            name = f"{term['set']} {term['term']}"
            yield make_task(name, windows, season_length, horizon, scale_season=int(term["season_length"]))


def read_series(path: Path) -> list[np.ndarray]:
    """Return the values of each series of a panel (`unique_id, ds, y`), ordered by time."""
    import pandas

    try:
        frame = pandas.read_parquet(path, columns=["unique_id", "ds", "y"])
    except (OSError, ValueError, KeyError) as error:
        raise UsageError(
            f"panel {path}: {str(error).splitlines()[0]}",
            hint="a panel is a Parquet file with the columns unique_id, ds and y",
        ) from error
    frame = frame.sort_values(["unique_id", "ds"], kind="stable")
    codes, _ = pandas.factorize(frame["unique_id"])
    return np.split(frame["y"].to_numpy(np.float64), np.flatnonzero(np.diff(codes)) + 1)


def seasonal_naive(task: Task) -> np.ndarray:
    """Repeat the last season: [S, H]; a missing value stands one season earlier, else the mean."""
    m = task.season_length
    rows = []
    for past in task.pasts:
        season = past[-m:].copy() if len(past) >= m else np.full(m, np.nan)
        for back in range(2, len(past) // m + 1):
            gaps = np.isnan(season)
            if not gaps.any():
                break
            season[gaps] = past[len(past) - back * m : len(past) - (back - 1) * m][gaps]
        rows.append(np.resize(np.where(np.isnan(season), np.nanmean(past), season), task.horizon))
    return np.stack(rows)


def score(task: Task, quantiles: np.ndarray, levels: Sequence[float]) -> dict[str, float]:
    """Return MASE, weighted quantile loss, both over those of the seasonal naive forecast, and coverage of thirds."""
    columns = [int(np.argmin(np.abs(np.asarray(levels) - decile))) for decile in DECILES]
    deciles = quantiles[..., columns]
    naive = seasonal_naive(task)
    mase, loss = _errors(task, deciles)
    base_mase, base_loss = _errors(task, np.repeat(naive[..., None], 9, axis=-1))
    inside = (task.actual >= deciles[..., 0]) & (task.actual <= deciles[..., 8])
    seen = np.isfinite(task.actual)
    thirds = [
        float(part.sum() / max(mask.sum(), 1))
        for part, mask in zip(np.array_split(inside & seen, 3, axis=1), np.array_split(seen, 3, axis=1), strict=True)
    ]
    return {
        "mase": mase,
        "mase_ratio": mase / base_mase,
        "wql": loss,
        "wql_ratio": loss / base_loss,
        "in80": float((inside & seen).sum() / seen.sum()),
        "in80_worst": max(thirds, key=lambda share: abs(share - 0.8)),
    }


def _errors(task: Task, deciles: np.ndarray) -> tuple[float, float]:
    error = task.actual[..., None] - deciles
    mase = float(np.nanmean(np.nanmean(np.abs(error[..., 4]), axis=1) / task.scale))
    pinball = np.nansum(np.maximum(DECILES * error, (DECILES - 1) * error), axis=(0, 1))
    return mase, float(2 * pinball.mean() / np.nansum(np.abs(task.actual)))


def network_forecaster(tensors: Tensors) -> Forecaster:
    """Return what forecasts series by the weights: pasts, season length and horizon to [S, H, Q]."""
    return lambda pasts, season_length, horizon: forecast_series(tensors, pasts, seasons_of(season_length), horizon)


def simulated_tasks(*, num_series: int = 60, horizon: int = 48, length: int = 260) -> Iterator[Task]:
    """Yield classes whose right model is known: walks, autoregressions, noise, lines, plain seasons, moved by 1e6."""
    rng = np.random.default_rng(7)
    shape = (num_series, length + horizon)
    noise = rng.standard_normal(shape)
    steps = np.arange(shape[1])
    slopes = rng.normal(size=(num_series, 1)) * 0.3
    pulled = np.zeros(shape)
    for step in range(1, shape[1]):
        pulled[:, step] = 0.7 * pulled[:, step - 1] + noise[:, step]
    classes = {
        "walk": (np.cumsum(noise, axis=1), 1),
        "noise": (noise + 20, 1),
        "ar1": (pulled, 1),
        "ar1 + 1e6": (pulled + 1e6, 1),
        "line": (100 + slopes * steps + noise, 1),
    }
    for season in (5, 10, 24):
        shape_of = rng.standard_normal((num_series, season)) * 2.5
        classes[f"season {season}"] = (20 + shape_of[:, steps % season] + noise, season)
    for name, (values, season) in classes.items():
        yield make_task(name, list(values), season, horizon)


def score_all(forecaster: Forecaster, tasks: Sequence[Task], levels: Sequence[float]) -> dict[str, dict[str, float]]:
    """Return the scores of every task by name."""
    return {task.name: score(task, forecaster(task.pasts, task.season_length, task.horizon), levels) for task in tasks}


def summary(name: str, scores: dict[str, dict[str, float]]) -> list[str]:
    """Return the scores as lines of text: a task a line, then the geometric means over the seasonal naive forecast."""
    lines = [f"{name:26s} {'MASE':>7s} {'ratio':>7s} {'wQL':>8s} {'ratio':>7s} {'in 80 %':>8s} {'worst':>6s}"]
    lines += [
        f"{task:26s} {row['mase']:7.3f} {row['mase_ratio']:7.3f} {row['wql']:8.4f} {row['wql_ratio']:7.3f} "
        f"{row['in80']:8.3f} {row['in80_worst']:6.3f}"
        for task, row in scores.items()
    ]
    means = [geometric_mean([row[key] for row in scores.values()]) for key in ("mase_ratio", "wql_ratio")]
    return [*lines, f"{'geometric mean':26s} {'':7s} {means[0]:7.4f} {'':8s} {means[1]:7.4f}"]


def geometric_mean(values: Sequence[float]) -> float:
    """Return the geometric mean of numbers above 0."""
    return float(np.exp(np.mean(np.log(np.asarray(values)))))
