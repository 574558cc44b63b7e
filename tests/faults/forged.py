"""Forged models and hostile data files, made from a seed, through every command that reads them.

`python -m tests.faults --part forged` runs all of them; a sample runs with every change. Each file gets a process that
watches itself: memory, processor time, connections, and writes outside its folder.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import io
import json
import os
import random
import resource
import shutil
import socket
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from rnnforecast.cli.main import main
from rnnforecast.store.layout import LENGTH, decode_header, encode_header
from rnnforecast.store.registry import Registry
from tests.faults.hostile_tables import hostile_tables
from tests.faults.tally import Tally
from tests.faults.zygote import WARM
from tests.store.builders import sound_model

#: Limits of one file and all its commands.
MAX_SECONDS, MAX_BYTES = 60, 2**30
#: What a process holds that has imported the program and done nothing. A child begins with all that its parent holds.
_IDLE_BYTES = 400 * 2**20
KEPT = Path(__file__).parents[1] / "store" / "kept"
ROWS = "rows.csv"
#: Data that the models of `kept` read.
_NUM_ROWS = 120
#: In every file that is no table: no message may repeat it.
CANARY = "hunter2-canary"
_ESCAPES = ("\x1b", "\x07", "\x9b", "\u202e", "\u2066")

_FORBIDDEN = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "subprocess", "os.system", "os.exec")
_CHANGES = ("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod")

#: Values that a mutation puts anywhere in a manifest.
_POOL: tuple[Any, ...] = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        2,
        64,
        99,
        10**6,
        10**18,
        2**62,
        -(2**62),
        0.0,
        -0.5,
        0.5,
        1.0,
        1e300,
        -1e300,
        1e-320,
    ),
    *("", " ", "x", "none", "-", "0", "NaN", "../../etc/passwd", "/etc/passwd", "/proc/kmsg", "/dev/zero", "a\0b"),
    *("\x1b]0;pwn\x07\x1b[31mX", "\u202eevil", "=cmd|' /C calc'!A0", "\n=1+1", "\uff1d1+1", "\ud800", "x" * 100_000),
    *(
        "http://127.0.0.1:{port}/x.csv",
        "postgresql://u:p@127.0.0.1:{port}/d#t",
        "sqlite:////etc/passwd#t",
        "file:///etc/passwd",
    ),
    *(
        "select 1; drop table x",
        "D",
        "15min",
        "B[1111110]",
        "1000000000D",
        "%Y-%Y",
        "utf-7",
        "idna",
        "rot13",
        "9" * 400 + "T",
    ),
    *(
        [],
        [[]],
        [None],
        [0.5],
        [0.1, 0.5, 0.9],
        [0.9, 0.5, 0.1],
        ["x"] * 1_000,
        {},
        {"": {}},
        {"ensemble": [1]},
        {"a": {"b": {}}},
    ),
)


@dataclass
class Outcome:
    """What became of one file: the exit code of each command, and everything that must not happen."""

    codes: dict[str, int] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    bytes: int = 0
    seconds: float = 0.0


def forged_models(seed: int, count: int, *, rows: Path, port: int) -> Iterator[tuple[str, bytes]]:
    """Yield model files with one to three changed values in the manifest or the tensors, and digests that fit."""
    generator = random.Random(seed)
    sources = sorted(KEPT.glob("*.safetensors"))
    for number in range(count):
        content = generator.choice(sources).read_bytes()
        end = LENGTH.size + int.from_bytes(content[: LENGTH.size], "little")
        text, specs = decode_header(content[:end], size=len(content), source="kept")
        # as if it had been trained here
        manifest, payload = json.loads(text) | {"name": "m", "version": 1}, bytearray(content[end:])
        manifest["input"]["paths"] = [str(rows)]
        changed = [_mutate(generator, manifest, port=port) for _ in range(generator.choice((1, 1, 2, 3)))]
        if generator.random() < 0.2:
            spec = generator.choice(specs)
            bad = generator.choice((np.nan, np.inf, -1.0, 0.0, 1e30, 1e300))
            tensor = np.frombuffer(payload, spec.dtype, offset=spec.begin, count=int(np.prod(spec.shape, dtype=int)))
            values = tensor.copy()
            with np.errstate(all="ignore"):
                values[generator.randrange(max(values.size, 1)) :] = np.array(bad).astype(spec.dtype)
            payload[spec.begin : spec.end] = values.tobytes()
            manifest["payload_sha256"] = hashlib.sha256(payload).hexdigest()
            changed.append(f"{spec.name}={bad}")
        with contextlib.suppress(UnicodeEncodeError):
            header = encode_header(json.dumps(manifest), specs)
            yield f"{number}: {', '.join(changed)}", header + bytes(payload)


def _mutate(generator: random.Random, manifest: dict[str, Any], *, port: int) -> str:
    """Replace, remove or add a value somewhere in a manifest; return where and what."""
    place: Any = manifest
    keys: list[Any] = []
    while True:
        options = list(place) if isinstance(place, dict) else list(range(len(place)))
        options = [key for key in options if key != "payload_sha256"]
        if not options:
            break
        key = generator.choice(options)
        keys.append(key)
        if not isinstance(place[key], dict | list) or not place[key] or generator.random() < 0.3:
            break
        place = place[key]
    if not options:
        keys.append("added")
        key = "added" if isinstance(place, dict) else None
    before = place[key] if key is not None and (not isinstance(place, dict) or key in place) else None
    value = _like(generator, before) if generator.random() < 0.7 else generator.choice(_POOL)
    value = value.format(port=port) if isinstance(value, str) and "{" in value else value
    if generator.random() < 0.1 and isinstance(place, dict) and key is not None:
        place.pop(key, None)
        return f"without {'.'.join(map(str, keys))}"
    if isinstance(place, dict):
        place[generator.choice((key, key, key, "__class__", "settings"))] = value
    elif key is not None:
        place[key] = value
    return f"{'.'.join(map(str, keys))}={str(value)[:40]!r}"


def _like(generator: random.Random, value: Any) -> Any:
    """Return another value of the same type, which a check of types lets pass."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int | float):
        return generator.choice(
            (value + 1, value - 1, -value, value * 2, 10 * value, 0, 1, value / 2, type(value)(10**6))
        )
    if isinstance(value, list):
        return generator.choice((value[:-1], value * 2, value[::-1], [*value, *value[:1]], sorted(map(str, value)), []))
    if isinstance(value, dict):
        return generator.choice(
            ({**value, "x": 1}, {}, dict(list(value.items())[:-1]), {str(key): None for key in value})
        )
    return generator.choice([one for one in _POOL if isinstance(one, type(value))] or [None])


