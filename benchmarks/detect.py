"""What `rnnforecast detect` finds: false alarms on clean series, simulated faults, three series of NAB, and the bearing.

Nothing is trained, and no setting is chosen here by the labels. NAB's scoring is written out below from its definition
(Lavin and Ahmad 2015) and checked against its published score of the windowed Gaussian detector.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from publish import FOLDER, make_parser, publish

from rnnforecast.arrays import BoolArray, Float64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.read import read_series
from rnnforecast.data.windows import FlatSeries
from rnnforecast.detection.detector import Timing, detect_rows
from rnnforecast.detection.members import Statistic, without_network
from rnnforecast.detection.residuals import Plan, residuals
from rnnforecast.detection.tails import first_of_runs
from rnnforecast.mixture.zero_shot import zero_shot_season
from rnnforecast.model_io.base import base_ensemble
from rnnforecast.workflows.detect import detect

CLEAN_ROWS, SEASON = 100_000, 48
BUDGETS = (1 / 336, 1 / 2016)
#: Published with NAB for the windowed Gaussian detector, standard profile, threshold 1.
PUBLISHED = {
    "ec2_cpu_utilization_24ae8d": -1.266678759349383,
    "machine_temperature_system_failure": -4.0,
    "nyc_taxi": -5.0,
}
FAULTS = {"spike": 1, "shift": 96, "drift": 192, "stuck": 60, "shape": 72, "noise": 72}
BEARING_STOPS = pd.Timestamp("2024-03-30 12:00")


def clean(kind: str, num_rows: int, seed: int) -> Float64Array:
    generator, steps = np.random.default_rng(seed), np.arange(num_rows)
    noise = generator.normal(size=num_rows)
    seasons = 10 * np.sin(2 * np.pi * steps / SEASON) + 3 * np.sin(2 * np.pi * steps / (7 * SEASON))
    if kind == "autocorrelated 0.9":
        for row in range(1, num_rows):
            noise[row] += 0.9 * noise[row - 1]
        return noise
    if kind == "heavy tails (t, 3 degrees)":
        return generator.standard_t(3, size=num_rows)
    return np.asarray(seasons + noise) if kind == "two seasons" else noise


KINDS = ("white", "autocorrelated 0.9", "two seasons", "heavy tails (t, 3 degrees)")


def with_fault(values: Float64Array, fault: str, start: int, generator: np.random.Generator) -> Float64Array:
    """Return a copy with a fault, sized in standard deviations of the noise."""
    values, rows = values.copy(), slice(start, start + FAULTS[fault])
    size = float(np.std(np.diff(values))) / math.sqrt(2)
    part = values[rows]
    sign = generator.choice([-1.0, 1.0])
    values[rows] = {
        "spike": part + 6 * size * sign,
        "shift": part + 2.5 * size * sign,
        "drift": part + 4 * size * np.linspace(0, 1, len(part)),
        "stuck": np.full(len(part), values[start - 1]),
        "shape": 2 * part.mean() - part,
        "noise": part + 2 * size * generator.normal(size=len(part)),
    }[fault]
    return values


@dataclass(frozen=True)
class Series:
    """A series with the statistics of all members."""

    values: Float64Array
    statistics: list[Statistic]
    timing: Timing

    def score(self, alarms_a_row: float, member: str | None = None) -> Float64Array:
        """Return the score of all members together, or of one alone."""
        chosen = [replace(each, values=each.values.copy()) for each in self.statistics if member in (None, each.name)]
        return detect_rows([chosen], self.timing, alarms_a_row=alarms_a_row).score


def series_of(values: Float64Array, season_length: int, *, network: bool = True, max_windows: int = 5_000) -> Series:
    timing, count = Timing.of(season_length, len(values)), len(values)
    statistics = without_network(values, window=timing.window, lag=timing.lag)
    if network:
        nothing, ends = np.zeros((count, 0), np.float32), np.array([0, count])
        flat = FlatSeries(
            values, np.ones(count, np.bool_), ends, ends[1:], ends[:1], nothing, nothing, ends, nothing[:1], np.ones(1)
        )
        ensemble = base_ensemble(season_length)
        plan = Plan(max(-(-count // max_windows), 1), ensemble.members[0].horizon)
        statistics = [*residuals(ensemble, flat, 0, plan).statistics, *statistics]
    return Series(values, statistics, timing)


def onsets(score: Float64Array, gap: int) -> np.ndarray:
    above = np.flatnonzero(score > 1.0)
    return above[first_of_runs(above, gap)] if len(above) else above


def measure_clean() -> list[list[object]]:
    rows: list[list[object]] = []
    for kind in KINDS:
        series = series_of(clean(kind, CLEAN_ROWS, 11), SEASON)
        row: list[object] = [kind]
        for budget in BUDGETS:
            score = series.score(budget)
            allowed = budget * int(np.isfinite(score).sum())
            found = len(onsets(score, series.timing.window))
            row += [f"{found} of {allowed:.0f}", f"{found / allowed:.2f}"]
        rows.append(row)
        print(row, flush=True)
    return rows


@cache
def faulty() -> list[tuple[Series, list[tuple[str, int]]]]:
    """Return series of every kind with all faults in random order, 1,550 rows apart."""
    found = []
    for number, kind in enumerate(KINDS):
        for seed in range(2):
            generator = np.random.default_rng([seed, number, 77])
            values = clean(kind, 12_000, 100 + seed)
            faults = list(zip(generator.permutation(list(FAULTS)), range(2_500, 11_700, 1_550), strict=False))
            for fault, start in faults:
                values = with_fault(values, str(fault), start, generator)
            found.append(
                (series_of(values, SEASON, max_windows=3_000), [(str(fault), start) for fault, start in faults])
            )
    return found


def measure_faults(budget: float) -> list[list[object]]:
    """Return for all members, and for each alone, the fraction of faults found, precision and median delay."""
    rows: list[list[object]] = []
    members = [None, *(each.name for each in faulty()[0][0].statistics)]
    for member in members:
        hits: dict[str, list[bool]] = {fault: [] for fault in FAULTS}
        true, total, delays = 0, 0, []
        for series, faults in faulty():
            window = series.timing.window
            found = onsets(series.score(budget, member), window)
            of_fault = np.zeros(len(found), np.bool_)
            for fault, start in faults:
                inside = (found >= start) & (found < start + FAULTS[fault] + window)
                of_fault |= (found >= start) & (found < start + FAULTS[fault] + 3 * window)
                hits[fault].append(bool(inside.any()))
                delays += [int(found[inside][0]) - start] if inside.any() else []
            true, total = true + int(of_fault.sum()), total + len(found)
        parts = [f"{np.mean(each):.2f}" for each in hits.values()]
        everything = float(np.mean([np.mean(each) for each in hits.values()]))
        delay = f"{np.median(delays):.0f}" if delays else "–"
        rows.append([member or "**all members**", *parts, f"{everything:.2f}", f"{true / max(total, 1):.2f}", delay])
        print(rows[-1], flush=True)
    return rows


def sigmoid_of(position: Float64Array) -> Float64Array:
    """Return the weight of a detection: 2 / (1 + exp(5 x)) - 1, and -1 from 3 windows after one on."""
    return np.where(position >= 3.0, -1.0, 2.0 / (1.0 + np.exp(5.0 * np.minimum(position, 3.0))) - 1.0)


@dataclass(frozen=True)
class Labelled:
    """The rows of a file of NAB that count, with the window of each (-1: none) and the weight of a detection there."""

    window: np.ndarray
    weight: Float64Array
    counts: BoolArray

    @classmethod
    def of(cls, timestamps: pd.Series, windows: list[list[str]], *, false_positive: float = 0.11) -> Labelled:
        """Return the weights of the standard profile: 1 for a true positive, 0.11 for a false one."""
        rows = np.arange(len(timestamps))
        window, position = np.full(len(rows), -1), np.full(len(rows), 3.0)
        for number, (first, last) in enumerate(windows):
            start, end = (int(np.flatnonzero(timestamps == pd.Timestamp(each))[0]) for each in (first, last))
            width = end - start + 1
            inside = (rows >= start) & (rows <= end)
            window[inside] = number
            position[inside] = -(end - rows[inside] + 1) / width
            after = rows > end
            position[after] = (rows[after] - end) / (width - 1)
        weight = sigmoid_of(position)
        true = weight / float(sigmoid_of(np.array([-1.0]))[0])
        probation = min(math.floor(0.15 * len(rows)), 750)
        return cls(window, np.where(window >= 0, true, false_positive * weight), rows >= probation)

    def raw_score(self, detected: BoolArray) -> float:
        """Return the score of detections: the best of each window (-1 for a missed one) and every false positive."""
        detected = detected & self.counts
        total = float(self.weight[detected & (self.window < 0)].sum())
        for number in range(int(self.window.max()) + 1):
            inside = self.weight[detected & (self.window == number)]
            total += float(inside.max()) if len(inside) else -1.0
        return total

    @property
    def num_windows(self) -> int:
        """Number of labelled windows."""
        return int(self.window.max()) + 1


def windowed_gaussian(values: Float64Array) -> Float64Array:
    """Return the score of NAB's windowed Gaussian: 1 less the tail probability in the 1,000 rows before."""
    score = np.zeros(len(values))
    for row in range(1, len(values)):
        past = values[max(0, row - 1_000) : row]
        spread = float(np.std(past)) or 1e-6
        score[row] = 1.0 - 0.5 * math.erfc(abs(values[row] - float(np.mean(past))) / spread / 1.4142)
    return score


