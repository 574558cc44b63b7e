"""Cut rows into three, in order of time: to learn from, to choose on, to be judged on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.data.windows import Windows, min_past
from rnnforecast.errors import DataError
from rnnforecast.evaluation.backtest import default_num_windows, place_windows

if TYPE_CHECKING:
    from rnnforecast.config import DataSettings, EvaluationSettings
    from rnnforecast.data.read import Assumptions, ReadResult
    from rnnforecast.data.series import SeriesSet

# on one long series several validation origins steady the choice of steps and the width of the intervals
MAX_VALIDATION_WINDOWS_PER_SERIES = 5
#: Series that weights are chosen and judged on: a mean over so many is exact enough, and forecasts of 100,000 by every
#: method took most of the time and the memory of a training.
MAX_JUDGED_SERIES = 10_000


@dataclass(frozen=True)
class Split:
    """`known` [S] rows of each series lie before every held-out step; `validation` windows end within them.

    `held_out` windows are looked at once, by the verdict. Both may be empty for short series, and both are of
    `MAX_JUDGED_SERIES` series at most, evenly spread over the `num_held` that have rows held out.
    """

    known: np.ndarray
    validation: Windows
    held_out: Windows
    num_windows: int
    window_step: int
    num_held: int


def split_rows(series: SeriesSet, *, horizon: int, evaluation: EvaluationSettings) -> Split:
    """Hold out the last origins of each series, and cut validation origins right before them.

    Series too short to hold anything out are learned from whole. Raises DataError when no series leaves a
    training window before one validation and one held-out horizon.
    """
    lengths = series.lengths
    step = evaluation.window_step or horizon
    span = evaluation.gap + horizon
    history = min_past(series.season_length)
    need = history + 2 * horizon + span
    if int(lengths.max(initial=0)) < need:
        raise _too_few_rows(series, need=need, history=history, horizon=horizon, gap=evaluation.gap)
    num_windows = evaluation.num_windows or default_num_windows(lengths, horizon=horizon)
    held_out = place_windows(
        lengths,
        horizon=horizon,
        num_windows=num_windows,
        window_step=step,
        gap=evaluation.gap,
        min_past=history + 2 * horizon,
    )
    known = lengths.copy()
    np.minimum.at(known, held_out.series, held_out.cutoffs)
    held = np.zeros(len(lengths), dtype=bool)
    held[held_out.series] = True
    validation = validation_origins(
        np.where(held, known, 0),
        horizon=horizon,
        season_length=series.season_length,
        num_windows=min(num_windows, MAX_VALIDATION_WINDOWS_PER_SERIES),
    )
    judged = np.flatnonzero(held)
    if len(judged) > MAX_JUDGED_SERIES:
        judged = judged[np.linspace(0, len(judged) - 1, MAX_JUDGED_SERIES).astype(np.int64)]
    return Split(
        known=known,
        validation=_of_series(validation, judged),
        held_out=_of_series(held_out, judged),
        num_windows=num_windows,
        window_step=step,
        num_held=int(held.sum()),
    )


def _of_series(windows: Windows, series: np.ndarray) -> Windows:
    return windows.select(np.isin(windows.series, series))


def validation_origins(lengths: np.ndarray, *, horizon: int, season_length: int, num_windows: int) -> Windows:
    """Cut the last `num_windows` horizons off rows a network may learn from; none where too little would be left."""
    return place_windows(
        lengths,
        horizon=horizon,
        num_windows=num_windows,
        window_step=horizon,
        gap=0,
        min_past=min_past(season_length) + horizon,
    )


def fit_horizon(read: ReadResult, settings: DataSettings) -> Assumptions:
    """Return the assumptions with a horizon the rows have room for; a horizon the user gave is never touched.

    A quarter of the median series at most: three horizons are held back to learn, to choose and to be judged on.
    """
    assumed = read.assumptions
    if settings.horizon is not None:
        return assumed
    room = int(np.median(read.series.lengths)) - min_past(read.series.season_length)
    horizon = max(1, min(assumed.horizon, room // 4))
    if horizon == assumed.horizon:
        return assumed
    why = f"{assumed.horizon} would suit the frequency, the rows have room for {horizon} (--horizon)"
    return replace(assumed, horizon=horizon, reasons={**assumed.reasons, "horizon": why})


def _too_few_rows(series: SeriesSet, *, need: int, history: int, horizon: int, gap: int) -> DataError:
    longest = int(np.argmax(series.lengths)) if series.num_series else 0
    found = int(series.lengths[longest]) if series.num_series else 0
    label = f"series `{series.item_ids[longest]}`, the longest," if series.num_series > 1 else "the series"
    fitting = (found - history - gap) // 3
    hint = (
        f"`--horizon {fitting}` fits this file, or bring more rows"
        if fitting >= 1
        else f"lower `--season-length` ({history - 1}), or bring more rows"
        if history > 2
        else "bring more rows: no horizon fits so few"
    )
    scored = f"the rest to be judged on{f' after a gap of {gap}' if gap else ''}"
    return DataError(
        f"too few rows: {label} has {found} rows, needs {need} "
        f"(history {history} + horizon {horizon} to learn, {horizon} to choose on, {scored})",
        hint=hint,
        code="E_SERIES_SHORT",
    )
