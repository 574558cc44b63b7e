"""Find the words that docs/glossary.md replaces: `python -m tests.words [FOLDER ...]` lists each place."""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from tests.house import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: Where text is read: a folder and the files in it.
SUFFIXES = (".py", ".md")
#: Pages that quote the replaced words, and text that is not ours.
SKIPPED = ("docs/glossary.md", "tests/words.py", "tests/test_words.py", "tests/store/kept", "benchmarks/results")
#: Spellings that contain a replaced word for a good reason, and the reason.
ALLOWED = {
    r"\.ci/run floors": "the part of CI with the lowest versions",
    r"[ENW]_[A-Z0-9_]+": "finding codes are stable names",
    r"\b[Rr]olling[- ]origin\b": "the name of the method",
    r"\b[Tt]here[\s#]+(?:is|are|was|were)[\s#]+no\b": "absence, not an invalid value",
    r"--refuse-stale|\b[Rr][Ee][Ff][Uu][Ss][Ee]_?[Ss][Tt][Aa][Ll][Ee]\b": "an option",
    r"[`(\[|\"]refuse\b|\bdefault refuse\b|^refuse$|--\w+ refuse\b": "a value of options",
    r"\b(?:is|are) no (?:longer|more)\b": "an end, not an invalid value",
    r"\b[Ss]hare prices?\b": "of a company",
    r"\bshare (?:weights|one|the|an?)\b": "a verb",
    r"\bwatched_versions\b": "a key of the score document",
    r"[Cc]onnection ?[Rr]efused(?:Error)?": "the system's word",
    r"\blines? endings?\b": "CR and LF",
    r"\b[Hh](?:ou)?r[_ ]?[Ee]nding\b": "a name of columns",
    r"\bget_origin\b|\bshares_memory\b|\bmay_share_memory\b|/usr/share|\bshare/": "names of others",
}


#: File -> texts that it needs: words in names of users' columns, keys of earlier versions.
KEPT = {
    "rnnforecast/data/bounds.py": ("share",),
    "rnnforecast/data/columns/profiles.py": ("origin", "stamp"),
    "rnnforecast/data/timestamps/numeric.py": ("stamp",),
    "rnnforecast/config.py": ("theta_share",),
    "rnnforecast/store/manifest.py": ("shares", "theta_share", "network-alone"),
}


class Place(NamedTuple):
    """A replaced word in a file."""

    path: str
    line: int
    word: str
    text: str


@cache
def replaced_words() -> tuple[str, ...]:
    """Return the words of the column `replaces` of every table of the glossary."""
    words = []
    column = None
    for line in (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if "replaces" in cells:
            column = cells.index("replaces")
        elif line.startswith("|") and column is not None and len(cells) > column:
            words += re.findall(r"`([^`]+)`", cells[column])
    return tuple(words)


def places(path: Path) -> Iterator[Place]:
    """Yield the replaced words in a file: its name, its text, and in Python its strings, comments and names."""
    name = path.relative_to(ROOT).as_posix()
    if name.startswith(SKIPPED):
        return
    texts = [(0, "_".join(_parts(path.stem))), *(_python(path) if path.suffix == ".py" else _page(path))]
    for line, text in texts:
        kept = _without_allowed(text)
        for match in _pattern().finditer(kept):
            if text in KEPT.get(name, ()):
                continue
            yield Place(
                name, line + kept.count("\n", 0, match.start()), " ".join(match[0].lower().split()), text.strip()
            )


def files(folder: str) -> list[Path]:
    """Return the files below a folder; those of the top and of the package itself without their folders."""
    found = (ROOT / folder).glob("*") if folder in (".", "rnnforecast") else (ROOT / folder).rglob("*")
    return sorted(path for path in found if path.suffix in SUFFIXES and path.is_file())


@cache
def _pattern() -> re.Pattern[str]:
    words = sorted(replaced_words(), key=len, reverse=True)
    either = "|".join(re.escape(word).replace(r"\ ", r"[\s#_]+") for word in words)
    return re.compile(rf"(?<![A-Za-z])(?:{either})(?![A-Za-z])", re.IGNORECASE)


@cache
def _allowed() -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{spelling})" for spelling in ALLOWED))


def _without_allowed(text: str) -> str:
    return _allowed().sub(lambda match: "\n" * match[0].count("\n"), text)


def _page(path: Path) -> Iterator[tuple[int, str]]:
    yield 1, path.read_text(encoding="utf-8")


def _python(path: Path) -> Iterator[tuple[int, str]]:
    source = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
        elif token.type == tokenize.NAME:
            yield token.start[0], token.string if _allowed().search(token.string) else "_".join(_parts(token.string))


def _parts(name: str) -> list[str]:
    """Return the words of a name: `ModelVersions`, `model_versions` -> model, versions."""
    return re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)


def main(folders: list[str]) -> None:
    """Print each place and the counts."""
    found = [place for folder in folders for path in files(folder) for place in places(path)]
    for place in found:
        print(f"{place.path}:{place.line}: {place.word}: {' '.join(place.text.split())[:110]}")
    counts = Counter(place.word for place in found)
    print(f"{len(found)} places", ", ".join(f"{word} {count}" for word, count in counts.most_common()))


if __name__ == "__main__":
    main(sys.argv[1:] or ["rnnforecast", "docs", "."])
