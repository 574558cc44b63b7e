"""One bad input, what must come of it, and the runner that holds the command line to it."""

from __future__ import annotations

import io
import json
import re
import shlex
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from rnnforecast.cli.main import main
from rnnforecast.config import Settings
from rnnforecast.data.read import read_series
from rnnforecast.errors import ExitCode
from rnnforecast.options import SETTINGS

Outcome = Literal["accepted", "repaired", "refused"]
#: Flags by their word in TOML and Python: `{"dayfirst": True}` is `--dayfirst`.
Flags = Mapping[str, object]
#: Writes the input into a folder and returns its path, or several; an edit gets the folder once more.
Make = Callable[[Path], Path | Sequence[Path]]

_FLAG = re.compile(r"--([a-z][a-z-]*[a-z])")
_VALUE = re.compile(r" ('[^']*'|\"[^\"]*\"|[^\s`]+)")
#: Words after a flag that are no value, and values that the user has to choose.
_WORDS = {"or", "and", "to", "for", "reads", "calls", "allows", "names", "says", "which", "if", "another"}
_CHOSEN = re.compile(r"[A-Z]{3,}$|.*\|")
_OPTIONS = {flag.removeprefix("--"): one for one in SETTINGS.values() for flag in one.flags.split("/")}


@dataclass(frozen=True)
class Case:
    """One bad input and its outcome.

    `says` are words that the findings or the rejection must hold, whatever their case. `row` and `column` must stand in
    a finding. `values` are what the flat series must hold, NaN where they are masked; `reads` is what the document
    of `inspect` must say under `assumptions`. `fix` are flags (or an edit of the folder) with which a rejected input
    is accepted or repaired, and `fixed_values` what is read then.
    """

    topic: str  # what kind of input, such as `delimiter`
    name: str
    make: Make
    outcome: Outcome
    says: tuple[str, ...] = ()
    flags: Flags = field(default_factory=dict)
    row: int | None = None
    column: str | None = None
    values: Sequence[float] | None = None
    reads: Mapping[str, object] = field(default_factory=dict)
    fix: Flags | Make | None = None
    fixed_values: Sequence[float] | None = None
    code: ExitCode = ExitCode.DATA  # of a rejection

    @property
    def case_id(self) -> str:
        """The id of the test: `delimiter:two-delimiters`."""
        return f"{self.topic}:{self.name}".replace(" ", "-")


@dataclass(frozen=True)
class Ended:
    """How one run of `inspect --format json` ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The document of `inspect`, or the `error` object of a rejection."""
        loaded: dict[str, Any] = json.loads(self.out) if self.code == 0 else json.loads(self.err)["error"]
        return loaded

    @property
    def findings(self) -> list[dict[str, Any]]:
        """All findings, of a reading or of a rejection."""
        found: list[dict[str, Any]] = self.document["findings"]
        return found

    @property
    def text(self) -> str:
        """All that is reported of the input: message, hint and findings."""
        document = self.document
        parts = [document.get("message") or "", document.get("hint") or ""]
        for finding in self.findings:
            parts += [finding["message"], str(finding["value"]), finding["fix"] or ""]
        return "\n".join(parts)


def check(case: Case, folder: Path) -> None:
    """Make the input, run `inspect` on it, and hold the outcome to what the case says; then apply its fix."""
    made = case.make(folder)
    paths = [made] if isinstance(made, Path) else list(made)
    ended = inspect(paths, case.flags)
    _check_outcome(case, ended)
    if ended.code == 0:
        _check_fixes(paths, case.flags, ended)
    if case.values is not None:
        _check_values(paths, case.flags, case.values)
    if case.fix is None:
        return
    flags = dict(case.flags)
    if isinstance(case.fix, Mapping):
        flags |= case.fix
    else:
        edited = case.fix(folder)
        paths = [edited] if isinstance(edited, Path) else list(edited)
    fixed = inspect(paths, flags)
    assert fixed.code == 0, f"the fix does not work: {fixed.err}"
    if case.fixed_values is not None:
        _check_values(paths, flags, case.fixed_values)


