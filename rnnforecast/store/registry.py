"""The store: every trained model under its name and a unique version.

```text
.rnnforecast/                     in the working folder, or `--store`, or RNNFORECAST_STORE
├── models.lock                   held while a version is added, removed or made active
├── models/<encoded name>/
│   ├── active                    which version is served, see `store/active`
│   ├── last-version              highest number ever given, so that a removed version does not come back
│   └── <version>.safetensors
└── ledger/<encoded name>/        every logged forecast, see `store/ledger`
```
"""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.findings import JSONValue
from rnnforecast.store.active import Active, read_active, write_active
from rnnforecast.store.files import (
    check_no_link,
    check_owner,
    check_writable,
    entries_of,
    lock,
    make_folder,
    sweep_temporaries,
)
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile, read_manifest, write_model
from rnnforecast.store.names import check_name, encode_name, split_spec
from rnnforecast.store.versions import COUNTER, SUFFIX, ModelVersions, StoredModel

# The class has a method `list`, which hides the type of that name from its annotations.
Models = list[StoredModel]
Paths = list[Path]
EntryList = list[ModelVersions]

STORE_VARIABLE = "RNNFORECAST_STORE"
DEFAULT_STORE = ".rnnforecast"

_WAIT_SECONDS = 60.0
_MAX_LISTED = 8
_PACKED = frozenset({".gz", ".bz2", ".xz", ".zst", ".zip"})
#: Suffixes of data files; an unknown model name with one of them is meant as a file.
DATA_SUFFIXES = _PACKED | {".csv", ".tsv", ".txt", ".dat", ".parquet", ".pq", ".feather", ".xlsx", ".json"}


def default_store() -> Path:
    """Return the store that is used when none is named: RNNFORECAST_STORE or `.rnnforecast` in the working folder."""
    return Path(os.environ.get(STORE_VARIABLE) or DEFAULT_STORE)


