"""Zero-shot forecasts: members weighted for every series by their losses on causal windows at the end of its history.

Weights come from at most `MAX_SAMPLED` series of a panel; the others take the weights of the panel, and only members
that have one there are computed for them.

Axis legend: S series, K windows, M members, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import BoolArray, Float64Array, Int64Array
from rnnforecast.data.calendar.infer_frequency import default_season_length
from rnnforecast.data.calendar.seasonality import FIRST_ROWS, seasons_among
from rnnforecast.data.ragged import spread_sample
from rnnforecast.frozen import dataclass
from rnnforecast.inference.threads import in_threads
from rnnforecast.mixture.covariates import Covariate, explains_changes, screened
from rnnforecast.mixture.histories import CausalWindows, Task, causal_windows
from rnnforecast.mixture.like_series import LikeSeries, fit_like_series
from rnnforecast.mixture.members import forecast_members, keep_non_negative
from rnnforecast.mixture.past_covariates import leading
from rnnforecast.mixture.question import BASE, SEASONAL_NAIVE, Question
from rnnforecast.mixture.seasons import plan_seasons
from rnnforecast.mixture.shifts import at_one_constant, at_one_level, at_one_slope
from rnnforecast.mixture.weights import is_clearly_best, log_ratios, member_weights, pinball, prune
from rnnforecast.mixture.widths import relative_errors, widened, width_factors

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.data.windows import Windows
    from rnnforecast.forecasting import Ensemble

#: Windows of a series, and the newest of them: those of large panels, and those that rule members out.
NUM_WINDOWS, NUM_FIRST_WINDOWS = 6, 3
#: A member that the newest windows give less is not scored on the others.
SMALLEST_PROMISING = 0.02
MAX_SAMPLED = 200
#: Series that a regression on series with like static covariates is fitted to.
MAX_FITTED = 500
#: Series from which on only `base` and the heaviest other member are computed for those outside the sample.
LARGE_PANEL = 5_000
SERIES_A_BATCH = 256
#: So few series have all members computed at once for all their windows and their forecast: one pass of small steps costs
#: less than three with fewer rows each.
FEW_SERIES = 2

#: Series whose covariates are looked at to name those that are used.
MAX_LOOKED_AT = 10

#: Returns forecasts of members, as `forecast_members` does.
Members = Callable[[Question, Sequence[Task], Mapping[str, BoolArray]], dict[str, Float64Array]]
#: The season of a calendar is used from so many rows on beyond one of it.
FEWEST_ROWS_BEYOND_SEASON = 2


@dataclass(frozen=True)
class MemberWeights:
    """The weight of every member for every series, and the evidence behind it."""

    names: tuple[str, ...]
    sampled: Int64Array  # numbers of the series whose windows were scored
    of_sampled: Float64Array  # [len(sampled), M]
    of_panel: Float64Array  # [M], of every other series
    log_ratios: Float64Array  # [len(sampled), M] of the loss to that of `base`, NaN without a window
    num_windows: int  # of all sampled series
    widths: Float64Array | None = None  # [H] factors of the distance of quantiles from the median
    of_groups: tuple[MemberWeights, ...] = ()  # of series with one season each, where seasons differ

    def of(self, numbers: Int64Array) -> Float64Array:
        """Return the weights of series: [len(numbers), M]."""
        weights = np.repeat(self.of_panel[None], len(numbers), axis=0)
        place = np.searchsorted(self.sampled, numbers)
        known = self.sampled[np.minimum(place, len(self.sampled) - 1)] == numbers
        weights[known] = self.of_sampled[place[known]]
        return weights

    def mean(self, num_series: int) -> dict[str, float]:
        """Return the mean weight of each member over a panel of so many series, heaviest first."""
        others = num_series - len(self.sampled)
        mean = (self.of_sampled.sum(axis=0) + others * self.of_panel) / max(num_series, 1)
        order = np.argsort(-mean, kind="stable")
        return {self.names[index]: float(mean[index]) for index in order if mean[index] > 0}


def computed_at_once(question: Question) -> Members:
    """Compute all members for every window and after every history, and return what looks them up."""
    windows = [_windows_of(question, len(history), NUM_WINDOWS) for history in question.histories]
    cutoffs = [(*window.cutoffs, len(history)) for window, history in zip(windows, question.histories, strict=True)]
    tasks = [Task(series, cutoff) for series, each in enumerate(cutoffs) for cutoff in each]
    every = np.ones(len(question.histories), dtype=np.bool_)
    found = forecast_members(question, tasks, dict.fromkeys(question.priors, every))
    places = {task: place for place, task in enumerate(tasks)}

    def look_up(_: Question, tasks: Sequence[Task], wanted: Mapping[str, BoolArray]) -> dict[str, Float64Array]:
        rows, series = [places[task] for task in tasks], [task.series for task in tasks]
        return {
            name: np.where(mask[series][:, None, None], found[name][rows], np.nan)
            for name, mask in wanted.items()
            if name in found
        }

    return look_up


def _windows_of(question: Question, num_rows: int, num_windows: int) -> CausalWindows:
    shorter = question.like_series is not None
    season, horizon = question.season_length, question.horizon
    return causal_windows(num_rows, season, horizon, num_windows=num_windows, without_season=shorter)


@dataclass(frozen=True)
class _Scored:
    """Forecasts of members at some windows, with what followed."""

    series: list[int]  # [T]
    ranks: list[int]  # [T] windows counted from the newest
    actual: Float64Array  # [T, H], NaN beyond what is scored
    forecasts: Mapping[str, Float64Array]  # [T, H, Q] each


def choose_weights(
    question: Question, *, num_series: int, sampled: Int64Array, members: Members = forecast_members
) -> MemberWeights:
    """Score the members on the windows of the sampled series, whose histories `question` holds, and weigh them.

    The newest windows decide which members are worth scoring on the older ones.
    """
    num_windows = NUM_WINDOWS if num_series <= MAX_SAMPLED else NUM_FIRST_WINDOWS
    windows = [_windows_of(question, len(history), num_windows) for history in question.histories]
    names, prior = tuple(question.priors), np.array(list(question.priors.values()))
    shape = (len(question.histories), num_windows, len(names))
    losses = np.full(shape, np.nan)
    kept: BoolArray = np.ones((shape[0], shape[2]), dtype=np.bool_)
    scored = []
    for ranks in (range(NUM_FIRST_WINDOWS), range(NUM_FIRST_WINDOWS, num_windows)):
        # ranks count from the newest window back
        tasks = [
            (Task(series, window.cutoffs[-1 - rank]), rank, window.num_leads)
            for series, window in enumerate(windows)
            for rank in ranks
            if rank < len(window.cutoffs)
        ]
        if not tasks:
            break
        wanted = {name: kept[:, place] for place, name in enumerate(names)}
        scored.append(_score(question, tasks, wanted, losses, members))
        ratios, counts = log_ratios(losses), np.isfinite(losses[..., names.index(BASE)]).sum(axis=1)
        kept = member_weights(ratios, counts, prior, smallest=SMALLEST_PROMISING)[0] > 0
        kept[:, names.index(BASE)] = True
    ratios, counts = log_ratios(losses), np.isfinite(losses[..., names.index(BASE)]).sum(axis=1)
    of_sampled, of_panel = member_weights(ratios, counts, prior)
    if all(window.is_apart for window in windows):
        alone = np.eye(len(names))[names.index(SEASONAL_NAIVE)]
        is_best = is_clearly_best(losses, names.index(SEASONAL_NAIVE))
        of_sampled[is_best] = alone
        of_panel = alone if len(is_best) > 1 and is_best.all() else of_panel
    widths = _widths(question, scored, of_sampled, names, num_windows)
    if num_series > LARGE_PANEL:
        is_base = np.array(names) == BASE
        others = np.where(is_base, 0.0, of_panel)
        of_panel = prune(np.where(is_base | (others == others.max()), of_panel, 0.0))
    return MemberWeights(names, sampled, of_sampled, of_panel, ratios, int(counts.sum()), widths)


def _score(
    question: Question,
    tasks: Sequence[tuple[Task, int, int]],
    wanted: Mapping[str, BoolArray],
    losses: Float64Array,
    members: Members,
) -> _Scored:
    """Note the losses [S, K, M] of the wanted members at tasks, each with the rank of its window and its leads."""
    levels = np.array(question.base(question.season_length).quantile_levels)
    inner = np.flatnonzero((levels > 0.09) & (levels < 0.91))
    forecasts = members(question, [task for task, _, _ in tasks], wanted)
    actual = np.full((len(tasks), question.horizon), np.nan)
    for row, (task, _, leads) in zip(actual, tasks, strict=True):
        row[:leads] = question.histories[task.series][task.cutoff : task.cutoff + leads]
    series, ranks = [task.series for task, _, _ in tasks], [rank for _, rank, _ in tasks]
    for place, name in enumerate(wanted):
        if name in forecasts:
            losses[series, ranks, place] = pinball(actual, forecasts[name][..., inner], levels[inner])
    return _Scored(series, ranks, actual, forecasts)


def _widths(
    question: Question, scored: Sequence[_Scored], weights: Float64Array, names: Sequence[str], num_windows: int
) -> Float64Array:
    """Return the factor of the widths at each lead [H], from the windows that were scored; `weights` are [S, M]."""
    levels = question.base(question.season_length).quantile_levels
    errors = np.full((len(weights), num_windows, question.horizon), np.nan)
    for one in scored:
        mean, weight = _mixed(one.forecasts, weights[one.series], names, (question.horizon, len(levels)))
        found = relative_errors(one.actual, np.sort(mean, axis=-1), levels)
        errors[one.series, one.ranks] = np.where(weight[:, None] > 0, found, np.nan)
    return width_factors(errors)


def _mixed(
    forecasts: Mapping[str, Float64Array], weights: Float64Array, names: Sequence[str], shape: tuple[int, int]
) -> tuple[Float64Array, Float64Array]:
    """Return the mean [T, H, Q] of the members' forecasts by weights [T, M], and the sum of those that have one [T]."""
    total: Float64Array = np.zeros((len(weights), *shape))
    sum_of_weights: Float64Array = np.zeros(len(weights))
    for place, name in enumerate(names):
        if name not in forecasts:
            continue
        there = np.asarray(np.isfinite(forecasts[name]).all(axis=(1, 2)))
        weight = np.where(there, weights[:, place], 0.0)
        total += weight[:, None, None] * np.where(there[:, None, None], forecasts[name], 0.0)
        sum_of_weights += weight
    return total / np.where(sum_of_weights > 0, sum_of_weights, 1.0)[:, None, None], sum_of_weights


