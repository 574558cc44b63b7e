"""List, show, verify, promote, roll back, prune and remove stored models."""

from __future__ import annotations

import hashlib
import string
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.members import ENSEMBLE
from rnnforecast.model_io.pack import check_manifest, check_shapes, check_values
from rnnforecast.model_io.train_stats import recall
from rnnforecast.store import promotion
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile
from rnnforecast.store.registry import Registry
from rnnforecast.store.versions import StoredModel, check_removable
from rnnforecast.workflows.results import ModelResult, ModelsResult


def list_models(store: str | Path | None = None) -> ModelsResult:
    """Return every stored version, oldest version of a name first; a damaged file is listed with its problem."""
    registry = Registry(store)
    rows = tuple(row_of(_with_problem(stored)) for stored in registry.list())
    notes = (*_skipped_links(registry), *_pointer_problems(registry))
    return ModelsResult(str(registry.store), "list", rows, notes=notes)


def show_model(spec: str | None = None, *, store: str | Path | None = None) -> ModelResult:
    """Return the manifest of one model (default: the newest). Raises ModelFileError for an unknown or damaged one."""
    stored = Registry(store).resolve(spec)
    return ModelResult(stored.label, str(stored.path), _read(stored).manifest.to_dict())


def load_model(spec: str | None = None, *, store: str | Path | None = None) -> ModelFile:
    """Return a stored model (default: the newest), or the one in a `.safetensors` file, verified to the last byte."""
    return _read(Registry(store).resolve(spec))


def verify_models(
    specs: Sequence[str] = (), *, expect_digest: str | None = None, store: str | Path | None = None
) -> ModelsResult:
    """Read every byte of the named models (default: all) and report each as `ok` or with its `problem`.

    `expect_digest` is the SHA-256 that the file of the one model named must have: any other file,
    even a valid one, is a problem. Raises UsageError for an invalid digest, and if `specs` is not exactly one model.
    """
    registry = Registry(store)
    found = [stored for spec in (specs or (None,)) for stored in registry.verify(spec, read=_read)]
    if expect_digest is not None:
        found = [_expect(found, expect_digest.strip().lower())]
    return ModelsResult(str(registry.store), "verify", tuple(row_of(stored) for stored in found))


def promote_model(spec: str, *, store: str | Path | None = None) -> ModelsResult:
    """Make `NAME@VERSION` the version that `NAME` means; a bare `NAME` takes its newest version."""
    registry = Registry(store)
    return _changed(registry, "promote", promotion.promote(registry, spec, reason="promoted by hand"))


def rollback_model(name: str, *, store: str | Path | None = None) -> ModelsResult:
    """Reactivate the previously active version of `NAME`."""
    registry = Registry(store)
    return _changed(registry, "rollback", promotion.rollback(registry, name))


def prune_models(
    names: Sequence[str] = (), *, keep: int, dry_run: bool = False, store: str | Path | None = None
) -> ModelsResult:
    """Remove all but the newest `keep` versions and the active one of the named models (default: of all)."""
    registry = Registry(store)
    gone = promotion.prune(registry, names, keep=keep, dry_run=dry_run)
    notes = ["nothing was removed: this was a dry run"] if dry_run and gone else []
    notes += [] if names else _skipped_links(registry)
    left = promotion.unproven(registry, names)
    notes += [f"`{stored.path}` was left: {stored.problem.message}" for stored in left if stored.problem is not None]
    return ModelsResult(
        str(registry.store), "prune", tuple(row_of(stored) for stored in gone), notes=(*notes, *registry.repairs)
    )


def remove_models(specs: Sequence[str], *, store: str | Path | None = None) -> ModelsResult:
    """Remove `NAME@VERSION`, or all versions of `NAME`; unknown names are rejected before anything is removed."""
    registry = Registry(store)
    rows = find_models(specs, store=store).models
    for row in rows:
        registry.remove(str(row["model"]))
    return ModelsResult(str(registry.store), "remove", rows, notes=tuple(registry.repairs))


