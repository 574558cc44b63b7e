"""Files that are empty, cut, packed, foreign, or laid out unlike others."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path

import pyarrow as pa

from rnnforecast.errors import ExitCode
from tests.bad_input.harness import Case, Make, daily, text_file

#: Thirty days that rise, and what they read as.
VALUES = [float(number) for number in range(30)]
ROWS = daily(range(30))
SEMICOLONS = ROWS.replace(",", ";")


def _zip(members: dict[str, str], name: str = "rows.zip") -> Make:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for member, text in members.items():
            archive.writestr(member, text)
    return text_file(content.getvalue(), name)


def _zstd(content: bytes) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.CompressedOutputStream(sink, "zstd") as stream:
        stream.write(content)
    packed: bytes = sink.getvalue().to_pybytes()
    return packed


def _sqlite(folder: Path) -> Path:
    path = folder / "rows.csv"
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("create table t (y)")
    return path


def _excel(folder: Path) -> Path:
    path = folder / "rows.csv"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
    return path


def with_line(number: int, line: str) -> str:
    """Return the rows with another line at a place (the header is line 1)."""
    lines = ROWS.splitlines(keepends=True)
    return "".join([*lines[: number - 1], line + "\n", *lines[number - 1 :]])


BOM = b"\xef\xbb\xbf"
CAFE = daily(range(30)).replace("date,y", "date,y,Caf\u00e9")
CAFE = "\n".join(line if line.startswith("date") else line + ",\u00e9" for line in CAFE.splitlines()) + "\n"
MIXED = CAFE.encode().replace("\u00e9".encode(), b"\xe9", 5)
TABBED = ROWS.replace(",", "\t")
PIPED = ROWS.replace(",", "|")
BOTH = "".join(f"{line};{line.split(',')[1]}\n" for line in ROWS.splitlines())
BOTH_ROWS = "date,a;b\n" + "".join(f"2024-01-{day:02d},{day};{day}\n" for day in range(1, 31))
QUOTED = "date,name,y\n" + "".join(f'2024-01-{day:02d},"a, b\nc",{day}\n' for day in range(1, 31))
OPEN_QUOTE = with_line(5, '2024-01-04,"3')
COMMENTED = "# made by a meter\n# in March\n" + with_line(10, "# a note in the middle")
GZIPPED = gzip.compress(ROWS.encode() * 50, mtime=0)
TRAILING = "date,y\n" + "".join(f"{line},\n" for line in ROWS.splitlines()[1:])
WRONG_CRC = bytearray(gzip.compress(ROWS.encode(), mtime=0))
WRONG_CRC[-6] ^= 255

CASES: tuple[Case, ...] = (
    Case("empty file", "no bytes", text_file(""), "refused", says=("rows.csv", "is empty")),
    Case("empty file", "header only", text_file("date,y\n"), "refused", says=("rows.csv", "0 data rows")),
    Case(
        "encoding", "utf-8 mark", text_file(BOM + ROWS.encode()), "accepted", says=("byte order mark",), values=VALUES
    ),
    Case("encoding", "utf-16 le", text_file(ROWS.encode("utf-16")), "accepted", says=("UTF-16",), values=VALUES),
    Case(
        "encoding",
        "utf-16 be",
        text_file(b"\xfe\xff" + ROWS.encode("utf-16-be")),
        "accepted",
        says=("UTF-16",),
        values=VALUES,
    ),
    Case(
        "encoding",
        "cp1252",
        text_file(CAFE.encode("cp1252")),
        "refused",
        says=("byte 0xe9 at offset 10, row 1", "cp1252", "--encoding"),
        fix={"encoding": "cp1252"},
        fixed_values=VALUES,
    ),
    Case(
        "encoding",
        "mixed encodings",
        text_file(MIXED),
        "refused",
        says=("mixes encodings", "0xe9 at offset 10", "row 1"),
    ),
    Case(
        "NUL bytes",
        "a nul byte",
        text_file(ROWS.replace("9\n", "9\0\n", 1).encode()),
        "refused",
        says=("NUL byte at offset 136", "row 11"),
        fix=text_file(ROWS),
    ),
    Case(
        "NUL bytes",
        "utf-16 without mark",
        text_file(ROWS.encode("utf-16-le")),
        "refused",
        says=("--encoding utf-16-le",),
        fix={"encoding": "utf-16-le"},
        fixed_values=VALUES,
    ),
    Case("delimiter", "semicolons", text_file(SEMICOLONS), "accepted", says=("separated by `;`",), values=VALUES),
    Case("delimiter", "tabs", text_file(TABBED), "accepted", says=("separated by",), values=VALUES),
    Case("delimiter", "pipes", text_file(PIPED), "accepted", says=("separated by `|`",), values=VALUES),
    Case(
        "delimiter",
        "two delimiters equally likely",
        text_file(BOTH_ROWS),
        "refused",
        says=("`,` and `;`", "equally", "--delimiter"),
        fix=text_file(BOTH_ROWS.replace(";", ",")),
    ),
    Case(
        "delimiter",
        "two delimiters and the flag",
        text_file(BOTH_ROWS.replace(";", ",x;")),
        "refused",
        flags={"delimiter": ";;"},
        says=("invalid delimiter",),
        code=ExitCode.USAGE,
    ),
    Case(
        "delimiter",
        "a NUL character",
        text_file(BOTH_ROWS),
        "refused",
        flags={"delimiter": "\0"},
        says=("invalid delimiter",),
        code=ExitCode.USAGE,
    ),
    Case("quotes", "cells with line ends", text_file(QUOTED), "accepted", values=[float(day) for day in range(1, 31)]),
    Case(
        "quotes",
        "a quote that never closes",
        text_file(OPEN_QUOTE),
        "refused",
        says=("row 5", "quote opens"),
        row=5,
        fix=text_file(ROWS),
    ),
    Case(
        "quotes",
        "two quotes far apart",
        text_file(
            "".join(
                f'2024-01-{n % 28 + 1:02d},"{n}\n' if n in (5, 300) else f"2024-01-{n % 28 + 1:02d},{n}\n"
                for n in range(400)
            ).replace("2024", "date,y\n2024", 1)
        ),
        "refused",
        says=("row 7", "quote"),
        row=7,
    ),
    Case(
        "ragged rows",
        "ragged rows",
        text_file(with_line(5, "2024-01-04,3,4").replace("2024-01-09,8\n", "2024-01-09\n")),
        "refused",
        says=("rows 5, 11", "3 cells", "--skip-bad-rows"),
        row=11,
        fix={"skip_bad_rows": True},
        fixed_values=[*VALUES[:8], float("nan"), *VALUES[9:]],
    ),
    Case(
        "ragged rows",
        "ragged rows left out",
        text_file(with_line(5, "2024-01-04,3,4")),
        "repaired",
        flags={"skip_bad_rows": True},
        says=("row 5", "left out"),
        values=VALUES,
    ),
    Case(
        "ragged rows",
        "trailing delimiters",
        text_file(TRAILING),
        "repaired",
        says=("after the last column",),
        values=VALUES,
    ),
    Case(
        "line ends and comments",
        "line ends of three kinds",
        text_file(ROWS.replace("\n", "\r\n", 9).replace("2024-01-20,19\n", "2024-01-20,19\r")),
        "accepted",
        values=VALUES,
    ),
    Case("line ends and comments", "no final line end", text_file(ROWS.rstrip()), "accepted", values=VALUES),
    Case(
        "line ends and comments",
        "a line sep",
        text_file("sep=;\n" + SEMICOLONS),
        "accepted",
        says=("separated by `;`",),
        values=VALUES,
    ),
    Case(
        "line ends and comments",
        "comments",
        text_file(COMMENTED),
        "refused",
        says=("row 1 is a comment", "--comment"),
        fix={"comment": "#"},
        fixed_values=VALUES,
    ),
    Case(
        "line ends and comments",
        "comments in the middle",
        text_file(with_line(10, "# a note")),
        "refused",
        says=("row 10", "comments", "--comment"),
        row=10,
        fix={"comment": "#"},
        fixed_values=VALUES,
    ),
    Case(
        "cut row",
        "a last row cut in the middle",
        text_file(ROWS + "2024-01-3"),
        "refused",
        says=("row 32", "last row is incomplete", "--drop-last-partial"),
        row=32,
        fix={"drop_last_partial": True},
        fixed_values=VALUES,
    ),
    Case(
        "header",
        "no header",
        text_file(ROWS.split("\n", 1)[1]),
        "refused",
        says=("no header", "row 1", "`2024-01-01`", "--no-header"),
        fix={"header": False},
        fixed_values=VALUES,
    ),
    Case(
        "header",
        "no header but a text",
        text_file("".join(f"a,2024-01-{day:02d},{day}\n" for day in range(1, 31))),
        "refused",
        says=("no header", "row 1"),
        fix={"header": False},
    ),
    Case(
        "header",
        "the header again",
        text_file(with_line(16, "date,y")),
        "refused",
        says=("row 16", "header is repeated there"),
        row=16,
        fix={"skip_bad_rows": True},
        fixed_values=VALUES,
    ),
    Case(
        "total row",
        "a total row",
        text_file(ROWS + "Total,435\n"),
        "repaired",
        says=("at the foot", "`Total,435`"),
        row=32,
        values=VALUES,
    ),
    Case(
        "total row",
        "a total without date",
        text_file(ROWS + ",435\n"),
        "refused",
        says=("row 32", "missing timestamp"),
        row=32,
    ),
    Case(
        "wrong file type",
        "gzip named csv",
        text_file(gzip.compress(ROWS.encode())),
        "repaired",
        says=("gzip compressed",),
        values=VALUES,
    ),
    Case(
        "wrong file type",
        "csv named parquet",
        text_file(ROWS, "rows.parquet"),
        "repaired",
        says=("`.parquet`",),
        values=VALUES,
    ),
    Case(
        "wrong file type",
        "csv named gz",
        text_file(ROWS, "rows.csv.gz"),
        "repaired",
        says=("not compressed", "`.gz`"),
        values=VALUES,
    ),
    Case(
        "wrong file type", "an excel workbook", _excel, "refused", says=("an Office document without sheets", "export")
    ),
    Case("wrong file type", "json", text_file('[{"date": "2024-01-01", "y": 1}]'), "refused", says=("JSON", "export")),
    Case("wrong file type", "sqlite", _sqlite, "refused", says=("an SQLite database", "export")),
    Case(
        "compression",
        "a cut gzip",
        text_file(GZIPPED[:-40], "rows.csv.gz"),
        "refused",
        says=("damaged or truncated gzip",),
    ),
    Case(
        "compression",
        "a cut zstd",
        text_file(_zstd(ROWS.encode() * 50)[:-40], "rows.csv.zst"),
        "refused",
        says=("damaged or truncated zstd",),
    ),
    Case(
        "compression",
        "a cut bzip2",
        text_file(bz2.compress(ROWS.encode())[:-20], "rows.csv.bz2"),
        "refused",
        says=("damaged or truncated bzip2",),
    ),
    Case(
        "compression",
        "a cut xz",
        text_file(lzma.compress(ROWS.encode())[:-20], "rows.csv.xz"),
        "refused",
        says=("damaged or truncated xz",),
    ),
    Case("compression", "a wrong checksum", text_file(bytes(WRONG_CRC), "rows.csv.gz"), "refused", says=("damaged",)),
    Case("compression", "zstd", text_file(_zstd(ROWS.encode()), "rows.csv.zst"), "accepted", values=VALUES),
    Case("compression", "bzip2", text_file(bz2.compress(ROWS.encode()), "rows.csv.bz2"), "accepted", values=VALUES),
    Case("compression", "xz", text_file(lzma.compress(ROWS.encode()), "rows.csv.xz"), "accepted", values=VALUES),
    Case("compression", "zip of one file", _zip({"rows.csv": ROWS}), "accepted", values=VALUES),
    Case(
        "compression",
        "zip of two files",
        _zip({"a.csv": ROWS, "b.csv": ROWS}),
        "refused",
        says=("2 files", "`a.csv`, `b.csv`"),
        fix=_zip({"a.csv": ROWS}),
    ),
    Case(
        "compression",
        "a bomb",
        text_file(_zstd(b"0" * 100_000_000), "rows.csv.zst"),
        "refused",
        says=("times its own", "bomb", "--max-bytes"),
    ),
    Case(
        "compression",
        "above a cap that was named",
        text_file(gzip.compress(ROWS.encode() * 50), "rows.csv.gz"),
        "refused",
        flags={"max_bytes": "1KB"},
        says=("contains more than 1000B", "--max-bytes"),
        fix={"max_bytes": "1MiB", "skip_bad_rows": True},
    ),
)
