"""What is done: for each part a small file next to the outputs, written after the output is complete.

A worker that dies between the two leaves an output without a record: the part is forecast again, to the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from rnnforecast.data.databases.address import is_database
from rnnforecast.data.errors import quoted_path
from rnnforecast.data.files.local import STDIN
from rnnforecast.data.files.remote import is_url, state_of
from rnnforecast.data.sources import expand, public_path
from rnnforecast.errors import InputError, UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.store.files import make_folder, replace_bytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.options import ShardBy
    from rnnforecast.workflows.shards.plan import Part

FOLDER = "_shards"
_BY_ID = re.compile(r"part-\d+-of-\d+")
_FORMAT = 1
_MAX_COUNT = 2**53


@dataclass(frozen=True)
class Done:
    """The record of a part: what it was made from and what came out."""

    part: str
    inputs: list[str]  # of each file its name, and what changes when it is written again
    request: str  # digest of model and options
    output: str
    sha256: str
    num_rows: int
    num_series: int
    num_warnings: int
    seconds: float
    finished: str = ""
    format: int = _FORMAT

    @property
    def is_sound(self) -> bool:
        """Whether the values can be those of a record, which may be read from a damaged file."""
        texts = (self.part, self.request, self.output, self.sha256, self.finished)
        counts = (self.num_rows, self.num_series, self.num_warnings)
        return (
            self.format == _FORMAT
            and all(type(text) is str for text in texts)
            and all(type(count) is int and 0 <= count <= _MAX_COUNT for count in counts)
            and type(self.seconds) in (int, float)
            and 0 <= self.seconds <= _MAX_COUNT
            and type(self.inputs) is list
            and all(type(name) is str for name in self.inputs)
            and bool(self.num_rows) == bool(self.sha256)
        )


@dataclass(frozen=True)
class Manifest:
    """The records in the output folder of all workers."""

    output: Path

    @property
    def folder(self) -> Path:
        """Where the records and the locks lie."""
        return self.output / FOLDER

    def prepare(self) -> None:
        """Make the folder. Raises OutputError."""
        make_folder(self.folder)

    def lock_path(self, shard: str) -> Path:
        """Return the lock that one worker of a shard holds."""
        return self.folder / f"{shard.replace('/', '-of-')}.lock"

    def output_of(self, part: Part) -> Path:
        """Return the file that the forecasts of a part are written to."""
        return self.output / f"{part.name}.parquet"

    def look(self, part: Part, *, inputs: list[str], request: str) -> Done | None:
        """Return the record of a part that is done: inputs, request and output are those of the record."""
        found = self._read(part.name)
        if found is None or (found.inputs, found.request) != (inputs, request):
            return None
        if not found.num_rows:
            return found  # a worker that no series falls to
        try:
            return found if file_digest(self.output_of(part)) == found.sha256 else None
        except OSError:
            return None

    def check_parts(self, planned: Sequence[Part], *, by: ShardBy) -> tuple[str, ...]:
        """Note the outputs of files that are gone.

        Raises UsageError where outputs are of another number of workers, or of the same files under another name.
        """
        names = {part.name for part in planned}
        left = {path.stem for path in self.folder.glob("*.json")} - names
        # a worker that died before its record leaves an output alone
        alone = {path.stem for path in self.output.glob("*.parquet") if not path.name.startswith(".")} - names - left
        other = min((name for name in left | alone if _BY_ID.fullmatch(name) or by == "id"), default=None)
        other = other or self._renamed(sorted(left), planned)
        if other is not None:
            raise UsageError(
                f"the output `{self.output}` holds `{other}`, of other workers, another `--shard-by` or another `--data`: "
                "series would be there twice",
                hint="name another folder with `--output`, or empty this one",
                code="E_SHARD_OUTPUT",
            )
        return (f"the output holds {', '.join(sorted(left)[:3])} of files that are gone",) if left else ()

    def _renamed(self, left: Sequence[str], planned: Sequence[Part]) -> str | None:
        """Return the first of these records that is of a file which now has another name, None where there is none."""
        records = {name: done.inputs for name in left if (done := self._read(name)) is not None}
        if not records:
            return None
        present = {tuple(inputs_of(part)) for part in planned}
        return next((name for name, inputs in records.items() if tuple(inputs) in present), None)

    def add(self, done: Done) -> None:
        """Keep the record of a part whose output is on the disk. Raises OutputError."""
        stamped = {**asdict(done), "finished": datetime.now(UTC).isoformat(timespec="seconds")}
        replace_bytes(self.folder / f"{done.part}.json", json.dumps(stamped, indent=1, ensure_ascii=False).encode())

    def _read(self, name: str) -> Done | None:
        """Return the record of a part, None where there is none or it is damaged."""
        try:
            content = json.loads((self.folder / f"{name}.json").read_bytes())
            done = Done(**content)
        except (OSError, ValueError, TypeError, RecursionError):
            return None
        return done if done.is_sound and done.part == name else None


def inputs_of(part: Part) -> list[str]:
    """Return the name of each file of a part with what changes when it is written again. Raises InputError.

    Machines may see one folder under several paths, so the folder does not count.
    """
    return [f"{Path(path).name}: {state_of(path) if is_url(path) else _local_state(path)}" for path in part.paths]


def contents_of(data: Sequence[str | Path], *, option: str) -> list[str]:
    """Return for each file that all parts read its name and a digest of its content, or the state of an address.

    Raises InputError where it cannot be read, UsageError for what is not a file.
    """
    found = []
    for path in expand(data, dataset=True)[0] if data else ():
        if path == STDIN or is_database(path):
            raise UsageError(
                f"{option} `{public_path(path)}` is not a file: a shard cannot tell whether it changed",
                hint="write its rows to a file that all workers reach",
                code="E_INPUT_KIND",
            )
        try:
            state = state_of(path) if is_url(path) else file_digest(Path(path))
        except OSError as error:
            message = f"{option} {quoted_path(path)} cannot be read: {error.strerror}"
            raise InputError(message, hint="check the path and its permissions", code="E_INPUT_READ") from error
        found.append(f"{Path(path).name}: {state}")
    return found


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _local_state(path: str) -> str:
    try:
        found = os.stat(path)
    except OSError as error:
        message = f"{quoted_path(path)} is gone"
        raise InputError(message, hint="run the command again without it", code="E_INPUT_MISSING") from error
    return f"{found.st_size} bytes, {found.st_mtime_ns}"
