"""Which ledger: that of a model, or, for forecasts by `base`, the one of the file and its roles."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from rnnforecast.data.errors import quoted_path
from rnnforecast.data.sources import lasting_path
from rnnforecast.errors import ModelFileError
from rnnforecast.frozen import dataclass
from rnnforecast.model_io.base import BASE
from rnnforecast.store.ledger import Ledger, ledger_names
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.names import name_from_stem, split_spec

#: No name of a model has an `@`, so no ledger of a file takes the name of a model.
_OF_BASE = f"{BASE}@"


@dataclass(frozen=True)
class Selection:
    """The name and version to score."""

    name: str
    version: int | None
    note: str | None


def ledger_name(manifest: Manifest, *, query: str | None = None) -> str:
    """Return the name of the ledger: the model's, or for `base` one of the file, its query, its roles and frequency."""
    if manifest.version or not manifest.input.paths:
        return manifest.name
    stem = Path(manifest.input.paths[0]).name.removesuffix(".gz").rsplit(".", 1)[0]
    known = (manifest.input.paths, query, manifest.roles.model_dump(mode="json"), manifest.freq)
    digest = hashlib.sha256(json.dumps(known, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return f"{_OF_BASE}{name_from_stem(stem)[:80]}-{digest}"


def is_of_base(name: str) -> bool:
    """Tell whether a ledger has forecasts of `base`; one with the bare name is older than ledgers by file."""
    return name == BASE or name.startswith(_OF_BASE)


def choose_ledger(store: Path, model: str | None, data: Sequence[str | Path] | None) -> Selection:
    """Return the ledger of the named model or of these files, else the one with the newest forecasts.

    `base` has one for each file and its roles. Raises ModelFileError where no forecast was logged, or those of `base`
    are of several files, none of which is `data`.
    """
    name, version = (None, None) if model is None else split_spec(model)
    names = ledger_names(store)
    if name == BASE:
        names = [each for each in names if is_of_base(each)]
    elif name is not None:
        return Selection(name, version, None)
    if not names:
        raise nothing_logged(store, model)
    of_data = [each for each in names if data and _paths(store, each) == [lasting_path(str(path)) for path in data]]
    if data and not of_data and name == BASE and len(names) > 1:
        raise _of_other_files(store, names, data)
    newest = max(
        of_data or names, key=lambda each: max(part.stat().st_mtime_ns for part in Ledger(store, each).parts())
    )
    more = f", the newest of {len(names)} names" if len(names) > 1 and not of_data else ""
    return Selection(newest, version, f"forecasts of `{newest}`{more}" if newest != name else None)


def nothing_logged(store: Path, model: str | None) -> ModelFileError:
    """Return the error for a name without a logged forecast."""
    names = ledger_names(store)
    wanted = f" of `{model}`" if model else ""
    there = f"; there are forecasts of: {', '.join(f'`{name}`' for name in names[:8])}" if names else ""
    message = f"no logged forecast{wanted} in `{store}`{there}"
    hint = "`rnnforecast predict` logs its forecasts; name the store with `--store`"
    return ModelFileError(message, hint=hint, code="E_LEDGER_EMPTY")


def _of_other_files(store: Path, names: Sequence[str], data: Sequence[str | Path]) -> ModelFileError:
    files = ", ".join(quoted_path(path) for name in names[:8] for path in _paths(store, name)[:1])
    return ModelFileError(
        f"no logged forecast of `{BASE}` for {quoted_path(str(data[0]))}"
        f"{f'; there are forecasts for: {files}' if files else ''}",
        hint=f"name one of these files with `--data`, or its forecasts as the model: `rnnforecast score {names[-1]}`",
        code="E_LEDGER_EMPTY",
    )


def _paths(store: Path, name: str) -> list[str]:
    paths = Ledger(store, name).facts().get("paths")
    return [str(path) for path in paths] if isinstance(paths, list) else []
