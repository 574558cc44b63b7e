"""Every part of the rig by name, complete or as a sample."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from tests.faults.calls import count_calls, error_points, fail_at, kill_at, points_of
from tests.faults.damage import damage_models
from tests.faults.forged import judge_models, judge_tables
from tests.faults.forks import why_no_strace, zygote
from tests.faults.hostile import judge_files, make_files
from tests.faults.mixing import mix_jobs
from tests.faults.power import cut_power
from tests.faults.races import read_while_replaced, start_pairs
from tests.faults.resuming import kill_trainings
from tests.faults.scenes import SCENES, STORE, Stage
from tests.faults.space import fill_disk, limit_files
from tests.faults.steady import run_in_a_row, weigh_safety
from tests.faults.tally import Tally
from tests.faults.versions import share_a_store

Item = TypeVar("Item")


@dataclass(frozen=True)
class Sizes:
    """The size of each part; `points` are calls of each command (None: all)."""

    points: int | None = None
    errors: int | None = None
    limits: int = 200
    pages: int = 200
    pairs: int = 200  # of each command
    reads: int = 1_000_000
    replacements: int = 1_000
    damaged: int = 10_000
    forged: int = 300
    tables: int = 200
    kills: int = 500
    soak: int = 1_000
    jobs: int = 100  # of one run, of which 1, half, and all but 1 are bad
    cuts: int = 400  # of the power, of each command
    commits: int = 60  # between the two programs on one store
    seed: int = 0  # of all random choices


def kills(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """SIGKILL at the calls of every command."""
    for scene in stage.scenes:
        reason = why_no_strace()
        if reason:
            yield Tally(f"kill {scene.name}", skipped=reason)
            continue
        yield kill_at(stage, scene, spread(points_of(count_calls(stage, scene)), sizes.points))


def errors(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Errors of writing, flushing and renaming."""
    for scene in stage.scenes:
        reason = why_no_strace()
        if reason:
            yield Tally(f"errors {scene.name}", skipped=reason)
            continue
        yield fail_at(stage, scene, spread(error_points(count_calls(stage, scene)), sizes.errors))


def space(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Files that may not grow, and disks that are full."""
    for scene in stage.scenes:
        yield limit_files(stage, scene, num_sizes=sizes.limits)
        yield fill_disk(stage, scene, max_sizes=sizes.pages)


def races(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Commands started twice at once, and readers while a file is replaced."""
    for scene in stage.scenes:
        yield start_pairs(stage, scene, num_pairs=sizes.pairs)
    with tempfile.TemporaryDirectory() as folder:
        yield read_while_replaced(Path(folder), num_replacements=sizes.replacements, num_reads=sizes.reads)


def models(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Damaged and hostile model files."""
    good = stage.template / STORE / "models" / "good"
    with tempfile.TemporaryDirectory() as folder:
        yield damage_models(
            good / "1.safetensors", good / "2.safetensors", Path(folder), num_files=sizes.damaged, seed=sizes.seed
        )
    with tempfile.TemporaryDirectory() as folder:
        make_files(Path(folder))
        yield judge_files(Path(folder))


def forged(_: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Forged models and hostile data files through every command that reads them."""
    for judge, count in ((judge_models, sizes.forged), (judge_tables, sizes.tables)):
        with tempfile.TemporaryDirectory() as folder:
            yield judge(Path(folder), count=count, seed=sizes.seed)


def trainings(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Trainings killed at random moments."""
    yield kill_trainings(stage, num_kills=sizes.kills, seed=sizes.seed)


def steady(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Runs in a row, and the price of safety."""
    yield run_in_a_row(stage, num_runs=sizes.soak)
    for num_bytes in (1_000, 1_000_000, 50_000_000):
        with tempfile.TemporaryDirectory() as folder:
            yield weigh_safety(Path(folder), num_times=20, num_bytes=num_bytes)


def jobs(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Valid jobs among failing ones of every kind."""
    for num_bad in (1, sizes.jobs // 2, sizes.jobs - 1):
        yield mix_jobs(stage, num_bad=num_bad, num_jobs=sizes.jobs)


def power(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """Power cuts at moments throughout every command."""
    for scene in stage.scenes:
        reason = why_no_strace()
        if reason:
            yield Tally(f"power cut {scene.name}", skipped=reason)
            continue
        yield cut_power(stage, scene, num_states=sizes.cuts, seed=sizes.seed)


def versions(stage: Stage, sizes: Sizes) -> Iterator[Tally]:
    """This program and an earlier one on one store."""
    yield share_a_store(stage, commits_before=sizes.commits)


PARTS: dict[str, Callable[[Stage, Sizes], Iterator[Tally]]] = {
    "models": models,
    "forged": forged,
    "races": races,
    "kills": kills,
    "errors": errors,
    "space": space,
    "trainings": trainings,
    "steady": steady,
    "jobs": jobs,
    "power": power,
    "versions": versions,
}


@contextmanager
def open_stage(names: Sequence[str] = ()) -> Iterator[Stage]:
    """Keep a stage for the length of a `with` block, with the scenes of these names (default: all)."""
    with zygote() as warm, tempfile.TemporaryDirectory(prefix="rig-") as folder:
        yield Stage(warm, Path(folder), scenes=[each for each in SCENES if not names or each.name in names])


def spread(items: Sequence[Item], num_items: int | None) -> Sequence[Item]:
    """Return `num_items` of the items, evenly from the first to the last; all for None."""
    if num_items is None or num_items >= len(items):
        return items
    return [items[place * (len(items) - 1) // max(num_items - 1, 1)] for place in range(num_items)]
