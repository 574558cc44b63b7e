"""`detect`: which rows are abnormal, under an alarm budget; nothing is trained, torch is not imported."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.files.overwrite import Owned, check_outputs
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.data.windows import FlatSeries
from rnnforecast.data.write import check_output, shown_output, write_forecasts
from rnnforecast.detection.budget import AlarmBudget
from rnnforecast.detection.detector import Detection, Timing, detect_rows
from rnnforecast.detection.events import Alarm, find_alarms
from rnnforecast.detection.members import without_network
from rnnforecast.detection.residuals import Plan, Residuals, residuals
from rnnforecast.errors import DataError
from rnnforecast.findings import Finding
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.inference.threads import one_blas_thread
from rnnforecast.mixture.trained import networks_alone
from rnnforecast.model_io.base import BASE
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.store.registry import default_store
from rnnforecast.workflows.forecasts.predict_result import Preview
from rnnforecast.workflows.forecasts.table import free_name, on_the_wall, zoned
from rnnforecast.workflows.model_rows import Files, LoadedModel, load
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from rnnforecast.workflows.monitoring.freshness import Age, parse_age, step_seconds

#: Rows that a series needs at least.
FEWEST_ROWS = 120
#: Items in a picture; the terminal draws the first.
MAX_PREVIEWS = 3
_SCORE, _ALARM, _MEMBER = "score", "alarm", "member"


@dataclass(frozen=True)
class _Item:
    """The columns of one item on one grid: values [T, N]."""

    label: str
    ids: tuple[str, ...]
    series: Int64Array  # [T] numbers of its series
    first: int  # ordinal of its first row
    values: Float64Array


@dataclass(frozen=True)
class _Found:
    """An item with what was found in its rows."""

    item: _Item
    timing: Timing
    detection: Detection
    expected: Float64Array  # [T, N]
    lower: Float64Array
    upper: Float64Array
    alarms: list[Alarm]
    members: tuple[str, ...]


@one_blas_thread()
def detect(
    data: Data | Files,
    *,
    model: str | None = None,
    last: str | None = None,
    budget: str | None = None,
    store: str | Path | None = None,
    output: str | Path | None = None,
    reading: DataSettings | None = None,
    progress: Progress | None = None,
) -> DetectResult:
    """Find the abnormal rows of files; each row is scored by the rows before it.

    `model` is `NAME`, `NAME@VERSION` or a path (default: `base`, which needs no training); `last` limits alarms to the newest
    rows (`1d`, `3 steps`); `budget` is the number of false alarms that is acceptable over all series (`1/week`,
    `1/1000 steps`; default: one a week, and at most one in 200 rows). Several targets are columns of one machine.

    Raises ModelFileError, InputError, DataError, OutputError, UsageError.
    """
    started = time.monotonic()
    age = parse_age(last, option="--last") if last is not None else None
    asked = AlarmBudget.parse(budget) if budget is not None else None
    files = Files.of(data)
    _check_output(output, [*(("the data", path) for path in files.rows), ("the store", store or default_store())])
    loaded = load(model or BASE, data=files, store=store, reading=reading)
    ensemble, series = _network(loaded, reading)
    items, short = _items(series)
    step = step_seconds(series.freq, int(series.first_ordinals.min()))
    chosen = asked or AlarmBudget.usual(step)
    alarms_a_row = chosen.alarms_a_row(step) / len(items)
    since = _since(series, age, step)
    found = _detect_items(items, ensemble, series, alarms_a_row=alarms_a_row, progress=progress or NoProgress())
    frame = _frame(found, series, since)
    label = loaded.manifest.label
    if output is not None:
        write_forecasts(
            frame, output, model=label, key=[str(name) for name in frame.columns[: len(series.id_columns) + 1]]
        )
    alarms = _alarm_rows(found, series, since)
    scored = int(frame[_SCORE].notna().sum())
    return DetectResult(
        model=label,
        paths=tuple(map(str, files.rows)),
        freq=series.freq.alias,
        budget=chosen.text,
        last=last,
        num_rows=sum(item.values.shape[1] for item in items),
        num_scored=scored,
        num_series=len(items),
        members={name: sum(alarm["member"] == name for alarm in alarms) for name in found[0].members},
        alarms=tuple(alarms),
        frame=frame,
        previews=tuple(_preview(*each, series, since) for each in _newest_alarm_first(found)[:MAX_PREVIEWS]),
        output=None if output is None else shown_output(output),
        findings=(*map(_of_one_machine, loaded.findings), *short),
        notes=(*loaded.notes, *_notes(loaded, asked, chosen, series)),
        seconds=time.monotonic() - started,
        allowed=scored * alarms_a_row,
    )


def _of_one_machine(finding: Finding) -> Finding:
    """Return a finding that names no covariates: `detect` reads other columns only as sensors of the same machine."""
    is_unused = finding.code == "N_COLUMN_UNUSED" and "--future" in (finding.fix or "")
    return replace(finding, fix="sensors of the same machine: name each with --target") if is_unused else finding


def _check_output(output: str | Path | None, owned: list[Owned]) -> None:
    if output is not None:
        check_output(output)
        check_outputs({"--output": output}, owned)


def _network(loaded: LoadedModel, reading: DataSettings | None) -> tuple[Ensemble, SeriesSet]:
    """Return the networks whose residuals count, and the rows with their season.

    The Theta method is left out: it is fitted anew for every window.
    """
    series = loaded.series
    if loaded.zero_shot is None:
        return networks_alone(loaded.ensemble), series
    if reading is not None:
        reading.reject_longer_seasons("`detect`")
    season = loaded.zero_shot.season_length
    return loaded.zero_shot.base(season), replace(series, season_length=season)


def _items(series: SeriesSet) -> tuple[list[_Item], list[Finding]]:
    """Return the items that are long enough, and a finding about the others. Raises DataError where none is."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for number in range(series.num_series):
        groups.setdefault(tuple(map(str, series.id_values[number])), []).append(number)
    items, short = [], []
    for ids, numbers in groups.items():
        first = int(series.first_ordinals[numbers].min())
        end = int((series.first_ordinals[numbers] + series.lengths[numbers]).max())
        label = "/".join(ids)
        if end - first < FEWEST_ROWS:
            short.append(label or series.target_names[0])
            continue
        values = np.full((len(numbers), end - first), np.nan)
        for column, number in enumerate(numbers):
            at = int(series.first_ordinals[number]) - first
            rows = slice(int(series.offsets[number]), int(series.offsets[number + 1]))
            values[column, at : at + int(series.lengths[number])] = series.values[rows]
        items.append(_Item(label, ids, np.array(numbers, dtype=np.int64), first, values))
    if not items:
        raise DataError(
            f"`detect` needs at least {FEWEST_ROWS} rows of a series; the longest has {int(series.lengths.max(initial=0))}",
            hint="name more rows: those before the first possible alarm show what is usual",
            code="E_SERIES_SHORT",
        )
    if not short:
        return items, []
    message = f"not scored: {len(short)} series with fewer than {FEWEST_ROWS} rows, such as `{short[0]}`"
    return items, [Finding("W_SERIES_NOT_SCORED", message, count=len(short), value=short[0])]


