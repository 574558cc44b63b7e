"""The modules of the package, their imports, and fresh interpreters, for tests of the whole repository."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "rnnforecast"


@dataclass(frozen=True)
class Module:
    """One source file of the package, parsed."""

    name: str  # rnnforecast.data.series
    path: Path
    tree: ast.Module

    @property
    def part(self) -> str:
        """Folder or file right below the package: `data`, `errors`, ...; `rnnforecast` for the package itself."""
        parts = self.name.split(".")
        return parts[1] if len(parts) > 1 else parts[0]

    @property
    def source(self) -> str:
        """The text of the file."""
        return self.path.read_text(encoding="utf-8")


@cache
def modules() -> tuple[Module, ...]:
    """Return every module of the package, sorted by name."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = list(path.relative_to(ROOT).with_suffix("").parts)
        if parts[-1] == "__init__":
            parts.pop()
        found.append(Module(".".join(parts), path, ast.parse(path.read_text(encoding="utf-8"), str(path))))
    return tuple(found)


def imports(tree: ast.AST, *, runtime_only: bool = False, top_level_only: bool = False) -> Iterator[tuple[int, str]]:
    """Yield line and dotted name of every import; `from a import b` yields `a.b`.

    `runtime_only` leaves out what only the type checker sees, `top_level_only` also the bodies of functions.
    """
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.lineno, f"{node.module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.If) and _is_type_checking(node.test):
            if not runtime_only:
                yield from imports(node, top_level_only=top_level_only)
        elif not (top_level_only and isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)):
            yield from imports(node, runtime_only=runtime_only, top_level_only=top_level_only)


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Yield every function and method, nested ones too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def run_python(code: str, *, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter."""
    return run([sys.executable, "-c", code], cwd=cwd)


def run_cli(*arguments: str, cwd: Path | None = None, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command line in a fresh interpreter, as a user without a terminal does."""
    return run([sys.executable, "-m", "rnnforecast", *arguments], cwd=cwd, stdin=stdin)


def run(
    command: Sequence[str], *, cwd: Path | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a command without a terminal; its output is text, its exit code is not judged."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RNNFORECAST_", "COV_"))}
    return subprocess.run(
        list(command),
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        env={**environment, "COLUMNS": "100", "NO_COLOR": "1", "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def _is_type_checking(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"
