"""No fault and no attack of the catalogue is without a test, or without a word why."""

from __future__ import annotations

import re

from tests.faults.catalogue import HELD, OPEN
from tests.house import ROOT

ROWS = [f"K{number:02}" for number in range(1, 47)] + [f"S{number:02}" for number in range(1, 25)]


def test_every_row_is_held_by_tests_or_said_to_be_open() -> None:
    assert sorted([*HELD, *OPEN]) == ROWS  # each once


def test_every_test_that_a_row_names_is_there() -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    there = {name for text in texts for name in re.findall(r"^ *def test_(\w+)", text, re.MULTILINE)}
    assert sorted({name for names in HELD.values() for name in names} - there) == []


def test_every_test_that_is_called_after_a_row_stands_in_the_catalogue_of_rows() -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    called = {row.upper() for text in texts for row in re.findall(r"[_ ]([ks]\d\d)_", text)}
    assert called <= set(ROWS)