def best_normalised(files: list[Labelled], scores: list[Float64Array]) -> tuple[float, float]:
    """Return NAB's score, 0 for no detection and 100 for a perfect one, at the best common threshold, and that."""
    known = np.concatenate([score[score > 0] for score in scores])
    windows = sum(each.num_windows for each in files)
    best = (-np.inf, 1.0)
    for threshold in np.unique(np.quantile(known, np.linspace(0.5, 1, 4_000))) if len(known) else [1.0]:
        raw = sum(each.raw_score(score >= threshold) for each, score in zip(files, scores, strict=True))
        best = max(best, (100.0 * (raw + windows) / (2.0 * windows), float(threshold)))
    return best


def announced(score: Float64Array, gap: int) -> Float64Array:
    """Return scores at the rows that are higher than all of the window before: an alarm is given once, or when it grows."""
    score = np.nan_to_num(score)
    padded = np.concatenate([np.zeros(gap), score])
    before = np.lib.stride_tricks.sliding_window_view(padded, gap)[: len(score)].max(axis=1)
    return np.where(score > before, score, 0.0)


def measure_nab(folder: Path) -> tuple[list[list[object]], list[list[object]]]:
    windows = json.loads((folder / "windows.json").read_text())
    labels: list[Labelled] = []
    series: list[Series] = []
    steps: list[float] = []
    checks: list[list[object]] = []
    for name, limits in windows.items():
        frame = pd.read_csv(folder / name, parse_dates=["timestamp"])
        values = frame["value"].to_numpy(np.float64)
        labels.append(Labelled.of(frame["timestamp"], limits))
        raw = labels[-1].raw_score(windowed_gaussian(values) >= 1.0)
        checks.append([Path(name).stem, f"{raw:.4f}", f"{PUBLISHED[Path(name).stem]:.4f}"])
        print(checks[-1], flush=True)
        read = read_series([folder / name], DataSettings(duplicates="first")).series
        seconds_apart = np.diff(frame["timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64))
        steps.append(float(np.median(seconds_apart)))
        series.append(series_of(values, zero_shot_season(read)))
    rows: list[list[object]] = []
    for member in [None, *(each.name for each in series[0].statistics)]:
        scores = [each.score(step / 604_800, member) for each, step in zip(series, steps, strict=True)]
        given = [announced(score, each.timing.window) for score, each in zip(scores, series, strict=True)]
        best, threshold = best_normalised(labels, given)
        total = sum(each.num_windows for each in labels)
        raw = sum(label.raw_score(score > 1.0) for label, score in zip(labels, given, strict=True))
        found = sum(
            len(set(label.window[label.counts & (score > 1.0)]) - {-1})
            for label, score in zip(labels, given, strict=True)
        )
        begun = [onsets(score, each.timing.window) for score, each in zip(scores, series, strict=True)]
        false = sum(int((label.window[at] < 0).sum()) for label, at in zip(labels, begun, strict=True))
        row = [
            member or "**all members**",
            f"{best:.1f}",
            f"{threshold:.2f}",
            f"{100 * (raw + total) / (2 * total):.1f}",
        ]
        rows.append([*row, f"{found} of {total}", str(false)])
        print(rows[-1], flush=True)
    return checks, rows


def measure_bearing() -> list[list[object]]:
    rows: list[list[object]] = []
    for budget in ("1/week", "1/2w", "1/month"):
        reading = DataSettings(target=("vibration", "temperature"))
        result = detect([FOLDER.parent / "sample_data" / "machine_sensor.csv"], budget=budget, reading=reading)
        starts = [(pd.Timestamp(str(alarm["start"])), str(alarm["kind"])) for alarm in result.alarms]
        wear = [start for start, _ in starts if pd.Timestamp("2024-03-29") <= start < BEARING_STOPS]
        before = [f"{start:%d %b %H:%M} {kind}" for start, kind in starts if start < pd.Timestamp("2024-03-29")]
        hours = f"{(BEARING_STOPS - wear[0]).total_seconds() / 3600:.1f}" if wear else "not found"
        rows.append([budget, hours, ", ".join(before) or "none"])
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--parts", default="bearing,nab,clean,faults", help="parts to run, separated by commas")
    options = parser.parse_args()
    parts = options.parts.split(",")
    header: tuple[str, ...]
    if "bearing" in parts:
        header = ("budget", "hours before the stop", "alarms before the wear begins")
        publish("detect_bearing", header, measure_bearing(), dry_run=options.dry_run)
    if "nab" in parts:
        checks, rows = measure_nab(options.data / "nab")
        publish("detect_nab_check", ("file", "our score", "published"), checks, dry_run=options.dry_run)
        header = (
            "member",
            "best common threshold",
            "that threshold",
            "threshold 1 (1/week)",
            "windows found",
            "false alarms",
        )
        publish("detect_nab", header, rows, dry_run=options.dry_run)
    if "clean" in parts:
        header = ("series", "1 in 336 rows", "ratio", "1 in 2,016 rows", "ratio")
        publish("detect_clean", header, measure_clean(), dry_run=options.dry_run)
    if "faults" in parts:
        header = ("member", *FAULTS, "all", "precision", "median delay in rows")
        publish("detect_faults", header, measure_faults(1 / 672), dry_run=options.dry_run)


if __name__ == "__main__":
    main()
