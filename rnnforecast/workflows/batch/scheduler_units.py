"""Lines for cron and unit files for systemd that run a jobs file, with nothing left to fill in."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.errors import UsageError
from rnnforecast.workflows.batch.jobs_file.read import read_jobs
from rnnforecast.workflows.batch.results import UnitsResult

if TYPE_CHECKING:
    from rnnforecast.workflows.batch.jobs_file.read import JobFile

#: At a minute when few others start, and after the files of the day before have usually come.
_HOUR, _MINUTE = 3, 17

#: Where programs without a folder are looked for.
_CRON_PATH = "/usr/bin:/bin"
_SYSTEMD_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_CRON = """\
# rnnforecast: the jobs of {path}, every day at {hour}:{minute:02}.
# Nothing is printed while all is well; cron mails what is printed otherwise (MAILTO).
{notes}{minute} {hour} * * * {command}
"""

_SERVICE = """\
# {place}
[Unit]
Description=rnnforecast: the jobs of {title}

[Service]
Type=oneshot
ExecStart={command}
WorkingDirectory={folder}
{notes}# the run tells its own jobs to end, and one that memory was taken from must not end the others
KillMode=mixed
OOMPolicy=continue
TimeoutStopSec=30
Nice=10
"""

_TIMER = """\
# {place}
[Unit]
Description=rnnforecast: the jobs of {title}, every day at {hour}:{minute:02}

[Timer]
OnCalendar=*-*-* {hour:02}:{minute:02}:00
Persistent=true

[Install]
WantedBy=timers.target
"""


def cron_line(jobs_file: str | Path, *, store: str | Path | None = None) -> UnitsResult:
    """Return a crontab entry for a jobs file. Raises UsageError for a faulty file or a path cron cannot hold."""
    found = read_jobs(jobs_file, store=store)
    # cron takes a bare % for a line break
    command = shlex.join(_command(found, store)).replace("%", "\\%")
    _refuse_line_breaks(command)
    notes = _unheard_alarms(found, "cron", _CRON_PATH)
    text = _CRON.format(path=str(found.path), hour=_HOUR, minute=_MINUTE, command=command, notes=notes)
    return UnitsResult(str(found.path), (("crontab", text),))


def systemd_units(jobs_file: str | Path, *, store: str | Path | None = None) -> UnitsResult:
    """Return a service and its timer for a jobs file. Raises UsageError as `cron_line` does."""
    found = read_jobs(jobs_file, store=store)
    name = "rnnforecast-" + re.sub(r"[^A-Za-z0-9_-]+", "-", found.path.stem).strip("-").lower()
    service, timer = (f"/etc/systemd/system/{name}.{kind}" for kind in ("service", "timer"))
    command = " ".join(_systemd_word(word) for word in _command(found, store))
    _refuse_line_breaks(command)
    words = {
        "command": command,
        "folder": str(found.path.parent).replace("%", "%%"),
        "title": str(found.path).replace("%", "%%"),
        "hour": _HOUR,
        "minute": _MINUTE,
        "notes": _unheard_alarms(found, "systemd", _SYSTEMD_PATH),
    }
    units = ((service, _SERVICE.format(place=service, **words)), (timer, _TIMER.format(place=timer, **words)))
    return UnitsResult(str(found.path), units)


def _command(job_file: JobFile, store: str | Path | None) -> list[str]:
    """Return the command by absolute paths: cron and systemd know neither this folder nor this PATH."""
    words = [*_program(), "batch", str(job_file.path), "--quiet"]
    if store is not None or os.environ.get("RNNFORECAST_STORE"):
        words += ["--store", str(job_file.store)]
    return words


def _unheard_alarms(job_file: JobFile, runner: str, path: str) -> str:
    """Return a comment for each program of `on_alarm` that is not found where cron or systemd looks for it."""
    programs = sorted({job.on_alarm[0] for job in job_file.jobs if job.on_alarm})
    lost = [program for program in programs if shutil.which(program, path=path) is None]
    told = (
        f"# {runner} does not find `{program}` of `on_alarm`: name it there by its whole path.\n" for program in lost
    )
    return "".join(line for line in told if line.rstrip().isprintable())


def _program() -> list[str]:
    """Return our program as it is installed beside this interpreter, else the interpreter and the package."""
    script = Path(sys.executable).with_name("rnnforecast")
    return [str(script)] if os.access(script, os.X_OK) else [sys.executable, "-P", "-m", "rnnforecast"]


def _systemd_word(word: str) -> str:
    """Return a word of a command line as systemd reads it back: % and $ doubled, quoted where it has to be."""
    doubled = word.replace("%", "%%").replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_@%+=:,./$-]+", doubled):
        return doubled
    return '"' + doubled.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _refuse_line_breaks(text: str) -> None:
    if not text.isprintable():
        raise UsageError(
            "a path with a line break or a control character cannot stand in a crontab or a unit file",
            hint="move the jobs file to a folder with a plain name",
        )
