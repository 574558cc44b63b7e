"""What `--effort` buys: time and accuracy of quick, normal and best, on the TRAINING parts of public panels alone.

The last horizon of each training part is cut off, `train` sees the rest, and what was cut off scores its forecast. Test
parts are not read: this is where defaults are chosen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from panels import PANELS, Panel
from publish import Table, chosen, make_parser

import rnnforecast
from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.windows import FlatSeries, Windows, gather
from rnnforecast.evaluation.scales import seasonal_scales
from rnnforecast.progress import NoProgress
from rnnforecast.workflows.train import train_series

EFFORTS = ("quick", "normal", "best")
SETS = ("m3_monthly", "tourism_monthly", "hospital", "nn5_daily", "m4_hourly")


def main() -> None:
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--sets", default=None, metavar="A,B", help=f"only these of {', '.join(SETS)}")
    parser.add_argument("--efforts", default=None, metavar="A,B", help=f"only these of {', '.join(EFFORTS)}")
    options = parser.parse_args()
    table = Table("effort", ("panel", "effort", "networks", "MASE", "seconds"), dry_run=options.dry_run)
    for name in chosen(options.sets, SETS, option="--sets"):
        for effort in chosen(options.efforts, EFFORTS, option="--efforts"):
            table.attempt(name, lambda name=name, effort=effort: [_row(PANELS[name], effort, options.data)])  # type: ignore[misc]
    table.notes.append(
        "The last horizon of the training part is cut off and scored; the test part is not read. Seconds are those of "
        "`train` without reading: the fit, its judgement and the second fit."
    )
    table.write()


def _row(panel: Panel, effort: str, data: Path) -> list[str]:
    horizon, season_length = panel.horizon, panel.season_length
    reading = DataSettings(horizon=horizon, season_length=season_length)
    series = rnnforecast.read_series([data / panel.name / "train.parquet"], reading).series
    series = series.select(np.flatnonzero(series.lengths > horizon + max(2 * season_length, 4)))
    known = series.head(series.lengths - horizon)
    settings = Settings.from_flat({"horizon": horizon, "season_length": season_length, "effort": effort})
    trained = train_series(known, settings, horizon=horizon, progress=NoProgress())
    ensemble, flat = trained.ensemble, FlatSeries.from_series(series)
    windows = Windows(np.arange(series.num_series), series.lengths - horizon)
    median = ensemble.forecast(flat, windows, horizon=horizon)[..., ensemble.quantile_levels.index(0.5)]
    future = gather(flat, windows, context_length=1, horizon=horizon)
    error = np.where(future.future_observed, np.abs(future.future_target - median), np.nan)
    scale = seasonal_scales(known).mase
    mase = float(np.nanmean((np.nanmean(error, axis=1) / scale)[scale > 0]))
    return [panel.name, effort, str(len(ensemble.members)), f"{mase:.3f}", f"{trained.seconds:.1f}"]


if __name__ == "__main__":
    main()
