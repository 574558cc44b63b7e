from __future__ import annotations

import pytest

from rnnforecast.data.databases.address import parse_address
from rnnforecast.data.databases.session import Session, session_class
from rnnforecast.data.databases.writing import check_names
from rnnforecast.data.write import check_output
from rnnforecast.errors import OutputError

URLS = {"sqlite": "sqlite:///x.db#f", "duckdb": "duckdb:///x#f", "postgresql": "postgresql://h/d#f"}


def _kind(name: str) -> type[Session]:
    return session_class(parse_address(URLS[name]))


@pytest.mark.parametrize("engine", ["sqlite", "duckdb"])
def test_names_that_differ_in_capitals_alone_are_rejected_where_they_are_one(engine: str) -> None:
    with pytest.raises(OutputError, match="`Forecast` and `forecast` are the same column there"):
        check_names(("Forecast", "forecast"), _kind(engine), parse_address(URLS[engine]))
    check_names(("Forecast", "forecast"), _kind("postgresql"), parse_address(URLS["postgresql"]))


@pytest.mark.parametrize("name", ["", "a\0b", "ä" * 32])
def test_a_name_that_the_server_would_cut_is_rejected(name: str) -> None:
    with pytest.raises(OutputError, match="is not a valid column name there") as caught:
        check_names((name,), _kind("postgresql"), parse_address(URLS["postgresql"]))
    assert caught.value.hint


def test_a_table_whose_name_the_server_would_cut_is_rejected_before_the_work() -> None:
    with pytest.raises(OutputError, match="the name of the table has more than 63 bytes"):
        check_output(f"postgresql://h/d#{'t' * 64}")


@pytest.mark.parametrize("name", ["q0.1", "select", 'a"b', "日付", "x" * 63])
def test_odd_names_are_names(name: str) -> None:
    for engine, url in URLS.items():
        check_names((name,), _kind(engine), parse_address(url))
