"""Crontab entries and systemd units that run a jobs file, complete and ready to install."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path

from rnnforecast.errors import UsageError
from rnnforecast.workflows.batch.jobs_file.read import JobFile, read_jobs
from rnnforecast.workflows.batch.results import UnitsResult

#: Folders that are searched for programs without a path.
_CRON_PATH = "/usr/bin:/bin"
_SYSTEMD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: 5:17 is a minute when few others start, after the files of the day before have usually arrived. No time zone sets its
#: clock forward over it or back before it: it comes once on each day.
_CRON = """\
# rnnforecast: the jobs of {path}, every day at 5:17.
# Nothing is printed on success; cron mails any other output (MAILTO).
{notes}17 5 * * * {command}
"""

_SERVICE = """\
# {place}
[Unit]
Description=rnnforecast: the jobs of {title}

[Service]
Type=oneshot
ExecStart={command}
WorkingDirectory={folder}
{notes}# the run stops its own jobs, and a job that is killed for its memory must not stop the others
KillMode=mixed
OOMPolicy=continue
TimeoutStopSec=30
Nice=10
"""

_TIMER = """\
# {place}
[Unit]
Description=rnnforecast: the jobs of {title}, every day at 5:17

[Timer]
OnCalendar=*-*-* 05:17:00
Persistent=true

[Install]
WantedBy=timers.target
"""


def cron_line(jobs_file: str | Path, *, store: str | Path | None = None) -> UnitsResult:
    """Return a crontab entry for a jobs file. Raises UsageError for an invalid file or a path cron cannot contain."""
    found = read_jobs(jobs_file, store=store)
    command = shlex.join(_command(found, store)).replace("%", "\\%")  # a bare % is a line break in a crontab
    notes = _alarm_notes(found, "cron", _CRON_PATH)
    text = _CRON.format(path=str(found.path), command=_printable(command), notes=notes)
    return UnitsResult(str(found.path), (("crontab", text),))


def systemd_units(jobs_file: str | Path, *, store: str | Path | None = None) -> UnitsResult:
    """Return a service and a timer for a jobs file. Raises UsageError as `cron_line` does."""
    found = read_jobs(jobs_file, store=store)
    name = "rnnforecast-" + re.sub(r"[^A-Za-z0-9_-]+", "-", found.path.stem).strip("-").lower()
    words = {
        "command": _printable(" ".join(map(_systemd_word, _command(found, store)))),
        "folder": str(found.path.parent).replace("%", "%%"),
        "title": str(found.path).replace("%", "%%"),
        "notes": _alarm_notes(found, "systemd", _SYSTEMD_PATH),
    }
    places = {f"/etc/systemd/system/{name}.service": _SERVICE, f"/etc/systemd/system/{name}.timer": _TIMER}
    units = tuple((place, template.format(place=place, **words)) for place, template in places.items())
    return UnitsResult(str(found.path), units)


def _command(job_file: JobFile, store: str | Path | None) -> list[str]:
    """Return the command with absolute paths, since cron and systemd have another folder and PATH."""
    words = [*_program(), "batch", str(job_file.path), "--quiet"]
    if store is not None or os.environ.get("RNNFORECAST_STORE"):
        words += ["--store", str(job_file.store)]
    return words


def _program() -> list[str]:
    """Return the program installed with this interpreter, else the interpreter and the package."""
    script = Path(sys.executable).with_name("rnnforecast")
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-P", "-m", "rnnforecast"]


def _alarm_notes(job_file: JobFile, runner: str, path: str) -> str:
    """Return a comment for each program of `on_alarm` that cron or systemd will not find."""
    programs = sorted({job.on_alarm[0] for job in job_file.jobs if job.on_alarm})
    missing = [program for program in programs if program.isprintable() and shutil.which(program, path=path) is None]
    return "".join(
        f"# {runner} does not find `{program}` of `on_alarm`: use its absolute path.\n" for program in missing
    )


def _systemd_word(word: str) -> str:
    """Return a word of a command line for systemd: % and $ doubled, quoted if necessary."""
    doubled = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", doubled):
        return doubled
    return '"' + doubled.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _printable(command: str) -> str:
    if not command.isprintable():
        message = "a path with a line break or a control character cannot be part of a crontab or a unit file"
        raise UsageError(message, hint="move the jobs file to a folder with a plain name")
    return command
