"""Every accident and attack has a name, an explanation in `README.md`, and tests that exist."""

from __future__ import annotations

import re

from tests.faults.catalogue import ACCIDENTS, ATTACKS
from tests.faults.parts import PARTS
from tests.house import ROOT

README = (ROOT / "tests" / "faults" / "README.md").read_text(encoding="utf-8")


def test_every_name_is_explained_once_and_in_order() -> None:
    assert re.findall(r"^\| `([a-z0-9-]+)` \|", README, re.MULTILINE) == [*ACCIDENTS, *ATTACKS]


def test_every_part_and_every_file_of_the_rig_is_explained() -> None:
    files = [
        path.name for path in (ROOT / "tests" / "faults").glob("*.py") if not path.name.startswith(("test_", "__"))
    ]
    assert [name for name in (*files, *PARTS) if f"`{name}`" not in README] == []


def test_every_named_test_exists() -> None:
    texts = (path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    existing = {name for text in texts for name in re.findall(r"^ *def test_(\w+)", text, re.MULTILINE)}
    named = {name for tests in (ACCIDENTS | ATTACKS).values() for name in tests}
    assert sorted(named - existing) == []
