"""`rnnforecast batch`: run many jobs from one file, unattended."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import typer

from rnnforecast.cli.command import build_command
from rnnforecast.cli.view import View
from rnnforecast.errors import OutputError, UsageError
from rnnforecast.grammars import Duration
from rnnforecast.options import JOB_SHARD, JOBS_FILE

if TYPE_CHECKING:
    from rnnforecast.workflows.batch.run import Options


def batch(
    view: View,
    jobs: str,
    workers: int | None,
    shard: str | None,
    resume: bool,
    wait: str | None,
    check: bool,
    read: bool,
    print_cron: bool,
    print_systemd: bool,
    events: str | None,
    metrics_file: str | None,
    store: str | None,
) -> None:
    """Run all jobs of a file, each in a separate process: train and forecast.

    A failed job does not stop the others. Jobs unchanged since their last successful run are skipped. With --quiet,
    nothing is printed if all jobs succeed. The store is .rnnforecast in the folder of JOBS, unless JOBS or --store names
    another.
    """
    if sum((check, print_cron, print_systemd)) > 1:
        raise UsageError("--check, --print-cron and --print-systemd exclude each other", hint="give one of them")
    if not read and not check:
        raise UsageError("--no-read has no effect without --check", hint="leave it out")
    if shard is not None and (check or print_cron or print_systemd or metrics_file):
        raise UsageError(
            "--shard runs a part of the jobs: --check, --print-cron, --print-systemd and --metrics-file are of all",
            hint="leave one of them out",
        )
    if check:
        from rnnforecast.workflows.batch.check import check_jobs

        view.show(check_jobs(jobs, store=store, read=read))
    elif print_cron or print_systemd:
        from rnnforecast.workflows.batch.scheduler_units import cron_line, systemd_units

        view.show((cron_line if print_cron else systemd_units)(jobs, store=store))
    else:
        from rnnforecast.workflows.batch.run import Options
        from rnnforecast.workflows.shards.plan import Shard

        part = None if shard is None else Shard.parse(shard)
        seconds = 0.0 if wait is None else Duration.parse(wait, option="--wait", allow_zero=True).seconds
        _run(view, jobs, store, Options(workers, resume, events, metrics_file, seconds, part))


def _run(view: View, jobs: str, store: str | None, options: Options) -> None:
    import rnnforecast

    with view.progress() as progress:
        result = rnnforecast.batch(jobs, store=store, options=options, progress=progress)
    # after SIGHUP there is no terminal
    with contextlib.suppress(*([OutputError, BrokenPipeError] if result.signal else [])):
        view.show(result, if_quiet=not result.ok or bool(result.warnings))
    if not result.ok:
        raise typer.Exit(result.exit_code)


command = build_command(batch, JOBS_FILE, JOB_SHARD, example="rnnforecast batch nightly.toml --workers 4")
