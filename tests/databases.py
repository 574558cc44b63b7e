"""Real databases for tests, looked at by their own libraries and not by ours."""

from __future__ import annotations

import os
import secrets
import sqlite3
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import duckdb
import pandas as pd
import psycopg
import pytest

from rnnforecast.data.databases.address import parse_address

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Set by `.ci/postgresql`, which starts a server: a URL whose user may make databases; the password is in PGPASSWORD.
SERVER = "RNNFORECAST_TEST_POSTGRESQL"
ENGINES = ("sqlite", "duckdb", "postgresql")


def new_database(engine: str, folder: Path) -> Iterator[str]:
    """Yield the URL of an empty database; skips the test where there is no server of PostgreSQL."""
    if engine != "postgresql":
        yield f"{engine}:///{folder / 'x'}.{engine}"
        return
    server = os.environ.get(SERVER)
    if server is None:
        pytest.skip(f"no PostgreSQL server: `. .ci/postgresql` starts one and sets {SERVER}")
    name = f"test_{secrets.token_hex(6)}"
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}".encode())
        parts = urlsplit(server)
        yield urlunsplit((parts.scheme, parts.netloc, f"/{name}", parts.query, ""))
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


def ask(url: str, sql: str) -> list[tuple[Any, ...]]:
    """Run statements in a database and return the rows of the last one."""
    address = parse_address(url)
    if address.engine == "sqlite":
        with sqlite3.connect(address.path) as lite:
            *before, last = [part for part in sql.split(";;") if part.strip()]
            for statement in before:
                lite.execute(statement)
            found = lite.execute(last).fetchall()
        lite.close()
        return found
    if address.engine == "duckdb":
        with duckdb.connect(str(address.path)) as duck:
            result: list[tuple[Any, ...]] = []
            for statement in sql.split(";;"):
                result = duck.execute(statement).fetchall()
            return result
    with psycopg.connect(address.location) as connection:
        cursor = connection.cursor()
        for statement in sql.split(";;"):
            cursor.execute(statement.encode())
        return cursor.fetchall() if cursor.description else []


def forecasts(num_rows: int = 3, *, level: float = 0.0, **columns: Any) -> pd.DataFrame:
    """Return forecasts of one series from one cutoff, as `predict` lays them out; `columns` replace or add some."""
    frame = pd.DataFrame(
        {
            "shop": ["north"] * num_rows,
            "day": pd.date_range("2024-01-02", periods=num_rows),
            "cutoff": pd.Timestamp("2024-01-01"),
            "forecast": [level + row + 0.1 for row in range(num_rows)],
            "q0.1": [level + row - 1.7 for row in range(num_rows)],
            "method": ["ensemble"] * num_rows,
        }
    )
    return frame.assign(**columns)


KEY = ("shop", "day", "cutoff")
