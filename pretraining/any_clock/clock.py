"""How the network `base` cuts a past: which seasons a clock has, how long segments are, and how many are read."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Most segments that are read; a longer past is cut into longer ones, or left unread but for seasons looked up.
MOST_SEGMENTS = 32
#: Seasons of seasons by the number of steps of the main one: the week of days and hours, the year of days.
LONG_SEASONS = {7: 365.25} | {steps: 7.0 * steps for steps in (24, 48, 72, 96, 144, 288, 1_440)}
YEAR_IN_WEEKS = 52.1775


@dataclass(frozen=True)
class Clock:
    """Which seasons a series has (steps, the main one first, each above 1), and how its past is cut."""

    seasons: tuple[float, ...]
    segment_length: int
    num_segments: int

    @property
    def main_season(self) -> float:
        """The season that segments are parts or multiples of; 1 without any."""
        return self.seasons[0] if self.seasons else 1.0

    @property
    def segments_per_season(self) -> int:
        """Segments that level and spread are taken over."""
        return max(1, round(self.main_season / self.segment_length))

    @property
    def read_steps(self) -> int:
        """Steps that are cut into segments."""
        return self.num_segments * self.segment_length


def seasons_of(season_length: float) -> tuple[float, ...]:
    """Return the seasons that go with a main season: none for 1; years of weeks are not whole."""
    if season_length <= 1:
        return ()
    if season_length == 52:
        return (YEAR_IN_WEEKS,)
    longer = LONG_SEASONS.get(round(season_length))
    return (float(season_length),) if longer is None else (float(season_length), longer)


def choose_clock(seasons: tuple[float, ...], history_length: int) -> Clock:
    """Return how a past of so many steps is cut: finely where it is short, at most `MOST_SEGMENTS` segments."""
    main = seasons[0] if seasons else 1.0
    if main <= 1:
        segment = next((steps for steps in (3, 6, 12, 24) if history_length <= MOST_SEGMENTS * steps), 48)
    elif main <= 30:
        whole = round(main) if abs(main - round(main)) < 0.02 else main
        cycles = math.ceil(4 / main)
        if main < 10 and history_length > MOST_SEGMENTS * 2 * main:
            cycles = max(cycles, 2)
        segment = round(whole * cycles)
    else:
        target = main if main <= 144 and history_length >= 8 * main else 24.0
        if main > 144:
            target = max(24.0, min(history_length / 16, 120.0))
        segment = round(main / max(1, round(main / target)))
    count = max(1, min(MOST_SEGMENTS, math.ceil(history_length / segment)))
    return Clock(seasons=seasons, segment_length=int(segment), num_segments=count)
