"""Members of the zero-shot ensemble, and their forecasts for many tasks at once.

Regressions complement `base`: the seasonal part, or the effect of covariates, is taken off the history, `base`
forecasts the rest, and the part of the horizon is added to every quantile. The trend is fitted but stays in the rest.

Axis legend: T tasks, N rows of one history, H horizon, P columns, Q quantiles.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.errors import DivergedError
from rnnforecast.forecasting import forecast_together, normal_scores
from rnnforecast.inference.season_classes import Means, day_means, hour_means
from rnnforecast.mixture.aggregation import block_means, is_long_enough, with_profile
from rnnforecast.mixture.autoregression import MAX_ROWS, forecast_autoregression, num_lags
from rnnforecast.mixture.histories import Task, flat_series, right_aligned
from rnnforecast.mixture.question import (
    AUTOREGRESSION,
    AUTOREGRESSION_LOG,
    AUTOREGRESSION_NO_SEASON,
    AUTOREGRESSIVE,
    BASE,
    BASE_NO_SEASON,
    DAY_MEANS,
    HOUR_MEANS,
    LOGARITHMIC,
    SEASONAL_MEAN,
    SEASONAL_NAIVE,
    THETA,
    Question,
)
from rnnforecast.mixture.remainders import Remainders, has_logarithms, regress, regress_like_series
from rnnforecast.mixture.widths import widened

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rnnforecast.forecasting import Ensemble

#: Newest rows that the Theta method reads, or as many seasons: a line through more fits the last ones badly.
THETA_ROWS, THETA_SEASONS = 500, 6
MEAN_SEASONS = 5
#: Part of its rate by which the growth of the newest quarter of a history may differ, beyond chance.
RATE_LOST = 0.25
#: Logarithms beyond this count as this.
LARGEST_EXPONENT = 700.0
#: How far from zero a history is for the network at most, in units of its range.
FARTHEST_FROM_ZERO = 2.0


def forecast_members(
    question: Question, tasks: Sequence[Task], wanted: Mapping[str, BoolArray]
) -> dict[str, Float64Array]:
    """Return forecasts of the members `wanted` for each history [S]: [T, H, Q] each, NaN where there is none."""
    season, horizon = question.season_length, question.horizon
    ensemble = question.base(season)
    levels = ensemble.quantile_levels
    pasts = [question.histories[task.series][: task.cutoff] for task in tasks]
    shape = (len(tasks), horizon, len(levels))
    found: dict[str, Float64Array] = {}
    series = np.array([task.series for task in tasks], dtype=np.int64)
    chosen = {name: np.flatnonzero(mask[series]) for name, mask in wanted.items()}

    def alone(name: str, forecast: Callable[[list[Float64Array]], Float64Array]) -> None:
        if name in chosen and len(chosen[name]):
            found[name] = np.full(shape, np.nan)
            found[name][chosen[name]] = forecast([pasts[number] for number in chosen[name]])

    remainders = Remainders()
    networks = {BASE: ensemble}
    if season > 1:
        networks[BASE_NO_SEASON] = question.base(1)
    for name, network in networks.items():
        for number in chosen[name].tolist() if name in chosen else ():
            recent = pasts[number][-network.context_length :]
            remainders.add(name, number, recent, np.zeros(len(recent) + horizon))
    if season > 1 or question.covariates:
        regress(question, tasks, wanted, ensemble.context_length, remainders)
    regress_like_series(question, tasks, wanted, ensemble.context_length, remainders)
    _forecast_remainders(remainders, networks, found, shape)
    of_rows = partial(_of_newest_rows, horizon=horizon, levels=levels)
    if season > 1:
        alone(SEASONAL_MEAN, lambda pasts: _seasonal_mean(pasts, question, levels, num_seasons=MEAN_SEASONS))
        alone(AUTOREGRESSION_NO_SEASON, of_rows)
    else:
        alone(AUTOREGRESSION, of_rows)
        numbers = chosen.get(AUTOREGRESSION_LOG, np.zeros(0, dtype=np.int64)).tolist()
        chosen[AUTOREGRESSION_LOG] = np.array([one for one in numbers if _keeps_its_rate(pasts[one])], dtype=np.int64)
        alone(AUTOREGRESSION_LOG, lambda pasts: _exponential(of_rows([np.log(past) for past in pasts])))
    for name in found.keys() & set(LOGARITHMIC):
        _keep_in_reach(found[name], pasts, levels.index(0.5))
    for name, means in ((DAY_MEANS, day_means(season)), (HOUR_MEANS, hour_means(season))):
        if means is not None and name in chosen:
            chosen[name] = chosen[name][[is_long_enough(pasts[number], means) for number in chosen[name]]]
            alone(name, partial(_by_means, question=question, means=means, levels=levels))
    alone(THETA, lambda pasts: _theta(pasts, question, levels))
    alone(SEASONAL_NAIVE, lambda pasts: _seasonal_naive(pasts, question, levels))
    if question.keep_non_negative:
        keep_non_negative(found.values(), pasts)
    return found


def _forecast_remainders(
    remainders: Remainders,
    networks: Mapping[str, Ensemble],
    found: dict[str, Float64Array],
    shape: tuple[int, int, int],
) -> None:
    """Forecast what regressions left, by `base` or an autoregression, and put the parts of the horizon back."""
    _, horizon, _ = shape
    names = np.array(remainders.names, dtype=np.str_)
    kinds = np.array([_remainder_forecaster(name) for name in remainders.names])
    groups = [(kind, np.flatnonzero(kinds == kind)) for kind in np.unique(kinds).tolist()]
    pasts = [[remainders.pasts[place] for place in places] for _, places in groups]
    of_networks = [(networks[kind], past) for (kind, _), past in zip(groups, pasts, strict=True) if kind in networks]
    by_network = iter(_by_networks(of_networks, horizon))
    for (kind, places), past in zip(groups, pasts, strict=True):
        levels = networks[BASE].quantile_levels
        quantiles = next(by_network) if kind in networks else _by_autoregression(past, horizon, levels)
        for name in np.unique(names[places]):
            rows = np.flatnonzero(names[places] == name)
            chosen = places[rows].tolist()
            parts = np.stack([remainders.parts[place] for place in chosen])[..., None]
            width = np.array([remainders.widths[place] for place in chosen])[:, None]
            spread = np.stack([remainders.spreads[place] for place in chosen])
            forecast = widened(quantiles[rows], width, levels, spread=spread)
            if name in LOGARITHMIC:
                forecast = _exponential(forecast + parts)
            else:
                forecast = forecast + parts
            found[str(name)] = of_member = np.full(shape, np.nan)
            of_member[[remainders.tasks[place] for place in chosen]] = forecast


def _keeps_its_rate(past: Float64Array) -> bool:
    """Return whether a history has logarithms and grew by its usual rate in its newest quarter: else that has ended."""
    if not has_logarithms(past):
        return False
    changes = np.diff(np.log(past[np.isfinite(past)]))
    newest = len(changes) // 4
    if newest < 2:
        return True
    before, after = changes[:-newest], changes[-newest:]
    noise = np.diff(changes).std() * (0.5 / len(before) + 0.5 / newest) ** 0.5
    return bool(abs(after.mean() - before.mean()) <= RATE_LOST * abs(before.mean()) + 3 * noise)


def _keep_in_reach(quantiles: Float64Array, pasts: Sequence[Float64Array], median: int) -> None:
    """Move quantiles [T, H, Q] of positive histories down where their median, a column, grows by more than these did.

    A history may leave its range by its size, and twice that for each of its lengths ahead, or grow once more as it did
    within as many newest rows, half of them at most. Far ahead, the exponential of a drift by chance has no end.
    """
    ahead = np.arange(1, quantiles.shape[1] + 1)
    for own, past in zip(quantiles, pasts, strict=True):
        highest = np.fmax.accumulate(past)
        high, size = highest[-1], highest[-1] - np.fmin.reduce(past)
        before = highest[len(past) - 1 - np.minimum(ahead, len(past) // 2)]
        reach = np.fmax(high + size * (1 + 2 * ahead / len(past)), high * high / before)
        with np.errstate(invalid="ignore"):
            own *= np.minimum(reach / own[:, median], 1.0)[:, None]
        np.minimum(own, 4 * reach[:, None], out=own)


def _remainder_forecaster(name: str) -> str:
    """Return what forecasts the remainder of a member."""
    return AUTOREGRESSION if name in AUTOREGRESSIVE else name if name == BASE_NO_SEASON else BASE


def _exponential(logarithms: Float64Array) -> Float64Array:
    return np.asarray(np.exp(np.minimum(logarithms, LARGEST_EXPONENT)))


def _of_newest_rows(pasts: Sequence[Float64Array], *, horizon: int, levels: tuple[float, ...]) -> Float64Array:
    return _by_autoregression([past[-MAX_ROWS:] for past in pasts], horizon, levels)


def _by_autoregression(pasts: Sequence[Float64Array], horizon: int, levels: tuple[float, ...]) -> Float64Array:
    quantiles = np.empty((len(pasts), horizon, len(levels)))
    lags = np.array([num_lags(len(past)) for past in pasts])
    for count in np.unique(lags):  # a history has as many lags next to longer ones as alone
        rows = np.flatnonzero(lags == count)
        chosen = [pasts[row] for row in rows.tolist()]
        target, observed = right_aligned(chosen, max(len(past) for past in chosen))
        quantiles[rows] = forecast_autoregression(target, observed, horizon=horizon, levels=levels)
    return quantiles


def _by_networks(asked: Sequence[tuple[Ensemble, Sequence[Float64Array]]], horizon: int) -> list[Float64Array]:
    """Forecast after each past of each network; one that overflows has NaN."""
    offsets = [np.array([_distance(past) for past in pasts]) for _, pasts in asked]
    flat = [
        flat_series([past - offset for past, offset in zip(pasts, off, strict=True)])
        for (_, pasts), off in zip(asked, offsets, strict=True)
    ]
    try:
        networks = [(ensemble, *each) for (ensemble, _), each in zip(asked, flat, strict=True)]
        found = forecast_together(networks, horizon=horizon)
        return [each + off[:, None, None] for each, off in zip(found, offsets, strict=True)]
    except DivergedError:
        if len(asked) == 1 and len(asked[0][1]) == 1:
            return [np.full((1, horizon, len(asked[0][0].quantile_levels)), np.nan)]
        return [
            np.concatenate([_by_networks([(ensemble, [past])], horizon)[0] for past in pasts])
            for ensemble, pasts in asked
        ]


def _distance(past: Float64Array) -> float:
    """Return what is taken off a history far from zero: the network would take its level for a random walk."""
    low, high = float(np.fmin.reduce(past, initial=np.inf)), float(np.fmax.reduce(past, initial=-np.inf))
    nearest = FARTHEST_FROM_ZERO * (high - low)
    if not 0 < nearest < np.inf:
        return 0.0
    return max(low - nearest, 0.0) + min(high + nearest, 0.0)


def keep_non_negative(found: Iterable[Float64Array], pasts: Sequence[Float64Array]) -> None:
    """Cut quantiles [T, H, Q] below zero off where the history never was."""
    rows = [number for number, past in enumerate(pasts) if np.nanmin(past, initial=np.inf) >= 0]
    for quantiles in found:
        quantiles[rows] = np.maximum(quantiles[rows], 0.0)


def _by_means(
    pasts: Sequence[Float64Array], question: Question, means: Means, levels: tuple[float, ...]
) -> Float64Array:
    network, block = question.base(means.season_length), means.block
    averaged = [block_means(past[-network.context_length * block :], block) for past in pasts]
    [found] = _by_networks([(network, averaged)], -(-question.horizon // block))
    season = question.season_length
    return with_profile(found, pasts, block=block, season_length=season, horizon=question.horizon, levels=levels)


def _theta(pasts: Sequence[Float64Array], question: Question, levels: tuple[float, ...]) -> Float64Array:
    from rnnforecast.evaluation.theta import forecast_theta

    length = max(THETA_ROWS, THETA_SEASONS * question.season_length)
    target, observed = right_aligned(pasts, min(length, max(len(past) for past in pasts)))
    return np.asarray(
        forecast_theta(
            target,
            observed,
            horizon=question.horizon,
            season_length=question.season_length,
            quantile_levels=levels,
        )
    )


def _seasonal_mean(
    pasts: Sequence[Float64Array], question: Question, levels: tuple[float, ...], *, num_seasons: int
) -> Float64Array:
    """Forecast the mean of each phase over the newest seasons, with the spread around it."""
    season, phase = question.season_length, np.arange(question.horizon) % question.season_length
    scores = normal_scores(levels)
    result = np.full((len(pasts), question.horizon, len(levels)), np.nan)
    for number, past in enumerate(pasts):
        count = min(num_seasons, len(past) // season)
        folded = past[len(past) - count * season :].reshape(count, season)
        seen = np.isfinite(folded)
        if count < 2 or not seen.any(axis=0).all():
            continue
        mean = np.nanmean(folded, axis=0)
        spread = float(np.sqrt(np.nanmean(np.square(folded - mean))))
        result[number] = mean[phase][:, None] + spread * scores
    return result


def _seasonal_naive(pasts: Sequence[Float64Array], question: Question, levels: tuple[float, ...]) -> Float64Array:
    """Repeat the last season; its spread grows with the square root of the seasons ahead."""
    season, lead = question.season_length, np.arange(question.horizon)
    scores = normal_scores(levels)
    result = np.full((len(pasts), question.horizon, len(levels)), np.nan)
    for number, past in enumerate(pasts):
        last = past[-season:]
        if len(past) < season + 1 or not np.isfinite(last).all():
            continue
        changes = past[season:] - past[:-season]
        if not np.isfinite(changes).any():
            continue
        spread = float(np.sqrt(np.nanmean(np.square(changes)))) * np.sqrt(lead // season + 1)
        result[number] = last[lead % season][:, None] + spread[:, None] * scores
    return result
