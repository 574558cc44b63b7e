"""Every exception becomes a message on stderr and an exit code; tracebacks only with `--debug`."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sys
from typing import TextIO

from rnnforecast.cli.text import best_effort, folded, give_up, styled
from rnnforecast.errors import RnnForecastError
from rnnforecast.escaping import json_text, visible
from rnnforecast.findings import Finding
from rnnforecast.masking import masked

MAX_LISTED = 5
INTERRUPTED = 130  # 128 + SIGINT
BROKEN_PIPE = 141  # 128 + SIGPIPE


class Terminated(BaseException):
    """Raised by the handler of SIGTERM and SIGHUP: files are closed and temporary ones removed on the way out."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def report(error: RnnForecastError, *, as_json: bool, debug: bool, stream: TextIO) -> int:
    """Write an error to a stream, as text or as one JSON document, and return its exit code."""
    text = json_text({"error": error.to_dict()}) + "\n" if as_json else _as_text(error, stream)
    with contextlib.suppress(OSError, ValueError):  # in a log of both streams, what was written before comes first
        sys.stdout.flush()
    with best_effort(stream):
        stream.write((_traceback(error) if debug else "") + text)
        stream.flush()
    return int(error.exit_code)


def _as_text(error: RnnForecastError, stream: TextIO) -> str:
    lines = [_labelled("error:", "red", error.message, stream)]
    others = [finding for finding in error.findings if not _is_told(finding, error.message)]
    lines += [f"  {_one_line(finding, hint=error.hint)}" for finding in others[:MAX_LISTED]]
    if len(others) > MAX_LISTED:
        lines.append(f"  and {len(others) - MAX_LISTED} more")
    if error.hint:
        lines.append(_labelled("hint:", "cyan", error.hint, stream))
    return "\n".join(lines) + "\n"


def _is_told(finding: Finding, message: str) -> bool:
    """Whether a message tells a finding, or lists the problems of an input and counts those it leaves out."""
    counts_all = finding.severity == "error" and re.search(r"\b\d+ problems:\n", message) is not None
    return counts_all or finding.message in message


def report_bug(error: BaseException, *, as_json: bool, debug: bool, stream: TextIO) -> int:
    """Report a bug in one line, with the log file that holds the traceback."""
    what = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    first_line = what.splitlines()[0]
    hint = "please report it with that file; your stored models are unchanged"
    if debug:
        message = f"this is a bug in rnnforecast ({first_line}), see the traceback above"
        with best_effort(stream):
            stream.write(_traceback(error))
    else:
        message = f"this is a bug in rnnforecast ({first_line}), the traceback is in {_write_log(error)}"
    bug = RnnForecastError(message, hint=hint, code="E_INTERNAL")
    return report(bug, as_json=as_json, debug=False, stream=stream)


def report_stop(stop: BaseException, *, stream: TextIO) -> int:
    """Report that a signal stopped the run, and return the exit code."""
    number = stop.number if isinstance(stop, Terminated) else 0
    words = {0: "interrupted", getattr(signal, "SIGHUP", -1): "stopped because its terminal closed"}.get(
        number, "terminated"
    )
    lines = [f"{words}, nothing that was stored before is changed", *getattr(stop, "__notes__", ())]
    with contextlib.suppress(BrokenPipeError, ValueError), best_effort(stream):  # the terminal may be gone
        stream.write("\n".join(lines) + "\n")
        stream.flush()
    return 128 + number if number else INTERRUPTED


def silence_broken_pipe() -> int:
    """Redirect stdout to nothing, so that the last flush of the interpreter does not fail."""
    give_up(sys.stdout)
    return BROKEN_PIPE


def _labelled(label: str, style: str, message: str, stream: TextIO) -> str:
    """Return a message after its coloured label; line breaks stay, long lines are folded."""
    lines = visible(f"{label} {message}", keep="\n").split("\n")
    text = "\n".join(folded(line, stream=stream) if not line.startswith(" ") else line for line in lines)
    return styled(label, style, stream=stream) + text.removeprefix(label)


def _traceback(error: BaseException) -> str:
    import traceback

    return masked("".join(traceback.format_exception(error)))


def _write_log(error: BaseException) -> str:
    import tempfile

    try:
        number, path = tempfile.mkstemp(prefix="rnnforecast-", suffix=".log", text=True)
        with os.fdopen(number, "w", encoding="utf-8", errors="backslashreplace") as log:
            log.write(masked(f"arguments: {sys.argv!r}\npython: {sys.version}\n\n"))
            log.write(_traceback(error))
    except OSError:
        return "no file (it could not be written); `--debug` prints it"
    return path


def _one_line(finding: Finding, *, hint: str | None) -> str:
    """Return a finding with the places that its message leaves out, and its fix unless it is the hint."""
    place = [finding.file] if finding.file else []
    if finding.rows and not re.search(rf"\brows? {finding.rows[0]}\b", finding.message):
        place.append(f"row {finding.rows[0]}")
    if finding.column is not None and f"`{finding.column}`" not in finding.message:
        place.append(f"column {finding.column}")
    where = f"{', '.join(place)}: " if place and finding.message else ", ".join(place)
    fix = f" ({finding.fix})" if finding.fix and finding.fix != hint else ""
    return visible(f"{where}{finding.message}{fix}")
