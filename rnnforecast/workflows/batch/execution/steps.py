"""The steps of one job: is there anything to do, does the model need training, then the forecast.

A job is a generator: it yields the commands it needs and receives the result of each, so that one loop runs many jobs
at once without threads. User data is never parsed here, only in the processes of the commands.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path

import numpy as np

from rnnforecast.config import Settings
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.write import check_output
from rnnforecast.errors import ExitCode, ModelFileError, OutputError, RnnForecastError, TryLaterError
from rnnforecast.findings import JSONValue
from rnnforecast.masking import masked
from rnnforecast.model_io.base import BASE
from rnnforecast.options import SOURCE_OPTIONS
from rnnforecast.store.files import make_folder, replace_bytes
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.names import encode_name
from rnnforecast.store.registry import Registry
from rnnforecast.store.versions import StoredModel
from rnnforecast.training.initial_weights import names_model
from rnnforecast.workflows.batch.execution.outcomes import (
    Document,
    FailedError,
    StoppedError,
    read_document,
    stopped_job,
)
from rnnforecast.workflows.batch.execution.process import Command, Completed, describe_exit, rnnforecast_command
from rnnforecast.workflows.batch.jobs_file.job import Job, forecast_keys, is_in_future
from rnnforecast.workflows.batch.records.digests import digest_data, digest_file, digest_settings
from rnnforecast.workflows.batch.records.ledger import to_line
from rnnforecast.workflows.batch.results import JobError, JobResult, Status
from rnnforecast.workflows.choose_model import reading_flags
from rnnforecast.workflows.monitoring.freshness import age_text

Steps = Generator[Command, Completed, JobResult]

ALARM_SECONDS = 60.0
#: Seconds to wait for a busy database before the work: other jobs stand still meanwhile.
_GLANCE = 0.2

#: Settings that change neither the training nor its evaluation.
_NOT_TRAINING = ("quantiles", "device", "time_budget", "wait", "guess")
_SETTINGS_CHANGED = "settings changed"
#: Why a training cannot start from a stored model: too few rows are new, or it has no fitted network.
_NO_WARM_START = ("E_SERIES_SHORT", "E_RUN_CONFIG")
#: Nobody reads the note about a target that was guessed, unless the job says so.
UNATTENDED = {"guess": "reject"}


@dataclass(frozen=True)
class JobContext:
    """Where a job works, and its last outcome."""

    store: Path
    logs: Path  # of this run
    last: Document | None  # the last outcome of the job, from the ledger
    trust_last: bool  # a run is resumed: its successes are not repeated, however much time has passed
    now: Callable[[], float] = time.time


@dataclass
class Report:
    """What a job has done so far; becomes its result."""

    reason: str = ""
    left_out: list[str] = field(default_factory=list)
    trained: bool = False
    model: str | None = None
    verdict: str | None = None
    num_rows: int = 0
    num_warnings: int = 0
    notes: list[str] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def add(self, document: Document) -> None:
        """Add what the document of a command says about the data."""
        notes, listed = document.get("notes"), document.get("findings")
        findings = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
        self.num_warnings = sum(each.get("severity") == "warning" for each in findings)
        errors = [str(each.get("message")) for each in findings if each.get("severity") == "error"]
        self.left_out += [message for message in errors if message not in self.left_out]
        if isinstance(notes, list):
            self.notes += [masked(str(note)) for note in notes if masked(str(note)) not in self.notes]


def run_job(job: Job, context: JobContext) -> Steps:
    """Run a job; any failure becomes its result, affects no other job, and runs `on_alarm`."""
    started = time.monotonic()
    report = Report()
    status: Status = "done"
    exit_code, error = 0, None
    try:
        if not (yield from _run(job, context, report)):
            status = "unchanged"
        elif report.left_out:
            status, exit_code, error = "partial", int(ExitCode.PARTIAL), _left_out(report)
    except StoppedError as stopped:
        status, exit_code, error = "stopped", 128 + stopped.number, stopped_job(stopped.number, "during the job")
    except FailedError as failure:
        status, exit_code, error = "failed", failure.exit_code, failure.error
    except RnnForecastError as own:
        status, exit_code, error = "failed", int(own.exit_code), JobError.from_error(own)
    found = {key: value for key, value in vars(report).items() if key != "left_out"}
    result = JobResult(
        job=job.name,
        status=status,
        exit_code=exit_code,
        seconds=time.monotonic() - started,
        output=job.shown_output,
        error=error,
        **found | {"notes": tuple(report.notes)},
    )
    if status not in ("failed", "partial") or not job.on_alarm:
        return result
    return replace(result, alarm=(yield from _run_alarm(job, result)))


def _run_alarm(job: Job, result: JobResult) -> Generator[Command, Completed, str]:
    """Run the alarm command with the result as JSON on its standard input, and return its outcome."""
    environment = {
        "RNNFORECAST_JOB": job.name,
        "RNNFORECAST_EXIT_CODE": str(result.exit_code),
        "RNNFORECAST_ERROR": result.error.code if result.error else "",
    }
    content = to_line({**result.to_dict(), "notes": []})
    try:
        completed = yield Command(job.on_alarm, content, environment, ALARM_SECONDS)
    except (StoppedError, FailedError) as error:
        return str(error)
    if completed.timed_out:
        return f"was stopped after {ALARM_SECONDS:g} s"
    return "succeeded" if completed.returncode == 0 else describe_exit(completed.returncode)


def _run(job: Job, context: JobContext, report: Report) -> Generator[Command, Completed, bool]:
    """Train if necessary, and forecast; return False if nothing has changed since the last success."""
    if job.kind == "detect":
        document = yield from _call(_detect_command(job, context), report)
        report.model, report.num_rows = str(document.get("model")), _num_rows(document)
        return True
    stored = find_model(job, context.store)
    data = digest_data(job, stored)
    report.digests = {"settings": digest_settings(job)} | ({} if data is None else {"data": data})
    report.reason = _reason_to_train(job, stored, context, report)
    if not report.reason and _is_unchanged(job, stored, context, report):
        report.reason = _unchanged_since(context.last or {})
        return False
    _check_output(job)
    if not report.reason:
        report.reason = yield from _reason_in_data(job, context)
    if report.reason and job.model is None:
        if stored is not None:
            yield from _reject_stale_rows(job, context)
        document = yield from _train(job, stored, context, report)
        report.trained = True
        verdict = document.get("verdict")
        report.verdict = str(verdict["outcome"]) if isinstance(verdict, dict) and "outcome" in verdict else None
        report.model = str(document.get("model"))
    if job.output is not None:
        document = yield from _call(_predict_command(job, context), report)
        report.model = str(document.get("model"))
        report.num_rows = _num_rows(document)
        if isinstance(job.output, Path):
            report.digests["output"] = _digest_output(job.output)
    if job.keep is not None:
        words = ["models", "prune", job.name, "--keep", str(job.keep), "--store", str(context.store)]
        yield from _call(_json_command(*words), Report())
    stored = find_model(job, context.store)
    if stored is not None:
        report.digests["model"] = digest_file(stored.path)
    return True


def find_model(job: Job, store: Path) -> StoredModel | None:
    """Return the model a job forecasts with, None if it has yet to be trained. Raises ModelFileError."""
    if job.model == BASE:
        return StoredModel(BASE, 0, Path(str(resources.files("rnnforecast"))) / "weights" / "base.safetensors", None)
    try:
        return Registry(store).resolve(job.model or job.name)
    except ModelFileError as error:
        if job.model is None and error.code == "E_MODEL_UNKNOWN":
            return None
        raise


def _newest_manifest(name: str, store: Path) -> Manifest | None:
    """Return the manifest of the version trained last, whether it is active or was worse than the one before."""
    try:
        entry, versions = Registry(store).select(name)
    except ModelFileError:
        return None
    return entry.look(versions[-1]).manifest


def _check_output(job: Job) -> None:
    """Check before the work that the output can be written; a busy database may be free at its end."""
    if job.output is not None:
        with contextlib.suppress(TryLaterError):
            check_output(job.output, wait=_GLANCE)


def _is_unchanged(job: Job, stored: StoredModel | None, context: JobContext, report: Report) -> bool:
    last = context.last or {}
    before = last.get("digests")
    if last.get("status") not in ("done", "unchanged") or not isinstance(before, dict) or stored is None:
        return False
    report.digests["model"] = digest_file(stored.path)
    if isinstance(job.output, str):
        return False  # a table may have changed unseen; writing the same rows again is harmless
    if job.output is not None:
        if not job.output.is_file():
            return False
        report.digests["output"] = digest_file(job.output)
    if "data" not in report.digests or before != report.digests or not (job.max_age is None or context.trust_last):
        return False
    report.num_rows = _num_rows(last)
    report.model = stored.label
    return True


def _reason_to_train(job: Job, stored: StoredModel | None, context: JobContext, report: Report) -> str:
    """Return why the model must be trained, as far as the model itself shows; empty if it need not be."""
    if job.model is not None:
        return ""
    if stored is None or stored.manifest is None:
        return "no model of this name yet"
    newest = _newest_manifest(job.name, context.store) or stored.manifest
    changed = _changed_settings(job, newest)
    if changed:
        return f"{_SETTINGS_CHANGED}: {', '.join(changed[:5])}"
    if context.trust_last:
        return ""
    age = context.now() - (datetime.fromisoformat(newest.created).timestamp() - newest.seconds)
    if is_in_future(age):
        ahead = f"the model was created {age_text(-age)} in the future: the clock of this machine is or was wrong"
        report.notes.append(f"{ahead}, `{newest.created[:16]}` UTC")
        return ahead if job.retrain.is_due_at_age(age) else ""
    return f"the model was {age_text(max(age, 0.0))} old" if job.retrain.is_due_at_age(age) else ""


def _changed_settings(job: Job, manifest: Manifest) -> list[str]:
    """Return the settings whose values differ from those of the training; keys of later versions do not count."""
    wanted = Settings.from_flat(job.settings).to_flat()
    return [
        key
        for key, value in manifest.settings.items()
        if key in wanted
        and key not in _NOT_TRAINING
        and wanted[key] != value
        # a warm start is not another setting
        and not (key == "from" and wanted[key] is None and names_model(str(value)))
    ]


def _reason_in_data(job: Job, context: JobContext) -> Generator[Command, Completed, str]:
    """Return why the data requires a training, or an empty string."""
    newest = _newest_manifest(job.name, context.store) if job.model is None else None
    if newest is None:
        return ""
    if job.retrain.kind == "steps":
        return (yield from _new_steps(job, context, newest))
    return (yield from _drift(job, context)) if job.retrain.kind == "drift" else ""


def _drift(job: Job, context: JobContext) -> Generator[Command, Completed, str]:
    """Score past forecasts against the rows available now; an alarm is a reason to train."""
    words = ["score", job.name, "--store", str(context.store), *_data_words(job), *_source_words(job)]
    completed = yield _json_command(*words)
    if completed.returncode in (ExitCode.DRIFT, ExitCode.COVERAGE):
        return "drift" if completed.returncode == ExitCode.DRIFT else "interval coverage too low"
    try:
        read_document(completed, command="score")
    except FailedError as failure:
        if failure.error.code != "E_LEDGER_EMPTY":  # no forecast to score yet
            raise
    return ""


def _reject_stale_rows(job: Job, context: JobContext) -> Generator[Command, Completed, None]:
    """Compare the rows with those of the present version; after a training there would be nothing to compare with."""
    words = ["predict", job.name, "--store", str(context.store), "--no-ledger", *_row_words(job)]
    completed = yield _json_command(*words)
    if completed.returncode == ExitCode.STALE:  # no other error is a reason against a new version
        read_document(completed, command="predict")


def _new_steps(job: Job, context: JobContext, manifest: Manifest) -> Generator[Command, Completed, str]:
    config = _write_settings(job, context)
    document = yield from _call(_json_command("inspect", *job.data, "--config", str(config)), Report())
    freq = Frequency.from_dict(manifest.freq)
    num_new_steps = _ordinal(freq, document.get("last")) - _ordinal(freq, manifest.input.last_timestamp)
    due = job.retrain.is_due_after(num_new_steps, horizon=manifest.horizon)
    return f"{num_new_steps} new steps" if due else ""


def _ordinal(freq: Frequency, timestamp: object) -> int:
    if not freq.is_calendar:
        return int(freq.to_ordinals(np.array([timestamp], dtype=np.int64))[0])
    moment = datetime.fromisoformat(str(timestamp))
    if moment.tzinfo is not None:
        moment = moment.astimezone(UTC).replace(tzinfo=None)
    return int(freq.floor(np.array([moment], dtype="datetime64[us]"))[0])


def _train(
    job: Job, stored: StoredModel | None, context: JobContext, report: Report
) -> Generator[Command, Completed, Document]:
    if stored is not None and job.retrain.is_warm and not report.reason.startswith(_SETTINGS_CHANGED):
        try:
            return (yield from _call(_train_command(job, context, "--from", stored.label), report))
        except FailedError as failure:
            if failure.error.code not in _NO_WARM_START:
                raise
            report.notes.append(f"trained from the start: {failure.error.message}")
    return (yield from _call(_train_command(job, context), report))


def _train_command(job: Job, context: JobContext, *start: str) -> Command:
    config = _write_settings(job, context)
    words = ["train", *job.data, *start, "--config", str(config), "--name", job.name, "--store", str(context.store)]
    return _json_command(*words, *([] if job.max_age is None else ["--max-age", job.max_age]))


def _predict_command(job: Job, context: JobContext) -> Command:
    words = ["predict", job.model or job.name, "--store", str(context.store), "--output", str(job.output)]
    words += _row_words(job)
    words += ["--components"] if job.components else []
    words += [word for change in job.set for word in ("--set", change)]
    words += ["--what-if", job.what_if] if job.what_if is not None else []
    words += [] if job.round is None else ["--round", str(job.round)]
    words += ["--columns", ",".join(job.columns)] if job.columns else []
    if "quantiles" in job.settings:
        levels = Settings.from_flat(job.settings).evaluation.quantiles
        words += ["--quantiles", ",".join(f"{level:g}" for level in levels)]
    return _json_command(*words)


def _detect_command(job: Job, context: JobContext) -> Command:
    """Return the command that looks for abnormal rows; with an alarm it ends with exit code 24."""
    config = _write_settings(job, context)
    words = ["detect", *job.data, "--config", str(config), "--model", job.model or BASE, "--store", str(context.store)]
    given = {"--output": job.output, "--last": job.last, "--budget": job.budget}
    return _json_command(*words, *(word for flag, value in given.items() if value for word in (flag, str(value))))


def _data_words(job: Job) -> list[str]:
    return [word for item in job.data for word in ("--data", item)]


def _source_words(job: Job) -> list[str]:
    """Return the flags that a model does not bring along: the query, and what reading the rows may cost."""
    given = [option for option in SOURCE_OPTIONS if option.name in job.settings]
    return [word for option in given for word in (f"--{option.word}", str(job.settings[option.name]))]


def _row_words(job: Job) -> list[str]:
    """Return the flags that say which rows a forecast reads, and how fresh they must be."""
    words = [*_data_words(job), "--refuse-stale", job.refuse_stale]
    words += [] if job.max_age is None else ["--max-age", job.max_age]
    settings = {**UNATTENDED, **job.settings} if job.model == BASE else job.settings
    given = {key: value for key, value in settings.items() if key in forecast_keys(job.model) and key != "quantiles"}
    return words + reading_flags(Settings.from_flat(given).data)


def _json_command(*words: str) -> Command:
    return Command(rnnforecast_command(*words, "--format", "json"))


def _call(command: Command, report: Report) -> Generator[Command, Completed, Document]:
    """Run one of our commands and return the document it prints. Raises FailedError with its own error."""
    completed = yield command
    document = read_document(completed, command=command.arguments[len(rnnforecast_command())])
    report.add(document)
    return document


def _write_settings(job: Job, context: JobContext) -> Path:
    """Write the settings of a job next to its log, so that its commands can be repeated by hand."""
    make_folder(context.logs)
    path = context.logs / f"{encode_name(job.name)}.toml"
    # private as the log: a query may tell what others should not know
    replace_bytes(path, to_toml(UNATTENDED | dict(job.settings)).encode(), is_private=True)
    return path


def to_toml(settings: Mapping[str, JSONValue]) -> str:
    """Return flat settings as `key = value` lines of TOML, without those that are None."""
    return "".join(f"{key} = {_toml_value(value)}\n" for key, value in settings.items() if value is not None)


def _toml_value(value: JSONValue) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml_value, value))}]"
    if isinstance(value, str):  # JSON and TOML escape alike, but for one control character
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _num_rows(document: Document) -> int:
    num_rows = document.get("num_rows")
    return num_rows if isinstance(num_rows, int) else 0


def _digest_output(output: Path) -> str:
    """Return the digest of the output; a command that reports success without writing it has failed."""
    try:
        return digest_file(output)
    except RnnForecastError as error:
        message = f"`{output}` does not exist although the forecast succeeded"
        hint = "check whether something else removes it; the log contains the output of the command"
        raise OutputError(message, hint=hint, code="E_OUT_VERIFY") from error


def _left_out(report: Report) -> JobError:
    more = f" (and {len(report.left_out) - 1} more)" if len(report.left_out) > 1 else ""
    return JobError("E_SERIES_LEFT_OUT", f"{report.left_out[0]}{more}", "the log of the job names every series")


def _unchanged_since(last: Document) -> str:
    if last.get("status") == "unchanged":
        return str(last.get("reason"))
    return f"unchanged since {str(last.get('time'))[:16].replace('T', ' ')} UTC"
