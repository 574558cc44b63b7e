"""Reference tables read from the source: layers, modules, finding codes."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rnnforecast"

_CODE = re.compile(r"[ENW]_[A-Z0-9]+(?:_[A-Z0-9]+)*")
_FLAG = re.compile(r"--[a-z][a-z-]+")
#: Messages of codes that are built in steps, for a reader.
MEANINGS = {
    "N_VALUE_MISSING": "column `…`: … missing values; masked, not filled in",
    "E_SERVE_REQUEST": "a request over HTTP has wrong headers, is too large, or does not arrive",
    "E_COVERAGE": "live intervals cover too little (`score`)",
    "E_DATA_CELL": "a field is longer than a CSV field may be",
    "E_DATA_NO_ROWS": "the file has a header and no rows",
    "E_DATA_SCHEMA": "the files of one table have different columns or types",
    "E_SERIES_LEFT_OUT": "a batch job forecast only some of its series; its log names the others",
    "E_TIME_STALE": "the newest value is older than `--max-age`",
    "E_TIME_SUMMER": "timestamps repeat or are missing at a change to or from summer time",
    "E_DATA_SHRANK": "the file has fewer rows than at training",
    "E_DRIFT": "live errors or inputs differ from those of the training (`score`)",
    "E_HISTORY_REVISED": "rows that the model was trained on have other values now",
    "E_LAST_MISSING": "the newest timestamp has a missing value",
    "E_MODEL_DAMAGED": "the model file is damaged",
    "E_OUT_LOCK": "the disk has no file locks",
    "E_OUT_NO_SPACE": "the disk is full",
    "E_SERIES_GONE": "series that the model was trained on are gone",
    "E_SERIES_STALE": "single series lack recent values",
    "E_TIME_ORDER_MIXED": "some dates can only be day first, others only month first",
    "E_TIME_YEAR": "some dates of January have the year before it",
    "N_DATA_ENCODING": "the file was decoded from another encoding than UTF-8",
    "N_DATA_UTF16": "the file was decoded from UTF-16",
    "N_TARGET_LEADING": "series start with missing targets",
    "N_TARGET_TRAILING": "series end with missing targets",
    "W_DATA_SHRANK": "the file has fewer rows than at training",
}
#: Beginnings of codes, which are not codes themselves.
_PREFIXES = ("E_INPUT", "E_OUT")
_SEVERITIES = {"E": "Errors", "W": "Warnings", "N": "Notes"}


def modules() -> str:
    """Return one line for every file of the package: the first sentence of its docstring."""
    lines: list[str] = []
    for path in sorted(PACKAGE.rglob("*.py"), key=lambda path: (path.parent, path.name)):
        name = path.relative_to(PACKAGE).as_posix()
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        sentence = " ".join(docstring.split("\n\n")[0].split()).rstrip(".")
        if path.name == "__init__.py":
            lines.append(f"\n**`{path.parent.relative_to(ROOT).as_posix()}/`** {sentence}\n")
        else:
            lines.append(f"- `{name}`: {sentence}")
    return "\n".join(lines).strip()


def layers() -> str:
    """Return the table of layers and outside packages, from the tables of the architecture test."""
    sys.path.insert(0, str(ROOT))
    from tests.layers import LAYERS, OUTSIDE

    lines = ["| layer | modules | packages from outside |", "|---|---|---|"]
    for layer in sorted(set(LAYERS.values())):
        names = [name for name, number in LAYERS.items() if number == layer]
        shown = ", ".join(f"`{name}/`" if (PACKAGE / name).is_dir() else f"`{name}`" for name in names)
        outside = sorted(set().union(*(OUTSIDE.get(name, set()) for name in names)))
        lines.append(f"| {layer} | {shown} | {', '.join(outside) or '–'} |")
    return "\n".join(lines)


def public_names() -> str:
    """Return the table of all public names: the first sentence of each docstring."""
    import rnnforecast

    lines = ["| name | what it is |", "|---|---|"]
    for name in rnnforecast.__all__:
        docstring = " ".join((getattr(rnnforecast, name).__doc__ or "").split("\n\n")[0].split())
        lines.append(f"| `{name}` | {_cell(docstring)} |")
    return "\n".join(lines)


class Code(NamedTuple):
    """A finding code: its message and the flags of its fix."""

    name: str
    message: str
    flags: tuple[str, ...]


def finding_codes_page() -> str:
    """Return `docs/finding-codes.md`: every code of the package."""
    found = codes()
    parts = [
        "# Finding codes",
        "<!-- made by `python docs/make_docs.py`, do not edit -->",
        "Every error, warning and note has a stable code. The first letter is the severity: `E_` ends the command with\n"
        "an error, `W_` warns that something was changed or is suspect (`--strict` makes it an error), `N_` is a note.\n"
        "Codes are in the `findings` of every JSON document and in `error.code` of an error. In a message, `…` is\n"
        "a placeholder for names and values of your data.",
    ]
    for prefix, title in _SEVERITIES.items():
        rows = [code for code in found if code.name.startswith(prefix)]
        lines = [f"## {title}", "", "| code | message | flags of the fix |", "|---|---|---|"]
        lines += [
            f"| `{row.name}` | {row.message} | {', '.join(f'`{flag}`' for flag in row.flags) or '–'} |" for row in rows
        ]
        parts.append("\n".join(lines))
    return "\n\n".join(parts) + "\n"


def codes() -> list[Code]:
    """Return every code of the package with the first message and all flags that are given with it."""
    messages: dict[str, str] = {}
    flags: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        for name, texts in _uses(ast.parse(path.read_text(encoding="utf-8"))):
            flags.setdefault(name, set()).update(flag for text in texts for flag in _FLAG.findall(text))
            if texts and len(texts[0]) > len(messages.get(name, "")):
                messages[name] = texts[0]
    return [
        Code(name, _cell(MEANINGS.get(name) or messages[name]), tuple(sorted(flags[name])))
        for name in sorted(flags)
        if name not in _PREFIXES
    ]


def _uses(tree: ast.Module) -> Iterator[tuple[str, list[str]]]:
    """Yield each code with the texts of the call that has it: the message first."""
    names = [
        (node.lineno, target.id, value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target, value in _pairs(node.targets[0], node.value)
        if isinstance(target, ast.Name)
    ]
    names.sort(key=lambda each: each[0])
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            values = [*node.args, *(keyword.value for keyword in node.keywords)]
            for code in _codes_of(values):
                # of several assignments the last one above the call counts
                assigned = {name: value for line, name, value in names if line < node.lineno}
                yield code, [text for value in values for text in _texts(value, assigned)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value):
            yield node.value, []


def _pairs(target: ast.expr, value: ast.expr) -> list[tuple[ast.expr, ast.expr]]:
    """Return each name of an assignment with its value: `words, fix = "...", "..."` has two."""
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return list(zip(target.elts, value.elts, strict=True))
    return [(target, value)]


def _codes_of(values: list[ast.expr]) -> list[str]:
    return [
        node.value
        for value in values
        for node in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value])
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _CODE.fullmatch(node.value)
    ]


def _texts(value: ast.expr, assigned: Mapping[str, ast.expr]) -> list[str]:
    """Return the sentence of an argument, with `…` for what is filled in."""
    if isinstance(value, ast.Name) and value.id in assigned:
        value = assigned[value.id]
    if isinstance(value, ast.Constant) and isinstance(value.value, str) and " " in value.value:
        return [value.value]
    if isinstance(value, ast.JoinedStr):
        parts = [part.value if isinstance(part, ast.Constant) else "…" for part in value.values]
        return ["".join(map(str, parts))]
    if isinstance(value, ast.IfExp | ast.BinOp):
        sides = (value.body, value.orelse) if isinstance(value, ast.IfExp) else (value.left, value.right)
        return [text for side in sides for text in _texts(side, assigned)]
    return []


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
