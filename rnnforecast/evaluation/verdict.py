"""The verdict: does a network beat the best naive forecast, by more than chance explains?

Axis legend: W windows, H horizon, U units (windows of one series, or series of a panel).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.errors import DivergedError
from rnnforecast.evaluation.baselines import BASELINES
from rnnforecast.evaluation.significance import (
    diebold_mariano,
    holm,
    log_losses,
    loss_differences,
    mean_interval,
    median_interval,
    wilcoxon_signed_rank,
)
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document
from rnnforecast.members import ENSEMBLE

Outcome = Literal["win", "tie", "loss"]
Test = Literal["Diebold-Mariano", "Wilcoxon signed-rank", "none"]

#: Largest adjusted p-value of a win or a loss.
SIGNIFICANCE = 0.05
#: From this many series on (a panel) the test compares series, below it windows.
MIN_PANEL = 10
#: Windows without overlap that a test needs.
MIN_CUTOFFS = 5
#: Series that a test needs where there are too few windows: one more, as a shock may hit all of them.
MIN_SERIES = 6


@dataclass(frozen=True)
class Comparison(Document):
    """One network against one naive forecast; `p_value` is one-sided, towards the better of the two.

    `p_adjusted` is corrected for the number of comparisons, but for a rival that was chosen beforehand.
    """

    method: str
    against: str
    skill: float  # per cent, of a typical window or series; NaN where nothing could be tested
    statistic: float  # below 0: the network is better
    p_value: float
    p_adjusted: float


@dataclass(frozen=True)
class Verdict(Document):
    """The result of the test: a win or a loss is a significant ratio of losses, all else is a tie.

    `skill` is how much smaller the network's loss is than that of `against` in a typical window or series, in per cent,
    NaN where nothing could be tested. `skill_interval` is its 90 % interval, of a higher `skill_level` where Holm's
    correction applies; it excludes 0 exactly where the outcome is a win or a loss. `p_value` is one-sided, 1 where nothing
    could be tested. `reason` names the test and its p-value, or what would make a test possible.
    """

    outcome: Outcome
    method: str
    against: str
    p_value: float
    skill: float
    skill_interval: tuple[float, float]
    skill_level: float  # of the interval
    test: Test
    num_windows: int
    num_series: int
    comparisons: tuple[Comparison, ...]
    reason: str

    @property
    def comparison(self) -> Comparison:
        """The comparison that decided."""
        return next(each for each in self.comparisons if (each.method, each.against) == (self.method, self.against))


def judge(
    losses: Mapping[str, Float64Array],
    series: Int64Array,
    *,
    methods: str | Sequence[str] = ENSEMBLE,
    against: Sequence[str] = BASELINES,
    overlap: int = 0,
    rival: str | None = None,
    remedy: str = "",
) -> Verdict:
    """Compare a network with every naive forecast among `losses`, and return the verdict against one of them.

    That is `rival` where other windows chose it, else the best here, which Holm's correction pays for. A win is one over
    all of them: no naive forecast may have a smaller mean loss. Of several networks the best one is judged.

    `losses` [W, H] are scaled absolute errors, NaN where nothing was observed; `series` [W] is the series of each
    window, windows of one series are in order of time. `against` names the methods to compare with, `overlap` is the
    number of later windows of a series that overlap with one (`overlap_of`), `remedy` says what would make a test
    possible.

    All tests are of log ratios of losses. One series: Diebold-Mariano over its windows. From `MIN_PANEL` series on:
    Wilcoxon signed-rank over series, which assumes that series are independent. Between: Diebold-Mariano over windows,
    the k-th last windows of all series averaged into one, so that shocks common to all series count once; with fewer
    than `MIN_CUTOFFS`, Wilcoxon over series.
    """
    networks = (methods,) if isinstance(methods, str) else tuple(methods)
    baselines = tuple(name for name in against if name in losses)
    if not baselines or not networks:
        raise ValueError(f"nothing to compare: networks {networks}, baselines {baselines}")
    units, test = _units({name: losses[name] for name in networks + baselines}, series, overlap=overlap)
    chosen = rival if rival in baselines else None
    comparisons = _compare(units, networks, baselines, rival=chosen, test=test, overlap=overlap)
    means = {name: float(unit.mean()) for name, unit in units.items()}
    best, leader = min(networks, key=means.__getitem__), min(baselines, key=means.__getitem__)
    opponent = chosen or leader
    decisive = next(c for c in comparisons if (c.method, c.against) == (best, opponent))
    outcome = _outcome(decisive, means[best], means[opponent], means[leader])
    counted = len(networks) if chosen else len(comparisons)
    level = 1 - 2 * SIGNIFICANCE * (decisive.p_value / decisive.p_adjusted if decisive.p_adjusted else 1 / counted)
    return Verdict(
        outcome=outcome,
        method=best,
        against=opponent,
        p_value=decisive.p_adjusted,
        skill=decisive.skill,
        skill_interval=_interval(
            units[best], units[opponent], outcome=outcome, test=test, overlap=overlap, level=level
        ),
        skill_level=level,
        test=test,
        num_windows=len(series),
        num_series=len(np.unique(series)),
        comparisons=comparisons,
        reason=(
            _too_few(len(units[best]), remedy)
            if test == "none"
            else _reason(decisive, test, len(units[best]), series, num_comparisons=counted, leader=leader)
            + _why_no_win(decisive, outcome, test, leader=leader if means[leader] < means[best] else None)
        ),
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
            message = f"errors of `{name}` are beyond floating-point numbers: values of this size cannot be scored"
            raise DivergedError(message, hint="divide the values by a power of ten", code="E_VALUE_RANGE")
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


def rounds_of(series: Int64Array, cutoffs: Int64Array | None = None) -> Int64Array:
    """Number the windows of each series from the newest (0) back, by their cutoffs, else as given in order of time: [W]."""
    order = np.lexsort((np.arange(len(series)) if cutoffs is None else cutoffs, series))[::-1]
    ordered = series[order]
    starts = np.r_[True, ordered[1:] != ordered[:-1]][: len(ordered)]
    place = np.arange(len(ordered))
    rounds = np.empty(len(ordered), dtype=np.int64)
    rounds[order] = place - np.maximum.accumulate(np.where(starts, place, 0))
    return rounds


def _means(values: Float64Array, groups: Int64Array) -> Float64Array:
    return np.asarray(np.bincount(groups, weights=values) / np.bincount(groups))


def _compare(
    units: Mapping[str, Float64Array],
    networks: Sequence[str],
    baselines: Sequence[str],
    *,
    rival: str | None,
    test: Test,
    overlap: int,
) -> tuple[Comparison, ...]:
    pairs = [(network, baseline) for network in networks for baseline in baselines]
    results = [_test(units[network], units[baseline], test=test, overlap=overlap) for network, baseline in pairs]
    adjusted = dict(zip(pairs, holm([p_value for _, p_value in results]), strict=True))
    if rival is not None:
        # nothing on these windows chose the rival: only the choice of the network is paid for
        chosen = [pair for pair in pairs if pair[1] == rival]
        p_values = holm([results[pairs.index(pair)][1] for pair in chosen])
        adjusted |= dict(zip(chosen, p_values, strict=True))
    return tuple(
        Comparison(
            network, baseline, _skill(units[network], units[baseline], test=test), *result, adjusted[network, baseline]
        )
        for (network, baseline), result in zip(pairs, results, strict=True)
    )


def _test(losses: Float64Array, reference: Float64Array, *, test: Test, overlap: int) -> tuple[float, float]:
    """Return the statistic of log ratios and its one-sided p-value, towards the better of the two."""
    if test == "none":
        return float(np.sign(loss_differences(losses, reference).mean())), 1.0
    logs = log_losses(losses, reference)
    found = diebold_mariano(*logs, lag=overlap) if test == "Diebold-Mariano" else wilcoxon_signed_rank(*logs)
    statistic, two_sided = found
    return statistic, two_sided / 2 if statistic else 1.0


def _interval(
    losses: Float64Array, reference: Float64Array, *, outcome: Outcome, test: Test, overlap: int, level: float
) -> tuple[float, float]:
    """Return the interval of the skill that inverts the test; NaN without a test or where the reference has no error."""
    if test == "none" or not reference.mean() > 0:
        return (math.nan, math.nan)
    logs = log_losses(losses, reference)
    if test == "Diebold-Mariano":
        low, high = mean_interval(*logs, lag=overlap, level=level)
    else:
        _, low, high = median_interval(*logs, level=level)
    if outcome == "tie":  # also where the test is significant and the means disagree with it
        low, high = min(low, 0.0), max(high, 0.0)
    return (-100 * math.expm1(high), -100 * math.expm1(low))


def _skill(losses: Float64Array, reference: Float64Array, *, test: Test) -> float:
    """Return how much smaller the loss is than the reference's in a typical unit, in per cent; NaN without a test."""
    if test == "none":
        return math.nan
    if reference.mean() == 0:
        return 0.0 if losses.mean() == 0 else -math.inf
    logs = log_losses(losses, reference)
    if test == "Wilcoxon signed-rank":
        return -100 * math.expm1(median_interval(*logs, level=0.5)[0])
    return -100 * math.expm1(float((logs[0] - logs[1]).mean()))


