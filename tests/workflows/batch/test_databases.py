"""Jobs that read from databases and write into their tables."""

from __future__ import annotations

import sqlite3
from typing import TYPE_CHECKING

import pytest

from rnnforecast.errors import UsageError
from rnnforecast.workflows.batch.check import check_jobs
from rnnforecast.workflows.batch.jobs_file.read import read_jobs
from rnnforecast.workflows.batch.run import batch
from tests.conftest import GOOD_ROWS
from tests.databases import ask

if TYPE_CHECKING:
    from pathlib import Path

CANARY = "canary-2a9"


def _file(folder: Path, *jobs: str) -> Path:
    path = folder / "nightly.toml"
    path.write_text("\n".join(f"[[job]]\n{job}\n" for job in jobs), encoding="utf-8")
    return path


def _job(name: str, *, output: str = "sqlite:///out.db#f", data: str = "good.csv", more: str = "") -> str:
    return f'name = "{name}"\nmodel = "good"\ndata = "{data}"\noutput = "{output}"\nhorizon = 3\n{more}'


def test_many_jobs_share_a_table_and_a_repeated_run_adds_nothing(workplace: Path) -> None:
    (workplace / "short.csv").write_text("\n".join(["date,value", *GOOD_ROWS[:80]]) + "\n")
    path = _file(workplace, _job("a"), _job("b", data="short.csv"))
    for _ in range(2):
        result = batch(path)
        assert (result.exit_code, [job.num_rows for job in result.jobs]) == (0, [3, 3])
    assert ask(f"sqlite:///{workplace}/out.db", "SELECT count(*), count(DISTINCT cutoff) FROM f") == [(6, 2)]


def test_a_job_reads_by_a_query(workplace: Path) -> None:
    with sqlite3.connect(workplace / "in.db") as connection:
        connection.execute("CREATE TABLE days (date TEXT, value REAL)")
        connection.executemany("INSERT INTO days VALUES (?, ?)", [row.split(",") for row in GOOD_ROWS])
    connection.close()
    query = 'query = "select date, value from days limit 70"\nwait = "5s"\n'
    result = batch(_file(workplace, _job("a", data="sqlite:///in.db", more=query)))
    assert result.exit_code == 0, result.jobs[0].error
    assert ask(f"sqlite:///{workplace}/out.db", "SELECT DISTINCT cutoff FROM f") == [("2024-03-10 00:00:00",)]


def test_database_files_start_at_the_folder_of_the_jobs_file(workplace: Path) -> None:
    job = read_jobs(_file(workplace, _job("a", data="sqlite:///in.db#days"))).jobs[0]
    assert job.data == (f"sqlite:///{workplace}/in.db#days",)
    assert job.output == f"sqlite:///{workplace}/out.db#f"


def test_an_unsuitable_table_fails_the_job_before_training(workplace: Path) -> None:
    ask(f"sqlite:///{workplace}/out.db", "CREATE TABLE f (a TEXT);; SELECT 1")
    job = 'name = "a"\ndata = "good.csv"\noutput = "sqlite:///out.db#f"\n'
    path = _file(workplace, job)
    result = batch(path)
    assert (result.exit_code, result.jobs[0].trained) == (14, False)
    with pytest.raises(UsageError, match=r"line 4: job `a`: .* contains no forecasts: it lacks `model`"):
        check_jobs(path)


def test_an_unreachable_server_ends_the_job_with_try_later(workplace: Path) -> None:
    path = _file(workplace, _job("a", output="postgresql://u@/d?host=/nowhere#f", more='wait = "0.1s"'))
    result = batch(path)
    assert (result.exit_code, result.jobs[0].exit_code) == (75, 75)


@pytest.mark.parametrize(
    ("job", "words"),
    [
        (_job("a", output="sqlite:///out.db"), "names no table"),
        (_job("a", output="sqlite:///out.db#a.b"), "has no schema"),
        (_job("a", output=f"postgresql://u:{CANARY}@h/d#f"), "`output` contains a password"),
        (_job("a", data=f"postgresql://u:{CANARY}@h/d#f"), "`data` contains a password"),
        (_job("a", data=f"postgresql://u@h/d?password={CANARY}#f"), "`data` contains a password"),
        (_job("a", more=f"query = \"select 'password={CANARY}'\""), "`query` contains a password"),
    ],
)
def test_errors_of_databases_name_their_line_and_no_password(job: str, words: str, workplace: Path) -> None:
    with pytest.raises(UsageError, match=r"line \d+: ") as caught:
        read_jobs(_file(workplace, job))
    assert words in caught.value.message
    assert CANARY not in str(caught.value) + str([finding.to_dict() for finding in caught.value.findings])


@pytest.mark.parametrize("data", ["sqlite:///in.db", "duckdb:///in.duckdb"])
def test_the_check_finds_a_database_without_query_or_table(data: str, workplace: Path) -> None:
    with pytest.raises(UsageError, match="names no rows"):
        check_jobs(_file(workplace, _job("a", data=data)))


def test_the_check_finds_a_query_that_writes(workplace: Path) -> None:
    job = _job("a", data="sqlite:///in.db", more='query = "delete from x"')
    with pytest.raises(UsageError, match="not a statement that reads"):
        check_jobs(_file(workplace, job))
