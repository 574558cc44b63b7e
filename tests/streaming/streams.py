"""A small model that streams without training, files of rows, and runs of a stream over them."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.calendar.frequency import parse_frequency
from rnnforecast.forecasting import Ensemble
from rnnforecast.inference.forecaster import expected_shapes
from rnnforecast.streaming.lines import Columns
from rnnforecast.workflows.alarm_actions import AlarmProcess
from rnnforecast.workflows.stream import Run, Served, StreamRequest
from tests.streaming.test_stepper import _member

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FIRST = datetime(2024, 1, 1)


def served(*, ids: tuple[str, ...] = (), digest: str = "a", can_step: bool = True) -> Served:
    """Return a network with random weights that streams hourly rows."""
    member = _member("gru", horizon=3, **({} if can_step else {"segment_length": 4, "context_length": 20}))
    generator = np.random.default_rng(8)
    tensors = {
        name: generator.normal(0, 0.3, shape).astype(np.float32) for name, shape in expected_shapes(member).items()
    }
    ensemble = Ensemble(members=(member,), weights=(tensors,))
    return Served("pump@1", digest, ensemble, Columns("time", "heat", ids), parse_frequency("h"))


def run_stream(
    request: StreamRequest, model: Served | None = None, *, on_alarm: Sequence[str] = ()
) -> tuple[Run, list[str]]:
    """Run a stream to its end; returns it and what it said."""
    said: list[str] = []
    run = Run(request, model or served(), AlarmProcess(on_alarm, said.append, seconds=1.0), said.append)
    run.restore()
    run.loop()
    return run, said


def write_rows(path: Path, count: int, *, pumps: Sequence[str] = (), seed: int = 0) -> None:
    """Write hourly rows, of several pumps in turn where their names are given."""
    generator = np.random.default_rng(seed)
    with path.open("w", encoding="utf-8") as file:
        file.write(f"time,{'pump,' if pumps else ''}heat\n")
        for row in range(count):
            for pump in pumps or [""]:
                value = 50 + 5 * np.sin(row / 4) + generator.normal()
                file.write(f"{FIRST + timedelta(hours=row)},{f'{pump},' if pumps else ''}{value:.3f}\n")


def read_answers(path: Path) -> list[dict[str, str]]:
    """Return the answers of a CSV stream."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def assert_same(found: list[dict[str, str]], expected: list[dict[str, str]]) -> None:
    """Assert that every row was answered once, in order, with the same numbers up to the last digits."""
    assert [(row["time"], row["status"]) for row in found] == [(row["time"], row["status"]) for row in expected]
    for name in ("expected", "q0.1", "q0.9", "score"):
        ours, theirs = (np.array([float(row[name] or "nan") for row in rows]) for rows in (found, expected))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-3)
