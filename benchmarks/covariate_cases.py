"""Forecasts without training on series with covariates known ahead, next to the same forecasts without them.

Four simulated series follow a known law; the bar is that law, fitted on the rows before each window, with the lag-1
correlation of its errors. Three public files have the bars of the table they were compared in. More rows add
columns that tell nothing to series of the same files, past covariates, known up to the cutoff alone, and static ones, which
short series of a panel share with long ones.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from publish import make_parser, publish

import rnnforecast
from rnnforecast.config import DataSettings

SEEDS = range(3)
#: The windows of `vic_elec` are the last ones before these days.
ENDS = ("2014-03-01", "2014-06-01", "2014-09-01", "2014-12-01")
Matrix = np.ndarray


@dataclass(frozen=True)
class Case:
    """One table with covariates, and how it is scored."""

    frame: pd.DataFrame
    covariates: tuple[str, ...]
    horizon: int
    season: int  # of the error scale
    num_windows: int
    reading: dict[str, Any]
    law: Matrix | None = None  # [N, P] columns of the law that made the series
    is_log: bool = False
    reach: float | None = None
    role: str = "future"  # of the covariates


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--only", nargs="*", default=None, help="names of cases")
    options = parser.parse_args()
    rows = []
    for name, cases in all_cases(options.data / "csv"):
        if options.only and not any(part in name for part in options.only):
            continue
        scored = [measure(case) for case in cases]
        without, having, bar = (float(np.exp(np.mean(np.log(column)))) for column in zip(*scored, strict=True))
        shown = f"{bar:.3f}" if np.isfinite(bar) else ""
        rows.append([name, f"{without:.3f}", f"**{having:.3f}**", f"{100 * (having / without - 1):+.1f} %", shown])
        rows[-1].append(f"{having / bar:.2f}" if shown else "")
        print(rows[-1], flush=True)
    header = ("series", "MASE without", "MASE with", "gain", "bar", "with / bar")
    notes = [
        "`evaluate base` with the defaults of the tool, on the last windows of each series; MASE on a scale of the rows "
        "before them, geometric mean over three seeds of a simulated series, or over the files and ends that are named. The "
        "bar of a simulated series is its law, fitted on the rows before each window; that of a public file was measured "
        "with a ridge regression and `base` on its remainder. Columns that tell nothing are added to seven of these series.",
    ]
    publish("covariate_cases", header, rows, notes=notes, dry_run=options.dry_run)


def all_cases(folder: Path) -> list[tuple[str, list[Case]]]:
    """Return the cases of each row of the table."""
    simulated: dict[str, Callable[[np.random.Generator], Case]] = {
        "promotion and price, 840 days": promotion_and_price,
        "U-shaped temperature, 1,000 days": temperature,
        "holiday and its eve, 840 days": holiday,
        "promotion, 160 weeks": weekly_promotion,
    }
    found = [(name, [make(np.random.default_rng(seed)) for seed in SEEDS]) for name, make in simulated.items()]
    energy = epf(folder)
    found += [(f"EPF {name}", [case]) for name, case in energy.items()]
    victoria = vic_elec(folder)
    found += [("vic_elec, hourly, four seasons", [victoria_until(victoria, end) for end in ENDS])]
    found += [("walmart", [walmart(folder)])]
    plain = [make(np.random.default_rng(9)) for make in simulated.values()] + [*energy.values(), victoria]
    for name, walks in (("two columns of noise", False), ("two random walks", True)):
        found.append((name, [with_noise(case, walks=walks) for case in plain]))
    leads = {
        "noise that leads by 3 days": (3, 0.6),
        "noise that leads by 20 days": (20, 0.5),
        "a walk that leads by 7 days": (7, 1.0),
    }
    for name, (lag, memory) in leads.items():
        found.append((f"past: {name}, 500 days", [leading(np.random.default_rng(seed), lag, memory) for seed in SEEDS]))
    past = [replace(with_noise(case, walks=True), role="past") for case in plain]
    found.append(("past: two random walks", past))
    for name, has_prices in (("seasons", False), ("seasons and effects of the price", True)):
        cases = [shops(np.random.default_rng(seed), has_prices=has_prices) for seed in SEEDS]
        found.append((f"static: region, with {name} of its own, 40 shops", cases))
    cases = [shops(np.random.default_rng(seed), has_prices=False, tells=False) for seed in SEEDS]
    found.append(("static: region that tells nothing, 40 shops", cases))
    found.append(("static: industry, Australian retail, every other series short", [australian_retail(folder)]))
    return found


def measure(case: Case) -> tuple[float, float, float]:
    """Return the MASE without covariates, with them, and the bar."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.csv"
        case.frame.to_csv(path, index=False)
        without, having = (score(case, path, names) for names in ((), case.covariates))
    bar = case.reach if case.law is None else law_error(case)
    return without, having, np.nan if bar is None else bar


