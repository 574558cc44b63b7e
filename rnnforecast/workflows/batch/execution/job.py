"""What one job does, step by step: is anything to do, does the model have to be trained, then the forecast.

A job is a generator: it yields the commands it needs and gets back how each ended, so that one loop can run many jobs
side by side without a thread. Nothing here parses a user's data: that happens in the processes of the commands.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from rnnforecast.config import Settings
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.write import check_output
from rnnforecast.errors import ExitCode, OutputError, RnnForecastError, TryLaterError
from rnnforecast.store.files import make_folder, replace_file
from rnnforecast.store.names import encode_name
from rnnforecast.workflows.batch.execution.outcomes import (
    Document,
    FailedError,
    StoppedError,
    read_document,
    stopped_within,
)
from rnnforecast.workflows.batch.execution.process import Command, Ended, describe_end, rnnforecast_command
from rnnforecast.workflows.batch.jobs_file.settings_toml import to_toml
from rnnforecast.workflows.batch.records.digests import (
    digest_data,
    digest_file,
    digest_settings,
    find_model,
    newest_manifest,
)
from rnnforecast.workflows.batch.records.ledger import to_line
from rnnforecast.workflows.batch.results import JobError, JobResult, Status

if TYPE_CHECKING:
    from rnnforecast.store.manifest import Manifest
    from rnnforecast.store.versions import StoredModel
    from rnnforecast.workflows.batch.jobs_file.jobs import Job

Work = Generator[Command, Ended, JobResult]

ALARM_SECONDS = 60.0
#: Seconds to wait for a busy database before the work: other jobs stand still meanwhile.
_GLANCE = 0.2

#: Settings that change neither what is learned nor how it is judged.
_NOT_LEARNT = ("quantiles", "device", "time_budget", "wait")


@dataclass(frozen=True)
class Place:
    """Where a job works: the store, the folder of its run's logs, and what is known of its last end."""

    store: Path
    logs: Path
    last: Document | None  # how the job ended the last time, from the ledger
    trust_last: bool  # a run is resumed: what it has done is not done again, whatever the clock says
    now: Callable[[], float] = time.time


@dataclass
class Report:
    """What a job has found out so far; becomes its result however it ends."""

    reason: str = ""
    left_out: list[str] = field(default_factory=list)
    trained: bool = False
    model: str | None = None
    verdict: str | None = None
    num_rows: int = 0
    num_warnings: int = 0
    notes: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def learn_from(self, document: Document) -> None:
        """Take over what a command says of its data."""
        notes = document.get("notes")
        listed = document.get("findings")
        findings = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        self.num_warnings = sum(each.get("severity") == "warning" for each in findings)
        refused = [str(each.get("message")) for each in findings if each.get("severity") == "error"]
        self.left_out += [message for message in refused if message not in self.left_out]
        if isinstance(notes, list):
            self.notes += [str(note) for note in notes if note not in self.notes]


def work(job: Job, place: Place) -> Work:
    """Do a job; whatever goes wrong in it becomes its result and nobody else's, and is told to `on_alarm`."""
    started = time.monotonic()
    report = Report()
    status: Status = "done"
    exit_code, error = 0, None
    try:
        if not (yield from _run(job, place, report)):
            status = "unchanged"
        elif report.left_out:
            status, exit_code, error = "partial", int(ExitCode.PARTIAL), _left_out(report)
    except StoppedError as stopped:
        status, exit_code, error = "stopped", 128 + stopped.number, stopped_within(stopped.number)
    except FailedError as failure:
        status, exit_code, error = "failed", failure.exit_code, failure.error
    except RnnForecastError as refusal:
        status, exit_code, error = "failed", int(refusal.exit_code), JobError.from_error(refusal)
    result = JobResult(
        job=job.name,
        status=status,
        exit_code=exit_code,
        seconds=time.monotonic() - started,
        output=None if job.output is None else str(job.output),
        error=error,
        **{key: value for key, value in vars(report).items() if key != "left_out"} | {"notes": tuple(report.notes)},
    )
    if status not in ("failed", "partial") or not job.on_alarm:
        return result
    return replace(result, alarm=(yield from _sound_alarm(job, result)))


def _sound_alarm(job: Job, result: JobResult) -> Generator[Command, Ended, str]:
    """Run the alarm command with the result as JSON on its standard input; return what became of it."""
    environment = {
        "RNNFORECAST_JOB": job.name,
        "RNNFORECAST_EXIT_CODE": str(result.exit_code),
        "RNNFORECAST_ERROR": result.error.code if result.error else "",
    }
    content = to_line({**result.to_dict(), "notes": []})
    try:
        ended = yield Command(job.on_alarm, content, environment, ALARM_SECONDS)
    except (StoppedError, FailedError) as error:
        return str(error)
    if ended.timed_out:
        return f"was ended after {ALARM_SECONDS:g} s"
    return "ended well" if ended.returncode == 0 else describe_end(ended.returncode)


