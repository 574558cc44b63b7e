"""Counts and times of requests, in the text format of Prometheus."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnforecast.workflows.batch.records.prometheus import metric_lines

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rnnforecast.workflows.batch.records.prometheus import Samples

#: Upper ends of the times that are counted together, in seconds.
TIMES = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


@dataclass
class Metrics:
    """What the server counted since it started."""

    statuses: Counter[int] = field(default_factory=Counter)  # of requests for forecasts
    num_series: int = 0
    seconds: float = 0.0
    counts: list[int] = field(default_factory=lambda: [0] * (len(TIMES) + 1))

    def count(self, status: int, *, seconds: float, num_series: int = 0) -> None:
        """Count one request for a forecast."""
        self.statuses[status] += 1
        self.num_series += num_series
        self.seconds += seconds
        self.counts[bisect_left(TIMES, seconds)] += 1

    def text(self, *, num_workers: int, num_waiting: int, num_replaced: int) -> str:
        """Return all metrics."""
        return "".join(self._lines(num_workers, num_waiting, num_replaced))

    def _lines(self, num_workers: int, num_waiting: int, num_replaced: int) -> Iterator[str]:
        name = "rnnforecast_serve"
        statuses: Samples = [({"status": str(status)}, count) for status, count in sorted(self.statuses.items())]
        yield from metric_lines(f"{name}_requests_total", "Requests for forecasts by status.", statuses, kind="counter")
        series: Samples = [({}, self.num_series)]
        yield from metric_lines(f"{name}_series_total", "Series forecast.", series, kind="counter")
        yield from metric_lines(f"{name}_workers", "Processes that can forecast.", [({}, num_workers)])
        yield from metric_lines(f"{name}_in_progress", "Requests waiting or computed.", [({}, num_waiting)])
        replaced: Samples = [({}, num_replaced)]
        words = "Processes replaced: crashed, or over the time limit."
        yield from metric_lines(f"{name}_workers_replaced_total", words, replaced, kind="counter")
        yield from self._histogram(f"{name}_request_seconds")

    def _histogram(self, name: str) -> Iterator[str]:
        yield f"# HELP {name} Time from request to answer.\n# TYPE {name} histogram\n"
        total = 0
        for end, count in zip((*map(str, TIMES), "+Inf"), self.counts, strict=True):
            total += count
            yield f'{name}_bucket{{le="{end}"}} {total}\n'
        yield f"{name}_sum {self.seconds:.3f}\n{name}_count {total}\n"
