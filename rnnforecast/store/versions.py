"""The stored versions of one model name, and the highest version number used so far."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import field, replace
from pathlib import Path

from rnnforecast.errors import ModelFileError
from rnnforecast.frozen import dataclass
from rnnforecast.store.active import MAX_VERSION, POINTER, Active, read_active, write_active
from rnnforecast.store.files import check_no_link, entries_of, flush_folder, remove_file, replace_bytes
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile, ShapeCheck, read_manifest, read_model
from rnnforecast.store.names import decode_name, encode_name

SUFFIX = ".safetensors"
COUNTER = "last-version"
_COUNTER = re.compile(rb"\s*(\d{1,9})\s*")
_MAX_COUNTER_BYTES = 64
_LEDGER_PART = re.compile(r"(\d{1,8})_-?\d{1,19}\.parquet")
#: Problems of files that begin as a model of this tool does.
_DAMAGED = ("E_MODEL_DAMAGED", "E_MODEL_DIGEST", "E_MODEL_TOO_NEW")
_VERSION_FILE = re.compile(r"([1-9]\d{0,8})\.safetensors")


@dataclass(frozen=True)
class StoredModel:
    """One version of a model: its path, and its manifest or, for a damaged file, the problem."""

    name: str
    version: int
    path: Path
    manifest: Manifest | None
    problem: ModelFileError | None = None
    is_active: bool = False
    stand_in: str | None = None  # the naive forecast that an active version serves in place of its networks

    @property
    def label(self) -> str:
        """`NAME@VERSION`, as every command takes it."""
        return f"{self.name}@{self.version}" if self.version else self.name

    @property
    def size_bytes(self) -> int:
        """Size of the file, 0 when it is gone."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def load(self, *, check_shapes: ShapeCheck | None = None) -> ModelFile:
        """Read and verify the whole file. Raises ModelFileError, also when it is another model than the store says."""
        model = read_model(self.path, check_shapes=check_shapes)
        if self.manifest is not None and model.manifest.payload_sha256 != self.manifest.payload_sha256:
            raise ModelFileError(
                f"`{self.path}` changed while it was read", hint="run the command again", code="E_MODEL_CHANGED"
            )
        return model


