"""Time zones: local timestamps to UTC, ambiguous and nonexistent local times included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import numpy as np

from rnnforecast.arrays import BoolArray, Int64Array, TimestampArray
from rnnforecast.data.calendar.frequency import in_words
from rnnforecast.data.errors import data_error
from rnnforecast.data.rows import Rows
from rnnforecast.findings import Finding, plural
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import find_zone

_HOUR = 3_600_000_000  # microseconds
#: Years outside which no zone has rules.
_FIRST_YEAR, _LAST_YEAR = 1900, 2100


@dataclass(frozen=True)
class Zone:
    """The rules of a zone over some years: when clocks were changed, and the offsets from UTC between the changes."""

    name: str
    changes: Int64Array  # [n] microseconds since 1970 in UTC
    offsets: Int64Array  # [n + 1] microseconds that local time is ahead of UTC

    def to_utc(self, local: TimestampArray) -> tuple[TimestampArray, TimestampArray, BoolArray]:
        """Return earliest and latest instants that local timestamps may mean, and which of them no clock ever showed.

        A timestamp that no clock showed is read with the offset before the change: the skipped hour is gone through.
        """
        numbers = local.astype("datetime64[us]").astype(np.int64)
        before, after = self.changes + self.offsets[:-1], self.changes + self.offsets[1:]
        earliest = numbers - self.offsets[np.searchsorted(np.maximum(before, after), numbers, side="right")]
        latest = numbers - self.offsets[np.searchsorted(np.minimum(before, after), numbers, side="right")]
        skipped = latest < earliest  # the offset after the change leads to an instant before it
        earliest, latest = np.where(skipped, earliest, np.minimum(earliest, latest)), np.maximum(earliest, latest)
        return earliest.astype("datetime64[us]"), latest.astype("datetime64[us]"), np.asarray(skipped)

    def to_local(self, utc: TimestampArray) -> TimestampArray:
        """Return what the clocks of the zone show at these instants."""
        numbers = utc.astype("datetime64[us]").astype(np.int64)
        return (numbers + self.offsets[np.searchsorted(self.changes, numbers, side="right")]).astype("datetime64[us]")


def read_zone(name: str, timestamps: TimestampArray) -> Zone:
    """Return the rules of a zone for the years of some timestamps; raises UsageError for an unknown zone."""
    zone, known_as = find_zone(name)
    years = timestamps.astype("datetime64[Y]").astype(np.int64) + 1970 if len(timestamps) else np.array([2000])
    first = min(max(int(years.min()) - 1, _FIRST_YEAR), _LAST_YEAR)
    last = min(max(int(years.max()) + 2, _FIRST_YEAR), _LAST_YEAR) + 1
    day, end = datetime(first, 1, 1, tzinfo=UTC), datetime(last, 1, 1, tzinfo=UTC)
    changes, offsets = [], [_offset(zone, day)]
    while day < end:
        following = day + timedelta(days=1)
        if _offset(zone, following) != offsets[-1]:
            changes.append(_change(zone, day, following))
            offsets.append(_offset(zone, following))
        day = following
    return Zone(known_as, np.array(changes, dtype=np.int64), np.array(offsets, dtype=np.int64))


def _offset(zone: tzinfo, moment: datetime) -> int:
    ahead = moment.astimezone(zone).utcoffset() or timedelta(0)
    return ahead // timedelta(microseconds=1)


def _change(zone: tzinfo, early: datetime, late: datetime) -> int:
    """Return the first second at which the offset is that of `late`, by halving; microseconds since 1970."""
    wanted = _offset(zone, late)
    while late - early > timedelta(seconds=1):
        middle = early + timedelta(seconds=int((late - early).total_seconds()) // 2)
        early, late = (early, middle) if _offset(zone, middle) == wanted else (middle, late)
    return int(late.timestamp()) * 1_000_000


def rules_version() -> str:
    """Return the version of the rules of all zones on this machine, such as 2026a; `unknown` where none is told."""
    import zoneinfo
    from importlib import metadata

    for folder in zoneinfo.TZPATH:
        for file, pattern in (("tzdata.zi", r"# version (\S+)"), ("+VERSION", r"(\S+)")):
            try:
                with (Path(folder) / file).open(encoding="utf-8") as stream:
                    found = re.match(pattern, stream.readline())
            except OSError:
                continue
            if found is not None:
                return found[1]
    try:
        return metadata.version("tzdata")
    except metadata.PackageNotFoundError:
        return "unknown"


def localise(
    rows: Rows, name: str, *, ambiguous: str | None, nonexistent: str | None, findings: list[Finding]
) -> tuple[TimestampArray, str | None]:
    """Return local timestamps in UTC and the name of their zone; timestamps with one time of day stay dates, without a zone.

    `ambiguous` says which instant of a repeated hour is meant: `infer` goes by the order of the rows of each series.
    Raises DataError for repeated and left out hours that nothing decides.
    """
    zone = read_zone(name, rows.timestamps)
    times = rows.timestamps - rows.timestamps.astype("datetime64[D]")
    if len(times) and bool((times == times[0]).all()):
        message = f"{rows.time} has one time of day: its timestamps stay dates, without zone {name}"
        findings.append(rows.time.finding("N_TIME_ZONE", message, value=name))
        return rows.timestamps, None
    earliest, latest, skipped = zone.to_utc(rows.timestamps)
    twice = (earliest != latest) & ~skipped
    problems = []
    if skipped.any() and nonexistent is None:
        words = f"does not exist in zone {name}: start of daylight saving time"
        fix = "`--nonexistent shift` reads it an hour later; without daylight saving time use a fixed --tz as +01:00"
        problems.append(_problem(rows, "E_TIME_SKIPPED", np.flatnonzero(skipped), words, fix))
    utc = earliest
    ends = f"is ambiguous in zone {name}: end of daylight saving time"
    if twice.any() and ambiguous is None:
        fix = "`--ambiguous infer` uses the order of rows; earliest and latest choose one"
        problems.append(_problem(rows, "E_TIME_FOLD", np.flatnonzero(twice), ends, fix))
    elif twice.any() and ambiguous == "infer":
        is_late, unclear = _second_time(rows, np.flatnonzero(twice))
        if len(unclear):
            words, fix = f"{ends}, and the order of rows does not decide", "`--ambiguous earliest` or `latest`"
            problems.append(_problem(rows, "E_TIME_FOLD", unclear, words, fix))
        utc = earliest.copy()
        utc[np.flatnonzero(twice)[is_late]] = latest[np.flatnonzero(twice)[is_late]]
    elif ambiguous == "latest":
        utc = np.where(twice, latest, earliest)
    if problems:
        raise data_error(problems)
    findings += _notes(rows, zone, twice, skipped, ambiguous)
    return utc, zone.name


def _notes(rows: Rows, zone: Zone, twice: BoolArray, skipped: BoolArray, ambiguous: str | None) -> Iterable[Finding]:
    version = rules_version()
    message = (
        f"{rows.time} is local time of {zone.name} (rules of zones: {version}); timestamps are held in UTC and shown in "
        f"{zone.name}"
    )
    yield rows.time.finding("N_TIME_ZONE", message, value=version)
    if twice.any():
        message = f"{plural(int(twice.sum()), 'ambiguous timestamp')} resolved ({ambiguous})"
        yield rows.time.finding("N_TIME_FOLD", message, count=int(twice.sum()))
    if skipped.any():
        message = f"{plural(int(skipped.sum()), 'nonexistent local timestamp')} read one hour later"
        yield rows.time.finding("W_TIME_SKIPPED", message, rows=np.flatnonzero(skipped))


def _problem(rows: Rows, code: str, chosen: Int64Array, words: str, fix: str) -> Finding:
    timestamp = in_words(rows.timestamps[chosen[0]])
    return rows.time.problem(code, chosen, f"{timestamp} {words}", value=timestamp, fix=fix)


def _second_time(rows: Rows, twice: Int64Array) -> tuple[Int64Array, Int64Array]:
    """Return which of the ambiguous rows (by place) are the second pass of their hour, and the rows that are unclear.

    Rows of one timestamp and series are ordered as in the file; a timestamp that occurs once goes by its side of the
    place where the clock of its series went back. Files with the newest row first are read backwards.
    """
    import pandas as pd

    frame = pd.DataFrame({"row": twice, "item": rows.items[twice], "timestamp": rows.timestamps[twice]})
    frame["day"] = rows.timestamps[twice].astype("datetime64[D]")
    newest_first = bool(np.median(np.diff(rows.timestamps.astype(np.int64))) < 0) if len(rows.timestamps) > 1 else False
    if newest_first:
        frame = frame.iloc[::-1]
    groups = frame.groupby(["item", "timestamp"], sort=False)
    frame["pass"], frame["count"] = groups.cumcount(), groups["row"].transform("size")
    hours = frame.groupby(["item", "day"], sort=False)
    went_back = hours["timestamp"].diff().astype("timedelta64[us]") < np.timedelta64(0, "us")
    frame["after"] = went_back.groupby([frame["item"], frame["day"]], sort=False).cumsum()
    has_jump = frame.groupby(["item", "day"], sort=False)["after"].transform("max") == 1
    once = frame["count"] == 1
    is_late = np.where(once, frame["after"] == 1, frame["pass"] == 1)
    unclear = (once & ~has_jump) | (frame["count"] > 2)
    places = np.searchsorted(twice, frame["row"].to_numpy())
    return np.sort(places[is_late]), np.sort(frame["row"].to_numpy()[unclear.to_numpy()])


def is_clock_put_back(timestamps: TimestampArray) -> bool:
    """Whether repeated timestamps are what a change to winter time leaves behind: an hour of a weekend, once a year."""
    distinct = np.unique(timestamps.astype("datetime64[us]"))
    days = distinct.astype("datetime64[D]")
    if len(distinct) == 0 or bool((distinct == days).all()):
        return False
    numbers = distinct.astype(np.int64)
    runs = np.split(numbers, np.flatnonzero(np.diff(numbers) > 24 * _HOUR) + 1)
    weekdays = (days.astype(np.int64) + 3) % 7
    months = distinct.astype("datetime64[M]").astype(np.int64) % 12 + 1
    in_season = bool(np.isin(months, (3, 4, 9, 10, 11)).all()) and bool((weekdays >= 4).all())
    years = numbers[-1] // (365 * 24 * _HOUR) - numbers[0] // (365 * 24 * _HOUR) + 1
    return in_season and len(runs) <= 2 * years and all(run[-1] - run[0] < _HOUR for run in runs)
