"""Ledgers made by hand: forecasts for a file of days, as good or as bad as a test wants them."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from rnnforecast.findings import JSONValue
from rnnforecast.store.ledger import Issued, Ledger
from tests.workflows.toy import days, store_of, write_csv

START = np.datetime64("2024-01-01", "us")
DAY = np.timedelta64(1, "D")
HORIZON = 3


def write_walk(folder: Path, num_rows: int, *, name: str = "days.csv", noise: float = 1.0) -> tuple[Path, np.ndarray]:
    """Write a file of days around 100 and return it with its values."""
    values = 100 + noise * np.random.default_rng(3).normal(size=num_rows)
    return write_csv(folder / name, date=days(num_rows), value=[f"{value:.6f}" for value in values]), values.round(6)


def keep_forecasts(
    path: Path,
    values: np.ndarray,
    *,
    cutoffs: range,
    errors: np.ndarray | float = 0.5,
    naive_error: float = 1.0,
    half_width: float = 2.0,
    version: int = 1,
    model: str = "days",
    method: str = "ensemble",
    store: Path | None = None,
) -> Ledger:
    """Keep a forecast of three days after each cutoff (a row number): so far off, its interval so wide.

    `errors` may be one for each cutoff. Steps beyond the values are forecast at 100. The store lies next to the file
    unless one is named.
    """
    ledger = Ledger(store or store_of(path), model)
    known = np.r_[values, np.full(HORIZON, 100.0)]
    lead = np.tile(np.arange(1, HORIZON + 1, dtype=np.int32), len(cutoffs))
    cutoff = np.repeat(np.array(cutoffs), HORIZON)
    actual = known[np.minimum(cutoff + lead, len(known) - 1)]
    forecast = actual + np.repeat(np.broadcast_to(np.asarray(errors, dtype=float), len(cutoffs)), HORIZON)
    count = len(lead)
    ledger.append(
        Issued(
            ids=("[]",),
            targets=("value",),
            item=np.zeros(count, np.int32),
            target=np.zeros(count, np.int32),
            version=np.full(count, version, np.int32),
            cutoff=START + cutoff * DAY,
            timestamp=START + (cutoff + lead) * DAY,
            lead=lead,
            forecast=forecast,
            quantiles=forecast[:, None] + np.array([-1.5, -1.0, 1.0, 1.5]) * half_width,
            baseline=actual + naive_error,
            scale=np.full(count, 2.0),
            last_value=known[cutoff],
            method=(method,),
            served=np.zeros(count, np.int32),
            issued_at=START + cutoff * DAY,
            facts=facts(path, name=model),
        )
    )
    return ledger


def facts(path: Path, *, name: str = "days") -> dict[str, JSONValue]:
    """Return what a ledger says about the rows it was made from."""
    return {
        "name": name,
        "model": f"{name}@1",
        "roles": {"time": "date", "target": ["value"], "id": [], "past": [], "future": [], "static": []},
        "freq": {"unit": "day", "multiple": 1, "phase": 0, "anchor": 0, "day": 1, "timezone": None},
        "season_length": 7,
        "horizon": HORIZON,
        "settings": {},
        "paths": [str(path)],
    }
