"""Score the network on real series it never trains on: the last horizon of the training part of each panel.

A panel is a Parquet file of `unique_id, ds, y`, ordered by time, whose test part lies elsewhere and is not read.

Axis legend: S series, N steps, H horizon, Q quantiles.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from pretraining.settings import PretrainingSettings
    from rnnforecast.members import PretrainedSettings

BATCH = 512


@dataclass(frozen=True)
class Panel:
    """Series of one data set, cut before the horizon to forecast."""

    name: str
    season_length: int
    past: tuple[np.ndarray, ...]  # float64 [N_s], NaN where missing
    actual: np.ndarray  # [S, H], NaN where missing
    scale: np.ndarray  # [S] in-sample seasonal naive error, NaN where it is 0


@dataclass(frozen=True)
class PanelScore:
    """Mean absolute scaled error, also over seasonal naive; weighted quantile loss; coverage of the 80 % interval."""

    mase: float
    relative: float
    smape: float
    wql: float
    coverage_80: float


def panel_from_text(text: str) -> Panel:
    """Read the panel of `PATH:SEASON_LENGTH:HORIZON[:ORIGINS]`. Raises UsageError."""
    found = re.fullmatch(r"(.+?):([1-9]\d*):([1-9]\d*)(?::([1-9]\d*))?", text)
    if found is None:
        raise UsageError(
            f"`--panel {text}` is not of the form PATH:SEASON_LENGTH:HORIZON[:ORIGINS]",
            hint="for example `--panel m3_monthly/train.parquet:12:18`",
        )
    path, *numbers = found.groups(default="1")
    season_length, horizon, num_origins = map(int, numbers)
    return read_panel(Path(path), season_length=season_length, horizon=horizon, num_origins=num_origins)


def read_panel(
    path: Path,
    *,
    season_length: int,
    horizon: int,
    num_origins: int = 1,
    name: str = "",
    actual: Path | None = None,
) -> Panel:
    """Read a panel and cut its last `horizon` steps off; or take them from the file `actual`.

    With several origins each series is forecast from several cutoffs, a horizon apart. Raises UsageError for a file
    that is no panel, and where no series is long enough.
    """
    series = _series(path)
    if actual is None:
        shortest = horizon + max(2 * season_length, 4)
        cut = [values[: len(values) - origin * horizon] for values in series for origin in range(num_origins)]
        series = [values for values in cut if len(values) > shortest or num_origins == 1]
        series = [values for values in series if len(values) > horizon + max(season_length, 2)]
        if not series:
            raise UsageError(
                f"panel {path}: no series is long enough for a season of {season_length} and a horizon of {horizon}",
                hint="name a smaller horizon or fewer origins",
            )
        future = np.stack([values[-horizon:] for values in series])
        series = [values[:-horizon] for values in series]
    else:
        future = np.stack([values[:horizon] for values in _series(actual)])
    scale = np.array([np.nanmean(np.abs(v[season_length:] - v[:-season_length])) for v in series])
    return Panel(name or path.parent.name, season_length, tuple(series), future, np.where(scale > 0, scale, np.nan))


def _series(path: Path) -> list[np.ndarray]:
    """Return the values of each series of a panel, ordered by time."""
    import pandas

    hint = "a panel is a Parquet file with the columns unique_id, ds and y"
    try:
        with path.open("rb") as file:
            frame = pandas.read_parquet(file, columns=["unique_id", "ds", "y"])
            values = frame.sort_values(["unique_id", "ds"], kind="stable")
            codes, _ = pandas.factorize(values["unique_id"])
            return np.split(values["y"].to_numpy(np.float64), np.flatnonzero(np.diff(codes)) + 1)
    except OSError as error:
        raise UsageError(f"panel {path}: {error.strerror or error}", hint=hint) from error
    except (ValueError, TypeError, KeyError) as error:  # those of Arrow are among them
        raise UsageError(f"panel {path}: {str(error).splitlines()[0]}", hint=hint) from error


def forecast_panel(networks: nn.ModuleDict, panel: Panel, settings: PretrainingSettings) -> np.ndarray:
    """Forecast the horizon after the past of each series, block after block: [S, H, Q]."""
    member = settings.member(panel.season_length)
    horizon, median = panel.actual.shape[1], member.quantile_levels.index(0.5)
    blocks: list[np.ndarray] = []
    pasts = list(panel.past)
    while sum(block.shape[1] for block in blocks) < horizon:
        block = np.concatenate(
            [
                _forecast(networks[member.season_class], pasts[i : i + BATCH], member)
                for i in range(0, len(pasts), BATCH)
            ]
        )
        blocks.append(block)
        pasts = [np.concatenate([past, new]) for past, new in zip(pasts, block[..., median], strict=True)]
    return np.concatenate(blocks, axis=1)[:, :horizon]


@torch.no_grad()
def _forecast(network: nn.Module, pasts: list[np.ndarray], member: PretrainedSettings) -> np.ndarray:
    length = max(member.context_length, member.num_segments * member.segment_length)
    values = np.full((len(pasts), length), np.nan)
    for row, past in zip(values, pasts, strict=True):
        tail = past[-length:]
        row[length - len(tail) :] = tail
    observed = np.isfinite(values)
    filled, seen = torch.from_numpy(np.where(observed, values, 0.0)), torch.from_numpy(observed)
    outputs, reading = network(filled, seen, member=member)
    outputs = outputs.double() * reading.scale[..., None, None] + reading.level[..., None, None]
    return np.sort(outputs[:, 0].numpy(), axis=-1)


def seasonal_naive(panel: Panel) -> np.ndarray:
    """Repeat the last season: [S, H]; a missing value stands one season earlier."""
    m, horizon = panel.season_length, panel.actual.shape[1]
    rows = []
    for past in panel.past:
        season = past[-m:].copy()
        for back in range(2, len(past) // m + 1):
            gaps = np.isnan(season)
            if not gaps.any():
                break
            season[gaps] = past[len(past) - back * m : len(past) - (back - 1) * m][gaps]
        rows.append(np.resize(np.where(np.isnan(season), np.nanmean(past), season), horizon))
    return np.stack(rows)


def score_panel(panel: Panel, quantiles: np.ndarray, quantile_levels: tuple[float, ...]) -> PanelScore:
    """Score forecasts [S, H, Q] against the actual values; missing ones count nothing."""
    levels = np.array(quantile_levels)
    median = quantiles[..., quantile_levels.index(0.5)]
    mase = _mase(panel, median)
    error = panel.actual[..., None] - quantiles
    pinball = np.nansum(np.maximum(levels * error, (levels - 1) * error), axis=(0, 1))
    deciles = [quantile_levels.index(round(0.1 * i, 1)) for i in range(1, 10)]
    wql = float(np.mean(2 * pinball[deciles]) / np.nansum(np.abs(panel.actual)))
    low, high = quantiles[..., quantile_levels.index(0.1)], quantiles[..., quantile_levels.index(0.9)]
    seen = np.isfinite(panel.actual)
    inside = ((panel.actual >= low) & (panel.actual <= high))[seen].mean()
    size = np.abs(panel.actual) + np.abs(median)
    smape = np.nanmean(200 * np.abs(panel.actual - median) / np.where(size > 0, size, np.nan))
    return PanelScore(mase, mase / _mase(panel, seasonal_naive(panel)), float(smape), wql, float(inside))


def _mase(panel: Panel, forecast: np.ndarray) -> float:
    return float(np.nanmean(np.nanmean(np.abs(panel.actual - forecast), axis=1) / panel.scale))