def score(case: Case, path: Path, names: tuple[str, ...]) -> float:
    """Return the MASE of `evaluate base` on the last windows, on a scale of the rows before them."""
    reading = DataSettings(horizon=case.horizon, **{case.role: names}, **case.reading)
    result = rnnforecast.evaluate(
        "base", rnnforecast.Files((path,), (), reading), num_windows=case.num_windows, window_step=case.horizon
    )
    backtest, series = result.backtest, result.series
    assert backtest is not None
    assert series is not None
    median = backtest.quantiles["ensemble"][..., backtest.quantile_levels.index(0.5)]
    errors = np.abs(median - backtest.actuals.values).mean(axis=1)
    found = []
    for number in range(series.num_series):
        values = series.values[series.offsets[number] : series.offsets[number + 1]]
        past = values[: len(values) - case.num_windows * case.horizon]
        own = errors[backtest.windows.series == number]
        found.append(own.mean() / np.nanmean(np.abs(past[case.season :] - past[: -case.season])))
    return float(np.mean(found))


def law_error(case: Case) -> float:
    """Return the MASE of the law itself, fitted by least squares on the rows before each window."""
    assert case.law is not None
    values = case.frame["value"].to_numpy(float)
    target = np.log(values) if case.is_log else values
    errors = []
    for window in range(case.num_windows):
        cutoff = len(values) - (window + 1) * case.horizon
        fitted, *_ = np.linalg.lstsq(case.law[:cutoff], target[:cutoff], rcond=None)
        rest = target[:cutoff] - case.law[:cutoff] @ fitted
        memory = float(rest[1:] @ rest[:-1] / (rest[:-1] @ rest[:-1]))
        ahead = slice(cutoff, cutoff + case.horizon)
        forecast = case.law[ahead] @ fitted + rest[-1] * memory ** np.arange(1, case.horizon + 1)
        errors.append(np.abs((np.exp(forecast) if case.is_log else forecast) - values[ahead]).mean())
    past = values[: len(values) - case.num_windows * case.horizon]
    return float(np.mean(errors) / np.abs(past[case.season :] - past[: -case.season]).mean())


# Series with a known law.


def noise(generator: np.random.Generator, count: int, spread: float, memory: float = 0.5) -> np.ndarray:
    """Return errors that remember the step before."""
    shocks = generator.normal(0, spread * np.sqrt(1 - memory**2), count)
    values = np.zeros(count)
    for step in range(1, count):
        values[step] = memory * values[step - 1] + shocks[step]
    return values


def weekdays(count: int) -> np.ndarray:
    return np.asarray(np.arange(count)[:, None] % 7 == np.arange(7), dtype=np.float64)


def days(count: int) -> pd.DatetimeIndex:
    return pd.date_range("2021-01-04", periods=count)


WEEK = np.array([0, 2, 4, 4, 6, 10, 8.0])