class Registry:
    """The models of one store. Reading never takes the lock and never writes; a missing store is an empty one.

    Raises ModelFileError for a store that belongs to somebody else and may be written by everyone.
    """

    def __init__(self, store: str | Path | None = None) -> None:
        self.store = Path(store or default_store())
        self.repairs: list[str] = []  # of this registry, in words for the user
        check_owner(self.store)
        self._models = self.store / "models"
        self._lock_path = self.store / "models.lock"

    def locked(self) -> AbstractContextManager[None]:
        """Hold the store for a change; raises LockedError when another run keeps it for a minute."""
        return lock(self._lock_path, wait_seconds=_WAIT_SECONDS)

    def check_writable(self, name: str) -> None:
        """Check before training that a model of this name can be stored.

        Raises UsageError, OutputError, and ModelFileError where the active version is unknown.
        """
        check_name(name)
        entry = self._entry(name)
        entry.active()
        entry.last_version()
        make_folder(entry.folder)
        check_writable(entry.folder / COUNTER)

    def add(self, model: ModelFile, *, activate: bool = True, reason: str = "") -> StoredModel:
        """Store a model as the next version of the name in its manifest; existing versions stay.

        The new version becomes active unless `activate` is false; a first version always does.
        `version` and `created` of the manifest are set here. Raises UsageError for a name that cannot be, LockedError
        when another run keeps the store locked for a minute, OutputError when writing fails.
        """
        name = model.manifest.name
        check_name(name)
        entry = self._entry(name)
        make_folder(entry.folder)
        with self.locked():
            sweep_temporaries(entry.folder)
            versions = entry.versions()
            version = entry.last_version() + 1
            created = datetime.now(UTC).isoformat(timespec="microseconds")
            manifest = model.manifest.model_copy(update={"version": version, "created": created})
            is_active = activate or not versions
            before = entry.pointer_if_valid() or (Active(versions[-1]) if versions else None)
            if not is_active and before is not None and read_active(entry.folder) is None:
                write_active(entry.folder, before)  # without it the newest, and so this one, would count
            # The number is taken first: killed in between, a version is skipped, never given twice.
            entry.note_version(version)
            written = write_model(entry.path(version), replace(model, manifest=manifest))
            if is_active:
                write_active(
                    entry.folder,
                    before.followed_by(version, reason=reason) if before else Active(version, (), None, reason),
                )
        return StoredModel(name, version, entry.path(version), written, is_active=is_active)

    def remove(self, spec: str) -> Paths:
        """Remove `NAME@VERSION`, or every version of `NAME`, and return the files that are gone.

        Where the active version goes, the one that was active before it is active again, else the newest left.
        Raises ModelFileError for an unknown model, UsageError for a path, OutputError when writing fails.
        """
        if is_path(spec):
            raise UsageError(
                f"`{spec}` is a file, models are removed by name", hint="`rnnforecast models remove NAME@VERSION`"
            )
        entry, _ = self.select(spec)
        with self.locked():
            sweep_temporaries(entry.folder)
            _, versions = self.select(spec)
            return entry.remove(versions)

    def list(self) -> Models:
        """Return every version of every model by name and version; only headers are read.

        A damaged file is listed with its problem.
        """
        found: Models = []
        for entry in self.entries():
            active = entry.look_active()
            found += [active if active.version == version else entry.look(version) for version in entry.versions()]
        return sorted(found, key=lambda stored: (stored.name, stored.version))

    def names(self) -> Sequence[str]:
        """Return the names that have at least one version, sorted."""
        return sorted(entry.name for entry in self.entries() if entry.versions())

    def resolve(self, spec: str | None = None) -> StoredModel:
        """Find a model: the newest active one, the active version of `NAME`, `NAME@VERSION`, or a `.safetensors` path.

        Raises ModelFileError for an unknown model, and for one whose file is damaged: it is never silently replaced
        by an older version.
        """
        if spec is not None and is_path(spec):
            check_owner(Path(spec))
            return checked(_look_at_file(Path(spec)))
        if spec is not None:
            entry, versions = self.select(spec)
            is_bare = split_spec(spec)[1] is None
            return checked(entry.look_active() if is_bare else entry.look(versions[-1]))
        newest = [entry.look_active() for entry in self.entries() if entry.versions()]
        if not newest:
            raise self._empty()
        return checked(max(newest, key=_age))

    def find_for_data(
        self, path: str | Path, *, columns: Sequence[str], freq: Mapping[str, JSONValue] | None = None
    ) -> StoredModel | None:
        """Return the newest model trained on a file of that name with these columns (any order) and this frequency.

        Of each name the active version is looked at first, then the others from the newest on. None where there is
        none. Raises ModelFileError when a damaged version may be newer than the one that fits.
        """
        fitting: Models = []
        for entry in self.entries():
            damaged: StoredModel | None = None
            for stored in entry.look_active_first():
                if stored.manifest is None:
                    damaged = damaged or stored
                elif _was_trained_on(stored.manifest, Path(path).name, set(columns), freq):
                    fitting.append(damaged or stored)
                    break
        return checked(max(fitting, key=_age)) if fitting else None

    def verify(self, spec: str | None = None, *, read: Callable[[StoredModel], object] = StoredModel.load) -> Models:
        """Read every byte of all models, of every version of `NAME`, of `NAME@VERSION` or of a file, by `read`.

        Returns one entry a file, `problem` saying what is wrong. Raises ModelFileError for an unknown model.
        """
        if spec is None:
            found = self.list()
        elif is_path(spec):
            found = [_look_at_file(Path(spec))]
        else:
            entry, versions = self.select(spec)
            found = [entry.look(version) for version in versions]
        return [verify_stored(stored, read) for stored in found]

    def _entry(self, name: str) -> ModelVersions:
        return ModelVersions(self._models / encode_name(name), self.repairs)

    def entries(self) -> EntryList:
        """Return the folders of all names, those without a version too, but no links. Raises ModelFileError."""
        return [ModelVersions(folder, self.repairs) for folder in self._folders() if not folder.is_symlink()]

    def links(self) -> Paths:
        """Return the links among the folders of names: nothing behind them is read, changed or removed."""
        return [folder for folder in self._folders() if folder.is_symlink()]

    def _folders(self) -> Paths:
        check_no_link(self._models / "any")
        try:
            return sorted(entries_of(self._models))
        except FileNotFoundError:
            return []
        except NotADirectoryError as error:
            message = f"the store `{self.store}` is a file, not a folder"
            raise ModelFileError(message, hint="name a folder with `--store`", code="E_MODEL_MISSING") from error
        except OSError as error:
            message = f"the store `{self.store}` cannot be read: {(error.strerror or str(error)).lower()}"
            hint = "allow this user to read it or name another with `--store`"
            raise ModelFileError(message, hint=hint, code="E_MODEL_MISSING") from error

    def select(self, spec: str) -> tuple[ModelVersions, Sequence[int]]:
        """Return the entry and the versions of a spec, ascending and never empty. Raises ModelFileError."""
        name, version = split_spec(spec)
        entry = self._entry(name)
        versions = entry.versions()
        if not versions:
            raise self._unknown(name)
        if version is None:
            return entry, versions
        if version not in versions:
            message = f"model `{name}` has no version {version}; there are: {_enumerate(map(str, versions))}"
            hint = f"`rnnforecast models show {name}` shows the newest"
            raise ModelFileError(message, hint=hint, code="E_MODEL_UNKNOWN")
        return entry, [version]

    def _unknown(self, name: str) -> ModelFileError:
        if _names_data(name):
            return ModelFileError(
                f"no model named `{name}` in the store `{self.store}`: that is a file of rows, or named like one",
                hint="`rnnforecast models list` shows the models; `predict` and `score` take rows with "
                f"`--data {shlex.quote(name)}`, `evaluate` and `report` after the model",
                code="E_MODEL_UNKNOWN",
            )
        names = self.names()
        if not names:
            return self._empty(name)
        near = difflib.get_close_matches(name, names, n=1)
        guess = f", did you mean `{near[0]}`?" if near else ";"
        message = f"no model named `{name}` in the store `{self.store}`{guess} there are: {_enumerate(names)}"
        hint = "`rnnforecast models list` shows all models with their versions"
        return ModelFileError(message, hint=hint, code="E_MODEL_UNKNOWN")

    def _empty(self, name: str | None = None) -> ModelFileError:
        wanted = f"no model named `{name}`: " if name else ""
        return ModelFileError(
            f"{wanted}no model is stored in `{self.store}`",
            hint="train one with `rnnforecast train DATA`, forecast without one with `rnnforecast predict --data FILE`, "
            "or name the store with `--store`",
            code="E_MODEL_UNKNOWN",
        )


