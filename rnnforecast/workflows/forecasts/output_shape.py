"""The shape of the table that `predict` writes: its columns (`--columns`) and the decimals of numbers (`--round`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Float64Array
from rnnforecast.data.columns.roles import single_names
from rnnforecast.data.databases.address import is_database
from rnnforecast.data.errors import listed
from rnnforecast.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd


#: Decimals that the smallest numbers have; a power of ten with more is infinite.
_MOST_DECIMALS = 308


def check_shape(output: str | Path | None, *, decimals: int | None, columns: Sequence[str]) -> None:
    """Raise UsageError where no file is written whose shape is named; tables of databases keep their keys."""
    named = [flag for flag, is_named in (("--round", decimals is not None), ("--columns", bool(columns))) if is_named]
    if named and output is None:
        message = f"{' and '.join(named)} without effect: no file is written"
        raise UsageError(message, hint="name it: `--output forecasts.csv`", code="E_RUN_OUTPUT")
    if columns and is_database(str(output)):
        message = "--columns without effect: a table of a database has all columns of a forecast"
        raise UsageError(message, hint="write a file, or choose the columns by a view", code="E_RUN_OUTPUT")


def shaped(frame: pd.DataFrame, *, decimals: int | None, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns in their order, numbers rounded. Raises UsageError for a column that is not there."""
    names = [str(name) for name in frame.columns]
    columns = single_names(columns, names)
    unknown = [name for name in columns if name not in names]
    if unknown:
        message = f"a forecast has no column {listed(unknown)}"
        raise UsageError(message, hint=f"its columns are {listed(names, limit=30)}", code="E_RUN_OUTPUT")
    chosen = frame[list(columns)] if columns else frame
    if decimals is None:
        return chosen
    numbers = {name: chosen[name].to_numpy() for name in chosen.columns if chosen[name].dtype.kind == "f"}
    return chosen.assign(**{name: _rounded(values, decimals) for name, values in numbers.items()})


def _rounded(values: Float64Array, decimals: int) -> Float64Array:
    """Round numbers; those that have no decimals left to round, where rounding would overflow, stay."""
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.round(values, min(decimals, _MOST_DECIMALS))
    return np.where(np.isfinite(rounded), rounded, values)
