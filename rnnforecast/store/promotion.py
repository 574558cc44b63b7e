"""Changing which version is active, and removing old ones: promote, rollback, prune."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.store.active import Active, write_active
from rnnforecast.store.files import sweep_temporaries
from rnnforecast.store.names import split_spec
from rnnforecast.store.registry import is_path, sound, verify_stored

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.store.registry import Registry
    from rnnforecast.store.versions import Shelf, StoredModel


@dataclass(frozen=True)
class Change:
    """What is active now, and which version was before (None: none that could be read)."""

    active: StoredModel
    before: int | None


def promote(registry: Registry, spec: str, *, stand_in: str | None = None, reason: str = "") -> Change:
    """Make `NAME@VERSION` (bare `NAME`: its newest version) the active one; a damaged file is never promoted.

    `stand_in` names a naive forecast that is served in place of its networks. Raises ModelFileError,
    UsageError for a path, LockedError, OutputError.
    """
    if is_path(spec):
        raise UsageError(f"`{spec}` is a file, models are promoted by name", hint="name it as `NAME@VERSION`")
    shelf, _ = registry.select(spec)
    with registry.locked():
        sweep_temporaries(shelf.folder)
        _, versions = registry.select(spec)
        chosen = sound(verify_stored(shelf.look(versions[-1])))
        before = _active_if_sound(shelf)
        now = (before or Active(chosen.version)).followed_by(chosen.version, reason=reason)
        write_active(shelf.folder, replace(now, served=stand_in))
    return Change(replace(chosen, is_active=True, stand_in=stand_in), before=None if before is None else before.version)


def rollback(registry: Registry, name: str) -> Change:
    """Make the version active again that was active before; without such a memory the next older one.

    Raises ModelFileError where there is none to go back to, where its file is refused, or for an unknown name.
    """
    if is_path(name) or split_spec(name)[1] is not None:
        raise UsageError(f"`{name}` is no bare name", hint="`rnnforecast models promote NAME@VERSION` names a version")
    shelf, _ = registry.select(name)
    with registry.locked():
        sweep_temporaries(shelf.folder)
        _, versions = registry.select(name)
        active = shelf.active() or Active(versions[-1])
        earlier = [version for version in active.previous if version in versions and version != active.version]
        earlier = earlier or [version for version in versions if version < active.version]
        if not earlier:
            raise ModelFileError(
                f"there is no earlier version of `{name}` to go back to: only version {active.version} was active",
                hint="`rnnforecast models list` shows all; `rnnforecast models promote NAME@VERSION` takes any",
                code="E_MODEL_UNKNOWN",
            )
        target = sound(verify_stored(shelf.look(earlier[-1])))
        write_active(
            shelf.folder, Active(target.version, tuple(earlier[:-1]), None, f"rolled back from {active.version}")
        )
    return Change(replace(target, is_active=True), before=active.version)


def prune(registry: Registry, names: Sequence[str] = (), *, keep: int, dry_run: bool = False) -> list[StoredModel]:
    """Remove all but the newest `keep` versions of each name and the active one; return what goes (or would go).

    Raises UsageError for a `keep` below 1, ModelFileError for an unknown name or a damaged pointer.
    """
    if keep < 1:
        raise UsageError(f"`--keep {keep}` would leave nothing", hint="keep at least 1 version")
    shelves = [registry.select(name)[0] for name in names] if names else registry.shelves()
    surplus = [stored for shelf in shelves for stored in _surplus(shelf, keep)]
    if dry_run or not surplus:
        return surplus
    gone: list[StoredModel] = []
    with registry.locked():
        for shelf in shelves:
            sweep_temporaries(shelf.folder)
            stored_now = _surplus(shelf, keep)
            if stored_now:
                shelf.remove([stored.version for stored in stored_now])
            gone += stored_now
    return gone


def _active_if_sound(shelf: Shelf) -> Active | None:
    """Return which version is active, None where nobody can tell: it is written anew."""
    try:
        return shelf.active()
    except ModelFileError:
        return None


def _surplus(shelf: Shelf, keep: int) -> list[StoredModel]:
    """Return the versions that are neither among the newest nor active. Raises ModelFileError for a damaged pointer."""
    active = shelf.active()
    old = shelf.versions()[:-keep]
    return [shelf.look(version) for version in old if active is None or version != active.version]
