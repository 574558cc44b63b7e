"""Missing targets: spans that are treated as missing (`--mask`), and imputation (`--fill`)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Float64Array, Int64Array, TimestampArray
from rnnforecast.data.calendar.frequency import Frequency, in_words
from rnnforecast.data.errors import data_error
from rnnforecast.data.ragged import newest_of_season, rows_of
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.timestamps.timezones import read_zone
from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding, plural
from rnnforecast.grammars import Span
from rnnforecast.options import Fill


def filled(series: SeriesSet, how: Fill, findings: list[Finding]) -> SeriesSet:
    """Return the series with missing targets filled, with a finding that counts them; `none` leaves all masked.

    Targets without a value before them (for a line, on both sides) stay masked.
    """
    if how == "none" or series.observed.all():
        return series
    values = _FILLERS[how](series)
    known = ~np.isnan(values)
    count = int((known & ~series.observed).sum())
    if count:
        message = f"{plural(count, 'missing target')} filled: --fill {how}"
        column = series.target_names[0]
        findings.append(Finding("W_VALUE_FILLED", message, column=column, count=count))
    return replace(series, values=values, observed=known)


def _newest(series: SeriesSet, season_length: int) -> Float64Array:
    """Return each missing value as the newest one before it at the same place of the season."""
    newest = newest_of_season(series.observed, series.lengths, season_length=season_length)
    return np.where(newest >= 0, series.values[newest], np.nan)


def _line(series: SeriesSet) -> Float64Array:
    """Return missing values on the line between the observed ones around them in the same series."""
    values, observed, offsets = series.values, series.observed, series.offsets
    known = np.flatnonzero(observed)
    filled_in = values.copy()
    if not len(known):
        return filled_in
    missing = np.flatnonzero(~observed)
    place = np.searchsorted(known, missing)
    left, right = known[np.maximum(place - 1, 0)], known[np.minimum(place, len(known) - 1)]
    owner = np.searchsorted(offsets, missing, side="right") - 1
    inside = (place > 0) & (place < len(known)) & (left >= offsets[owner]) & (right < offsets[owner + 1])
    chosen, left, right = missing[inside], left[inside], right[inside]
    fraction = (chosen - left) / (right - left)
    filled_in[chosen] = values[left] * (1 - fraction) + values[right] * fraction
    return filled_in


_FILLERS: dict[str, Callable[[SeriesSet], Float64Array]] = {
    "zero": lambda series: np.where(series.observed, series.values, 0.0),
    "previous": lambda series: _newest(series, 1),
    "season": lambda series: _newest(series, series.season_length),
    "linear": _line,
}


def without_spans(
    series: SeriesSet, spans: Sequence[str], findings: list[Finding], *, may_miss: bool = False
) -> SeriesSet:
    """Return the series with the targets of all spans masked; both ends of a span count, whole months and days of them.

    Raises UsageError for a span without an observed target unless `may_miss`, and DataError where no target is left.
    """
    observed = series.observed.copy()
    for text in spans:
        first, last = _ordinals(Span.parse(text), series)
        begin = np.clip(first - series.first_ordinals, 0, series.lengths)
        end = np.clip(last - series.first_ordinals + 1, begin, series.lengths)
        rows = rows_of(series.offsets[:-1] + begin, end - begin)
        count = int(series.observed[rows].sum())
        observed[rows] = False
        if count:
            message = f"{plural(count, 'target')} masked: --mask {text}"
            findings.append(Finding("W_VALUE_MASKED", message, column=series.target_names[0], value=text, count=count))
        elif not may_miss:
            message = f"`--mask {text}` covers no observed target; the rows reach from {_reach(series)}"
            raise UsageError(message, hint="name a span of these rows, or leave `--mask` out", code="E_RUN_MASK")
    if not observed.any() and len(spans):
        words = f"every target is masked: {', '.join(f'--mask {text}' for text in spans)}"
        raise data_error([Finding("E_TARGET_MISSING", words, column=series.target_names[0], fix="mask shorter spans")])
    return replace(series, observed=observed, values=np.where(observed, series.values, np.nan))


def _ordinals(span: Span, series: SeriesSet) -> tuple[int, int]:
    """Return the first and the last ordinal of a span. Raises UsageError for dates where rows are steps, or the reverse."""
    freq = series.freq
    lowest, highest = int(series.first_ordinals.min()), int((series.first_ordinals + series.lengths).max())
    if not freq.is_calendar:
        if not all(end is None or end.lstrip("-").isdecimal() for end in (span.first, span.last)):
            message = f"`--mask {span.text}` names dates, but the rows are steps"
            hint = f"name steps, such as `--mask {_reach(series).replace(' to ', '..')}`"
            raise UsageError(message, hint=hint, code="E_RUN_MASK")
        first = lowest if span.first is None else -(-(int(span.first) - freq.phase) // freq.multiple)
        last = highest if span.last is None else (int(span.last) - freq.phase) // freq.multiple
        return first, last
    first, last = lowest, highest
    if any(end is not None and end.lstrip("-").isdecimal() and len(end) != 4 for end in (span.first, span.last)):
        message = f"`--mask {span.text}` names steps, but the rows have dates"
        raise UsageError(message, hint="name dates, such as `--mask 2020-03..2021-06`", code="E_RUN_MASK")
    if span.first is not None:
        first = int(freq.floor(_instant(np.datetime64(span.first), freq) - np.timedelta64(1, "us"))[0]) + 1
    if span.last is not None:
        end = np.datetime64(span.last)
        end = (end.astype(np.int64) + 1).astype(end.dtype)  # the whole of the last year, month, day or minute
        last = int(freq.floor(_instant(end, freq) - np.timedelta64(1, "us"))[0])
    return first, last


def _instant(local: np.datetime64, freq: Frequency) -> TimestampArray:
    """Return a local time as the timestamps of a frequency are held, in UTC where it has a zone: [1]."""
    moment: TimestampArray = np.array([local.astype("datetime64[us]")])
    if freq.timezone is None:
        return moment
    zone = read_zone(freq.timezone, moment)
    ahead: Int64Array = (zone.to_local(moment) - moment).astype(np.int64)
    return np.asarray(moment - ahead.astype("timedelta64[us]"))


def _reach(series: SeriesSet) -> str:
    ends = np.array([series.first_ordinals.min(), (series.first_ordinals + series.lengths).max() - 1], dtype=np.int64)
    first, last = (in_words(timestamp) for timestamp in series.freq.to_timestamps(ends))
    return f"{first} to {last}"
