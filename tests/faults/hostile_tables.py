"""Hostile data files, made from a seed: what is no table, is damaged, lies about its size, or attacks who reads it."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import random
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from tests.data.tables.workbooks import raw_workbook

File = tuple[str, bytes]

#: Texts in fields, headers and ids.
_WORDS = (
    *(
        "",
        " ",
        "NaN",
        "inf",
        "-inf",
        "1e999",
        "1e-320",
        "null",
        "true",
        "0x10",
        "1_000",
        "١٢٣",
        "１２",
        "1,5",
        "1.234,5",
        "12%",
    ),
    *(
        "2024-01-01",
        "2024-02-30",
        "01/02/2024",
        "9999-12-31",
        "0001-01-01",
        "-5000-01-01",
        "24:00",
        "1700000000",
        "1e18",
    ),
    *("=1+1", "+1+cmd", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff201", "'=1"),
    *(
        "\x1b[31mred",
        "\x1b]0;pwn\x07",
        "\x9b31m",
        "\u202eevil\u202c",
        "\u2066x\u2069",
        "\u2028x",
        "\x00",
        "\x08",
        "\x7f",
    ),
    *(
        "../../etc/passwd",
        "/etc/passwd",
        "a/b",
        ".",
        "..",
        "con",
        "x" * 5_000,
        "\U0001f600",
        "\ufeff",
        "[red]",
        "{x}",
        "%s%n",
    ),
    *("<script>alert(1)</script>", "'; drop table x; --", '"', '""', "'", "`", "\\", "|", ";", "#", "//", "nan(0x1)"),
)


def hostile_tables(seed: int, count: int, *, canary: str) -> Iterator[tuple[str, str, bytes]]:
    """Yield what a file is, a name for it, and its content; `canary` is a secret in files that are no table."""
    generator = random.Random(seed)
    makers: tuple[Callable[[random.Random, str], File], ...] = (
        *(_table,) * 5,
        *(_mutated,) * 4,
        *(_parquet,) * 4,
        *(_damaged_parquet,) * 3,
        *(_compressed,) * 3,
        *(_no_table,) * 3,
        *(_large,) * 2,
        *(_workbook,) * 2,
    )
    for number in range(count):
        maker = makers[number % len(makers)]
        name, content = maker(generator, canary)
        yield f"{number}: {maker.__name__.strip('_')} {name}", name, content


def _lines(generator: random.Random, num_rows: int = 60) -> list[list[str]]:
    start = pd.Timestamp("2024-01-01") + pd.Timedelta(days=generator.randrange(2_000))
    step = generator.choice(("D", "h", "W", "MS", "15min"))
    names = ["date", "value"] + [f"c{number}" for number in range(generator.randrange(3))]
    has_ids = generator.random() < 0.5
    rows = [names + ["id"] * has_ids]
    for item in range(2 if has_ids else 1):
        for place, day in enumerate(pd.date_range(start, periods=num_rows, freq=step)):
            row = [str(day), str(round(100 + 10 * np.sin(place) + item, 3))]
            row += [str(generator.randrange(9)) for _ in names[2:]]
            rows.append(row + [f"item{item}"] * has_ids)
    return rows


def _table(generator: random.Random, _canary: str) -> File:
    """Return a table with hostile texts in some fields, headers or ids."""
    rows = _lines(generator)
    delimiter = generator.choice((",", ",", ";", "\t", "|"))
    for _ in range(generator.choice((1, 1, 2, 8))):
        fields = rows[generator.choice((0, 0, -1, generator.randrange(len(rows))))]
        fields[generator.randrange(len(fields))] = generator.choice(_WORDS)
    if rows[0][-1] == "id" and generator.random() < 0.5:
        word = generator.choice(_WORDS)
        for row in rows[1:61]:
            row[-1] = word
    text = "\n".join(delimiter.join(_quoted(field, delimiter) for field in row) for row in rows) + "\n"
    encoding = generator.choice(("utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252"))
    return "t.csv", text.encode(encoding, "replace")


def _quoted(field: str, delimiter: str) -> str:
    needs = any(sign in field for sign in (delimiter, '"', "\n", "\r"))
    return '"' + field.replace('"', '""') + '"' if needs else field


def _mutated(generator: random.Random, _canary: str) -> File:
    """Return the text of a table with bytes changed, removed, doubled or inserted."""
    content = bytearray("\n".join(",".join(row) for row in _lines(generator)).encode())
    for _ in range(generator.choice((1, 2, 5, 50))):
        place = generator.randrange(len(content))
        kind = generator.randrange(4)
        if kind == 0:
            content[place] = generator.randrange(256)
        elif kind == 1:
            del content[place : place + generator.randrange(1, 60)]
        elif kind == 2:
            content[place:place] = content[place : place + generator.randrange(1, 400)]
        else:
            content[place:place] = generator.choice(
                (b'"', b"\x00", b"\r", b"\n\n\n", b"\xff\xfe", b",,,,", b"\x1b[31m", b'""')
            )
        content = content or bytearray(b"x")
    return "m.csv", bytes(content)


def _frame(generator: random.Random, num_rows: int = 60) -> dict[str, Any]:
    return {
        "date": pd.date_range("2024-01-01", periods=num_rows),
        "value": 100 + np.sin(np.arange(num_rows)),
        "id": [f"item{generator.randrange(2)}"] * num_rows,
    }


def _parquet(generator: random.Random, _canary: str) -> File:
    """Return a Parquet file with columns of unusual types, sizes and names."""
    frame, num_rows = _frame(generator), 60
    nested: Any = pa.int64()
    for _ in range(generator.choice((1, 5, 60))):
        nested = pa.list_(nested)
    numbers = list(range(num_rows))
    odd: dict[str, Any] = {
        "duration": pa.array(numbers, pa.duration("us")),
        "date32": pa.array([2_147_483_000 - number for number in numbers], pa.date32()),
        "early": pa.array([-(2**62) + number for number in numbers], pa.timestamp("ns")),
        "nested": pa.array([None] * num_rows, nested),
        "decimal": pa.array([None if number % 7 else number for number in numbers], pa.decimal128(38, 10)),
        "binary": pa.array([b"\x1b[31m" + bytes([number]) for number in numbers]),
        "dictionary": pa.array(["\u202e=1+1", "b"] * 30).dictionary_encode(),
        "struct": pa.array([{"a": number} for number in numbers]),
        "float16": pa.array(np.arange(num_rows, dtype=np.float16)),
        "uint64": pa.array([2**64 - 1 - number for number in numbers], pa.uint64()),
        "infinite": pa.array([np.inf if number % 2 else -np.inf for number in numbers]),
        "huge": pa.array([1e308 * (-1) ** number for number in numbers]),
        "zones": pa.array(numbers, pa.timestamp("s", "Europe/Berlin")),
        "null": pa.nulls(num_rows),
        "text": pa.array([generator.choice(_WORDS) for _ in numbers]),
    }
    columns = {name: pa.array(values) for name, values in frame.items()}
    for kind in generator.sample(list(odd), generator.choice((1, 1, 2, 3))):
        columns[generator.choice(("value", "date", "id", generator.choice(_WORDS) or "x", kind))] = odd[kind]
    stream = io.BytesIO()
    compression = generator.choice(("none", "snappy", "zstd", "gzip"))
    pq.write_table(pa.table(columns), stream, compression=compression, row_group_size=generator.choice((1, 7, 60)))
    return "p.parquet", stream.getvalue()


def _damaged_parquet(generator: random.Random, _canary: str) -> File:
    """Return a Parquet file with changed bytes, most of them in its footer."""
    stream = io.BytesIO()
    pq.write_table(pa.table(_frame(generator)), stream, compression=generator.choice(("none", "snappy")))
    content = bytearray(stream.getvalue())
    footer = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    for _ in range(generator.choice((1, 1, 3, 20))):
        first = footer if generator.random() < 0.7 else 4
        place = generator.randrange(first, len(content) - 4)
        content[place] = generator.choice((0, 0xFF, 0x7F, generator.randrange(256)))
    return "d.parquet", bytes(content[: generator.choice((len(content), len(content), len(content) // 2))])


def _compressed(generator: random.Random, _canary: str) -> File:
    """Return an archive: a bomb, one within another, a damaged one, one of several files."""
    text = "\n".join(",".join(row) for row in _lines(generator)).encode()
    kind = generator.randrange(8)
    if kind == 0:
        return "b.csv.gz", gzip.compress(gzip.compress(bytes(2**26)))
    if kind == 1:
        return "b.csv.gz", gzip.compress(b"date,value\n" + b"2024-01-01,1\n" * 6_000_000)
    if kind == 2:
        return "b.csv.xz", lzma.compress(lzma.compress(bytes(2**26)))
    if kind == 3:
        return "b.csv.bz2", bz2.compress(text)[: generator.randrange(10, 200)]
    if kind == 4:
        content = bytearray(gzip.compress(text))
        content[generator.randrange(len(content))] ^= 0xFF
        return "b.csv.gz", bytes(content)
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("../../t.csv", "\x1b[31m.csv") if kind == 5 else ("t.csv",):
            archive.writestr(name, bytes(2**27) if kind == 6 else text)
    return "b.zip", stream.getvalue()


def _no_table(generator: random.Random, canary: str) -> File:
    """Return a file that holds a secret and is no table."""
    noise = generator.randbytes(600)
    secret = f"password: {canary}"
    return generator.choice(
        (
            ("shadow", f"root:{canary}:20228:0:99999:7:::\n".encode() * 20),
            ("credentials", f"aws_secret_access_key = {canary}\naws_access_key_id = AKIA\n".encode() * 3),
            ("k.pem", f"{canary}\n-----BEGIN PRIVATE KEY-----\n{canary}\n-----END PRIVATE KEY-----\n".encode() * 3),
            ("j.json", json.dumps({"key": canary, "list": [1, 2]}).encode()),
            ("j.jsonl", b"".join(json.dumps({"key": canary, "n": number}).encode() + b"\n" for number in range(40))),
            ("c.yaml", f"{secret}\ndatabase:\n".encode() * 10),
            ("c.toml", f'password = "{canary}"\n[[job]]\nname = "a"\n'.encode()),
            ("h.html", f"<html><body>{secret}</body></html>\n".encode() * 10),
            ("w.xlsx", b"PK\x03\x04" + b"[Content_Types].xml" + secret.encode() + noise),
            ("e.bin", b"\x7fELF" + noise + secret.encode()),
            ("n.csv", noise + secret.encode()),
            ("l.log", f"2024-01-01 12:00:00 INFO {secret}\n".encode() * 50),
            ("env.csv", f"DB_PASSWORD={canary}\nTOKEN={canary}\n".encode() * 4),
            ("one", secret.encode()),
            ("known_hosts", f"{canary}, host ssh-rsa AAAA\n".encode() * 5),
            ("history.csv", f"mysql -u root -p{canary}\nls -la\ncd /tmp, x\n".encode() * 9),
        )
    )


def _large(generator: random.Random, _canary: str) -> File:
    """Return a file with a huge field, a huge number of columns, or an open quote."""
    kind = generator.randrange(6)
    rows = [",".join(row) for row in _lines(generator)]
    if kind == 0:
        columns = generator.choice((1_000, 30_000))
        header = ",".join(f"c{number}" for number in range(columns))
        return "l.csv", "\n".join([header] + [",".join("1" * columns)] * 4).encode()
    if kind == 1:
        rows[5] = rows[5] + "9" * generator.choice((200, 200_000, 5_000_000))
    elif kind == 2:
        rows[3] = '"' + rows[3]
        rows += rows[5:] * 300
    elif kind == 3:
        rows[0] = ",".join("x" * 3_000 for _ in range(rows[0].count(",") + 1))
    elif kind == 4:
        return "l.csv", bytes(generator.choice((1_000, 30_000_000)))
    else:
        return "l.csv", ("\n".join(rows) + "\n" + "," * 2_000_000).encode()
    return "l.csv", "\n".join(rows).encode()


def _workbook(generator: random.Random, _canary: str) -> File:
    """Return a workbook with hostile texts, or one that unpacks to far more than it is, or a damaged one."""
    kind, rows = generator.randrange(9), _lines(generator)
    for _ in range(3 * (kind == 0)):
        fields = generator.choice(rows)
        fields[generator.randrange(len(fields))] = generator.choice(_WORDS)
    cells = [[f'<c t="inlineStr"><is><t>{_xml(field)}</t></is></c>' for field in row] for row in rows]
    text = "".join(f"<row>{''.join(row)}</row>" for row in cells)
    parts = {
        1: {"styles": f"<cellXfs>{'<xf/>' * 3_000_000}</cellXfs>"},
        2: {"shared": f"<si><t>{'x' * 1_000_000}</t></si>", "rows": '<row><c t="s"><v>0</v></c></row>' * 3_000},
        3: {"rows": f"<row>{'<c/>' * 3_000_000}</row>"},
        4: {"rows": f'{text}<row r="{generator.choice((100, 7_000, 900_000, 10**12))}"><c><v>1</v></c></row>'},
        5: {
            "rows": "".join(
                f'<row r="{5_000 * row}"><c r="XFD{5_000 * row}"><v>1</v></c></row>' for row in range(1, 200)
            )
        },
        6: {
            "before": '<!DOCTYPE x [<!ENTITY a "x"><!ENTITY b SYSTEM "file:///etc/passwd">]>',
            "rows": f"{text}<row>&b;</row>",
        },
        7: {"rows": text.replace("<c t", f'<c s="{generator.choice((1, 99, 10**9))}" t')},
    }.get(kind, {})
    with tempfile.TemporaryDirectory() as folder:
        content = bytearray(raw_workbook(Path(folder) / "w.xlsx", **{"rows": text, **parts}).read_bytes())
    for _ in range(generator.choice((1, 3, 20)) * (kind == 8)):
        content[generator.randrange(len(content))] = generator.randrange(256)
    return "w.xlsx", bytes(content)


def _xml(text: str) -> str:
    """Return text as XML holds it; a control character cannot be in a workbook at all."""
    return escape("".join(sign for sign in text if sign in "\t\n\r" or ord(sign) >= 0x20)[:5_000])
