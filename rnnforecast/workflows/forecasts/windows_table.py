"""The rows of a backtest as a table: one row a method, window and step, with the actual value.

W windows, H horizon, Q quantile levels.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.data.files.overwrite import check_outputs
from rnnforecast.data.write import check_output, shown_output
from rnnforecast.errors import UsageError
from rnnforecast.workflows.forecasts.table import free_name, start_columns, with_forecasts
from rnnforecast.workflows.model_rows import Files, owned_files
from rnnforecast.workflows.results import EvaluateResult


def windows_frame(result: EvaluateResult) -> pd.DataFrame:
    """Return the windows of a backtest in long form: ids, time, cutoff, lead, actual, forecast, mean, quantiles, method.

    Methods come one after the other, windows in the order of the series, then of time. A missing actual is NaN. Raises
    UsageError for a result that was not made by `evaluate` in this process.
    """
    series, backtest = result.series, result.backtest
    if series is None or backtest is None:
        raise UsageError(
            "this result holds no windows of numbers", hint="call `evaluate` again; for categories leave --output out"
        )
    windows = backtest.windows
    num_windows, horizon = backtest.actuals.values.shape
    owner = np.repeat(windows.series, horizon)
    lead = np.tile(np.arange(backtest.gap + 1, backtest.gap + horizon + 1, dtype=np.int64), num_windows)
    cutoff = np.repeat(series.first_ordinals[windows.series] + windows.cutoffs - 1, horizon)
    columns = start_columns(series, owner, series.freq.to_timestamps(cutoff + lead), series.freq.to_timestamps(cutoff))
    columns[free_name("lead", columns)] = lead
    seen = backtest.actuals.observed.ravel()
    columns[free_name("actual", columns)] = np.where(seen, backtest.actuals.values.ravel(), np.nan)
    levels = backtest.quantile_levels
    middle = levels.index(0.5)
    parts = [
        with_forecasts(columns, quantiles[..., middle], backtest.means[method], quantiles, levels=levels, method=method)
        for method, quantiles in backtest.quantiles.items()
    ]
    return pd.concat(parts, ignore_index=True)


def check_windows_output(
    output: str | Path, files: Files, *, model: str | None = None, store: str | Path | None = None
) -> None:
    """Check before the work that the windows can be written to a file. Raises UsageError or OutputError."""
    if Path(output).suffix.lower() not in (".csv", ".parquet", ".pq"):
        message = f"the windows are written to a .csv or .parquet file, not to {shown_output(output)}"
        raise UsageError(message, hint="`--output windows.parquet`", code="E_RUN_OUTPUT")
    check_output(output)
    check_outputs({"--output": output}, owned_files(model, files, store=store))
