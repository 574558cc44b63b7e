"""All findings of a reading together: `--strict`, `--redact-values`, and those that follow from other findings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from rnnforecast.data.errors import data_error, rows_in_words
from rnnforecast.errors import DataError, RnnForecastError
from rnnforecast.findings import Finding, plural

_FLAG = re.compile(r"--[a-z][a-z-]+")


def check_strict(findings: Iterable[Finding]) -> None:
    """Raise DataError for warnings: all of them, as errors."""
    warnings = [finding for finding in findings if finding.severity == "warning"]
    if warnings:
        fix = "correct the file, or leave out --strict"
        raise data_error([replace(one, code=f"E{one.code[1:]}", fix=one.fix or fix) for one in warnings])


def with_noticed(error: RnnForecastError, noticed: Sequence[Finding], *, redact: bool) -> RnnForecastError:
    """Return an error with all other findings of the input after its own."""
    known = {(finding.code, finding.message) for finding in error.findings}
    others = [finding for finding in noticed if (finding.code, finding.message) not in known]
    findings = (*error.findings, *others)
    if not redact:
        error.findings = findings
        return error
    own = redacted(error.findings)
    if not own or not isinstance(error, DataError):
        error.findings = redacted(findings)
        if isinstance(error, DataError):
            error.message = f"{error.code}: message withheld (--redact-values)"
            error.hint = _flags(error.hint)
        return error
    hidden = data_error(own)
    hidden.findings = redacted(findings)
    return hidden


#: Findings that follow from rejected values of a target.
_FOLLOWS = ("N_TARGET_LEADING", "N_TARGET_TRAILING", "E_TARGET_MISSING")


def without_rejected_cells(noticed: Iterable[Finding], problems: Iterable[Finding]) -> list[Finding]:
    """Return the findings without those that follow from rejected rows, whose values and timestamps are missing."""
    problems = list(problems)
    rejected = [one for one in problems if one.code.startswith("E_VALUE_")]
    lost_rows = any(one.code.startswith(("E_DATA_", "E_TIME_")) for one in problems)
    kept = []
    for finding in noticed:
        if finding.code == "N_TIME_GAPS" and lost_rows:
            continue
        if rejected and finding.code in _FOLLOWS:
            continue
        bad = [one for one in rejected if finding.code == "N_VALUE_MISSING" and one.column == finding.column]
        count = finding.count - sum(one.count for one in bad)
        if not bad:
            kept.append(finding)
        elif count > 0:
            rows = tuple(row for row in finding.rows if not any(row in one.rows for one in bad))
            message = missing_values(str(finding.column), count)
            kept.append(replace(finding, message=message, rows=rows, count=count))
    return kept


def missing_values(column: str, count: int) -> str:
    """Return the message for missing targets."""
    return f"column `{column}`: {plural(count, 'missing value')}; masked, not filled in"


def redacted(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return findings without any content of the file: code, place, count and the flags of the fix stay."""
    return tuple(_without_values(finding) for finding in findings)


def _without_values(finding: Finding) -> Finding:
    where = f"column `{finding.column}`, " if finding.column else ""
    rows = f"{rows_in_words(finding.rows, finding.count)}, " if finding.rows else ""
    message = f"{finding.code}: {where}{rows}{finding.count or 1} in total, values withheld"
    return replace(finding, message=message, value=None, fix=_flags(finding.fix))


def _flags(fix: str | None) -> str | None:
    """Return the flags that a fix names, without their values."""
    flags = list(dict.fromkeys(_FLAG.findall(fix or "")))
    return f"see {', '.join(flags)}" if flags else None