def forecast_weighted(
    question: Question,
    weights: Float64Array,
    names: Sequence[str],
    *,
    widths: Float64Array | None = None,
    members: Members = forecast_members,
) -> Float64Array:
    """Forecast after each history by its members' weights [S, M]: [S, H, Q], ascending along Q.

    Distances from the median are multiplied by `widths` [H]. A member that has no forecast for a series leaves its weight
    to the others, and all of them to `base`.
    """
    tasks = [Task(series, len(history)) for series, history in enumerate(question.histories)]
    used = {name: weights[:, place] > 0 for place, name in enumerate(names)}
    forecasts = members(question, tasks, {name: mask for name, mask in used.items() if mask.any()})
    levels = question.base(question.season_length).quantile_levels
    mean, sum_of_weights = _mixed(forecasts, weights, names, (question.horizon, len(levels)))
    lost = np.asarray(sum_of_weights <= 0)
    if lost.any():
        mean[lost] = members(question, tasks, {BASE: lost})[BASE][lost]
    if widths is not None:
        wider = widened(mean, widths, levels)
        if question.keep_non_negative:
            # what was cut at zero stays there where intervals become narrower
            wider = np.where(mean == 0.0, 0.0, wider)
            keep_non_negative([wider], question.histories)
        mean = wider
    return np.sort(mean, axis=-1)


