"""Forecast panels with the network that comes with the tool, which has seen none of them: accuracy on their test parts.

The published test part of each panel is forecast by `rnnforecast predict base`, with season length and horizon given.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from publish import FOLDER, make_parser, publish

import rnnforecast
from rnnforecast.config import DataSettings

#: Panel -> season length, horizon, MASE to reach.
PANELS = {
    "m3_monthly": (12, 18, 0.785),
    "m3_yearly": (1, 6, 2.60),
    "m1_quarterly": (4, 8, 1.58),
    "tourism_monthly": (12, 24, 1.37),
    "hospital": (12, 12, 0.748),
    "nn5_daily": (7, 56, 0.84),
    "m4_hourly": (24, 48, 0.90),
}
DECILES = tuple(round(0.1 * number, 1) for number in range(1, 10))
AIR_PASSENGERS = FOLDER.parent / "sample_data" / "airline_passengers.csv"


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    options = parser.parse_args()
    rows, ratios = [], []
    for name, (season_length, horizon, reach) in PANELS.items():
        folder = options.data / name
        started = time.monotonic()
        frame = rnnforecast.predict(
            "base",
            data=[folder / "train.parquet"],
            horizon=horizon,
            quantiles=DECILES,
            reading=DataSettings(season_length=season_length),
        ).frame
        seconds = time.monotonic() - started
        train, test = (pd.read_parquet(folder / f"{part}.parquet") for part in ("train", "test"))
        scores = score(frame, train, test, season_length)
        ratios.append(scores["mase"] / scores["naive"])
        rows.append(
            [
                name.replace("_", " "),
                f"**{scores['mase']:.3f}**",
                f"{reach:.3f}",
                f"{scores['naive']:.3f}",
                f"{ratios[-1]:.3f}",
                f"{scores['smape']:.2f}",
                f"{scores['wql']:.4f}",
                f"{100 * scores['coverage']:.0f} %",
                f"{seconds:.1f}",
            ]
        )
    rows.append(["geometric mean", "", "", "", f"**{np.exp(np.mean(np.log(ratios))):.3f}**", "", "", "", ""])
    rows.append(["AirPassengers, last 12", f"**{air_passengers():.3f}**", "0.420", "1.571", "", "", "", "", ""])
    header = (
        "panel",
        "MASE",
        "reach",
        "seasonal naive",
        "ratio",
        "sMAPE %",
        "WQL",
        "in 80 %",
        "seconds with reading",
    )
    publish("zero_shot", header, rows, dry_run=options.dry_run)


def score(frame: pd.DataFrame, train: pd.DataFrame, test: pd.DataFrame, season_length: int) -> dict[str, float]:
    """Return MASE (and that of seasonal naive), sMAPE, weighted quantile loss and coverage of the 80 % interval."""
    actual = {item: part["y"].to_numpy(float) for item, part in test.sort_values("ds").groupby("unique_id")}
    past = {item: part["y"].to_numpy(float) for item, part in train.sort_values("ds").groupby("unique_id")}
    errors, naive, smape, inside = [], [], [], []
    pinball, size = np.zeros(len(DECILES)), 0.0
    for item, part in frame.groupby("unique_id"):
        truth, median = actual[str(item)], part["forecast"].to_numpy(float)
        history = past[str(item)]
        scale = np.nanmean(np.abs(history[season_length:] - history[:-season_length]))
        if not scale > 0:
            continue
        errors.append(np.nanmean(np.abs(truth - median)) / scale)
        naive.append(np.nanmean(np.abs(truth - _last_season(history, season_length, len(truth)))) / scale)
        total = np.abs(truth) + np.abs(median)
        smape.append(np.nanmean(200 * np.abs(truth - median) / np.where(total > 0, total, np.nan)))
        levels = part[[f"q{level:g}" for level in DECILES]].to_numpy(float)
        error = truth[:, None] - levels
        pinball += 2 * np.nansum(np.maximum(np.array(DECILES) * error, (np.array(DECILES) - 1) * error), axis=0)
        size += np.nansum(np.abs(truth))
        seen = np.isfinite(truth)
        inside.append(((truth >= levels[:, 0]) & (truth <= levels[:, -1]))[seen])
    return {
        "mase": float(np.mean(errors)),
        "naive": float(np.mean(naive)),
        "smape": float(np.nanmean(smape)),
        "wql": float(np.mean(pinball / size)),
        "coverage": float(np.concatenate(inside).mean()),
    }


def _last_season(history: np.ndarray, season_length: int, horizon: int) -> np.ndarray:
    season = pd.DataFrame(history[len(history) % season_length :].reshape(-1, season_length)).ffill().iloc[-1]
    return np.resize(season.to_numpy(), horizon)


def air_passengers() -> float:
    """Return the MASE of the last 12 months of AirPassengers."""
    table = pd.read_csv(AIR_PASSENGERS)
    known, actual = table.iloc[:-12], table.iloc[-12:, -1].to_numpy(float)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / AIR_PASSENGERS.name
        known.to_csv(path, index=False)
        median = rnnforecast.predict("base", data=[path], horizon=12).frame["forecast"].to_numpy(float)
    past = known.iloc[:, -1].to_numpy(float)
    return float(np.abs(actual - median).mean() / np.abs(past[12:] - past[:-12]).mean())


if __name__ == "__main__":
    main()
