"""Rows in, answers out: place each row in its series, read it, score it against the forecast made before it.

Axis legend: S series, B series of a batch, T rows of each, H horizon, Q quantiles, L levels written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.forecasting import interpolate_quantiles, normal_scores
from rnnforecast.streaming.engines import StreamEngine
from rnnforecast.streaming.lines import Row
from rnnforecast.streaming.scores import START, score_value

#: Missing rows that are read as missing; a longer gap starts the series anew.
LONGEST_GAP = 1_000
#: Rows of one series in a batch: a series with more is read in several.
LONGEST_BATCH = 4_096
SMALLEST_WIDTH = 1e-9

OK, LATE, DUPLICATE, MALFORMED, TOO_MANY, HEADER, GAP, RESTART = (
    *("ok", "late", "duplicate", "malformed", "too many series", "header", "gap", "restart"),
)


@dataclass(frozen=True)
class StreamOptions:
    """What is written, and how rare an alarm is."""

    levels: tuple[float, ...]
    horizon: int
    log_budget: float
    max_series: int


@dataclass(frozen=True)
class Answer:
    """The answer to one row: status, (expected, lower, upper, score), and forecasts step by step."""

    row: Row
    status: str
    numbers: Sequence[float | None] = (None, None, None, None)
    forecast: Sequence[float] = ()


@dataclass
class _Part:
    """New rows of one series in a batch: values with gaps filled by NaN, and the slot of each (-1: a gap)."""

    series: int
    values: list[float] = field(default_factory=list)
    slots: list[int] = field(default_factory=list)


class Stream:
    """All series of a stream."""

    def __init__(
        self, engine: StreamEngine, freq: Frequency, quantile_levels: tuple[float, ...], options: StreamOptions
    ) -> None:
        self._engine, self._freq, self._levels, self._options = engine, freq, quantile_levels, options
        self.keys: dict[str, int] = {}
        self.last: list[int | None] = []
        self.counts: Counter[str] = Counter()
        self.arrays = self.empty(0)
        self._outer = float(normal_scores(quantile_levels)[-1])

    def empty(self, num_series: int) -> dict[str, np.ndarray]:
        """Return the arrays of so many series before their first row."""
        own = {
            "next": np.full((num_series, len(self._levels)), np.nan),  # forecast of the next row
            "tails": np.tile(np.array(START), (num_series, 1)),
        }
        return {**self._engine.start(num_series), **own}

    def answer(self, rows: Sequence[Row]) -> list[Answer]:
        """Answer rows in order; rows of different series are read together."""
        answers: list[Answer | None] = [None] * len(rows)
        ordinals = self._ordinals(rows)
        parts: dict[int, _Part] = {}
        statuses = [""] * len(rows)
        for slot, row in enumerate(rows):
            status, series, gap = self._place(row, ordinals[slot])
            self.counts[status] += 1
            if series is None:
                answers[slot] = Answer(row, f"malformed: {row.problem}" if status == MALFORMED else status)
                continue
            statuses[slot] = status
            if status == RESTART:
                self._read(parts, rows, statuses, answers)
                self._restart(series)
            part = parts.setdefault(series, _Part(series))
            part.values += [np.nan] * gap + [row.value]
            part.slots += [-1] * gap + [slot]
            if len(part.values) >= LONGEST_BATCH:
                self._read(parts, rows, statuses, answers)
        self._read(parts, rows, statuses, answers)
        return [answer for answer in answers if answer is not None]

    def _ordinals(self, rows: Sequence[Row]) -> list[int | None]:
        """Return the place of each row on the grid; None where no time is given."""
        known = [row.time for row in rows if row.time is not None]
        if not known:
            return [None] * len(rows)
        times = np.array(known, dtype=np.int64)
        placed = iter((self._freq.floor(times.astype("datetime64[us]")) if self._freq.is_calendar else times).tolist())
        return [None if row.time is None else int(next(placed)) for row in rows]

    def _place(self, row: Row, ordinal: int | None) -> tuple[str, int | None, int]:
        """Return the status of a row, its series if it is read, and the missing rows before it."""
        if row.problem:
            return MALFORMED, None, 0
        if row.is_header:
            return HEADER, None, 0
        series = self.keys.get(row.key)
        if series is None:
            if len(self.keys) >= self._options.max_series:
                return TOO_MANY, None, 0
            series = self.keys[row.key] = len(self.last)
            self.last.append(ordinal)
            return OK, series, 0
        before = self.last[series]
        if ordinal is None or before is None:
            return OK, series, 0
        if ordinal <= before:
            return (DUPLICATE if ordinal == before else LATE), None, 0
        self.last[series] = ordinal
        gap = ordinal - before - 1
        if gap > LONGEST_GAP:
            return RESTART, series, 0
        return (GAP if gap else OK), series, gap

    def _restart(self, series: int) -> None:
        """Forget the state of a series, but not how its residuals are distributed."""
        for name, array in self.empty(1).items():
            if name != "tails" and series < len(self.arrays[name]):
                self.arrays[name][series] = array[0]

    def _read(
        self, parts: dict[int, _Part], rows: Sequence[Row], statuses: list[str], answers: list[Answer | None]
    ) -> None:
        """Read the collected rows, series with as many new rows together, and answer them."""
        missing = len(self.last) - len(self.arrays["next"])
        if missing > 0:
            new = self.empty(max(missing, len(self.arrays["next"])))  # capacity doubles
            self.arrays = {name: np.concatenate([array, new[name]]) for name, array in self.arrays.items()}
        by_length: dict[int, list[_Part]] = {}
        for part in parts.values():
            by_length.setdefault(len(part.values), []).append(part)
        for together in by_length.values():
            chosen = np.array([part.series for part in together], dtype=np.int64)
            values = np.array([part.values for part in together])
            forecasts = self._engine.advance(self.arrays, chosen, values)  # [B, T, H, Q]
            first = forecasts[:, :, 0]
            before = np.concatenate([self.arrays["next"][chosen][:, None], first[:, :-1]], axis=1)
            self.arrays["next"][chosen] = first[:, -1]
            written = interpolate_quantiles(
                forecasts[:, :, : self._options.horizon], self._levels, self._options.levels
            ).reshape(*values.shape, -1)
            self._answer_parts(together, values, before, written, (rows, statuses, answers))
        parts.clear()

    def _answer_parts(
        self,
        together: Sequence[_Part],
        values: Float64Array,
        before: Float64Array,
        written: Float64Array,
        into: tuple[Sequence[Row], list[str], list[Answer | None]],
    ) -> None:
        rows, statuses, answers = into
        middle = before[..., self._levels.index(0.5)]
        smallest = SMALLEST_WIDTH * (np.abs(middle) + 1e-30)
        up = np.maximum(before[..., -1] - middle, smallest) / self._outer
        down = np.maximum(middle - before[..., 0], smallest) / self._outer
        distances = np.where(values >= middle, (values - middle) / up, (middle - values) / down)
        for number, part in enumerate(together):
            tail = self.arrays["tails"][part.series].tolist()
            known = zip(
                part.slots,
                distances[number].tolist(),
                middle[number].tolist(),
                up[number].tolist(),
                down[number].tolist(),
                written[number].tolist(),
                strict=True,
            )
            for slot, distance, expected, above, below, forecast in known:
                if slot < 0:
                    continue
                numbers: Sequence[float | None] = (None, None, None, None)
                if expected == expected:
                    score, limit = score_value(tail, distance, log_budget=self._options.log_budget)
                    bounds = (None, None) if limit is None else (expected - limit * below, expected + limit * above)
                    numbers = (expected, *bounds, score)
                answers[slot] = Answer(rows[slot], statuses[slot], numbers, forecast)
            self.arrays["tails"][part.series] = tail
