"""Valid jobs among failing ones of every kind: the former succeed as if alone, the latter report their cause."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.errors import ExitCode
from tests.faults.scenes import Stage, ledger_lines
from tests.faults.tally import Tally
from tests.house import ROOT

NUM_JOBS = 100

#: Loaded by every Python process of the run; its effect depends on the name of the data file that is opened.
_SABOTAGE = """
import os, resource, signal, sys, time

def hook(event, arguments):
    if event != "open" or not isinstance(arguments[0], str) or "batch" in sys.orig_argv:
        return  # the run itself reads the files too, for their digests
    name = os.path.basename(arguments[0])
    if name in ("killed.csv", "crashed.csv"):
        os.kill(os.getpid(), signal.SIGKILL if name == "killed.csv" else signal.SIGSEGV)
    elif name == "hungry.csv":
        used = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (used + 2**26, resource.RLIM_INFINITY))
        bytearray(2**30)  # Python's own memory runs out, not that of a library, which may abort
    elif name == "endless.csv":
        time.sleep(3_600)

sys.addaudithook(hook)
"""


@dataclass(frozen=True)
class Bad:
    """A kind of bad job: its keys, and the exit code and words that the ledger must have."""

    kind: str
    code: int
    words: str
    data: str = "good.csv"
    model: str = "good"
    output: str = "{name}.csv"
    more: str = ""


KINDS = (
    Bad("killed", ExitCode.RESOURCES, "was killed by SIGKILL", data="killed.csv"),
    Bad("unparsable", ExitCode.DATA, "12 EUR", data="bad.csv"),
    Bad("out of memory", ExitCode.RESOURCES, "memory", data="hungry.csv"),
    Bad("unwritable", ExitCode.OUTPUT, "is a file", output="killed.csv/{name}.csv"),
    Bad("crashed", 128 + 11, "was killed by SIGSEGV", data="crashed.csv"),
    Bad("missing", ExitCode.INPUT, "does not exist", data="nothing.csv"),
    Bad("damaged model", ExitCode.MODEL_FILE, "damaged.safetensors", model="damaged.safetensors"),
    Bad("no column", ExitCode.DATA, "absent", model="", more='target = "absent"'),
    Bad("endless", ExitCode.RESOURCES, "timeout", data="endless.csv", more='timeout = "20s"'),
    Bad("stale", ExitCode.STALE, "2d", more='max_age = "2d"'),
    Bad("busy", ExitCode.TRY_LATER, "busy.db", output="sqlite:///busy.db#t{number}", more='wait = "0.1s"'),
    Bad("binary", ExitCode.DATA, "binary.csv", data="binary.csv"),
    Bad("folder", ExitCode.OUTPUT, "folder", output="taken{number}.csv"),
    Bad("no model", ExitCode.MODEL_FILE, "absent", model="absent"),
)
#: Valid jobs: keys of the job, and the command that does the same alone.
GOOD = (
    ('model = "good"\n', ("good",), ".csv"),
    (
        'model = "good"\nhorizon = 3\nquantiles = [0.1, 0.9]\n',
        ("good", "--horizon", "3", "--quantiles", "0.1,0.9"),
        ".csv",
    ),
    ('model = "good"\n', ("good",), ".parquet"),
    ('model = "base"\nhorizon = 5\n', ("base", "--horizon", "5"), ".csv"),
)


def mix_jobs(stage: Stage, *, num_bad: int, num_jobs: int = NUM_JOBS) -> Tally:
    """Run jobs of which `num_bad` fail: the outputs of the others are those of a run alone."""
    tally = Tally(f"{num_bad} bad jobs of {num_jobs}")
    place = stage.copy()
    alone = _alone(stage)
    bad = {place * num_jobs // num_bad: KINDS[place % len(KINDS)] for place in range(num_bad)}
    _set_up(place)
    for number in bad:
        (place / f"taken{number}.csv").mkdir()
    tables = [_bad_job(number, bad[number]) if number in bad else _good_job(number) for number in range(num_jobs)]
    (place / "jobs.toml").write_text("".join(tables), encoding="utf-8")
    with _someone_writes(place / "busy.db"):
        done = _run(place)
    tally.num_runs = num_jobs
    tally.codes[done.returncode] += 1
    wanted = ExitCode.PARTIAL if 0 < num_bad < num_jobs else ExitCode.OK
    if done.returncode != wanted or "Traceback" in done.stderr:
        tally.note("the run", [f"ended with {done.returncode}: {done.stderr[-300:]}"])
    ends = {str(line["job"]): line for line in ledger_lines(place) if line["event"] == "job_end"}
    for number in range(num_jobs):
        name = f"job{number}"
        if number in bad:
            tally.note(f"{name} ({bad[number].kind})", _misnamed(ends.get(name, {}), bad[number]))
        else:
            content = alone[number % len(GOOD)]
            output = place / f"{name}{GOOD[number % len(GOOD)][2]}"
            is_same = output.is_file() and output.read_bytes() == content
            tally.note(name, [] if is_same else ["its output is not that of a run alone"])
    tally.note("the folder", stage.leftovers(place))
    tally.figures = {"kinds_of_bad_jobs": len({each.kind for each in bad.values()})}
    shutil.rmtree(place)
    return tally


def _alone(stage: Stage) -> list[bytes]:
    """Return the output of each kind of valid job, from a separate command."""
    place = stage.copy()
    outputs = []
    for number, (_, words, ending) in enumerate(GOOD):
        output = f"solo{number}{ending}"
        ended = stage.zygote.run(["predict", *words, "--data", "good.csv", "--output", output, "--quiet"], place)
        if ended.code != 0:
            raise RuntimeError(f"a good job ended with {ended.code} alone: {ended.output}")
        outputs.append((place / output).read_bytes())
    shutil.rmtree(place)
    return outputs


def _set_up(place: Path) -> None:
    """Write the files that make jobs fail."""
    for name in ("killed", "crashed", "hungry", "endless"):
        shutil.copy(place / "good.csv", place / f"{name}.csv")
    (place / "bad.csv").write_text("date,value\n2024-01-01,12 EUR\n", encoding="utf-8")
    (place / "binary.csv").write_bytes(bytes(range(256)) * 40)
    model = bytearray(next((place / ".rnnforecast").rglob("1.safetensors")).read_bytes())
    model[-1] ^= 1
    (place / "damaged.safetensors").write_bytes(model)
    (place / "sabotage").mkdir()
    (place / "sabotage" / "sitecustomize.py").write_text(_SABOTAGE, encoding="utf-8")


@contextmanager
def _someone_writes(path: Path) -> Iterator[None]:
    """Hold a database for the length of a `with` block."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("BEGIN EXCLUSIVE")
        yield
    finally:
        connection.close()


def _run(place: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RNNFORECAST_", "COV_"))}
    environment |= {"PYTHONPATH": os.pathsep.join([str(place / "sabotage"), str(ROOT)]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "rnnforecast", "batch", "jobs.toml", "--workers", "2", "--quiet"]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def _misnamed(end: dict[str, object], kind: Bad) -> list[str]:
    """Return how the exit code and the cause in the ledger differ from those of a failing job."""
    error = json.dumps(end.get("error"))
    found = (
        [] if end.get("exit_code") == kind.code else [f"has the code {end.get('exit_code')}, not {kind.code}: {error}"]
    )
    return found + ([] if kind.words in error else [f"the ledger has {error}"])


def _bad_job(number: int, kind: Bad) -> str:
    name = f"job{number}"
    output = kind.output.format(name=name, number=number)
    model = f'model = "{kind.model}"\n' if kind.model else ""
    return f'[[job]]\nname = "{name}"\n{model}data = "{kind.data}"\noutput = "{output}"\n{kind.more}\n\n'


def _good_job(number: int) -> str:
    keys, _, ending = GOOD[number % len(GOOD)]
    return f'[[job]]\nname = "job{number}"\ndata = "good.csv"\noutput = "job{number}{ending}"\n{keys}\n'
