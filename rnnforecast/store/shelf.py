"""One name in the store: its folder, its versions, and the highest version ever given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from rnnforecast.errors import ModelFileError
from rnnforecast.store.files import replace_file
from rnnforecast.store.model_file import ModelFile, read_manifest, read_model
from rnnforecast.store.names import decode_name, encode_name

if TYPE_CHECKING:
    from rnnforecast.store.manifest import Manifest
    from rnnforecast.store.model_file import ShapeCheck

SUFFIX = ".safetensors"
COUNTER = "last-version"
_VERSION_FILE = re.compile(r"([1-9]\d{0,8})\.safetensors")


@dataclass(frozen=True)
class StoredModel:
    """One version of a model: where it lies, and its manifest or, where the file is refused, the problem."""

    name: str
    version: int
    path: Path
    manifest: Manifest | None
    problem: ModelFileError | None = None

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
class Shelf:
    """The folder of one name; it may hold files of others, which are never counted, read or removed."""

    folder: Path

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
        """Return the versions that are there, ascending."""
        try:
            found = [_VERSION_FILE.fullmatch(entry.name) for entry in self.folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise ModelFileError(
                f"`{self.folder}` cannot be read: {(error.strerror or str(error)).lower()}",
                hint="allow this user to read the store",
                code="E_MODEL_MISSING",
            ) from error
        return sorted(int(match[1]) for match in found if match)

    def look(self, version: int) -> StoredModel:
        """Read the header of a version; a file that is refused comes back with its problem, nothing is raised."""
        path = self.path(version)
        try:
            manifest = read_manifest(path)
        except ModelFileError as refusal:
            return StoredModel(self.name, version, path, None, refusal)
        if encode_name(manifest.name) == self.folder.name and manifest.version == version:
            return StoredModel(manifest.name, version, path, manifest)
        problem = ModelFileError(
            f"`{path}` holds the model `{manifest.label}`: files of the store were swapped or renamed",
            hint=f"move it back to its place, or use it by its path: `{path}`",
            code="E_MODEL_SWAPPED",
        )
        return StoredModel(self.name, version, path, None, problem)

    def last_version(self) -> int:
        """Return the highest version ever given, 0 before the first. Raises ModelFileError."""
        path = self.folder / COUNTER
        try:
            counter = int(path.read_text("ascii"))
        except FileNotFoundError:
            counter = 0
        except (OSError, ValueError) as error:
            raise ModelFileError(
                f"`{path}` does not hold the number of the last version",
                hint="write the highest version ever stored into it",
                code="E_MODEL_COUNTER",
            ) from error
        return max([counter, *self.versions()])

    def note_version(self, version: int) -> None:
        """Remember that this version was given. Raises OutputError."""
        text = f"{version}\n".encode("ascii")

        def write(stream: BinaryIO) -> None:
            stream.write(text)

        replace_file(self.folder / COUNTER, write)
