"""How much covariates gain over none: the same settings, the same held-out origins, on two public files of energy.

`vic_elec.csv` is half-hourly demand with temperature and holidays, `EPF_FR_BE.csv` hourly prices with the operators'
forecasts of generation and load. Held-out origins are forecast by what was fitted on the rows before all of them.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from publish import make_parser, publish

import rnnforecast

#: File -> settings of all its runs, and the covariates of each run.
FILES: dict[str, tuple[dict[str, Any], dict[str, dict[str, Any]]]] = {
    "vic_elec.csv": (
        {"time": "Time", "target": "Demand", "tz": "Australia/Melbourne", "horizon": 48},
        {
            "none": {},
            "calendar": {"calendar_features": "season,holidays", "country": "AU-VIC"},
            "temperature, holiday": {"future": ("Temperature", "Holiday")},
            "all of them": {
                "future": ("Temperature", "Holiday"),
                "calendar_features": "season,holidays",
                "country": "AU-VIC",
            },
        },
    ),
    "EPF_FR_BE.csv": (
        {"time": "ds", "target": "y", "id": "unique_id", "horizon": 24},
        {
            "none": {},
            "generation, load": {"future": ("gen_forecast", "system_load")},
        },
    ),
}

#: What the networks start from: as the tool chooses, and random weights alone.
STARTS: tuple[dict[str, Any], ...] = ({}, {"from": "scratch"})
NAMES = ("whole forecast", "`--from scratch`")


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--num-windows", type=int, default=28, help="held-out origins of each series")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--num-members", type=int, default=None, help="networks (default: as the tool chooses)")
    parser.add_argument("--only", choices=tuple(FILES), default=None, help="one of the files")
    options = parser.parse_args()
    common: dict[str, Any] = {"num_windows": options.num_windows, "seed": options.seed, "refit": False}
    if options.num_members is not None:
        common["num_members"] = options.num_members
    rows: list[list[str]] = []
    for name, (settings, runs) in FILES.items():
        if options.only not in (None, name):
            continue
        path = options.data / "csv" / "energy" / name
        without: list[float] = []
        for covariates, changes in runs.items():
            cells: list[str] = []
            for place, start in enumerate(STARTS):
                result = fit(path, {**settings, **common, **changes, **start})
                metrics: dict[str, Any] = dict(result.metrics)
                mase = float(metrics["ensemble"]["mase"])
                if covariates == "none":
                    without.append(mase)
                gain = "" if covariates == "none" else f"{100 * (mase / without[place] - 1):+.1f} %"
                cells += [f"{mase:.3f}", gain, f"{result.seconds:.0f}"]
            rows.append([name, covariates, *cells, f"{float(metrics['seasonal-naive']['mase']):.3f}"])
            print(rows[-1], flush=True)
    notes = [
        f"Last {options.num_windows} origins of each series, a horizon apart (48 half-hours, 24 hours); "
        "settings as the tool chooses them"
        + (f", but {options.num_members} network(s)" if options.num_members else "")
        + ". The whole forecast also has the zero-shot ensemble in it, whose regressions read covariates, all weighted on "
        "held-out rows; `--from scratch` has networks from random weights alone, which read them.",
        "Temperatures are those that came true: with forecasts of them the gain is smaller. Generation and load are "
        "the forecasts the operators published the day before.",
    ]
    header = ("file", "covariates", *(column for name in NAMES for column in (f"MASE, {name}", "against none", "s")))
    header = (*header, "seasonal naive")
    publish("covariates", header, rows, notes=notes, dry_run=options.dry_run)


def fit(path: Path, values: dict[str, Any]) -> rnnforecast.TrainResult:
    """Train on a file in a store of its own."""
    settings = rnnforecast.Settings.from_flat(values)
    with tempfile.TemporaryDirectory() as store:
        return rnnforecast.train([path], settings, store=store)


if __name__ == "__main__":
    main()