def judge_models(folder: Path, *, count: int, seed: int) -> Tally:
    """Run every command that reads a model on forged ones."""
    _warm_up()
    tally = Tally("forged models")
    with _listening() as (port, connections):
        for name, content in forged_models(seed, count, rows=folder.resolve() / "home" / ROWS, port=port):
            _judge(tally, folder, name, partial(_model_commands, content), _check_model)
        tally.note("all files", [f"{connections()} connections"] if connections() else [])
    return tally


def judge_tables(folder: Path, *, count: int, seed: int) -> Tally:
    """Run every command that reads data on hostile files."""
    _warm_up()
    tally = Tally("hostile data files")
    for name, file_name, content in hostile_tables(seed, count, canary=CANARY):
        _judge(tally, folder, name, partial(_table_commands, file_name, content), _check_table)
    return tally


Commands = dict[str, Sequence[str]]


def _model_commands(content: bytes, home: Path) -> Commands:
    """Place a forged model as a file and in a store, and return the commands that read it."""
    (home / "forged.safetensors").write_bytes(content)
    models = home / "store" / "models" / "m"
    models.mkdir(parents=True)
    (models / "1.safetensors").write_bytes(content)
    _write_rows(home / ROWS)
    jobs = (("file", "forged.safetensors"), ("stored", "m"))
    (home / "jobs.toml").write_text(
        "".join(
            f'[[job]]\nname = "{name}"\nmodel = "{model}"\ndata = "{ROWS}"\noutput = "{name}.csv"\n'
            for name, model in jobs
        )
    )
    rows, store = ("--data", ROWS), ("--store", "store")
    return {
        "verify": ("models", "verify", "forged.safetensors"),
        "show": ("models", "show", "forged.safetensors"),
        "show json": ("models", "show", "m", *store, "--format", "json"),
        "list": ("models", "list", *store),
        "predict file": ("predict", "forged.safetensors", *rows, "--no-ledger", "--output", "out.csv"),
        "predict alone": ("predict", "forged.safetensors"),
        "evaluate file": ("evaluate", "forged.safetensors", ROWS, "--num-windows", "1"),
        "predict stored": ("predict", "m", *store),
        "predict stored rows": ("predict", "m", *rows, *store, "--format", "csv"),
        "evaluate stored": ("evaluate", "m", *store, "--num-windows", "1"),
        "predict newest": ("predict", *rows, *store),
        "score": ("score", "m", *rows, *store),
        "detect": ("detect", ROWS, "--model", "forged.safetensors"),
        "stream": ("stream", "forged.safetensors", "--input", ROWS, "--output", "answers.csv"),
        "script": ("script", "forged.safetensors"),
        "train from": ("train", ROWS, "--from", "forged.safetensors", "--name", "t", "--num-steps", "1", *store),
        "report": ("report", "m", ROWS, "--output", "page.html", *store),
        "batch": ("batch", "jobs.toml", "--workers", "1", *store),
        "prune": ("models", "prune", "--keep", "1", *store),
    }


