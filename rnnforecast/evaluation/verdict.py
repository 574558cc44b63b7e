"""The verdict: does a network beat the best naive forecast, by more than chance explains?

Axis legend: W windows, H horizon, U units (windows of one series, or series of a panel).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from rnnforecast.errors import DivergedError
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.evaluation.significance import (
    diebold_mariano,
    holm,
    loss_differences,
    skill_interval,
    wilcoxon_signed_rank,
)
from rnnforecast.json_values import Document
from rnnforecast.members import ENSEMBLE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rnnforecast.arrays import Float64Array, Int64Array

Outcome = Literal["win", "tie", "loss"]
Test = Literal["Diebold-Mariano", "Wilcoxon signed-rank", "none"]

#: Largest adjusted p-value of a win or a loss.
SIGNIFICANCE = 0.05
#: From this many series on (a panel) the test compares series, below it windows.
MIN_PANEL = 10
#: Windows without overlap that a test needs.
MIN_CUTOFFS = 5
#: Series that a test needs where there are too few windows: fewer cannot be significant.
MIN_SERIES = 6


@dataclass(frozen=True)
class Comparison(Document):
    """One network against one naive forecast; `p_adjusted` is corrected for the number of comparisons."""

    method: str
    against: str
    skill: float  # per cent
    statistic: float  # below 0: the network is better
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class Verdict(Document):
    """The result of the test: a win or a loss is a significant difference of the mean loss, all else is a tie.

    `skill` is how much smaller the network's mean loss is than that of `against`, the best naive forecast, in per
    cent; `p_value` is Holm-adjusted, 1 where nothing could be tested; `reason` names the test and its p-value.
    """

    outcome: Outcome
    method: str
    against: str
    p_value: float
    skill: float
    skill_interval: tuple[float, float]
    test: Test
    num_windows: int
    num_series: int
    comparisons: tuple[Comparison, ...]
    reason: str


def judge(
    losses: Mapping[str, Float64Array],
    series: Int64Array,
    *,
    methods: str | Sequence[str] = ENSEMBLE,
    against: Sequence[str] = BASELINES,
    overlap: int = 0,
) -> Verdict:
    """Compare a network with every naive forecast among `losses`, and return the verdict against the best of them.

    `against` names other methods to compare with, such as the model that is to be replaced.

    `losses` [W, H] are scaled absolute errors, NaN where nothing was observed; `series` [W] is the series of each
    window, windows of one series are in order of time. `overlap` is the number of later windows of a series that
    overlap with one (`overlap_of`). Of several networks the best one is judged.

    One series: Diebold-Mariano over its windows. From `MIN_PANEL` series on: Wilcoxon signed-rank over series, which
    assumes that series are independent. Between: Diebold-Mariano over windows, the k-th last windows of all series
    averaged into one, so that shocks common to all series count once; with fewer than `MIN_CUTOFFS`, Wilcoxon over
    series. Holm's correction covers all comparisons, and so the choice of the best.
    """
    networks = (methods,) if isinstance(methods, str) else tuple(methods)
    baselines = tuple(name for name in against if name in losses)
    if not baselines or not networks:
        raise ValueError(f"nothing to compare: networks {networks}, baselines {baselines}")
    units, test = _units({name: losses[name] for name in networks + baselines}, series, overlap=overlap)
    comparisons = _compare(units, networks, baselines, test=test, overlap=overlap)
    best = min(networks, key=lambda name: float(units[name].mean()))
    rival = min(baselines, key=lambda name: float(units[name].mean()))
    decisive = next(c for c in comparisons if (c.method, c.against) == (best, rival))
    return Verdict(
        outcome=_outcome(decisive, units[best], units[rival]),
        method=best,
        against=rival,
        p_value=decisive.p_adjusted,
        skill=decisive.skill,
        skill_interval=_interval(units[best], units[rival], test=test, overlap=overlap),
        test=test,
        num_windows=len(series),
        num_series=len(np.unique(series)),
        comparisons=comparisons,
        reason=_reason(decisive, test, num_units=len(units[best]), series=series, num_comparisons=len(comparisons)),
    )


def overlap_of(horizon: int, window_step: int) -> int:
    """Return how many later windows overlap with one: 0 where cutoffs are a horizon or more apart."""
    return max(0, -(-horizon // window_step) - 1)


def _units(
    losses: Mapping[str, Float64Array], series: Int64Array, *, overlap: int
) -> tuple[dict[str, Float64Array], Test]:
    """Average the losses into units, the same for every method, and choose the test for them."""
    scored = ~np.isnan(next(iter(losses.values())))
    for name, loss in losses.items():
        if np.isinf(loss).any() or (np.isnan(loss) & scored).any():
            raise DivergedError(
                f"errors of `{name}` are beyond floating-point numbers: values of this size cannot be scored",
                hint="divide the values by a power of ten",
                code="E_VALUE_RANGE",
            )
        if not np.array_equal(~np.isnan(loss), scored):
            raise ValueError(f"`{name}` has losses at other steps than the other methods")
    kept = scored.any(axis=1)
    if not kept.any():
        raise ValueError("nothing was observed in any window")
    window_means = {name: np.nanmean(loss[kept], axis=1) for name, loss in losses.items()}
    _, owner = np.unique(series[kept], return_inverse=True)
    rounds = rounds_of(owner)
    num_series, num_rounds = int(owner.max()) + 1, int(rounds.max()) + 1
    enough_cutoffs = num_rounds / (overlap + 1) >= MIN_CUTOFFS
    if num_series >= MIN_PANEL or (num_series >= MIN_SERIES and not enough_cutoffs):
        return {name: _means(values, owner) for name, values in window_means.items()}, "Wilcoxon signed-rank"
    # numbered from the newest back: reversed into the order of time
    by_time = {name: _means(values, rounds)[::-1] for name, values in window_means.items()}
    return by_time, "Diebold-Mariano" if enough_cutoffs else "none"


def rounds_of(series: Int64Array) -> Int64Array:
    """Number the windows of each series from the newest (0) back, given in order of time: [W]."""
    order = np.argsort(series, kind="stable")[::-1]
    ordered = series[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)]
    place = np.arange(len(ordered))
    rounds = np.empty(len(ordered), dtype=np.int64)
    rounds[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
    return rounds


def _means(values: Float64Array, groups: Int64Array) -> Float64Array:
    return np.asarray(np.bincount(groups, weights=values) / np.bincount(groups))


def _compare(
    units: Mapping[str, Float64Array], networks: Sequence[str], baselines: Sequence[str], *, test: Test, overlap: int
) -> tuple[Comparison, ...]:
    pairs = [(network, baseline) for network in networks for baseline in baselines]
    results = [_test(units[network], units[baseline], test=test, overlap=overlap) for network, baseline in pairs]
    adjusted = holm([p_value for _, p_value in results])
    return tuple(
        Comparison(network, baseline, _skill(units[network], units[baseline]), statistic, p_value, p_adjusted)
        for (network, baseline), (statistic, p_value), p_adjusted in zip(pairs, results, adjusted, strict=True)
    )


def _test(losses: Float64Array, reference: Float64Array, *, test: Test, overlap: int) -> tuple[float, float]:
    if test == "Diebold-Mariano":
        return diebold_mariano(losses, reference, lag=overlap)
    if test == "Wilcoxon signed-rank":
        return wilcoxon_signed_rank(losses, reference)
    return float(np.sign(loss_differences(losses, reference).mean())), 1.0


def _interval(losses: Float64Array, reference: Float64Array, *, test: Test, overlap: int) -> tuple[float, float]:
    """Return the interval of the skill, NaN where nothing could be tested."""
    if test == "none":
        return (math.nan, math.nan)
    return skill_interval(losses, reference, lag=overlap if test == "Diebold-Mariano" else 0)


def _skill(losses: Float64Array, reference: Float64Array) -> float:
    """Return how much smaller the mean loss is than that of the reference, in per cent."""
    mean, reference_mean = float(losses.mean()), float(reference.mean())
    if reference_mean == 0:
        return 0.0 if mean == 0 else -math.inf
    return 100 * (1 - mean / reference_mean)


def _outcome(comparison: Comparison, losses: Float64Array, reference: Float64Array) -> Outcome:
    """Return a win or a loss only where the mean and the test agree in sign."""
    if comparison.p_adjusted >= SIGNIFICANCE:
        return "tie"
    mean_difference = float(losses.mean() - reference.mean())
    if mean_difference < 0 and comparison.statistic < 0:
        return "win"
    return "loss" if mean_difference > 0 and comparison.statistic > 0 else "tie"


def _reason(comparison: Comparison, test: Test, *, num_units: int, series: Int64Array, num_comparisons: int) -> str:
    num_series = len(np.unique(series))
    kind = "windows" if test != "Wilcoxon signed-rank" else "series"
    if test == "none":
        counted = "1 window is" if num_units == 1 else f"{num_units} windows are"
        return f"{counted} too few to test; at least {MIN_CUTOFFS} without overlap are needed"
    averaged = f", each averaged over up to {num_series} series" if kind == "windows" and num_series > 1 else ""
    shown = "p < 0.001" if comparison.p_adjusted < 0.001 else f"p = {comparison.p_adjusted:.3f}"
    corrected = f" after Holm's correction for {num_comparisons} comparisons" if num_comparisons > 1 else ""
    reason = f"{test} over {num_units} {kind}{averaged}: {shown}{corrected}"
    if comparison.p_adjusted < SIGNIFICANCE and comparison.skill * comparison.statistic > 0:
        reason += "; most series and the mean over series disagree"
    return reason