def _outcome(comparison: Comparison, mean: float, of_opponent: float, of_leader: float) -> Outcome:
    """Return a win or a loss only where the mean losses and the test agree; a win is one over all."""
    if comparison.p_adjusted >= SIGNIFICANCE:
        return "tie"
    if comparison.statistic < 0 and mean < of_opponent and mean < of_leader:
        return "win"
    return "loss" if comparison.statistic > 0 and mean > of_opponent else "tie"


def _too_few(num_windows: int, remedy: str) -> str:
    counted = "1 window is" if num_windows == 1 else f"{num_windows} windows are"
    needed = f"{counted} too few to test: at least {MIN_CUTOFFS} without overlap are needed"
    return f"{needed} ({remedy})" if remedy else needed


def _reason(
    comparison: Comparison, test: Test, num_units: int, series: Int64Array, *, num_comparisons: int, leader: str
) -> str:
    num_series = len(np.unique(series))
    kind = _unit_words(test)
    averaged = f", each averaged over up to {num_series} series" if kind == "windows" and num_series > 1 else ""
    shown = "p < 0.001" if comparison.p_adjusted < 0.001 else f"p = {comparison.p_adjusted:.3f}"
    corrected = f" after Holm's correction for {num_comparisons} comparisons" if num_comparisons > 1 else ""
    rival = comparison.against
    chosen = "" if rival == leader else f"; {rival} was the best naive forecast on the windows before"
    return f"{test} over {num_units} {kind}{averaged}: {shown}, one-sided{corrected}{chosen}"


