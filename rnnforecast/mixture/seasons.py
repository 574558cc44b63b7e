"""Seasons that regression members use: those of the frequency, with a longer one where it was seen often enough."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rnnforecast.data.calendar.frequency import FIXED_UNITS
from rnnforecast.data.calendar.infer_frequency import default_season_length
from rnnforecast.frozen import dataclass

if TYPE_CHECKING:
    from rnnforecast.data.calendar.frequency import Frequency

DAYS_A_YEAR = 365.25
BUSINESS_DAYS_A_YEAR = 260.9
#: A year is estimated from so many of them, a week of days from so many weeks.
FEWEST_YEARS, FEWEST_WEEKS = 2, 3
#: A year of weeks has three harmonics where fewer years were seen, six from so many on.
FEW_YEARS = 4
#: Seasons up to this length have a harmonic for every shape they can take; longer ones are smooth.
MAX_EXACT_SEASON = 12
SMOOTH_HARMONICS = 8
#: Harmonics of a week of hours or minutes, from which those of a day are left out; and the weeks that many of them need.
FEW_WEEK_HARMONICS, MANY_WEEK_HARMONICS, MANY_WEEKS = 20, 41, 8
#: Newest rows that a regression reads, in seasons, where a day has several steps.
MAX_DAYS = 84
#: The same for a longer season that was named, in its periods.
NAMED_PERIODS = 6


@dataclass(frozen=True)
class Season:
    """A period in steps and the harmonics that describe its shape."""

    period: float
    harmonics: tuple[int, ...]


@dataclass(frozen=True)
class SeasonPlan:
    """The seasons of one series: what `base` is told, and what regressions add."""

    season_length: int
    short: Season | None
    longer: tuple[Season, ...] = ()
    max_rows: int = 100_000

    @property
    def longest_period(self) -> float:
        """The longest period in steps, 1 without a season."""
        return max((season.period for season in (self.short, *self.longer) if season), default=1.0)


def plan_seasons(freq: Frequency, season_length: int, *, num_rows: int, longer: tuple[int, ...] = ()) -> SeasonPlan:
    """Return the seasons to use for a series of `num_rows` rows whose season has `season_length` steps (1: none).

    `longer` seasons that were named replace those of the calendar; each is used from two periods on.
    """
    plan = _of_calendar(freq, season_length, num_rows=num_rows)
    if not longer or season_length <= 1:
        return plan
    usual = {round(season.period): season for season in plan.longer}
    named = tuple(
        usual.get(length) or _named(length, season_length, num_rows) for length in longer if num_rows >= 2 * length
    )
    return replace(plan, longer=named, max_rows=max(plan.max_rows, NAMED_PERIODS * longer[-1]))


def _of_calendar(freq: Frequency, season_length: int, *, num_rows: int) -> SeasonPlan:
    if season_length <= 1:
        return SeasonPlan(1, None)
    is_natural = season_length == default_season_length(freq)
    short = Season(float(season_length), _harmonics(season_length))
    if is_natural and freq.unit in ("day", "business-day") and freq.multiple == 1:
        year = DAYS_A_YEAR if freq.unit == "day" else BUSINESS_DAYS_A_YEAR
        has_years = num_rows >= FEWEST_YEARS * year
        return SeasonPlan(season_length, short, (Season(year, (1, 2, 3)),) if has_years else (), round(6 * year))
    if is_natural and freq.unit in ("hour", "minute", "second") and not freq.slots and _is_a_day(freq, season_length):
        highest = MANY_WEEK_HARMONICS if num_rows >= 7 * MANY_WEEKS * season_length else FEW_WEEK_HARMONICS
        week = Season(7.0 * season_length, tuple(harmonic for harmonic in range(1, highest + 1) if harmonic % 7))
        has_weeks = num_rows >= 7 * FEWEST_WEEKS * season_length
        return SeasonPlan(season_length, short, (week,) if has_weeks else (), MAX_DAYS * season_length)
    if is_natural and freq.unit == "week":
        year = DAYS_A_YEAR / 7 / freq.multiple
        harmonics = (1, 2, 3) if num_rows < FEW_YEARS * year else (1, 2, 3, 4, 5, 6)
        return SeasonPlan(season_length, Season(year, harmonics), max_rows=520)
    return SeasonPlan(season_length, short)


def _harmonics(season_length: int) -> tuple[int, ...]:
    highest = season_length // 2 if season_length <= MAX_EXACT_SEASON else SMOOTH_HARMONICS
    return tuple(range(1, highest + 1))


def _named(length: int, season_length: int, num_rows: int) -> Season:
    """Return a season next to a shorter one, whose harmonics it leaves out; few periods have a smooth one."""
    most = FEW_WEEK_HARMONICS if num_rows >= MANY_WEEKS * length else SMOOTH_HARMONICS
    shared = length // season_length if length % season_length == 0 else length
    return Season(float(length), tuple(one for one in range(1, min(most, length // 2) + 1) if one % shared))


def _is_a_day(freq: Frequency, season_length: int) -> bool:
    return FIXED_UNITS[freq.unit] * freq.multiple * season_length == FIXED_UNITS["day"]
