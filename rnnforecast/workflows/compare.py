"""`compare`: networks and baselines on the same windows; nothing is stored."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from rnnforecast.config import Settings
from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.read import read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.data.windows import Windows
from rnnforecast.errors import UsageError
from rnnforecast.evaluation.backtest import Forecaster, Spacing
from rnnforecast.evaluation.baselines import (
    EXTRA_BASELINES,
    INTERMITTENT_BASELINES,
    STATISTICAL_BASELINES,
    available_baselines,
)
from rnnforecast.evaluation.significance import critical_difference, mean_ranks
from rnnforecast.findings import JSONValue
from rnnforecast.inference.threads import one_blas_thread
from rnnforecast.json_values import finite
from rnnforecast.mixture.trained import TrainedForecaster
from rnnforecast.model_io.base import BASE, read_base
from rnnforecast.options import Cell, Mapping_
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.training.context import FitContext, TimeBudget
from rnnforecast.training.fit import fit_train_rows
from rnnforecast.training.judge import (
    Judgement,
    baseline_forecaster,
    choose_rival,
    how_to_test,
    judge_methods,
    pretrained_forecaster,
    statistical_forecasters,
)
from rnnforecast.training.split import Split, fit_horizon, split_rows
from rnnforecast.workflows.evaluate import cutoff_timestamps
from rnnforecast.workflows.results import CompareResult

CELLS: tuple[str, ...] = get_args(Cell)
MAPPINGS: tuple[str, ...] = get_args(Mapping_)
#: Seconds for a network whose turn comes after the end of the time budget: the shortest possible fit.
LEAST_SECONDS = 0.001
#: Networks compared unless others are named.
DEFAULT_NETWORKS = (BASE, "gru", "lstm", "mingru")
#: A network whose recurrent layers are a Transformer encoder.
TRANSFORMER = "transformer"
MAX_NETWORKS = 36


@one_blas_thread()
def compare(
    data: Data,
    settings: Settings | None = None,
    *,
    methods: Sequence[str] | None = None,
    mappings: Sequence[str] = (),
    sizes: Sequence[int] = (),
    progress: Progress | None = None,
) -> CompareResult:
    """Train each named network, and forecast the same test windows with each of them and each named baseline.

    A method is a cell (`gru`), `transformer` (an encoder of the same size), a mapping (`encoder-decoder`), `base` (the
    pretrained model, zero-shot) or a baseline (`seasonal-naive`, `theta`, `auto-ets`). Each cell and the transformer are
    trained with each of `mappings` and each hidden size of `sizes`. Cheap baselines, such as `theta`, are always included.
    The verdict compares the best network with the best naive forecast.

    Raises UsageError for an unknown method, InputError, DataError, ResourceError.
    """
    started, settings = time.monotonic(), settings or Settings()
    chosen = tuple(methods or DEFAULT_NETWORKS)
    check_methods(chosen)
    grid = network_grid(chosen, settings, mappings=mappings, sizes=sizes)
    read = read_series(data, settings.data)
    assumptions = fit_horizon(read, settings.data)
    series, horizon, evaluation = read.series, assumptions.horizon, settings.evaluation
    split = split_rows(series, horizon=horizon, evaluation=evaluation, must_test=True, is_fitted=bool(grid))
    networks = _fit_networks(grid, series, split, settings, horizon=horizon, progress=progress or NoProgress())
    if BASE in chosen:
        networks[BASE] = _base(series, bounds=settings.data.bounds)
    timed = networks | _baselines(chosen, series)
    spacing = Spacing(horizon, evaluation.gap, split.window_step)
    judgement = judge_methods(
        timed,
        series,
        split.test,
        spacing=spacing,
        bounds=SeriesBounds.of(series, settings.data),
        networks=tuple(networks),
        rival=choose_rival(series, split.validation, horizon=horizon),
        remedy=how_to_test(series, spacing, num_kept=split.num_kept),
    )
    return CompareResult(
        assumptions=assumptions.to_dict(),
        reasons=assumptions.reasons,
        findings=read.findings,
        settings=settings.to_flat(),
        num_windows=split.num_windows,
        window_step=split.window_step,
        gap=evaluation.gap,
        cutoffs=cutoff_timestamps(series, split.test),
        metrics=judgement.metrics(),
        per_lead=judgement.per_lead(),
        per_series=judgement.per_series(series),
        verdict=judgement.verdict_dict(),
        networks=tuple(networks),
        seconds_per_method={name: method.seconds for name, method in timed.items()},
        parameters={name: method.num_weights for name, method in networks.items()},
        **_ranks(judgement),
        seconds=time.monotonic() - started,
    )


def _base(series: SeriesSet, *, bounds: bool) -> _Timed:
    weights = read_base().weights(series.season_length)
    return _Timed(pretrained_forecaster(series, bounds=bounds), num_weights=_count([weights]))


def _baselines(chosen: Sequence[str], series: SeriesSet) -> dict[str, _Timed]:
    own = (*CELLS, *MAPPINGS, TRANSFORMER, BASE)
    free = (*available_baselines(series.longest_season), *statistical_forecasters(series))
    names = dict.fromkeys((*free, *(name for name in chosen if name not in own)))
    return {name: _Timed(baseline_forecaster(name, series)) for name in names}


def check_methods(methods: Sequence[str]) -> None:
    """Raise UsageError that names all unknown methods."""
    known = (
        BASE,
        *CELLS,
        TRANSFORMER,
        *MAPPINGS,
        *available_baselines(2),
        *STATISTICAL_BASELINES,
        *INTERMITTENT_BASELINES,
        *EXTRA_BASELINES,
    )
    unknown = [name for name in methods if name not in known]
    if unknown:
        message = f"unknown method {', '.join(f'`{name}`' for name in unknown)}"
        raise UsageError(message, hint=f"methods are: {', '.join(known)}", code="E_RUN_CONFIG")


@dataclass
class _Timed:
    """A forecaster that measures its time."""

    forecaster: Forecaster
    seconds: float = 0.0
    num_weights: int = 0

    def __call__(self, windows: Windows, horizon: int) -> np.ndarray:
        started = time.monotonic()
        forecast = self.forecaster(windows, horizon)
        self.seconds += time.monotonic() - started
        return forecast


def network_grid(
    chosen: Sequence[str], settings: Settings, *, mappings: Sequence[str] = (), sizes: Sequence[int] = ()
) -> dict[str, dict[str, JSONValue]]:
    """Return the settings of each network to train by its name: each cell with each mapping and each size.

    Raises UsageError for a mapping among the methods where `mappings` are given, and for more than `MAX_NETWORKS`.
    """
    names = [name for name in dict.fromkeys(chosen) if name in (*CELLS, TRANSFORMER, *MAPPINGS)]
    alone = [name for name in names if name in MAPPINGS]
    if mappings and alone:
        message = f"`{alone[0]}` is among the methods, and `--mapping` names mappings too"
        hint = "name cells as methods, and their mappings with `--mapping`"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
    grid: dict[str, dict[str, JSONValue]] = {}
    for size in sizes or (None,):
        end = f"-{size}" if len(sizes) > 1 else ""
        own: dict[str, JSONValue] = {} if size is None else {"hidden_size": size}
        for name in names:
            cell = settings.network.cell or "gru" if name == TRANSFORMER else name
            for mapping in (name,) if name in alone else mappings or (None,):
                middle = f"-{mapping}" if len(mappings) > 1 else ""
                kind: dict[str, JSONValue] = {} if name in alone else {"cell": cell}
                grid[f"{name}{middle}{end}"] = {**kind, **({"mapping": mapping} if mapping else {}), **own}
    if len(grid) > MAX_NETWORKS:
        message = f"{len(grid)} networks, at most {MAX_NETWORKS} are compared"
        raise UsageError(message, hint="name fewer methods, mappings or sizes", code="E_RUN_CONFIG")
    return grid


def _ranks(judgement: Judgement) -> dict[str, Any]:
    """Return mean ranks, the difference that is significant, and the skill of each method (fields of the result).

    Units are series, or windows where there is one series alone.
    """
    backtest = judgement.backtest
    if backtest is None:
        return {}
    owners = backtest.windows.series
    errors = backtest.scaled_errors()
    units = owners if len(np.unique(owners)) > 1 else np.arange(len(owners))
    losses = np.stack([mean_by_unit(each, units) for each in errors.values()], axis=1)
    count = int(np.isfinite(losses).all(axis=1).sum())
    ranks = dict(zip(errors, mean_ranks(losses).tolist(), strict=True))
    means = {name: float(np.nanmean(each)) if np.isfinite(each).any() else np.nan for name, each in errors.items()}
    against = "seasonal-naive" if "seasonal-naive" in means else "naive"
    skills = {name: 100 * (1 - mean / means[against]) if means[against] > 0 else None for name, mean in means.items()}
    return {
        "ranks": ranks,
        "num_ranked": count,
        "critical_difference": finite(critical_difference(len(ranks), count)),
        "skills": {name: None if skill is None else finite(skill) for name, skill in skills.items()},
        "skill_against": against,
    }


def mean_by_unit(errors: np.ndarray, units: np.ndarray) -> np.ndarray:
    """Return the mean of scaled errors [W, H] over the windows of each unit; NaN where there is none."""
    known = np.isfinite(errors)
    place = np.unique(units, return_inverse=True)[1]
    sums = np.bincount(place, weights=np.where(known, errors, 0.0).sum(axis=1))
    counts = np.bincount(place, weights=known.sum(axis=1))
    return np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)


def _count(weights: Iterable[Mapping[str, np.ndarray]]) -> int:
    return sum(int(array.size) for tensors in weights for array in tensors.values())


def _fit_networks(
    grid: Mapping[str, Mapping[str, JSONValue]],
    series: SeriesSet,
    split: Split,
    settings: Settings,
    *,
    horizon: int,
    progress: Progress,
) -> dict[str, _Timed]:
    """Fit every network of a grid; the time budget is split, and unused time goes to the next one."""
    budget = TimeBudget.of(settings.training.time_budget, len(grid))
    networks: dict[str, _Timed] = {}
    for name, changes in grid.items():
        own = _with_network(settings, name, changes, seconds=budget.part_of_round())
        started = time.monotonic()
        fitted = fit_train_rows(
            series.head(split.num_past_rows),
            own,
            horizon=horizon,
            validation=split.validation,
            context=FitContext.of(own, progress, transformer=name.partition("-")[0] == TRANSFORMER),
        )
        networks[name] = _Timed(
            TrainedForecaster(fitted.ensemble, series), time.monotonic() - started, _count(fitted.ensemble.weights)
        )
        budget.close_round()
    return networks


def _with_network(
    settings: Settings, name: str, changes: Mapping[str, JSONValue], *, seconds: float | None
) -> Settings:
    """Return the settings of one network, from random weights; `seconds` is its part of the time budget."""
    values: dict[str, JSONValue] = {**settings.to_flat(), **changes, "from": "scratch"}
    if seconds is not None:
        values["time_budget"] = f"{max(seconds, LEAST_SECONDS):.3f}s"
    return Settings.from_flat(values, source=f"method `{name}`")
