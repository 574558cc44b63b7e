"""Timestamps of tables, written in every way that the cases about time need."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from tests.bad_input.harness import Make

NUM_ROWS = 40
VALUES = [float(row) for row in range(NUM_ROWS)]


def rows(timestamps: Iterable[object], *, names: str = "time,y") -> str:
    """Return a table of these timestamps with the values 0, 1, 2 ..."""
    return "\n".join([names, *(f"{timestamp},{value}" for value, timestamp in enumerate(timestamps))]) + "\n"


def steps(first: str, step: str, num_rows: int = NUM_ROWS) -> pd.DatetimeIndex:
    """Return timestamps of a regular calendar."""
    return pd.date_range(first, periods=num_rows, freq=step)


def written(timestamps: pd.DatetimeIndex, text_format: str) -> list[str]:
    """Return timestamps as text."""
    return list(timestamps.strftime(text_format))


def changed(timestamps: Sequence[str], row: int, text: str) -> list[str]:
    """Return texts with one of them, counted from 0, written otherwise."""
    return [*timestamps[:row], text, *timestamps[row + 1 :]]


def edited(change: Callable[[str], str]) -> Make:
    """Return the edit of a file that the message asks for."""

    def edit(folder: Path) -> Path:
        path = folder / "rows.csv"
        path.write_text(change(path.read_text(encoding="utf-8")), encoding="utf-8")
        return path

    return edit


def local(first: str, num_rows: int, *, minutes: int = 15, zone: str = "Europe/Berlin") -> list[str]:
    """Return what the clocks of a zone showed, from an instant on."""
    instants = pd.date_range(first, periods=num_rows, freq=f"{minutes}min", tz="UTC")
    return written(instants.tz_convert(zone), "%Y-%m-%d %H:%M")


DAYS = written(steps("2024-01-20", "D"), "%Y-%m-%d")
HOURS = written(steps("2024-01-01", "h"), "%Y-%m-%d %H:%M")
SHORT_DAYS = written(steps("2024-01-01", "D", 12), "%d/%m/%Y")
AUTUMN = local("2024-10-26T22:00", NUM_ROWS)
LATER = (*HOURS[21:], "2024-01-02 16:00")
TWO_OFFSETS = [f"{timestamp}+01:00" for timestamp in HOURS[:20]] + [f"{timestamp}+02:00" for timestamp in LATER]
SECONDS = [1_700_000_000 + 60 * row for row in range(NUM_ROWS)]
MINUTE = {"freq": "min"}
