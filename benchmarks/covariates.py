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
            "none, the networks of covariates": {"from": "scratch"},
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
            "none, the networks of covariates": {"from": "scratch"},
            "generation, load": {"future": ("gen_forecast", "system_load")},
        },
    ),
}


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
        mase: list[float] = []
        for covariates, changes in runs.items():
            result = fit(path, {**settings, **common, **changes})
            metrics: dict[str, Any] = dict(result.metrics)
            scores = {key: float(metrics["network"][key]) for key in ("mase", "wql")}
            mase.append(scores["mase"])
            naive = float(metrics["seasonal-naive"]["mase"])
            rows.append(
                [
                    name,
                    covariates,
                    f"{scores['mase']:.3f}",
                    f"{scores['wql']:.4f}",
                    change(mase[-1], mase[0]),
                    change(mase[-1], mase[1]) if len(mase) > 2 else "",
                    f"{naive:.3f}",
                    f"{result.seconds:.0f}",
                ]
            )
            print(rows[-1], flush=True)
    notes = [
        f"Last {options.num_windows} origins of each series, a horizon apart (48 half-hours, 24 hours); "
        "settings as the tool chooses them"
        + (f", but {options.num_members} network(s)" if options.num_members else "")
        + ". The network that comes with the tool reads no covariates: they are read by networks from random weights "
        "alone. So they are held against the whole forecast without them, and against such networks without them.",
        "Temperatures are those that came true: with forecasts of them the gain is smaller. Generation and load are "
        "the forecasts the operators published the day before.",
    ]
    header = (
        "file",
        "covariates",
        "MASE",
        "WQL",
        "MASE against none",
        "against the same networks",
        "seasonal naive",
        "seconds",
    )
    publish("covariates", header, rows, notes=notes, dry_run=options.dry_run)


def fit(path: Path, values: dict[str, Any]) -> rnnforecast.TrainResult:
    """Train on a file in a store of its own."""
    settings = rnnforecast.Settings.from_flat(values)
    with tempfile.TemporaryDirectory() as store:
        return rnnforecast.train([path], settings, store=store)


def change(score: float, base: float) -> str:
    """Return how much larger or smaller an error is than without covariates."""
    return "" if score == base else f"{100 * (score / base - 1):+.1f} %"


if __name__ == "__main__":
    main()
