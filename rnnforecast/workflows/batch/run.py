"""`batch`: run the jobs of a file, each in processes of its own, and keep the record of it."""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.errors import ExitCode, OutputError
from rnnforecast.progress import NoProgress, Progress
from rnnforecast.store.files import check_writable, lock, make_folder, sweep_temporaries
from rnnforecast.store.names import encode_name
from rnnforecast.workflows.batch.execution.job import Place, work
from rnnforecast.workflows.batch.execution.outcomes import stopped_within
from rnnforecast.workflows.batch.execution.scheduler import Scheduler, Task
from rnnforecast.workflows.batch.execution.signals import Stopper
from rnnforecast.workflows.batch.jobs_file.jobs import Job, JobFile, read_jobs
from rnnforecast.workflows.batch.records.history import History
from rnnforecast.workflows.batch.records.ledger import LEDGER, Ledger, rotate
from rnnforecast.workflows.batch.records.prometheus import write_metrics
from rnnforecast.workflows.batch.records.recorder import Recorder, new_run_id, remove_old_logs
from rnnforecast.workflows.batch.results import BatchResult, JobResult, exit_code_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from rnnforecast.findings import JSONValue

#: Memory a job may need, for choosing how many run side by side: a process with torch and a small network.
_JOB_BYTES = 2**30


@dataclass(frozen=True)
class Options:
    """How a run is done; None is chosen by the tool."""

    num_workers: int | None = None
    resume: bool = False
    events: str | Path | None = None
    metrics_file: str | Path | None = None
    wait_seconds: float = 0.0


def batch(
    jobs_file: str | Path,
    *,
    store: str | Path | None = None,
    options: Options | None = None,
    progress: Progress | None = None,
) -> BatchResult:
    """Run every job of a file; one that fails hurts no other, and the result says how each ended.

    Raises before the first job alone: UsageError for a fault in the file, LockedError while another run of the same
    file is alive, OutputError where the record of the run cannot be kept.
    """
    options = options or Options()
    found = read_jobs(jobs_file, store=store)
    if options.metrics_file is not None:
        check_writable(options.metrics_file)
    state = state_folder(found)
    make_folder(state)
    with lock(state / "run.lock", wait_seconds=options.wait_seconds):
        sweep_temporaries(state)
        return _run(found, state, options, progress or NoProgress())


def state_folder(job_file: JobFile) -> Path:
    """Return the folder in the store that holds ledger, logs and lock of a jobs file."""
    digest = hashlib.sha256(os.fsencode(os.path.realpath(job_file.path))).hexdigest()[:8]
    return job_file.store / "batch" / f"{encode_name(job_file.path.stem)}-{digest}"


def _run(job_file: JobFile, state: Path, options: Options, progress: Progress) -> BatchResult:
    """Do the jobs under the lock."""
    started = time.monotonic()
    history = History.read(state / LEDGER)
    rotate(state / LEDGER, keep=history.essence())
    remove_old_logs(state / "logs")
    num_workers = options.num_workers or job_file.num_workers or _choose_workers(len(job_file.jobs))
    run = new_run_id()
    with _record(run, state, options) as recorder, Stopper() as stopper:
        recorder.emit("run_start", **_describe_run(job_file, num_workers, options))
        for missing in filter(None, (job.alarm_is_missing for job in job_file.jobs)):
            recorder.warn(f"{missing}: no alarm would be heard")
        scheduler = Scheduler(num_workers, stopper=stopper, folder=job_file.path.parent)
        tasks = [_task(job, job_file, history, recorder, resume=options.resume) for job in job_file.jobs]
        results: dict[str, JobResult] = {}
        awaited = {job.name: job.waits_for for job in job_file.jobs}
        progress.start("jobs", len(tasks))
        whole = _begun(job_file, state, run, num_workers)
        try:
            with contextlib.closing(scheduler.run(tasks, on_start=lambda name: _began(name, recorder))) as ends:
                for result in ends:
                    waited_for = results.get(awaited[result.job])
                    results[result.job] = _ended(_blamed(result, waited_for), recorder, history)
                    progress.update(len(results))
        except KeyboardInterrupt:  # a second Ctrl-C: the record says so, and nothing else is done
            whole = _ended_run(whole, awaited, results, started=started, number=signal.SIGINT)
            recorder.emit("run_end", **_graded(whole, recorder).counts())
            raise
        progress.finish()
        whole = _ended_run(whole, awaited, results, started=started, number=stopper.signal)
        return _close(whole, recorder, history, options)


