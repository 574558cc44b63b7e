"""A warm start against a training from the start, and against the stored model as it is, on rows that came later.

Each file is trained without its last ten horizons and stored; then all rows are there, and both kinds of training are
tested on the same four windows at their end, which none of the three was fitted on.
"""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from publish import make_parser, publish

import rnnforecast
from rnnforecast.training import warm_start

if TYPE_CHECKING:
    from rnnforecast.workflows.results import TrainResult

NEW_HORIZONS, NUM_WINDOWS = 10, 4
SAMPLES = Path(__file__).resolve().parent.parent / "sample_data"


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--sets", nargs="*", help="only these rows of the table")
    parser.add_argument("--steps", type=float, default=warm_start.STEPS_FRACTION, help="fraction of the gradient steps")
    parser.add_argument("--rate", type=float, default=warm_start.RATE_FRACTION, help="fraction of the learning rate")
    options = parser.parse_args()
    warm_start.STEPS_FRACTION, warm_start.RATE_FRACTION = options.steps, options.rate
    rows = []
    for label, frame, settings in data_sets(options.data):
        if options.sets and label not in options.sets:
            continue
        rows.append(compare(label, frame, settings))
        print(*rows[-1], flush=True)
    header = ("data", "stored model, MASE", "from the start", "warm", "CPU s from the start", "CPU s warm")
    is_tried = (options.steps, options.rate) != (0.5, 0.2)
    publish("warm_start", header, rows, notes=[], dry_run=options.dry_run or bool(options.sets) or is_tried)


def data_sets(folder: Path) -> list[tuple[str, pd.DataFrame, dict[str, object]]]:
    """Return the name, the rows and the settings of every training."""
    etth = pd.read_csv(folder / "etth1" / "ETTh1.csv")[["date", "OT"]].tail(4_000)
    nn5 = pd.concat(pd.read_parquet(folder / "nn5_daily" / f"{part}.parquet") for part in ("train", "test"))
    return [
        ("electricity.csv", pd.read_csv(SAMPLES / "electricity.csv"), {"target": "Demand", "horizon": 48}),
        ("machine_sensor.csv", pd.read_csv(SAMPLES / "machine_sensor.csv"), {"horizon": 48}),
        ("ETTh1, one column", etth, {"horizon": 48}),
        ("NN5, 111 series", nn5, {"horizon": 14, "id": "unique_id", "time": "ds", "target": "y"}),
    ]


def compare(label: str, frame: pd.DataFrame, settings: dict[str, object]) -> list[str]:
    """Return a row of the table."""
    time = str(settings.get("time", frame.columns[0]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ends = np.sort(frame[time].unique())
        cut = ends[-NEW_HORIZONS * int(str(settings["horizon"])) - 1]
        frame[frame[time] <= cut].to_csv(folder / "old.csv", index=False)
        frame.to_csv(folder / "all.csv", index=False)
        run(folder, "old.csv", settings)
        warm, warm_seconds = run(folder, "all.csv", {"from": "old@1", "num_windows": NUM_WINDOWS} | rest(settings))
        stored = rnnforecast.evaluate("old@1", [folder / "all.csv"], num_windows=NUM_WINDOWS, store=folder)
        anew, seconds = run(folder, "all.csv", {"num_windows": NUM_WINDOWS} | settings)
    errors = [f"{result.metrics['ensemble']['mase']:.4f}" for result in (stored, anew, warm)]
    return [label, *errors, f"{seconds:.0f}", f"{warm_seconds:.0f}"]


def rest(settings: dict[str, object]) -> dict[str, object]:
    """Return the settings without the columns, which the model brings along."""
    return {key: value for key, value in settings.items() if key == "horizon"}


def run(folder: Path, file: str, settings: dict[str, object]) -> tuple[TrainResult, float]:
    """Train, and return the result and the seconds of processor time."""
    before = cpu_seconds()
    result = rnnforecast.train([folder / file], rnnforecast.Settings.from_flat(settings), store=folder)
    return result, cpu_seconds() - before


def cpu_seconds() -> float:
    """Return the processor time of this process and of those it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


if __name__ == "__main__":
    main()
