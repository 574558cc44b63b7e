"""Cut rows into train, validation and test rows, in order of time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.arrays import Int64Array
from rnnforecast.config import DataSettings, EvaluationSettings, Settings
from rnnforecast.data.ragged import spread_sample
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.windows import Windows, min_past
from rnnforecast.errors import DataError
from rnnforecast.evaluation.backtest import default_num_windows, place_windows
from rnnforecast.frozen import dataclass
from rnnforecast.training.initial_weights import choose_plan
from rnnforecast.training.recipe import gather_facts

if TYPE_CHECKING:
    from rnnforecast.data.read import Assumptions, ReadResult

# on one long series several validation windows steady the choice of steps and the width of the intervals
MAX_VALIDATION_WINDOWS_PER_SERIES = 5
#: Rows that a training needs: fewer say nothing about how a series continues.
FEWEST_ROWS = 4
#: Series that weights are chosen on and that are tested: a mean over this many is exact enough, and forecasts of
#: 100,000 by every method took most of the time and the memory of a training.
MAX_TESTED_SERIES = 10_000


@dataclass(frozen=True)
class Split:
    """`num_past_rows` [S] rows of each series lie before every test step; `validation` windows end within them.

    `test` windows are used once, for the report. Both may be empty for short series, and both are of
    `MAX_TESTED_SERIES` series at most, evenly spread over the `num_tested_series` that have test rows.
    """

    num_past_rows: Int64Array
    validation: Windows
    test: Windows
    num_windows: int
    window_step: int
    num_tested_series: int
    num_kept: int = 2  # horizons kept before the first test window: for training and validation


def split_rows(
    series: SeriesSet,
    *,
    horizon: int,
    evaluation: EvaluationSettings,
    must_test: bool = False,
    is_fitted: bool = True,
    num_seen: Int64Array | None = None,
) -> Split:
    """Cut test windows off the end of each series, and validation windows right before them.

    By default there are more where nothing `is_fitted`. Series too short for test rows are trained on whole. Where none leaves
    a season before its horizons, two rows of history are enough, or there are no test windows. With a warm start no window has
    a step among the first `num_seen` [S] rows, which the weights were fitted on, and one of two windows or more is left for
    validation. Raises DataError for fewer than `FEWEST_ROWS` rows, or no test windows if `must_test`.
    """
    lengths, num_kept = series.lengths, 2 if is_fitted else 1
    longest = int(lengths.max(initial=0))
    step, span = evaluation.window_step or horizon, evaluation.gap + horizon
    history = min_past(series.season_length)
    if longest < FEWEST_ROWS:
        raise _too_few_rows(series)
    if longest < history + num_kept * horizon + span:
        history = min_past(1)
    num_windows = evaluation.num_windows or default_num_windows(lengths, horizon=horizon, is_fitted=is_fitted)
    seen = np.zeros_like(lengths) if num_seen is None else num_seen
    if num_seen is not None:
        num_windows = min(num_windows, max(1, num_unseen_windows(lengths - seen, horizon=span, window_step=step) - 1))
    test = place_windows(
        lengths,
        horizon=horizon,
        num_windows=num_windows,
        window_step=step,
        gap=evaluation.gap,
        min_past=history + num_kept * horizon,
    )
    test = _after(test, seen)
    if must_test and not len(test):
        fitting = (longest - history - evaluation.gap) // (num_kept + 1)
        raise _too_few_to_test(longest, need=history + num_kept * horizon + span, fitting=fitting)
    num_past_rows = lengths.copy()
    np.minimum.at(num_past_rows, test.series, test.cutoffs)
    has_test = np.zeros(len(lengths), dtype=bool)
    has_test[test.series] = True
    validation = cut_validation_windows(
        np.where(has_test, num_past_rows, 0) if has_test.any() else lengths,
        horizon=horizon,
        season_length=history - 1,
        num_windows=min(num_windows, MAX_VALIDATION_WINDOWS_PER_SERIES),
    )
    tested = np.flatnonzero(has_test)[spread_sample(int(has_test.sum()), MAX_TESTED_SERIES)]
    return Split(
        num_past_rows=num_past_rows,
        validation=_of_series(_after(validation, seen), tested) if len(tested) else _after(validation, seen),
        test=_of_series(test, tested),
        num_windows=int(np.bincount(test.series).max()) if len(tested) else 0,
        window_step=step,
        num_tested_series=int(has_test.sum()),
        num_kept=num_kept,
    )


def split_for(series: SeriesSet, settings: Settings, *, horizon: int, num_seen: Int64Array | None = None) -> Split:
    """Cut the windows of a training by these settings; whether anything is fitted is decided without looking at values."""
    split = split_rows(series, horizon=horizon, evaluation=settings.evaluation, num_seen=num_seen)
    if num_seen is not None:
        return split
    facts = gather_facts(series.head(split.num_past_rows), horizon=horizon, look_at_values=False)
    if choose_plan(facts, settings)[0] != "zero-shot":
        return split
    return split_rows(series, horizon=horizon, evaluation=settings.evaluation, is_fitted=False)


def num_unseen_windows(num_rows: Int64Array, *, horizon: int, window_step: int) -> int:
    """Return how many windows fit into `num_rows` [S] rows of the median series of those with a window."""
    fitting = (num_rows - horizon) // window_step + 1
    return int(np.median(fitting[fitting > 0])) if (fitting > 0).any() else 0


def _after(windows: Windows, seen: Int64Array) -> Windows:
    """Return the windows without a step among the first `seen` [S] rows of their series."""
    return windows.select(windows.cutoffs >= seen[windows.series])


def _of_series(windows: Windows, series: np.ndarray) -> Windows:
    return windows.select(np.isin(windows.series, series))


def cut_validation_windows(lengths: np.ndarray, *, horizon: int, season_length: int, num_windows: int) -> Windows:
    """Cut validation windows off the end of `lengths` [S] rows; none where too few train rows would be left."""
    return place_windows(
        lengths,
        horizon=horizon,
        num_windows=num_windows,
        window_step=horizon,
        gap=0,
        min_past=min_past(season_length) + horizon,
    )


def fit_horizon(read: ReadResult, settings: DataSettings) -> Assumptions:
    """Return the assumptions with a horizon that the rows allow; a horizon of the user is never changed.

    A quarter of the median series at most, or a season where three fit: train, validation and test rows need one each.
    """
    assumed = read.assumptions
    if settings.horizon is not None:
        return assumed
    usable = int(np.median(read.series.lengths)) - min_past(read.series.season_length)
    horizon = _fitting(assumed.horizon, usable, season_length=read.series.season_length)
    if horizon == assumed.horizon:
        return assumed
    why = f"{assumed.horizon} would suit the frequency, the rows allow {horizon} (--horizon)"
    return replace(assumed, horizon=horizon, reasons={**assumed.reasons, "horizon": why})


def _too_few_to_test(found: int, *, need: int, fitting: int) -> DataError:
    message = f"too few rows for a test: the longest series has {found}, needs {need}"
    hint = f"`--horizon {fitting}` fits, or bring more rows" if fitting >= 1 else "bring more rows"
    return DataError(message, hint=hint, code="E_SERIES_SHORT")


def _fitting(horizon: int, usable: int, *, season_length: int) -> int:
    """Return the horizon, or what the rows allow: whole seasons where three fit, else a round part of one."""
    allowed = max(1, min(horizon, usable // 4))
    if allowed == horizon or season_length < 2:
        return allowed
    if season_length <= min(horizon, usable // 3):
        return max(allowed // season_length, 1) * season_length
    return max(part for part in range(1, allowed + 1) if season_length % part == 0)


def _too_few_rows(series: SeriesSet) -> DataError:
    longest = int(np.argmax(series.lengths)) if series.num_series else 0
    found = int(series.lengths[longest]) if series.num_series else 0
    label = f"series `{series.item_ids[longest]}`, the longest," if series.num_series > 1 else "the series"
    message = f"too few rows: {label} has {found}, a training needs {FEWEST_ROWS}"
    hint = "bring more rows, or forecast without training: `rnnforecast predict base --data FILE`"
    return DataError(message, hint=hint, code="E_SERIES_SHORT")
