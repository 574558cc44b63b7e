"""A stored model and the rows it forecasts from: which one is meant, and whether they belong together."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.errors import listed
from rnnforecast.data.read import read_columns, read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import expand, public_path
from rnnforecast.errors import DataError, InputError, ModelFileError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.model_io.base import BASE, base_manifest, read_base
from rnnforecast.model_io.pack import check_shapes, frequency_of, unpack_ensemble
from rnnforecast.model_io.train_stats import Memory, recall
from rnnforecast.store.registry import Registry
from rnnforecast.training.short_series import leave_out_short
from rnnforecast.workflows.monitoring.freshness import history_findings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rnnforecast.data.read import ReadResult
    from rnnforecast.forecasting import Ensemble
    from rnnforecast.store.context import SeriesContext
    from rnnforecast.store.manifest import Manifest
    from rnnforecast.store.versions import StoredModel

STDIN = "-"
BASE_NOTE = f"`{BASE}` forecasts: pretrained on synthetic series, it has learned nothing from these rows"
#: Settings of reading that a forecast may choose anew.
ASKED_ANEW = ("horizon", "resample", "aggregate", "future_data", "nonneg", "query", "wait", "align", "dataset")
#: What rows of other steps than those of a model are refused with.
OTHER_STEPS = ("E_TIME_FREQ_MIXED", "E_TIME_OFF_GRID")
# a window with fewer values than this share says little about level and spread
MIN_OBSERVED_SHARE = 0.25


@dataclass(frozen=True)
class Files:
    """The files of the rows, and beside them those of the covariates that are known ahead (`--future-data`)."""

    rows: tuple[str | Path, ...] = ()
    known_ahead: tuple[str | Path, ...] = ()

    @classmethod
    def of(cls, data: Sequence[str | Path] | Files | None) -> Files:
        """Take files of rows alone for what they are."""
        return data if isinstance(data, Files) else cls(rows=tuple(data or ()))


@dataclass(frozen=True)
class LoadedModel:
    """A verified model beside the rows it is to forecast from."""

    manifest: Manifest
    ensemble: Ensemble
    series: SeriesSet
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    memory: Memory = field(default_factory=Memory)
    nonneg: bool = False  # forecasts below zero are cut off there


def load(
    model: str | None,
    *,
    data: Sequence[str | Path] | Files | None,
    store: str | Path | None,
    reading: DataSettings | None = None,
    horizon: int | None = None,
) -> LoadedModel:
    """Find the model, verify it, read the rows in the roles it was trained on, and check that they fit.

    Where no stored model is named and none fits the data, and for the name `base`, it is the shipped network; only
    that one takes the columns and the clock of `reading`, a stored one takes from it how rows are brought to its
    frequency. `horizon` are the steps that are wanted, where they are not those of the training. Raises
    ModelFileError, InputError, DataError or UsageError.
    """
    given = Files.of(data)
    stored, why = _choose(model, data=given.rows, store=store, reading=reading)
    if stored is None:
        return _load_base(given, reading=reading, why=why)
    _refuse_reading(reading, stored)
    if stored.manifest is not None and not stored.manifest.freq:
        raise ModelFileError(
            f"{stored.path} is the network that comes with the tool, which was trained on no rows of yours",
            hint=f"call it by its name: `rnnforecast predict {BASE} --data FILE`",
            code="E_MODEL_UNKNOWN",
        )
    file = stored.load(check_shapes=check_shapes)
    manifest = served_manifest(file.manifest, stored)
    memory = recall(file)
    context = memory.context
    paths = list(given.rows or manifest.input.paths)
    notes = list(why)
    findings: tuple[Finding, ...] = ()
    if not given.rows and STDIN in paths:
        if context is None:
            raise InputError("the model was trained on standard input", hint="name the rows with `--data FILE`")
        series = _restore(manifest, context)
        notes.append("the model was trained on standard input: its own last rows are used")
    else:
        settings = _settings_for(manifest, given, reading=reading, horizon=horizon)
        series, findings = _fresh_rows(paths, settings, manifest, memory, is_given=bool(given.rows))
    if stored.stand_in:
        notes.append(
            f"`{stored.stand_in}` stands in for the networks of {manifest.label}; "
            f"`rnnforecast models promote {manifest.label}` ends it"
        )
    if context is not None:
        notes += _unseen_ids(series, context)
    notes += _thin_windows(series, manifest)
    return LoadedModel(
        manifest=manifest,
        ensemble=unpack_ensemble(file),
        series=replace(series, season_length=manifest.season_length),
        findings=findings,
        notes=tuple(notes),
        memory=memory,
        nonneg=data_settings(manifest).nonneg or (reading is not None and reading.nonneg),
    )


def _fresh_rows(
    paths: Sequence[str | Path], settings: DataSettings, manifest: Manifest, memory: Memory, *, is_given: bool
) -> tuple[SeriesSet, tuple[Finding, ...]]:
    """Read the rows as the model was trained to, and hold them against what it remembers."""
    no_history = all(member.mapping == "one-to-many" for member in manifest.members)
    read = _read(paths, settings, manifest, keep_unobserved=no_history, is_given=is_given)
    series, findings = read.series, read.findings + tuple(_extra_columns(read, manifest))
    _check_frequency(series, manifest, paths)
    findings += tuple(history_findings(series, manifest, memory, source=public_path(str(paths[0]))))
    if no_history:
        return series, findings
    seasonal = replace(series, season_length=manifest.season_length)
    series, short = leave_out_short(seasonal, horizon=0, short=settings.short)
    return series, findings + short


def served_manifest(manifest: Manifest, stored: StoredModel) -> Manifest:
    """Return the manifest with the naive forecast that stands in for an active version, where one does."""
    return manifest.model_copy(update={"served": stored.stand_in}) if stored.stand_in else manifest


def _settings_for(
    manifest: Manifest, given: Files, *, reading: DataSettings | None, horizon: int | None
) -> DataSettings:
    """Return how rows are read for a model: as for its training, with what was asked for now."""
    if given.known_ahead and not manifest.roles.future:
        raise UsageError(
            f"{manifest.label} reads no covariates known ahead: --future-data would be ignored",
            hint="leave it out, or train with `--future COLUMN`",
            code="E_RUN_CONFIG",
        )
    ahead = given.known_ahead or (() if given.rows else manifest.input.future_paths)
    changes: dict[str, object] = {"future_data": tuple(map(str, ahead))}
    if horizon is not None:
        changes["horizon"] = horizon
    if reading is not None:
        changes |= {
            name: getattr(reading, name) for name in ("query", "wait", "dataset") if name in reading.model_fields_set
        }
    if reading is not None and reading.align:
        changes["align"] = True
    if reading is not None and reading.resample is not None:
        changes |= {"resample": reading.resample, "aggregate": reading.aggregate}
    return data_settings(manifest).model_copy(update=changes)


def _extra_columns(read: ReadResult, manifest: Manifest) -> list[Finding]:
    """Count the columns that were not there in the training, for a model that reads covariates."""
    roles = manifest.roles
    extra = [name for name in read.columns if name not in manifest.input.columns]
    if not extra or not (roles.past or roles.future or roles.static) or not manifest.input.columns:
        return []
    noun = "1 column was" if len(extra) == 1 else f"{len(extra)} columns were"
    message = f"{noun} not there when {manifest.label} was trained and not used: {listed(extra)}"
    return [Finding("W_COLUMN_EXTRA", message, read.paths[0], column=extra[0], count=len(extra))]


def _read(
    paths: Sequence[str | Path], settings: DataSettings, manifest: Manifest, *, keep_unobserved: bool, is_given: bool
) -> ReadResult:
    try:
        return read_series(
            paths,
            settings,
            keep_unobserved=keep_unobserved,
            known=frequency_of(manifest),
            categories=manifest.categories,
        )
    except DataError as error:
        if error.code == "E_COLUMN_UNKNOWN" and manifest.input.future_paths and not settings.future_data:
            error.hint = "name the file of what is known ahead too: `--future-data FILE`"
        elif error.code in OTHER_STEPS and settings.resample is None:
            error.message = f"{error.message}; the model {manifest.label} forecasts steps of {settings.freq}"
            error.hint = f"bring the rows to its steps, as `--resample {settings.freq} --aggregate mean`"
        raise
    except InputError as error:
        if is_given:
            raise
        raise InputError(
            f"the file {manifest.label} was trained on cannot be read: {error.message}",
            hint="name the file that holds the rows now: `--data FILE`",
            code=error.code,
        ) from error


def data_settings(manifest: Manifest) -> DataSettings:
    """Return the roles and the clock a model was trained with, so that fresh rows are read the same way."""
    known = {key: value for key, value in manifest.settings.items() if key in DataSettings.model_fields}
    stored = Settings.from_flat(known, source=f"the settings of {manifest.label}").data
    roles, freq = manifest.roles, frequency_of(manifest)
    chosen = {
        "time": roles.time or "none",
        "target": roles.target,
        "id": roles.id,
        "freq": freq.alias,
        "season_length": manifest.season_length,
        "horizon": manifest.horizon,
        "past": roles.past,
        "future": roles.future,
        "static": roles.static,
        "calendar": stored.calendar or freq.calendar,
    }
    return DataSettings(**{**stored.model_dump(), **chosen})


def _choose(
    model: str | None,
    *,
    data: Sequence[str | Path] | None,
    store: str | Path | None,
    reading: DataSettings | None,
) -> tuple[StoredModel | None, tuple[str, ...]]:
    """Return the model, None for the shipped network, and the notes that say why it was taken."""
    if model == BASE:
        return None, (BASE_NOTE,)
    registry = Registry(store)
    if model is not None or not data:
        stored = registry.resolve(model)
        return stored, (f"model {stored.label}" + ("" if model else ", the newest"),)
    is_table = reading is not None and reading.dataset
    file = expand(data[:1], dataset=is_table)[0][0]
    fitting = registry.find_for_data(public_path(file), columns=read_columns(file, reading))
    first = public_path(str(data[0]))
    if fitting is not None:
        why = f"model {fitting.label}, the newest trained on a file `{Path(file).name}` with these columns"
        return fitting, (why,)
    return None, (
        f"no stored model fits `{Path(first).name}`: the pretrained `{BASE}` forecasts",
        f"`rnnforecast train {shlex.quote(first)}{' --dataset' if is_table else ''}` learns from its rows",
    )


def _load_base(given: Files, *, reading: DataSettings | None, why: tuple[str, ...]) -> LoadedModel:
    """Read rows as a training would, with the shipped network to forecast them. Raises UsageError."""
    data = given.rows
    if not data:
        raise UsageError(f"`{BASE}` was trained on no file of yours", hint="name the rows to forecast: `--data FILE`")
    reading = reading or DataSettings()
    ignored = [name for name in ("past", "future", "static", "calendar-features") if getattr(reading, _field(name))]
    ignored += ["future-data"] if given.known_ahead or reading.future_data else []
    if ignored:
        raise UsageError(
            f"`{BASE}` reads no covariates: {', '.join(f'--{name}' for name in ignored)} would be ignored",
            hint=f"leave them out, or train a network that reads them: `rnnforecast train {data[0]}`",
        )
    read = read_series(data, reading)
    manifest = base_manifest(read, horizon=reading.horizon or read.assumptions.horizon)
    thin = _thin_windows(read.series, manifest)
    return LoadedModel(
        manifest=manifest,
        ensemble=read_base().ensemble(read.series.season_length),
        series=read.series,
        findings=read.findings,
        notes=(*why, *thin),
        nonneg=reading.nonneg,
    )


def _field(flag: str) -> str:
    return flag.replace("-", "_")


def _refuse_reading(reading: DataSettings | None, stored: StoredModel) -> None:
    """Refuse columns and clock for a model that has its own. Raises UsageError."""
    given = [name for name in reading.model_fields_set if name not in ASKED_ANEW] if reading is not None else []
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in sorted(given))
        raise UsageError(
            f"{stored.label} reads its data as it was trained to: {flags} would change that",
            hint=f"leave {'it' if len(given) == 1 else 'them'} out, or forecast without a trained model: "
            f"`rnnforecast predict {BASE} --data FILE`",
            code="E_RUN_CONFIG",
        )


def _check_frequency(series: SeriesSet, manifest: Manifest, paths: Sequence[str | Path]) -> None:
    trained = frequency_of(manifest)
    if (series.freq.timezone is None) != (trained.timezone is None):
        theirs, ours = (f"in {zone}" if zone else "without a zone" for zone in (series.freq.timezone, trained.timezone))
        raise DataError(
            f"the timestamps of `{paths[0]}` are {theirs}, the model {manifest.label} was trained on timestamps {ours}",
            hint="write the timestamps as those of the training were written, or train a model on these rows",
            code="E_BUNDLE_MISMATCH_ZONE",
        )
    if (series.freq.unit, series.freq.multiple) == (trained.unit, trained.multiple):
        return
    raise DataError(
        f"`{paths[0]}` has frequency {series.freq.alias}, the model {manifest.label} was trained on {trained.alias}",
        hint=f"bring the rows to its steps, as `--resample {trained.alias} --aggregate mean`, or train a model on them",
        code="E_BUNDLE_MISMATCH_FREQ",
    )


def _unseen_ids(series: SeriesSet, context: SeriesContext) -> list[str]:
    if not series.id_columns or context.id_values.shape[1] != len(series.id_columns):
        return []
    known = set(map(tuple, context.id_values))
    fresh = [label for label, ids in zip(series.item_ids, series.id_values, strict=True) if tuple(ids) not in known]
    if not fresh:
        return []
    shown = ", ".join(f"`{label}`" for label in fresh[:5]) + (" ..." if len(fresh) > 5 else "")
    return [f"cold start: {len(fresh)} series the model has not seen in training: {shown}"]


def _thin_windows(series: SeriesSet, manifest: Manifest) -> list[str]:
    """Note series of which the networks see next to nothing: their last rows are gaps."""
    longest = max(member.context_length for member in manifest.members)
    seen = np.concatenate([[0], np.cumsum(series.observed)])
    starts = np.maximum(series.offsets[1:] - longest, series.offsets[:-1])
    length = series.offsets[1:] - starts
    observed = seen[series.offsets[1:]] - seen[starts]
    thin = np.flatnonzero((length > 1) & (observed < MIN_OBSERVED_SHARE * length))
    if not len(thin):
        return []
    first = int(thin[0])
    return [
        f"{len(thin)} of {series.num_series} series have few values in the rows the networks read, such as "
        f"`{series.item_ids[first]}`: {int(observed[first])} of the last {int(length[first])}; "
        "do not trust their intervals"
    ]


def _restore(manifest: Manifest, context: SeriesContext) -> SeriesSet:
    """Rebuild the series of a model file from the last rows it keeps."""
    roles = manifest.roles
    return SeriesSet(
        id_columns=roles.id,
        id_values=context.id_values,
        target_names=roles.target,
        target_index=context.target_index,
        time_column=roles.time,
        values=np.where(context.observed, context.values, np.nan),
        observed=context.observed,
        offsets=context.offsets,
        first_ordinals=context.first_ordinals,
        freq=frequency_of(manifest),
        season_length=manifest.season_length,
        past_covariates=context.past_covariates,
        future_covariates=context.future_covariates,
        future_offsets=context.future_offsets,
        static_covariates=context.static_covariates,
        past_names=roles.past,
        future_names=(*roles.future, *roles.generated),
        static_names=roles.static,
        categories=manifest.categories,
    )
