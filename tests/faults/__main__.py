"""The whole rig as a script: `python -m tests.faults --report FILE`."""

from __future__ import annotations

import argparse
import json
import platform
import sys
from dataclasses import fields, replace
from pathlib import Path

from tests.faults.parts import PARTS, Sizes, open_stage
from tests.faults.scenes import SCENES


def main() -> int:
    """Run the parts asked for, print a line for each, write the report, and exit with 1 if a check failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--report", type=Path, help="write the results to this file, as JSON")
    parser.add_argument("--part", action="append", choices=[*PARTS], help="only this part; may be given several times")
    names = [scene.name for scene in SCENES]
    parser.add_argument("--scene", action="append", choices=names, help="only this command; may be given several times")
    for field in fields(Sizes):
        parser.add_argument(f"--{field.name}", type=int, help=f"(default {field.default or 'all'})")
    given = parser.parse_args()
    asked = {field.name: value for field in fields(Sizes) if (value := getattr(given, field.name)) is not None}
    sizes = replace(Sizes(), **asked)
    rows: list[dict[str, object]] = []
    with open_stage(given.scene or ()) as stage:
        for part in given.part or PARTS:
            for tally in PARTS[part](stage, sizes):
                rows.append(tally.to_dict())
                print(json.dumps(rows[-1]), flush=True)
                if given.report:
                    report = {"python": platform.python_version(), "system": platform.platform(), "rows": rows}
                    given.report.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    num_problems = sum(int(str(row["problems"])) for row in rows)
    num_runs = sum(int(str(row["runs"])) for row in rows)
    print(f"{num_runs:,} runs, {num_problems:,} failures")
    return 1 if num_problems else 0


if __name__ == "__main__":
    sys.exit(main())