@dataclass(frozen=True)
class ModelVersions:
    """The folder of one name; it may hold files of others, which are never counted, read or removed."""

    folder: Path
    #: What was repaired, in words for the user; shared by all entries of a registry.
    repairs: list[str] = field(default_factory=list, compare=False)

    @property
    def name(self) -> str:
        """The name the folder was made for; one too long for a folder is read from a model."""
        name = decode_name(self.folder.name)
        if encode_name(name) != self.folder.name:
            for version in reversed(self.versions()):
                try:
                    written = read_manifest(self.path(version)).name
                except ModelFileError:
                    continue
                if encode_name(written) == self.folder.name:
                    return written
        return name

    def path(self, version: int) -> Path:
        """Return where a version lies."""
        return self.folder / f"{version}{SUFFIX}"

    def versions(self) -> list[int]:
        """Return the versions that are there, ascending. Raises ModelFileError where the folder is a link."""
        check_no_link(self.folder)
        try:
            found = [_VERSION_FILE.fullmatch(entry.name) for entry in entries_of(self.folder)]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            message = f"`{self.folder}` cannot be read: {(error.strerror or str(error)).lower()}"
            raise ModelFileError(message, hint="allow this user to read the store", code="E_MODEL_MISSING") from error
        return sorted(int(match[1]) for match in found if match)

    def look(self, version: int) -> StoredModel:
        """Read the header of a version; a damaged file is returned with its problem, nothing is raised."""
        path = self.path(version)
        try:
            check_no_link(path)
            manifest = read_manifest(path)
        except ModelFileError as error:
            return StoredModel(self.name, version, path, None, error)
        if encode_name(manifest.name) == self.folder.name and manifest.version == version:
            return StoredModel(manifest.name, version, path, manifest)
        problem = ModelFileError(
            f"`{path}` holds the model `{manifest.label}`: files of the store were swapped or renamed",
            hint=f"move it back to its place, or use it by its path: `{path}`",
            code="E_MODEL_SWAPPED",
        )
        return StoredModel(self.name, version, path, None, problem)

    def active(self) -> Active | None:
        """Return which version is active, the newest where none was ever chosen, None where there is no version.

        Raises ModelFileError for a damaged pointer, and for one to a version that is gone.
        """
        versions = self.versions()
        pointer = read_active(self.folder) if versions else None
        if pointer is None:
            return Active(versions[-1]) if versions else None
        if pointer.version not in versions:
            message = f"version {pointer.version} of `{self.name}` is the active one, and its file is gone"
            hint = f"`rnnforecast models promote {self.name}@{versions[-1]}` makes the newest one active"
            raise ModelFileError(message, hint=hint, code="E_MODEL_ACTIVE")
        return pointer

    def look_active(self) -> StoredModel:
        """Read the header of the active version; whatever is wrong comes back as its problem, nothing is raised."""
        try:
            active = self.active()
        except ModelFileError as error:
            return StoredModel(self.name, 0, self.folder / POINTER, None, error)
        if active is None:
            gone = ModelFileError(f"`{self.folder}` holds no version", hint="`rnnforecast models list` shows all")
            return StoredModel(self.name, 0, self.folder, None, gone)
        return replace(self.look(active.version), is_active=True, stand_in=active.served)

    def look_active_first(self) -> Iterator[StoredModel]:
        """Yield the active version, then the others from the newest on."""
        versions = self.versions()
        if not versions:
            return
        active = self.look_active()
        yield active
        for version in reversed(versions):
            if version != active.version:
                yield self.look(version)

    def pointer_if_valid(self) -> Active | None:
        """Return the pointer, None where it is missing or damaged."""
        try:
            return read_active(self.folder)
        except ModelFileError:
            return None

    def remove(self, versions: Sequence[int]) -> list[Path]:
        """Remove versions and return their files; call it under the lock of the store.

        The pointer moves first, so that it never leads to a file that is gone: to the version that was active before,
        else to the newest left. Raises OutputError, and ModelFileError before anything is removed where a file is not
        one of this name.
        """
        for version in versions:
            check_removable(self.look(version))
        self.note_version(self.last_version())
        left = [version for version in self.versions() if version not in versions]
        pointer = self.pointer_if_valid()
        if pointer is not None and left and pointer.version not in left:
            earlier = tuple(version for version in pointer.previous if version in left)
            target = earlier[-1] if earlier else left[-1]
            write_active(self.folder, Active(target, earlier[:-1], None, f"version {pointer.version} was removed"))
        elif not left:
            remove_file(self.folder / POINTER)
        paths = [self.path(version) for version in versions]
        for path in paths:
            remove_file(path)
        flush_folder(self.folder)
        return paths

    def last_version(self) -> int:
        """Return the highest version ever given, 0 before the first; a damaged counter is replaced by what is known.

        Known are the versions stored, those that were active, and those with logged forecasts. Raises ModelFileError
        where the counter cannot be read, or no number is left.
        """
        path = self.folder / COUNTER
        try:
            with path.open("rb") as stream:
                text = stream.read(_MAX_COUNTER_BYTES)
        except (FileNotFoundError, NotADirectoryError):
            text = b"0"
        except OSError as error:
            message = f"`{path}` does not hold the number of the last version: {(error.strerror or str(error)).lower()}"
            hint = "move it away: the next training writes it anew"
            raise ModelFileError(message, hint=hint, code="E_MODEL_COUNTER") from error
        found = _COUNTER.fullmatch(text)
        known = self.versions()
        if found is not None and int(found[1]) < MAX_VERSION:
            last = max([int(found[1]), *known])
        else:
            last = max([0, *known, *self._versions_on_record()])
            note = f"`{path}` was damaged and is repaired: the last version of `{self.name}` is {last}"
            if note not in self.repairs:
                self.repairs.append(note)
        if last >= MAX_VERSION:
            message = f"`{self.name}` has no version number left after {last}"
            hint = f"move `{self.path(last)}` away, or train under another name with `--name`"
            raise ModelFileError(message, hint=hint, code="E_MODEL_COUNTER")
        return last

    def _versions_on_record(self) -> list[int]:
        """Return the versions that the pointer and the ledger name, whether or not they are still stored."""
        pointer = self.pointer_if_valid()
        versions = [] if pointer is None else [pointer.version, *pointer.previous]
        try:
            parts = [path.name for path in entries_of(self.folder.parent.parent / "ledger" / self.folder.name)]
        except OSError:
            parts = []
        return versions + [int(match[1]) for part in parts if (match := _LEDGER_PART.fullmatch(part))]

    def note_version(self, version: int) -> None:
        """Remember that this version was given. Raises OutputError."""
        replace_bytes(self.folder / COUNTER, f"{version}\n".encode("ascii"))


def check_removable(stored: StoredModel) -> None:
    """Raise ModelFileError for a file that is not one of its name: a link, another model, another kind of file.

    A damaged model of this tool passes: it was named by the user, who could not remove it otherwise.
    """
    problem = stored.problem
    if problem is not None and problem.code not in _DAMAGED:
        message = f"`{stored.path}` is not removed, it is not a version of `{stored.name}`: {problem.message}"
        raise ModelFileError(message, hint="look at the file, and move or delete it by hand", code="E_MODEL_NOT_OURS")
