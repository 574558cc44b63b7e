"""Trainings killed at random moments, some several times: the stored model has the bytes of an undisturbed one."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

from rnnforecast.store.registry import Registry
from tests.faults.scenes import STORE, Stage
from tests.faults.tally import Tally

MIXED = (
    ("--cell", "gru", "--mapping", "encoder-decoder", "--attention", "dot"),
    ("--cell", "lstm", "--num-layers", "2", "--dropout", "0.2"),
    (
        "--cell",
        "mingru",
    ),
    ("--cell", "gru", "--normalisation", "global", "--num-members", "2"),
)


def kill_trainings(stage: Stage, *, num_kills: int, seed: int = 0) -> Tally:
    """Kill trainings at random moments until `num_kills` were killed; each is then resumed and compared."""
    tally = Tally("resumed trainings")
    dice = random.Random(seed)
    wanted: dict[int, tuple[str, float]] = {}
    num_killed = num_resumed = tries = 0
    while num_killed < num_kills:
        kind = tries % len(MIXED)
        tries += 1
        words = ["train", "good.csv", "--horizon", "7", "--num-steps", "16", "--hidden-size", "6", *MIXED[kind]]
        words += [] if "--num-members" in words else ["--num-members", "1"]
        if kind not in wanted:
            wanted[kind] = _undisturbed(stage, words)
        digest, seconds = wanted[kind]
        place = stage.copy()
        for _ in range(dice.choice((1, 1, 1, 2, 3))):
            child = stage.zygote.begin(words, place, every_step=True)
            child.go()
            time.sleep(dice.uniform(0.0, seconds))
            child.kill()
            num_killed += child.wait().code == -signal.SIGKILL
        ended = stage.zygote.run(words, place, every_step=True)
        tally.num_runs += 1
        tally.codes[ended.code] += 1
        num_resumed += "resumed from its checkpoint" in ended.output
        where = f"training {tally.num_runs} of kind {kind}"
        if ended.code != 0:
            tally.note(where, [f"ended with {ended.code}: {ended.output[-300:]}"])
        elif _digest(place) != digest:
            tally.note(where, ["the model has other bytes"])
        tally.note(where, stage.leftovers(place))
        shutil.rmtree(place)
    tally.figures = {"kills": num_killed, "went_on": num_resumed}
    return tally


def _undisturbed(stage: Stage, words: list[str]) -> tuple[str, float]:
    """Return the digest of all numbers of the model, and the duration of the training."""
    place = stage.copy()
    stage.zygote.run(words, place, every_step=True)
    shutil.rmtree(place)
    place = stage.copy()
    started = time.monotonic()
    stage.zygote.run(words, place, every_step=True)
    seconds = time.monotonic() - started
    digest = _digest(place)
    shutil.rmtree(place)
    return digest, seconds


def _digest(place: Path) -> str:
    registry = Registry(place / STORE)
    entry, versions = registry.select("good")
    manifest = entry.look(versions[-1]).manifest
    return "" if manifest is None else manifest.payload_sha256
