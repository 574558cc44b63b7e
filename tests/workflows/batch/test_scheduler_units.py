from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

import pytest

from rnnforecast.errors import UsageError
from rnnforecast.workflows.batch import scheduler_units as units
from rnnforecast.workflows.batch.scheduler_units import cron_line, systemd_units

JOBS = '[[job]]\nname = "a"\ndata = "a.csv"\noutput = "a-out.csv"\n'
ODD = '100% [a] b\'s "c" $HOME \\d'


@pytest.fixture(autouse=True)
def _no_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RNNFORECAST_STORE", raising=False)


@pytest.fixture(params=["plain", ODD])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    folder = tmp_path / str(request.param)
    folder.mkdir()
    (folder / "nightly.toml").write_text(JOBS)
    return folder / "nightly.toml"


def _echo_program(folder: Path) -> Path:
    """Return a program that prints its arguments as JSON."""
    script = folder / "show.py"
    script.write_text("import json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    return script


def _command_of(text: str) -> str:
    line = next(line for line in text.splitlines() if not line.startswith("#"))
    match = re.fullmatch(r"(\d+) (\d+) \* \* \* (.+)", line)
    assert match is not None
    assert (int(match[1]) < 60, int(match[2]) < 24) == (True, True)
    return match[3]


def test_the_cron_line_runs_the_file_by_absolute_paths_in_a_bare_shell(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(units, "_program", lambda: [sys.executable, str(_echo_program(tmp_path))])
    command = _command_of(cron_line(path).text)
    assert re.search(r"(?<!\\)%", command) is None  # cron would end the line there
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%")], cwd="/", env={}, capture_output=True, text=True, check=True
    )
    assert json.loads(done.stdout) == ["batch", str(path), "--quiet"]


def test_alarm_alarm_programs_that_cron_or_systemd_would_not_find_are_named(path: Path, tmp_path: Path) -> None:
    (tmp_path / "alarm.sh").write_text("#!/bin/sh\n")
    (tmp_path / "alarm.sh").chmod(0o755)
    for program, is_lost in (("no-such-program-here", True), ("env", False), (str(tmp_path / "alarm.sh"), False)):
        path.write_text(JOBS + f"on_alarm = [{json.dumps(program)}]\n")
        for text in (cron_line(path).text, systemd_units(path).units[0][1]):
            assert (f"does not find `{program}` of `on_alarm`" in text) is is_lost
    assert _command_of(cron_line(path).text).endswith(" --quiet")


def test_a_given_store_is_part_of_the_line(path: Path) -> None:
    assert _command_of(cron_line(path, store="/srv/models").text).endswith("--quiet --store /srv/models")


def test_the_program_of_the_line_exists_and_runs() -> None:
    done = subprocess.run([*units._program(), "--version"], cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.startswith("rnnforecast ")


def test_without_an_installed_program_the_interpreter_runs_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/opt/nowhere/python")
    assert units._program() == ["/opt/nowhere/python", "-P", "-m", "rnnforecast"]


def test_an_invalid_file_gets_no_line(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_text(JOBS + "horizn = 3\n")
    with pytest.raises(UsageError, match="`horizn`"):
        cron_line(tmp_path / "x.toml")


def test_a_path_with_a_line_break_gets_no_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb").mkdir()
    path = tmp_path / "a\nb" / "x.toml"
    path.write_text(JOBS)
    for make in (cron_line, systemd_units):
        with pytest.raises(UsageError, match="line break"):
            make(path)


def test_systemd_gets_a_service_and_a_timer_named_after_the_file(path: Path) -> None:
    (service, _), (timer, _) = systemd_units(path).units
    assert service == "/etc/systemd/system/rnnforecast-nightly.service"
    assert timer == "/etc/systemd/system/rnnforecast-nightly.timer"


def test_the_service_runs_the_file_by_absolute_paths(path: Path) -> None:
    text = systemd_units(path).units[0][1]
    line = next(line for line in text.splitlines() if line.startswith("ExecStart="))
    assert _as_systemd_reads(line.removeprefix("ExecStart="))[-3:] == ["batch", str(path), "--quiet"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_accepts_the_units(path: Path, tmp_path: Path) -> None:
    files = []
    for place, text in systemd_units(path).units:
        files.append(tmp_path / Path(place).name)
        files[-1].write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, files)], capture_output=True, text=True, check=False
    )
    told = [line for line in done.stderr.splitlines() if "rnnforecast" in line]
    assert (done.returncode, told) == (0, []), done.stderr


def _as_systemd_reads(line: str) -> list[str]:
    """Return the words of a command line by the rules of systemd.service(5): quotes, escapes, %% and $$."""
    words = re.findall(r'"((?:[^"\\]|\\.)*)"|(\S+)', line)
    plain = [re.sub(r"\\(.)", r"\1", quoted) if quoted else bare for quoted, bare in words]
    return [word.replace("%%", "%").replace("$$", "$") for word in plain]


def test_the_minute_of_the_schedule_comes_once_on_each_day_in_every_time_zone(path: Path) -> None:
    minute, hour = map(int, cron_line(path).text.splitlines()[-1].split()[:2])
    assert f"OnCalendar=*-*-* {hour:02d}:{minute:02d}:00" in systemd_units(path).units[1][1]
    moments = [datetime(2025, 1, 1, hour, minute) + timedelta(days) for days in range(2 * 365)]
    odd = set()
    for name in available_timezones():
        zone = ZoneInfo(name)
        local = [moment.replace(tzinfo=zone) for moment in moments]
        # the two readings differ exactly where a time is skipped or comes twice
        if any(moment.utcoffset() != moment.replace(fold=1).utcoffset() for moment in local):
            odd.add(name)
    assert odd == set()
