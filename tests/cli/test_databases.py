"""From the command line to tables and back, and where no password may ever stand."""

from __future__ import annotations

import json
import os
import sqlite3
from typing import TYPE_CHECKING

import pytest

from tests.conftest import GOOD_ROWS
from tests.databases import ENGINES, ask, new_database

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.cli.conftest import RunCommand

CANARY = "canary-5c1"
TINY = ("--horizon", "7", "--num-steps", "3", "--num-members", "1", "--hidden-size", "4")
QUERY = "select date, value from days order by date"


@pytest.fixture
def days(workplace: Path) -> str:
    """Return a database in the working folder that holds the rows of `good.csv`."""
    with sqlite3.connect(workplace / "x.db") as connection:
        connection.execute("CREATE TABLE days (date TEXT, value REAL)")
        connection.executemany("INSERT INTO days VALUES (?, ?)", [row.split(",") for row in GOOD_ROWS])
    connection.close()
    return "sqlite:///x.db"


@pytest.fixture(params=ENGINES)
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """Return the URL of an empty database of each kind."""
    yield from new_database(request.param, tmp_path)


@pytest.mark.usefixtures("workplace")
def test_forecasts_go_into_a_table_and_a_second_run_changes_nothing(database: str, run: RunCommand) -> None:
    words = ("predict", "good", "--quantiles", "0.1,0.9", "--output", f"{database}#f", "--format", "json")
    first = run(*words)
    assert first.code == 0, first.err
    assert json.loads(first.out)["output"] == f"{database}#f"
    stored = ask(database, 'SELECT model, date, cutoff, forecast, "q0.1", "q0.9", method FROM f ORDER BY date')
    assert len(stored) == json.loads(first.out)["num_rows"] == 7
    assert {row[0] for row in stored} == {"good@1"}
    assert run(*words).code == 0
    assert ask(database, 'SELECT model, date, cutoff, forecast, "q0.1", "q0.9", method FROM f ORDER BY date') == stored


@pytest.mark.usefixtures("workplace")
def test_a_table_holds_the_numbers_of_the_file(database: str, run: RunCommand) -> None:
    import pandas as pd

    assert run("predict", "good", "--output", "f.parquet", "--no-ledger").code == 0
    assert run("predict", "good", "--output", f"{database}#f", "--no-ledger").code == 0
    meant = pd.read_parquet("f.parquet")["forecast"].tolist()
    assert [row[0] for row in ask(database, "SELECT forecast FROM f ORDER BY date")] == meant


def test_a_model_of_a_query_reads_the_database_again_where_both_are_named(
    days: str, run: RunCommand, monkeypatch: pytest.MonkeyPatch, workplace: Path
) -> None:
    trained = run("train", days, "--query", QUERY, "--name", "db", *TINY)
    assert trained.code == 0, trained.err
    manifest = json.loads(run("models", "show", "db", "--format", "json").out)["manifest"]
    assert manifest["settings"]["query"] == QUERY
    assert manifest["input"]["paths"] == [f"sqlite:///{workplace}/x.db"]
    ask(days, "INSERT INTO days VALUES ('2024-03-31', 120.0);; SELECT 1")
    monkeypatch.chdir("/")
    store, rows = ("--store", str(workplace / ".rnnforecast")), f"sqlite:///{workplace}/x.db"
    for words in (("predict", "db"), ("evaluate", "db")):
        refused = run(*words, *store)
        assert refused.code == 2
        assert f"hint: name it again: `--data {rows}`, and a query with `--query`" in refused.err
    without = run("predict", "db", *store, "--data", rows)
    assert (without.code, "names no rows" in without.err) == (2, True)
    assert run("evaluate", "db", rows, "--query", QUERY, *store).code == 0
    shown = run("predict", "db", "--data", rows, "--query", QUERY, *store, "--format", "json")
    assert shown.code == 0, shown.err
    assert json.loads(shown.out)["cutoffs"] == ["2024-03-31"]


def test_inspect_and_fresh_rows_take_a_query(days: str, run: RunCommand) -> None:
    inspected = run("inspect", days, "--query", QUERY, "--format", "json")
    assert json.loads(inspected.out)["assumptions"]["num_rows"] == 90
    fresh = run("predict", "good", "--data", days, "--query", f"{QUERY} limit 80", "--format", "json")
    assert fresh.code == 0, fresh.err
    assert json.loads(fresh.out)["cutoffs"] == ["2024-03-20"]


