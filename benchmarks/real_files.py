"""Real files as they were found: what `inspect` reads in each without a flag, beside what a careful person reads.

The readings were written down by hand, from the files alone (`real_files.toml`). Ends with 1 where one differs.
"""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path
from typing import Any

from publish import FOLDER, Table, make_parser

from rnnforecast import inspect
from rnnforecast.config import Settings
from rnnforecast.errors import RnnForecastError
from rnnforecast.workflows.results import InspectResult


def main() -> int:
    """Try every file, print and publish the table, and return the exit code."""
    parser = make_parser(__doc__ or "", needs_data=True)
    parser.add_argument("--only", metavar="WORD", help="files whose path holds this word; implies --dry-run")
    given = parser.parse_args()
    wanted = tomllib.loads((FOLDER / "real_files.toml").read_text(encoding="utf-8"))["file"]
    if given.only:
        wanted = [one for one in wanted if given.only in one["path"]]
    header = ("file", "rows", "time", "frequency", "target", "ids", "findings", "as expected")
    table = Table("real files", header, dry_run=given.dry_run or bool(given.only))
    num_wrong = num_absent = 0
    for expected in wanted:
        path = given.data / expected["path"]
        if not path.is_file():
            num_absent += 1
            continue
        cells, differences = tried(path, expected)
        num_wrong += bool(differences)
        table.add(path.name, *cells, "; ".join(differences) or "yes")
    num_tried = len(wanted) - num_absent
    table.notes.append(f"{num_tried - num_wrong} of {num_tried} files as expected, {num_absent} not there.")
    table.write()
    return 1 if num_wrong else 0


def tried(path: Path, expected: dict[str, Any]) -> tuple[list[object], list[str]]:
    """Return the cells of one file, and in which ways it is read otherwise than expected."""
    try:
        result = inspect([path])
    except RnnForecastError as error:
        cells: list[object] = ["", "", "", "", "", f"refused: {error.code}"]
        if "refused" not in expected:
            return cells, [f"refused: {' '.join(error.message.split())[:80]}"]
        wrong = [] if error.code == expected["refused"] else [f"the code is not {expected['refused']}"]
        return cells, wrong + fixed(path, expected.get("fix", {}))
    read = result.assumptions
    cells = [
        read["num_rows"],
        joined(read["time"]) or "none",
        read["freq"],
        joined(read["target"]),
        joined(read["id"]) or "–",
        ", ".join(dict.fromkeys(one.code for one in result.findings)),
    ]
    if "refused" in expected:
        return cells, ["read, not refused"]
    return cells, differences_of(result, expected)


def differences_of(result: InspectResult, expected: dict[str, Any]) -> list[str]:
    """Return what was read otherwise than expected, in words."""
    read, found = result.assumptions, []
    freq = str(read["freq"]).partition("[")[0].strip()
    pairs = [
        ("time", joined(read["time"]), [expected["time"]]),
        ("frequency", freq, expected["freq"]),
        ("target", joined(read["target"]), expected["target"]),
        ("ids", joined(read["id"]), expected.get("id", [""])),
        ("rows", read["num_rows"], [expected["rows"]]),
        ("series", read["num_series"], [expected.get("series", 1)]),
    ]
    if "season" in expected:
        pairs.append(("season", read["season_length"], [expected["season"]]))
    for name, value, wanted in pairs:
        if value not in wanted and wanted != ["*"]:
            found.append(
                f"{name}: expected {' or '.join(str(one) or 'none' for one in wanted)}, read {value or 'none'}"
            )
    warnings = {one.code for one in result.findings if one.severity == "warning"}
    codes = {one.code for one in result.findings}
    if warnings != set(expected.get("warnings", [])):
        found.append(f"warnings: expected {expected.get('warnings', [])}, made {sorted(warnings)}")
    lacking = [code for code in expected.get("notes", []) if code not in codes]
    if lacking:
        found.append(f"not noted: {', '.join(lacking)}")
    if expected.get("has_note") and not codes:
        found.append("nothing is noted")
    return found


def fixed(path: Path, flags: dict[str, object]) -> list[str]:
    """Return in which way the flags that should settle a refusal do not; nothing where they do, or none are known."""
    if not flags:
        return []
    try:
        inspect([path], Settings.from_flat(flags))
    except RnnForecastError as error:
        return [f"the fix does not work: {error.code}"]
    return []


def joined(value: object) -> str:
    """Return names joined by a plus."""
    return "+".join(map(str, value)) if isinstance(value, list | tuple) else str(value or "")


if __name__ == "__main__":
    sys.exit(main())
