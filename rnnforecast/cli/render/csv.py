"""The main table of a result as CSV, for spreadsheets and scripts."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, TextIO

from rnnforecast.json_values import plain
from rnnforecast.workflows.batch.results import BatchPlan, BatchResult, UnitsResult
from rnnforecast.workflows.monitoring.score_result import ScoreResult
from rnnforecast.workflows.results import (
    CompareResult,
    DoctorResult,
    EvaluateResult,
    InspectResult,
    ModelResult,
    PredictResult,
    TrainResult,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rnnforecast.cli.render import Result
    from rnnforecast.workflows.batch.results import JobResult
    from rnnforecast.workflows.results import Metrics

#: A spreadsheet runs a cell that starts with one of these as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_METRICS = ("mase", "rmsse", "smape", "mae", "rmse", "wape", "wql")


def write_csv(result: Result, stream: TextIO) -> None:
    """Write the main table of a result; text that a spreadsheet would run gets an apostrophe in front."""
    columns, rows = main_table(result)
    writer = csv.writer(stream, lineterminator="\n")
    # Written with a bare newline, the module leaves a carriage return unquoted, and no reader takes that back.
    quoting = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in (columns, *rows):
        cells = [_cell(value) for value in row]
        (quoting if any("\r" in str(cell) for cell in cells) else writer).writerow(cells)


def main_table(result: Result) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    """Return columns and rows of what a result is about: forecasts, metrics, assumptions, models or checks."""
    if isinstance(result, PredictResult):
        return result.columns, result.rows
    if isinstance(result, TrainResult | EvaluateResult | CompareResult):
        return _metrics_table(result.metrics)
    if isinstance(result, ScoreResult):
        from rnnforecast.cli.render.score import score_table

        return score_table(result)
    if isinstance(result, InspectResult):
        rows = [(key, value, result.reasons.get(key, "")) for key, value in result.assumptions.items()]
        return ("field", "value", "reason"), rows
    if isinstance(result, DoctorResult):
        return ("name", "ok", "detail", "hint"), [(c.name, c.ok, c.detail, c.hint) for c in result.checks]
    if isinstance(result, ModelResult):
        return ("field", "value"), list(result.manifest.items())
    if isinstance(result, UnitsResult):
        return ("path", "text"), result.units
    if isinstance(result, BatchResult):
        return _records([{**job.to_dict(), **_error_cells(job)} for job in result.jobs], first="job")
    return (
        _records(result.jobs, first="job") if isinstance(result, BatchPlan) else _records(result.models, first="model")
    )


def _metrics_table(metrics: Metrics) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    columns = ("method", *_METRICS, "coverage_80", "coverage_95")
    rows = []
    for method, scores in metrics.items():
        coverage = scores.get("coverage")
        shares = [coverage.get(level) if hasattr(coverage, "get") else None for level in ("80", "95")]
        rows.append((method, *(scores.get(name) for name in _METRICS), *shares))
    return columns, rows


def _records(
    records: Sequence[Mapping[str, object]], *, first: str
) -> tuple[Sequence[str], Iterable[Sequence[object]]]:
    columns = list(dict.fromkeys(key for record in records for key in record)) or [first]
    return columns, [[record.get(column) for column in columns] for record in records]


def _error_cells(job: JobResult) -> dict[str, object]:
    """Return the error of a job as plain cells in place of the nested one."""
    error = job.error
    return {"error": error and error.code, "message": error and error.message, "hint": error and error.hint}


def _cell(value: object) -> object:
    value = plain(value)
    if isinstance(value, list):
        value = " ".join(str(each) for each in value)
    elif isinstance(value, dict):
        import json

        value = json.dumps(value, ensure_ascii=False)
    if isinstance(value, str) and value.startswith(_FORMULA_STARTS):
        return f"'{value}"
    return value
