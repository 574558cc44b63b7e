"""Forecast sets of GIFT-Eval by the defaults of `predict base`: errors and coverage beside published models.

`DIR/gift` holds the sets (`unique_id, ds, y`), `terms.csv` (horizon, windows and season of the scale of each
configuration) and `published.csv` (errors as the authors of each model published them). `hospital_M` and `m4_hourly_H`
are the panels of that name under `DIR`. Ratios are to the published seasonal naive forecast; means are geometric.

`--validation` forecasts rows that weights may be chosen by: the last horizon of the training part of seven panels, and
windows of the sets before the first test window of any term. `--weights FILE` serves other weights than the package's.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
from publish import make_parser, publish

import rnnforecast
from rnnforecast.config import DataSettings
from rnnforecast.model_io import base
from rnnforecast.model_io.pack import check_shapes
from rnnforecast.store.model_file import read_model

DECILES = tuple(round(0.1 * number, 1) for number in range(1, 10))
LEVELS = np.asarray(DECILES)
NAIVE = "seasonal_naive"
#: Models that the tool is printed beside.
RIVALS = ("TempoPFN", "chronos-2-synth", "chronos-2", "TiRex", "Reverso-Nano", "chronos_bolt_small")
PANELS = {"hospital_M": "hospital", "m4_hourly_H": "m4_hourly"}
#: Season length by the clock of a configuration, for rows whose time is a number.
SEASONS = {"15min": 96, "h": 24, "D": 7, "W": 52, "ME": 12, "MS": 12, "QE": 4, "YE": 1}


@dataclass(frozen=True)
class Term:
    """One configuration."""

    name: str
    term: str
    freq: str
    horizon: int
    num_windows: int
    season_length: int


#: Panels whose training part is forecast with `--validation`, by 150 series at most.
VALIDATION = (
    Term("m3_monthly", "panel", "ME", 18, 1, 12),
    Term("m3_yearly", "panel", "YE", 6, 1, 1),
    Term("m1_quarterly", "panel", "QE", 8, 1, 4),
    Term("tourism_monthly", "panel", "ME", 24, 1, 12),
    Term("hospital", "panel", "ME", 12, 1, 12),
    Term("nn5_daily", "panel", "D", 56, 1, 7),
    Term("m4_hourly", "panel", "h", 48, 1, 24),
)
MOST_SERIES = 150


@dataclass
class Sums:
    """What errors add up to over the windows of a configuration."""

    scaled: float = 0.0
    steps: float = 0.0
    losses: np.ndarray | None = None
    size: float = 0.0
    naive_scaled: float = 0.0
    naive_loss: float = 0.0
    inside: tuple[float, ...] = (0.0, 0.0, 0.0)
    seen: tuple[float, ...] = (0.0, 0.0, 0.0)


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--weights", type=Path, metavar="FILE", help="serve these weights")
    parser.add_argument("--validation", action="store_true", help="no test window; prints, publishes nothing")
    parser.add_argument("--windows", type=int, default=2, metavar="N", help="validation windows of a set (default 2)")
    options = parser.parse_args()
    if options.weights is not None:
        serve(options.weights)
    if options.validation:
        validate(options.data, num_windows=options.windows)
        return
    published = _published(options.data / "gift" / "published.csv")
    rows, ratios = [], {}
    for term in read_terms(options.data / "gift" / "terms.csv"):
        scores = measure(read_set(options.data, term.name), term)
        key = (term.name, term.term)
        naive = published[key][NAIVE]
        ratios[key] = {"base": (scores["mase"] / naive[0], scores["wql"] / naive[1])}
        for rival in RIVALS:
            found = published[key].get(rival)
            if found is not None:
                ratios[key][rival] = (found[0] / naive[0], found[1] / naive[1])
        rows.append([*key, f"{scores['mase']:.3f}", f"{scores['wql']:.4f}", *_pairs(ratios[key]), _thirds(scores)])
        print(rows[-1], flush=True)
    for label, terms in (("short", {"short"}), ("medium and long", {"medium", "long"}), ("all", None)):
        chosen = [value for (_, term), value in ratios.items() if terms is None or term in terms]
        means = {model: (_mean(chosen, model, 0), _mean(chosen, model, 1)) for model in ("base", *RIVALS)}
        rows.append(["geometric mean", label, "", "", *_pairs(means), ""])
    header = ("set", "term", "MASE", "wQL", "base", *RIVALS, "in 80 % by thirds")
    publish("gift", header, rows, dry_run=options.dry_run)


def serve(path: Path) -> None:
    """Let `predict base` of this process read its weights from a file that `python -m pretraining export` wrote."""
    network = base.BaseNetwork(read_model(path, check_shapes=check_shapes))
    base.read_base = lambda: network  # type: ignore[assignment]
    base.base_ensemble.cache_clear()


def validate(folder: Path, *, num_windows: int) -> None:
    """Print MASE and weighted quantile loss over those of the seasonal naive forecast, and their geometric means."""
    for group, terms in (("panels", panels(folder)), ("sets", sets(folder, num_windows=num_windows))):
        ratios = []
        for frame, term in terms:
            scores = measure(frame, term)
            ratios.append({"base": (scores["mase"] / scores["naive mase"], scores["wql"] / scores["naive wql"])})
            print(f"{term.name:16s} {term.term:7s}", *_pairs(ratios[-1])[:1], _thirds(scores), flush=True)
        if ratios:
            print(f"{group:24s} {_mean(ratios, 'base', 0):.4f} / {_mean(ratios, 'base', 1):.4f}", flush=True)


def panels(folder: Path) -> Iterator[tuple[pd.DataFrame, Term]]:
    """Yield the training part of each panel under a folder: the series long enough, of many some."""
    for term in VALIDATION:
        path = folder / term.name / "train.parquet"
        if path.exists():
            frame = pd.read_parquet(path).sort_values(["unique_id", "ds"], kind="stable")
            lengths = frame.groupby("unique_id").size()
            ids = lengths.index[lengths > term.horizon + max(term.season_length, 4)].to_numpy()
            ids = np.random.default_rng(1).choice(ids, min(MOST_SERIES, len(ids)), replace=False)
            yield frame[frame["unique_id"].isin(ids)], term


def sets(folder: Path, *, num_windows: int) -> Iterator[tuple[pd.DataFrame, Term]]:
    """Yield each set cut before the first test window of any of its terms, and how many windows it has room for."""
    terms = read_terms(folder / "gift" / "terms.csv")
    for term in terms:
        if term.name not in PANELS:
            tested = max(other.horizon * other.num_windows for other in terms if other.name == term.name)
            frame = read_set(folder, term.name)
            frame = frame[frame.groupby("unique_id", sort=False).cumcount(ascending=False) >= tested]
            shortest = int(frame.groupby("unique_id").size().min())
            room = (shortest - 2 * max(SEASONS[term.freq], term.horizon // 2)) // term.horizon
            if min(room, num_windows) > 0:
                yield frame, replace(term, num_windows=min(room, num_windows))


def _mean(ratios: list[dict[str, tuple[float, float]]], model: str, column: int) -> float:
    return float(np.exp(np.mean([np.log(ratio[model][column]) for ratio in ratios if model in ratio])))


def read_terms(path: Path) -> list[Term]:
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Term(
                row["set"],
                row["term"],
                row["freq"],
                int(row["horizon"]),
                int(row["num_windows"]),
                int(row["season_length"]),
            )
            for row in csv.DictReader(file)
        ]


def read_set(folder: Path, name: str) -> pd.DataFrame:
    if name in PANELS:
        parts = [pd.read_parquet(folder / PANELS[name] / f"{part}.parquet") for part in ("train", "test")]
        return pd.concat(parts).sort_values(["unique_id", "ds"], kind="stable")
    return pd.read_parquet(folder / "gift" / f"{name}.parquet")


def measure(frame: pd.DataFrame, term: Term) -> dict[str, float]:
    """Return MASE, weighted quantile loss and coverage of each third of the horizon over all windows."""
    sums = Sums(losses=np.zeros(len(LEVELS)))
    for past, future in cuts(frame, term):
        deciles = _forecast(past, term.horizon, term.freq)
        for (_, rows), actual, forecast in zip(past.groupby("unique_id", sort=False), future, deciles, strict=True):
            _add(sums, rows["y"].to_numpy(np.float64), actual, forecast, term.season_length)
    shares = [inside / max(seen, 1) for inside, seen in zip(sums.inside, sums.seen, strict=True)]
    assert sums.losses is not None
    return {
        "mase": sums.scaled / sums.steps,
        "wql": float(sums.losses.mean() / sums.size),
        "naive mase": sums.naive_scaled / sums.steps,
        "naive wql": sums.naive_loss / sums.size,
        "first": shares[0],
        "second": shares[1],
        "third": shares[2],
    }


def cuts(frame: pd.DataFrame, term: Term) -> Iterator[tuple[pd.DataFrame, list[np.ndarray]]]:
    """Yield the rows before each of the last windows, oldest first, and what followed in each series."""
    place = frame.groupby("unique_id", sort=False).cumcount(ascending=False)  # rows left after this one
    for window in range(term.num_windows):
        left = (term.num_windows - window) * term.horizon
        past, ahead = frame[place >= left], frame[(place < left) & (place >= left - term.horizon)]
        future = [rows["y"].to_numpy(np.float64) for _, rows in ahead.groupby("unique_id", sort=False)]
        yield past, future


def _add(sums: Sums, past: np.ndarray, actual: np.ndarray, deciles: np.ndarray, season_length: int) -> None:
    lag = season_length if season_length < len(past) else 1
    scale = float(np.nanmean(np.abs(past[lag:] - past[:-lag])))
    seen = np.isfinite(actual)
    naive = np.resize(past[-lag:], len(actual))
    missed = np.abs(actual - np.where(np.isnan(naive), np.nanmean(past), naive))[seen]
    if np.isfinite(scale) and scale > 0:
        sums.naive_scaled += float(missed.sum() / scale)
        sums.scaled += float(np.abs(actual - deciles[:, 4])[seen].sum() / scale)
        sums.steps += float(seen.sum())
    error = (actual[:, None] - deciles)[seen]
    sums.losses = sums.losses + 2 * np.maximum(LEVELS * error, (LEVELS - 1) * error).sum(axis=0)
    sums.naive_loss += float(missed.sum())
    sums.size += float(np.abs(actual[seen]).sum())
    inside = (actual >= deciles[:, 0]) & (actual <= deciles[:, 8]) & seen
    sums.inside = tuple(a + float(b.sum()) for a, b in zip(sums.inside, np.array_split(inside, 3), strict=True))
    sums.seen = tuple(a + float(b.sum()) for a, b in zip(sums.seen, np.array_split(seen, 3), strict=True))


def _forecast(past: pd.DataFrame, horizon: int, freq: str) -> np.ndarray:
    """Forecast by `predict base` with nothing but the horizon given; integer steps need their season named."""
    dated = past["ds"].dtype.kind == "M"
    reading = DataSettings() if dated else DataSettings(season_length=SEASONS[freq])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rows.parquet"
        past.to_parquet(path, index=False)
        frame = rnnforecast.predict("base", data=[path], horizon=horizon, quantiles=DECILES, reading=reading).frame
    columns = [f"q{level:g}" for level in DECILES]
    found = {str(item): rows[columns].to_numpy(np.float64) for item, rows in frame.groupby("unique_id", sort=False)}
    return np.stack([found[str(item)] for item in past["unique_id"].unique()])


def _published(path: Path) -> dict[tuple[str, str], dict[str, tuple[float, float]]]:
    found: dict[tuple[str, str], dict[str, tuple[float, float]]] = {}
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["mase"] and row["wql"]:
                key = (row["set"], row["term"])
                found.setdefault(key, {})[row["model"]] = float(row["mase"]), float(row["wql"])
    return found


def _pairs(values: dict[str, tuple[float, float]]) -> list[str]:
    return [
        f"{values[model][0]:.3f} / {values[model][1]:.3f}" if model in values else "" for model in ("base", *RIVALS)
    ]


def _thirds(scores: dict[str, float]) -> str:
    return " ".join(f"{100 * scores[name]:.0f}" for name in ("first", "second", "third"))


if __name__ == "__main__":
    main()
