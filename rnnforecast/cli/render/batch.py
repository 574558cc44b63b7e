"""The screens of `batch`: what came of every job, failures with their fix below; and the plan of `--check`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, TextIO

from rich.text import Text

from rnnforecast.cli.render.blocks import NOTHING, duration, heading, plural, quiet_table, safe, shortened, under
from rnnforecast.cli.text import folded, styled, visible
from rnnforecast.workflows.batch.results import STATUSES

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rnnforecast.workflows.batch.results import BatchPlan, BatchResult, JobError, JobResult

_STYLES = {"done": "green", "partial": "yellow", "unchanged": "dim", "failed": "bold red", "stopped": "yellow"}
_WIDE = 100
_NAME_LENGTH = 22


def batch_blocks(result: BatchResult, *, width: int) -> list[RenderableType]:
    """Return the table of a run: one line a job."""
    counts = ", ".join(f"{result.count(status)} {status}" for status in STATUSES if result.count(status))
    title = heading(f"{plural(len(result.jobs), 'job')}: {counts}", os.path.basename(result.jobs_file))
    columns = [("job", "left"), ("", "left"), ("model", "left"), ("rows", "right"), ("time", "right")]
    table = quiet_table([*columns, *([("", "fold")] if width >= _WIDE else [])])
    for job in result.jobs:
        cells = [safe(shortened(job.job, _NAME_LENGTH)), Text(job.status, style=_STYLES[job.status]), _model(job)]
        cells += [Text(f"{job.num_rows:,}" if job.num_rows else NOTHING), Text(duration(job.seconds))]
        table.add_row(*cells, *([safe(_why(job), "dim")] if width >= _WIDE else []))
    return [under(title, table)]


def after_batch(result: BatchResult, *, stream: TextIO) -> str:
    """Return what stands below the table of a run: why jobs failed, warnings, and where the record lies."""
    lines = [""]
    for job in result.jobs:
        if job.error is not None:
            lines += _failure(job, job.error, stream)
    lines += [_labelled("warning:", "yellow", warning, stream) for warning in result.warnings]
    place = f"{duration(result.seconds)}, {plural(result.num_workers, 'worker')}, ledger {_near(result.ledger)}"
    return "\n".join([*lines, styled(visible(place), "dim", stream=stream), ""])


def plan_blocks(plan: BatchPlan) -> list[RenderableType]:
    """Return the screen of `--check`."""
    title = heading(f"{plural(len(plan.jobs), 'job')}, no fault", os.path.basename(plan.jobs_file))
    table = quiet_table(
        [("job", "left"), ("files", "right"), ("model", "left"), ("retrain", "left"), ("output", "fold")]
    )
    for job in plan.jobs:
        retrain = job["retrain"] or NOTHING
        files = str(job["n_files"] or NOTHING)
        output = safe(_relative(str(job["output"]), plan.jobs_file)) if job["output"] else Text(NOTHING)
        table.add_row(safe(shortened(str(job["job"]))), files, safe(job["model"] or "its own"), safe(retrain), output)
    return [under(title, table)]


def _model(job: JobResult) -> Text:
    return safe(shortened(job.model, _NAME_LENGTH)) if job.model else Text(NOTHING)


def _why(job: JobResult) -> str:
    """Return what is worth a word beside the line of a job."""
    parts = []
    if job.trained:
        parts.append(f"trained, {f'a {job.verdict}' if job.verdict else 'not judged'} ({job.reason})")
    elif job.reason and job.status == "unchanged":
        parts.append(job.reason)
    if job.repairs:
        parts.append(plural(job.repairs, "repair"))
    if job.error is not None:
        parts.append(f"exit code {job.exit_code}")
    return ", ".join(parts)


def _failure(job: JobResult, error: JobError, stream: TextIO) -> list[str]:
    what = {"stopped": "was stopped", "partial": "was done in part"}.get(job.status, "failed")
    head = f"job {job.job} {what}:"
    lines = [_labelled(head, "bold", error.message, stream)]
    if error.hint:
        lines.append(_labelled("  hint:", "cyan", error.hint, stream))
    if job.log and job.status != "stopped":
        lines.append(_labelled("  log:", "dim", _near(job.log), stream))
    return [*lines, ""]


def _labelled(label: str, style: str, text: str, stream: TextIO) -> str:
    """Return a line behind its coloured label, folded on a terminal alone: a mail keeps its paths whole."""
    label = visible(label)
    lines = f"{label} {visible(text, keep_newlines=True)}".split("\n")
    told = "\n".join(folded(line, stream=stream) for line in lines)
    return styled(label, style, stream=stream) + told.removeprefix(label)


def _near(path: str) -> str:
    """Return a path from the working folder on, where it lies below."""
    return path.removeprefix(os.getcwd() + os.sep)


def _relative(path: str, jobs_file: str) -> str:
    """Return a path as the jobs file names it."""
    below = os.path.relpath(path, os.path.dirname(jobs_file))
    return path if below.startswith("..") else below