def promotion_and_price(generator: np.random.Generator) -> Case:
    count = 840
    price = 10 + generator.choice([0, 0, 0, -1, -2, 1.0], count)
    promotion = (generator.random(count) < 0.15) * 1.0
    level = np.log(50 + WEEK)[np.arange(count) % 7]
    value = np.exp(level - 1.5 * np.log(price / 10) + 0.4 * promotion + noise(generator, count, 0.06))
    frame = pd.DataFrame({"date": days(count), "value": value, "promotion": promotion, "price": price})
    law = np.column_stack([weekdays(count), np.log(price), promotion])
    return Case(frame, ("promotion", "price"), 14, 7, 10, {}, law, is_log=True)


def temperature(generator: np.random.Generator) -> Case:
    count = 1_000
    degrees = 15 + 10 * np.sin(2 * np.pi * np.arange(count) / 365) + noise(generator, count, 4, 0.7)
    value = 100 + 0.15 * (degrees - 15) ** 2 + WEEK[np.arange(count) % 7] + noise(generator, count, 3)
    frame = pd.DataFrame({"date": days(count), "value": value, "temperature": degrees})
    law = np.column_stack([weekdays(count), degrees, degrees**2])
    return Case(frame, ("temperature",), 14, 7, 10, {}, law)


def holiday(generator: np.random.Generator) -> Case:
    count = 840
    free = np.zeros(count)
    free[generator.choice(count - 1, 46, replace=False)] = 1
    eve = np.append(free[1:], 0)
    level = np.log(50 + WEEK)[np.arange(count) % 7]
    value = np.exp(level - 0.5 * free + 0.35 * eve + noise(generator, count, 0.06))
    frame = pd.DataFrame({"date": days(count), "value": value, "holiday": free})
    law = np.column_stack([weekdays(count), free, eve])
    return Case(frame, ("holiday",), 14, 7, 10, {}, law, is_log=True)


def weekly_promotion(generator: np.random.Generator) -> Case:
    count = 160
    promotion = (generator.random(count) < 0.2) * 1.0
    angle = 2 * np.pi * np.arange(count) / 52.18
    value = np.exp(5 + 0.15 * np.sin(angle) + 0.35 * promotion + noise(generator, count, 0.08))
    dates = pd.date_range("2021-01-04", periods=count, freq="W-MON")
    frame = pd.DataFrame({"date": dates, "value": value, "promotion": promotion})
    law = np.column_stack([np.ones(count), np.sin(angle), np.cos(angle), promotion])
    return Case(frame, ("promotion",), 8, 1, 8, {}, law, is_log=True)


def leading(generator: np.random.Generator, lag: int, memory: float) -> Case:
    """Return daily rows that follow a covariate after `lag` days; a memory of 1 makes it a random walk."""
    count = 500
    values = generator.normal(size=count).cumsum() if memory == 1 else noise(generator, count, 2, memory)
    followed = np.concatenate([np.full(lag, values[0]), values[:-lag]])
    value = 150 + WEEK[np.arange(count) % 7] + 2 * followed + noise(generator, count, 2)
    frame = pd.DataFrame({"date": days(count), "value": value, "visits": 20 + values})
    return Case(frame, ("visits",), 14, 7, 10, {"target": ("value",)}, role="past")


def shops(generator: np.random.Generator, *, has_prices: bool, tells: bool = True) -> Case:
    """Return months of shops of four regions, half of them open for 14 to 22 months before the window."""
    profile = 0.25 * generator.normal(size=(4, 12))
    elasticity = np.linspace(-3, -0.3, 4)
    parts = []
    for shop in range(40):
        count = 12 + (72 if shop % 2 else int(generator.integers(14, 23)))
        kind = shop % 20 // 5 if tells else int(generator.integers(4))
        months = pd.date_range(end="2023-12-01", periods=count, freq="MS")
        price = 10 * (1 + 0.15 * generator.choice([0, 0, -1, -2, 1], count))
        level = generator.normal(4, 1) + profile[kind][months.month - 1]
        level = level + (elasticity[kind] * np.log(price / 10) if has_prices else 0)
        value = np.exp(level + noise(generator, count, 0.1))
        region = f"r{shop % 20 // 5}"
        parts.append(
            pd.DataFrame({"shop": f"s{shop}", "month": months, "value": value, "price": price, "region": region})
        )
    reading = {"id": ("shop",), "target": ("value",), "future": ("price",) if has_prices else ()}
    return Case(pd.concat(parts), ("region",), 12, 1, 1, reading, role="static")


