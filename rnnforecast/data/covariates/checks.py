"""What the values of `future` covariates look like, as findings: none that tells nothing or too much is used in silence.

Nothing is changed. Long panels are sampled, as for the findings about targets.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from rnnforecast.arrays import Float32Array, Float64Array
from rnnforecast.data.covariates.calendar import is_generated
from rnnforecast.data.errors import listed
from rnnforecast.data.series import SeriesSet
from rnnforecast.findings import Finding, plural

#: Series whose values are looked at, chosen evenly.
MAX_SERIES = 100
#: Part of the variance of the target's changes from which on a covariate looks like the target itself.
DISGUISED = 0.995
#: Larger values would overflow in the squares of a network.
LARGEST = 1e18
#: Rows that a series needs before a covariate is compared with its target.
FEWEST_ROWS = 12
#: A value ahead that is farther from the history than so many times the range of the history has another unit.
FAR_RANGES = 0.5


def single_precision(values: Float64Array) -> Float32Array:
    """Return covariates in single precision, as networks read them; what is larger than `LARGEST` becomes that."""
    return np.clip(values, -LARGEST, LARGEST).astype(np.float32)


def covariate_findings(series: SeriesSet) -> list[Finding]:
    """Return what is odd about the `future` covariates: constant, the target in disguise, other values ahead."""
    names = [name for name in series.future_names if not is_generated(name)]
    if not names or not series.num_series:
        return []
    step = -(-series.num_series // MAX_SERIES)
    sample = series.select(np.arange(0, series.num_series, step))
    numbers = [name for name in names if name not in series.categories]
    return [*_huge(series, names), *_constant(series, names), *_disguised(sample, numbers), *_far(sample, numbers)]


def _huge(series: SeriesSet, names: list[str]) -> list[Finding]:
    """Name the covariates with values too large for single precision."""
    places = [series.future_names.index(name) for name in names]
    counts = (np.abs(series.future_covariates[:, places]) >= np.float32(LARGEST)).sum(axis=0)
    fix = "correct the values, or write the column in a larger unit"
    return [
        Finding("W_COVARIATE_HUGE", f"`{name}`: {plural(int(count), 'value')} beyond {LARGEST:g}, read as that",
                column=name, count=int(count), fix=fix)
        for name, count in zip(names, counts, strict=True)
        if count
    ]  # fmt: skip


def _constant(series: SeriesSet, names: list[str]) -> list[Finding]:
    """Name the covariates that never change."""
    places = [series.future_names.index(name) for name in names]
    values = series.future_covariates[:, places]
    same = np.flatnonzero((values == values[:1]).all(axis=0))
    if not len(same):
        return []
    found = [names[place] for place in same]
    verb = "changes" if len(found) == 1 else "change"
    message = f"{plural(len(found), 'covariate')} never {verb}: {listed(found)}; no effect"
    return [Finding("N_COVARIATE_CONSTANT", message, column=found[0], count=len(found), fix="leave out of --future")]


def _disguised(series: SeriesSet, names: list[str]) -> list[Finding]:
    """Name covariates whose changes are those of the target, up to a scale."""
    found = []
    for name in names:
        fits = [_explained(target, known[: len(target)]) for target, known in _columns(series, name)]
        fits = [fit for fit in fits if np.isfinite(fit)]
        if fits and float(np.median(fits)) >= DISGUISED:
            found.append((name, float(np.median(fits))))
    findings = []
    for name, fit in found:
        message = f"`{name}` explains {min(100 * fit, 99.9):.1f} % of the changes of the target: is it known ahead?"
        fix = f"leave `{name}` out of --future unless it is known when a forecast is made"
        findings.append(Finding("W_COVARIATE_TARGET", message, column=name, value=f"{fit:.4f}", count=1, fix=fix))
    return findings


def _explained(target: Float64Array, known: Float64Array) -> float:
    """Return the squared correlation of changes, NaN where there are too few or none."""
    both = np.isfinite(target) & np.isfinite(known)
    if both.sum() < FEWEST_ROWS:
        return np.nan
    ours, theirs = np.diff(target[both]), np.diff(known[both])
    ours, theirs = (one / max(float(np.abs(one).max()), 1e-300) for one in (ours, theirs))
    ours, theirs = ours - ours.mean(), theirs - theirs.mean()
    spread = float(ours @ ours) * float(theirs @ theirs)
    # a target with few changes is explained by chance
    few = min(len(np.unique(ours)), len(np.unique(theirs))) < FEWEST_ROWS
    return np.nan if spread <= 0 or few else float(ours @ theirs) ** 2 / spread


def _far(series: SeriesSet, names: list[str]) -> list[Finding]:
    """Name covariates whose values ahead are all far outside those of the history: another unit, or a typing error."""
    findings = []
    for name in names:
        for target, known in _columns(series, name):
            past, ahead = known[: len(target)], known[len(target) :]
            past, ahead = past[np.isfinite(past)], ahead[np.isfinite(ahead)]
            if len(past) < FEWEST_ROWS or not len(ahead):
                continue
            low, high = float(past.min()), float(past.max())
            reach = FAR_RANGES * (high - low)
            if high > low and (ahead.min() > high + reach or ahead.max() < low - reach):
                message = (
                    f"`{name}` is {ahead.min():.6g} to {ahead.max():.6g} in the steps ahead, {low:.6g} to {high:.6g} in "
                    "the rows before: another unit?"
                )
                fix = "write the steps ahead in the unit of the history; its effect is held near the history"
                findings.append(Finding("W_COVARIATE_RANGE", message, column=name, count=len(ahead), fix=fix))
                break
    return findings


def _columns(series: SeriesSet, name: str) -> Iterator[tuple[Float64Array, Float64Array]]:
    """Yield the target of each series [n] and a covariate over its rows and those ahead [n + ahead], NaN where missing."""
    place = series.future_names.index(name)
    for number in range(series.num_series):
        rows = slice(int(series.offsets[number]), int(series.offsets[number + 1]))
        known = slice(int(series.future_offsets[number]), int(series.future_offsets[number + 1]))
        values = series.future_covariates[known, place].astype(np.float64)
        if series.covariates_observed is not None:
            values[~series.covariates_observed[known, place]] = np.nan
        yield series.values[rows], values
