"""`train --from NAME@2`: the stored model that a training starts from, and whether it fits the rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from rnnforecast.config import MemberSettings, NetworkSettings, Settings
from rnnforecast.data.read import ReadResult, read_series
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.tables.in_memory import Data
from rnnforecast.errors import DataError, ModelFileError, UsageError
from rnnforecast.findings import Finding, plural
from rnnforecast.frozen import dataclass
from rnnforecast.inference.shapes import covariate_layouts
from rnnforecast.model_io.base import BASE
from rnnforecast.model_io.pack import fitted_members, frequency_of, last_fitted, unpack_ensemble
from rnnforecast.model_io.train_stats import recall
from rnnforecast.options import STARTS
from rnnforecast.store.manifest import Manifest
from rnnforecast.store.model_file import ModelFile
from rnnforecast.store.registry import Registry
from rnnforecast.training.split import num_unseen_windows
from rnnforecast.training.warm_start import WarmStart, seen_rows
from rnnforecast.workflows.champion import difference
from rnnforecast.workflows.choose_model import open_model
from rnnforecast.workflows.model_rows import SOURCE_SETTINGS, data_settings

#: Rows further than this many standard deviations from those that scale the inputs are reported.
LARGE_SHIFT = 10.0


@dataclass(frozen=True)
class StoredStart:
    """A stored model that a training starts from, and the settings of that training: those of the model where open."""

    file: ModelFile
    settings: Settings
    record: Settings  # as the next version keeps them: what the data chose stays open
    given: frozenset[str]  # settings of the rows that the user gave

    @property
    def manifest(self) -> Manifest:
        """What the model says of itself."""
        return self.file.manifest

    def read(self, data: Data) -> ReadResult:
        """Read the rows as the model did, with its categories, frequency and season."""
        manifest = self.manifest
        read = read_series(data, self.settings.data, known=frequency_of(manifest), categories=dict(manifest.categories))
        differs = difference(manifest, replace(read.series, target_names=manifest.roles.target))
        if differs is not None:
            raise DataError(
                f"a training on these rows cannot start from {manifest.label}: {differs}",
                hint="train on them without `--from`",
                code="E_BUNDLE_MISMATCH_FREQ" if "frequency" in differs else "E_RUN_CONFIG",
            )
        series = replace(read.series, season_length=manifest.season_length)
        reasons = {
            name: f"as in {manifest.label} (--from)" if name not in self.given else reason
            for name, reason in read.assumptions.reasons.items()
        }
        return replace(
            read,
            series=series,
            assumptions=replace(read.assumptions, reasons=reasons),
            findings=(*read.findings, *self._shifts(series)),
        )

    def start_on(self, series: SeriesSet) -> WarmStart:
        """Return the start of a training on `series`. Raises DataError where too few rows are new to the model."""
        manifest, evaluation = self.manifest, self.settings.evaluation
        memory = recall(self.file).on_grid(series.freq, frequency_of(manifest))
        seen = seen_rows(series, memory, until=last_fitted(manifest, series.freq))
        new = series.lengths - seen
        need = manifest.horizon + evaluation.gap
        if not num_unseen_windows(new, horizon=need, window_step=evaluation.window_step or manifest.horizon):
            raise DataError(
                f"{plural(int(new.max(initial=0)), 'row')} came after those that {manifest.label} was fitted on: a training "
                f"that starts from it needs {need}, to be tested on rows that it has not seen",
                hint="wait for more rows, or train without `--from`",
                code="E_SERIES_SHORT",
            )
        return WarmStart(manifest.label, unpack_ensemble(self.file), seen)

    def _shifts(self, series: SeriesSet) -> list[Finding]:
        """Report inputs far from the rows by which the stored networks scale them."""
        members = zip(self.manifest.members, unpack_ensemble(self.file).weights, strict=True)
        first = next(((each, weights) for each, weights in members if isinstance(each, MemberSettings)), None)
        if first is None:
            return []
        member, weights = first
        kinds = {
            "past": (series.past_names, series.past_covariates),
            "future": (series.future_names, series.future_covariates),
            "static": (series.static_names, series.static_covariates),
        }
        findings = []
        for kind, layout in covariate_layouts(member).items():
            names, values = kinds[kind]
            for place, column in enumerate(layout.numbers):
                scaling = (float(weights[f"{kind}_{part}"][place]) for part in ("mean", "scale"))
                findings += self._shift(f"covariate `{names[column]}`", values[:, column], *scaling)
        if member.normalisation == "global":
            known = series.values[series.observed]
            known = np.log(known[known > 0]) if member.log else known
            findings += self._shift(
                "the target", known, *(weights[f"global_{part}"].item() for part in ("level", "scale"))
            )
        return findings

    def _shift(self, what: str, values: np.ndarray, mean: float, scale: float) -> list[Finding]:
        known = values[np.isfinite(values)].astype(np.float64)
        shift = abs(float(known.mean()) - mean) / scale if len(known) else 0.0
        if shift <= LARGE_SHIFT:
            return []
        message = f"{what} lies {shift:,.0f} standard deviations from the rows of {self.manifest.label}, which scale it"
        return [Finding("W_START_SCALE", message, fix="look at its unit, or train without `--from`")]


def open_start(spec: str, settings: Settings, registry: Registry) -> StoredStart:
    """Return the stored model that a training starts from. Raises ModelFileError and UsageError."""
    if spec == BASE:
        raise UsageError(
            f"`--from {BASE}` names no stored model", hint="`--from pretrained` starts from the pretrained network"
        )
    try:
        file = open_model(registry.resolve(spec), reading=None, reader="`--from`")
    except ModelFileError as error:
        if error.code == "E_MODEL_UNKNOWN":
            error.hint = f"{error.hint or ''}; or start from `--from {'` or `--from '.join(STARTS)}`".removeprefix("; ")
        raise
    merged = merge_settings(file.manifest, settings)
    given = frozenset(settings.data.model_fields_set)
    known = {key: value for key, value in file.manifest.settings.items() if key not in SOURCE_SETTINGS}
    stored = Settings.from_flat(known, source=f"the settings of {file.manifest.label}").data
    record = stored.model_copy(update={name: getattr(settings.data, name) for name in given})
    start = StoredStart(file, merged, merged.model_copy(update={"data": record}), given)
    if not fitted_members(file.manifest):
        message = f"{file.manifest.label} holds no network that was fitted: there are no weights to start from"
        hint = "train without `--from`, or store fitted networks first: `--effort best` fits all to the end"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
    return start


def merge_settings(manifest: Manifest, settings: Settings) -> Settings:
    """Return the settings of a training that starts from a model: its shape and its columns, unless columns are given.

    Raises UsageError for settings that describe another network, season or horizon.
    """
    stored = Settings.from_flat(manifest.settings, source=f"the settings of {manifest.label}")
    differing = [
        name
        for name in NetworkSettings.model_fields
        if name in settings.network.model_fields_set
        and getattr(settings.network, name) != getattr(stored.network, name)
    ]
    fixed = {"horizon": manifest.horizon, "season_length": data_settings(manifest).season_length}
    differing += [name for name, value in fixed.items() if getattr(settings.data, name) not in (None, (), value)]
    asked = settings.training.num_members
    differing += ["num_members"] if asked not in (None, stored.training.num_members) else []
    if differing:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in differing)
        message = f"{flags}: a training that starts from {manifest.label} has its networks, season and horizon"
        hint = f"leave {'it' if len(differing) == 1 else 'them'} out, or train without `--from`"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
    given = {name: getattr(settings.data, name) for name in settings.data.model_fields_set if name not in fixed}
    data = data_settings(manifest).model_copy(update=given)
    training = settings.training.model_copy(
        update={"from_": manifest.label, "num_members": stored.training.num_members}
    )
    return settings.model_copy(update={"data": data, "network": stored.network, "training": training})
