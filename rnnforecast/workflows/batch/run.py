"""`batch`: run the jobs of a file, each in its own processes, and keep a record."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import signal
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from rnnforecast.data.files.overwrite import check_outputs
from rnnforecast.errors import ExitCode, OutputError
from rnnforecast.frozen import dataclass
from rnnforecast.inference.threads import num_cores
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.store.files import check_writable, lock, make_folder, sweep_temporaries
from rnnforecast.store.names import encode_name
from rnnforecast.workflows.batch.execution.outcomes import stopped_job
from rnnforecast.workflows.batch.execution.scheduler import Scheduler, SignalHandler, Task
from rnnforecast.workflows.batch.execution.steps import JobContext, run_job
from rnnforecast.workflows.batch.jobs_file.job import Job
from rnnforecast.workflows.batch.jobs_file.read import JobFile, owned_files, read_jobs
from rnnforecast.workflows.batch.records.ledger import LEDGER, History, Ledger, rotate
from rnnforecast.workflows.batch.records.prometheus import write_metrics
from rnnforecast.workflows.batch.records.recorder import Recorder, new_run_id, remove_old_logs
from rnnforecast.workflows.batch.results import BatchResult, JobResult, exit_code_of
from rnnforecast.workflows.shards.plan import Shard

#: Memory a job may need (a process with torch and a small network), which limits the number of workers.
_JOB_BYTES = 2**30


@dataclass(frozen=True)
class Options:
    """How to run the jobs; `num_workers` None is chosen from cores and memory."""

    num_workers: int | None = None
    resume: bool = False
    events: str | Path | None = None
    metrics_file: str | Path | None = None
    wait_seconds: float = 0.0
    shard: Shard | None = None  # of several workers


def batch(
    jobs_file: str | Path,
    *,
    store: str | Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Run every job of a file; a failed job affects no other, and the result has the outcome of each.

    Raises only before the first job: UsageError for errors in the file, LockedError while another run of the same
    file is active, OutputError if the record of the run cannot be written.
    """
    options = options or Options()
    job_file = read_jobs(jobs_file, store=store)
    outputs = {f"the output of job `{job.name}`": job.output for job in job_file.jobs}
    own = {"--metrics-file": options.metrics_file, "--events": options.events}
    check_outputs(own, [*owned_files(job_file), *((what, path) for what, path in outputs.items() if path is not None)])
    if options.metrics_file is not None:
        check_writable(options.metrics_file)
    state = state_folder(job_file)
    if options.shard is not None:
        job_file = replace(job_file, jobs=jobs_of(job_file.jobs, options.shard))
        state = state.with_name(f"{state.name}-{str(options.shard).replace('/', '-of-')}")
    make_folder(state)
    with lock(state / "run.lock", wait_seconds=options.wait_seconds):
        sweep_temporaries(state)
        return _run(job_file, state, options, progress or NoProgress())


def jobs_of(jobs: Sequence[Job], shard: Shard) -> tuple[Job, ...]:
    """Return the jobs of one worker, dealt out in the order of the file.

    A job that forecasts with the model of another falls to the worker that trains it.
    """
    known = {job.name for job in jobs}
    trainers: dict[str, int] = {}
    taken = []
    for job in jobs:
        trainer = job.waits_for if job.waits_for in known else job.name
        if shard.takes(trainers.setdefault(trainer, len(trainers))):
            taken.append(job)
    return tuple(taken)


