"""Power cuts: what may be on the disk if the power fails at any moment, replayed from the calls of a run.

A file system keeps what was flushed. Of the rest it may keep anything: each folder the first few of its changes of
names, each file the old content, a part of the new, some of its pages, or zeros. The states are made from that, not
from one file system.
"""

from __future__ import annotations

import hashlib
import random
import shutil
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.journal import Change, read_journal, traced_calls
from tests.faults.scenes import Scene, Stage
from tests.faults.tally import Tally

#: Content of a path: bytes of a file, None for a folder.
State = Mapping[str, bytes | None]

#: The fate of names and of data that were not flushed, in turn.
POLICIES = ("nothing survives", "names without data", "names and zeros", "anything")
#: Files that a run may lose: locks, logs, and caches.
_EXPENDABLE = (".lock", ".log", ".checkpoint")
_PAGE = 4096
_TRIES_A_STATE = 100  # draws for each state that is wanted; most are equal to another one


def cut_power(stage: Stage, scene: Scene, *, num_states: int, seed: int = 0) -> Tally:
    """Cut the power of a run in different states: nothing is lost or torn, and the next run succeeds without help.

    A short run leaves fewer states than that; a run of the tally is a state that no other was equal to.
    """
    tally = Tally(f"power cut {scene.name}")
    stage.wanted(scene)
    place = stage.copy()
    ended, lines = traced_calls(stage, scene, place)
    tally.codes[ended.code] += 1
    start, end = read_state(stage.template), read_state(place)
    changes = read_journal(lines, place)
    dice = random.Random(seed)
    seen: set[bytes] = set()
    for moment, policy in _draws(len(changes), num_states, dice):
        state = crash(start, changes[:moment], policy=policy, dice=dice)
        key = _digest(state, is_over=moment == len(changes))
        if key not in seen:
            seen.add(key)
            where = f"{scene.name}, power cut after {moment} of {len(changes)} changes, {policy}"
            _judge(tally, stage, scene, state, where, is_over=moment == len(changes), end=end)
        if len(seen) == num_states:
            break
    tally.num_runs = len(seen)
    tally.figures = {"changes": len(changes)}
    shutil.rmtree(place)
    return tally