def _why_no_win(comparison: Comparison, outcome: Outcome, test: Test, *, leader: str | None) -> str:
    """Say why a significant test is a tie: another naive forecast is better, or the mean loss disagrees."""
    if outcome != "tie" or comparison.p_adjusted >= SIGNIFICANCE:
        return ""
    if comparison.statistic < 0 and leader not in (None, comparison.against):
        return f"; but {leader} has the smallest mean error on these windows"
    kind = _unit_words(test)
    return f"; most {kind} and the mean over {kind} disagree"


def _unit_words(test: Test) -> str:
    return "series" if test == "Wilcoxon signed-rank" else "windows"


def verdict_sentence(verdict: Mapping[str, object], *, digits: int = 1) -> str:
    """Return a verdict, as JSON documents have it, in words; the per cent of a win or a loss have so many decimals."""
    name, against, skill = str(verdict.get("method", ENSEMBLE)), verdict.get("against"), verdict.get("skill")
    subject = f"the {name}" if name == ENSEMBLE or " " in name else name
    if verdict.get("test") == "none":
        return f"whether {subject} beats {against} cannot be tested yet"
    if not isinstance(skill, int | float) or not math.isfinite(skill):  # no ratio to an error of zero
        lost = "loses to" if verdict["outcome"] == "loss" else "does not beat"
        return f"{subject} {lost} {against}, which makes no error here"
    side = "smaller" if skill > 0 else "larger"
    if verdict["outcome"] == "tie":
        return (
            f"the error of {subject} is typically {abs(skill):.1f} % {side} than that of {against}, which may be chance"
        )
    beats = "beats" if verdict["outcome"] == "win" else "loses to"
    return f"{subject} {beats} {against}: its error is typically {abs(skill):.{digits}f} % {side}"
