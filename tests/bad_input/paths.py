"""Paths that lead nowhere, to folders, devices or odd names, and files that are too long."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pandas as pd

from rnnforecast.errors import ExitCode
from tests.bad_input.files import ROWS, VALUES, with_line
from tests.bad_input.harness import Case, Make, text_file

INPUT = ExitCode.INPUT


def _folder(folder: Path) -> Path:
    (folder / "parts").mkdir()
    return folder / "parts"


def _socket(folder: Path) -> Path:
    path = folder / "s"
    before = Path.cwd()
    os.chdir(folder)  # the name of a socket may have 107 bytes at most
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(before)
    return path


def _link(target: str) -> Make:
    def make(folder: Path) -> Path:
        path = folder / "link.csv"
        path.symlink_to(target)
        return path

    return make


def _parts(folder: Path) -> Path:
    parts = _folder(folder)
    frame = pd.DataFrame({"date": pd.date_range("2024-01-01", periods=30), "y": VALUES})
    frame.iloc[:20].to_parquet(parts / "part-0.parquet", index=False)
    frame.iloc[20:].to_parquet(parts / "part-1.parquet", index=False)
    (parts / "_SUCCESS").write_text("")
    return parts


def _parts_that_differ(folder: Path) -> Path:
    parts = _parts(folder)
    pd.DataFrame({"date": pd.date_range("2024-02-01", periods=5), "z": 1.0}).to_parquet(parts / "part-2.parquet")
    return parts


def _named(name: str) -> Make:
    return text_file(ROWS, name)


def _twice(folder: Path) -> list[Path]:
    path = folder / "rows.csv"
    path.write_text(ROWS)
    return [path, folder / "." / "rows.csv", path]


CASES: tuple[Case, ...] = (
    Case(
        "path", "no file", lambda folder: folder / "rows.csv", "refused", says=("rows.csv does not exist",), code=INPUT
    ),
    Case("path", "an empty folder", _folder, "refused", says=("is an empty folder", "name a file"), code=INPUT),
    Case(
        "path",
        "a folder of parquet parts",
        _parts,
        "refused",
        says=("is a folder", "--dataset"),
        code=INPUT,
        fix={"dataset": True},
        fixed_values=VALUES,
    ),
    Case(
        "path",
        "parts that differ",
        _parts_that_differ,
        "refused",
        flags={"dataset": True},
        says=("part-2.parquet", "lacks column `y`"),
    ),
    Case(
        "special file", "a dangling link", _link("gone.csv"), "refused", says=("symbolic link", "gone.csv"), code=INPUT
    ),
    Case(
        "special file",
        "a link to itself",
        _link("link.csv"),
        "refused",
        says=("link.csv", "symbolic links"),
        code=INPUT,
    ),
    Case(
        "special file", "a device", lambda _: Path("/dev/zero"), "refused", says=("/dev/zero", "a device"), code=INPUT
    ),
    Case("special file", "a socket", _socket, "refused", says=("a socket",), code=INPUT),
    *(
        Case("file name", f"a name with {words}", _named(name), "accepted", values=VALUES)
        for words, name in {
            "blanks": "my rows.csv",
            "letters of all kinds": "\u0434\u0430\u043d\u043d\u044b\u0435 \u6570\u636e.csv",
            "a line end": "two\nlines.csv",
            "a leading dash": "-rows.csv",
            "255 bytes": "r" * 251 + ".csv",
            "a bracket": "rows[1].csv",
        }.items()
    ),
    Case(
        "file name",
        "a line end that is escaped in messages",
        text_file(ROWS + "Sums,435\n", "two\nlines.csv"),
        "refused",
        says=(r"two\nlines.csv",),
    ),
    Case(
        "pattern",
        "a pattern without files",
        lambda folder: folder / "*.csv",
        "refused",
        says=("no file matches",),
        code=INPUT,
    ),
    Case("pattern", "the same file twice", _twice, "repaired", says=("named twice",), values=VALUES),
    Case(
        "long line",
        "a cell of a megabyte",
        text_file(with_line(5, "2024-01-04," + "9" * 1_000_000)),
        "refused",
        says=("row 5", "128 KiB"),
        row=5,
    ),
    Case(
        "long line", "one long line", text_file("y" + "," * 9_000_000), "refused", says=("row 1", "longer than 8388608")
    ),
)