# Public files.


def epf(folder: Path) -> dict[str, Case]:
    frame = pd.read_csv(folder / "energy" / "EPF_FR_BE.csv")
    reach = {"FR": 1.0, "BE": 1.88}
    return {
        str(name): Case(
            rows.drop(columns="unique_id"),
            ("gen_forecast", "system_load"),
            24,
            24,
            10,
            {"time": "ds", "target": ("y",)},
            reach=reach[str(name)],
        )
        for name, rows in frame.groupby("unique_id")
    }


def vic_elec(folder: Path) -> Case:
    frame = pd.read_csv(folder / "energy" / "vic_elec.csv")
    local = pd.to_datetime(frame["Time"], utc=True).dt.tz_convert("Australia/Melbourne").dt.tz_localize(None)
    hours = frame.assign(hour=local.dt.floor("h")).groupby("hour")
    rows = hours.agg({"Demand": "mean", "Temperature": "mean", "Holiday": "max"}).astype(float)
    rows = rows.asfreq("h").interpolate().reset_index()
    rows["Holiday"] = rows["Holiday"].round()
    reading = {"time": "hour", "target": ("Demand",)}
    return Case(rows, ("Temperature", "Holiday"), 24, 24, 10, reading)


def victoria_until(case: Case, end: str) -> Case:
    """Return a year of rows before a day."""
    frame = case.frame[case.frame["hour"] < pd.Timestamp(end)]
    return replace(case, frame=frame.tail(366 * 24).reset_index(drop=True))


def walmart(folder: Path) -> Case:
    frame = pd.read_csv(folder / "retail" / "walmart_mini.csv")
    names = ("Temperature", "Fuel_Price", "CPI", "Unemployment", "IsHoliday")
    frame = frame[["Store", "Dept", "Date", "Weekly_Sales", *names]]
    reading = {"time": "Date", "target": ("Weekly_Sales",), "id": ("Store", "Dept")}
    return Case(frame, names, 8, 52, 5, reading, reach=1.05)


def australian_retail(folder: Path) -> Case:
    frame = pd.read_csv(folder / "retail" / "aus_retail.csv")
    frame["Month"] = pd.to_datetime(frame["Month"], format="%Y %b")
    series = [rows.sort_values("Month") for _, rows in frame.groupby("Series ID")]
    lengths = np.where(np.arange(len(series)) % 2, 108, np.random.default_rng(0).integers(26, 35, len(series)))
    kept = pd.concat([rows.tail(length) for rows, length in zip(series, lengths.tolist(), strict=True)])
    reading = {"time": "Month", "target": ("Turnover",), "id": ("Series ID",)}
    return Case(kept[["Series ID", "Month", "Turnover", "Industry"]], ("Industry",), 12, 1, 1, reading, role="static")


def with_noise(case: Case, *, walks: bool) -> Case:
    """Return a case whose covariates tell nothing about it."""
    values = np.random.default_rng(5).normal(size=(len(case.frame), 2))
    values = values.cumsum(axis=0) if walks else values
    frame = case.frame.drop(columns=list(case.covariates)).assign(first=values[:, 0], second=values[:, 1])
    return Case(frame, ("first", "second"), case.horizon, case.season, case.num_windows, case.reading)


if __name__ == "__main__":
    main()
