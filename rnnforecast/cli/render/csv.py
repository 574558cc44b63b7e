"""The main table of a result as CSV, for spreadsheets and scripts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch
from typing import TextIO, TypeAlias

from rnnforecast.data.csv_writer import csv_line
from rnnforecast.escaping import json_text, visible
from rnnforecast.evaluation.metrics import INTERVALS, METRICS, metric_value
from rnnforecast.json_values import Document, plain
from rnnforecast.workflows.batch.results import BatchResult, JobResult, UnitsResult
from rnnforecast.workflows.forecasts.predict_result import PredictResult
from rnnforecast.workflows.monitoring.detect_result import DetectResult
from rnnforecast.workflows.monitoring.score_result import ScoreResult
from rnnforecast.workflows.results import (
    CategoricalEvaluateResult,
    CategoricalTrainResult,
    CompareResult,
    EvaluateResult,
    InspectResult,
    ModelResult,
    ReportResult,
    ScriptResult,
    TrainResult,
)

Table: TypeAlias = tuple[Sequence[str], Iterable[Sequence[object]]]  # columns and rows

#: Results whose main table is one of their lists: its field, and the first column where it is empty.
LISTS = {
    "BatchPlan": ("jobs", "job"),
    "DiagnoseResult": ("networks", "name"),
    "DoctorResult": ("checks", "name"),
    "ModelsResult": ("models", "model"),
    "ShardResult": ("parts", "part"),
    "TuneResult": ("trials", "trial"),
}


def write_csv(result: Document, stream: TextIO) -> None:
    """Write the main table of a result; text that a spreadsheet would run gets an apostrophe, hidden characters show."""
    columns, rows = main_table(result)
    for row in (columns, *rows):
        stream.write(csv_line(_cell(value) for value in row))


@singledispatch
def main_table(result: Document) -> Table:
    """Return columns and rows of the main table of a result: forecasts, metrics, assumptions, models or checks."""
    name = type(result).__name__
    if name not in LISTS:
        raise TypeError(f"no CSV table for {name}")
    field, first = LISTS[name]
    records = [each.to_dict() if isinstance(each, Document) else each for each in getattr(result, field)]
    return _records(records, first=first)


@main_table.register
def _forecasts(result: PredictResult) -> Table:
    return result.columns, result.rows


@main_table.register
def _page(result: ReportResult) -> Table:
    names = ("model", "output", "num_bytes", "num_series", "horizon", "seconds")
    return names, [tuple(getattr(result, name) for name in names)]


@main_table.register(TrainResult)
@main_table.register(EvaluateResult)
@main_table.register(CompareResult)
def _scores(result: TrainResult | EvaluateResult | CompareResult) -> Table:
    names = [metric.name for metric in METRICS]
    rows = [(method, *(metric_value(scores, name) for name in names)) for method, scores in result.metrics.items()]
    return ("method", *names), rows


@main_table.register(CategoricalTrainResult)
@main_table.register(CategoricalEvaluateResult)
def _category_scores(result: CategoricalTrainResult | CategoricalEvaluateResult) -> Table:
    return _records([{"method": method, **scores} for method, scores in result.metrics.items()], first="method")


@main_table.register
def _leads(result: ScoreResult) -> Table:
    names = ("mase", "baseline_mase", "mae", *(f"coverage_{level}" for level in INTERVALS))
    rows = [(row["lead"], row["num_scored"], *(_value(row, name) for name in names)) for row in result.per_lead]
    return ("lead", "num_scored", *names), rows


@main_table.register
def _alarms(result: DetectResult) -> Table:
    text = "id start end peak num_rows score kind direction member column value expected lower upper contributions"
    columns = text.split()
    document = result.to_dict()["alarms"]
    rows = document if isinstance(document, list) else []
    return columns, [[row.get(column) for column in columns] for row in rows if isinstance(row, dict)]


@main_table.register
def _assumptions(result: InspectResult) -> Table:
    return ("field", "value", "reason"), [
        (key, value, result.reasons.get(key, "")) for key, value in result.assumptions.items()
    ]


@main_table.register
def _manifest(result: ModelResult) -> Table:
    return ("field", "value"), list(result.manifest.items())


@main_table.register
def _units(result: UnitsResult) -> Table:
    return ("path", "text"), result.units


@main_table.register
def _script(result: ScriptResult) -> Table:
    return ("model", "text"), [[result.model, result.text]]


@main_table.register
def _jobs(result: BatchResult) -> Table:
    return _records([{**job.to_dict(), **_error_cells(job)} for job in result.jobs], first="job")


def _value(row: Mapping[str, object], name: str) -> object:
    return row[name] if name in row else metric_value(row, name)


def _records(records: Sequence[Mapping[str, object]], *, first: str) -> Table:
    columns = list(dict.fromkeys(key for record in records for key in record)) or [first]
    return columns, [[record.get(column) for column in columns] for record in records]


def _error_cells(job: JobResult) -> dict[str, object]:
    error = job.error
    return {"error": error and error.code, "message": error and error.message, "hint": error and error.hint}


def _cell(value: object) -> object:
    value = plain(value)
    if isinstance(value, list):
        value = " ".join(str(each) for each in value)
    elif isinstance(value, dict):
        value = json_text(value)
    return visible(value, keep="\n\t") if isinstance(value, str) else value