def _detect_items(
    items: Sequence[_Item], ensemble: Ensemble, series: SeriesSet, *, alarms_a_row: float, progress: Progress
) -> list[_Found]:
    flat = FlatSeries.from_series(series)
    horizon = min(member.horizon for member in ensemble.members)
    plan = Plan.of(series.num_rows, max(horizon, 1))
    found = []
    progress.start("detect", len(items))
    for count, item in enumerate(items, start=1):
        timing = Timing.of(series.season_length, item.values.shape[1])
        by_column = [residuals(ensemble, flat, int(number), plan) for number in item.series]
        found.append(_detect_item(item, timing, by_column, series, alarms_a_row=alarms_a_row))
        progress.update(count)
    progress.finish()
    return found


def _detect_item(
    item: _Item, timing: Timing, by_column: Sequence[Residuals], series: SeriesSet, *, alarms_a_row: float
) -> _Found:
    num_rows = item.values.shape[1]
    placed = [
        each.padded(int(series.first_ordinals[number]) - item.first, num_rows)
        for each, number in zip(by_column, item.series, strict=True)
    ]
    columns = [
        [*each.statistics, *without_network(values, window=timing.window, lag=timing.lag)]
        for each, values in zip(placed, item.values, strict=True)
    ]
    members = tuple(statistic.name for statistic in columns[0])
    detection = detect_rows(columns, timing, alarms_a_row=alarms_a_row)
    expected = np.stack([each.median for each in placed])
    ends = np.stack([each.values_at(reach) for each, reach in zip(placed, detection.reach, strict=True)])
    alarms = find_alarms(
        detection, item.values, expected, members=members, window=timing.window, season_length=series.season_length
    )
    return _Found(item, timing, detection, expected, ends[:, 0], ends[:, 1], alarms, members)


def _since(series: SeriesSet, age: Age | None, step: float | None) -> int | None:
    """Return the ordinal of the first row that may give an alarm; None: all."""
    if age is None:
        return None
    newest = int((series.first_ordinals + series.lengths).max()) - 1
    if age.steps is not None:
        return newest - max(int(np.ceil(age.steps)), 1) + 1
    if step is None:
        message = f"`--last {age.text}` needs dates, these rows count steps"
        raise DataError(message, hint="name a number of steps: `--last '24 steps'`", code="E_RUN_CONFIG")
    end = series.freq.to_timestamps(np.array([newest])).astype("datetime64[us]")[0]
    limit = end - np.timedelta64(int((age.seconds or 0.0) * 1e6), "us")
    return int(series.freq.floor(np.array([limit]))[0]) + 1


