"""Join logged forecasts with the actuals that have arrived.

Axis legend: N issued steps, W windows (a series and a cutoff), H lead times, L levels of the ledger.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property

import numpy as np

from rnnforecast.data.series import SeriesSet
from rnnforecast.evaluation.metrics import Actuals
from rnnforecast.frozen import dataclass
from rnnforecast.store.ledger import Issued
from rnnforecast.workflows.monitoring.freshness import last_observed
from rnnforecast.workflows.predict_and_log import distinct_ids


@dataclass(frozen=True)
class Joined:
    """Every issued step and its actual; `scored`, `pending`, `missing` and `unknown` are disjoint and cover all.

    Pending steps lie after the newest value of their series, missing ones before it without a value; unknown are
    steps of series that are not in the data.
    """

    issued: Issued
    cutoffs: np.ndarray  # int64 [N] ordinals
    ordinals: np.ndarray  # int64 [N] of the steps
    number: np.ndarray  # int64 [N] series of the data, -1 for none
    actual: np.ndarray  # [N], NaN where not scored
    last_actual: np.ndarray  # [N] current value at the cutoff, NaN if missing
    scored: np.ndarray  # bool [N]
    pending: np.ndarray  # bool [N]
    missing: np.ndarray  # bool [N]

    @property
    def unknown(self) -> np.ndarray:
        """Steps of series that are not in the data: bool [N]."""
        return self.number < 0

    @property
    def losses(self) -> np.ndarray:
        """Absolute errors over the scale of the training rows, NaN where not scored: [N]."""
        return np.asarray(np.abs(self.actual - self.issued.forecast) / self.issued.scale)

    @property
    def baseline_losses(self) -> np.ndarray:
        """The same of the seasonal naive forecast from the same cutoffs: [N]."""
        return np.asarray(np.abs(self.actual - self.issued.baseline) / self.issued.scale)

    def inside(self, low: int, high: int) -> np.ndarray:
        """Tell whether each actual lies between two of the levels of the ledger: bool [N]."""
        quantiles = self.issued.quantiles
        with np.errstate(invalid="ignore"):
            return np.asarray((self.actual >= quantiles[:, low]) & (self.actual <= quantiles[:, high]))

    @property
    def revised(self) -> np.ndarray:
        """Steps forecast from a last value that has changed since: bool [N]."""
        then, now = self.issued.last_value, self.last_actual
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(then - now) > 1e-9 * np.maximum(np.abs(then), np.abs(now)))

    def select(self, chosen: np.ndarray) -> Joined:
        """Return the chosen steps alone; `chosen` is a mask [N]."""
        arrays = ("cutoffs", "ordinals", "number", "actual", "last_actual", "scored", "pending", "missing")
        return replace(
            self, issued=select_issued(self.issued, chosen), **{name: getattr(self, name)[chosen] for name in arrays}
        )

    @cached_property
    def windows(self) -> LiveWindows:
        """The scored steps as windows, by series and then in order of time."""
        rows = np.flatnonzero(self.scored)
        keys = np.stack([self.number[rows], self.cutoffs[rows], self.issued.version[rows]])
        order = np.lexsort(keys[::-1])
        rows, keys = rows[order], keys[:, order]
        starts = np.ones(len(rows), dtype=bool)
        starts[1:] = (keys[:, 1:] != keys[:, :-1]).any(axis=0)
        window = np.cumsum(starts) - 1
        lead = self.issued.lead[rows] - 1
        shape = (int(window[-1]) + 1 if len(rows) else 0, int(lead.max(initial=0)) + 1)
        first = rows[starts]
        return LiveWindows(
            series=self.number[first],
            cutoffs=self.cutoffs[first],
            actual=_spread(self.actual[rows], window, lead, shape),
            observed=_spread(np.ones(len(rows)), window, lead, shape).astype(bool),
            scale=self.issued.scale[first],
            forecast=_spread(self.issued.forecast[rows], window, lead, shape),
            quantiles=np.stack(
                [_spread(self.issued.quantiles[rows, level], window, lead, shape) for level in range(4)], axis=-1
            ),
            baseline=_spread(self.issued.baseline[rows], window, lead, shape),
        )


@dataclass(frozen=True)
class LiveWindows:
    """Scored forecasts as rectangles, 0 where nothing was scored."""

    series: np.ndarray  # [W]
    cutoffs: np.ndarray  # [W]
    actual: np.ndarray  # [W, H]
    observed: np.ndarray  # bool [W, H]
    scale: np.ndarray  # [W]
    forecast: np.ndarray  # [W, H]
    quantiles: np.ndarray  # [W, H, L]
    baseline: np.ndarray  # [W, H]

    def actuals(self) -> Actuals:
        """Return the actuals; the scale of RMSSE is not kept in the ledger."""
        unknown = np.full(len(self.series), np.nan)
        return Actuals(self.actual, self.observed, self.series, mase_scale=self.scale, rmsse_scale=unknown)

    def losses(self, forecast: np.ndarray) -> np.ndarray:
        """Return the scaled absolute errors of point forecasts, NaN where nothing was scored: [W, H]."""
        errors = np.abs(self.actual - forecast) / self.scale[:, None]
        return np.where(self.observed, errors, np.nan)


def join_actuals(issued: Issued, series: SeriesSet) -> Joined:
    """Look up the actual of every issued step. Raises DataError for timestamps off the calendar of the data."""
    number = _numbers(issued, series)
    cutoffs, ordinals = series.freq.to_ordinals(issued.cutoff), series.freq.to_ordinals(issued.timestamp)
    actual = _values(series, number, ordinals)
    newest = last_observed(series)[np.maximum(number, 0)] if series.num_series else np.zeros(len(number), np.int64)
    known, found = number >= 0, ~np.isnan(actual)
    return Joined(
        issued=issued,
        cutoffs=cutoffs,
        ordinals=ordinals,
        number=number,
        actual=actual,
        last_actual=_values(series, number, cutoffs),
        scored=found,
        pending=known & (ordinals > newest),
        missing=known & ~found & (ordinals <= newest),
    )


def select_issued(issued: Issued, chosen: np.ndarray) -> Issued:
    """Return some of the issued steps; `chosen` is a mask [N]."""
    arrays = (
        "item", "target", "version", "cutoff", "timestamp", "lead", "forecast", "quantiles", "baseline", "scale",
        "last_value", "served", "issued_at",
    )  # fmt: skip
    return replace(issued, **{name: getattr(issued, name)[chosen] for name in arrays})


def _numbers(issued: Issued, series: SeriesSet) -> np.ndarray:
    ids, item = distinct_ids(series)
    known = {
        (ids[place], series.target_names[target]): number
        for number, (place, target) in enumerate(zip(item.tolist(), series.target_index.tolist(), strict=True))
    }
    table = np.array([[known.get((text, name), -1) for name in issued.targets] for text in issued.ids], dtype=np.int64)
    return np.asarray(table.reshape(len(issued.ids), -1)[issued.item, issued.target])


def _values(series: SeriesSet, number: np.ndarray, ordinals: np.ndarray) -> np.ndarray:
    if not series.num_rows:
        return np.full(len(number), np.nan)
    owner = np.maximum(number, 0)
    place = ordinals - series.first_ordinals[owner]
    inside = (number >= 0) & (place >= 0) & (place < series.lengths[owner])
    rows = np.clip(series.offsets[owner] + np.where(inside, place, 0), 0, series.num_rows - 1)
    return np.where(inside & series.observed[rows], series.values[rows], np.nan)


def _spread(values: np.ndarray, window: np.ndarray, lead: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    spread = np.zeros(shape)
    spread[window, lead] = values
    return spread
