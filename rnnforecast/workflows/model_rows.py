"""Which rows: those a model forecasts from, read as in its training and compared with what it was trained on."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path

import numpy as np

from rnnforecast.config import DataSettings, Settings
from rnnforecast.data.bounds import SeriesBounds
from rnnforecast.data.errors import listed
from rnnforecast.data.files.overwrite import Owned
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import lasting_path, public_path, remembered, without_file
from rnnforecast.data.tables.in_memory import Data, inputs_of
from rnnforecast.errors import DataError, InputError, ModelFileError, UsageError
from rnnforecast.findings import Finding
from rnnforecast.forecasting import Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.members import CategoricalSettings
from rnnforecast.mixture.zero_shot import ZeroShot, own_seasons, zero_shot_season
from rnnforecast.model_io.base import BASE, base_ensemble, base_manifest
from rnnforecast.model_io.pack import frequency_of, unpack_categorical, unpack_ensemble
from rnnforecast.model_io.train_stats import Memory, recall
from rnnforecast.store.context import SeriesContext
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile
from rnnforecast.store.registry import Registry, default_store, is_path
from rnnforecast.training.usable_rows import leave_out_short
from rnnforecast.workflows.choose_model import choose_model, open_model
from rnnforecast.workflows.monitoring.freshness import history_findings

#: Errors of rows whose frequency differs from the model's.
FREQUENCY_ERRORS = ("E_TIME_FREQ_MIXED", "E_TIME_OFF_GRID")
#: Settings that come from the command line or the jobs file alone: what a model says of them is a record, not an order.
SOURCE_SETTINGS = ("query", "wait", "max_bytes", "future_data")
#: Settings of the rows that a forecast names itself.
RENEWED_SETTINGS = ("query", "wait", "max_bytes", "dataset")
#: Bounds of the rows stored in a model.
_MAX_VALUE, _MAX_ORDINAL = 1e300, 2**60
#: A context window with a smaller fraction of observed values is reported.
MIN_OBSERVED_FRACTION = 0.25


@dataclass(frozen=True)
class Files:
    """Files of the rows, files of `future` covariates (`--future-data`), and the settings for reading them."""

    rows: tuple[str | Path, ...] = ()
    known_ahead: tuple[str | Path, ...] = ()
    reading: DataSettings | None = None

    @classmethod
    def of(cls, data: Data | Files | None) -> Files:
        """Return `data` as `Files`."""
        if not isinstance(data, Files):
            return cls(rows=inputs_of(data))
        return replace(data, rows=inputs_of(data.rows), known_ahead=inputs_of(data.known_ahead))


@dataclass(frozen=True)
class LoadedModel:
    """A verified model and the rows it forecasts from."""

    manifest: Manifest
    ensemble: Ensemble
    series: SeriesSet
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    bounds: SeriesBounds  # of its forecasts
    memory: Memory = field(default_factory=Memory)
    zero_shot: ZeroShot | None = None  # what forecasts in place of a trained ensemble
    asked_horizon: int | None = None
    #: the network over the categories of the target and its tensors, in place of an ensemble
    categorical: tuple[CategoricalSettings, Mapping[str, np.ndarray]] | None = None

    @property
    def horizon(self) -> int:
        """Steps to forecast: as asked for, else as trained."""
        return self.asked_horizon or self.manifest.horizon

    def horizon_notes(self) -> list[str]:
        """Say that steps were asked for beyond those of the training."""
        if self.horizon <= self.manifest.horizon:
            return []
        return [
            f"trained for {self.manifest.horizon} steps, forecast for {self.horizon}: the last season is continued "
            "beyond them, with intervals widened as differences grow in the history"
        ]


def owned_files(model: str | None, files: Files, *, store: str | Path | None) -> list[Owned]:
    """Return what a command on a model reads or owns: its files, without rows those of the training, and the store.

    Raises ModelFileError for an unknown model.
    """
    read = [*files.rows, *files.known_ahead]
    outside = model if model is not None and is_path(model) else ""
    if not files.rows and model != BASE and not outside:
        stored = Registry(store).resolve(model).manifest
        read += () if stored is None else (*stored.input.paths, *stored.input.future_paths)
    return [*(("the data", path) for path in read), ("the model", outside), ("the store", store or default_store())]


def load(
    model: str | None,
    *,
    data: Data | Files | None,
    store: str | Path | None,
    reading: DataSettings | None = None,
    horizon: int | None = None,
    allow_categories: bool = False,
) -> LoadedModel:
    """Choose and verify a model, and read its rows.

    `base` takes columns and frequency from `reading`; a stored model fixes them, and takes only the settings that a
    forecast may set again. `horizon` (default: that of `reading`) replaces that of the training.

    Raises ModelFileError, InputError, DataError or UsageError, also for a model of categories unless those are allowed.
    """
    given = Files.of(data)
    reading = reading or given.reading
    horizon = horizon or (None if reading is None else reading.horizon)
    stored, why = choose_model(model, data=given.rows, store=store, reading=reading)
    if stored is None:
        return _load_base(given, reading=reading, why=why)
    file = open_model(stored, reading=reading, allow_categories=allow_categories)
    if model is not None and is_path(model):
        file = _without_sources(file, given, path=model)
    if stored.stand_in:
        label = file.manifest.label
        note = f"`{stored.stand_in}` is served in place of the networks of {label}"
        why = (*why, f"{note}; `rnnforecast models promote {shlex.quote(label)}` ends that")
    return _load_stored(file, given, reading=reading, horizon=horizon, why=why)


def _without_sources(file: ModelFile, given: Files, *, path: str) -> ModelFile:
    """Return a model whose rows are those that the user named: not even a path of a file from elsewhere is opened.

    Raises UsageError where no rows are named.
    """
    if not given.rows:
        message = f"`{path}` is a model outside the store: the files and addresses that it names are not opened"
        raise UsageError(message, hint="name the rows with `--data FILE`", code="E_RUN_CONFIG")
    rows = tuple(lasting_path(str(row)) for row in given.rows)
    record = file.manifest.input.model_copy(update={"paths": rows, "future_paths": ()})
    return replace(file, manifest=file.manifest.model_copy(update={"input": record}))


def _load_stored(
    file: ModelFile, given: Files, *, reading: DataSettings | None, horizon: int | None, why: tuple[str, ...]
) -> LoadedModel:
    manifest, memory = file.manifest, recall(file)
    context = memory.context
    notes = list(why)
    findings: tuple[Finding, ...] = ()
    trained_on = without_file(manifest.input.paths)
    if not given.rows and trained_on:
        if context is None:
            raise InputError(f"the model was trained on {trained_on}", hint="name the rows with `--data FILE`")
        series = _restore(manifest, context)
        notes.append(f"the model was trained on {trained_on}: its own last rows are used")
    else:
        paths = list(given.rows) or remembered(manifest.input.paths, label=manifest.label)
        settings = _settings_for(manifest, given, reading=reading, horizon=horizon)
        series, findings = _fresh_rows(paths, settings, manifest, memory, is_given=bool(given.rows))
    if context is not None:
        notes += _unseen_ids(series, context)
    series = replace(series, season_length=manifest.season_length)
    series = series.with_own_seasons(own_seasons(series, manifest.season_length, manifest.own_seasons))
    return LoadedModel(
        manifest=manifest,
        ensemble=unpack_ensemble(file),
        series=series,
        findings=findings,
        notes=(*notes, *_sparse_windows(series, manifest)),
        bounds=SeriesBounds.of(series, _with_bounds(data_settings(manifest), reading)),
        memory=memory,
        categorical=unpack_categorical(file),
        asked_horizon=horizon,
    )


def _fresh_rows(
    paths: Sequence[str | Path], settings: DataSettings, manifest: Manifest, memory: Memory, *, is_given: bool
) -> tuple[SeriesSet, tuple[Finding, ...]]:
    no_history = bool(manifest.members) and all(member.mapping == "one-to-many" for member in manifest.members)
    read = _read(paths, settings, manifest, keep_unobserved=no_history, is_given=is_given)
    series, findings = read.series, read.findings + tuple(_extra_columns(read, manifest))
    _check_frequency(series, manifest, paths)
    memory = memory.on_grid(series.freq, frequency_of(manifest))
    findings += tuple(history_findings(series, manifest, memory, source=public_path(str(paths[0]))))
    if no_history:
        return series, findings
    seasonal = replace(series, season_length=manifest.season_length)
    series, short = leave_out_short(seasonal, horizon=0, short=settings.short)
    return series, findings + short


def _settings_for(
    manifest: Manifest, given: Files, *, reading: DataSettings | None, horizon: int | None
) -> DataSettings:
    """Return the reading settings of the training, with the settings that a forecast may set again."""
    if given.known_ahead and not manifest.roles.future:
        message = f"{manifest.label} has no `future` covariates: --future-data would be ignored"
        raise UsageError(message, hint="leave it out, or train with `--future COLUMN`", code="E_RUN_CONFIG")
    ahead = given.known_ahead
    if not given.rows and not ahead:
        paths = manifest.input.future_paths
        ahead = tuple(remembered(paths, label=manifest.label, flag="--future-data"))
    changes: dict[str, object] = {"future_data": ahead}
    if horizon is not None:
        changes["horizon"] = horizon
    if reading is not None:
        changes |= {name: getattr(reading, name) for name in RENEWED_SETTINGS if name in reading.model_fields_set}
    if reading is not None and reading.align:
        changes["align"] = True
    if reading is not None and reading.resample is not None:
        changes |= {"resample": reading.resample, "aggregate": reading.aggregate}
    return data_settings(manifest).model_copy(update=changes)


def _with_bounds(settings: DataSettings, reading: DataSettings | None) -> DataSettings:
    """Return the settings of the training with the bounds that a forecast sets again."""
    given = reading.model_fields_set & {"floor", "cap", "bounds"} if reading is not None else set()
    if not given:
        return settings
    changed = {**settings.model_dump(mode="json"), **{name: getattr(reading, name) for name in given}}
    return Settings.from_flat(changed, source="the bounds of the forecast").data


def _extra_columns(read: ReadResult, manifest: Manifest) -> list[Finding]:
    """Report columns that were absent in the training, for a model that reads covariates."""
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
            error.hint = "name the file of the `future` covariates too: `--future-data FILE`"
        elif error.code in FREQUENCY_ERRORS and settings.resample is None:
            error.message = f"{error.message}; the model {manifest.label} forecasts steps of {settings.freq}"
            error.hint = f"resample the rows, e.g. `--resample {settings.freq} --aggregate mean`"
        raise
    except InputError as error:
        if is_given:
            raise
        message = f"the file with the rows of {manifest.label} cannot be read: {error.message}"
        hint = "name the file that holds the rows now: `--data FILE`"
        raise InputError(message, hint=hint, code=error.code) from error


def data_settings(manifest: Manifest) -> DataSettings:
    """Return the roles, frequency and reading settings of the training, so that new rows are read the same way.

    Where rows come from, and what reading them may cost, is not among them (`SOURCE_SETTINGS`).
    """
    known = {key: value for key, value in manifest.settings.items() if key in DataSettings.model_fields}
    known = {key: value for key, value in known.items() if key not in SOURCE_SETTINGS}
    stored = Settings.from_flat(known, source=f"the settings of {manifest.label}").data
    roles, freq = manifest.roles, frequency_of(manifest)
    chosen = {
        "time": roles.time or "none",
        "target": roles.target,
        "wide": stored.wide and len(roles.target) == 1,  # of a table of many targets these are named
        "id": roles.id,
        "freq": freq.alias,
        "season_length": (manifest.season_length, *stored.season_length[1:]),
        "horizon": manifest.horizon,
        "past": roles.past,
        "future": roles.future,
        "static": roles.static,
        "calendar": stored.calendar or freq.calendar,
    }
    return DataSettings(**{**stored.model_dump(), **chosen})


def _load_base(given: Files, *, reading: DataSettings | None, why: tuple[str, ...]) -> LoadedModel:
    """Read rows as `train` does, to be forecast by `base`. Raises UsageError."""
    data = given.rows
    if not data:
        message = f"`{BASE}` was not trained on a file of yours"
        hint = f"name the rows: `rnnforecast predict {BASE} --data FILE`, `rnnforecast evaluate {BASE} FILE`"
        raise UsageError(message, hint=hint)
    reading = reading or DataSettings()
    if given.known_ahead:
        reading = reading.model_copy(update={"future_data": given.known_ahead})
    read = read_series(data, reading)
    manifest = base_manifest(
        read, horizon=reading.horizon or read.assumptions.horizon, paths=tuple(lasting_path(str(path)) for path in data)
    )
    return LoadedModel(
        manifest=manifest,
        ensemble=base_ensemble(read.series.season_length),
        series=read.series,
        findings=read.findings,
        notes=(*why, *_sparse_windows(read.series, manifest)),
        bounds=SeriesBounds.of(read.series, reading),
        zero_shot=ZeroShot(
            read.series,
            base_ensemble,
            zero_shot_season(read.series, is_given=bool(reading.season_length)),
            keep_non_negative=reading.bounds,
            own_seasons=read.own_seasons,
        ),
    )


def _check_frequency(series: SeriesSet, manifest: Manifest, paths: Sequence[str | Path]) -> None:
    trained = frequency_of(manifest)
    if (series.freq.timezone is None) != (trained.timezone is None):
        theirs, ours = (f"in {zone}" if zone else "without a zone" for zone in (series.freq.timezone, trained.timezone))
        raise DataError(
            f"the timestamps of `{paths[0]}` are {theirs}, the model {manifest.label} was trained on timestamps {ours}",
            hint="write the timestamps as in the training data, or train a model on these rows",
            code="E_BUNDLE_MISMATCH_ZONE",
        )
    if (series.freq.unit, series.freq.multiple) == (trained.unit, trained.multiple):
        return
    raise DataError(
        f"`{paths[0]}` has frequency {series.freq.alias}, the model {manifest.label} was trained on {trained.alias}",
        hint=f"resample the rows, e.g. `--resample {trained.alias} --aggregate mean`, or train a model on them",
        code="E_BUNDLE_MISMATCH_FREQ",
    )


def _unseen_ids(series: SeriesSet, context: SeriesContext) -> list[str]:
    if not series.id_columns or context.id_values.shape[1] != len(series.id_columns):
        return []
    known = set(map(tuple, context.id_values))
    unseen = [label for label, ids in zip(series.item_ids, series.id_values, strict=True) if tuple(ids) not in known]
    if not unseen:
        return []
    shown = ", ".join(f"`{label}`" for label in unseen[:5]) + (" ..." if len(unseen) > 5 else "")
    return [f"cold start: {len(unseen)} series the model has not seen in training: {shown}"]


def _sparse_windows(series: SeriesSet, manifest: Manifest) -> list[str]:
    """Note series whose context window is mostly missing values."""
    if manifest.categorical is not None:
        return []
    longest = max(member.context_length for member in manifest.members)
    seen = np.concatenate([[0], np.cumsum(series.observed)])
    starts = np.maximum(series.offsets[1:] - longest, series.offsets[:-1])
    length = series.offsets[1:] - starts
    observed = seen[series.offsets[1:]] - seen[starts]
    sparse = np.flatnonzero((length > 1) & (observed < MIN_OBSERVED_FRACTION * length))
    if not len(sparse):
        return []
    first = int(sparse[0])
    return [
        f"{len(sparse)} of {series.num_series} series have few values in the rows the networks read, such as "
        f"`{series.item_ids[first]}`: {int(observed[first])} of the last {int(length[first])}; "
        "do not trust their intervals"
    ]


def _restore(manifest: Manifest, context: SeriesContext) -> SeriesSet:
    roles = manifest.roles
    known = context.values[context.observed]
    widths = (len(roles.id), len(roles.past), len(roles.future) + len(roles.generated), len(roles.static))
    found = (context.id_values, context.past_covariates, context.future_covariates, context.static_covariates)
    if (
        not context.num_series
        or not np.diff(context.offsets).all()
        or not np.isin(context.target_index, np.arange(len(roles.target))).all()
        or not (np.abs(known) <= _MAX_VALUE).all()
        or not (np.abs(context.first_ordinals) < _MAX_ORDINAL).all()
        or widths != tuple(array.shape[1] for array in found)
    ):
        message = f"the last rows stored in `{manifest.label}` are not rows of its training"
        raise ModelFileError(message, hint="do not trust this file; train again to replace it", code="E_MODEL_VALUES")
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
