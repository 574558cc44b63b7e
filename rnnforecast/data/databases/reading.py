"""Rows of a database as an input: a query that can only read, its result as a Parquet file."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING

from rnnforecast.data.databases.address import Address, parse_address
from rnnforecast.data.databases.cells import joined
from rnnforecast.data.databases.session import Session, use_session
from rnnforecast.data.files.local import too_large
from rnnforecast.data.tables.in_memory import as_parquet
from rnnforecast.errors import DataError, UsageError

if TYPE_CHECKING:
    import pyarrow as pa


_NOISE = re.compile(r"\s+|--[^\n]*(?:\n|$)|/\*.*?\*/|\(", re.DOTALL)
_READING_WORDS = ("select", "with", "values", "table", "from", "summarize", "pivot", "unpivot")
_SHOWN = 60


def query_of(address: Address, query: str | None) -> str:
    """Return the statement to run: the query, or all of the table that the URL names.

    Raises UsageError for both, for neither, and for a statement that writes.
    """
    if query is None:
        if address.table is None:
            message = f"{address.shown} names no rows"
            hint = 'give a query, `--query "select ..."`, or a table behind a `#`'
            raise UsageError(message, hint=hint, code="E_INPUT_QUERY")
        return f"SELECT * FROM {address.table_name}"
    if address.table is not None:
        message = f"{address.shown} names a table, and there is a query too"
        raise UsageError(message, hint="leave out `#...` or `--query`", code="E_INPUT_QUERY")
    if _first_word(query) not in _READING_WORDS:
        raise UsageError(
            f"`{_cut(query)}` is not a statement that reads", hint="write one SELECT", code="E_INPUT_QUERY"
        )
    return query.strip().rstrip(";").rstrip()


def read_query(url: str, *, query: str | None, wait: float, cap: int) -> tuple[str, bytes, str]:
    """Run a query and return the URL without password, the rows as a Parquet file, and the digest of the rows.

    Raises UsageError for the query, InputError where the database rejects it, TryLaterError where it stays busy,
    DataError for a result without unique columns, or above `cap` bytes.
    """
    address = parse_address(url)
    statement = query_of(address, query)
    table = _fetch(address, statement, wait=wait, cap=cap)
    names = table.schema.names
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None or not names:
        message = f"{address.shown}: the query returns {'two columns' if names else 'no column'} named `{twice}`"
        raise DataError(message, hint="rename one: `select a.x as first_x, b.x as second_x`", code="E_DATA_QUERY")
    payload = as_parquet(table)
    return address.shown, payload, hashlib.sha256(payload).hexdigest()


def _fetch(address: Address, statement: str, *, wait: float, cap: int) -> pa.Table:
    def fetch(session: Session) -> pa.Table:
        batches, size = [], 0
        found = session.read(statement)
        try:
            for batch in found:
                batches.append(batch)
                size += batch.nbytes
                if size > cap:
                    raise too_large(address.shown, size, cap)
        finally:
            found.close()  # type: ignore[attr-defined]  # a generator, whose cursor must not outlive it
        return joined(batches)

    return use_session(address, fetch, writes=False, wait=wait)


def _first_word(query: str) -> str:
    place = 0
    while found := _NOISE.match(query, place):
        place = found.end()
    word = re.match(r"\w+", query[place:])
    return word[0].lower() if word else ""


def _cut(query: str) -> str:
    words = " ".join(query.split())
    return words if len(words) <= _SHOWN else f"{words[:_SHOWN]}..."