def _table_commands(name: str, content: bytes, home: Path) -> Commands:
    """Place a hostile file next to a sound model, and return the commands that read it."""
    (home / name).write_bytes(content)
    Registry(home / "store").add(sound_model("m"))
    _write_rows(home / ROWS)
    store, quick = (
        ("--store", "store"),
        ("--num-steps", "1", "--num-members", "1", "--hidden-size", "2", "--effort", "quick"),
    )
    return {
        "inspect": ("inspect", name),
        "inspect json": ("inspect", name, "--format", "json"),
        "inspect stdin": ("inspect", "-"),
        "predict base": ("predict", "base", "--data", name, "--output", "out.csv", *store),
        "predict base csv": ("predict", "base", "--data", name, "--format", "csv", "--no-ledger"),
        "score": ("score", "--data", name, *store),
        "predict model": ("predict", "m", "--data", name, *store),
        "evaluate": ("evaluate", "base", name, "--num-windows", "1"),
        "train": ("train", name, *quick, "--name", "t", *store),
        "future": ("predict", "base", "--data", ROWS, "--future", "x", "--future-data", name, "--no-ledger"),
        "config": ("inspect", ROWS, "--config", name),
        "batch check": ("batch", name, "--check"),
        "verify": ("models", "verify", name + ".safetensors"),
    }


def _write_rows(path: Path) -> None:
    days = pd.date_range("2024-01-01", periods=_NUM_ROWS).strftime("%Y-%m-%d")
    frame = pd.DataFrame({"date": days, "value": 100 + np.sin(np.arange(_NUM_ROWS)) + np.arange(_NUM_ROWS) / 9})
    frame.to_csv(path, index=False)


#: Codes that a forged model may end with: done, partly done, rejected, other data than its own, not finite, too old.
_MODEL_CODES = {0, 3, 12, 13, 16, 22}
#: Of these commands a usage error is right: they name no rows, or those that the model names are addresses.
_MODEL_ALSO = {
    "score": {21, 23},
    "predict alone": {2},
    "predict stored": {2, 10},
    "evaluate stored": {2, 10},
    "predict newest": {10},
    "detect": {24},
    "stream": {2},  # a model with covariates
    "script": {2},
    "train from": {2},
}


def _check_model(codes: dict[str, int]) -> Iterator[str]:
    for command, code in codes.items():
        if code not in _MODEL_CODES | _MODEL_ALSO.get(command, set()):
            yield f"{command} ended with {code}"
    whole = codes.get("verify")
    if whole not in (0, 12):
        yield f"verify ended with {whole}"
    reading = ("show", "predict file", "evaluate file")
    if whole == 12 and any(codes[name] != 12 for name in reading if name in codes):
        yield f"verify ended with 12, the others with {codes}"
    if whole == 0 and codes.get("predict file") == 12:
        yield "verify ended with 0, predict with 12"


#: Codes that a hostile file may end with as data: done, partly done, no file, rejected, resources, not finite, too old.
_TABLE_CODES = {0, 3, 10, 13, 15, 16, 20, 22}
_TABLE_ALSO = {"score": {12, 21, 23}, "config": {2}, "batch check": {2}, "verify": {12}}


def _check_table(codes: dict[str, int]) -> Iterator[str]:
    for command, code in codes.items():
        if code not in _TABLE_CODES | _TABLE_ALSO.get(command, set()):
            yield f"{command} ended with {code}"


def _warm_up() -> None:
    """Import once what every child needs."""
    for name in (
        *WARM,
        "rnnforecast.cli.inspect",
        "rnnforecast.cli.score",
        "rnnforecast.cli.evaluate",
        "rnnforecast.cli.doctor",
        "rnnforecast.workflows.batch.run",
    ):
        importlib.import_module(name)


