"""Two programs on one store: this one, and the one of an earlier commit, in turn."""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from pathlib import Path

from rnnforecast.errors import ExitCode
from rnnforecast.store.ledger import Ledger, ledger_names
from rnnforecast.store.model_file import read_model
from tests.faults.scenes import SMALL, STORE, Stage
from tests.faults.tally import Tally
from tests.house import ROOT

#: Commands by program, in their order: each must end with 0 whatever the other program left in the store; the old one
#: may also reject files of a newer format.
_TURNS: tuple[tuple[str, Sequence[str]], ...] = (
    ("old", ["train", "good.csv", *SMALL, "--name", "shared"]),
    ("new", ["predict", "shared", "--output", "new.csv"]),
    ("new", ["models", "verify"]),
    ("new", ["train", "good.csv", *SMALL, "--name", "shared", "--seed", "5"]),
    ("old", ["predict", "shared@2", "--output", "old.csv"]),
    ("old", ["predict", "shared", "--horizon", "3"]),
    ("old", ["predict", "base", "--data", "good.csv", "--horizon", "3"]),
    ("new", ["predict", "base", "--data", "good.csv", "--horizon", "5"]),
    ("old", ["predict", "base", "--data", "good.csv", "--horizon", "4"]),
    ("new", ["score", "shared", "--data", "good.csv"]),
    ("old", ["score", "shared", "--data", "good.csv"]),
    ("old", ["models", "promote", "shared@1"]),
    ("new", ["predict", "shared"]),
    ("new", ["batch", "jobs.toml"]),
    ("old", ["batch", "jobs.toml"]),
    ("new", ["models", "prune", "--keep", "1"]),
    ("old", ["models", "list"]),
    ("old", ["models", "verify"]),
)


def share_a_store(stage: Stage, *, commits_before: int) -> Tally:
    """Let both programs work on one store in turn; needs the history of the repository."""
    tally = Tally(f"two programs on one store, {commits_before} commits apart")
    with tempfile.TemporaryDirectory() as folder:
        packed = subprocess.run(
            ["git", "archive", f"HEAD~{commits_before}", "rnnforecast", "pyproject.toml"],
            cwd=ROOT,
            capture_output=True,
            check=False,
        )
        if packed.returncode:
            tally.skipped = packed.stderr.decode(errors="replace").strip()[:200]
            return tally
        with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
            archive.extractall(folder, filter="data")
        place = stage.copy()
        for who, words in _TURNS:
            ended = _run(ROOT if who == "new" else Path(folder), words, place)
            tally.num_runs += 1
            tally.codes[ended.returncode] += 1
            where = f"{who}: {' '.join(words[:3])}"
            told = ended.stdout + ended.stderr
            # an earlier program may say that it does not know the format of a file, and must touch nothing
            is_newer = who == "old" and ended.returncode == ExitCode.MODEL_FILE and "reads formats up to" in told
            is_right = ended.returncode == 0 or is_newer
            tally.note(where, [] if is_right else [f"ended with {ended.returncode}: {told[-300:]}"])
        tally.note("the store", _damage(place))
        shutil.rmtree(place)
    return tally


def _run(program: Path, words: Sequence[str], place: Path) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("RNNFORECAST_", "COV_"))}
    environment |= {"PYTHONPATH": str(program), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-P", "-m", "rnnforecast", *words, "--quiet"]
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def _damage(place: Path) -> list[str]:
    """Read everything that is in the store with this program."""
    store = place / STORE
    for path in store.rglob("*.safetensors"):
        read_model(path)
    found = [name for name in ledger_names(store) if Ledger(store, name).read() is None]
    return [f"the ledger of {json.dumps(name)} is empty" for name in found]
