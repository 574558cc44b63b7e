"""Findings and notes, as plain lines on stderr; no table and no rich, so that `predict` stays quick."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

from rnnforecast.cli.text import styled, visible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.findings import Finding

MAX_LISTED = 5


def write_notices(findings: Sequence[Finding], *, notes: Sequence[str], stream: TextIO) -> None:
    """Write the first findings, one a line, how many more there are, and every note."""
    for finding in findings[:MAX_LISTED]:
        where = f"{finding.file}: " if finding.file else ""
        fix = f" ({finding.fix})" if finding.fix else ""
        word = styled(f"{finding.severity}:", "yellow", stream=stream)
        stream.write(f"{word} {visible(f'{where}{finding.message}{fix}')}\n")
    if len(findings) > MAX_LISTED:
        stream.write(f"and {len(findings) - MAX_LISTED} more findings, `rnnforecast inspect` lists all\n")
    for note in notes:
        stream.write(f"{styled('note:', 'yellow', stream=stream)} {visible(note)}\n")
    stream.flush()