@dataclass(frozen=True)
class ZeroShot:
    """Forecasts of a panel without training: `base` and its companions, weighted in context."""

    series: SeriesSet
    base: Callable[[int], Ensemble]
    season_length: int
    keep_non_negative: bool = True  # where the history never was below zero
    own_seasons: Mapping[int, int] | None = None  # of series, by number, that repeat after other steps
    like_series: LikeSeries | None = None

    def with_like_series(self, windows: Windows, horizon: int, *, left_out: str | None = None) -> ZeroShot:
        """Return the forecaster with what series of like static covariates have in common, before the cutoffs of windows."""
        if not self.series.static_names or len(windows) < 2:
            return self
        sampled = windows.select(spread_sample(len(windows), MAX_FITTED))
        asked = self.question(sampled, horizon)
        plan = asked.plans[int(np.argmax(sampled.cutoffs))]
        known = [[one for one in covariates if one.name != left_out] for covariates in asked.known_ahead]
        found = fit_like_series(
            self.series, asked.numbers, asked.histories, known, plan, horizon=horizon, num_windows=NUM_WINDOWS
        )
        return replace(self, like_series=found)

    def groups(self, windows: Windows) -> list[tuple[Int64Array, ZeroShot]]:
        """Return the windows of each season, by number, with the forecaster of it."""
        if not self.own_seasons:
            return [(np.arange(len(windows)), self)]
        season = np.full(self.series.num_series, self.season_length)
        season[list(self.own_seasons)] = list(self.own_seasons.values())
        of_windows = season[windows.series]
        return [
            (np.flatnonzero(of_windows == length), replace(self, season_length=int(length), own_seasons=None))
            for length in np.unique(of_windows)
        ]

    def choose(self, windows: Windows, horizon: int) -> MemberWeights:
        """Weigh the members for the series of windows, each on its rows before the cutoff alone."""
        count = len(windows)
        sampled = spread_sample(count, MAX_SAMPLED)
        question = self.question(windows.select(sampled), horizon)
        return choose_weights(question, num_series=count, sampled=sampled)

    def forecast(self, windows: Windows, numbers: Int64Array, weights: MemberWeights, horizon: int) -> Float64Array:
        """Forecast the windows of these numbers by weights chosen for all of them: [len(numbers), H, Q]."""
        question = self.question(windows.select(numbers), horizon)
        return forecast_weighted(question, weights.of(numbers), weights.names, widths=weights.widths)

    def prepared(
        self, windows: Windows, horizon: int, weights: MemberWeights | None = None
    ) -> tuple[Callable[[Int64Array], Float64Array], MemberWeights]:
        """Return the forecasts of windows, one a series, by their numbers, and weights: those given, or chosen for all."""
        groups = self.groups(windows)
        if len(groups) > 1:
            return _by_season(groups, windows, horizon, weights)
        [(_, own)] = groups
        own = own.with_like_series(windows, horizon)
        if weights is not None or len(windows) > FEW_SERIES:
            found = own.choose(windows, horizon) if weights is None else weights
            return lambda numbers: own.forecast(windows, numbers, found, horizon), found
        question, sampled = own.question(windows, horizon), np.arange(len(windows))
        members = computed_at_once(question)
        chosen = choose_weights(question, num_series=len(windows), sampled=sampled, members=members)
        return forecast_weighted(
            question, chosen.of_sampled, chosen.names, widths=chosen.widths, members=members
        ).__getitem__, chosen

    def __call__(self, windows: Windows, horizon: int) -> Float64Array:
        """Forecast after each cutoff: [W, H, Q]; weights of the n-th window of each series are chosen together."""
        order = np.lexsort((windows.cutoffs, windows.series))
        rank = np.empty(len(windows), dtype=np.int64)
        first = np.searchsorted(windows.series[order], windows.series[order])
        rank[order] = np.arange(len(windows)) - first
        levels = self.base(self.season_length).quantile_levels
        result = np.empty((len(windows), horizon, len(levels)))
        for number in np.unique(rank):
            chosen = np.flatnonzero(rank == number)
            forecast, _ = self.prepared(windows.select(chosen), horizon)
            batches = np.split(np.arange(len(chosen)), list(range(SERIES_A_BATCH, len(chosen), SERIES_A_BATCH)))
            for batch, quantiles in zip(batches, in_threads(forecast, batches), strict=True):
                result[chosen[batch]] = quantiles
        return result

    def regressed(self, windows: Windows, horizon: int) -> tuple[Covariate, ...]:
        """Return the covariates that regressions of the first few windows read, each once: not chance, not too many."""
        first = self.question(windows.select(np.arange(min(len(windows), MAX_LOOKED_AT))), horizon)
        return tuple({one.name: one for each in first.covariates for one in each}.values())

    def question(self, windows: Windows, horizon: int) -> Question:
        """Return what is asked for the windows: their rows before the cutoff, and covariates up to the horizon."""
        series = self.series
        starts = series.offsets[windows.series]
        histories = [series.values[start : start + end] for start, end in zip(starts, windows.cutoffs, strict=True)]
        longer = series.longer_seasons
        plans = [
            plan_seasons(series.freq, self.season_length, num_rows=len(history), longer=longer) for history in histories
        ]
        covariates: list[list[Covariate]] = []
        numbers = windows.series.tolist()
        pairs = list(zip(numbers, histories, strict=True))
        known = [self._known_ahead(number, history, horizon) for number, history in pairs]
        if series.covariate_names:
            covariates = [
                self._covariates(number, history, horizon, one)
                for (number, history), one in zip(pairs, known, strict=True)
            ]
        if not any(covariates):
            covariates = []
        if not covariates:  # a covariate may explain a shift
            season = self.season_length
            longest = [plan.longest_period for plan in plans]
            histories = [
                at_one_constant(history, season, horizon, longest_season=own)
                for history, own in zip(histories, longest, strict=True)
            ]
            histories = [at_one_slope(at_one_level(history, season), season) for history in histories]
        return Question(
            histories, plans, horizon, self.base, covariates, self.keep_non_negative, numbers, known, self.like_series
        )

    def _covariates(
        self, number: int, history: Float64Array, horizon: int, known: Sequence[Covariate]
    ) -> list[Covariate]:
        """Return the covariates of one series up to the end of the horizon; the last known row is repeated.

        Of many covariates and few rows those that explain most are taken, and for a single series those that tell something:
        the weights of a panel are pooled, so that chance decides less.
        """
        found = [*known, *self._leading(number, history, horizon)]
        windows = causal_windows(len(history), self.season_length, horizon, num_windows=NUM_WINDOWS)
        before = windows.cutoffs[0] if windows.cutoffs else len(history)
        lag = self.season_length if before > 2 * self.season_length + 5 else 1
        if self.series.num_series == 1:
            found = [one for one in found if one.delay is not None or explains_changes(one, history, lag=lag)]
        return screened(found, history, before=before, lag=lag)

    def _leading(self, number: int, history: Float64Array, horizon: int) -> list[Covariate]:
        """Return the past covariates that lead one series, over its history and the horizon."""
        series, start = self.series, int(self.series.offsets[number])
        values = series.past_covariates[start : start + len(history)].astype(np.float64).T
        named = zip(series.past_names, values, strict=True)
        numbers = (Covariate(name, own) for name, own in named if name not in series.categories)
        found = (leading(one, history, horizon=horizon, season=self.season_length) for one in numbers)
        return [one for one in found if one is not None]

    def _known_ahead(self, number: int, history: Float64Array, horizon: int) -> list[Covariate]:
        """Return the covariates known ahead of one series."""
        series = self.series
        if not series.future_names:
            return []
        start, end = int(series.future_offsets[number]), int(series.future_offsets[number + 1])
        rows = np.minimum(start + np.arange(len(history) + horizon), end - 1)
        values = series.future_covariates[rows].astype(np.float64)
        if series.covariates_observed is not None:
            # what was filled for networks tells a regression nothing
            values[~series.covariates_observed[rows]] = np.nan
        return [
            Covariate(name, values[:, column], is_category=name in series.categories)
            for column, name in enumerate(series.future_names)
        ]


