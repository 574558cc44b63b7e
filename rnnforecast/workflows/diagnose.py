"""`diagnose`: how far back recurrent networks can be fitted on some rows, how far back they look, and what to change.

S series, N rows, K blocks of lags.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.config import MemberSettings
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import JSONValue
from rnnforecast.json_values import finite
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.workflows.forecasts.explain import attention_of
from rnnforecast.workflows.forecasts.panel import forecast_series
from rnnforecast.workflows.model_rows import Files, LoadedModel, load
from rnnforecast.workflows.profile import autocorrelations, total_of
from rnnforecast.workflows.results import DiagnoseResult

if TYPE_CHECKING:
    from rnnforecast.data.tables.in_memory import Data
    from rnnforecast.training.diagnosis import Health

#: A gradient that shrank to less than this reaches no further.
VANISHED = 0.01
#: An autocorrelation below this says little; a block that moves a forecast less than this part of the largest, too.
WEAK_CORRELATION, WEAK_EFFECT = 0.2, 0.05
SATURATED, CLIPPED = 0.5, 0.5
#: Series whose forecasts are looked at, and blocks of lags that are hidden in turn.
MAX_SERIES, MAX_BLOCKS = 8, 16
DEFAULT_SIZE, DEFAULT_CONTEXT = 32, 96


def diagnose(
    model: str | None = None,
    data: Data | Files | None = None,
    *,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> DiagnoseResult:
    """Measure the memory of a model's networks, and of a vanilla RNN, an LSTM and a GRU of its size, on the same rows.

    The three are fitted for a short while; the model is not changed. Memory is where the norm of d h_t / d h_(t-k)
    falls below 1 %. What the model looks at is found by hiding rows: how far its forecast moves.

    Raises ModelFileError, InputError, DataError, UsageError.
    """
    from rnnforecast.training.diagnosis import REFERENCE_CELLS, member_health, reference_health  # imports torch

    started = time.monotonic()
    progress = progress or NoProgress()
    loaded = load(model, data=data, store=store)
    longest = np.argsort(-loaded.series.lengths, kind="stable")[:MAX_SERIES]
    series = loaded.series.select(np.sort(longest))
    own = [
        (f"{member.cell} of {loaded.manifest.label}", member_health(series, member, weights))
        for member, weights in zip(loaded.ensemble.members, loaded.ensemble.weights, strict=True)
        if isinstance(member, MemberSettings) and member.context_length > 1
    ][:1]
    size = own[0][1].hidden_size if own else DEFAULT_SIZE
    context = min([*(health.context_length for _, health in own), DEFAULT_CONTEXT, int(series.lengths.max()) // 2])
    found = dict(own)
    for cell in REFERENCE_CELLS:
        progress.start(f"fitting a {cell}", 1)
        found[cell] = reference_health(
            series, cell, hidden_size=size, context_length=max(context, 2), progress=progress
        )
        progress.finish()
    occlusion = _occlusion(loaded, series)
    correlation = _last_correlation(series)
    return DiagnoseResult(
        model=loaded.manifest.label,
        freq=series.freq.alias,
        season_length=series.season_length,
        context_length=max((member.context_length for member in loaded.ensemble.members), default=0),
        networks=tuple(_row(name, health, is_own=name not in REFERENCE_CELLS) for name, health in found.items()),
        memory=tuple(_curve(name, health) for name, health in found.items()),
        occlusion=occlusion,
        correlation_lag=correlation,
        attention=_attention(loaded, series),
        advice=tuple(_advice(found, occlusion, correlation)),
        findings=loaded.findings,
        notes=loaded.notes,
        seconds=time.monotonic() - started,
    )


def effective_memory(health: Health) -> int:
    """Return the steps after which the norm of the Jacobian has fallen below `VANISHED`; the window where it has not."""
    below = np.flatnonzero(health.norms < VANISHED)
    steps = int(below[0]) if len(below) else len(health.norms)
    return steps * health.segment_length


def _row(name: str, health: Health, *, is_own: bool) -> dict[str, JSONValue]:
    gradients = np.array(health.gradient_norms or [np.nan])
    return {
        "name": name,
        "is_own": is_own,
        "hidden_size": health.hidden_size,
        "context_length": health.context_length,
        "memory": effective_memory(health),
        "norm_at_season": _at(health, health.context_length),
        "gradient_norm": finite(float(np.median(gradients))),
        "largest_gradient_norm": finite(float(gradients.max())),
        "clipped_fraction": health.clipped_fraction,
        "saturated_gates": health.saturated_gates,
        "saturated_units": health.saturated_units,
        "first_loss": health.losses[0] if health.losses else None,
        "last_loss": float(np.mean(health.losses[-10:])) if health.losses else None,
    }


def _at(health: Health, steps: int) -> float | None:
    place = min(steps // health.segment_length, len(health.norms)) - 1
    return finite(float(health.norms[place])) if place >= 0 else None


def _curve(name: str, health: Health) -> dict[str, JSONValue]:
    lags = [(place + 1) * health.segment_length for place in range(len(health.norms))]
    return {"name": name, "lags": list(lags), "norms": [float(f"{norm:.4g}") for norm in health.norms.tolist()]}


def _occlusion(loaded: LoadedModel, series: SeriesSet) -> tuple[dict[str, JSONValue], ...]:
    """Hide one block of lags after the other and return how far the forecast moves, in parts of the largest move."""
    blocks = lag_blocks(int(series.lengths.max()))
    horizon = loaded.horizon
    plain = _median(loaded, series, horizon=horizon)
    spread = np.nanstd(np.where(series.observed, series.values, np.nan)) or 1.0
    effects = []
    for first, last in blocks:
        hidden = _hide(series, first, last)
        moved = _median(loaded, hidden, horizon=horizon)
        effects.append(float(np.abs(moved - plain).mean() / spread))
    return tuple(
        {"first_lag": first, "last_lag": last, "effect": float(f"{effect:.4g}")}
        for (first, last), effect in zip(blocks, effects, strict=True)
    )


def _attention(loaded: LoadedModel, series: SeriesSet) -> tuple[dict[str, JSONValue], ...]:
    """Return how much each forecast segment attends to each segment of the window, as a mean over the series."""
    if not any(getattr(member, "attention", None) for member in loaded.ensemble.members):
        return ()
    weights, steps, lags = attention_of(loaded.ensemble, series)
    return tuple(
        {"step": int(step), "lag": int(lag), "weight": float(f"{weight:.4g}")}
        for step, row in zip(steps.tolist(), weights.mean(axis=0).tolist(), strict=True)
        for lag, weight in zip(lags.tolist(), row, strict=True)
    )


def _median(loaded: LoadedModel, series: SeriesSet, *, horizon: int) -> Float64Array:
    """Return the medians after the last rows of other series than those that were loaded: [S, H]."""
    zero_shot = None if loaded.zero_shot is None else replace(loaded.zero_shot, series=series)
    forecast = forecast_series(
        replace(loaded, series=series, zero_shot=zero_shot), series, horizon=horizon, quantile_levels=(0.5,)
    )
    return np.asarray(forecast.median, dtype=np.float64)


def lag_blocks(length: int) -> list[tuple[int, int]]:
    """Return blocks of lags, each about a quarter longer than the one before; at most half of the rows are looked at."""
    ends = np.unique(np.geomspace(1, max(length // 2, 1), MAX_BLOCKS).round().astype(int)).tolist()
    return list(zip([1, *(end + 1 for end in ends[:-1])], ends, strict=True))


def _hide(series: SeriesSet, first: int, last: int) -> SeriesSet:
    lag = np.repeat(series.offsets[1:], series.lengths) - np.arange(series.num_rows)
    hidden = (lag >= first) & (lag <= last)
    return replace(series, observed=series.observed & ~hidden, values=np.where(hidden, np.nan, series.values))


def _last_correlation(series: SeriesSet) -> int | None:
    """Return the longest lag at which values are still clearly alike; None for a constant."""
    _, total = total_of(series)
    found: Float64Array = autocorrelations(total, season_length=series.season_length)
    strong: Int64Array = np.flatnonzero(np.abs(found) >= WEAK_CORRELATION)
    return int(strong[-1]) if len(strong) else None


def _advice(found: dict[str, Health], occlusion: Sequence[dict[str, JSONValue]], correlation: int | None) -> list[str]:
    advice = []
    own = next(((name, health) for name, health in found.items() if name not in ("rnn", "lstm", "gru")), None)
    if own is not None:
        name, health = own
        memory, window = effective_memory(health), health.context_length
        if memory < window // 2:
            advice.append(
                f"the {name} reads {window} steps and remembers about {memory}: shorten `--context-length`, or read "
                "segments with `--segment-length`, so that the same steps pass fewer multiplications"
            )
    gated, vanilla = (effective_memory(found[cell]) for cell in ("gru", "rnn"))
    if vanilla and gated >= 1.5 * vanilla:
        advice.append(
            f"gates help here: a GRU remembers {gated} steps where a vanilla RNN of its size remembers {vanilla}"
        )
    growing = [name for name, health in found.items() if float(health.norms.max()) > 10]
    if growing:
        advice.append(
            f"gradients grow through time in {', '.join(growing)}: keep `--gradient-clip`, lower `--learning-rate`"
        )
    clipped = [name for name, health in found.items() if (health.clipped_fraction or 0) > CLIPPED]
    if clipped:
        advice.append(f"more than half of the steps were clipped in {', '.join(clipped)}: lower `--learning-rate`")
    full = [
        name
        for name, health in found.items()
        if (health.saturated_gates or 0) > SATURATED or health.saturated_units > SATURATED
    ]
    if full:
        advice.append(
            f"more than half of the gates or units are saturated in {', '.join(full)}: raise `--weight-decay`"
        )
    effects = [float(str(block["effect"])) for block in occlusion]
    if effects and max(effects) > 0:
        least = WEAK_EFFECT * max(effects)
        matters = [block["last_lag"] for block, effect in zip(occlusion, effects, strict=True) if effect >= least]
        if matters[-1] == occlusion[-1]["last_lag"]:
            advice.append(f"the forecast depends on all of the last {matters[-1]} rows that were hidden in turn")
        else:
            advice.append(f"the forecast depends on the last {matters[-1]} rows; older ones hardly move it")
    if correlation is not None:
        advice.append(
            f"values are alike up to {correlation} steps apart (autocorrelation of {WEAK_CORRELATION:g} or more)"
        )
    return advice
