"""Model files with a flipped bit, cut, swapped or overwritten: each is rejected with exit code 12."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from rnnforecast.errors import ExitCode, ModelFileError
from rnnforecast.store.model_file import read_model
from tests.faults.tally import Tally

Change = Callable[[bytearray, random.Random, bytes], None]


def _flip(content: bytearray, dice: random.Random, _other: bytes) -> None:
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)


def _cut(content: bytearray, dice: random.Random, _other: bytes) -> None:
    del content[dice.randrange(len(content)) :]


def _lose(content: bytearray, dice: random.Random, _other: bytes) -> None:
    start = dice.randrange(len(content))
    del content[start : start + dice.randint(1, 64)]


def _add(content: bytearray, dice: random.Random, _other: bytes) -> None:
    start = dice.randrange(len(content) + 1)
    content[start:start] = dice.randbytes(dice.randint(1, 64))


def _swap(content: bytearray, dice: random.Random, _other: bytes) -> None:
    size = dice.randint(1, 512)
    first, second = (dice.randrange(len(content) - size) for _ in range(2))
    a, b = bytes(content[first : first + size]), bytes(content[second : second + size])
    content[first : first + size], content[second : second + size] = b, a


def _zero(content: bytearray, dice: random.Random, _other: bytes) -> None:
    start = dice.randrange(len(content) // 512) * 512
    content[start : start + 512] = bytes(len(content[start : start + 512]))


def _exchange(content: bytearray, dice: random.Random, other: bytes) -> None:
    start = dice.randrange(min(len(content), len(other)))
    content[start:] = other[start:]


CHANGES: tuple[Change, ...] = (_flip, _cut, _lose, _add, _swap, _zero, _exchange)


def damage_models(model: Path, other: Path, folder: Path, *, num_files: int, seed: int = 0) -> Tally:
    """Damage a model in `num_files` ways, also with parts of `other`; a file that happens to be unchanged is not counted."""
    tally = Tally("damaged models")
    dice = random.Random(seed)
    whole, stranger, path = model.read_bytes(), other.read_bytes(), folder / "damaged.safetensors"
    while tally.num_runs < num_files:
        content = bytearray(whole)
        change = CHANGES[tally.num_runs % len(CHANGES)]
        change(content, dice, stranger)
        if content in (whole, stranger):
            continue
        path.write_bytes(content)
        tally.num_runs += 1
        try:
            read_model(path)
        except ModelFileError as error:
            tally.codes[int(error.exit_code)] += 1
            if error.exit_code != ExitCode.MODEL_FILE:
                tally.note(f"file {tally.num_runs}", [f"exit code {error.exit_code}"])
        else:
            tally.note(f"file {tally.num_runs}", [f"{change.__name__} was not found"])
    return tally
