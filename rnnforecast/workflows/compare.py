"""`compare`: networks and baselines on the same windows; nothing is stored."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, get_args

from rnnforecast.config import Settings
from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.read import read_series
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.backtest import Forecaster, Spacing
from rnnforecast.evaluation.baselines import (
    EXTRA_BASELINES,
    INTERMITTENT_BASELINES,
    STATISTICAL_BASELINES,
    available_baselines,
)
from rnnforecast.model_io.base import BASE
from rnnforecast.options import Cell, Mapping_
from rnnforecast.progress import NoProgress
from rnnforecast.training.context import TimeBudget
from rnnforecast.training.fit import fit_train_rows
from rnnforecast.training.judge import (
    baseline_forecaster,
    ensemble_forecaster,
    judge_methods,
    pretrained_forecaster,
    statistical_forecasters,
)
from rnnforecast.training.split import fit_horizon, split_rows
from rnnforecast.workflows.evaluate import cutoff_timestamps
from rnnforecast.workflows.results import CompareResult

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np

    from rnnforecast.data.series import SeriesSet
    from rnnforecast.data.windows import Windows
    from rnnforecast.findings import JSONValue
    from rnnforecast.progress import Progress
    from rnnforecast.training.split import Split

CELLS: tuple[str, ...] = get_args(Cell)
MAPPINGS: tuple[str, ...] = get_args(Mapping_)
#: Seconds for a network whose turn comes after the end of the time budget: the shortest possible fit.
LEAST_SECONDS = 0.001
#: Networks compared unless others are named.
DEFAULT_NETWORKS = (BASE, "gru", "lstm", "mingru")


def compare(
    data: Sequence[str | Path],
    settings: Settings | None = None,
    *,
    methods: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> CompareResult:
    """Train each named network, and forecast the same test windows with it and with every named baseline.

    A method is a cell (`gru`), a mapping (`encoder-decoder`), `base` (the pretrained model, zero-shot) or a baseline
    (`seasonal-naive`, `theta`, `auto-ets`). Cheap baselines, such as `theta`, are always included. The verdict compares
    the best network with the best naive forecast.

    Raises UsageError for an unknown method, InputError, DataError, ResourceError.
    """
    started = time.monotonic()
    settings = settings or Settings()
    chosen = tuple(methods or DEFAULT_NETWORKS)
    check_methods(chosen)
    read = read_series(data, settings.data)
    assumptions = fit_horizon(read, settings.data)
    series, horizon = read.series, assumptions.horizon
    split = split_rows(series, horizon=horizon, evaluation=settings.evaluation, must_test=True)
    networks = _fit_networks(chosen, series, split, settings, horizon=horizon, progress=progress or NoProgress())
    if BASE in chosen:
        networks[BASE] = _Timed(pretrained_forecaster(series, bounds=settings.data.bounds))
    free = (*available_baselines(series.season_length), *statistical_forecasters(series))
    baselines = dict.fromkeys((*free, *(name for name in chosen if name not in networks)))
    timed = networks | {name: _Timed(baseline_forecaster(name, series)) for name in baselines}
    judgement = judge_methods(
        timed,
        series,
        split.test,
        num_past_rows=split.num_past_rows,
        spacing=Spacing(horizon, settings.evaluation.gap, split.window_step),
        bounds=SeriesBounds.of(series, settings.data),
        networks=tuple(networks),
    )
    return CompareResult(
        assumptions=assumptions.to_dict(),
        reasons=assumptions.reasons,
        findings=read.findings,
        settings=settings.to_flat(),
        num_windows=split.num_windows,
        window_step=split.window_step,
        gap=settings.evaluation.gap,
        cutoffs=cutoff_timestamps(series, split.test),
        metrics=judgement.metrics(),
        per_lead=judgement.per_lead(),
        per_series=judgement.per_series(series),
        verdict=judgement.verdict_dict(),
        networks=tuple(networks),
        seconds_per_method={name: method.seconds for name, method in timed.items()},
        seconds=time.monotonic() - started,
    )


def check_methods(methods: Sequence[str]) -> None:
    """Raise UsageError that names all unknown methods."""
    known = (
        BASE,
        *CELLS,
        *MAPPINGS,
        *available_baselines(2),
        *STATISTICAL_BASELINES,
        *INTERMITTENT_BASELINES,
        *EXTRA_BASELINES,
    )
    unknown = [name for name in methods if name not in known]
    if unknown:
        raise UsageError(
            f"unknown method {', '.join(f'`{name}`' for name in unknown)}",
            hint=f"methods are: {', '.join(known)}",
            code="E_RUN_CONFIG",
        )


@dataclass
class _Timed:
    """A forecaster that measures its time."""

    forecaster: Forecaster
    seconds: float = 0.0

    def __call__(self, windows: Windows, horizon: int) -> np.ndarray:
        started = time.monotonic()
        forecast = self.forecaster(windows, horizon)
        self.seconds += time.monotonic() - started
        return forecast


def _fit_networks(
    chosen: Sequence[str], series: SeriesSet, split: Split, settings: Settings, *, horizon: int, progress: Progress
) -> dict[str, _Timed]:
    """Fit every network among the methods; the time budget is split, and unused time goes to the next one."""
    fitted = [name for name in dict.fromkeys(chosen) if name in CELLS + MAPPINGS]
    limit = settings.training.time_budget
    budget = TimeBudget(None if limit is None else limit.seconds, len(fitted))
    networks: dict[str, _Timed] = {}
    for name in fitted:
        own = _with_network(settings, name, seconds=budget.part_of_round())
        networks[name] = _fit_network(series, split, own, horizon=horizon, progress=progress)
        budget.close_round()
    return networks


def _fit_network(series: SeriesSet, split: Split, settings: Settings, *, horizon: int, progress: Progress) -> _Timed:
    started = time.monotonic()
    fitted, _ = fit_train_rows(
        series.head(split.num_past_rows),
        settings,
        horizon=horizon,
        validation=split.validation,
        progress=progress,
    )
    return _Timed(ensemble_forecaster(fitted.ensemble, series), time.monotonic() - started)


def _with_network(settings: Settings, name: str, *, seconds: float | None) -> Settings:
    """Return the settings with another cell or mapping, from random weights.

    `seconds` is its part of the time budget.
    """
    key = "cell" if name in CELLS else "mapping"
    values: dict[str, JSONValue] = {**settings.to_flat(), key: name, "from": "scratch"}
    if seconds is not None:
        values["time_budget"] = f"{max(seconds, LEAST_SECONDS):.3f}s"
    return Settings.from_flat(values, source=f"method `{name}`")