def _check_fixes(paths: Sequence[Path], flags: Flags, ended: Ended) -> None:
    """Follow every fix of a finding that names a flag with its value: the input is read with it, too."""
    for finding in ended.findings:
        for part in re.split(r"; | or ", finding["fix"] or ""):
            words = flags_of(part)
            if words:
                followed = inspect(paths, flags, words=words)
                assert followed.code == 0, f"{finding['code']}: {words}: {followed.err}"


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


def inspect(paths: Sequence[Path], flags: Flags, *, words: Sequence[str] = ()) -> Ended:
    """Run `inspect --format json` in this process, as the command line does; `words` are further flags."""
    words = ["inspect", "--format", "json", *words_of(flags), *words, "--", *map(str, paths)]
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = main(words)
    assert "Traceback" not in out.getvalue() + err.getvalue()
    return Ended(code, out.getvalue(), err.getvalue())


def words_of(flags: Flags) -> list[str]:
    """Return flags as words of the command line."""
    words: list[str] = []
    for key, value in flags.items():
        flag = "--" + key.replace("_", "-")
        if isinstance(value, bool):
            words.append(flag if value else flag.replace("--", "--no-", 1))
            continue
        for one in value if isinstance(value, tuple | list) else (value,):
            words += [flag, str(one)]
    return words


def _check_outcome(case: Case, ended: Ended) -> None:
    wanted = case.code if case.outcome == "refused" else ExitCode.OK
    assert ended.code == wanted, f"exit {ended.code}, not {int(wanted)}: {ended.err or ended.out}"
    severities = {finding["severity"] for finding in ended.findings}
    if case.outcome == "repaired":
        assert "warning" in severities, f"nothing was repaired: {ended.findings}"
        counts = [finding["count"] for finding in ended.findings if finding["severity"] == "warning"]
        assert min(counts) > 0, f"a repair is not counted: {ended.findings}"
    if case.outcome == "accepted":
        assert "warning" not in severities, f"a repair was made: {ended.findings}"
    text = ended.text.casefold()
    lacking = [word for word in case.says if word.casefold() not in text]
    assert lacking == [], f"not said: {lacking}\nbut: {ended.text}"
    if case.row is not None:
        assert any(case.row in finding["rows"] for finding in ended.findings), ended.findings
    if case.column is not None:
        assert any(case.column == finding["column"] for finding in ended.findings), ended.findings
    if case.outcome == "refused":
        assert ended.document["hint"], f"no fix is named: {ended.text}"
    assumed = ended.document.get("assumptions", {})
    assert {key: assumed[key] for key in case.reads} == dict(case.reads)


def _check_values(paths: Sequence[Path], flags: Flags, values: Sequence[float]) -> None:
    read = read_series([str(path) for path in paths], Settings.from_flat(flags).data)
    np.testing.assert_array_equal(read.series.values, np.asarray(values, dtype=np.float64))


def text_file(content: str | bytes, name: str = "rows.csv") -> Make:
    """Return the maker of one file; text is written in UTF-8 with the line ends it has."""

    def make(folder: Path) -> Path:
        path = folder / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


def parquet_file(columns: Mapping[str, object], name: str = "rows.parquet") -> Make:
    """Return the maker of one Parquet file."""

    def make(folder: Path) -> Path:
        path = folder / name
        pd.DataFrame(dict(columns)).to_parquet(path, index=False)
        return path

    return make


def daily(values: Sequence[object], *, header: str = "date,y", start: str = "2024-01-01") -> str:
    """Return rows of CSV text, one a day, cells as they are given."""
    days = pd.date_range(start, periods=len(values)).strftime("%Y-%m-%d")
    return f"{header}\n" + "".join(f"{day},{value}\n" for day, value in zip(days, values, strict=True))


def with_stdin(content: bytes, run: Callable[[], Ended]) -> Ended:
    """Run with bytes on standard input."""
    before = sys.stdin
    sys.stdin = io.TextIOWrapper(io.BytesIO(content))
    try:
        return run()
    finally:
        sys.stdin = before
