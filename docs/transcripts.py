"""Run the commands of a page and put what they print below them.

A block of text whose first line starts with `$ ` is a transcript; the blocks of a page run one after the other in an
empty folder with a copy of `sample_data/`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md",
    "docs/reading-the-report.md",
    "docs/your-own-csv.md",
    "docs/panels.md",
    "docs/recurrent-networks.md",
    "docs/what-if.md",
)
WIDTH = "100"

_BLOCK = re.compile(r"^```text\n(\$ .*?)^```", re.MULTILINE | re.DOTALL)


def rerun(page: str) -> str:
    """Return a page with the output of its commands made anew."""
    with tempfile.TemporaryDirectory() as folder:
        furnish(folder)
        return _BLOCK.sub(lambda match: f"```text\n{_run_block(match[1], folder)}\n```", page)


def furnish(folder: str) -> None:
    """Put what the commands of a page need into an empty folder: `sample_data/` and the program."""
    shutil.copytree(ROOT / "sample_data", Path(folder) / "sample_data")
    program = Path(folder) / ".bin" / "rnnforecast"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m rnnforecast "$@"\n', encoding="utf-8")
    program.chmod(0o755)


def commands_of(page: str) -> list[str]:
    """Return the commands of all transcripts of a page, in order."""
    return [
        line.removeprefix("$ ") for block in _BLOCK.findall(page) for line in block.splitlines() if line[:2] == "$ "
    ]


def run(command: str, folder: str) -> str:
    """Run a shell command and return what it prints on both streams."""
    environment = {**os.environ, "COLUMNS": WIDTH, "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"}
    environment.pop("RNNFORECAST_STORE", None)
    environment["PATH"] = f"{folder}/.bin:{environment['PATH']}"
    result = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    printed = result.stdout.replace(f"{folder}/", "")
    return "\n".join(line.rstrip() for line in printed.rstrip().splitlines())


def _run_block(block: str, folder: str) -> str:
    commands = [line for line in block.splitlines() if line.startswith("$ ")]
    shown = [f"{line}\n{run(line.removeprefix('$ '), folder)}".rstrip() for line in commands]
    return "\n\n".join(shown)