def _by_season(
    groups: Sequence[tuple[Int64Array, ZeroShot]], windows: Windows, horizon: int, weights: MemberWeights | None
) -> tuple[Callable[[Int64Array], Float64Array], MemberWeights]:
    """Return the forecasts of windows whose series have different seasons, by their numbers, and all weights."""
    given = (None,) * len(groups) if weights is None else weights.of_groups
    pairs = [
        own.prepared(windows.select(numbers), horizon, one) for (numbers, own), one in zip(groups, given, strict=True)
    ]
    group, place = np.empty((2, len(windows)), dtype=np.int64)
    for number, (numbers, _) in enumerate(groups):
        group[numbers], place[numbers] = number, np.arange(len(numbers))

    def forecast(numbers: Int64Array) -> Float64Array:
        parts = [(np.flatnonzero(group[numbers] == one), batch) for one, (batch, _) in enumerate(pairs)]
        order = np.argsort(np.concatenate([rows for rows, _ in parts]))
        return np.concatenate([batch(place[numbers[rows]]) for rows, batch in parts if len(rows)])[order]

    found = tuple(own for _, own in pairs)
    names = tuple(dict.fromkeys(name for own in found for name in own.names))
    places = [[own.names.index(name) if name in own.names else -1 for name in names] for own in found]

    def together(parts: Sequence[Float64Array], missing: float) -> Float64Array:
        """Return members in the order of all names; a group may lack some."""
        return np.concatenate(
            [np.where(np.array(at) >= 0, part[:, at], missing) for part, at in zip(parts, places, strict=True)]
        )

    sampled = np.concatenate([numbers[own.sampled] for (numbers, _), own in zip(groups, found, strict=True)])
    order = np.argsort(sampled)
    proportions = np.array([len(numbers) for numbers, _ in groups]) / len(windows)
    return forecast, MemberWeights(
        names,
        sampled[order],
        together([own.of_sampled for own in found], 0.0)[order],
        np.asarray(proportions @ together([own.of_panel[None] for own in found], 0.0)),
        together([own.log_ratios for own in found], np.nan)[order],
        sum(own.num_windows for own in found),
        of_groups=found,
    )


def own_seasons(series: SeriesSet, season_length: int, others: Sequence[int]) -> dict[int, int]:
    """Return which of some other seasons each series has whose season is not that of the panel, by number."""
    if not others:
        return {}
    early = series.head(np.ceil(FIRST_ROWS * series.lengths).astype(np.int64))
    found = seasons_among(early.values, early.observed, early.offsets, (*others, season_length))
    return {number: own for number, own in found.items() if season_length % own}


def zero_shot_season(series: SeriesSet, *, is_given: bool = False) -> int:
    """Return the season length that `base` is told: the one a user gave, else the natural one of the frequency.

    A season that no test finds does little harm when one member has none, and a missed season much. Steps without a
    calendar have the season that was found in them, and so have business days: prices have no week.
    """
    natural = default_season_length(series.freq)
    if is_given or series.season_length > 1 or natural <= 1 or series.freq.unit == "business-day":
        return series.season_length
    longest = int(series.lengths.max(initial=0))
    return natural if longest >= natural + FEWEST_ROWS_BEYOND_SEASON else 1
