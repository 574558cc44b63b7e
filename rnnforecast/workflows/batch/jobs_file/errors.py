"""All faults of a jobs file, collected first and refused together, each with its line, its key and its fix."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding
from rnnforecast.workflows.batch.jobs_file.toml_lines import KeyPath, line_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_MAX_VALUE_LENGTH = 40


@dataclass
class Faults:
    """The faults of one file, in the order they were found; `lines` says where each key stands."""

    file: str
    lines: dict[KeyPath, int]
    findings: list[Finding] = field(default_factory=list)
    places: set[KeyPath] = field(default_factory=set)  # of the keys that have a fault

    def add(self, path: KeyPath, message: str, *, value: object = None, fix: str | None = None) -> None:
        """Note a fault of the key at `path`; a key of `[defaults]` is named at its own line, not at every job's."""
        line = self.line(path)
        self.places.add(path)
        key = next((part for part in reversed(path) if isinstance(part, str)), None)
        shown = None if value is None else repr(value)[:_MAX_VALUE_LENGTH]
        finding = Finding(
            "E_RUN_CONFIG",
            f"line {line}: {message}",
            file=self.file,
            rows=(line,),
            column=key,
            value=shown,
            count=1,
            fix=fix,
        )
        if finding not in self.findings:
            self.findings.append(finding)

    def blames(self, number: int, key: str) -> bool:
        """Return whether a key of a job has a fault, its own or that of `[defaults]`."""
        return ("job", number, key) in self.places or ("defaults", key) in self.places

    def line(self, path: KeyPath) -> int:
        """Return the line of a key."""
        return line_of(self.lines, path)

    def raise_all(self) -> None:
        """Raise UsageError with all faults in the order of their lines, if there are any."""
        if not self.findings:
            return
        found = sorted(self.findings, key=lambda finding: finding.rows)
        counted = "1 fault" if len(found) == 1 else f"{len(found)} faults"
        told = "\n".join(f"  {each.message}{f' ({each.fix})' if each.fix else ''}" for each in found)
        raise UsageError(
            f"{counted} in {self.file}, nothing was run:\n{told}",
            hint=f"mend them and look again: `rnnforecast batch {self.file} --check`",
            code="E_RUN_CONFIG",
            findings=found,
        )


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean ...?` for a word that is nearly one of the known ones, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""