def _begun(job_file: JobFile, state: Path, run: str, num_workers: int) -> BatchResult:
    """Return a run of which no job has ended yet."""
    return BatchResult(
        jobs_file=str(job_file.path),
        store=str(job_file.store),
        run=run,
        ledger=str(state / LEDGER),
        exit_code=0,
        jobs=(),
        num_workers=num_workers,
        seconds=0.0,
    )


def _ended_run(
    run: BatchResult,
    names: Iterable[str],
    results: Mapping[str, JobResult],
    *,
    started: float,
    number: int | None,
) -> BatchResult:
    """Return a run with how all its jobs ended; those that nothing is known of were stopped by signal `number`."""
    stopped = functools.partial(JobResult, status="stopped", exit_code=128 + (number or 0))
    jobs = tuple(
        results[name] if name in results else stopped(name, error=None if number is None else stopped_within(number))
        for name in names
    )
    code = exit_code_of(jobs) if number is None else 128 + number
    return replace(run, jobs=jobs, exit_code=code, seconds=time.monotonic() - started, signal=number)


def _close(result: BatchResult, recorder: Recorder, history: History, options: Options) -> BatchResult:
    """Write the metrics and the last event; what could not be recorded keeps the run from ending with 0."""
    if options.metrics_file is not None:
        try:
            write_metrics(options.metrics_file, result, history, now=time.time())
        except OutputError as error:
            recorder.warn(error.message)
            recorder.is_whole = False
    result = _graded(result, recorder)
    recorder.emit("run_end", **result.counts())
    return _graded(result, recorder)


def _graded(result: BatchResult, recorder: Recorder) -> BatchResult:
    code = result.exit_code
    if code == ExitCode.OK and not recorder.is_whole:
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
    place = Place(
        store=job_file.store,
        logs=recorder.log_path(job.name).parent,
        last=history.last_end(job.name),
        trust_last=resume and history.ended_well_in_last_run(job.name),
    )
    return Task(
        name=job.name,
        begin=lambda: work(job, place),
        log=recorder.logger(job.name),
        timeout=job.timeout,
        waits_for=job.waits_for,
    )


def _began(name: str, recorder: Recorder) -> None:
    recorder.emit("job_start", job=name)


def _blamed(result: JobResult, waited_for: JobResult | None) -> JobResult:
    """Name the job that was to train the model where there is none because that job failed."""
    error = result.error
    if error is None or error.code != "E_MODEL_UNKNOWN" or waited_for is None or waited_for.ok:
        return result
    hint = f"mend job `{waited_for.job}`, which trains it and {waited_for.status}"
    return replace(result, error=replace(error, hint=hint))


def _ended(result: JobResult, recorder: Recorder, history: History) -> JobResult:
    path = recorder.log_path(result.job)
    result = replace(result, log=str(path) if path.is_file() else None)
    if result.alarm not in (None, "ended well"):
        recorder.warn(f"the alarm of job `{result.job}` {result.alarm}")
    history.note(recorder.emit("job_end", **result.to_dict()))
    return result


def _describe_run(job_file: JobFile, num_workers: int, options: Options) -> dict[str, JSONValue]:
    return {
        "jobs_file": str(job_file.path),
        "jobs_digest": job_file.digest,
        "store": str(job_file.store),
        "num_jobs": len(job_file.jobs),
        "workers": num_workers,
        "resumed": options.resume,
        "pid": os.getpid(),
    }


def _choose_workers(num_jobs: int) -> int:
    """Return as many processes as there are cores and memory for, and jobs to do."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        memory = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):  # not on every system
        memory = cores * _JOB_BYTES
    return max(1, min(num_jobs, cores, int(memory // _JOB_BYTES)))
