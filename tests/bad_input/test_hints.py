"""Every hint of the catalogue that names a flag with its value is fed back until the input is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bad_input.harness import Case, flags_of, inspect
from tests.bad_input.test_cases import CASES

#: Hints may follow from one another: a larger file is allowed, then its repeated headers are left out.
MAX_HINTS = 4
#: Cases whose hints name one of several ways, of which only the user knows the right one.
OPEN = {
    "delimiter:two-delimiters-equally-likely": "the hint names both delimiters, and the second one reads the file",
    "compression:a-bomb": "with the flag it is unpacked, and holds no rows",
}


@pytest.mark.parametrize("case", [one for one in CASES if one.outcome == "refused"], ids=lambda case: case.case_id)
def test_hints_are_followed_until_the_input_is_read(case: Case, tmp_path: Path) -> None:
    if case.case_id in OPEN:
        pytest.skip(OPEN[case.case_id])
    made = case.make(tmp_path)
    paths = [made] if isinstance(made, Path) else list(made)
    used: list[str] = []
    ended = inspect(paths, case.flags)
    for _ in range(MAX_HINTS):
        words = flags_of(str(ended.document.get("hint") or "")) if ended.code else []
        if not words or " ".join(words) in " ".join(used):
            break
        used += words
        ended = inspect(paths, case.flags, words=used)
    assert not used or ended.code == 0, f"{used}: {ended.err}"
