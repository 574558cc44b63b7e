from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.data.databases.address import absolute, is_database, parse_address, quoted
from rnnforecast.errors import UsageError


@pytest.mark.parametrize(
    "word", ["sqlite:///x.db", "duckdb:///x", "postgresql://h/d", "POSTGRES://h/d", "postgresql+psycopg://h/d"]
)
def test_urls_of_three_kinds_name_databases(word: str) -> None:
    assert is_database(word)


@pytest.mark.parametrize("word", ["x.csv", "s3://b/x.csv", "mysql://h/d", "-", "sqlite", Path("sqlite:/x"), None])
def test_other_words_name_none(word: object) -> None:
    assert not is_database(word)


def test_three_slashes_begin_at_the_working_folder_and_four_at_the_root() -> None:
    assert parse_address("sqlite:///a/x.db").path == Path.cwd() / "a/x.db"
    assert parse_address("duckdb:////a/x.db").path == Path("/a/x.db")


def test_a_table_stands_behind_the_hash_with_its_schema() -> None:
    address = parse_address("postgresql://h/d#sales.north")
    assert (address.schema, address.table, address.table_name) == ("sales", "north", '"sales"."north"')


def test_odd_signs_of_a_table_are_written_in_percent() -> None:
    address = parse_address("sqlite:///x.db#a%2Eb%22%3B%20drop")
    assert (address.table, address.table_name) == ('a.b"; drop', '"a.b""; drop"')


def test_quotes_within_names_are_doubled() -> None:
    assert quoted('a"b') == '"a""b"'


def test_the_shown_form_has_no_password_and_can_be_read_again() -> None:
    address = parse_address("postgresql://user:canary@host:5433/db?sslmode=require&password=canary#t")
    assert address.shown == "postgresql://user@host:5433/db?sslmode=require#t"
    assert parse_address(address.shown).table == "t"
    assert "canary" in address.location
    assert "canary" not in repr(address)


@pytest.mark.parametrize(
    "url", ["postgresql://u:can@ary/x@h/d", "postgresql://u:can#ary@h/d", "postgresql://u:can?ary@h/d#t"]
)
def test_a_password_that_tears_the_url_apart_is_rejected_without_being_said(url: str) -> None:
    with pytest.raises(UsageError, match="holds an `@` behind the name of the server") as caught:
        parse_address(url)
    assert "can" not in caught.value.message
    assert "%40" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("sqlite://x.db#t", "three slashes"),
        ("sqlite:///#t", "three slashes"),
        ("sqlite:///x.db?mode=rwc#t", "options behind"),
        ("sqlite:///x.db#a.b", "has no schema"),
        ("sqlite:///x.db#a.b.c", "names no table"),
        ("sqlite:///x.db#a%00b", "names no table"),
        ("duckdb:///%00#t", "three slashes"),
        ("postgresql://h/d#.t", "names no table"),
        ("postgresql://u:canary@[h/d#t", "is not a URL"),
    ],
)
def test_a_url_that_names_no_table_is_rejected(url: str, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        parse_address(url)
    assert caught.value.hint


def test_an_output_needs_a_table() -> None:
    with pytest.raises(UsageError, match="names no table") as caught:
        print(parse_address("sqlite:///x.db").table_name)
    assert "sqlite:///x.db#table" in str(caught.value.hint)


def test_a_record_keeps_an_absolute_path_and_no_password() -> None:
    assert absolute("sqlite:///a b.db#t%2Ex", folder=Path("/c")) == "sqlite:////c/a%20b.db#t%2Ex"
    assert absolute("duckdb:////a/x", folder=Path("/c")) == "duckdb:////a/x"
    assert absolute("postgresql://u:p@h/d#t", folder=Path("/c")) == "postgresql://u@h/d#t"


def test_a_model_is_called_after_the_table_or_the_database() -> None:
    assert parse_address("sqlite:////a/shop.db").stem == "shop"
    assert parse_address("sqlite:////a/shop.db#sales").stem == "sales"
    assert parse_address("postgresql://h/warehouse?sslmode=prefer").stem == "warehouse"
