"""One word for each idea: the words that docs/glossary.md replaces are gone from code and pages."""

from __future__ import annotations

import pytest

from tests.house import PACKAGE
from tests.words import files, places, replaced_words

FOLDERS = [
    *sorted(f"rnnforecast/{path.name}" for path in PACKAGE.iterdir() if path.is_dir() and path.name != "__pycache__"),
    "rnnforecast",
    "docs",
    ".",
]


def test_the_glossary_lists_the_words_it_replaces() -> None:
    assert {"stamp", "voice", "share", "refusal", "parted by"} <= set(replaced_words())


@pytest.mark.parametrize("folder", FOLDERS)
def test_replaced_words_are_gone(folder: str) -> None:
    found = [f"{place.path}:{place.line}: {place.word}" for path in files(folder) for place in places(path)]
    assert found == []
