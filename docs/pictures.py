"""The pictures of the pages: each is made by the command that its page shows right before it.

A command that a picture needs, such as a training, is on an earlier line of the same block.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import transcripts

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FOLDER = "docs/pictures"
_OUTPUT = re.compile(rf"--(?:plot|report|output) ({FOLDER}/[\w.-]+)")


def blocks() -> Iterator[tuple[Path, list[str]]]:
    """Yield each block of commands that makes pictures, with its page."""
    for page in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]):
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            if _OUTPUT.search(block):
                yield page, [line for line in block.splitlines() if line.strip()]


def made() -> list[str]:
    """Return the pictures that commands of the pages make."""
    return [name for _, lines in blocks() for line in lines for name in _OUTPUT.findall(line)]


def draw_all() -> Iterator[str]:
    """Run the commands of all blocks, each block in a fresh folder, and yield the pictures."""
    for _, lines in blocks():
        with tempfile.TemporaryDirectory() as folder:
            transcripts.furnish(folder)
            (Path(folder) / FOLDER).mkdir(parents=True)
            for line in lines:
                transcripts.run(line, folder)
            for name in (name for line in lines for name in _OUTPUT.findall(line)):
                shutil.copyfile(Path(folder) / name, ROOT / name)
                yield name
