"""The commands that the rig disturbs, the files they start with, and the checks after every disturbance."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rnnforecast.errors import RnnForecastError
from rnnforecast.store.files import TEMPORARY_PREFIX
from rnnforecast.store.ledger import Ledger
from rnnforecast.store.model_file import read_model
from rnnforecast.store.registry import Registry
from tests.conftest import GOOD_ROWS
from tests.faults.forks import Ended, Zygote

SMALL = ("--horizon", "7", "--num-steps", "4", "--num-members", "1", "--hidden-size", "4", "--num-windows", "2")
STORE = ".rnnforecast"

JOBS = """
[[job]]
name = "nightly"
model = "good"
data = "good.csv"
output = "batch.csv"
"""


@dataclass(frozen=True)
class Scene:
    """A command, the outputs it replaces, and the version it leaves active (None: any)."""

    name: str
    words: Sequence[str]
    outputs: Sequence[str] = ()
    active: int | None = None
    every_step: bool = False  # checkpoints are written after every step


SCENES = (
    Scene("train", ["train", "good.csv", *SMALL, "--format", "json"], every_step=True),
    Scene("predict", ["predict", "good", "--output", "out.csv", "--format", "json"], outputs=["out.csv"]),
    Scene("predict-parquet", ["predict", "good", "--output", "out.parquet", "--quiet"], outputs=["out.parquet"]),
    Scene("predict-first", ["predict", "good", "--horizon", "20", "--output", "first.csv"], outputs=["first.csv"]),
    Scene("promote", ["models", "promote", "good@2"], active=2),
    Scene("batch", ["batch", "jobs.toml", "--workers", "1", "--quiet"], outputs=["batch.csv"]),
)


class Stage:
    """A folder that every scene starts with, and the outputs of an undisturbed run."""

    def __init__(self, zygote: Zygote, folder: Path, *, scenes: Sequence[Scene] = SCENES) -> None:
        self.zygote = zygote
        self.scenes = scenes
        self.template = folder / "template"
        self._folder = folder
        self._number = 0
        self._wanted: dict[str, dict[str, bytes]] = {}
        self._prepare()

    def _prepare(self) -> None:
        self.template.mkdir(parents=True)
        (self.template / "good.csv").write_text("\n".join(["date,value", *GOOD_ROWS]) + "\n", encoding="utf-8")
        (self.template / "jobs.toml").write_text(JOBS, encoding="utf-8")
        train = ["train", "good.csv", *SMALL]
        for words in (train, [*train, "--seed", "7", "--activate", "never"]):
            _expect(self.zygote.warm_up(words, self.template), words)
        for output in ("out.csv", "out.parquet", "batch.csv"):
            # the previous outputs have other rows than the new ones
            words = ["predict", "good", "--horizon", "3", "--output", output, "--no-ledger", "--quiet"]
            _expect(self.zygote.warm_up(words, self.template), words)

    def copy(self, folder: Path | None = None) -> Path:
        """Return a fresh copy of the template."""
        self._number += 1
        place = (folder or self._folder) / f"{self._number}"
        shutil.copytree(self.template, place)
        return place

    def wanted(self, scene: Scene) -> dict[str, bytes]:
        """Return the outputs of an undisturbed run."""
        if scene.name not in self._wanted:
            place = self.copy()
            _expect(self.zygote.run(scene.words, place, every_step=scene.every_step), scene.words)
            self._wanted[scene.name] = {name: (place / name).read_bytes() for name in scene.outputs}
            shutil.rmtree(place)
        return self._wanted[scene.name]

    def problems(self, scene: Scene, place: Path) -> list[str]:
        """Name everything that was lost or torn in `place`; there must be nothing."""
        found = []
        for path in sorted(self.template.rglob("*.safetensors")):
            kept = place / path.relative_to(self.template)
            if not kept.is_file() or kept.read_bytes() != path.read_bytes():
                found.append(f"{kept.name} is not what it was")
        for path in place.rglob("*.safetensors"):
            found += _raises(f"model {path.name}", lambda path=path: read_model(path))  # type: ignore[misc]
        registry = Registry(place / STORE)
        found += _raises("the active version", lambda: registry.resolve("good").load())
        found += _raises("the ledger", lambda: Ledger(place / STORE, "good").read())
        for name, content in self.wanted(scene).items():
            now, before = ((at / name).read_bytes() if (at / name).is_file() else b"" for at in (place, self.template))
            if now not in (content, before):
                found.append(f"{name} is neither old nor new ({len(now)} bytes)")
        return found

    def unfinished(self, scene: Scene, place: Path) -> list[str]:
        """Name what a run with exit code 0 has not done."""
        found = [name for name, content in self.wanted(scene).items() if (place / name).read_bytes() != content]
        if scene.active is not None and Registry(place / STORE).resolve("good").version != scene.active:
            found.append("the version is not active")
        if scene.name == "train":
            newest = Registry(place / STORE).select("good")[1][-1]
            found += ["no version was added"] if newest < 3 else []
        return [f"exit code 0, but not done: {each}" for each in found]

    def leftovers(self, place: Path) -> list[str]:
        """Name temporary files and checkpoints that are still there."""
        found = [path for path in place.rglob(f"{TEMPORARY_PREFIX}*") if path.name != STORE]
        found += list(place.rglob("*.checkpoint"))
        return [f"{path.relative_to(place)} was left behind" for path in found]

    def recover(self, scene: Scene, place: Path) -> list[str]:
        """Run the command again without help, and name what is still wrong."""
        ended = self.zygote.run(scene.words, place, every_step=scene.every_step)
        if ended.code != 0:
            return [f"the next run ended with {ended.code}: {ended.output[-300:]}"]
        return self.problems(scene, place) + self.unfinished(scene, place) + self.leftovers(place)


def ledger_lines(place: Path) -> list[dict[str, object]]:
    """Return the complete lines of the ledgers of all runs of `batch`."""
    lines = [line for path in place.rglob("ledger.jsonl") for line in path.read_text().splitlines()]
    return [json.loads(line) for line in lines if line.endswith("}")]


def _raises(what: str, read: Callable[[], object]) -> list[str]:
    try:
        read()
    except RnnForecastError as error:
        return [f"{what}: {error.message}"]
    return []


def _expect(ended: Ended, words: Sequence[str]) -> None:
    if ended.code != 0:
        raise RuntimeError(f"`{' '.join(words)}` ended with {ended.code} undisturbed: {ended.output}")
