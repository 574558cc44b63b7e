"""How a database and a table in it are named: `sqlite:///x.db#table`, `duckdb:///...`, `postgresql://user@host/db#table`.

Costs nothing to import: whether a word names a database is asked of every input and output.
"""

from __future__ import annotations

import re
from dataclasses import field
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from rnnforecast.errors import UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.masking import masked

Engine = Literal["sqlite", "duckdb", "postgresql"]

_DATABASE = re.compile(r"(sqlite|duckdb|postgres(?:ql)?)(?:\+\w+)?://", re.IGNORECASE)
_NAMES: dict[str, Engine] = {
    "sqlite": "sqlite",
    "duckdb": "duckdb",
    "postgres": "postgresql",
    "postgresql": "postgresql",
}
_SECRET_PARAMETERS = ("password", "sslpassword")
FORMS = "`sqlite:///x.db#table`, `duckdb:///x.duckdb#table` or `postgresql://user@host/db#table`"


@dataclass(frozen=True)
class Address:
    """A database, and a table in it where one is named; the password is in `location` alone, which is never shown."""

    engine: Engine
    shown: str  # without password: fit for messages, records, and for reading again
    location: str = field(repr=False)  # path of a file, or what the client library connects to
    schema: str | None = None
    table: str | None = None

    @property
    def path(self) -> Path:
        """The file of SQLite and DuckDB, absolute."""
        return Path(self.location).absolute()

    @property
    def stem(self) -> str:
        """What a model of these rows is called: the table, else the database."""
        return self.table or Path(urlsplit(self.shown).path).stem or self.engine

    @property
    def table_name(self) -> str:
        """The table as SQL names it, quoted: a name is never read as anything else."""
        if self.table is None:
            raise UsageError(f"{self.shown} names no table", hint=f"add one behind a `#`: {FORMS}", code="E_RUN_OUTPUT")
        return ".".join(quoted(part) for part in (self.schema, self.table) if part is not None)


def is_database(word: object) -> bool:
    """Whether a word names a database that can be read and written."""
    return isinstance(word, str) and _DATABASE.match(word) is not None


def quoted(name: str) -> str:
    """Return a name as SQL reads it whatever is in it; both quotes of standard SQL."""
    return '"' + name.replace('"', '""') + '"'


def parse_address(url: str) -> Address:
    """Return what a URL names. Raises UsageError, without the password, for one that names no database."""
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError(f"{masked(url)} is not a URL: {error}", hint=f"write {FORMS}", code="E_RUN_OUTPUT") from None
    engine = _NAMES.get(parts.scheme.lower().partition("+")[0])
    if engine is None:
        raise UsageError(f"{masked(url)} names no database", hint=f"write {FORMS}", code="E_RUN_OUTPUT")
    if "@" in parts.path + parts.query + parts.fragment:  # what follows an unencoded sign may be half a password
        raise UsageError(
            f"{parts.scheme}://... holds an `@` behind the name of the server",
            hint="write signs of a password and of names as %40 (@), %2F (/), %23 (#), %3F (?), "
            "or keep the password in `PGPASSWORD` or `~/.pgpass`",
            code="E_RUN_OUTPUT",
        )
    schema, table = _split_table(parts.fragment, url)
    if engine == "postgresql":
        shown = urlunsplit((engine, _without_password(parts.netloc), parts.path, _public(parts.query), parts.fragment))
        location = urlunsplit((engine, parts.netloc, parts.path, parts.query, ""))
        return Address(engine, shown, location, schema, table)
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or not path or "\0" in path:
        why = "options behind `?` are not taken" if parts.query else "the path of a file follows three slashes"
        raise UsageError(f"{masked(url)}: {why}", hint=f"write {FORMS}; `#` and `?` in a path as %23, %3F")
    if engine == "sqlite" and schema is not None:
        message = f"{url}: a table of SQLite has no schema"
        raise UsageError(message, hint="write the dot of a name as %2E", code="E_RUN_OUTPUT")
    return Address(engine, url, path, schema, table)


def absolute(url: str, *, folder: Path) -> str:
    """Return a URL whose file does not depend on the working folder: relative paths start at `folder`.

    The password of a server is left out: the result is kept in records. Raises UsageError.
    """
    address = parse_address(url)
    if address.engine == "postgresql":
        return address.shown
    fragment = urlsplit(url).fragment
    return f"{address.engine}:///{quote(str(folder.absolute() / address.location))}" + (f"#{fragment}" * bool(fragment))


def _split_table(fragment: str, url: str) -> tuple[str | None, str | None]:
    """Return schema and table of `schema.table`; a dot within a name is written %2E."""
    if not fragment:
        return None, None
    names = [unquote(part) for part in fragment.split(".")]
    if len(names) > 2 or not all(names) or any("\0" in name for name in names):
        message = f"{masked(url)}: `{fragment}` names no table"
        hint = "write `#table` or `#schema.table`, a dot within a name as %2E"
        raise UsageError(message, hint=hint, code="E_RUN_OUTPUT")
    return (names[0], names[1]) if len(names) == 2 else (None, names[0])


def _without_password(netloc: str) -> str:
    user, at, host = netloc.rpartition("@")
    return f"{user.partition(':')[0]}{at}{host}"


def _public(query: str) -> str:
    kept = [part for part in query.split("&") if part.partition("=")[0].lower() not in _SECRET_PARAMETERS]
    return "&".join(kept)
