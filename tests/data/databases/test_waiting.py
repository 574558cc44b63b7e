"""A database that is busy or out of reach: waited for, then exit 75; one that rejects: exit 14 or 10 at once."""

from __future__ import annotations

import builtins
import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from rnnforecast.config import DataSettings
from rnnforecast.data.databases.address import parse_address
from rnnforecast.data.databases.session import BusyError, retry_while_busy
from rnnforecast.data.read import read_series
from rnnforecast.data.write import check_output, write_forecasts
from rnnforecast.errors import InputError, OutputError, ResourceError, TryLaterError
from tests.databases import KEY, ask, forecasts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HOLD = "import duckdb, sys; c = duckdb.connect({path!r}); print('held', flush=True); sys.stdin.read()"


@contextmanager
def _held(url: str) -> Iterator[Callable[[], object]]:
    """Hold the table `f` of a database as another program does; yields what lets it go."""
    address = parse_address(url)
    if address.engine == "duckdb":
        code = HOLD.format(path=str(address.path))
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            child.stdout.readline()
            yield child.communicate
    elif address.engine == "sqlite":
        lite = sqlite3.connect(address.path, isolation_level=None, check_same_thread=False)
        lite.execute("BEGIN EXCLUSIVE")
        yield lambda: lite.execute("ROLLBACK") if lite.in_transaction else None
        lite.close()
    else:
        with psycopg.connect(address.location) as connection:
            connection.execute("LOCK TABLE f IN ACCESS EXCLUSIVE MODE")
            yield connection.rollback


def test_a_table_that_stays_locked_ends_with_try_later_and_is_left_alone(database: str) -> None:
    write_forecasts(forecasts(), f"{database}#f", model="m", key=KEY)
    with _held(database) as let_go:
        with pytest.raises(TryLaterError, match=r"waited 0\.2 s") as caught:
            write_forecasts(forecasts(level=9.0), f"{database}#f", model="m", key=KEY, wait=0.2)
        assert int(caught.value.exit_code) == 75
        assert "--wait 10m" in str(caught.value.hint)
        let_go()
    assert sorted(ask(database, "SELECT forecast FROM f")) == [(0.1,), (1.1,), (2.1,)]


def test_a_lock_that_ends_in_time_is_waited_for(database: str) -> None:
    write_forecasts(forecasts(), f"{database}#f", model="m", key=KEY)
    with _held(database) as let_go:
        timer = threading.Timer(0.3, let_go)
        timer.start()
        write_forecasts(forecasts(level=9.0), f"{database}#f", model="m", key=KEY, wait=30.0)
        timer.join()
    assert sorted(ask(database, "SELECT forecast FROM f")) == [(9.1,), (10.1,), (11.1,)]


def test_rows_that_cannot_be_read_for_now_end_with_try_later(database: str) -> None:
    write_forecasts(forecasts(), f"{database}#f", model="m", key=KEY)
    with _held(database) as let_go:
        with pytest.raises(TryLaterError, match=r"cannot be read: .* \(waited"):
            read_series([f"{database}#f"], DataSettings(wait="0.2s"))
        let_go()


@pytest.mark.parametrize("server", ["postgresql://u@127.0.0.1:1/d", "postgresql://u@/d?host=/nowhere"])
def test_a_server_that_does_not_answer_is_a_matter_of_time(server: str) -> None:
    with pytest.raises(TryLaterError, match="was not written"):
        check_output(f"{server}#f", wait=0.1)
    with pytest.raises(TryLaterError, match=r"cannot be read: .* \(waited"):
        read_series([server], DataSettings(query="select 1", wait="0.1s"))


def test_a_wrong_password_is_not_a_matter_of_time_and_is_not_reported(server: str) -> None:
    wrong = server.replace("tester@", "tester:canary-0@") + "#f"
    with pytest.raises(OutputError, match="password authentication failed") as caught:
        check_output(wrong, wait=30.0)
    assert "canary" not in str(caught.value)
    assert "PGPASSWORD" in str(caught.value.hint)


