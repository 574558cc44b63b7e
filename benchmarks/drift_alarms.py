"""How often the tests of `rnnforecast score` give a false alarm within a year, and how soon they find a change.

A year is 365 units: cutoffs of daily forecasts. Nothing is trained; losses and hits are drawn.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from publish import make_parser, publish

from rnnforecast.arrays import Float64Array
from rnnforecast.evaluation.drift import ALARM_UNITS, Watch, watch_coverage, watch_losses, watch_naive

Make = Callable[[np.random.Generator, int], Float64Array]
Test = Callable[[Float64Array], Watch]
CHANGE_AFTER = 90


def normal(shift: float = 0.0) -> Make:
    return lambda generator, count: generator.normal(shift, size=count)


def heavy_tails(generator: np.random.Generator, count: int) -> Float64Array:
    return generator.standard_t(2, size=count)


def chain(correlation: float) -> Make:
    def make(generator: np.random.Generator, count: int) -> Float64Array:
        steps = generator.normal(size=count + 50)
        for place in range(1, len(steps)):
            steps[place] += correlation * steps[place - 1]
        return steps[50:]

    return make


def hits(share: float) -> Make:
    return lambda generator, count: (generator.random(count) < share).astype(float)


def coverage(level: int) -> Test:
    return lambda shares: watch_coverage(shares, level=level)


SOUND = (
    ("errors as before", watch_losses, "independent, normal", normal()),
    ("errors as before", watch_losses, "independent, heavy tails (t, 2 degrees)", heavy_tails),
    ("errors as before", watch_losses, "autocorrelation 0.3", chain(0.3)),
    ("errors as before", watch_losses, "autocorrelation 0.5", chain(0.5)),
    ("naive forecast", watch_naive, "as often better as worse", normal()),
    ("80 % interval", coverage(80), "covers 80 %", hits(0.80)),
    ("80 % interval", coverage(80), "covers 75 %, the edge", hits(0.75)),
    ("95 % interval", coverage(95), "covers 95 %", hits(0.95)),
    ("95 % interval", coverage(95), "covers 92 %, the edge", hits(0.92)),
)
CHANGED = (
    ("errors as before", watch_losses, "1 standard deviation more", normal(), normal(1.0)),
    ("errors as before", watch_losses, "2 standard deviations more", normal(), normal(2.0)),
    ("naive forecast", watch_naive, "better in 7 of 10", normal(-0.5), normal(0.52)),
    ("naive forecast", watch_naive, "better in 9 of 10", normal(-0.5), normal(1.28)),
    ("80 % interval", coverage(80), "covers 60 %", hits(0.8), hits(0.6)),
    ("80 % interval", coverage(80), "covers 30 %", hits(0.8), hits(0.3)),
    ("95 % interval", coverage(95), "covers 80 %", hits(0.95), hits(0.8)),
    ("95 % interval", coverage(95), "covers 50 %", hits(0.95), hits(0.5)),
)


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--models", type=int, default=1_000, help="models drawn for each line (default 1000)")
    options = parser.parse_args()
    alarms = ("test", "undisturbed", f"false alarms in {ALARM_UNITS} units %")
    publish("drift_alarms", alarms, [false_alarms(*line, options.models) for line in SOUND], dry_run=options.dry_run)
    late = ("test", f"after {CHANGE_AFTER} sound units", f"found in {ALARM_UNITS} %", "median delay in units")
    publish("drift_delays", late, [delays(*line, options.models // 4) for line in CHANGED], dry_run=options.dry_run)


def false_alarms(name: str, test: Test, words: str, make: Make, models: int) -> tuple[str, str, str]:
    """Return one line: how many of so many undisturbed models give an alarm within a year."""
    states = [test(make(np.random.default_rng(seed), ALARM_UNITS)).state for seed in range(models)]
    return name, words, f"{100 * states.count('alarm') / models:.1f}"


def delays(name: str, test: Test, words: str, before: Make, after: Make, models: int) -> tuple[str, str, str, str]:
    """Return one line: how many changes are found, and how late."""
    found = []
    for seed in range(models):
        generator = np.random.default_rng(seed)
        watch = test(np.r_[before(generator, CHANGE_AFTER), after(generator, ALARM_UNITS - CHANGE_AFTER)])
        found.append(watch.since - CHANGE_AFTER if watch.since is not None else np.inf)
    return name, words, f"{100 * np.isfinite(found).mean():.0f}", f"{np.median(found):g}"


if __name__ == "__main__":
    main()