def test_the_pretrained_network_is_distinguished_by_the_rows_it_forecasts(days: str, run: RunCommand) -> None:
    assert run("predict", "base", "--data", f"{days}#days", "--output", f"{days}#f").code == 0
    assert run("predict", "base", "--data", "good.csv", "--output", f"{days}#f").code == 0
    assert ask(days, "SELECT DISTINCT model FROM f ORDER BY model") == [("base:days",), ("base:good",)]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        ("predict good --output postgresql://u@/d?host=/nowhere#f --wait 0.1s", 75, "--wait 10m"),
        ("train postgresql://u@/d?host=/nowhere#f --wait 0.1s", 75, "--wait 10m"),
        ("predict good --output sqlite:///x.db", 2, "names no table"),
        ("predict good --output sqlite:///x.db#days", 14, "contains no forecasts"),
        ("predict good --output sqlite:///none/x.db#f", 14, "does not exist"),
        ("predict good --attention-output sqlite:///x.db#f", 2, "ends with none of .csv, .xlsx and .parquet"),
        ("inspect sqlite:///x.db#nope", 10, "nope"),
        ("inspect sqlite:///y.db#days", 10, "no such file"),
        ("inspect sqlite:///x.db", 2, "names no rows"),
        ("inspect sqlite:///x.db#days --wait soon", 2, "`wait`: invalid duration `soon`"),
    ],
)
def test_a_mistake_ends_with_its_code_and_a_hint(
    words: str, code: int, said: str, days: str, run: RunCommand, workplace: Path
) -> None:
    before = sorted(path.name for path in workplace.iterdir())
    ended = run(*words.split())
    assert (ended.code, ended.out) == (code, "")
    assert said in " ".join(ended.err.split())
    assert "hint:" in ended.err
    assert sorted(path.name for path in workplace.iterdir()) == before
    assert ask(days, "SELECT count(*) FROM days") == [(90,)]


@pytest.mark.parametrize("as_json", [True, False])
def test_no_run_says_or_keeps_a_password(
    as_json: bool, run: RunCommand, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(workplace))
    url = f"postgresql://u:{CANARY}@/d?host=/nowhere"
    more = ("--format", "json") if as_json else ("--debug",)
    said = [
        run(*words, *more, "--wait", "0.1s")
        for words in (
            ("predict", "good", "--output", f"{url}#f"),
            ("predict", "good", "--data", f"{url}#f"),
            ("predict", "--data", f"{url}#f"),
            ("train", url, "--query", f"select 'password={CANARY}'"),
            ("inspect", f"postgresql://u:{CANARY}/x@h/d#f"),
            ("inspect", f"postgresql://u:{CANARY}@[h/d#f"),
        )
    ]
    assert {ended.code for ended in said} == {2, 75}
    assert CANARY not in "".join(ended.out + ended.err for ended in said)
    assert _kept(workplace) == []


def test_a_model_trained_through_a_password_does_not_keep_it(
    run: RunCommand, workplace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for url in new_database("postgresql", tmp_path):
        values = ", ".join(f"('{day}', {value})" for day, value in (row.split(",") for row in GOOD_ROWS))
        ask(url, f"CREATE TABLE days (date date, value float8);; INSERT INTO days VALUES {values}")
        secret = os.environ["PGPASSWORD"]
        with_password = url.replace("tester@", f"tester:{secret}@")
        monkeypatch.delenv("PGPASSWORD")
        trained = run("train", with_password, "--query", QUERY, "--name", "pg", "--format", "json", *TINY)
        reading = ("--data", url, "--query", QUERY)
        again = run("predict", "pg", *reading, "--output", f"{with_password}#f")
        assert (trained.code, again.code) == (0, 10), trained.err + again.err
        monkeypatch.setenv("PGPASSWORD", secret)
        whole = run("predict", "pg", *reading, "--output", f"{with_password}#f", "--format", "json")
        assert whole.code == 0, whole.err
        assert secret not in trained.out + trained.err + again.err + whole.out + whole.err
        assert _kept(workplace, secret) == []
        assert ask(url, "SELECT count(*) FROM f") == [(7,)]


def test_a_query_with_a_password_is_kept_without_it(days: str, run: RunCommand, workplace: Path) -> None:
    query = f"{QUERY} /* password={CANARY} */"
    trained = run("train", days, "--query", query, "--name", "db", "--format", "json", *TINY)
    assert trained.code == 0, trained.err
    told = run("predict", "db", "--data", days, "--query", query, "--output", f"{days}#f")
    assert told.code == 0, told.err
    assert CANARY not in "".join(ended.out + ended.err for ended in (trained, told))
    assert _kept(workplace) == []


def _kept(folder: Path, secret: str = CANARY) -> list[str]:
    """Return the files below a folder that hold a secret."""
    return [path.name for path in folder.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()]
