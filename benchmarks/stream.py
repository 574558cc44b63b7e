"""How many rows a second `rnnforecast stream` answers from file to file, its memory, and how long a restart takes.

A GRU of 64 units with random weights: the speed does not depend on what it was trained on.
"""

from __future__ import annotations

import resource
import tempfile
import time
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
from publish import make_parser, publish

from rnnforecast.config import MemberSettings
from rnnforecast.data.calendar.frequency import parse_frequency
from rnnforecast.forecasting import Ensemble
from rnnforecast.inference.forecaster import expected_shapes
from rnnforecast.streaming.lines import Columns
from rnnforecast.workflows.alarm_actions import AlarmProcess
from rnnforecast.workflows.stream import Run, Served, StreamRequest

#: Limits: rows a second of one series and of 10,000 interleaved ones, growth of the memory in MB, seconds of a restart.
LIMITS = {"one series": 20_000, "10,000 series": 5_000, "memory": 10, "restart": 0.5}


def served(ids: tuple[str, ...]) -> Served:
    member = MemberSettings(
        cell="gru",
        mapping="many-to-many",
        synchronous=True,
        segment_length=1,
        normalisation="causal",
        context_length=100,
        horizon=24,
        season_length=24,
        hidden_size=64,
        num_layers=1,
    )
    generator = np.random.default_rng(8)
    tensors = {
        name: generator.normal(0, 0.1, shape).astype(np.float32) for name, shape in expected_shapes(member).items()
    }
    ensemble = Ensemble(members=(member,), weights=(tensors,))
    return Served("pump@1", "benchmark", ensemble, Columns("time", "heat", ids), parse_frequency("h"))


def write_rows(path: Path, count: int, num_series: int) -> None:
    generator, first = np.random.default_rng(0), datetime(2024, 1, 1)
    with path.open("w", encoding="utf-8") as file:
        file.write("time,pump,heat\n")
        for row in range(count):
            values = 50 + 5 * np.sin(row / 4) + generator.normal(size=num_series)
            file.writelines(
                f"{first + timedelta(hours=row)},p{pump},{value:.3f}\n" for pump, value in enumerate(values)
            )


def run_of(folder: Path, name: str) -> Run:
    request = StreamRequest(
        "pump",
        input=str(folder / f"{name}.csv"),
        output=str(folder / f"{name}.out"),
        state=str(folder / f"{name}.state"),
    )
    return Run(request, served(("pump",)), AlarmProcess((), print), lambda _: None)


def measure(folder: Path, name: str, count: int, num_series: int) -> tuple[float, float]:
    """Return rows a second of processor time, and the peak of memory so far in MB."""
    write_rows(folder / f"{name}.csv", count, num_series)
    run = run_of(folder, name)
    started = time.process_time()
    run.loop()
    return run.position.lines / (time.process_time() - started), resource.getrusage(
        resource.RUSAGE_SELF
    ).ru_maxrss / 1024


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--rows", type=int, default=100_000, help="rows of one series (default 100000)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        one, before = measure(folder, "one", options.rows, 1)
        _, after = measure(folder, "longer", 4 * options.rows, 1)
        many, _ = measure(folder, "many", 10, 10_000)
        started = time.monotonic()
        run_of(folder, "many").restore()
        restart = time.monotonic() - started
    rows = [
        ("rows a second, one series", f"{one:,.0f}", f"at least {LIMITS['one series']:,}"),
        ("rows a second, 10,000 series interleaved", f"{many:,.0f}", f"at least {LIMITS['10,000 series']:,}"),
        ("MB more after four times the rows", f"{after - before:.1f}", f"at most {LIMITS['memory']}"),
        ("seconds to restore 10,000 series", f"{restart:.3f}", f"at most {LIMITS['restart']}"),
    ]
    publish("stream", ("measure", "found", "limit"), rows, dry_run=options.dry_run)


if __name__ == "__main__":
    main()
