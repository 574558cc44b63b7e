"""Specification of names: every name has a folder of its own, and none leads out of the store."""

from __future__ import annotations

from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnforecast.errors import UsageError
from rnnforecast.store.names import check_name, decode_name, encode_name, name_from_stem, split_spec

HOSTILE = [
    *("", ".", "..", "../x", "../../etc/passwd", "/etc/passwd", "a/b", "a\\b", "C:\\x", "a:b", "a\0b", "a\nb"),
    *("CON", "con", "con.txt", "nul", "COM1", "lpt9", "aux", " x", "x ", "x.", ".hidden", "~", "a~b", "%2e", "%"),
    *("x" * 300, "é" * 60, "İ", "ß", "SS", "ss", "\ud800", "\u202e", "-rf", "*", "last-version", "models.lock"),
    *("prices", "Prices", "PRICES", "prices@3", "1.safetensors"),
]


def test_a_plain_name_is_its_own_folder() -> None:
    assert encode_name("retail_sales-2024") == "retail_sales-2024"


def test_a_name_with_a_dot_stays_readable() -> None:
    assert encode_name("sales.v2") == "sales%2ev2"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_one_harmless_folder(name: str) -> None:
    folder = encode_name(name)
    assert folder.isascii()
    assert folder.isprintable()
    assert len(folder) <= 120
    assert PurePosixPath(folder).parts == (folder,)
    assert PureWindowsPath(folder).parts == (folder,)
    assert not folder.startswith((".", "-rf "))
    assert folder.partition(".")[0].lower() not in {"con", "nul", "com1", "lpt9", "aux"}


def test_hostile_names_have_folders_of_their_own_even_where_capitals_do_not_count() -> None:
    assert len({encode_name(name).lower() for name in HOSTILE}) == len(HOSTILE)


@given(st.text(), st.text())
def test_two_names_never_share_a_folder(first: str, second: str) -> None:
    assert (encode_name(first).lower() == encode_name(second).lower()) == (first == second)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=8))
def test_a_short_name_can_be_read_from_its_folder(name: str) -> None:
    assert decode_name(encode_name(name)) == name


@pytest.mark.parametrize("name", ["prices", "Sales 2024", "../x", "CON", "Zürich", "a/b"])
def test_a_name_that_can_be_typed_is_accepted(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "name is empty"),
        ("  ", "name is empty"),
        ("x" * 201, "has 201 characters; the limit is 200"),
        ("a@3", "no `@`"),
        ("a\nb", r"'a\\nb'"),
        ("a\x1b[31m", r"a\\x1b"),
        ("a\u202eb", r"a\\u202eb"),
        ("m.safetensors", "no suffix `.safetensors`"),
    ],
)
def test_a_name_that_cannot_be_typed_back_is_rejected(name: str, reason: str) -> None:
    with pytest.raises(UsageError, match=reason) as caught:
        check_name(name)
    assert "`--name`" in (caught.value.hint or "")


@given(st.text())
def test_every_stem_of_a_file_gives_a_name_that_is_accepted(stem: str) -> None:
    check_name(name_from_stem(stem))


def test_a_plain_stem_is_the_name() -> None:
    assert name_from_stem("prices 2024") == "prices 2024"


@pytest.mark.parametrize(
    ("spec", "parts"),
    [
        ("prices", ("prices", None)),
        ("prices@3", ("prices", 3)),
        ("prices@12345678901", ("prices@12345678901", None)),
        ("prices@0", ("prices@0", None)),
        ("prices@-1", ("prices@-1", None)),
        ("@3", ("@3", None)),
        ("a b@10", ("a b", 10)),
    ],
)
def test_a_spec_is_a_name_and_perhaps_a_version(spec: str, parts: tuple[str, int | None]) -> None:
    assert split_spec(spec) == parts