def _run(job: Job, place: Place, report: Report) -> Generator[Command, Ended, bool]:
    """Train where it is due and forecast; return False when nothing has changed since this was done."""
    stored = find_model(job, place.store)
    data = digest_data(job, stored)
    report.digests = {"settings": digest_settings(job)} | ({} if data is None else {"data": data})
    report.reason = _reason_to_train(job, stored, place) or ""
    if not report.reason and _is_unchanged(job, stored, place, report):
        report.reason = _since(place.last or {})
        return False
    _check_output(job)
    if not report.reason:
        report.reason = yield from _reason_in_data(job, place)
    if report.reason and job.model is None:
        if stored is not None:
            yield from _refuse_stale_rows(job, place)
        document = yield from _ask(_train_command(job, place), report)
        report.trained = True
        report.verdict = _outcome(document)
        report.model = str(document.get("model"))
    if job.output is not None:
        document = yield from _ask(_predict_command(job, place), report)
        report.model = str(document.get("model"))
        num_rows = document.get("num_rows")
        report.num_rows = num_rows if isinstance(num_rows, int) else 0
        if isinstance(job.output, Path):
            report.digests["output"] = _digest_output(job.output)
    if job.keep is not None:
        words = ["models", "prune", job.name, "--keep", str(job.keep), "--store", str(place.store), "--format", "json"]
        yield from _ask(Command(rnnforecast_command(*words)), Report())
    stored = find_model(job, place.store)
    if stored is not None:
        report.digests["model"] = digest_file(stored.path)
    return True


def _check_output(job: Job) -> None:
    """Look before the work whether the output can be written; a database that is busy now may not be at its end."""
    if job.output is None:
        return
    with contextlib.suppress(TryLaterError):
        check_output(job.output, wait=_GLANCE)


def _is_unchanged(job: Job, stored: StoredModel | None, place: Place, report: Report) -> bool:
    """Return whether the job ended well and data, settings, model and output are the ones it ended with."""
    last = place.last or {}
    known = last.get("digests")
    if last.get("status") not in ("done", "unchanged") or not isinstance(known, dict) or stored is None:
        return False
    report.digests["model"] = digest_file(stored.path)
    if isinstance(job.output, str):
        return False  # a table may have changed without a trace: writing the same rows again mends it
    if job.output is not None:
        if not job.output.is_file():
            return False
        report.digests["output"] = digest_file(job.output)
    if "data" not in report.digests or known != report.digests or not (job.max_age is None or place.trust_last):
        return False
    num_rows = last.get("num_rows")
    report.num_rows = num_rows if isinstance(num_rows, int) else 0
    report.model = stored.label
    return True


def _reason_to_train(job: Job, stored: StoredModel | None, place: Place) -> str | None:
    """Return why the model has to be trained, as far as the model itself tells; None when it need not."""
    if job.model is not None:
        return None
    if stored is None or stored.manifest is None:
        return "no model of this name yet"
    newest = newest_manifest(job.name, place.store) or stored.manifest
    changed = _changed_settings(job, newest)
    if changed:
        return f"its settings changed: {', '.join(changed[:5])}"
    if job.retrain.kind != "every" or place.trust_last:
        return None
    began = datetime.fromisoformat(newest.created).timestamp() - newest.seconds
    return f"the model was {_age(place.now() - began)} old" if job.retrain.is_due_at_age(place.now() - began) else None


def _changed_settings(job: Job, manifest: Manifest) -> list[str]:
    """Return the settings whose values differ from those of the training; keys of later versions do not count."""
    wanted = Settings.from_flat(job.settings).to_flat()
    return [
        key
        for key, value in manifest.settings.items()
        if key in wanted and key not in _NOT_LEARNT and wanted[key] != value
    ]


def _reason_in_data(job: Job, place: Place) -> Generator[Command, Ended, str]:
    """Return why the data ask for a training, or nothing."""
    newest = newest_manifest(job.name, place.store) if job.model is None else None
    if newest is None:
        return ""
    if job.retrain.kind == "steps":
        return (yield from _new_steps(job, place, newest))
    return (yield from _drift(job, place)) if job.retrain.kind == "drift" else ""


def _drift(job: Job, place: Place) -> Generator[Command, Ended, str]:
    """Score what was forecast so far against the rows there are now; an alarm is a reason to train."""
    words = ["score", job.name, "--store", str(place.store), *_data_words(job), "--format", "json"]
    ended = yield Command(rnnforecast_command(*words))
    if ended.returncode in (ExitCode.DRIFT, ExitCode.COVERAGE):
        return "drift" if ended.returncode == ExitCode.DRIFT else "coverage broken"
    try:
        read_document(ended, what="score")
    except FailedError as failure:
        if failure.error.code != "E_LEDGER_EMPTY":  # nothing was forecast yet: nothing to drift from
            raise
    return ""


