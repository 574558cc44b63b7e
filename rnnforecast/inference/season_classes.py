"""Season classes of the pretrained network: the inputs and head for a season length.

Season lengths of one class share weights. A segment is a season, or a part of one where seasons are long.
"""

from __future__ import annotations

from rnnforecast.config import TRAINED_QUANTILE_LEVELS
from rnnforecast.frozen import dataclass
from rnnforecast.members import PretrainedSettings, SeasonClassName


@dataclass(frozen=True)
class SeasonClass:
    """The sizes that all season lengths from `shortest` to `longest` have in common."""

    name: SeasonClassName
    shortest: int
    longest: int
    segments_per_season: int
    num_segments: int
    recent_length: int
    num_seasons: int
    num_long_seasons: int
    horizon: int


SEASON_CLASSES = (
    SeasonClass("none", 1, 1, 1, 28, 12, 0, 0, 10),
    SeasonClass("quarter", 2, 5, 1, 24, 16, 5, 0, 12),
    SeasonClass("week", 6, 9, 1, 40, 28, 8, 2, 56),
    SeasonClass("year", 10, 15, 1, 18, 36, 6, 0, 24),
    SeasonClass("day", 16, 36, 1, 28, 48, 7, 4, 48),
    SeasonClass("weeks", 37, 80, 4, 24, 52, 5, 3, 48),
    SeasonClass("many", 81, 100_000, 8, 24, 48, 5, 2, 96),
)
SEGMENT_LENGTH_WITHOUT_SEASON = 2


def season_class(season_length: int) -> SeasonClass:
    """Return the class that serves a season length."""
    return next(entry for entry in SEASON_CLASSES if season_length <= entry.longest)


#: Seasons of seasons: a year of weeks for daily data, a week of days for clocks that cut the day.
LONG_SEASON_LENGTHS = {7: 364} | {steps: 7 * steps for steps in (24, 48, 72, 96, 144, 288, 1_440)}


def long_season_length(season_length: int) -> int:
    """Return the season of seasons that usually goes with a season length; 1 where there is none."""
    return LONG_SEASON_LENGTHS.get(season_length, 1)


SECONDS_A_DAY = 86_400


@dataclass(frozen=True)
class Means:
    """What rows are averaged to before the network reads them: blocks of so many steps, whose season has so many blocks."""

    block: int
    season_length: int


def day_means(season_length: int) -> Means | None:
    """Return means of days, of which seven repeat, where a season is a day."""
    return Means(season_length, 7) if _is_a_day(season_length) else None


def hour_means(season_length: int) -> Means | None:
    """Return means of hours where a day has more steps than those."""
    return Means(season_length // 24, 24) if season_length > 24 and _is_a_day(season_length) else None


def _is_a_day(season_length: int) -> bool:
    return season_length % 24 == 0 and SECONDS_A_DAY % season_length == 0


def network_seasons(season_length: int) -> tuple[int, ...]:
    """Return the season lengths that the members ask the pretrained network for, the given one first, 1 last."""
    means = (day_means(season_length), hour_means(season_length))
    return tuple(dict.fromkeys((season_length, *(one.season_length for one in means if one), 1)))


def pretrained_settings(
    season_length: int,
    *,
    hidden_size: int,
    num_layers: int,
    quantile_levels: tuple[float, ...] = TRAINED_QUANTILE_LEVELS,
) -> PretrainedSettings:
    """Return the network that serves a season length."""
    entry = season_class(season_length)
    segment_length = max(1, round(season_length / entry.segments_per_season))
    return PretrainedSettings(
        season_class=entry.name,
        season_length=season_length,
        long_season_length=long_season_length(season_length),
        segment_length=SEGMENT_LENGTH_WITHOUT_SEASON if season_length == 1 else segment_length,
        num_segments=entry.num_segments,
        recent_length=entry.recent_length,
        num_seasons=entry.num_seasons,
        num_long_seasons=entry.num_long_seasons,
        horizon=entry.horizon,
        hidden_size=hidden_size,
        num_layers=num_layers,
        quantile_levels=quantile_levels,
    )
