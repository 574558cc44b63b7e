"""Result of `predict`: forecasts as a table with the user's names, and as series for a screen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from rnnforecast.findings import Finding, JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document, plain, timestamp_to_json
from rnnforecast.members import ENSEMBLE

if TYPE_CHECKING:
    import pandas as pd

    from rnnforecast.mixture.gains import CovariateGain


@dataclass(frozen=True)
class Preview:
    """One series as the terminal shows it: its last rows and the forecast after them."""

    label: str  # item id as people read it; "" for a single series
    target: str
    past_timestamps: np.ndarray  # [C] datetime64 or int64
    past_target: np.ndarray  # [C] float64, NaN where missing
    timestamps: np.ndarray  # [H]
    median: np.ndarray  # [H], even if its level was not asked for
    quantiles: np.ndarray  # [H, Q] at the levels of the result, original units
    method: str = ENSEMBLE
    mean: np.ndarray | None = None  # [H], of a forecast
    parts: Mapping[str, np.ndarray] = field(default_factory=dict)  # name -> [H]; they add up to the median
    what_if: np.ndarray | None = None  # [H] the median by other covariates
    num_steps: np.ndarray | None = None  # [H] of sums: the steps in each


@dataclass(frozen=True)
class PredictResult(Document):
    """Forecasts after the last row of every series.

    `frame` keeps the user's names for id and time, then `cutoff`, `forecast` (the median), `mean`, `q0.1` ..., `method`.
    """

    model: str
    frame: pd.DataFrame
    freq: str
    horizon: int
    quantile_levels: tuple[float, ...]
    cutoffs: tuple[object, ...]  # distinct last timestamps seen, in order
    num_series: int
    previews: tuple[Preview, ...]  # the first few series, or all totals
    overview: tuple[tuple[str, Preview], ...] = ()  # of a panel: total, largest, extreme changes, each with its kind
    output: str | None = None  # where the frame was written; None: nowhere
    attention_output: str | None = None
    ledger: str | None = None  # the part of the ledger with these forecasts; None: they were not logged
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    sum: str | None = None  # the rows are sums over these: `week`, `month` or `horizon`
    totals: tuple[str, ...] = ()  # the rows are sums of series by these columns
    gains: tuple[CovariateGain, ...] = ()  # of each covariate: the change of the error on past windows
    what_if: str | None = None  # what differs in the column `what_if`

    HIDDEN: ClassVar[tuple[str, ...]] = ("frame", "quantile_levels", "previews", "overview")

    @property
    def columns(self) -> list[str]:
        """Names of the columns of `rows`."""
        return [str(name) for name in self.frame.columns]

    @property
    def rows(self) -> list[list[JSONValue]]:
        """All rows as plain JSON values: integers stay integers, timestamps become ISO text, NaN null."""
        columns = [self._column(self.frame[name]) for name in self.frame.columns]
        return [list(row) for row in zip(*columns, strict=True)]

    def _column(self, column: pd.Series) -> list[JSONValue]:
        if hasattr(column.dtype, "tz") or column.dtype.kind == "M":
            return [timestamp_to_json(timestamp, self.freq) for timestamp in column]
        return [plain(value) for value in column.tolist()]

    def _computed(self) -> dict[str, object]:
        """Return columns and rows; `rows` is null when they went to `output`."""
        rows = self.rows if self.output is None else None
        return {"columns": self.columns, "num_rows": len(self.frame), "rows": rows}


@dataclass(frozen=True)
class CategoricalForecast(PredictResult):
    """The probability of each category after the last row of every series.

    `frame` keeps the user's names for id and time, then `cutoff`, `forecast` (the most probable category),
    `probability`, `p_CATEGORY` of each category, `method`.
    """

    target: str = ""
    categories: tuple[str, ...] = ()
    shown: tuple[int, ...] = (0,)  # numbers of the series that are shown

    HIDDEN: ClassVar[tuple[str, ...]] = (*PredictResult.HIDDEN, "shown")
