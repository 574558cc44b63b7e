"""From the surprise of rows to a score with a fixed meaning: 1 is as rare as the alarm budget allows.

What is rationed are alarms, not rows: rows in a row, or closer than `gap`, are one alarm. So the tail is fitted to the
largest surprise of each cluster of high rows (peaks over threshold with runs declustering, Davison and Smith 1990).
"""

from __future__ import annotations

import re

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.detection.tails import ParetoTail, first_of_runs
from rnnforecast.errors import UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import Duration

#: Fractions of rows above the threshold that are tried, highest threshold first, and the clusters it must leave.
FRACTIONS = (0.003, 0.01, 0.02, 0.05, 0.1)
FEWEST_CLUSTERS = 40


_BUDGET = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)\s*/\s*(.+)", re.DOTALL)
_STEPS = re.compile(r"(\d{1,12})\s*(?:steps?|rows?)", re.IGNORECASE)
_DAY = 86_400.0
_PERIODS = {"hour": _DAY / 24, "day": _DAY, "week": 7 * _DAY, "month": 365.25 * _DAY / 12, "year": 365.25 * _DAY}
#: The usual budget: one alarm in this period, and at most one in so many rows.
USUAL_PERIOD, USUAL_ROWS = "week", 200
#: The largest budget.
MOST_ALARMS_A_ROW = 0.05


@dataclass(frozen=True)
class AlarmBudget:
    """How many alarms are acceptable while nothing is wrong: `count` in a time, or in a number of rows."""

    text: str
    count: float
    seconds: float | None = None
    rows: float | None = None

    @classmethod
    def parse(cls, text: str) -> AlarmBudget:
        """Return `1/week`, `2/day`, `1/36h` or `1/1000 steps` as a budget. Raises UsageError."""
        found = _BUDGET.fullmatch(text.strip())
        count = float(found[1]) if found else 0.0
        period = found[2].strip().lower() if found else ""
        steps = _STEPS.fullmatch(period)
        if count > 0 and period in _PERIODS:
            return cls(text.strip(), count, seconds=_PERIODS[period])
        if count > 0 and steps is not None and int(steps[1]) > 0:
            return cls(text.strip(), count, rows=float(steps[1]))
        try:
            if count > 0:
                return cls(text.strip(), count, seconds=Duration.parse(period).seconds)
        except UsageError:
            pass
        message = f"invalid alarm budget `{text}`"
        hint = "use a number of alarms and a period, e.g. `1/week`, `2/day`, `1/36h`, `1/1000 steps`"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")

    @classmethod
    def usual(cls, step_seconds: float | None) -> AlarmBudget:
        """Return one alarm a week, or one in 200 rows where that is less; `step_seconds` is None for plain steps."""
        if step_seconds is not None and _PERIODS[USUAL_PERIOD] >= USUAL_ROWS * step_seconds:
            return cls(f"1/{USUAL_PERIOD}", 1.0, seconds=_PERIODS[USUAL_PERIOD])
        return cls(f"1/{USUAL_ROWS} steps", 1.0, rows=float(USUAL_ROWS))

    def smaller(self) -> str:
        """Return the text of a budget of about a fifth, or of the next longer period."""
        if self.rows is not None:
            return f"1/{round(5 * self.rows / self.count)} steps"
        each = (self.seconds or 0.0) / self.count
        longer = next((period for period in ("day", "week", "month", "year") if _PERIODS[period] > 2 * each), None)
        return f"1/{longer}" if longer is not None else f"1/{round(5 * each / _DAY)}d"

    def alarms_a_row(self, step_seconds: float | None) -> float:
        """Return the budget for one row of all series together. Raises UsageError where it makes no sense."""
        if self.rows is None and step_seconds is None:
            message = f"the alarm budget `{self.text}` needs dates, these rows count steps"
            hint = "name a number of steps, e.g. `--budget '1/1000 steps'`"
            raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
        rows = self.rows if self.rows is not None else (self.seconds or 0.0) / (step_seconds or 1.0)
        rate = self.count / max(rows, 1e-12)
        if rate > MOST_ALARMS_A_ROW:
            raise UsageError(
                f"the alarm budget `{self.text}` allows an alarm in {1 / rate:.3g} rows, more than an alarm can mean",
                hint=f"allow at most one in {1 / MOST_ALARMS_A_ROW:.0f} rows, e.g. `--budget '1/{USUAL_ROWS} steps'`",
                code="E_RUN_CONFIG",
            )
        return rate


@dataclass(frozen=True)
class ClusterTail:
    """The rate of clusters by their largest surprise, and the budget."""

    pareto: ParetoTail
    log_budget: float  # decimal logarithm of the alarms a row

    @classmethod
    def fit(cls, past: Float64Array, *, gap: int, log_budget: float) -> ClusterTail | None:
        """Fit the surprises of past rows [n]; None where too few are known."""
        known = past[np.isfinite(past)]
        if len(known) < FEWEST_CLUSTERS:
            return None
        filled = np.where(np.isfinite(past), past, -np.inf)
        for fraction in FRACTIONS:
            threshold = float(np.quantile(known, 1.0 - fraction))
            positions = np.flatnonzero(filled > threshold)
            starts = first_of_runs(positions, gap)
            if len(starts) >= FEWEST_CLUSTERS:
                break
        if not len(starts):
            return cls(ParetoTail(threshold, 1.0 / (len(known) + 1), 0.5, 0.0), log_budget)
        peaks = np.maximum.reduceat(filled[positions], starts)
        pareto = ParetoTail.fit(peaks - threshold, threshold=threshold, rate=len(peaks) / len(known))
        return cls(pareto, log_budget)

    def score(self, surprise: Float64Array) -> Float64Array:
        """Return the score of rows: the logarithm of their rate over that of the budget."""
        base = max(np.log10(self.pareto.rate) / self.log_budget, 1e-3)
        above = self.pareto.log_rate(surprise) / self.log_budget
        below = base * np.maximum(surprise, 0.0) / max(self.pareto.threshold, 1e-12)
        return np.where(surprise > self.pareto.threshold, above, np.minimum(below, base))

    def surprise_at(self, score: float) -> float:
        """Return the surprise that has this score."""
        return float(self.pareto.value_at(np.array(score * self.log_budget)))