def test_the_password_may_stand_in_a_file_of_passwords(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "pgpass"
    path.write_text(f"*:*:*:tester:{os.environ['PGPASSWORD']}\n")
    path.chmod(0o600)
    monkeypatch.delenv("PGPASSWORD")
    with pytest.raises(OutputError, match="no password supplied"):
        check_output(f"{server}#f")
    monkeypatch.setenv("PGPASSFILE", str(path))
    check_output(f"{server}#f")


def test_a_database_or_schema_that_is_not_there_is_rejected_at_once(server: str) -> None:
    nowhere = parse_address(server)
    with pytest.raises(OutputError, match="does not exist"):
        check_output(nowhere.shown.replace(nowhere.stem, "nodb") + "#f")
    with pytest.raises(OutputError, match='schema "north" does not exist') as caught:
        check_output(f"{server}#north.f")
    assert "create the schema" in str(caught.value.hint)


def test_a_user_without_rights_is_told_which_to_grant(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    write_forecasts(forecasts(), f"{server}#f", model="m", key=KEY)
    name = f"reader_{parse_address(server).stem}"
    ask(server, f"CREATE ROLE {name} LOGIN PASSWORD 'other';; GRANT SELECT ON f TO {name}")
    monkeypatch.setenv("PGPASSWORD", "other")
    with pytest.raises(OutputError, match="permission denied") as caught:
        check_output(server.replace("tester@", f"{name}@") + "#f")
    monkeypatch.undo()
    ask(server, f"DROP OWNED BY {name};; DROP ROLE {name}")
    assert "INSERT" in str(caught.value.hint)


def test_a_file_that_is_not_a_database_is_rejected(tmp_path: Path) -> None:
    no_duckdb = "not a DuckDB database"
    for engine, name, words in (
        ("sqlite", "x.db", "not a database"), ("duckdb", "x.duckdb", no_duckdb), ("duckdb", "x.csv", no_duckdb),
    ):  # fmt: skip
        path = tmp_path / name
        path.write_text("day,units\n" * 500)
        with pytest.raises(OutputError, match=words):
            check_output(f"{engine}:///{path}#f")
        with pytest.raises(InputError, match=words):
            read_series([f"{engine}:///{path}#f"])


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_a_database_in_a_folder_that_is_not_there_is_rejected_before_the_work(engine: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="does not exist"):
        check_output(f"{engine}:///{tmp_path}/none/x.db#f")
    with pytest.raises(InputError, match="there is no such file"):
        read_series([f"{engine}:///{tmp_path}/x.db#f"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("url", "package"), [("duckdb:///x#f", "duckdb"), ("postgresql://h/d#f", "psycopg")])
def test_without_the_package_its_extra_is_named(url: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    load = builtins.__import__
    monkeypatch.delitem(sys.modules, f"rnnforecast.data.databases.{parse_address(url).engine}_engine", raising=False)

    def without(name: str, *arguments: Any, **words: Any) -> Any:
        if name == package:
            raise ModuleNotFoundError(name, name=name)
        return load(name, *arguments, **words)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ResourceError, match=f"needs the package `{package}`") as caught:
        check_output(url)
    assert "pip install 'rnnforecast[sql]'" in str(caught.value.hint)


def test_what_is_busy_is_tried_until_the_time_is_over() -> None:
    left: list[float] = []

    def busy(seconds: float) -> None:
        left.append(seconds)
        raise BusyError("busy")

    with pytest.raises(BusyError):
        retry_while_busy(busy, seconds=0.4)
    assert len(left) > 1
    assert left == sorted(left, reverse=True)


def test_a_connection_that_breaks_in_the_middle_is_made_again_and_nothing_is_written_twice(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from rnnforecast.data.databases.postgresql_engine import PostgresqlSession

    honest = PostgresqlSession.commit
    broken: list[PostgresqlSession] = []

    def break_once(session: PostgresqlSession) -> None:
        if not broken:
            broken.append(session)
            session.run("SELECT pg_terminate_backend(pg_backend_pid())")
        honest(session)

    monkeypatch.setattr(PostgresqlSession, "commit", break_once)
    write_forecasts(forecasts(), f"{server}#f", model="m", key=KEY)
    assert len(broken) == 1
    assert ask(server, "SELECT count(*) FROM f") == [(3,)]
