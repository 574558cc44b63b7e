"""Which model: the one that is named, the newest that fits the data, or `base`."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rnnforecast.config import DataSettings
from rnnforecast.data.sources import expand, public_path
from rnnforecast.data.tables.in_memory import IN_MEMORY
from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.model_io.base import BASE
from rnnforecast.model_io.pack import check_shapes, check_values
from rnnforecast.options import SETTINGS
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile
from rnnforecast.store.registry import Registry
from rnnforecast.store.versions import StoredModel

BASE_NOTE = f"`{BASE}` forecasts zero-shot: pretrained on synthetic series, not trained on these rows"
#: The commands for models of categories.
CATEGORIES_TAKEN = "`predict`, `evaluate`, `report`, `script` and `models show`"
#: Reading settings that a forecast may set again; all others are those of the training.
FREE_SETTINGS = (
    *("horizon", "resample", "aggregate", "future_data", "floor", "cap", "bounds", "align"),
    *("query", "wait", "max_bytes", "dataset"),
)


def choose_model(
    model: str | None, *, data: Sequence[str | Path] | None, store: str | Path | None, reading: DataSettings | None
) -> tuple[StoredModel | None, tuple[str, ...]]:
    """Return the stored model, or None for `base`, and notes that explain the choice. Raises ModelFileError."""
    if model == BASE:
        return None, (BASE_NOTE,)
    registry = Registry(store)
    if model is not None or not data:
        stored = registry.resolve(model)
        return stored, (f"model {stored.label}" + ("" if model else ", the newest"),)
    from rnnforecast.data.read import read_columns  # imports pandas: a jobs file needs `reading_flags` alone

    is_table = reading is not None and reading.dataset
    file = expand(data[:1], dataset=is_table)[0][0]
    fitting = registry.find_for_data(public_path(file), columns=read_columns(file, reading))
    first = public_path(str(data[0]))
    if fitting is not None:
        why = f"model {fitting.label}, the newest trained on a file `{Path(file).name}` with these columns"
        return fitting, (why,)
    why = f"no stored model fits `{Path(first).name}`: the pretrained `{BASE}` forecasts"
    if first == IN_MEMORY:
        return None, (why,)
    return None, (why, f"`rnnforecast train {shlex.join([first, *reading_flags(reading)])}` trains a model on its rows")


def reading_flags(reading: DataSettings | None) -> list[str]:
    """Return the settings that were given as flags; a value that begins with a dash follows `=`."""
    words: list[str] = []
    for name, value in ({} if reading is None else reading.model_dump(mode="json", exclude_unset=True)).items():
        option = SETTINGS[name]
        if option.kind is bool:
            words.append(option.flags.split("/")[0 if value else -1])
            continue
        for one in value if isinstance(value, list) and option.repeated else [value]:
            text = ",".join(map(str, one)) if isinstance(one, list) else str(one)
            words += [f"--{option.word}={text}"] if text.startswith("-") else [f"--{option.word}", text]
    return words


def open_model(
    stored: StoredModel,
    *,
    reading: DataSettings | None,
    allow_categories: bool = False,
    reader: str = "this command",
) -> ModelFile:
    """Read and verify a stored model; its manifest names the naive stand-in, where one is served.

    Raises ModelFileError, and UsageError for reading settings that the model already fixes, and for a model of categories
    unless those are allowed.
    """
    if stored.manifest is not None and stored.manifest.categorical is not None and not allow_categories:
        raise UsageError(
            f"{stored.label} forecasts the categories of `{', '.join(stored.manifest.roles.target)}`, and {reader} "
            "takes models of numbers",
            hint=f"{CATEGORIES_TAKEN} take models of categories",
            code="E_RUN_CATEGORIES",
        )
    _check_reading(reading, stored)
    if stored.manifest is not None and not stored.manifest.freq:
        message = f"{stored.path} is the pretrained model of the package, which was trained on no data of yours"
        hint = f"call it by its name: `rnnforecast predict {BASE} --data FILE`"
        raise ModelFileError(message, hint=hint, code="E_MODEL_UNKNOWN")
    file = stored.load(check_shapes=check_shapes)
    file = replace(file, manifest=served_manifest(file.manifest, stored))
    check_values(file)
    return file


def served_manifest(manifest: Manifest, stored: StoredModel) -> Manifest:
    """Return the manifest with the naive forecast that is served in place of an active version, where there is one."""
    return manifest.model_copy(update={"served": stored.stand_in}) if stored.stand_in else manifest


def _check_reading(reading: DataSettings | None, stored: StoredModel) -> None:
    named = reading.model_fields_set if reading is not None else frozenset()
    given = [name for name in named if name not in FREE_SETTINGS]
    bounds = [f"--{name}" for name in ("floor", "cap", "bounds") if name in named]
    if bounds and stored.manifest is not None and stored.manifest.categorical is not None:
        message = f"{stored.label} forecasts categories: {', '.join(bounds)} is for numbers"
        raise UsageError(message, hint="leave it out", code="E_RUN_CATEGORIES")
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(given))
        raise UsageError(
            f"{stored.label} reads its data as it was trained to: {flags} would change that",
            hint=f"leave {'it' if len(given) == 1 else 'them'} out, or forecast without a trained model: "
            f"`rnnforecast predict {BASE} --data FILE`",
            code="E_RUN_CONFIG",
        )
