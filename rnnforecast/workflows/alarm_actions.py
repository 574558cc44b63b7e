"""Actions after an alarm: the policy, and the user's command, which runs next to a stream of rows."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.sources import remembered
from rnnforecast.errors import ExitCode, ModelFileError, RnnForecastError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.options import Policy
from rnnforecast.progress import Progress
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.promotion import promote
from rnnforecast.store.registry import Registry, default_store
from rnnforecast.streaming.stream import Answer
from rnnforecast.workflows.model_rows import RENEWED_SETTINGS, SOURCE_SETTINGS
from rnnforecast.workflows.monitoring.score_result import ScoreResult

#: Longest time the command of an alarm may take, in seconds.
COMMAND_SECONDS = 300
#: Bytes of one fact in the environment; Linux takes 128 KiB.
_LONGEST_FACT = 2**15


def split_command(command: str | None) -> list[str]:
    """Split a command into words as a shell does, without running a shell. Raises UsageError."""
    if command is None:
        return []
    try:
        words = shlex.split(command)
    except ValueError as error:
        message = f"`--on-alarm {command}` cannot be split into words: {str(error).lower()}"
        hint = "close every quote; write a script for anything longer"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG") from error
    if not words:
        raise UsageError("`--on-alarm` names no command", hint="name a program and its arguments", code="E_RUN_CONFIG")
    return words


def apply_policy(
    result: ScoreResult,
    *,
    policy: Policy,
    reading: DataSettings | None = None,
    store: str | Path | None = None,
    progress: Progress | None = None,
) -> ScoreResult:
    """Carry out the policy if a test gives an alarm, and record the action in the result.

    `serve-baseline` serves the seasonal naive forecast in place of the active version until another is promoted;
    `retrain` trains on the scored files with the settings of the active version, which stays active where the new one
    is significantly worse; `reading` has the query and the limits of the files. A policy that fails becomes a finding;
    the alarm itself remains.
    """
    result = replace(result, policy=policy)
    if not result.alarms or policy == "warn":
        return result
    try:
        registry = Registry(store)
        active = registry.resolve(result.name)
        action = (
            _serve_baseline(result, registry, label=active.label, served=active.stand_in)
            if policy == "serve-baseline"
            else _retrain(result, registry, manifest=active.manifest, reading=reading, progress=progress)
        )
    except RnnForecastError as error:
        message = f"the policy `{policy}` could not be carried out: {error.message}"
        finding = Finding("W_POLICY", message, fix=error.hint)
        return replace(result, findings=(*result.findings, finding))
    return replace(result, action=action, notes=(*result.notes, str(action["message"])))


def call_on_alarm(words: Sequence[str], *, facts: Mapping[str, str]) -> Finding | None:
    """Run the command of the user with the facts in its environment; returns a finding where it failed.

    It gets no shell and no standard input, and what it prints goes to stderr: stdout carries the result.
    """
    program = os.path.basename(words[0])
    reason = ""
    try:
        sys.stderr.flush()
        process = start_command(words, facts, stdout=sys.stderr if _is_file(sys.stderr) else subprocess.DEVNULL)
    except (OSError, ValueError) as error:
        reason = str(getattr(error, "strerror", None) or error).lower()
    else:
        try:
            code = process.wait(timeout=COMMAND_SECONDS)
            reason = f"it ended with {code}" if code else ""
        except subprocess.TimeoutExpired:
            reason = f"it took longer than {COMMAND_SECONDS} s and was ended"
        finally:
            if process.returncode is None:  # too slow, or this command itself is to end
                end_command(process)
    if not reason:
        return None
    return Finding("W_ALARM_COMMAND", f"the command `{program}` of the alarm failed: {reason}", value=program)


def start_command(
    words: Sequence[str], facts: Mapping[str, str], *, stdout: int | TextIO = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start the command of an alarm without a shell, in a group of processes that `end_command` ends whole."""
    return subprocess.Popen(
        list(words), env={**os.environ, **facts}, stdin=subprocess.DEVNULL, stdout=stdout, start_new_session=True
    )


