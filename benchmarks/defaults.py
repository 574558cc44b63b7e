"""What `predict base` makes of one series by its defaults: seasons, level shifts, growth, intervals; beside simple methods.

Real files are forecast before each of their last windows, beside a regression on sines of the year and days of the week
with an autoregressive error, and the same regression with `base` on what it leaves. Simulated series are drawn from laws
whose season, width or best method is known. `--validation` leaves the last windows of the files out and draws other
series: settings are chosen on those, and the table is made without it.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from publish import chosen, make_parser, publish

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.data.calendar.season_tests import SIGNIFICANCE, seasonal_f_test
from rnnforecast.data.calendar.seasonality import choose_season_length
from rnnforecast.mixture.histories import flat_series
from rnnforecast.model_io.base import base_ensemble

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
Draw = Callable[[np.random.Generator, int], np.ndarray]


@dataclass(frozen=True)
class Case:
    """Series of one law: `draw` makes so many rows, the last `horizon` of which are forecast."""

    name: str
    draw: Draw
    rows: int
    horizon: int
    freq: str = "D"  # "step": without a calendar
    season: int = 1
    rival: str = ""  # what `ratio` compares with: "given", "ets"
    width: Callable[[int], np.ndarray] | None = None  # standard deviation of the future by lead
    told: bool = False  # the season is named by `--season-length`
    extra: dict[str, float] = field(default_factory=dict)


def predict(values: np.ndarray, freq: str, horizon: int, *, season: int | None = None) -> np.ndarray:
    """Return the quantiles of one series as a user gets them: [H, len(LEVELS)]."""
    times = np.arange(len(values)) if freq == "step" else pd.date_range("2015-01-05", periods=len(values), freq=freq)
    reading = DataSettings() if season is None else DataSettings(season_length=season)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        pd.DataFrame({"time": times, "y": values}).to_parquet(path, index=False)
        frame = rnnforecast.predict("base", data=[path], horizon=horizon, quantiles=LEVELS, reading=reading).frame
    return frame[[f"q{level:g}" for level in LEVELS]].to_numpy(float)


# ---------------------------------------------------------------- laws


def harmonics(rng: np.random.Generator, length: int, period: float, count: int = 3) -> np.ndarray:
    """Return a smooth season of unit variance."""
    angle = 2 * np.pi * np.arange(length)[:, None] * np.arange(1, count + 1) / period
    wave = np.sin(angle) @ (rng.normal(size=count) / np.arange(1, count + 1)) + np.cos(angle) @ rng.normal(size=count)
    return np.asarray(wave / max(float(wave[: round(period)].std()), 1e-9))


def autoregression(rng: np.random.Generator, length: int, memory: float) -> np.ndarray:
    values = np.zeros(length + 50)
    for step in range(1, length + 50):
        values[step] = memory * values[step - 1] + rng.normal()
    return values[50:]


def one_sine(rng: np.random.Generator, length: int, *, period: float, size: float, noise: float) -> np.ndarray:
    angle = 2 * np.pi * np.arange(length) / period + rng.uniform(0, 6)
    return np.asarray(200 + size * np.sin(angle) + noise * rng.normal(size=length))


def seasonal(
    rng: np.random.Generator, length: int, *, period: float, size: float = 2.5, slope: float = 0.0
) -> np.ndarray:
    return 100 + size * harmonics(rng, length, period) + rng.normal(size=length) + slope * np.arange(length)


def fixed_season(rng: np.random.Generator, length: int, *, period: int) -> np.ndarray:
    return 100 + 2 * rng.normal(size=period)[np.arange(length) % period] + rng.normal(size=length)


def shifted(rng: np.random.Generator, length: int, *, age: int) -> np.ndarray:
    week = 10 * harmonics(rng, 7, 7)[np.arange(length) % 7]
    return 100 + week + 4 * rng.normal(size=length) + 40 * (np.arange(length) >= length - 14 - age)


def growing(rng: np.random.Generator, length: int, *, size: float) -> np.ndarray:
    rate = rng.uniform(0.02, 0.04)
    season = size * harmonics(rng, length, 12)
    return 50 * np.exp(rate * np.arange(length) + season + 0.03 * rng.normal(size=length))


def turning(rng: np.random.Generator, length: int) -> np.ndarray:
    turn = length - 12 - 20
    step = np.arange(length, dtype=float)
    return 100 + np.where(step < turn, step, 2 * turn - step) + 3 * rng.normal(size=length)


def spiked(rng: np.random.Generator, length: int) -> np.ndarray:
    week = 4 * harmonics(rng, 7, 7)[np.arange(length) % 7]
    spikes = (rng.random(length) < 0.03) * rng.choice([-60.0, 60.0], length)
    spikes[-14:] = 0
    return np.asarray(100 + week + 3 * rng.normal(size=length) + spikes)


def around(rng: np.random.Generator, length: int, *, level: float, memory: float = 0.7) -> np.ndarray:
    return level + 5 * autoregression(rng, length, memory)


def line(rng: np.random.Generator, length: int) -> np.ndarray:
    return 100 + 0.5 * np.arange(length) + 5 * rng.normal(size=length)


def walk(rng: np.random.Generator, length: int, *, drift: float = 0.0) -> np.ndarray:
    return 500 + np.cumsum(drift + rng.normal(size=length))


def _of_memory(horizon: int) -> np.ndarray:
    return np.asarray(5 * np.sqrt(np.cumsum(0.49 ** np.arange(horizon))))


def _constant(size: float, horizon: int) -> np.ndarray:
    return np.full(horizon, size)


def _of_walk(horizon: int) -> np.ndarray:
    return np.asarray(np.sqrt(np.arange(1.0, horizon + 1)))


GIVEN = [
    Case("36 months", partial(one_sine, period=12, size=40, noise=8), 36, 12, "MS", 12, "given"),
    Case("30 months", partial(seasonal, period=12), 30, 12, "MS", 12, "given"),
    Case("18 months", partial(seasonal, period=12), 18, 12, "MS", 12, "given"),
    Case("150 weeks", partial(seasonal, period=52), 150, 13, "W-MON", 52, "given"),
    Case("180 weeks", partial(seasonal, period=52), 180, 13, "W-MON", 52, "given"),
    Case("steps of 17", partial(one_sine, period=17, size=20, noise=8), 340, 17, "step", 17, "given"),
    Case("steps of 36", partial(one_sine, period=36, size=20, noise=4), 360, 36, "step", 36, "given"),
    Case("steps of 60", partial(one_sine, period=60, size=20, noise=4), 600, 60, "step", 60, "given"),
]
SHAPES = [
    Case("shift in the last week", partial(shifted, age=7), 186, 14, "D", 7, "ets"),
    Case("shift 21 days ago", partial(shifted, age=21), 186, 14, "D", 7, "ets"),
    Case("shift 40 days ago", partial(shifted, age=40), 186, 14, "D", 7, "ets"),
    Case("AR(1) + 1,000,000", partial(around, level=1e6), 200, 12, "D", 1, "ets"),
    Case("AR(1) around 0", partial(around, level=0.0), 200, 12, "D", 1, "ets"),
    Case("exponential growth", partial(growing, size=0.0), 60, 12, "MS", 12, "ets"),
    Case("growth with a season", partial(growing, size=0.1), 60, 12, "MS", 12, "ets"),
    Case("a trend that turned 20 steps ago", turning, 120, 12, "D", 7, "ets"),
    Case("outliers, 3 %", spiked, 196, 14, "D", 7, "ets"),
]
WIDTHS = [
    Case("white noise", lambda rng, n: 100 + 5 * rng.normal(size=n), 120, 12, "MS", 1, width=partial(_constant, 5.0)),
    Case("AR(1)", partial(around, level=100.0), 200, 12, "D", 1, width=_of_memory),
    Case("AR(1) + 1,000,000", partial(around, level=1e6), 200, 12, "D", 1, width=_of_memory),
    Case("linear trend", line, 120, 12, "MS", 1, width=partial(_constant, 5.0)),
    Case("random walk", walk, 200, 12, "D", 1, width=_of_walk),
    Case("random walk with drift", partial(walk, drift=0.5), 200, 12, "D", 1, width=_of_walk),
    *(
        Case(
            f"season of {period}, {seen} seen", partial(fixed_season, period=period), period * seen, period, "step",
            period, width=partial(_constant, 1.0), told=True,
        )
        for period in (5, 7, 10, 12, 24)
        for seen in (5, 8, 20)
    ),
]  # fmt: skip


def measure(case: Case, *, count: int, seed: int) -> dict[str, float]:
    """Return error, coverage and width of the forecasts of `count` series, and errors of the rival."""
    rng = np.random.default_rng(seed)
    errors, others, in80, in95, wide = [], [], [], [], []
    for _ in range(count):
        values = case.draw(rng, case.rows + case.horizon)
        past, future = values[: case.rows], values[case.rows :]
        told = case.season if case.told else None
        found = predict(past, case.freq, case.horizon, season=told)
        errors.append(np.abs(future - found[:, 2]).mean())
        in80.append(((future >= found[:, 1]) & (future <= found[:, 3])).mean())
        in95.append(((future >= found[:, 0]) & (future <= found[:, 4])).mean())
        if case.width is not None:
            spread = case.width(case.horizon)
            wide.append(((found[:, 3] - found[:, 1]) / (2 * 1.2816 * spread)).mean())
            others.append(((found[:, 4] - found[:, 0]) / (2 * 1.96 * spread)).mean())
        elif case.rival == "given":
            others.append(np.abs(future - predict(past, case.freq, case.horizon, season=case.season)[:, 2]).mean())
        elif case.rival == "ets":
            others.append(np.abs(future - exponential_smoothing(past, case.season, case.horizon)).mean())
    return {
        "error": float(np.mean(errors)),
        "other": float(np.mean(others)),
        "in80": float(np.mean(in80)),
        "in95": float(np.mean(in95)),
        "wide": float(np.mean(wide)) if wide else float("nan"),
    }


def exponential_smoothing(past: np.ndarray, season: int, horizon: int) -> np.ndarray:
    from statsforecast.models import AutoETS

    return np.asarray(AutoETS(season_length=season).fit(past).predict(h=horizon)["mean"])


# ---------------------------------------------------------------- real files


@dataclass(frozen=True)
class File:
    """A real series; `week`: the season that the scale of the errors is measured at."""

    read: Callable[[Path], np.ndarray]
    freq: str
    horizon: int
    season: int
    windows: int = 8


def _column(path: str, name: int | str) -> Callable[[Path], np.ndarray]:
    def read(folder: Path) -> np.ndarray:
        table = pd.read_csv(folder / path)
        return (table[name] if isinstance(name, str) else table.iloc[:, name]).dropna().to_numpy(float)

    return read


def _demand_of_days(folder: Path) -> np.ndarray:
    return pd.read_csv(folder / "csv/energy/vic_elec.csv").groupby("Date")["Demand"].sum().to_numpy(float)


FILES = {
    "Melbourne": File(_column("csv/weather/temps.csv", 1), "D", 30, 7),
    "Delhi temperature": File(_column("csv/weather/DailyDelhiClimateTrain.csv", "meantemp"), "D", 30, 7),
    "Delhi humidity": File(_column("csv/weather/DailyDelhiClimateTrain.csv", "humidity"), "D", 30, 7),
    "OPSD consumption": File(_column("csv/energy/opsd_germany_daily.csv", "Consumption"), "D", 30, 7),
    "OPSD solar": File(_column("csv/energy/opsd_germany_daily.csv", "Solar"), "D", 30, 7),
    "vic_elec daily": File(_demand_of_days, "D", 30, 7, 6),
    "taylor": File(_column("csv/energy/taylor_half_hourly.csv", "Y"), "30min", 48, 48),
}


def of_file(file: File, folder: Path, *, skip: int) -> dict[str, float]:
    """Return the MASE of each method over the last windows, `skip` windows left out."""
    values = file.read(folder)
    values = values[: len(values) - skip * file.horizon]
    errors: dict[str, list[float]] = {}
    for window in range(file.windows, 0, -1):
        end = len(values) - window * file.horizon
        past, future = values[:end], values[end : end + file.horizon]
        scale = np.abs(past[file.season :] - past[: -file.season]).mean()
        forecasts = {"served": predict(past, file.freq, file.horizon)[:, 2], **regressions(past, file)}
        for name, forecast in forecasts.items():
            errors.setdefault(name, []).append(float(np.abs(future - forecast).mean() / scale))
    return {name: float(np.mean(found)) for name, found in errors.items()}


def regressions(past: np.ndarray, file: File) -> dict[str, np.ndarray]:
    """Return sines of the year and days of the week (means of the half hours of a week), each with two errors."""
    count, horizon = len(past), file.horizon
    step = np.arange(count + horizon)
    if file.season == 48:
        columns = np.eye(336)[step % 336]
    else:
        angle = 2 * np.pi * step[:, None] * np.arange(1, 4) / 365.25
        columns = np.concatenate([np.eye(7)[step % 7], np.sin(angle), np.cos(angle)], axis=1)
    found = {}
    for name, design in (("", columns), (", trend", np.column_stack([columns, step / count]))):
        fitted = design @ np.linalg.lstsq(design[:count], past, rcond=None)[0]
        rest = past - fitted[:count]
        memory = float(rest[1:] @ rest[:-1] / (rest[:-1] @ rest[:-1]))
        found[f"AR{name}"] = fitted[count:] + rest[-1] * memory ** np.arange(1, horizon + 1)
        ensemble = base_ensemble(file.season)
        flat, windows = flat_series([rest])
        middle = ensemble.quantile_levels.index(0.5)
        found[f"base{name}"] = fitted[count:] + ensemble.forecast(flat, windows, horizon=horizon)[0][:, middle]
    return found


# ---------------------------------------------------------------- seasons found


def found_share(draw: Draw, season: int, rows: int, *, count: int, seed: int, search: bool) -> tuple[float, float]:
    """Return the fractions of series whose season the tool and the F-test find."""
    rng = np.random.default_rng(seed)
    tool = test = 0
    for _ in range(count):
        values = draw(rng, rows)
        seen = np.ones(rows, dtype=np.bool_)
        offsets = np.array([0, rows], dtype=np.int64)
        tool += choose_season_length(values, seen, offsets, default=season, search=search).length == season
        test += seasonal_f_test(values, season).p_value < SIGNIFICANCE
    return tool / count, test / count


def any_season(draw: Draw, rows: int, *, season: int, count: int, seed: int, search: bool) -> float:
    """Return the fraction of series without a season in which the tool finds one."""
    rng = np.random.default_rng(seed)
    offsets = np.array([0, rows], dtype=np.int64)
    seen = np.ones(rows, dtype=np.bool_)
    lengths = [
        choose_season_length(draw(rng, rows), seen, offsets, default=season, search=search).length for _ in range(count)
    ]
    return float(np.mean(np.array(lengths) > 1))


SEEN = ((12, 2), (12, 3), (12, 5), (24, 5), (52, 2.5), (52, 4), (7, 5), (4, 5))
LAWLESS: dict[str, Draw] = {
    "white noise": lambda rng, n: rng.normal(size=n),
    "AR(.6)": partial(autoregression, memory=0.6),
    "random walk": walk,
}


def _seasons(options_count: int, seed: int) -> list[list[str]]:
    rows = []
    for season, seen in SEEN:
        cells = [f"season of {season}, {seen} seen"]
        for size in (1.0, 2.5):
            draw = partial(seasonal, period=season, size=size)
            tool, test = found_share(draw, season, round(season * seen), count=options_count, seed=seed, search=False)
            cells.append(f"{tool:.2f} / {test:.2f}")
        rows.append(cells)
    for period in (5, 8, 10, 17, 30, 36, 60):
        cells = [f"plain steps of {period}, 20 seen"]
        for size in (1.0, 2.5):
            draw = partial(seasonal, period=period, size=size)
            tool, test = found_share(draw, period, 20 * period, count=options_count, seed=seed, search=True)
            cells.append(f"{tool:.2f} / {test:.2f}")
        rows.append(cells)
    for name, law in LAWLESS.items():
        known = [
            any_season(law, round(season * seen), season=season, count=options_count, seed=seed, search=False)
            for season, seen in SEEN
        ]
        plain = [
            any_season(law, length, season=1, count=options_count, seed=seed, search=True) for length in (60, 200, 600)
        ]
        rows.append(
            [f"none: {name}", f"{np.mean(known):.3f} (worst {max(known):.2f})", f"{np.mean(plain):.3f} in steps"]
        )
    return rows


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--parts", help="some of files, given, shapes, widths, found")
    parser.add_argument("--count", type=int, default=20, help="series of each simulated law")
    parser.add_argument("--validation", action="store_true", help="earlier windows and other series")
    options = parser.parse_args()
    parts = chosen(options.parts, ("files", "given", "shapes", "widths", "found"), option="--parts")
    seed = 1_000 if options.validation else 7
    dry_run = options.dry_run or options.validation
    if "files" in parts:
        _files(options.data, validation=options.validation, dry_run=dry_run)
    for part, cases in (("given", GIVEN), ("shapes", SHAPES)):
        if part in parts:
            other = "season given" if part == "given" else "AutoETS"
            header = ("series", "MAE", other, "ratio", "in 80 %", "in 95 %")
            rows = [_errors(case, measure(case, count=options.count, seed=seed)) for case in cases]
            publish(f"defaults_{part}", header, rows, dry_run=dry_run)
    if "widths" in parts:
        columns = ("series", "in 80 %", "in 95 %", "width of 80 % to the true one", "of 95 %")
        rows = [_widths(case, measure(case, count=options.count, seed=seed)) for case in WIDTHS]
        publish("defaults_widths", columns, rows, dry_run=dry_run)
    if "found" in parts:
        kinds = ("series", "as large as the noise: found / F-test", "2.5 times")
        publish("defaults_found", kinds, _seasons(5 * options.count, seed), dry_run=dry_run)


def _files(folder: Path, *, validation: bool, dry_run: bool) -> None:
    rows = []
    for name, file in FILES.items():
        scores = of_file(file, folder, skip=file.windows if validation else 0)
        best = min(value for method, value in scores.items() if method != "served")
        cells = (f"{scores[method]:.3f}" for method in ("AR", "AR, trend", "base", "base, trend"))
        rows.append([name, f"**{scores['served']:.3f}**", *cells, f"{scores['served'] / best:.3f}"])
    header = ("file", "MASE", "AR(1)", "with trend", "`base` on the rest", "with trend", "ratio to the best")
    publish("defaults_files", header, rows, dry_run=dry_run)


def _errors(case: Case, found: dict[str, float]) -> list[str]:
    ratio = found["error"] / found["other"]
    errors = [f"{found['error']:.3g}", f"{found['other']:.3g}", f"**{ratio:.2f}**"]
    return [case.name, *errors, f"{found['in80']:.2f}", f"{found['in95']:.2f}"]


def _widths(case: Case, found: dict[str, float]) -> list[str]:
    return [case.name, *(f"{found[key]:.2f}" for key in ("in80", "in95", "wide", "other"))]


if __name__ == "__main__":
    main()
