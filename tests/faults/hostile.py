"""Hostile model files: read in a process that watches itself, and rejected there.

`python -m tests.faults.hostile FOLDER` reads every file of a folder as a model and prints the outcome of each.
"""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import os
import pickle
import resource
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rnnforecast.errors import ModelFileError
from rnnforecast.model_io.pack import check_shapes
from rnnforecast.store.model_file import read_model, write_model
from tests.faults.tally import Tally
from tests.house import ROOT
from tests.store.builders import entry, forge_file, forge_header, make_model

MAX_SECONDS = 2.0
MAX_BYTES = 300 * 2**20

#: Audit events of the interpreter that reading a model must not cause.
_FORBIDDEN = (
    "exec",
    "compile",
    "import",
    "pickle",
    "marshal",
    "subprocess",
    "os.system",
    "os.exec",
    "ctypes",
    "socket",
)
_WRITING = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "shutil", "tempfile")


#: A network whose forecast would take all memory, or hours.
_WIDE = {"context_length": 100_000, "horizon": 100_000, "hidden_size": 2, "num_layers": 1}


class Payload:
    """Runs code where it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return os.system, ("touch /tmp/rnnforecast-was-run",)


def make_files(folder: Path) -> int:
    """Write every hostile file into a folder and return how many they are."""
    number = 0
    for kind, content in _contents():
        (folder / f"{number:03d}-{kind}.safetensors").write_bytes(content)
        number += 1
    return number + _make_links(folder, number)


def judge_files(folder: Path) -> Tally:
    """Let a watched process read all files of a folder; each must be rejected, quickly and without side effects."""
    tally = Tally("hostile models")
    command = [sys.executable, "-m", "tests.faults.hostile", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tally.note("the reader", [f"ended with {done.returncode}: {done.stderr[-300:]}"])
        return tally
    report = json.loads(done.stdout)
    for name, found in report["files"].items():
        tally.num_runs += 1
        tally.codes[found["code"]] += 1
        tally.note(name, found["events"])
        if found["code"] != 12:
            tally.note(name, [f"exit code {found['code']}: {found['message']}"])
        if found["seconds"] > MAX_SECONDS:
            tally.note(name, [f"took {found['seconds']:.1f} s"])
    if report["bytes"] > MAX_BYTES:
        tally.note("all files", [f"took {report['bytes']:,} bytes of memory"])
    tally.figures = {
        "slowest_seconds": max(found["seconds"] for found in report["files"].values()),
        "memory_megabytes": report["bytes"] // 2**20,
    }
    return tally


def _contents() -> Iterator[tuple[str, bytes]]:
    yield from _pickles()
    yield from _archives()
    yield from _forged_tables()
    yield from _forged_manifests()
    yield from _odd_starts()


def _pickles() -> Iterator[tuple[str, bytes]]:
    for protocol in range(6):
        for name, thing in (("code", Payload()), ("list", [Payload()]), ("plain", {"weight": [1.0]})):
            yield f"pickle{protocol}-{name}", pickle.dumps(thing, protocol)
    code = pickle.dumps(Payload(), 4)
    whole = forge_file("")
    yield from ((f"pickle-after-{size}", whole[:size] + code) for size in (8, 16, 41, 105, len(whole)))
    yield "pickle-before", code + whole
    yield "torch-legacy", b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + code


def _archives() -> Iterator[tuple[str, bytes]]:
    code = pickle.dumps(Payload(), 2)
    for member in (
        "archive/data.pkl",
        "data.pkl",
        "../data.pkl",
        "/etc/data.pkl",
        "constants.pkl",
        "model.safetensors",
    ):
        for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            stream = io.BytesIO()
            with zipfile.ZipFile(stream, "w", method) as archive:
                archive.writestr(member, code)
            content = stream.getvalue()
            yield f"zip-{method}", content
            yield f"zip-{method}-flag", content[:6] + b"\x01\x00" + content[8:]
            yield f"zip-{method}-crc", content[:14] + bytes(4) + content[18:]
            yield f"zip-{method}-prefix", b"PK\x05\x06" + content
            yield f"zip-{method}-spanned", b"PK\x07\x08" + content
    for kind, pack in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        yield kind, pack(code)
        yield f"{kind}-of-a-model", pack(forge_file(""))
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        info = tarfile.TarInfo("../../data.pkl")
        info.size = len(code)
        archive.addfile(info, io.BytesIO(code))
    yield "tar", stream.getvalue()
    yield "7z", b"7z\xbc\xaf\x27\x1c" + code
    yield "hdf5", b"\x89HDF\r\n\x1a\n" + code
    yield "npy", b"\x93NUMPY\x01\x00" + code


def _forged_tables() -> Iterator[tuple[str, bytes]]:
    huge = 2**62
    tables = {
        "overlap": entry("a", "F32", [2], 0, 8) + entry("b", "F32", [2], 4, 12),
        "gap": entry("a", "F32", [2], 0, 8) + entry("b", "F32", [2], 12, 20),
        "backwards": entry("a", "F32", [2], 8, 0),
        "negative": entry("a", "F32", [-2], 0, 8),
        "too-short": entry("a", "F32", [2], 0, 4),
        "overflow": entry("a", "F32", [huge, 4], 0, 0),
        "overflow-to-zero": entry("a", "F64", [2**61, 8], 0, 0),
        "zero-by-huge": entry("a", "F32", [0, huge], 0, 0),
        "huge-end": entry("a", "F32", [2], 0, huge),
        "float-shape": entry("a", "F32", [2.0], 0, 8),
        "bool-shape": entry("a", "F32", [True], 0, 4),
        "text-shape": entry("a", "F32", ["2"], 0, 8),
        "object-shape": entry("a", "F32", {"0": 2}, 0, 8),
        "many-axes": entry("a", "F32", [1] * 40, 0, 4),
        "type": entry("a", "OBJECT", [1], 0, 8),
        "type-code": entry("a", "os.system", [1], 0, 8),
        "type-list": ',"a":{"dtype":["F32"],"shape":[1],"data_offsets":[0,4]}',
        "no-offsets": ',"a":{"dtype":"F32","shape":[1]}',
        "more-keys": ',"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"class":"os.system"}',
        "twice": entry("a", "F32", [1], 0, 4) + entry("a", "F32", [1], 4, 8),
        "entry-list": ',"a":[1,2]',
        "deep": ',"a":' + "[" * 20_000 + "]" * 20_000,
        "deep-object": ',"a":' + '{"a":' * 20_000 + "1" + "}" * 20_000,
        "brackets": ',"a":[' + "[]," * 300_000 + "[]]",
        "many": "".join(entry(f"t{number}", "U8", [0], 0, 0) for number in range(6_000)),
        "digits": ',"a":' + "9" * 5_000,
        "nan": ',"a":NaN',
    }
    for name, table in tables.items():
        yield f"table-{name}", forge_file(table, payload=bytes(20))
    names = ("../../etc/passwd", "/etc/passwd", "a\\u0000b", "__class__", "", "x" * 5_000, "\\ud800", "a\\nb")
    yield from (("name", forge_file(entry(name, "U8", [4], 0, 4), payload=bytes(4))) for name in names)


def _forged_manifests() -> Iterator[tuple[str, bytes]]:
    manifest = json.loads(make_model().manifest.to_json())
    member = manifest["members"][0]
    changes: dict[str, dict[str, object]] = {
        "class": {"class": "os.system", "members": [{"class": "os.system", "args": ["id"]}]},
        "module": {"members": [{**member, "module": "os", "name": "system"}]},
        "dunder": {"members": [{**member, "__class__": "x"}]},
        "cell": {"members": [{**member, "cell": "os.system"}]},
        "mapping": {"members": [{**member, "mapping": "__import__"}]},
        "hidden": {"members": [{**member, "hidden_size": 10**9}]},
        "layers": {"members": [{**member, "num_layers": 10**9}]},
        "horizon": {"horizon": 10**12},
        "context": {"members": [{**member, "context_length": 10**15}]},
        "no-member-list": {"members": {"0": member}},
        "many-members": {"members": [member] * 1_000},
        "levels": {"quantile_levels": "0.5"},
        "format": {"format": 10**6},
        "format-text": {"format": "1"},
        "format-zero": {"format": 0},
        "season": {"season_length": -1},
        "input": {"input": {"paths": [1, 2]}},
        "roles": {"roles": ["time"]},
        "name": {"name": {"a": 1}},
        "no-levels": {"quantile_levels": []},
        "far-levels": {"quantile_levels": [-5, 0.5, 7]},
        "many-levels": {"quantile_levels": [number / 100_001 for number in range(1, 100_001)]},
        "member-levels": {"members": [{**member, "quantile_levels": [0.1, 0.9]}]},
        "metrics": {"metrics": {"network": [1, 2]}},
        "many-metrics": {"metrics": {f"m{number}": {} for number in range(20_000)}},
        "outcome": {"verdict": {"outcome": "\x1b]0;pwn\x07\x1b[31mX"}},
        "served": {"served": "\x1b[31m"},
        "phase": {"freq": {"unit": "day", "phase": 10**30}},
        "additive": {
            "horizon": 100_000,
            "members": [{**member, **_WIDE, "mapping": "encoder-decoder", "attention": "additive"}],
        },
        "recursive": {"horizon": 100_000, "members": [{**member, **_WIDE, "mapping": "many-to-one"}]},
    }
    for name, change in changes.items():
        yield f"manifest-{name}", forge_file("", manifest=json.dumps({**manifest, **change}))
    for name, text in (("list", "[]"), ("number", "1"), ("null", "null"), ("none", ""), ("code", "__import__('os')")):
        yield f"manifest-{name}", forge_file("", manifest=text)


def _odd_starts() -> Iterator[tuple[str, bytes]]:
    whole = forge_file("")
    yield "empty", b""
    yield from ((f"cut-{size}", whole[:size]) for size in (1, 7, 8, 9, 40, 41, 104, 105, 106, len(whole) - 1))
    for length in (0, 1, 2**31, 2**32, 2**40, 2**63, 2**64 - 1):
        yield f"header-{length}", length.to_bytes(8, "little") + whole[8:]
    yield "no-metadata", forge_header("}")
    yield "not-closed", forge_header(',"manifest":"{}"')
    yield "text", b"Date,Close\n2024-01-01,1\n" * 50
    yield "script", b"#!/bin/sh\ntouch /tmp/rnnforecast-was-run\n" * 20
    yield "html", b"<html><script>alert(1)</script></html>" * 20
    yield "elf", b"\x7fELF\x02\x01\x01" + bytes(200)
    yield "parquet", b"PAR1" + bytes(200) + b"PAR1"
    yield "zeros", bytes(100_000)
    header = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
    yield "safetensors", len(header).to_bytes(8, "little") + header + bytes(4)


def _make_links(folder: Path, number: int) -> int:
    """Make model paths that are no file: a folder, a pipe, a dangling link, a device."""
    names = [
        f"{number + place:03d}-{kind}.safetensors" for place, kind in enumerate(("folder", "pipe", "link", "device"))
    ]
    (folder / names[0]).mkdir()
    os.mkfifo(folder / names[1])
    (folder / names[2]).symlink_to("../../nowhere")
    (folder / names[3]).symlink_to("/dev/zero")
    return len(names)


def main() -> None:
    """Read all files of a folder as models, and print the outcome of each."""
    folder = Path(sys.argv[1])
    write_model(folder / "warm.model", make_model())
    read_model(folder / "warm.model")  # imports what reading needs
    _reject(folder / "none.safetensors")
    events: list[str] = []
    sys.dont_write_bytecode = True  # Python keeps that of the package elsewhere

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        writes = event == "open" and len(arguments) > 2 and bool(int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR))
        if event.startswith((*_FORBIDDEN, *_WRITING)) or writes:
            events.append(f"{event} {arguments!r}"[:200])

    sys.addaudithook(watch)
    files: dict[str, dict[str, object]] = {}
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for path in sorted(folder.glob("*.safetensors")):
        events.clear()
        started = time.monotonic()
        code, message = _reject(path)
        files[path.name] = {
            "code": code,
            "message": message,
            "seconds": time.monotonic() - started,
            "events": [*events],
        }
    used = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    print(json.dumps({"files": files, "bytes": used}))


def _reject(path: Path) -> tuple[int, str]:
    try:
        read_model(path, check_shapes=check_shapes)
    except ModelFileError as refusal:
        return int(refusal.exit_code), refusal.message
    except Exception as error:
        return 1, repr(error)
    return 0, "it was read"


if __name__ == "__main__":
    main()
