"""Changing which version is active, and removing old ones: promote, rollback, prune."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.frozen import dataclass
from rnnforecast.store.active import Active, write_active
from rnnforecast.store.files import sweep_temporaries
from rnnforecast.store.names import split_spec
from rnnforecast.store.registry import Registry, checked, is_path, verify_stored
from rnnforecast.store.versions import ModelVersions, StoredModel


@dataclass(frozen=True)
class Change:
    """What is active now, and which version was before (None: none that could be read)."""

    active: StoredModel
    before: int | None


def promote(registry: Registry, spec: str, *, stand_in: str | None = None, reason: str = "") -> Change:
    """Make `NAME@VERSION` (bare `NAME`: its newest version) the active one; a damaged file is rejected.

    `stand_in` names a naive forecast that is served in place of its networks. Raises ModelFileError,
    UsageError for a path, LockedError, OutputError.
    """
    if is_path(spec):
        raise UsageError(f"`{spec}` is a file, models are promoted by name", hint="name it as `NAME@VERSION`")
    entry, _ = registry.select(spec)
    with registry.locked():
        sweep_temporaries(entry.folder)
        _, versions = registry.select(spec)
        chosen = checked(verify_stored(entry.look(versions[-1])))
        before = _active_if_valid(entry)
        now = (before or Active(chosen.version)).followed_by(chosen.version, reason=reason)
        write_active(entry.folder, replace(now, served=stand_in))
    return Change(replace(chosen, is_active=True, stand_in=stand_in), before=None if before is None else before.version)


def rollback(registry: Registry, name: str) -> Change:
    """Reactivate the previously active version; where none is recorded, the next older one.

    Raises ModelFileError where there is none to go back to, where its file is damaged, or for an unknown name.
    """
    if is_path(name) or split_spec(name)[1] is not None:
        raise UsageError(
            f"`{name}` is not a bare name", hint="`rnnforecast models promote NAME@VERSION` names a version"
        )
    entry, _ = registry.select(name)
    with registry.locked():
        sweep_temporaries(entry.folder)
        _, versions = registry.select(name)
        active = entry.active() or Active(versions[-1])
        earlier = [version for version in active.previous if version in versions and version != active.version]
        earlier = earlier or [version for version in versions if version < active.version]
        if not earlier:
            message = f"there is no earlier version of `{name}` to go back to: only version {active.version} was active"
            hint = "`rnnforecast models list` shows all; `rnnforecast models promote NAME@VERSION` takes any"
            raise ModelFileError(message, hint=hint, code="E_MODEL_UNKNOWN")
        target = checked(verify_stored(entry.look(earlier[-1])))
        write_active(
            entry.folder, Active(target.version, tuple(earlier[:-1]), None, f"rolled back from {active.version}")
        )
    return Change(replace(target, is_active=True), before=active.version)


def prune(registry: Registry, names: Sequence[str] = (), *, keep: int, dry_run: bool = False) -> list[StoredModel]:
    """Remove all but the newest `keep` versions of each name and the active one; return what goes (or would go).

    Links, and files that are damaged or of another model, neither go nor count: see `unproven`.

    Raises UsageError for a `keep` below 1, ModelFileError for an unknown name or a damaged pointer.
    """
    if keep < 1:
        raise UsageError(f"`--keep {keep}` would leave nothing", hint="keep at least 1 version")
    entries = [registry.select(name)[0] for name in names] if names else registry.entries()
    surplus = [stored for entry in entries for stored in _surplus(entry, keep)]
    if dry_run or not surplus:
        return surplus
    gone: list[StoredModel] = []
    with registry.locked():
        for entry in entries:
            sweep_temporaries(entry.folder)
            stored_now = _surplus(entry, keep)
            if stored_now:
                entry.remove([stored.version for stored in stored_now])
            gone += stored_now
    return gone


def unproven(registry: Registry, names: Sequence[str] = ()) -> list[StoredModel]:
    """Return the files named as versions that are not proven to be one, with their problem; `prune` leaves them."""
    entries = [registry.select(name)[0] for name in names] if names else registry.entries()
    found = [entry.look(version) for entry in entries for version in entry.versions()]
    return [stored for stored in found if stored.problem is not None]


def _active_if_valid(entry: ModelVersions) -> Active | None:
    """Return which version is active, None where the pointer is damaged and will be rewritten."""
    try:
        return entry.active()
    except ModelFileError as problem:
        entry.repairs.append(f"the record of the active version of `{entry.name}` was replaced: {problem.message}")
        return None


def _surplus(entry: ModelVersions, keep: int) -> list[StoredModel]:
    """Return the versions that are neither among the newest nor active. Raises ModelFileError for a damaged pointer."""
    active = entry.active()
    proven = [stored for version in entry.versions() if (stored := entry.look(version)).problem is None]
    return [stored for stored in proven[:-keep] if active is None or stored.version != active.version]
