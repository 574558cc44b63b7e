"""Freshness of rows: age of the newest value, missing last values, gone series, and revised history."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import get_args

import numpy as np

from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.series import SeriesSet
from rnnforecast.errors import StaleError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import Duration
from rnnforecast.json_values import timestamp_to_json
from rnnforecast.model_io.train_stats import Memory, digests
from rnnforecast.options import StaleRows
from rnnforecast.store.context import SeriesContext
from rnnforecast.store.manifest import Manifest

_STEPS = re.compile(r"(\d{1,9}(?:\.\d{1,6})?)\s*steps?", re.IGNORECASE)
_MAX_NAMED = 5
#: Relative difference below which two values are equal.
_ROUNDING = 1e-9
#: Rows to reject: none, those of a file that shrank, or any that differ from those of the training.
REFUSE_STALE: tuple[StaleRows, ...] = get_args(StaleRows)
_SHRANK = "W_DATA_SHRANK"
#: Warnings about unexpected rows, and the error code of each when it is rejected.
_ERRORS = {
    _SHRANK: "E_DATA_SHRANK",
    "W_LAST_MISSING": "E_LAST_MISSING",
    "W_SERIES_GONE": "E_SERIES_GONE",
    "W_SERIES_STALE": "E_SERIES_STALE",
    "W_HISTORY_REVISED": "E_HISTORY_REVISED",
}
#: The ordinal of a value that does not exist.
NOTHING = int(np.iinfo(np.int64).min)


@dataclass(frozen=True)
class Age:
    """The largest age that was allowed: in seconds, or in steps of the calendar."""

    text: str
    seconds: float | None
    steps: float | None


def parse_age(text: str, *, option: str = "--max-age") -> Age:
    """Return a duration (`36h`, `2d`) or a number of steps (`3 steps`) as an age. Raises UsageError."""
    steps = _STEPS.fullmatch(text.strip())
    if steps is not None:
        return Age(text.strip(), None, float(steps[1]))
    try:
        duration = Duration.parse(text, option=option, allow_zero=True)
    except UsageError as error:
        hint = "use e.g. `36h`, `2d`, `3 steps`"
        raise UsageError(error.message, hint=hint, code=error.code) from None
    return Age(duration.text, duration.seconds, None)


def step_seconds(freq: Frequency, first: int = 0) -> float | None:
    """Return the usual seconds between two rows, from the ordinal `first` on; None where rows count steps."""
    if not freq.is_calendar:
        return None
    start, end = freq.to_timestamps(first + np.array([0, 365], dtype=np.int64)).astype("datetime64[us]")
    return float((end - start).astype(np.int64)) * 1e-6 / 365


def check_age(series: SeriesSet, max_age: Age | None, *, now: datetime | None = None) -> list[Finding]:
    """Raise StaleError if the newest value is older than `max_age`; report single series that are.

    The age is the time from the timestamp of the newest observed value to now: in the local time of this machine where
    timestamps have no zone. Raises StaleError, and UsageError for rows without a clock.
    """
    if max_age is None:
        return []
    if not series.freq.is_calendar:
        message = "`--max-age` needs dates, these rows count steps"
        hint = "leave the flag out, or name the time column with `--time` in training"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
    clock = _clock(series, now)
    last = last_observed(series)
    ages, limit = _ages(series, last, clock, max_age)
    if not ages.size or ages.min() > limit:
        known = last[last > NOTHING]
        newest = (
            f"the newest value is from {_timestamp(series, int(known.max()))} ({_words(ages.min(), max_age)} ago), older than"
            if len(known)
            else "no series has a value within"
        )
        message = f"{newest} `--max-age {max_age.text}`"
        hint = "check why no newer rows arrived, or allow a larger `--max-age`"
        raise StaleError(message, hint=hint, code="E_TIME_STALE")
    stale = np.flatnonzero((ages > limit) & (last > NOTHING))
    if not len(stale):
        return []
    first = int(stale[0])
    message = (
        f"{len(stale)} of {series.num_series} series lack a value within `--max-age {max_age.text}`, "
        f"such as {_names(series, stale)}; the last value of `{series.item_ids[first]}` is from "
        f"{_timestamp(series, int(last[first]))}"
    )
    return [Finding("W_SERIES_STALE", message, count=len(stale))]


def reject_stale(findings: Iterable[Finding], kind: StaleRows) -> None:
    """Raise StaleError for findings that `kind` rejects: one message for all, with the code of the first."""
    rejected = _ERRORS if kind == "any" else [_SHRANK] if kind == "shrunk" else []
    found = [finding for finding in findings if finding.code in rejected]
    if not found:
        return
    source = f"{found[0].file}: " if found[0].file else ""
    raise StaleError(
        source + "; ".join(finding.message for finding in found),
        hint="check the data source, or accept the rows with `--refuse-stale none`",
        code=_ERRORS[found[0].code],
        findings=[replace(finding, code=_ERRORS[finding.code]) for finding in found],
    )


def last_observed(series: SeriesSet) -> np.ndarray:
    """Return the ordinal of the newest observed value of each series; the smallest integer where there is none: [S]."""
    last = np.full(series.num_series, NOTHING, dtype=np.int64)
    rows = np.flatnonzero(series.observed)
    owner = np.searchsorted(series.offsets, rows, side="right") - 1
    np.maximum.at(last, owner, series.first_ordinals[owner] + rows - series.offsets[owner])
    return last


def history_findings(series: SeriesSet, manifest: Manifest, memory: Memory, *, source: str | None) -> list[Finding]:
    """Compare rows with those of the training: missing last values, gone rows or series, changed values."""
    findings = _missing_last(series, source)
    context = memory.context
    if context is None:
        return findings
    places = memory.places(series)
    if (places < 0).all():
        return findings  # other series altogether: nothing to compare
    findings += _gone_series(context, manifest, places, source)
    findings += _shrunk(series, context, places, source)
    return findings + (_revised(series, context, places, source) or _revised_before(series, memory, places, source))


def _missing_last(series: SeriesSet, source: str | None) -> list[Finding]:
    """Report series whose newest value is older than the newest timestamp of the file."""
    last = last_observed(series)
    newest = int((series.first_ordinals + series.lengths - 1).max(initial=NOTHING))
    late = np.flatnonzero(last < newest)
    if not len(late):
        return []
    end, value = _timestamp(series, newest), int(last[late[0]])
    if series.num_series == 1:
        since = "there is none" if value == NOTHING else f"the newest value is from {_timestamp(series, value)}"
        message = f"the last period is missing: the rows end at {end} with a missing value, {since}"
    else:
        message = (
            f"the last period is missing: {len(late)} of {series.num_series} series lack a value at {end}, "
            f"such as {_names(series, late)}"
        )
    return [Finding("W_LAST_MISSING", message, file=source, count=len(late))]


def _gone_series(context: SeriesContext, manifest: Manifest, places: np.ndarray, source: str | None) -> list[Finding]:
    gone = np.setdiff1d(np.arange(context.num_series), places)
    if not len(gone) or not manifest.roles.id:
        return []
    named = ", ".join(f"`{'/'.join(map(str, context.id_values[place]))}`" for place in gone[:_MAX_NAMED])
    more = f" and {len(gone) - _MAX_NAMED} more" if len(gone) > _MAX_NAMED else ""
    message = f"{len(gone)} of {context.num_series} series the model was trained on are gone: {named}{more}"
    return [Finding("W_SERIES_GONE", message, file=source, count=len(gone))]


def _shrunk(series: SeriesSet, context: SeriesContext, places: np.ndarray, source: str | None) -> list[Finding]:
    """Report series that end before the last training row."""
    seen_until = (context.first_ordinals + np.diff(context.offsets) - 1)[np.maximum(places, 0)]
    ends = series.first_ordinals + series.lengths - 1
    short = np.flatnonzero((places >= 0) & (ends < seen_until))
    if not len(short):
        return []
    first = int(short[0])
    which = f"{len(short)} series, such as `{series.item_ids[first]}`, end" if series.num_series > 1 else "the rows end"
    message = (
        f"the file shrank: {which} at {_timestamp(series, int(ends[first]))}, "
        f"the model was trained on rows until {_timestamp(series, int(seen_until[first]))}"
    )
    return [Finding(_SHRANK, message, file=source, count=len(short))]


def _revised(series: SeriesSet, context: SeriesContext, places: np.ndarray, source: str | None) -> list[Finding]:
    """Compare the stored rows with the same rows now, value by value."""
    owner = np.repeat(np.arange(context.num_series), np.diff(context.offsets))
    ordinals = context.first_ordinals[owner] + np.arange(len(owner)) - context.offsets[:-1][owner]
    fresh = np.full(context.num_series, -1, dtype=np.int64)
    fresh[places[places >= 0]] = np.flatnonzero(places >= 0)
    place = ordinals - series.first_ordinals[fresh[owner]]
    inside = (fresh[owner] >= 0) & (place >= 0) & (place < series.lengths[fresh[owner]])
    if not inside.any():
        return []
    kept = np.flatnonzero(inside)
    rows = series.offsets[fresh[owner[kept]]] + place[kept]
    before, after = context.values[kept], series.values[rows]
    had, has = context.observed[kept], series.observed[rows]
    with np.errstate(invalid="ignore"):
        moved = np.abs(after - before) > _ROUNDING * np.maximum(np.abs(after), np.abs(before))
    changed = np.flatnonzero((had != has) | (had & has & moved))
    if not len(changed):
        return []
    first = int(changed[0])
    item = series.item_ids[int(fresh[owner[kept[first]]])]
    words = series.target_categories
    was, now = (
        "missing" if not seen else f"`{words[int(value) - 1]}`" if words else f"{value:g}"
        for value, seen in ((before[first], had[first]), (after[first], has[first]))
    )
    of = f" of `{item}`" if series.num_series > 1 else ""
    message = (
        f"history was revised: {len(changed)} of {len(kept)} stored rows have other values now, first "
        f"{_timestamp(series, int(ordinals[kept[first]]))}{of}: {was} then, {now} now"
    )
    fix = "train again if the old values were wrong"
    return [Finding("W_HISTORY_REVISED", message, file=source, count=len(changed), fix=fix)]


def _revised_before(series: SeriesSet, memory: Memory, places: np.ndarray, source: str | None) -> list[Finding]:
    """Compare digests of all training rows, since older rows are not stored."""
    trained = memory.statistics
    if trained is None:
        return []
    known = np.flatnonzero(places >= 0)
    of = places[known]
    same = (series.first_ordinals[known] == trained.first[of]) & (series.lengths[known] >= trained.length[of])
    known, of = known[same], of[same]
    changed = known[digests(series.select(known).head(trained.length[of])) != trained.digest[of]]
    if not len(changed):
        return []
    which = f"{len(changed)} series, such as {_names(series, changed)}, have" if series.num_series > 1 else "there are"
    message = f"history was revised: {which} other values now, before the stored rows"
    fix = "train again if the old values were wrong"
    return [Finding("W_HISTORY_REVISED", message, file=source, count=len(changed), fix=fix)]


def _clock(series: SeriesSet, now: datetime | None) -> np.datetime64:
    """Return the current time: in UTC for timestamps with a zone, else in the local time of this machine."""
    moment = now or datetime.now(UTC)
    if series.freq.timezone is not None:
        return np.datetime64(moment.astimezone(UTC).replace(tzinfo=None), "us")
    return np.datetime64(moment.astimezone().replace(tzinfo=None), "us")


def _ages(series: SeriesSet, last: np.ndarray, clock: np.datetime64, age: Age) -> tuple[np.ndarray, float]:
    """Return how old the newest value of each series is, and the limit, both in seconds or both in steps."""
    known = last > NOTHING
    ages = np.full(len(last), np.inf)
    if age.steps is not None:
        ages[known] = series.freq.floor(np.array([clock]))[0] - last[known]
        return ages, age.steps
    timestamps = series.freq.to_timestamps(last[known])
    if series.freq.timezone is None:
        ages[known] = _local_seconds(np.array([clock]))[0] - _local_seconds(timestamps)
    else:
        ages[known] = (clock - timestamps).astype(np.int64) / 1e6
    return ages, float(age.seconds or 0.0)


def _local_seconds(timestamps: np.ndarray) -> np.ndarray:
    """Return local times of this machine as seconds since 1970, so that no age counts an hour that the clock skipped.

    Of the two hours with the same name the later one is meant, of which the rows are younger.
    """
    distinct, place = np.unique(timestamps.astype("datetime64[us]"), return_inverse=True)
    seconds = np.empty(len(distinct))
    for number, timestamp in enumerate(distinct.tolist()):
        try:
            seconds[number] = timestamp.replace(fold=1).timestamp()
        except (AttributeError, OverflowError, OSError, ValueError):  # beyond what the system has a calendar for
            seconds[number] = distinct[number].astype(np.int64) / 1e6
    return seconds[place]


def _words(age: float, limit: Age) -> str:
    if not np.isfinite(age):
        return "infinitely"
    if limit.steps is not None:
        return f"{age:g} steps"
    return age_text(age)


def age_text(seconds: float) -> str:
    """Return an age in words: `3 d 5 h` or `5 h 12 min`."""
    span = timedelta(seconds=int(seconds))
    if span.days:
        return f"{span.days} d {span.seconds // 3_600} h"
    return f"{span.seconds // 3_600} h {span.seconds % 3_600 // 60} min"


def _timestamp(series: SeriesSet, ordinal: int) -> str:
    return str(timestamp_to_json(series.freq.to_timestamps(np.array([ordinal]))[0], series.freq.alias))


def _names(series: SeriesSet, places: np.ndarray) -> str:
    labels = series.item_ids
    return ", ".join(f"`{labels[place]}`" for place in places[:_MAX_NAMED].tolist())
