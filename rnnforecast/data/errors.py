"""Findings about the columns of the input, and the one error that names all problems of a file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from rnnforecast.arrays import Int64Array
from rnnforecast.errors import DataError
from rnnforecast.findings import MAX_LISTED_ROWS, Finding
from rnnforecast.frozen import dataclass

#: Row numbers of a frame -> lines of its file.
LinesOf: TypeAlias = Callable[[Sequence[int]], list[int]]
#: Row numbers of a frame -> the columns of the file that they were.
NamesOf: TypeAlias = Callable[[Sequence[int] | Int64Array], list[str]]
#: Row numbers of all files -> the file of the first of them, and the lines in that file.
Locate: TypeAlias = Callable[[Sequence[int]], tuple[str, tuple[int, ...]]]

MAX_SHOWN = 5


@dataclass(frozen=True)
class ColumnRef:
    """A column of the input, and where its rows stand: what all findings about it are made from."""

    name: str
    locate: Locate
    noun: str = "column"  # what messages call it: `column`, `time column`
    path: str | None = None  # of a column of one file
    names_of: NamesOf | None = None  # of the columns of a wide table in which rows stand

    @classmethod
    def in_file(
        cls, name: str, path: str, lines_of: LinesOf, *, noun: str = "column", names_of: NamesOf | None = None
    ) -> ColumnRef:
        """Return the column of one file."""
        return cls(name, lambda rows: (path, tuple(lines_of(rows))), noun, path, names_of)

    def __str__(self) -> str:
        return f"{self.noun} `{self.name}`"

    def finding(
        self,
        code: str,
        message: str,
        *,
        rows: Int64Array | Sequence[int] = (),
        value: str | None = None,
        count: int | None = None,
        fix: str | None = None,
    ) -> Finding:
        """Return a finding about the column, or about some of its rows; `count` is their number unless it is given."""
        file, lines = self._where(rows) if len(rows) else (self.path, ())
        count = len(rows) if count is None else count
        name = self.name if self.names_of is None or not len(rows) else self.names_of(rows[:1])[0]
        return Finding(code, message, file, lines, name, value, count, fix)

    def problem(
        self, code: str, rows: Int64Array | Sequence[int], words: str, *, value: str = "", fix: str | None = None
    ) -> Finding:
        """Return a finding whose message names the column and its rows: `column x, rows 3, 7: words`."""
        _, lines = self._where(rows)
        names = [self.name] if self.names_of is None else list(dict.fromkeys(self.names_of(rows[:MAX_LISTED_ROWS])))
        columns = f"{self.noun}{'s' * (len(names) > 1)} {listed(names, limit=3)}"
        count = len(rows) if self.names_of is None or len(rows) > MAX_LISTED_ROWS else len(lines)
        message = f"{columns}, {rows_in_words(lines, count)}: {words}"
        return self.finding(code, message, rows=rows, value=value, fix=fix)

    def reject(
        self, code: str, rows: Int64Array | Sequence[int], words: str, *, value: str = "", fix: str | None = None
    ) -> DataError:
        """Return the error that names the column and its rows."""
        return data_error([self.problem(code, rows, words, value=value, fix=fix)])

    def _where(self, rows: Int64Array | Sequence[int]) -> tuple[str, tuple[int, ...]]:
        file, lines = self.locate(sorted(int(row) for row in rows[:MAX_LISTED_ROWS]))
        return file, lines if self.names_of is None else tuple(dict.fromkeys(lines))  # of several cells of a row


def data_error(findings: Sequence[Finding]) -> DataError:
    """Return the error that names every problem: its message shows five with their fixes and counts the rest."""
    findings = list(dict.fromkeys(findings))
    first = findings[0]
    if len(findings) == 1:
        return DataError(_located(first), hint=first.fix, code=first.code, findings=findings)
    same_fix = len({finding.fix for finding in findings}) == 1
    same_file = first.file is not None and len({finding.file for finding in findings}) == 1
    lines = [
        f"  {one.message if same_file else _located(one)}" + ("" if same_fix else _fix(one))
        for one in findings[:MAX_SHOWN]
    ]
    if len(findings) > MAX_SHOWN:
        lines.append(f"  and {len(findings) - MAX_SHOWN} more")
    title = f"{quoted_path(first.file)}: " if same_file and first.file else ""
    hint = first.fix if same_fix else "the fix for each problem is in parentheses"
    message = "\n".join([f"{title}{len(findings)} problems:", *lines])
    return DataError(message, hint=hint, code=first.code, findings=findings)


def no_rows(path: str) -> DataError:
    """Return the error of a file with names of columns and nothing below them."""
    message = f"{quoted_path(path)} has a header but 0 data rows"
    return DataError(message, hint="name a file with rows", code="E_DATA_NO_ROWS")


def quoted(value: object, *, limit: int = 60) -> str:
    """Return a value of a file as a message shows it: printable, in backticks, cut when it is long."""
    text = repr(str(value))[1:-1]
    return f"`{text if len(text) <= limit else text[: limit - 3] + '...'}`"


def listed(names: Sequence[str], *, limit: int = 12) -> str:
    """Return names in backticks, the first few of many."""
    shown = ", ".join(f"`{name}`" for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")


def rows_in_words(rows: Sequence[int], count: int) -> str:
    """Return file rows as a message shows them: `row 7`, `rows 7, 9`, `rows 7, 9 and 40 more`."""
    if count == 1 and rows:
        return f"row {rows[0]}"
    shown = ", ".join(str(row) for row in rows[:MAX_SHOWN])
    hidden = count - min(len(rows), MAX_SHOWN)
    return f"rows {shown}" + (f" and {hidden:,} more" if hidden > 0 else "")


def quoted_path(path: str) -> str:
    """Return a path as a message shows it, its unprintable characters escaped."""
    return path if path.isprintable() and len(path) < 300 else quoted(path, limit=300)


def _located(finding: Finding) -> str:
    return f"{quoted_path(finding.file)}: {finding.message}" if finding.file else finding.message


def _fix(finding: Finding) -> str:
    return f" ({finding.fix})" if finding.fix else ""