def _is_last(item: _Item, since: int | None) -> np.ndarray:
    ordinals = item.first + np.arange(item.values.shape[1])
    return np.ones(len(ordinals), dtype=np.bool_) if since is None else ordinals >= since


def _alarm_rows(found: Sequence[_Found], series: SeriesSet, since: int | None) -> list[dict[str, object]]:
    """Return the alarms that reach into the rows asked for, in order of time."""
    rows: list[tuple[int, dict[str, object]]] = []
    for each in found:
        for alarm in each.alarms:
            if since is not None and each.item.first + alarm.end - 1 < since:
                continue
            times = series.freq.to_timestamps(each.item.first + np.array([alarm.start, alarm.end - 1, alarm.peak]))
            start, end, peak = on_the_wall(series, times)
            place = alarm.column, alarm.start
            names = [series.target_names[series.target_index[number]] for number in each.item.series]
            rows.append(
                (
                    each.item.first + alarm.start,
                    {
                        "id": each.item.label,
                        "start": start,
                        "end": end,
                        "peak": peak,
                        "num_rows": alarm.end - alarm.start,
                        "score": alarm.score,
                        "kind": alarm.kind,
                        "direction": alarm.direction,
                        "member": each.members[alarm.member],
                        "column": names[alarm.column],
                        "value": float(each.item.values[place]),
                        "expected": float(each.expected[place]),
                        "lower": float(each.lower[place]),
                        "upper": float(each.upper[place]),
                        "contributions": dict(zip(names, alarm.contributions.tolist(), strict=True)),
                    },
                )
            )
    return [row for _, row in sorted(rows, key=lambda pair: pair[0])]


def _frame(found: Sequence[_Found], series: SeriesSet, since: int | None) -> pd.DataFrame:
    """Return one row for each timestamp and item: ids, time, values and bounds of each column, score, alarm, member."""
    several = len(series.target_names) > 1
    parts = []
    for each in found:
        rows = np.flatnonzero(_is_last(each.item, since))
        columns: dict[str, object] = {
            name: np.full(len(rows), value, dtype=object)
            for name, value in zip(series.id_columns, each.item.ids, strict=True)
        }
        name = series.time_column or free_name("step", columns)
        columns[name] = zoned(series, series.freq.to_timestamps(each.item.first + rows))
        for column, number in enumerate(each.item.series):
            target = series.target_names[series.target_index[number]]
            suffix = f"_{target}" if several else ""
            columns[free_name(target, columns)] = each.item.values[column, rows]
            for word, values in (("expected", each.expected), ("lower", each.lower), ("upper", each.upper)):
                columns[free_name(f"{word}{suffix}", columns)] = values[column, rows]
        leading = np.array([each.members[each.detection.leading(int(row))[1]] for row in rows], dtype=object)
        score = each.detection.score[rows]
        leading[~np.isfinite(score)] = None
        columns = {
            free_name(name, {_SCORE: None, _ALARM: None, _MEMBER: None}): cells for name, cells in columns.items()
        }
        columns |= {_SCORE: score, _ALARM: score > 1.0, _MEMBER: leading}
        parts.append(pd.DataFrame(columns, copy=False))
    return pd.concat(parts, ignore_index=True)


def _newest_alarm_first(found: Sequence[_Found]) -> list[tuple[_Found, int]]:
    """Return the columns with an alarm, that with the newest one first; the first column where there is no alarm."""
    newest = {
        (place, alarm.column): each.item.first + alarm.start
        for place, each in enumerate(found)
        for alarm in each.alarms
    }
    ordered = sorted(newest, key=lambda key: -newest[key]) or [(0, 0)]
    return [(found[place], column) for place, column in ordered]


def _preview(found: _Found, column: int, series: SeriesSet, since: int | None) -> Preview:
    """Return the rows of a column, for a chart."""
    rows = np.flatnonzero(_is_last(found.item, since))
    number = int(found.item.series[column])
    times = series.freq.to_timestamps(found.item.first + rows)
    marked = np.where(found.detection.score[rows] > 1.0, found.item.values[column, rows], np.nan)
    return Preview(
        label=found.item.label,
        target=series.target_names[series.target_index[number]],
        past_timestamps=on_the_wall(series, times),
        past_target=found.item.values[column, rows],
        timestamps=on_the_wall(series, times),
        median=marked,
        quantiles=np.stack([found.lower[column, rows], found.upper[column, rows]], axis=-1),
    )


def _notes(loaded: LoadedModel, asked: AlarmBudget | None, budget: AlarmBudget, series: SeriesSet) -> list[str]:
    notes = []
    if asked is None:
        notes.append(f"alarm budget {budget.text} over all series; `--budget` overrides")
    if loaded.zero_shot is not None and series.future_names:
        notes.append(f"`{BASE}` reads no covariates in `detect`: train a model, and name it with `--model`")
    return notes