def _judge(
    tally: Tally,
    folder: Path,
    name: str,
    place: Callable[[Path], Commands],
    check: Callable[[dict[str, int]], Iterator[str]],
) -> None:
    """Run all commands on one file in a watched process of its own."""
    home = folder / "home"
    shutil.rmtree(home, ignore_errors=True)
    home.mkdir()
    found = _run_watched(home, place(home))
    tally.num_runs += len(found.codes)
    tally.codes.update(found.codes.values())
    tally.note(name, [*found.problems, *check(found.codes)])
    if found.bytes > MAX_BYTES:
        tally.note(name, [f"took {found.bytes:,} bytes of memory"])
    tally.figures["memory_megabytes"] = max(tally.figures.get("memory_megabytes", 0), found.bytes // 2**20)
    tally.figures["slowest_seconds"] = max(tally.figures.get("slowest_seconds", 0), round(found.seconds, 1))


def _run_watched(home: Path, commands: Commands) -> Outcome:
    """Fork, run the commands one after the other, and return what the child reports and what the system says of it."""
    read, write = os.pipe()
    inherited = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    pid = os.fork()
    if not pid:
        os.close(read)
        with os.fdopen(write, "w") as report:
            _child(home, commands, report)
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as stream:
        text = stream.read()
    _, status, usage = os.wait4(pid, 0)
    own = usage.ru_maxrss * 1024 - max(0, inherited - _IDLE_BYTES)
    outcome = Outcome(bytes=own, seconds=usage.ru_utime + usage.ru_stime)
    for line in text.splitlines():
        found = json.loads(line)
        outcome.codes[found["command"]] = found["code"]
        outcome.problems += [f"{found['command']}: {problem}" for problem in found["problems"]]
    if status:
        ended = list(outcome.codes)
        running = next((name for name in commands if name not in ended), "?")
        outcome.problems.append(f"{running}: the process ended with status {status}")
    return outcome


def _child(home: Path, commands: Commands, report: io.TextIOBase) -> None:
    """Run commands in this process, and report each with whatever it did that it must not do."""
    os.chdir(home)
    # Python's own watch over a search without end; the hard limit is for native code
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_SECONDS, MAX_SECONDS + 5))
    events: list[str] = []
    sys.dont_write_bytecode = True  # Python keeps that of the package outside
    inside = str(home.resolve())

    def is_outside(path: object) -> bool:
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        full = os.path.realpath(os.fsdecode(os.fspath(path)))
        return not full.startswith(inside) and full not in ("/dev/null",)

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        # a Parquet file that is tried with limits, or a job of `batch`
        is_probe = event == "subprocess.Popen" and ("parquet" in repr(arguments) or "rnnforecast" in repr(arguments))
        if event.startswith(_FORBIDDEN) and not is_probe:
            events.append(f"{event} {arguments!r}"[:200])
        is_change = event.startswith(_CHANGES) and any(map(is_outside, arguments[:2]))
        if event == "open" and str(arguments[0]).endswith("/oom_score_adj"):
            return  # a run of `batch` offers its jobs to the kernel first
        is_written = event == "open" and int(arguments[2] or 0) & (os.O_WRONLY | os.O_RDWR) and is_outside(arguments[0])
        if is_change or is_written:
            events.append(f"{event} {arguments!r}"[:200])

    sys.addaudithook(watch)
    for name, words in commands.items():
        events.clear()
        code, told, problems = _run_one(home, words)
        problems += events
        problems += [f"prints {sign!r}" for sign in _ESCAPES if sign in told]
        problems += [
            f"prints {told[max(told.index(word) - 100, 0) :][:300]!r}"
            for word in ("Traceback", "bug in", CANARY)
            if word in told
        ]
        report.write(json.dumps({"command": name, "code": code, "problems": problems}) + "\n")
        report.flush()


def _run_one(home: Path, words: Sequence[str]) -> tuple[int, str, list[str]]:
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape"), io.StringIO()
    started = time.monotonic()
    stdin = sys.stdin
    try:
        if "-" in words:
            name = next(path.name for path in home.iterdir() if path.is_file() and path.name not in (ROWS, "out.csv"))
            sys.stdin = io.TextIOWrapper(io.BytesIO((home / name).read_bytes()))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = main(list(words))
    except BaseException:
        return 1, "", [traceback.format_exc()[-300:]]
    finally:
        sys.stdin = stdin
    out.flush()
    told = out.buffer.getvalue().decode("utf-8", "replace") + err.getvalue()
    slow = time.monotonic() - started
    return code, told, [f"took {slow:.0f} s"] if slow > MAX_SECONDS else []


@contextlib.contextmanager
def _listening() -> Iterator[tuple[int, Callable[[], int]]]:
    """Keep a server that nobody should call; yields its port, and how many did."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(64)
        server.setblocking(False)
        calls = 0

        def count() -> int:
            nonlocal calls
            with contextlib.suppress(BlockingIOError):
                while True:
                    server.accept()[0].close()
                    calls += 1
            return calls

        yield server.getsockname()[1], count
