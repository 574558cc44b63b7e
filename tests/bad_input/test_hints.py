"""Every hint of the catalogue that names a flag with its value is fed back until the input is read."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from rnnforecast.options import SETTINGS
from tests.bad_input.harness import Case, inspect
from tests.bad_input.test_cases import CASES

_FLAG = re.compile(r"--([a-z][a-z-]*[a-z])")
_VALUE = re.compile(r" ('[^']*'|\"[^\"]*\"|[^\s`]+)")
#: Words after a flag that are no value, and values that the user has to choose.
_WORDS = {"or", "and", "to", "for", "reads", "calls", "allows", "names", "says", "which", "if", "another"}
_CHOSEN = re.compile(r"[A-Z]{3,}$|.*\|")
_OPTIONS = {flag.removeprefix("--"): one for one in SETTINGS.values() for flag in one.flags.split("/")}
#: Hints may follow from one another: a larger file is allowed, then its repeated headers are left out.
MAX_HINTS = 4
#: Cases whose hints name one of several ways, of which only the user knows the right one.
OPEN = {
    "delimiter:two-delimiters-equally-likely": "the hint names both delimiters, and the second one reads the file",
    "compression:a-bomb": "with the flag it is unpacked, and holds no rows",
}


def flags_of(hint: str) -> list[str]:
    """Return the words of the first flags of a hint that can be used as they stand."""
    words: list[str] = []
    last = 0
    for found in _FLAG.finditer(hint):
        option = _OPTIONS.get(found[1])
        if option is None:
            continue
        if words and hint[last : found.start()] != " ":
            break
        if option.kind is bool:
            words.append(found[0])
            last = found.end()
            continue
        value = _VALUE.match(hint, found.end())
        text = value[1] if value is not None else ""
        text = text if text in (",", ".") else text.rstrip(";.,:)")
        if not text or text in _WORDS or _CHOSEN.match(text):
            if words:
                break
            continue
        words += [found[0], *shlex.split(text)]
        last = found.end() + 1 + len(text)
    return words


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
