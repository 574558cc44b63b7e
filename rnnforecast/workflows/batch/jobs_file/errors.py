"""All errors of a jobs file, raised together: each with its line, key, value and fix."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Iterable
from dataclasses import dataclass, field

from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding
from rnnforecast.masking import masked
from rnnforecast.workflows.batch.jobs_file.toml_lines import KeyPath, line_of

_MAX_VALUE_LENGTH = 40


@dataclass
class FileErrors:
    """The errors of one file, in the order they were found; `lines` maps each key to its line."""

    file: str
    lines: dict[KeyPath, int]
    findings: list[Finding] = field(default_factory=list)
    invalid: set[KeyPath] = field(default_factory=set)

    def add(self, path: KeyPath, message: str, *, value: object = None, fix: str | None = None) -> None:
        """Add an error of the key at `path`, once."""
        line = self.line(path)
        self.invalid.add(path)
        key = next((part for part in reversed(path) if isinstance(part, str)), None)
        finding = Finding(
            "E_RUN_CONFIG",
            masked(f"line {line}: {message}"),
            file=self.file,
            rows=(line,),
            column=key,
            value=None if value is None else masked(repr(value))[:_MAX_VALUE_LENGTH],
            count=1,
            fix=fix,
        )
        if finding not in self.findings:
            self.findings.append(finding)

    def is_valid(self, number: int, key: str) -> bool:
        """Return whether a key of a job has no error, neither in its table nor in `[defaults]`."""
        return self.invalid.isdisjoint({("job", number, key), ("defaults", key)})

    def line(self, path: KeyPath) -> int:
        """Return the line of a key."""
        return line_of(self.lines, path)

    def raise_all(self) -> None:
        """Raise UsageError with all errors in the order of their lines, if there are any."""
        if not self.findings:
            return
        found = sorted(self.findings, key=lambda finding: finding.rows)
        counted = "1 error" if len(found) == 1 else f"{len(found)} errors"
        listed = "\n".join(f"  {each.message}{f' ({each.fix})' if each.fix else ''}" for each in found)
        raise UsageError(
            f"{counted} in {self.file}, nothing was run:\n{listed}",
            hint=f"fix them and check again: `rnnforecast batch {shlex.quote(self.file)} --check`",
            code="E_RUN_CONFIG",
            findings=found,
        )


def suggest(word: str, known: Iterable[str]) -> str:
    """Return `, did you mean ...?` if a word resembles a known one, else nothing."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f", did you mean `{near[0]}`?" if near else ""
