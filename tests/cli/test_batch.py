from __future__ import annotations

import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from rnnforecast.cli.render.csv import write_csv
from tests.cli import examples
from tests.cli.conftest import RunCommand

GOOD = '[[job]]\nname = "a"\nmodel = "good"\ndata = "good.csv"\noutput = "a.csv"\n'
BAD = '[[job]]\nname = "b"\nmodel = "good"\ndata = "no.csv"\noutput = "b.csv"\n'


def _write(folder: Path, text: str) -> str:
    (folder / "nightly.toml").write_text(text)
    return "nightly.toml"


def test_a_run_shows_one_line_a_job_and_ends_with_0(workplace: Path, run: RunCommand) -> None:
    shown = run("batch", _write(workplace, GOOD))
    assert (shown.code, shown.err) == (0, "")
    assert "1 job: 1 done  nightly.toml" in shown.out
    assert "good@1" in shown.out


def test_quiet_prints_nothing_on_success_and_everything_otherwise(workplace: Path, run: RunCommand) -> None:
    good = run("batch", _write(workplace, GOOD), "--quiet")
    assert (good.code, good.out, good.err) == (0, "", "")
    bad = run("batch", _write(workplace, GOOD + BAD), "--quiet")
    assert (bad.code, bad.err) == (3, "")
    assert "job b failed with exit code 10: " in bad.out
    assert "no.csv does not exist" in bad.out


def test_json_is_one_document_even_when_a_job_failed_and_quiet_was_asked_for(workplace: Path, run: RunCommand) -> None:
    shown = run("batch", _write(workplace, GOOD + BAD), "--quiet", "--format", "json")
    document = json.loads(shown.out)
    assert (shown.code, document["exit_code"], document["jobs_ok"]) == (3, 3, 1)
    assert [job["status"] for job in document["jobs"]] == ["done", "failed"]


def test_check_names_every_invalid_value_with_its_line(workplace: Path, run: RunCommand) -> None:
    faults = {
        "time_budget": "1x",
        "timeout": "90",
        "max_age": "2 months",
        "freq": "foo",
        "tz": "Nowhere/X",
        "date_format": "%Q",
        "resample": "zz",
        "calendar": "XXXX",
        "max_bytes": "much",
    }
    job = '[[job]]\nname = "a"\ndata = "good.csv"\n' + "".join(f'{key} = "{value}"\n' for key, value in faults.items())
    shown = run("batch", _write(workplace, job), "--check")
    assert shown.code == 2
    for line, (key, value) in enumerate(faults.items(), start=4):
        assert re.search(rf"line {line}: job `a`: .*{key}.*", shown.err), key
        assert f"`{value}`" in shown.err
    assert not (workplace / "a.csv").exists()


def test_check_runs_nothing_and_writes_nothing(workplace: Path, run: RunCommand) -> None:
    name = _write(workplace, GOOD)
    before = sorted(workplace.rglob("*"))
    shown = run("batch", name, "--check")
    assert (shown.code, shown.err) == (0, "")
    assert "1 job, no errors" in shown.out
    assert sorted(workplace.rglob("*")) == before


def test_check_names_every_error_of_file_and_disk_and_exits_with_2(workplace: Path, run: RunCommand) -> None:
    (workplace / "folder").mkdir()
    jobs = [
        '[[job]]\nname = "data"\ndata = "no.csv"\noutput = "1.csv"\n',
        '[[job]]\nname = "glob"\ndata = "no*.csv"\noutput = "2.csv"\n',
        '[[job]]\nname = "folder"\ndata = "folder"\noutput = "3.csv"\n',
        '[[job]]\nname = "model"\nmodel = "god"\ndata = "good.csv"\noutput = "4.csv"\n',
        '[[job]]\nname = "output"\nmodel = "good"\noutput = "good.csv/5.csv"\n',
        '[[job]]\nname = "loop"\nmodel = "good"\ndata = "good.csv"\noutput = "good.csv"\n',
    ]
    shown = run("batch", _write(workplace, "".join(jobs)), "--check")
    assert (shown.code, shown.out) == (2, "")
    told = [line for line in shown.err.splitlines() if line.startswith("  line ")]
    assert [line.split(":")[0].strip() for line in told] == [f"line {n}" for n in (3, 7, 11, 15, 21, 26)]
    for words in (
        "no.csv does not exist",
        "no file matches",
        "folder is a folder",
        "did you mean `good`?",
        "is a file, a folder is needed there",
        "the `output` of job `loop`",
        "would overwrite the data of job `model`",
    ):
        assert words in shown.err


def test_check_names_the_errors_of_file_and_disk_together_and_none_twice(workplace: Path, run: RunCommand) -> None:
    text = (
        '[[job]]\nname = "a"\ndata = "no.csv"\noutput = "a.pdf"\n'
        '[[job]]\nname = "b"\nmodel = "god"\noutput = "good.csv/b.csv"\nhorizon = 0\non_alarm = ["no-such-program-here"]\n'
    )
    shown = run("batch", _write(workplace, text), "--check")
    lines = [line for line in shown.err.splitlines() if line.startswith("  line ")]
    assert [line.split(":")[0].strip() for line in lines] == [f"line {n}" for n in (3, 4, 7, 8, 9, 10)]
    keys = ("`data`", "`output`", "`model`", "`output`", "`horizon`", "`on_alarm`")
    assert [key in line for key, line in zip(keys, lines, strict=True)] == [True] * 6


def test_quiet_prints_the_warnings_of_a_successful_run(workplace: Path, run: RunCommand) -> None:
    text = GOOD + 'on_alarm = ["no-such-program-here"]\n'
    shown = run("batch", _write(workplace, text), "--quiet")
    assert shown.code == 0
    assert "warning: the program `no-such-program-here` of `on_alarm` does not exist" in shown.out
    assert (workplace / "a.csv").is_file()


