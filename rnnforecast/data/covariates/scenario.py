"""What if a covariate were different in the steps ahead: changes (`--set price=1.1x`), and values of another file.

The rows before the forecast do not change. S series, Nf rows of `future` covariates.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.data.covariates.calendar import is_generated
from rnnforecast.data.covariates.checks import LARGEST, single_precision
from rnnforecast.data.errors import listed
from rnnforecast.data.ragged import rows_of
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import UsageError
from rnnforecast.frozen import dataclass

_NUMBER = r"\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
Kind = Literal["set", "add", "times", "percent"]
_FORMS: tuple[tuple[str, Kind], ...] = (
    (rf"({_NUMBER})x", "times"),
    (rf"([+-]{_NUMBER})%", "percent"),
    (rf"([+-]{_NUMBER})", "add"),
    (rf"=?(-?{_NUMBER})", "set"),
)
EXAMPLES = "price=1.1x (times), price=+10%, temperature=+2 (more), promo=1 (exactly), temperature==-2, sky=rain"


@dataclass(frozen=True)
class Change:
    """A change of one covariate in all steps ahead."""

    name: str
    kind: Kind
    value: float = 0.0
    word: str = ""  # of a covariate with categories

    @property
    def text(self) -> str:
        """The change as it was asked for."""
        form = {"set": "{:g}", "add": "{:+g}", "times": "{:g}x", "percent": "{:+g}%"}[self.kind]
        return f"{self.name}={self.word or form.format(self.value)}"


def parse_change(text: str) -> Change:
    """Read `NAME=CHANGE`. Raises UsageError."""
    name, sign, value = text.partition("=")
    if not sign or not name.strip() or not value.strip():
        raise UsageError(f"invalid change `{text}`", hint=f"write NAME=CHANGE: {EXAMPLES}", code="E_RUN_CONFIG")
    for form, kind in _FORMS:
        if found := re.fullmatch(form, value.strip()):
            if abs(float(found[1])) > LARGEST:
                raise UsageError(
                    f"invalid change `{text[:40]}`: more than {LARGEST:g}", hint=EXAMPLES, code="E_RUN_CONFIG"
                )
            return Change(name.strip(), kind, float(found[1]), word=value.strip() if kind == "set" else "")
    return Change(name.strip(), "set", np.nan, word=value.strip())


def with_changes(series: SeriesSet, changes: Sequence[Change]) -> SeriesSet:
    """Return the series with changed covariates in all steps ahead. Raises UsageError for a change without effect."""
    known = [name for name in series.future_names if not is_generated(name)]
    values = series.future_covariates.copy()
    _, rows = rows_ahead(series)
    for change in changes:
        if change.name not in known:
            fix = f"covariates of this forecast: {listed(known)}" if known else "name covariates with --future COLUMN"
            raise UsageError(
                f"`{change.name}` is not a covariate known ahead: changing it would have no effect",
                hint=fix,
                code="E_RUN_CONFIG",
            )
        place = series.future_names.index(change.name)
        values[rows, place] = single_precision(_changed(series, change, values[rows, place].astype(np.float64)))
    return replace(series, future_covariates=values)


def _changed(series: SeriesSet, change: Change, values: Float64Array) -> Float64Array:
    """Return the changed values of one covariate. Raises UsageError."""
    words = series.categories.get(change.name)
    if words is not None:
        if change.kind != "set" or change.word not in words:
            raise UsageError(
                f"`{change.name}` has categories, and `{change.word or change.text}` is none of them",
                hint=f"set one of {listed(words)}",
                code="E_RUN_CONFIG",
            )
        return np.full(len(values), float(words.index(change.word) + 1))
    if change.kind == "set":
        if not np.isfinite(change.value):
            raise UsageError(f"invalid change `{change.text}`: not a number", hint=EXAMPLES, code="E_RUN_CONFIG")
        return np.full(len(values), change.value)
    if change.kind == "add":
        return values + change.value
    return values * {"times": change.value, "percent": 1 + change.value / 100}[change.kind]


def rows_ahead(series: SeriesSet, *, horizon: int | None = None) -> tuple[Int64Array, Int64Array]:
    """Return the series and the row of every future covariate beyond the last target row, up to `horizon` steps."""
    ahead = np.maximum(np.diff(series.future_offsets) - series.lengths, 0)
    if horizon is not None:
        ahead = np.minimum(ahead, horizon)
    return np.repeat(np.arange(series.num_series), ahead), rows_of(series.future_offsets[:-1] + series.lengths, ahead)


def usual_values(series: SeriesSet, name: str) -> Float64Array:
    """Return what a covariate usually is in the rows of each series: [S].

    The mean of a number; the commonest value of a category, and of a number with up to three values.
    """
    place = series.future_names.index(name)
    usual = np.empty(series.num_series)
    for number, (start, length) in enumerate(zip(series.future_offsets[:-1], series.lengths, strict=True)):
        values = series.future_covariates[start : start + length, place].astype(np.float64)
        levels, counts = np.unique(values, return_counts=True)
        is_event = name in series.categories or len(levels) <= 3
        usual[number] = levels[np.argmax(counts)] if is_event else values.mean()
    return usual


def with_usual(series: SeriesSet, names: Sequence[str]) -> SeriesSet:
    """Return the series with the usual values of these covariates in all steps ahead."""
    values = series.future_covariates.copy()
    owner, rows = rows_ahead(series)
    for name in names:
        values[rows, series.future_names.index(name)] = usual_values(series, name)[owner]
    return replace(series, future_covariates=values)