def state_folder(job_file: JobFile) -> Path:
    """Return the folder in the store with the ledger, the logs and the lock of a jobs file."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(job_file.path))).hexdigest()[:8]
    return job_file.store / "batch" / f"{encode_name(job_file.path.stem)}-{digest}"


def _run(job_file: JobFile, state: Path, options: Options, progress: Progress) -> BatchResult:
    started = time.monotonic()
    history = History.read(state / LEDGER)
    rotate(state / LEDGER, keep=history.essential_events())
    remove_old_logs(state / "logs")
    num_workers = options.num_workers or job_file.num_workers or _choose_num_workers(len(job_file.jobs))
    run = BatchResult(
        jobs_file=str(job_file.path),
        store=str(job_file.store),
        run=new_run_id(),
        ledger=str(state / LEDGER),
        exit_code=0,
        jobs=(),
        num_workers=num_workers,
        seconds=0.0,
    )
    with _record(run.run, state, options) as recorder, SignalHandler() as signals:
        recorder.emit(
            "run_start",
            jobs_file=run.jobs_file,
            jobs_digest=job_file.digest,
            store=run.store,
            num_jobs=len(job_file.jobs),
            workers=num_workers,
            resumed=options.resume,
            pid=os.getpid(),
        )
        for missing in filter(None, (job.alarm_is_missing for job in job_file.jobs)):
            recorder.warn(f"{missing}, so there would be no alarm")
        scheduler = Scheduler(num_workers, signals=signals, folder=job_file.path.parent)
        tasks = [_task(job, job_file, history, recorder, resume=options.resume) for job in job_file.jobs]
        results: dict[str, JobResult] = {}
        waits_for = {job.name: job.waits_for for job in job_file.jobs}
        progress.start("jobs", len(tasks))
        finish = functools.partial(_finished, run, waits_for, results, started=started)
        try:
            running = scheduler.run(tasks, on_start=lambda name: recorder.emit("job_start", job=name))
            with contextlib.closing(running):
                for result in running:
                    trainer = results.get(waits_for[result.job])
                    results[result.job] = _record_result(_with_cause(result, trainer), recorder, history)
                    progress.update(len(results))
        except KeyboardInterrupt:  # a second Ctrl-C: it is recorded, and nothing else is done
            recorder.emit("run_end", **_with_exit_code(finish(number=signal.SIGINT), recorder).counts())
            raise
        progress.finish()
        return _close(finish(number=signals.received), recorder, history, options)


def _finished(
    run: BatchResult, names: Iterable[str], results: Mapping[str, JobResult], *, started: float, number: int | None
) -> BatchResult:
    """Return a run with the results of all jobs; signal `number` stopped those that have none."""
    error = None if number is None else stopped_job(number, "during the job")
    stopped = functools.partial(JobResult, status="stopped", exit_code=128 + (number or 0), error=error)
    jobs = tuple(results[name] if name in results else stopped(name) for name in names)
    code = exit_code_of(jobs) if number is None else 128 + number
    return replace(run, jobs=jobs, exit_code=code, seconds=time.monotonic() - started, signal=number)


def _close(result: BatchResult, recorder: Recorder, history: History, options: Options) -> BatchResult:
    """Write the metrics and the last event; if either fails, the exit code is not 0."""
    if options.metrics_file is not None:
        try:
            write_metrics(options.metrics_file, result, history, now=time.time())
        except OutputError as error:
            recorder.lose(error.message)
    result = _with_exit_code(result, recorder)
    recorder.emit("run_end", **result.counts())
    return _with_exit_code(result, recorder)


def _with_exit_code(result: BatchResult, recorder: Recorder) -> BatchResult:
    code = result.exit_code
    if code == ExitCode.OK and not recorder.is_complete:
        code = int(ExitCode.OUTPUT)
    return replace(result, exit_code=code, warnings=tuple(recorder.warnings))


@contextmanager
def _record(run: str, state: Path, options: Options) -> Iterator[Recorder]:
    ledger = Ledger(state / LEDGER)
    try:
        recorder = Recorder(run, ledger=ledger, logs=state / "logs", events=options.events)
    except BaseException:
        ledger.close()
        raise
    with contextlib.closing(recorder):
        yield recorder


def _task(job: Job, job_file: JobFile, history: History, recorder: Recorder, *, resume: bool) -> Task:
    context = JobContext(
        store=job_file.store,
        logs=recorder.log_path(job.name).parent,
        last=history.last_outcomes.get(job.name),
        trust_last=resume and history.succeeded_in_last_run(job.name),
    )
    return Task(
        name=job.name,
        start=lambda: run_job(job, context),
        log=recorder.logger(job.name),
        timeout=None if job.timeout is None else job.timeout.seconds,
        waits_for=job.waits_for,
    )


def _with_cause(result: JobResult, trainer: JobResult | None) -> JobResult:
    """If a model is missing because the job that trains it failed, name that job."""
    error = result.error
    if error is None or error.code != "E_MODEL_UNKNOWN" or trainer is None or trainer.ok:
        return result
    return replace(result, error=replace(error, hint=f"fix job `{trainer.job}`, which trains it and {trainer.status}"))


def _record_result(result: JobResult, recorder: Recorder, history: History) -> JobResult:
    path = recorder.log_path(result.job)
    result = replace(result, log=str(path) if path.is_file() else None)
    if result.alarm not in (None, "succeeded"):
        recorder.warn(f"the alarm of job `{result.job}` {result.alarm}")
    history.add(recorder.emit("job_end", **result.to_dict()))
    return result


def _choose_num_workers(num_jobs: int) -> int:
    """Return a number of processes for the cores, the free memory and the jobs."""
    cores = num_cores()
    try:
        memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not on every system
        memory = cores * _JOB_BYTES
    return max(1, min(num_jobs, cores, int(memory // _JOB_BYTES)))
