"""Findings and notes, as plain lines on stderr; no table and no rich, so that `predict` stays quick."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TextIO

from rnnforecast.cli.text import folded, styled
from rnnforecast.escaping import visible
from rnnforecast.findings import Finding

MAX_LISTED = 5


def write_notices(findings: Sequence[Finding], *, notes: Sequence[str], stream: TextIO) -> None:
    """Write the first findings, one a line, how many more there are, and every note."""
    for finding in findings[:MAX_LISTED]:
        where = f"{finding.file}: " if finding.file else ""
        fix = f" ({finding.fix})" if finding.fix else ""
        _write(finding.severity, f"{where}{finding.message}{fix}", stream)
    if len(findings) > MAX_LISTED:
        more = len(findings) - MAX_LISTED
        stream.write(f"and {more} more finding{'s' if more > 1 else ''}, `rnnforecast inspect` lists all\n")
    for note in notes:
        _write("note", note, stream)
    if stream.isatty() and (findings or notes):
        stream.write("\n")  # a breath before the tables
    stream.flush()


def _write(word: str, text: str, stream: TextIO) -> None:
    line = folded(f"{word}: {visible(text)}", stream=stream)
    stream.write(styled(f"{word}:", "yellow", stream=stream) + line.removeprefix(f"{word}:") + "\n")
