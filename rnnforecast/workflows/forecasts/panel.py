"""Forecasts of all series of a panel, batch by batch, keeping only the requested levels.

Batches run on all cores: NumPy releases the interpreter lock while it computes. Series are batched by length alone,
so the number of cores and the memory change no forecast. A series forecast in another batch may differ in the last
digits (relative 1e-5): matrix products of another shape sum in another order.

Axis legend: S series, H horizon, L requested levels, B series of a batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import DivergedError
from rnnforecast.evaluation.baselines import forecast_baseline
from rnnforecast.evaluation.distributions import mean_of
from rnnforecast.forecasting import Ensemble, interpolate_quantiles, last_windows, normal_scores
from rnnforecast.inference.threads import in_threads
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.trained import Batch, TrainedForecaster
from rnnforecast.mixture.zero_shot import MemberWeights, ZeroShot
from rnnforecast.model_io.base import BASE
from rnnforecast.options import Engine
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.workflows.model_rows import LoadedModel

#: Series in one batch: enough for full matrix products, few enough for their numbers to stay near the processor.
SERIES_A_BATCH = 256


@dataclass(frozen=True)
class Forecast:
    """Forecasts after the last row of each series; S series, H horizon, L levels."""

    quantile_levels: tuple[float, ...]
    median: np.ndarray  # [S, H]
    mean: np.ndarray  # [S, H]
    quantiles: np.ndarray  # [S, H, L], in memory level by level
    method: str  # `ensemble`, `base`, or the baseline that is served in its place
    weights: Mapping[str, float] = field(default_factory=dict)  # of the members of a zero-shot forecast
    chosen: MemberWeights | None = None  # the same for each series
    bounds: str = ""  # what the forecasts keep to, in words
    num_cut_off: int = 0  # steps with a level beyond a floor or a cap, set to it
    distribution: np.ndarray = field(
        default_factory=lambda: np.empty(0)
    )  # [S, H, Q] not rounded, where it was asked for

    def at(self, quantile_levels: Sequence[float]) -> Forecast:
        """Return the forecasts at some of their levels, in the order that is asked for."""
        places = [self.quantile_levels.index(level) for level in quantile_levels]
        by_level = np.moveaxis(self.quantiles, -1, 0)
        if places == list(range(places[0], places[0] + len(places))):
            chosen = by_level[places[0] : places[0] + len(places)]  # a view, not a copy
        else:
            chosen = by_level[places]
        return replace(self, quantile_levels=tuple(quantile_levels), quantiles=np.moveaxis(chosen, 0, -1))


@dataclass
class _Kept:
    """Forecasts of all batches, filled by several threads, each its own series."""

    median: Float64Array  # [S, H]
    mean: Float64Array  # [S, H]
    by_level: Float64Array  # [L, S, H]
    num_cut_off: list[int] = field(default_factory=list)
    distribution: Float64Array = field(default_factory=lambda: np.empty(0))  # [S, H, Q]


def forecast_series(
    loaded: LoadedModel,
    series: SeriesSet,
    *,
    horizon: int,
    quantile_levels: Sequence[float],
    engine: Engine = "numpy",
    progress: Progress | None = None,
    keep_distribution: bool = False,
    weights: MemberWeights | None = None,
) -> Forecast:
    """Forecast after the last row of each series with what the model serves: its networks or a baseline.

    With `keep_distribution` the quantiles at all levels of the model are returned too, not rounded. `weights` of a
    zero-shot forecast are chosen unless given.
    Raises DivergedError, naming the series, where a forecast is not finite.
    """
    served, trained_levels = loaded.manifest.served, loaded.manifest.quantile_levels
    levels = tuple(dict.fromkeys(quantile_levels))
    shape = (series.num_series, horizon)
    kept = _Kept(np.empty(shape), np.empty(shape), np.empty((len(levels), *shape)))
    if keep_distribution:
        kept.distribution = np.empty((*shape, len(trained_levels)))
    middle = trained_levels.index(0.5)
    bounds = loaded.bounds.at(last_windows(series))
    alone = spreads_of_one_row(series)

    def keep(chosen: np.ndarray, trained: Float64Array) -> int:
        _check_finite(series, chosen, trained)
        keeps_to = bounds.select(chosen)
        trained = trained if alone is None else spread_out(trained, alone[chosen], trained_levels)
        clipped = keeps_to.clip(trained)
        kept.num_cut_off.append(int((clipped != trained).any(axis=-1).sum()))
        if keep_distribution:
            kept.distribution[chosen] = clipped
        kept.mean[chosen] = keeps_to.clip(mean_of(clipped, trained_levels))
        kept.median[chosen] = keeps_to.apply(clipped[..., middle])
        wanted = keeps_to.apply(interpolate_quantiles(clipped, trained_levels, levels))
        kept.by_level[:, chosen] = np.moveaxis(wanted, -1, 0)
        return len(chosen)

    if loaded.zero_shot is not None or served == ENSEMBLE:
        batch, weights = _by_network(loaded, series, horizon, engine, weights)
        lengths = np.minimum(series.lengths, loaded.ensemble.context_length)
        steps = _in_batches(lambda chosen: keep(chosen, batch(chosen)), lengths, engine)
    else:
        steps = _by_baseline(served, series, horizon, keep, quantile_levels=trained_levels)
    _watch(steps, series.num_series, progress or NoProgress())
    return Forecast(
        quantile_levels=levels,
        median=kept.median,
        mean=kept.mean,
        quantiles=np.moveaxis(kept.by_level, 0, -1),
        method=BASE if loaded.manifest.name == BASE else served,
        weights={} if weights is None else weights.mean(series.num_series),
        chosen=weights,
        bounds=bounds.sentence(),
        num_cut_off=sum(kept.num_cut_off),
        distribution=kept.distribution,
    )


def point_baseline(name: str, series: SeriesSet, *, horizon: int) -> Float64Array:
    """Return the median of a naive forecast after the last row of each series: [S, H]."""
    if not series.num_series:
        return np.empty((0, horizon))
    parts = [
        forecast_baseline(name, part, last_windows(part), horizon=horizon, quantile_levels=(0.5,))[..., 0]
        for part in series.parts()
    ]
    return np.concatenate(parts)


def _by_network(
    loaded: LoadedModel, series: SeriesSet, horizon: int, engine: Engine, weights: MemberWeights | None
) -> tuple[Batch, MemberWeights | None]:
    """Choose what all series have in common; return their forecasts by numbers, and the weights of a zero-shot one."""
    windows = last_windows(series)
    if loaded.zero_shot is None:
        return TrainedForecaster(_on_engine(loaded.ensemble, engine), series).prepared(windows, horizon), None
    return _zero_shot_on_engine(loaded.zero_shot, engine).prepared(windows, horizon, weights)


def _in_batches(work: Callable[[np.ndarray], int], lengths: np.ndarray, engine: Engine) -> Iterator[int]:
    """Call `work` with batches of series numbers; series of one length are in one batch.

    The pretrained network reads what is missing before them once for all.
    """
    order = np.argsort(lengths, kind="stable")
    batches = [order[start : start + SERIES_A_BATCH] for start in range(0, len(order), SERIES_A_BATCH)]
    return in_threads(work, batches, is_alone=engine != "numpy")  # torch spreads one batch over the cores by itself


def _by_baseline(
    name: str,
    series: SeriesSet,
    horizon: int,
    keep: Callable[[np.ndarray, Float64Array], int],
    *,
    quantile_levels: Sequence[float],
) -> Iterator[int]:
    start = 0
    for part in series.parts():
        chosen = np.arange(start, start + part.num_series)
        start += part.num_series
        forecast = forecast_baseline(name, part, last_windows(part), horizon=horizon, quantile_levels=quantile_levels)
        yield keep(chosen, forecast)


def _watch(steps: Iterable[int], total: int, progress: Progress) -> None:
    """Run the steps and report progress in series."""
    done = 0
    progress.start("forecast", total)
    for count in steps:
        done += count
        progress.update(done)
    progress.finish()


def _check_finite(series: SeriesSet, chosen: np.ndarray, forecast: Float64Array) -> None:
    odd = np.flatnonzero(~np.isfinite(forecast).all(axis=(1, 2)))
    if len(odd):
        number = int(chosen[odd[0]])
        message = f"the forecast of `{series.part(number, number + 1).item_ids[0]}` is not finite"
        hint = "look for values of an absurd size with `rnnforecast inspect`, then train again"
        raise DivergedError(message, hint=hint)


def _on_engine(ensemble: Ensemble, engine: Engine) -> Ensemble:
    if engine == "numpy":
        return ensemble
    from rnnforecast.networks.engine import forecast_windows

    return replace(ensemble, engine=forecast_windows)


def _zero_shot_on_engine(zero_shot: ZeroShot, engine: Engine) -> ZeroShot:
    base = zero_shot.base
    return replace(zero_shot, base=lambda season_length: _on_engine(base(season_length), engine))


#: Standard deviation relative to the value where no other series shows one.
ALONE = 0.5
#: Observed values from which on a series shows its spread to others.
_MIN_VALUES = 3


def spreads_of_one_row(series: SeriesSet) -> Float64Array | None:
    """Return the standard deviation of each series with one observed value, 0 for all others: [S]; None without one.

    It is the median over the other series of their standard deviation relative to their mean size.
    """
    counts = np.add.reduceat(series.observed, series.offsets[:-1], dtype=np.int64)
    if not (counts == 1).any():
        return None
    values = np.where(series.observed, series.values, 0.0)
    sizes = np.add.reduceat(np.abs(values), series.offsets[:-1]) / np.maximum(counts, 1)
    means = np.add.reduceat(values, series.offsets[:-1]) / np.maximum(counts, 1)
    squares = np.where(series.observed, (values - np.repeat(means, series.lengths)) ** 2, 0.0)
    deviations = np.sqrt(np.add.reduceat(squares, series.offsets[:-1]) / np.maximum(counts - 1, 1))
    known = (counts >= _MIN_VALUES) & (deviations > 0) & (sizes > 0)
    relative = float(np.median(deviations[known] / sizes[known])) if known.any() else ALONE
    typical = float(np.median(sizes[sizes > 0])) if (sizes > 0).any() else 1.0
    return np.where(counts == 1, relative * np.where(sizes > 0, sizes, typical), 0.0)


def spread_out(forecast: Float64Array, deviations: Float64Array, levels: Sequence[float]) -> Float64Array:
    """Return quantiles [S, H, L] of which those of series with a deviation are normal around their median."""
    chosen = deviations > 0
    distances = normal_scores(levels)
    middle = forecast[chosen][..., [list(levels).index(0.5)]]
    spread = forecast.copy()
    spread[chosen] = middle + deviations[chosen, None, None] * distances
    return spread