def _refuse_stale_rows(job: Job, place: Place) -> Generator[Command, Ended, None]:
    """Hold the rows against those of the present version before another learns from them: it knows no others."""
    words = ["predict", job.name, "--store", str(place.store), "--no-ledger", *_row_words(job), "--format", "json"]
    ended = yield Command(rnnforecast_command(*words))
    if ended.returncode == ExitCode.STALE:  # whatever else it cannot do is no reason against a new version
        read_document(ended, what="predict")


def _new_steps(job: Job, place: Place, manifest: Manifest) -> Generator[Command, Ended, str]:
    """Read how far the rows go now; return why to train, or nothing."""
    config = _write_settings(job, place)
    words = ["inspect", *job.data, "--config", str(config), "--format", "json"]
    document = yield from _ask(Command(rnnforecast_command(*words)), Report())
    freq = Frequency.from_dict(manifest.freq)
    before, now = _ordinal(freq, manifest.input.last_timestamp), _ordinal(freq, document.get("last"))
    num_new_steps = now - before
    return f"{num_new_steps} new steps" if job.retrain.is_due_after(num_new_steps) else ""


def _ordinal(freq: Frequency, timestamp: object) -> int:
    if not freq.is_calendar:
        return int(freq.to_ordinals(np.array([timestamp], dtype=np.int64))[0])
    moment = datetime.fromisoformat(str(timestamp))
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return int(freq.floor(np.array([moment], dtype="datetime64[us]"))[0])


def _train_command(job: Job, place: Place) -> Command:
    config = _write_settings(job, place)
    words = ["train", *job.data, "--config", str(config), "--name", job.name, "--store", str(place.store)]
    if job.max_age is not None:
        words += ["--max-age", job.max_age]
    return Command(rnnforecast_command(*words, "--format", "json"))


def _predict_command(job: Job, place: Place) -> Command:
    words = ["predict", job.model or job.name, "--store", str(place.store), "--output", str(job.output)]
    words += _row_words(job)
    settings = Settings.from_flat(job.settings)
    if "horizon" in job.settings:
        words += ["--horizon", str(settings.data.horizon)]
    if "quantiles" in job.settings:
        words += ["--quantiles", ",".join(f"{level:g}" for level in settings.evaluation.quantiles)]
    return Command(rnnforecast_command(*words, "--format", "json"))


def _data_words(job: Job) -> list[str]:
    return [word for item in job.data for word in ("--data", item)]


def _row_words(job: Job) -> list[str]:
    """Return the flags that say which rows a forecast reads, and how fresh they have to be."""
    reading = Settings.from_flat(job.settings).data
    words = [*_data_words(job), "--refuse-stale", job.refuse_stale]
    words += [] if job.max_age is None else ["--max-age", job.max_age]
    words += [word for key in ("query", "wait") if key in job.settings for word in (f"--{key}", str(job.settings[key]))]
    words += [word for path in reading.future_data for word in ("--future-data", path)]
    return words + [f"--{flag}" for flag in ("nonneg", "align") if getattr(reading, flag)]


def _write_settings(job: Job, place: Place) -> Path:
    """Write the settings of a job beside its log, where the command of the log finds them again."""
    make_folder(place.logs)
    path = place.logs / f"{encode_name(job.name)}.toml"
    content = to_toml(job.settings).encode()
    replace_file(path, lambda stream: _write(stream, content))
    return path


def _ask(command: Command, report: Report) -> Generator[Command, Ended, Document]:
    """Run a command of ours and return the document it prints. Raises FailedError with its own words where it fails."""
    ended = yield command
    document = read_document(ended, what=command.arguments[len(rnnforecast_command())])
    report.learn_from(document)
    return document


def _digest_output(output: Path) -> str:
    """Return the digest of what was written; a command that says it wrote and did not has failed."""
    try:
        return digest_file(output)
    except RnnForecastError as error:
        raise OutputError(
            f"`{output}` is not there although the forecast ended well",
            hint="see whether something else removes it; the log holds what was printed",
            code="E_OUT_VERIFY",
        ) from error


def _outcome(document: Document) -> str | None:
    verdict = document.get("verdict")
    return str(verdict["outcome"]) if isinstance(verdict, dict) and "outcome" in verdict else None


def _left_out(report: Report) -> JobError:
    more = f" (and {len(report.left_out) - 1} more)" if len(report.left_out) > 1 else ""
    return JobError("E_SERIES_LEFT_OUT", f"{report.left_out[0]}{more}", "its log names every series")


def _since(last: Document) -> str:
    """Return since when nothing has changed; a row of unchanged ends goes back to the first."""
    if last.get("status") == "unchanged":
        return str(last.get("reason"))
    return f"nothing has changed since {str(last.get('time'))[:16].replace('T', ' ')} UTC"


def _age(seconds: float) -> str:
    days, rest = divmod(max(seconds, 0.0), 86_400.0)
    return f"{int(days)} d {int(rest // 3_600)} h" if days else f"{int(rest // 3_600)} h {int(rest % 3_600 // 60)} min"


def _write(stream: BinaryIO, content: bytes) -> None:
    stream.write(content)
