"""Zero-shot forecasts of simulated classes beside the simple method that is best for each class, taken afterwards.

The rival knows the outcome: of twelve methods it is the one whose error over all series of a class is smallest. Ratios below
about 1.1 mean little. `--validation` draws other series: settings are chosen on those, and the table is made without it.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from defaults import (
    Draw,
    around,
    autoregression,
    fixed_season,
    growing,
    harmonics,
    line,
    predict,
    seasonal,
    shifted,
    spiked,
    turning,
    walk,
)
from publish import make_parser, publish

GEOMETRIC_GOAL, WORST_GOAL = 1.10, 1.5


@dataclass(frozen=True)
class Class:
    """Series of one law, and the seasons that its regressions know."""

    name: str
    draw: Draw
    rows: int
    horizon: int
    freq: str = "D"  # "step": without a calendar
    seasons: tuple[float, ...] = (1,)  # the first is that of seasonal methods
    is_told: bool = False


def weekly_and_yearly(rng: np.random.Generator, length: int, *, week: float) -> np.ndarray:
    year = 5 * harmonics(rng, length, 365.25, 2)
    days = week * rng.normal(size=7)[np.arange(length) % 7]
    return np.asarray(100 + year + days + 2 * autoregression(rng, length, 0.5))


def christmas(rng: np.random.Generator, length: int) -> np.ndarray:
    steps = np.arange(length)
    peak = np.exp(-0.5 * (((steps - 50) % 52 - 26) / 1.2) ** 2)
    return np.asarray(100 + 5 * harmonics(rng, length, 52) + 40 * np.roll(peak, 26) + 3 * rng.normal(size=length))


def day_and_week(rng: np.random.Generator, length: int, *, day: int) -> np.ndarray:
    steps = np.arange(length)
    hours = 10 * harmonics(rng, day, day)[steps % day]
    weekend = 1 - 0.5 * (steps // day % 7 >= 5)
    return np.asarray(100 + hours * weekend + 20 * weekend + 2 * autoregression(rng, length, 0.7))


def shop(rng: np.random.Generator, length: int) -> np.ndarray:
    hour = np.arange(length) % 24
    rate = np.where((hour >= 8) & (hour < 20), 10 + 8 * np.sin(np.pi * (hour - 8) / 12), 0.0)
    return rng.poisson(rate * rng.uniform(0.7, 1.5)).astype(float)


def percent(rng: np.random.Generator, length: int) -> np.ndarray:
    return np.minimum(99.5 + 0.3 * autoregression(rng, length, 0.5), 100.0)


def heavy(rng: np.random.Generator, length: int) -> np.ndarray:
    values = np.zeros(length + 50)
    noise = rng.standard_t(2.5, size=length + 50)
    for step in range(1, length + 50):
        values[step] = 0.6 * values[step - 1] + noise[step]
    return 100 + values[50:]


def gaps(rng: np.random.Generator, length: int) -> np.ndarray:
    values = day_and_week(rng, length, day=24)
    values[-200:-152] = np.nan
    return values


def missing(rng: np.random.Generator, length: int) -> np.ndarray:
    values = seasonal(rng, length, period=7)
    values[:-14][rng.random(length - 14) < 0.3] = np.nan
    return values


def volatile(rng: np.random.Generator, length: int) -> np.ndarray:
    noise, variance = np.zeros(length), 1.0
    for step in range(length):
        noise[step] = np.sqrt(variance) * rng.normal()
        variance = 0.1 + 0.15 * noise[step] ** 2 + 0.8 * variance
    return 100 + 3 * rng.normal(size=7)[np.arange(length) % 7] + noise


def intermittent(rng: np.random.Generator, length: int, *, rate: float) -> np.ndarray:
    return (rng.random(length) < rate) * (1.0 + rng.poisson(3, size=length))


def counts(rng: np.random.Generator, length: int, *, mean: float, week: float = 0.0) -> np.ndarray:
    days = np.exp(week * rng.normal(size=7))[np.arange(length) % 7]
    return rng.poisson(mean * days).astype(float)


def damped(rng: np.random.Generator, length: int) -> np.ndarray:
    level, slope, values = 100.0, 0.5, np.zeros(length)
    for step in range(length):
        slope = 0.95 * slope + 0.15 * rng.normal()
        level += slope
        values[step] = level + rng.normal()
    return values


def logistic(rng: np.random.Generator, length: int) -> np.ndarray:
    middle = rng.uniform(0.5, 0.9) * length
    return np.asarray(100 / (1 + np.exp(-(np.arange(length) - middle) / (0.08 * length))) + rng.normal(size=length) + 5)


def weekdays(rng: np.random.Generator, length: int) -> np.ndarray:
    return np.asarray(100 + 5 * rng.normal(size=5)[np.arange(length) % 5] + 3 * autoregression(rng, length, 0.6))


CLASSES = [
    Class("steps of 36", partial(seasonal, period=36), 360, 36, "step", (36,)),
    Class("steps of 17", partial(seasonal, period=17), 340, 17, "step", (17,)),
    Class("steps of 10", partial(fixed_season, period=10), 200, 10, "step", (10,)),
    Class("days, year only", partial(weekly_and_yearly, week=0.0), 1200, 30, "D", (7, 365.25)),
    Class("days, week and year", partial(weekly_and_yearly, week=4.0), 1200, 30, "D", (7, 365.25)),
    Class("shift in the last week", partial(shifted, age=7), 186, 14, "D", (7,)),
    Class("shift 40 days ago", partial(shifted, age=40), 186, 14, "D", (7,)),
    Class("weeks with Christmas", christmas, 170, 13, "W-MON", (52,)),
    Class("weeks of a year", partial(seasonal, period=52.18), 170, 13, "W-MON", (52,)),
    Class("18 months", partial(seasonal, period=12), 18, 12, "MS", (12,)),
    Class("30 months", partial(seasonal, period=12), 30, 12, "MS", (12,)),
    Class("half hours, day and week", partial(day_and_week, day=48), 1680, 48, "30min", (48, 336)),
    Class("hours, day and week", partial(day_and_week, day=24), 1000, 48, "h", (24, 168)),
    Class("hours, 720 ahead", partial(day_and_week, day=24), 2500, 720, "h", (24, 168)),
    Class("hours, a gap of 2 days", gaps, 1000, 24, "h", (24, 168)),
    Class("hours of a shop", shop, 700, 48, "h", (24, 168)),
    Class("quarter hours", partial(day_and_week, day=96), 1500, 96, "15min", (96,)),
    Class("4 hours", partial(day_and_week, day=6), 500, 42, "4h", (6, 42)),
    Class("exponential growth", partial(growing, size=0.0), 60, 12, "MS", (12,)),
    Class("growth with a season", partial(growing, size=0.1), 60, 12, "MS", (12,)),
    Class("a trend that turned", turning, 120, 12, "D", (7,)),
    Class("outliers, 3 %", spiked, 196, 14, "D", (7,)),
    Class("per cent near 100", percent, 200, 14, "D", (7,)),
    Class("heavy tails", heavy, 200, 12, "D", (7,)),
    Class("random walk", walk, 200, 12, "D", (7,)),
    Class("random walk with drift", partial(walk, drift=0.5), 200, 12, "D", (7,)),
    Class("business days", weekdays, 500, 10, "B", (5,)),
    Class("volatile, with a week", volatile, 400, 14, "D", (7,)),
    Class("linear trend", line, 120, 12, "MS", (12,)),
    Class("around 0, months", lambda rng, n: seasonal(rng, n, period=12) - 100, 96, 12, "MS", (12,)),
    Class("years with a trend", lambda rng, n: 100 + np.cumsum(1 + rng.normal(size=n)), 30, 6, "YS"),
    Class("intermittent, a fifth", partial(intermittent, rate=0.2), 200, 14, "D", (7,)),
    Class("intermittent, two fifths", partial(intermittent, rate=0.4), 60, 12, "MS", (12,)),
    Class("low counts", partial(counts, mean=1.5), 200, 14, "D", (7,)),
    Class("counts with a week", partial(counts, mean=20, week=0.4), 200, 14, "D", (7,)),
    Class("10 rows", partial(around, level=100.0), 10, 4, "MS", (12,)),
    Class("16 rows", partial(around, level=100.0), 16, 4, "QS", (4,)),
    Class("quarters", partial(seasonal, period=4, slope=0.3), 40, 8, "QS", (4,)),
    Class("white noise", lambda rng, n: 100 + 5 * rng.normal(size=n), 120, 12, "MS", (12,)),
    Class("a third missing", missing, 200, 14, "D", (7,)),
    Class("a slope that fades", damped, 150, 14, "D", (7,)),
    Class("growth that ends", logistic, 120, 12, "MS", (12,)),
]


# ---------------------------------------------------------------- simple methods


def rivals(past: np.ndarray, case: Class, *, ets: bool) -> Iterator[tuple[str, np.ndarray]]:
    """Yield the path of every simple method that the rows allow."""
    horizon, season = case.horizon, int(case.seasons[0])
    seen = np.isfinite(past)
    filled = np.interp(np.arange(len(past)), np.flatnonzero(seen), past[seen])
    lead = np.arange(horizon)
    yield "mean", np.full(horizon, filled.mean())
    yield "median", np.full(horizon, np.median(filled))
    yield "naive", np.full(horizon, filled[-1])
    yield "drift", filled[-1] + (lead + 1) * (filled[-1] - filled[0]) / (len(filled) - 1)
    if len(filled) > season > 1:
        last = filled[-season:]
        yield "seasonal naive", last[lead % season]
        per_step = (filled[season:] - filled[:-season]).mean() / season
        yield "seasonal drift", last[lead % season] + per_step * season * (lead // season + 1)
    yield "smoothing", _smoothed(filled, season, horizon)
    for name, length in (("", season), (" of the long season", int(case.seasons[-1]))):
        if length == 1 or len(filled) >= 2 * length:
            yield f"dummies{name} + AR", _regressed(filled, _dummies(len(filled) + horizon, length), horizon)
    if len(case.seasons) > 1 or season > 12:
        yield "sines + AR", _regressed(filled, _sines(len(filled) + horizon, case.seasons), horizon)
    if filled.min() > 0:
        design = _dummies(len(filled) + horizon, season if len(filled) >= 2 * season else 1)
        yield "log trend", np.exp(_regressed(np.log(filled), design, horizon))
    if ets:
        yield from _statistical(filled, season, horizon)


def _smoothed(values: np.ndarray, season: int, horizon: int) -> np.ndarray:
    """Smooth what the mean of each phase leaves, with the weight of the smallest error one step ahead."""
    steps = np.arange(len(values) + horizon)
    pattern = np.zeros(season)
    if 1 < season <= len(values) // 2:
        pattern = np.array([values[phase::season].mean() for phase in range(season)])
        pattern -= pattern.mean()
    rest = values - pattern[steps[: len(values)] % season]
    best = (np.inf, rest[0])
    for weight in np.linspace(0.05, 1.0, 20):
        level, error = rest[0], 0.0
        for value in rest[1:]:
            error += (value - level) ** 2
            level += weight * (value - level)
        best = min(best, (error, level))
    return np.asarray(best[1] + pattern[steps[len(values) :] % season])


def _dummies(count: int, season: int) -> np.ndarray:
    return np.eye(season)[np.arange(count) % season]


def _sines(count: int, seasons: tuple[float, ...]) -> np.ndarray:
    parts = [np.ones((count, 1))]
    for season in seasons:
        if season <= 7:
            parts.append(_dummies(count, int(season))[:, 1:])
            continue
        angle = 2 * np.pi * np.arange(count)[:, None] * np.arange(1, 4) / season
        parts += [np.sin(angle), np.cos(angle)]
    return np.concatenate(parts, axis=1)


def _regressed(values: np.ndarray, columns: np.ndarray, horizon: int) -> np.ndarray:
    """Continue a regression with a line, and its error as an autoregression of one lag."""
    design = np.column_stack([columns, np.arange(len(columns)) / len(values)])
    fitted = design @ np.linalg.lstsq(design[: len(values)], values, rcond=None)[0]
    rest = values - fitted[: len(values)]
    memory = float(rest[1:] @ rest[:-1] / max(rest[:-1] @ rest[:-1], 1e-12))
    return np.asarray(fitted[len(values) :] + rest[-1] * memory ** np.arange(1, horizon + 1))


def _statistical(values: np.ndarray, season: int, horizon: int) -> Iterator[tuple[str, np.ndarray]]:
    from statsforecast.models import AutoETS, AutoTheta

    length = season if season <= 12 and len(values) > 2 * season else 1
    models: tuple[Callable[..., object], ...] = (AutoETS, AutoTheta)
    for model in models:
        fitted = model(season_length=length).fit(values)  # type: ignore[attr-defined]
        yield model.__name__, np.asarray(fitted.predict(h=horizon)["mean"])


# ---------------------------------------------------------------- the table


def measure(case: Class, *, count: int, seed: int, ets: bool) -> tuple[float, str, float, float]:
    """Return the ratio of errors to those of the best simple method, its name, and what 80 and 95 % intervals hold."""
    rng = np.random.default_rng(seed)
    served, in80, in95 = [], [], []
    others: dict[str, list[float]] = {}
    for _ in range(count):
        values = case.draw(rng, case.rows + case.horizon)
        past, future = values[: case.rows], values[case.rows :]
        seen = np.isfinite(future)
        found = predict(past, case.freq, case.horizon)
        served.append(float(np.abs(future - found[:, 2])[seen].mean()))
        in80.append(((future >= found[:, 1]) & (future <= found[:, 3]))[seen].mean())
        in95.append(((future >= found[:, 0]) & (future <= found[:, 4]))[seen].mean())
        for name, path in rivals(past, case, ets=ets):
            others.setdefault(name, []).append(float(np.abs(future - path)[seen].mean()))
    means = {name: float(np.mean(errors)) for name, errors in others.items() if len(errors) == count}
    best = min(means, key=means.__getitem__)
    return float(np.mean(served)) / means[best], best, float(np.mean(in80)), float(np.mean(in95))


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=None)
    parser.add_argument("--count", type=int, default=20, help="series of each class (default 20)")
    parser.add_argument("--classes", help="only classes whose name holds this")
    parser.add_argument("--no-ets", action="store_true", help="without AutoETS and AutoTheta of statsforecast")
    parser.add_argument("--validation", action="store_true", help="other series")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    rows, ratios = [], []
    for case in CLASSES:
        if options.classes is None or options.classes in case.name:
            seed = 2_000 if options.validation else 11
            ratio, best, in80, in95 = measure(case, count=options.count, seed=seed, ets=not options.no_ets)
            ratios.append(ratio)
            rows.append([case.name, f"{ratio:.2f}", best, f"{in80:.2f}", f"{in95:.2f}"])
            print(*rows[-1], flush=True)
    rows.append(["geometric mean", f"{np.exp(np.mean(np.log(ratios))):.3f}", "", "", ""])
    note = f"{options.count} series each. Goals: a mean of {GEOMETRIC_GOAL:.2f}, none above {WORST_GOAL}."
    header = ("class", "error to that of the best", "which is", "in 80 %", "in 95 %")
    publish("classes", header, rows, notes=[note], dry_run=options.dry_run or options.validation)


if __name__ == "__main__":
    main()
