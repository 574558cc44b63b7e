"""The tasks of `speed.py`: files that every peer reads, the test part, and the arithmetic of one network.

T1 AirPassengers; T3 M4 hourly; T4 ETTh1, target OT, standardised; T5 a panel of monthly series. Dates of panels that
count steps are made up, because some peers need them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from publish import FOLDER

if TYPE_CHECKING:
    from rnnforecast.arrays import Float64Array


AIR_PASSENGERS = FOLDER.parent / "sample_data" / "airline_passengers.csv"
HIDDEN_SIZE = 64
# of ETTh1: rows to learn from, where test rows begin and end, rows between the test windows that are forecast
ETTH1_ROWS, ETTH1_TEST, ETTH1_STRIDE = 8640, (11520, 14400), 24
# enough for the longest lag of any peer (gluonts reads 721 hours back, before its look-back)
HISTORY_ROWS = 1_200
FIRST_DAY = pd.Timestamp("1950-01-01")


@dataclass(frozen=True)
class Plan:
    """What a task is, before its files are written."""

    name: str
    words: str
    freq: str
    season_length: int
    horizon: int
    context_length: int
    batch_size: int
    num_steps: int
    metric: str


PLANS = {
    "T1": Plan("T1", "AirPassengers", "MS", 12, 12, 24, 32, 500, "MASE"),
    "T3": Plan("T3", "M4 hourly, 414 series", "h", 24, 48, 96, 128, 500, "MASE"),
    "T4": Plan("T4", "ETTh1, target OT", "h", 24, 96, 336, 128, 300, "MSE"),
    "T5": Plan("T5", "M3 monthly, 1,428 series, in place of M4 monthly", "MS", 12, 18, 36, 128, 500, "MASE"),
}


@dataclass(frozen=True)
class Work:
    """One task with its files, and what its forecasts are scored by."""

    plan: Plan
    file: Path
    num_steps: int
    single: Path
    actual: dict[str, Float64Array]
    scales: dict[str, float]

    def score(self, path: Path) -> float:
        """Return MASE (mean over series) or MSE of a forecast file; every step must be forecast."""
        frame = pd.read_csv(path, dtype={"unique_id": str}).sort_values(["unique_id", "step"])
        found = {str(item): part["yhat"].to_numpy(float) for item, part in frame.groupby("unique_id")}
        missing = [item for item in self.actual if len(found.get(item, ())) != self.plan.horizon]
        if missing or not np.isfinite(frame["yhat"]).all():
            raise ValueError(f"{len(missing)} series have no forecast, or not all of it is finite")
        errors = [truth - found[item] for item, truth in self.actual.items()]
        if self.plan.metric == "MSE":
            return float(np.mean([np.mean(error**2) for error in errors]))
        scaled = [np.mean(np.abs(error)) / self.scales[item] for item, error in zip(self.actual, errors, strict=True)]
        return float(np.mean(scaled))

    def operations(self, *, cell: str, unrolled: int = 0) -> float:
        """Return the floating-point operations of the recurrent layer in a fit: forward, and twice as many back."""
        gates = {"gru": 3, "lstm": 4}[cell]
        steps = self.plan.context_length + unrolled
        forward = 2 * gates * HIDDEN_SIZE * (HIDDEN_SIZE + 1) * steps
        return 3.0 * forward * self.plan.batch_size * self.num_steps


def prepare(name: str, data: Path, folder: Path, *, num_steps: int | None, max_series: int | None) -> Work:
    """Write the files of a task into a folder."""
    plan = PLANS[name]
    rows, history, actual = {"T1": _air_passengers, "T4": _etth1}.get(name, _panel)(plan, data)
    if max_series is not None:
        kept = list(actual)[:: -(-len(actual) // max_series)]
        actual = {item: actual[item] for item in kept}
        history = history[history["unique_id"].isin(kept)]
        rows = rows if name == "T4" else history
    season = plan.season_length
    scales = {
        str(item): float(np.abs(part.to_numpy()[season:] - part.to_numpy()[:-season]).mean())
        for item, part in rows.groupby("unique_id")["y"]
    }
    actual = {item: values for item, values in actual.items() if scales.get(item, 1.0) > 0}
    folder.mkdir(parents=True)
    files = {"rows": rows, "history": history, "single": history[history["unique_id"] == next(iter(actual))]}
    for label, frame in files.items():
        frame.to_csv(folder / f"{label}.csv", index=False)
    steps = plan.num_steps if num_steps is None else num_steps
    shape = {key: getattr(plan, key) for key in ("freq", "horizon", "context_length", "batch_size", "season_length")}
    task = {**shape, "num_steps": steps, "seed": 1, **{label: str(folder / f"{label}.csv") for label in files}}
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    return Work(plan, folder / "task.json", steps, folder / "single.csv", actual, scales)


Files = tuple[pd.DataFrame, pd.DataFrame, dict[str, "Float64Array"]]


def _air_passengers(plan: Plan, data: Path) -> Files:
    del data
    frame = pd.read_csv(AIR_PASSENGERS)
    frame = pd.DataFrame(
        {"unique_id": "air", "ds": pd.to_datetime(frame.iloc[:, 0]), "y": frame.iloc[:, -1].astype(float)}
    )
    known = frame.iloc[: -plan.horizon]
    return known, known, {"air": frame["y"].to_numpy()[-plan.horizon :]}


def _etth1(plan: Plan, data: Path) -> Files:
    """Learn from the first part; every window that is tested is a series of its own, its last rows the look-back."""
    frame = pd.read_csv(data / "etth1" / "ETTh1.csv", parse_dates=["date"])
    values = frame["OT"].to_numpy(float)
    values = (values - values[:ETTH1_ROWS].mean()) / values[:ETTH1_ROWS].std()
    whole = pd.DataFrame({"unique_id": "OT", "ds": frame["date"], "y": values})
    cutoffs = range(ETTH1_TEST[0], ETTH1_TEST[1] - plan.horizon + 1, ETTH1_STRIDE)
    windows = [whole.iloc[cutoff - HISTORY_ROWS : cutoff].assign(unique_id=f"w{cutoff}") for cutoff in cutoffs]
    actual = {f"w{cutoff}": values[cutoff : cutoff + plan.horizon] for cutoff in cutoffs}
    return whole.iloc[:ETTH1_ROWS], pd.concat(windows), actual


def _panel(plan: Plan, data: Path) -> Files:
    folder = data / {"T3": "m4_hourly", "T5": "m3_monthly"}[plan.name]
    train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
    train = train.sort_values(["unique_id", "ds"])
    place = train.groupby("unique_id").cumcount().to_numpy()
    timestamps = pd.date_range(FIRST_DAY, periods=int(place.max()) + 1, freq=plan.freq)
    known = pd.DataFrame({"unique_id": train["unique_id"], "ds": timestamps[place], "y": train["y"].astype(float)})
    ordered = test.sort_values(["unique_id", "ds"]).groupby("unique_id")["y"]
    return known, known, {str(item): part.to_numpy(float) for item, part in ordered}
