"""The results of the whole rig as the table of `docs/unattended.md`: `python -m tests.faults.report [FILE ...]`.

Without files it reads those in `tests/faults/reports/`, which `python -m tests.faults --report FILE` wrote.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPORTS = Path(__file__).parent / "reports"

#: Names of parts as they begin, and what stands for them in the table.
FAULTS = {
    "kill ": "SIGKILL before each call of the file system",
    "errors ": "an error at each write, flush and rename",
    "interrupted ": "calls interrupted by a signal",
    "file limit ": "files that may grow to a size and no further",
    "full disk ": "full disks, from no free page to enough",
    "power cut ": "power cuts: disks that lost what was not flushed",
    "pairs ": "a command started twice at the same moment",
    "readers": "reads of a file that is being replaced",
    "damaged models": "model files with flipped, cut or swapped bytes",
    "hostile models": "hostile model files",
    "forged models": "forged models through 19 commands each",
    "hostile data files": "hostile data files through 13 commands each",
    "resumed trainings": "trainings killed at random moments, then resumed",
    " bad jobs of ": "jobs next to failing ones of fourteen kinds",
    "runs in a row": "forecasts in a row in one process",
}
#: Figures of a part that are shown, and their format.
_FIGURES = {"kills": "{} kills", "bytes_a_run": "{} bytes of memory a run", "objects_a_run": "{} objects a run"}


@dataclass
class Line:
    """One line of the table: all parts of one kind."""

    num_runs: int = 0
    num_failures: int = 0
    codes: dict[str, int] = field(default_factory=dict)
    details: list[str] = field(default_factory=list)

    def add(self, row: dict[str, Any], what: str) -> None:
        """Add one part of a report."""
        self.num_runs += int(row["runs"])
        self.num_failures += int(row["problems"])
        for code, count in row["exit_codes"].items():
            self.codes[code] = self.codes.get(code, 0) + int(count)
        figures = [words.format(f"{row[name]:,}") for name, words in _FIGURES.items() if name in row]
        self.details += [f"{what} {row['runs']:,}"] if what else []
        self.details += figures


def collect(rows: Iterable[dict[str, Any]]) -> dict[str, Line]:
    """Return the lines of the table by description, in the order of `FAULTS`, without what was skipped."""
    lines = {words: Line() for words in FAULTS.values()}
    for row in rows:
        start = next((each for each in FAULTS if each in f"{row['part']} "), None)
        if start is not None and not row["skipped"]:
            lines[FAULTS[start]].add(row, _command(str(row["part"]), start))
    return {words: line for words, line in lines.items() if line.num_runs}


def table(rows: Iterable[dict[str, Any]]) -> str:
    """Return the table as Markdown."""
    written = ["| disturbance | runs | failures | of which |", "|---|---:|---:|---|"]
    for words, line in collect(rows).items():
        written.append(f"| {words} | {line.num_runs:,} | {line.num_failures} | {', '.join(line.details)} |")
    return "\n".join(written)


def read_rows(paths: Sequence[Path] = ()) -> list[dict[str, Any]]:
    """Return the rows of all reports."""
    return [row for path in paths or sorted(REPORTS.glob("*.json")) for row in json.loads(path.read_text())["rows"]]


def _command(part: str, start: str) -> str:
    """Return the command that a part disturbed, or the number of failing jobs."""
    if start == " bad jobs of ":
        return re.sub(r"(\d+) bad jobs of (\d+)", r"\1 bad of", part)
    return f"`{part.removeprefix(start)}`" if start.endswith(" ") else ""


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.report", description=__doc__)
    parser.add_argument("files", nargs="*", type=Path, help="reports of `python -m tests.faults` (default: those kept)")
    print(table(read_rows(parser.parse_args().files)))


if __name__ == "__main__":
    main()