def test_more_than_five_errors_are_all_shown(workplace: Path, run: RunCommand) -> None:
    wrong = "".join(f"wrong{number} = 1\n" for number in range(9))
    shown = run("batch", _write(workplace, GOOD + wrong))
    assert shown.code == 2
    assert shown.err.count("unknown key `wrong") == 9
    as_json = json.loads(run("batch", "nightly.toml", "--format", "json").err)["error"]
    assert [finding["rows"] for finding in as_json["findings"]] == [[line] for line in range(6, 15)]
    assert as_json["findings"][0]["column"] == "wrong0"


def test_check_reads_the_rows_of_each_job_and_names_what_it_would_reject_or_warn_of(
    workplace: Path, run: RunCommand
) -> None:
    good = (workplace / "good.csv").read_text().splitlines(keepends=True)
    cells = good[5].split(",")
    (workplace / "bad.csv").write_text("".join([*good[:5], ",".join([cells[0], "oops\n"]), *good[6:]]))
    (workplace / "gap.csv").write_text("".join([*good[:-4], ",\n", *good[-4:]]))
    jobs = '[[job]]\nname = "gap"\ndata = "gap.csv"\noutput = "1.csv"\n'
    bad = '[[job]]\nname = "bad"\ndata = "bad.csv"\noutput = "2.csv"\n'
    shown = run("batch", _write(workplace, jobs + bad), "--check")
    assert shown.code == 2
    assert re.search(r"line 7: job `bad`: .*row 6.*`oops` is not a number", shown.err)
    assert run("batch", "nightly.toml", "--check", "--no-read").code == 0
    shown = run("batch", _write(workplace, jobs), "--check", "--format", "json")
    plan = json.loads(shown.out)
    assert plan["jobs"][0]["num_rows"] == len(good) - 1
    assert "job `gap`: " in plan["findings"][0]["message"]
    assert run("batch", "nightly.toml", "--no-read").code == 2


def test_a_job_may_wait_for_a_model_that_another_job_will_train(workplace: Path, run: RunCommand) -> None:
    text = '[[job]]\nname = "new"\ndata = "good.csv"\n' + GOOD.replace('"good"', '"new"')
    assert run("batch", _write(workplace, text), "--check").code == 0


@pytest.mark.parametrize("flags", [("--check", "--print-cron"), ("--print-cron", "--print-systemd")])
def test_flags_that_run_nothing_exclude_each_other(workplace: Path, run: RunCommand, flags: tuple[str, ...]) -> None:
    shown = run("batch", _write(workplace, GOOD), *flags)
    assert shown.code == 2
    assert "exclude each other" in shown.err


def test_a_printed_line_for_cron_is_not_broken_by_a_narrow_screen(
    workplace: Path, run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "20")
    shown = run("batch", _write(workplace, GOOD), "--print-cron")
    assert shown.code == 0
    line = shown.out.splitlines()[-1]
    assert line.startswith("17 5 * * * ")
    assert line.endswith(f" batch {workplace / 'nightly.toml'} --quiet")


def test_units_for_systemd_are_printed_each_under_its_place(workplace: Path, run: RunCommand) -> None:
    shown = run("batch", _write(workplace, GOOD), "--print-systemd")
    places = [line for line in shown.out.splitlines() if line.startswith("# /")]
    assert [place.rpartition(".")[2] for place in places] == ["service", "timer"]
    units = json.loads(run("batch", "nightly.toml", "--print-systemd", "--format", "json").out)["units"]
    assert "\n".join(unit["text"] for unit in units) == shown.out


def test_jobs_as_csv_are_one_row_each() -> None:
    stream = io.StringIO()
    write_csv(examples.batch_result(), stream)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue())))
    assert [row["status"] for row in rows] == ["done", "unchanged", "failed"]
    assert (rows[2]["error"], rows[2]["hint"]) == ("E_TIME_DUPLICATE", "drop one of them")


def test_a_plan_and_units_as_csv_are_tables() -> None:
    for result, columns in ((examples.batch_plan(), "job"), (examples.units_result(), "path,text")):
        stream = io.StringIO()
        write_csv(result, stream)
        assert stream.getvalue().startswith(columns)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
def test_a_signal_keeps_finished_work_and_leaves_no_process_or_temporary_file(
    workplace: Path, number: int, code: int
) -> None:
    os.mkfifo(workplace / "pipe.csv")  # a reader of it waits until it is ended
    slow = GOOD.replace('"a', '"slow').replace("good.csv", "pipe.csv")
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "rnnforecast",
            "batch",
            _write(workplace, GOOD + slow),
            "--workers",
            "1",
            "--events",
            "e",
        ],
        cwd=workplace,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    _until(lambda: (workplace / "e").exists() and (workplace / "e").read_text().count('"job_start"') == 2)
    _until(lambda: bool(_children(process.pid)))
    children = _children(process.pid)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")
    assert "1 done, 1 stopped" in out
    assert (workplace / "a.csv").is_file()
    last = json.loads((workplace / "e").read_text().splitlines()[-1])
    assert (last["event"], last["exit_code"], last["jobs_stopped"]) == ("run_end", code, 1)
    assert not any(Path(f"/proc/{pid}").exists() for pid in children)
    assert not list(workplace.rglob(".rnnforecast-*.tmp"))


def _children(pid: int) -> list[int]:
    try:
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except FileNotFoundError:
        pytest.skip("this kernel does not list the children of a process")


def _until(is_so: Callable[[], bool]) -> None:
    for _ in range(600):
        if is_so():
            return
        time.sleep(0.05)
    raise AssertionError("it never came to that")