def is_path(spec: str) -> bool:
    """Tell whether a spec names a file and not a model of the store."""
    return spec.endswith(SUFFIX)


def _names_data(word: str) -> bool:
    """Tell whether a word that names no model is a file that is there, or ends as files of rows do."""
    if Path(word.lower()).suffix in DATA_SUFFIXES:
        return True
    try:
        return Path(word).is_file()
    except (OSError, ValueError):  # too long a name for the disk, or a NUL in it
        return False


def _look_at_file(path: Path) -> StoredModel:
    try:
        manifest = read_manifest(path)
    except ModelFileError as problem:
        return StoredModel(path.stem, 0, path, None, problem)
    return StoredModel(manifest.name or path.stem, manifest.version, path, manifest)


def checked(stored: StoredModel) -> StoredModel:
    """Return a stored model, or raise the problem of its file."""
    if stored.problem is not None:
        raise stored.problem
    return stored


def verify_stored(stored: StoredModel, read: Callable[[StoredModel], object] = StoredModel.load) -> StoredModel:
    """Read every byte of a stored model and return it, with the problem where there is one."""
    if stored.problem is not None:
        return stored
    try:
        read(stored)
    except ModelFileError as problem:
        return replace(stored, problem=problem)
    return stored


def _age(stored: StoredModel) -> tuple[str, str, int]:
    """Sort key of newest-last; a file whose manifest is unreadable counts by the time it was written."""
    if stored.manifest is not None:
        created = stored.manifest.created
    else:
        try:
            written = stored.path.stat().st_mtime
        except OSError:
            written = 0.0
        created = datetime.fromtimestamp(written, UTC).isoformat(timespec="microseconds")
    return created, stored.name, stored.version


def _was_trained_on(
    manifest: Manifest, file_name: str, columns: set[str], freq: Mapping[str, JSONValue] | None
) -> bool:
    names = {Path(each).name for each in manifest.input.paths}
    same_freq = freq is None or dict(manifest.freq) == dict(freq)
    return file_name in names and set(manifest.input.columns) == columns and same_freq


def _enumerate(words: Iterable[str]) -> str:
    listed = [*words]
    more = f" and {len(listed) - _MAX_LISTED} more" if len(listed) > _MAX_LISTED else ""
    return ", ".join(f"`{word}`" for word in listed[:_MAX_LISTED]) + more
