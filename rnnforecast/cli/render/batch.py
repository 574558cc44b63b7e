"""The screens of `batch`: the outcome of every job, failures with their fix below; and the plan of `--check`."""

from __future__ import annotations

import os
from typing import TextIO

from rich.console import RenderableType
from rich.text import Text

from rnnforecast.cli.render.blocks import (
    NOTHING,
    Space,
    duration,
    fit_columns,
    heading,
    quiet_table,
    safe,
    screen,
    shortened,
    under,
)
from rnnforecast.cli.text import folded, styled
from rnnforecast.escaping import visible
from rnnforecast.findings import plural
from rnnforecast.workflows.batch.results import STATUSES, BatchPlan, BatchResult, JobError, JobResult

_STYLES = {"done": "green", "partial": "yellow", "unchanged": "dim", "failed": "bold red", "stopped": "yellow"}
_WHY_WIDTH = 24  # characters a reason needs; less breaks every word
_NAME_LENGTH = 22


@screen.register(BatchResult)
def _batch_screen(result: BatchResult, space: Space) -> list[RenderableType]:
    counts = ", ".join(f"{result.count(status)} {status}" for status in STATUSES if result.count(status))
    title = heading(f"{plural(len(result.jobs), 'job')}: {counts}", os.path.basename(result.jobs_file))
    columns = {
        "job": [safe(shortened(job.job, _NAME_LENGTH)) for job in result.jobs],
        "": [Text(job.status, style=_STYLES[job.status]) for job in result.jobs],
        "model": [_model(job) for job in result.jobs],
        "rows": [Text(f"{job.num_rows:,}" if job.num_rows else NOTHING) for job in result.jobs],
        "time": [Text(duration(job.seconds)) for job in result.jobs],
    }
    why = [safe(_why(job), "dim") for job in result.jobs]
    is_wide = not fit_columns({**columns, "why": ["x" * _WHY_WIDTH]}, width=space.width, dispensable=("why",))
    kinds = [(name, "right" if name in ("rows", "time") else "left") for name in columns]
    table = quiet_table([*kinds, *([("", "fold")] if is_wide else [])])
    for *cells, reason in zip(*columns.values(), why, strict=True):
        table.add_row(*cells, *([reason] if is_wide else []))
    return [under(title, table)]


def after_batch(result: BatchResult, *, stream: TextIO) -> str:
    """Return the lines below the table of a run: why jobs failed, warnings, and the path of the ledger."""
    lines = [""]
    for job in result.jobs:
        if job.error is not None:
            lines += _failure(job, job.error, stream)
    lines += [_labelled("warning:", "yellow", warning, stream) for warning in result.warnings]
    place = f"{duration(result.seconds)}, {plural(result.num_workers, 'worker')}, ledger {_near(result.ledger)}"
    return "\n".join([*lines, styled(visible(place), "dim", stream=stream), ""])


@screen.register(BatchPlan)
def _plan_screen(plan: BatchPlan, space: Space) -> list[RenderableType]:
    title = heading(f"{plural(len(plan.jobs), 'job')}, no errors", os.path.basename(plan.jobs_file))
    columns = {
        "job": [safe(shortened(str(job["job"]))) for job in plan.jobs],
        "files": [Text(str(job["num_files"] or NOTHING)) for job in plan.jobs],
        "series": [Text(NOTHING if job["num_series"] is None else f"{job['num_series']:,}") for job in plan.jobs],
        "rows": [Text(NOTHING if job["num_rows"] is None else f"{job['num_rows']:,}") for job in plan.jobs],
        "model": [safe(job["model"] or "trained here") for job in plan.jobs],
        "retrain": [safe(job["retrain"] or NOTHING) for job in plan.jobs],
        "output": [
            safe(_relative(str(job["output"]), plan.jobs_file)) if job["output"] else Text(NOTHING) for job in plan.jobs
        ],
    }
    for name in fit_columns(columns, width=space.width, dispensable=("files", "series", "rows", "model")):
        del columns[name]
    kinds = {"files": "right", "series": "right", "rows": "right", "output": "fold"}
    table = quiet_table([(name, kinds.get(name, "left")) for name in columns])
    for cells in zip(*columns.values(), strict=True):
        table.add_row(*cells)
    return [under(title, table)]


def _model(job: JobResult) -> Text:
    return safe(shortened(job.model, _NAME_LENGTH)) if job.model else Text(NOTHING)


def _why(job: JobResult) -> str:
    """Return the last column of a job: why it was trained or skipped, and its warnings."""
    parts = []
    if job.trained:
        parts.append(f"trained, {f'a {job.verdict}' if job.verdict else 'not evaluated'} ({job.reason})")
    elif job.reason and job.status == "unchanged":
        parts.append(job.reason.removeprefix("unchanged "))
    if job.num_warnings:
        parts.append(plural(job.num_warnings, "warning"))
    return ", ".join(parts)


def _failure(job: JobResult, error: JobError, stream: TextIO) -> list[str]:
    failed = f"failed with exit code {job.exit_code}"
    what = {"stopped": "was stopped", "partial": "is partial"}.get(job.status, failed)
    head = f"job {job.job} {what}:"
    lines = [_labelled(head, "bold", error.message, stream)]
    if error.hint:
        lines.append(_labelled("  hint:", "cyan", error.hint, stream))
    if job.log and job.status != "stopped":
        lines.append(_labelled("  log:", "dim", _near(job.log), stream))
    return [*lines, ""]


def _labelled(label: str, style: str, text: str, stream: TextIO) -> str:
    """Return a line behind its coloured label, folded only on a terminal, so that paths in a mail stay whole."""
    label = visible(label)
    lines = visible(f"{label} {text}", keep="\n").split("\n")
    folded_lines = "\n".join(folded(line, stream=stream) for line in lines)
    return styled(label, style, stream=stream) + folded_lines.removeprefix(label)


def _near(path: str) -> str:
    """Return a path relative to the working folder if it is below it."""
    return path.removeprefix(os.getcwd() + os.sep)


def _relative(path: str, jobs_file: str) -> str:
    below = os.path.relpath(path, os.path.dirname(jobs_file))
    return path if below.startswith("..") else below