def end_command(process: subprocess.Popen[bytes]) -> None:
    """Kill the command of an alarm and all that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def alarm_facts(result: ScoreResult, exit_code: ExitCode, *, store: str | Path | None = None) -> dict[str, str]:
    """Return the facts of an alarm as environment variables."""
    live = result.metrics.get("forecast", {})
    coverage = live.get("coverage")
    coverages = coverage if isinstance(coverage, dict) else {}
    verdict = result.verdict or {}
    facts: dict[str, object] = {
        "ALARM": ",".join(result.alarms),
        "EXIT_CODE": int(exit_code),
        "MODEL": result.name,
        "VERSIONS": ",".join(map(str, result.tested_versions)),
        "DATA": os.pathsep.join(result.paths),
        "POLICY": result.policy,
        "MASE": live.get("mase"),
        "SKILL": verdict.get("skill"),
        "COVERAGE_80": coverages.get("80"),
        "COVERAGE_95": coverages.get("95"),
        "STORE": os.path.abspath(store or default_store()),
    }
    error = result.alarm()
    facts["MESSAGE"] = error.message if error is not None else ""
    return in_environment(facts)


def in_environment(facts: Mapping[str, object]) -> dict[str, str]:
    """Return facts as environment variables; those that are None are left out."""
    return {f"RNNFORECAST_{key}": _plain(value) for key, value in facts.items() if value is not None}


def _serve_baseline(result: ScoreResult, registry: Registry, *, label: str, served: str | None) -> Mapping[str, object]:
    if served == result.baseline:
        message = f"`{served}` is already served in place of {label}"
    else:
        promote(registry, label, stand_in=result.baseline, reason=f"alarm: {', '.join(result.alarms)}")
        message = (
            f"`{result.baseline}` is now served in place of the networks of {label}; "
            f"`rnnforecast models promote {label}` ends that"
        )
    return {"policy": "serve-baseline", "model": label, "served": result.baseline, "message": message}


def _retrain(
    result: ScoreResult,
    registry: Registry,
    *,
    manifest: Manifest | None,
    reading: DataSettings | None,
    progress: Progress | None,
) -> Mapping[str, object]:
    from rnnforecast.workflows.train import train

    if manifest is None or not manifest.settings:
        raise ModelFileError(f"the settings of `{result.name}` are not known", hint="train it by hand")
    paths = remembered(manifest.input.future_paths, label=manifest.label, flag="--future-data")
    settings: dict[str, object] = {
        **{key: value for key, value in manifest.settings.items() if key not in SOURCE_SETTINGS},
        "future_data": paths,
    }
    if reading is not None:
        settings |= {name: getattr(reading, name) for name in RENEWED_SETTINGS if name in reading.model_fields_set}
    chosen = Settings.from_flat(settings, source=f"the settings of {result.name}")
    trained = train(list(result.paths), chosen, name=result.name, store=registry.store, progress=progress)
    activation = trained.activation or {}
    is_active = activation.get("active") == trained.model
    message = f"{trained.model} was trained on {', '.join(result.paths)} and " + (
        "is active now" if is_active else f"not activated: {activation.get('reason')}"
    )
    return {"policy": "retrain", "model": trained.model, "active": activation.get("active"), "message": message}


def _plain(value: object) -> str:
    """Return a fact as text that an environment can hold, without a NUL and cut: a long id must not stop an alarm."""
    text = (f"{value:.6g}" if isinstance(value, float) else str(value)).replace("\0", "")
    try:
        content = os.fsencode(text)
    except UnicodeEncodeError:
        content = text.encode("utf-8", "backslashreplace")
    return os.fsdecode(content[:_LONGEST_FACT])


def _is_file(stream: object) -> bool:
    try:
        stream.fileno()  # type: ignore[attr-defined]
    except (OSError, AttributeError, ValueError):
        return False
    return True


class AlarmProcess:
    """The command of the user: started on an alarm without waiting for it."""

    def __init__(self, words: Sequence[str], say: Callable[[str], None], *, seconds: float = COMMAND_SECONDS) -> None:
        self._words, self._say, self._seconds = list(words), say, seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._deadline = 0.0

    def start(self, answer: Answer) -> None:
        """Run the command for an alarm, unless the one before still runs."""
        if not self._words or self._is_running():
            return
        expected, lower, upper, score = answer.numbers
        facts = {
            "ALARM": "point",
            "ID": answer.row.key,
            "START": answer.row.shown_time,
            "VALUE": answer.row.value,
            "EXPECTED": expected,
            "LOWER": lower,
            "UPPER": upper,
            "SCORE": score,
        }
        try:
            self._process = start_command(self._words, in_environment(facts))
            self._deadline = time.monotonic() + self._seconds
        except (OSError, ValueError) as error:
            self._say(f"the command of the alarm failed: {str(error).lower()}")

    def wait(self) -> None:
        """Wait for the last command, as long as it may take."""
        if self._process is None:
            return
        try:
            self._process.wait(timeout=max(self._deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            self._stop(self._process)

    def end(self) -> None:
        """End the last command at once: the stream ends before its time."""
        if self._process is not None and self._process.poll() is None:
            end_command(self._process)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        end_command(process)
        self._say(f"the command of the alarm took longer than {self._seconds:g} s and was stopped")

    def _is_running(self) -> bool:
        if self._process is None or self._process.poll() is not None:
            return False
        if time.monotonic() > self._deadline:
            self._stop(self._process)
            return False
        return True