def find_models(specs: Sequence[str], *, store: str | Path | None = None) -> ModelsResult:
    """Return what `remove_models` would remove. Raises ModelFileError for an unknown model or a file of another."""
    registry = Registry(store)
    found: dict[str, StoredModel] = {}
    listed = registry.list()
    for spec in specs:
        matching = [each for each in listed if spec in (each.name, each.label)]
        if not matching:
            registry.resolve(spec)  # raises, and names what there is
        found.update({str(each.path): each for each in matching})
    for each in found.values():
        check_removable(each)
    return ModelsResult(str(registry.store), "list", tuple(row_of(stored) for stored in found.values()))


def _with_problem(stored: StoredModel) -> StoredModel:
    if stored.manifest is None or _is_base(stored.manifest):
        return stored
    try:
        check_manifest(stored.manifest)
    except ModelFileError as problem:
        return replace(stored, manifest=None, problem=problem)
    return stored


def _is_base(manifest: Manifest) -> bool:
    """Tell whether a manifest is that of the pretrained model of the package, which has neither rows nor a frequency."""
    return not manifest.freq and not manifest.roles.target


def _read(stored: StoredModel) -> ModelFile:
    """Read every byte of a model and check all that a forecast uses. Raises ModelFileError."""
    model = stored.load(check_shapes=check_shapes)
    if not _is_base(model.manifest):
        check_values(model)
        recall(model)
    return model


def _expect(found: Sequence[StoredModel], digest: str) -> StoredModel:
    """Return the one model, with the problem where its file has another digest."""
    if len(digest) != hashlib.sha256().digest_size * 2 or set(digest) - set(string.hexdigits):
        raise UsageError(
            f"`{digest}` is not a SHA-256 digest", hint="give the 64 hexadecimal digits that `sha256sum FILE` prints"
        )
    if len(found) != 1:
        raise UsageError(
            f"one digest was given for {len(found)} models", hint="name one version, `NAME@VERSION`, or one file"
        )
    with found[0].path.open("rb") as file:
        has = hashlib.file_digest(file, "sha256").hexdigest()
    if has == digest or found[0].problem is not None:
        return found[0]
    problem = ModelFileError(
        f"another file than expected: its SHA-256 is {has}",
        hint="fetch the model again from where it was made",
        code="E_MODEL_DIGEST",
    )
    return replace(found[0], problem=problem)


def _changed(registry: Registry, action: str, change: promotion.Change) -> ModelsResult:
    active = change.active
    before = f", before it was {active.name}@{change.before}" if change.before is not None else ""
    same = change.before == active.version
    note = f"{active.label} was active already" if same else f"`{active.name}` now means {active.label}{before}"
    return ModelsResult(str(registry.store), action, (row_of(active),), notes=(note, *registry.repairs))


def _skipped_links(registry: Registry) -> list[str]:
    return [f"`{link}` was skipped: it is a symbolic link, and none is followed" for link in registry.links()]


def _pointer_problems(registry: Registry) -> Iterator[str]:
    """Yield the names whose active version is unknown, and the fix."""
    for entry in registry.entries():
        try:
            entry.active()
        except ModelFileError as problem:
            yield f"{problem.message} ({problem.hint})"


def row_of(stored: StoredModel) -> dict[str, object]:
    """Return what is shown of a stored model."""
    problem = stored.problem
    return {
        "model": stored.label,
        "path": str(stored.path),
        "size_bytes": stored.size_bytes,
        "active": stored.is_active,
        "ok": problem is None,
        "problem": None if problem is None else problem.message,
        **_summary(stored.manifest),
        **({"served": stored.stand_in} if stored.stand_in else {}),
    }


def _summary(manifest: Manifest | None) -> dict[str, object]:
    if manifest is None:
        return dict.fromkeys(("created", "freq", "horizon", "num_series", "target", "mase", "outcome", "served"))
    network = manifest.metrics.get(ENSEMBLE)
    return {
        "created": manifest.created,
        "freq": manifest.assumptions.get("freq"),
        "horizon": manifest.horizon,
        "num_series": manifest.input.num_series,
        "target": list(manifest.roles.target),
        "mase": network.get("mase") if isinstance(network, Mapping) else None,
        "outcome": (manifest.verdict or {}).get("outcome"),
        "served": manifest.served,
    }
