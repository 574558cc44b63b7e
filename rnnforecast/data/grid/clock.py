"""The time zone and the resampling that the user asks for, applied before rows are placed on a grid."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from rnnforecast.arrays import Int64Array, TimestampArray
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.calendar.infer_frequency import infer_frequency
from rnnforecast.data.grid.resample import is_daily_or_longer, resample
from rnnforecast.data.ragged import offsets_of
from rnnforecast.data.rows import Rows
from rnnforecast.data.timestamps.timezones import localise, read_zone
from rnnforecast.errors import DataError, UsageError
from rnnforecast.findings import Finding

#: Steps of a day that a machine's clock may be behind the one that wrote the file.
_SLACK = np.timedelta64(1, "D")


def set_clock(
    rows: Rows,
    how: DataSettings,
    *,
    timezone: str | None,
    num_targets: int,
    num_labels: int = 0,
    categories: Collection[int] = (),
    findings: list[Finding],
) -> tuple[Rows, str | None]:
    """Return rows and zone after `--tz` and `--resample`; timestamps of a zone are in UTC.

    Of the columns of values the first are targets, the last `num_labels` are constant for a series, and those at the
    places `categories` hold codes.

    Raises DataError for local timestamps that a change of clocks leaves unclear, UsageError for flags that do not fit.
    """
    _check(how)
    is_dated = rows.timestamps.dtype.kind == "M"
    if how.tz is not None and is_dated:
        if timezone is None:
            timestamps, timezone = localise(
                rows, how.tz, ambiguous=how.ambiguous, nonexistent=how.nonexistent, findings=findings
            )
            rows = replace(rows, timestamps=timestamps)
        else:
            timezone = read_zone(how.tz, rows.timestamps).name
            message = f"timestamps are held in UTC and shown in {timezone}"
            findings.append(rows.time.finding("N_TIME_ZONE", message, value=timezone))
    if how.tz is not None and timezone is not None and is_dated:
        rows, timezone = _by_wall_clock(rows, timezone, findings)
    if is_dated:
        _note_future(rows, num_targets, findings)
    if how.resample is None or how.aggregate is None:
        return rows, timezone
    if timezone is not None and is_dated and is_daily_or_longer(how.resample):
        # days begin at midnights of the zone
        message = f"steps of {how.resample} begin at midnights of {timezone}"
        findings.append(rows.time.finding("N_TIME_ZONE", message, value=timezone))
        rows, timezone = replace(rows, timestamps=read_zone(timezone, rows.timestamps).to_local(rows.timestamps)), None
    num_columns = rows.values.shape[1]
    resampled = resample(
        rows,
        how.resample,
        how.aggregate,
        num_targets=num_targets,
        labels={*categories, *range(num_columns - num_labels, num_columns)},
        findings=findings,
    )
    return resampled, timezone


def _by_wall_clock(rows: Rows, timezone: str, findings: list[Finding]) -> tuple[Rows, str | None]:
    """Return rows in local time where only that is regular: steps of hours that begin anew at each midnight."""
    order = np.lexsort((rows.timestamps, rows.items))
    offsets = offsets_of(np.bincount(rows.items).astype(np.int64))
    timestamps = rows.timestamps[order]
    steps = np.diff(timestamps)
    if not len(steps) or np.median(steps) <= np.timedelta64(1, "h") or _is_regular(timestamps, offsets):
        return rows, timezone
    local = read_zone(timezone, rows.timestamps).to_local(rows.timestamps)
    if not _is_regular(local[order], offsets):
        return rows, timezone
    message = f"timestamps are regular in local time of {timezone} only: they stay local, without zone"
    findings.append(rows.time.finding("N_TIME_ZONE", message, value=timezone))
    return replace(rows, timestamps=local), None


def _is_regular(timestamps: TimestampArray, offsets: Int64Array) -> bool:
    try:
        infer_frequency(timestamps, offsets)
    except DataError:
        return False
    return True


def _check(how: DataSettings) -> None:
    if (how.resample is None) != (how.aggregate is None):
        lacking = "--aggregate" if how.aggregate is None else "--resample"
        message = "`--resample` and `--aggregate` belong together"
        hint = f"add {lacking}, such as `--resample 1h --aggregate mean`"
        raise UsageError(message, hint=hint, code="E_RUN_RESAMPLE")
    if how.tz is None and (how.ambiguous is not None or how.nonexistent is not None):
        message = "`--ambiguous` and `--nonexistent` need the time zone of the timestamps"
        raise UsageError(message, hint="add it, such as `--tz Europe/Berlin`", code="E_RUN_TZ")


def _note_future(rows: Rows, num_targets: int, findings: list[Finding]) -> None:
    """Note timestamps after today whose target is observed: a clock or a date is wrong, or the rows are a plan."""
    late = np.flatnonzero(rows.timestamps > np.datetime64("now", "us") + _SLACK)
    if len(late) and num_targets:
        late = late[~np.isnan(rows.values[late, :num_targets]).all(axis=1)]
    if not len(late):
        return
    first = in_words(rows.timestamps[late[0]])
    words = f"observed targets at timestamps in the future, such as {first}"
    fix = "check the dates: day and month, the year, the unit of an epoch"
    findings.append(rows.time.problem("N_TIME_FUTURE", late, words, value=first, fix=fix))
