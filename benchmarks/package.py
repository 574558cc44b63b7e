"""Size and layout of the package at one or more git revisions, as a Markdown table.

    python benchmarks/package.py REVISION [REVISION ...]

Each revision is unpacked into a temporary folder and read, not imported, except for the modules on the way of `train`
and `predict`: those commands are run there on a sample file, and the modules whose functions are entered are counted.
"""

from __future__ import annotations

import ast
import io
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.layers import FEATURES  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Code that counts the modules of the package that a command enters; it is run in the unpacked revision.
_TRACE = """
import sys, threading
seen = set()
def note(frame, event, argument):
    if event == "call":
        seen.add(frame.f_code.co_filename)
from rnnforecast.cli.main import main
sys.setprofile(note); threading.setprofile(note)
code = main({words!r})
sys.setprofile(None)
here = [name for name in seen if "/rnnforecast/" in name]
print("entered", code, len(here), file=sys.stderr)
"""
_TRAIN = ["train", "sample_data/prices.csv", "--num-steps", "2", "--num-members", "1", "--quiet"]


def main(revisions: Sequence[str]) -> None:
    """Print one column for each revision."""
    columns = []
    for revision in revisions:
        with tempfile.TemporaryDirectory() as folder:
            _unpack(revision, Path(folder))
            columns.append(_measure(Path(folder)))
    names = list(dict.fromkeys(name for column in columns for name in column))
    print(f"| | {' | '.join(revisions)} |\n|---|{'---|' * len(revisions)}")
    for name in names:
        print(f"| {name} | {' | '.join(column.get(name, '–') for column in columns)} |")


def _unpack(revision: str, folder: Path) -> None:
    packed = subprocess.run(["git", "archive", revision], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(folder, filter="data")


def _measure(folder: Path) -> dict[str, str]:
    sources = {path: path.read_text(encoding="utf-8") for path in sorted((folder / "rnnforecast").rglob("*.py"))}
    names = {path.relative_to(folder / "rnnforecast").as_posix(): source for path, source in sources.items()}
    measured = {"package: files, lines": _size(names)}
    for part in sorted({name.partition("/")[0] for name in names}):
        inside = {name: source for name, source in names.items() if name.partition("/")[0] == part}
        measured[f"`{part}`: files, lines"] = _size(inside)
    measured["modules in import circles, all imports"] = str(len(_circles(folder, sources)))
    measured["longest file, lines"] = str(max(source.count("\n") for source in names.values()))
    measured["files in the folder with most files"] = str(_fullest(names))
    for command, words in (("train", _TRAIN), ("predict", ["predict", "--quiet"])):
        measured[f"modules entered by `{command}`"] = _entered(folder, words)
        measured[f"files in the story of `{command}` (ARCHITECTURE.md)"] = _story(folder, command)
    found = [
        feature
        for feature, (name, text) in FEATURES.items()
        if any(re.fullmatch(name, path) and re.search(text, source) for path, source in names.items())
    ]
    measured["features found by file name"] = f"{len(found)} of {len(FEATURES)}"
    return measured


def _size(sources: dict[str, str]) -> str:
    return f"{len(sources)}, {sum(source.count(chr(10)) for source in sources.values()):,}"


def _fullest(names: dict[str, str]) -> int:
    folders = [name.rpartition("/")[0] for name in names]
    return max(folders.count(folder) for folder in set(folders))


def _circles(folder: Path, sources: dict[Path, str]) -> set[str]:
    """Return the modules that lie on an import circle or between two; the lazy names of the package do not count."""
    modules = {".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__") for path in sources}
    graph: dict[str, set[str]] = {}
    for path, source in sources.items():
        name = ".".join(path.relative_to(folder).with_suffix("").parts).removesuffix(".__init__")
        if name != "rnnforecast":
            graph[name] = set(_imports(ast.parse(source), modules)) - {name}
    while True:
        graph = {name: needs & graph.keys() for name, needs in graph.items()}
        needed = set().union(*graph.values())
        gone = [name for name, needs in graph.items() if not needs or name not in needed]
        if not gone:
            return set(graph)
        for name in gone:
            del graph[name]


def _imports(tree: ast.Module, modules: set[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name if name in modules else name.rpartition(".")[0] for name in names)


def _entered(folder: Path, words: list[str]) -> str:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    command = [sys.executable, "-c", _TRACE.format(words=words)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    match = re.search(r"entered 0 (\d+)", done.stderr)
    return match[1] if match else "–"


def _story(folder: Path, command: str) -> str:
    page = (folder / "ARCHITECTURE.md").read_text(encoding="utf-8")
    story = page.partition(f"<!-- {command}: begin -->")[2].partition("<!--")[0]
    return str(len(re.findall(r"^\d+\. `", story, re.MULTILINE))) if story else "–"


if __name__ == "__main__":
    main(sys.argv[1:] or ["HEAD"])