def _draws(num_changes: int, num_states: int, dice: random.Random) -> Iterator[tuple[int, str]]:
    """Yield moments and policies: first evenly over both, starting at the end, then at random."""
    whole = [(moment, policy) for moment in range(num_changes, -1, -1) for policy in POLICIES]
    yield from whole[:: max(len(whole) // num_states, 1)]
    for _ in range(_TRIES_A_STATE * num_states):
        yield dice.randint(0, num_changes), POLICIES[-1]


def _digest(state: State, *, is_over: bool) -> bytes:
    """Return a key that identifies a state; more is checked after the end."""
    digest = hashlib.sha256(str(is_over).encode())
    for path, content in sorted(state.items()):
        digest.update(f"{path!r} {-1 if content is None else len(content)} ".encode())
        digest.update(content or b"")
    return digest.digest()


def read_state(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder."""
    paths = sorted(folder.rglob("*"))
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in paths}


def crash(start: State, changes: Sequence[Change], *, policy: str, dice: random.Random) -> dict[str, bytes | None]:
    """Return a state that the disk may be in if the power fails after these changes."""
    disk = _Disk(start)
    for change in changes:
        disk.apply(change)
    return disk.after_crash(policy, dice)


@dataclass
class _File:
    """One file under any names: what programs see, and what certainly survives a power cut."""

    content: bytes
    durable: bytes


@dataclass
class _Step:
    """A change of names in one folder."""

    change: Change
    folder: str
    file: _File | None  # None: a folder
    is_durable: bool = False


@dataclass
class _Disk:
    start: State
    names: dict[str, _File | None] = field(init=False)
    first: dict[str, _File | None] = field(init=False)
    steps: list[_Step] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = {path: None if held is None else _File(held, held) for path, held in self.start.items()}
        self.first = dict(self.names)

    def apply(self, change: Change) -> None:
        file = self.names.get(change.path)
        if change.kind == "flush":
            self._flush(change.path, file)
        elif change.kind == "write" and file is not None:
            place = len(file.content) if change.offset < 0 else change.offset
            padded = file.content.ljust(place, b"\0")
            file.content = padded[:place] + change.content + padded[place + len(change.content) :]
        elif change.kind == "cut" and file is not None:
            file.content = file.content[: change.offset]
        elif change.kind in ("rename", "remove") or change.path not in self.names:
            file = _File(b"", b"") if change.kind == "create" else file
            self.steps.append(_Step(change, str(Path(change.path).parent), file))
            _rename(self.names, change, file)

    def _flush(self, path: str, file: _File | None) -> None:
        if file is not None:
            file.durable = file.content
        else:
            for step in self.steps:
                step.is_durable |= step.folder == path

    def after_crash(self, policy: str, dice: random.Random) -> dict[str, bytes | None]:
        """Choose what survives of the data that was not flushed."""
        pending = Counter(step.folder for step in self.steps if not step.is_durable)
        chosen = {folder: dice.randint(0, count) for folder, count in sorted(pending.items())}
        names, met = dict(self.first), defaultdict[str, int](int)
        for step in self.steps:
            met[step.folder] += not step.is_durable
            survives = met[step.folder] <= chosen.get(step.folder, 0) if policy == "anything" else policy != POLICIES[0]
            if (step.is_durable or survives) and (step.folder == "." or step.folder in names):
                _rename(names, step.change, step.file)
        reached = {path for path in names if all(str(above) in names for above in Path(path).parents[:-1])}
        return {path: _content(names[path], policy, dice) for path in reached}


def _rename(names: dict[str, _File | None], change: Change, file: _File | None) -> None:
    if change.kind in ("make", "create"):
        names[change.path] = file
    elif change.path in names:
        held = names.pop(change.path)
        if change.kind == "rename":
            names[change.to] = held


def _content(file: _File | None, policy: str, dice: random.Random) -> bytes | None:
    if file is None:
        return None
    if file.content == file.durable:
        return file.content
    choices = {
        POLICIES[0]: file.durable,
        POLICIES[1]: file.durable,
        POLICIES[2]: bytes(len(file.content)),
        POLICIES[3]: dice.choice((file.durable, file.content, _beginning(file.content, dice), _pages(file, dice))),
    }
    return choices[policy]


def _beginning(content: bytes, dice: random.Random) -> bytes:
    return content[: dice.randint(0, len(content))]


def _pages(file: _File, dice: random.Random) -> bytes:
    """Return a file of its new length of which each page is the new one or the old one: zeros where none was."""
    old = file.durable.ljust(len(file.content), b"\0")
    starts = range(0, len(file.content), _PAGE)
    return b"".join(dice.choice((file.content, old))[start : min(start + _PAGE, len(file.content))] for start in starts)


def _judge(tally: Tally, stage: Stage, scene: Scene, state: State, where: str, *, is_over: bool, end: State) -> None:
    """Write a state to a disk, check it, and run the command again."""
    with tempfile.TemporaryDirectory(prefix="rig-") as folder:
        place = Path(folder)
        for path, content in sorted(state.items()):
            if content is None:
                (place / path).mkdir(exist_ok=True)
            else:
                (place / path).write_bytes(content)
        tally.note(where, stage.problems(scene, place))
        if is_over:
            tally.note(where, stage.unfinished(scene, place))
            gone = [path for path, content in end.items() if content is not None and state.get(path) != content]
            tally.note(where, [f"{path} is not what it was" for path in gone if not path.endswith(_EXPENDABLE)])
        tally.note(f"{where}, then run again", stage.recover(scene, place))
