"""What moved a forecast: gains of covariates, its parts, the forecast by other covariates next to it, and attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from rnnforecast.arrays import Float64Array, Int64Array
from rnnforecast.config import DataSettings
from rnnforecast.data.covariates.calendar import is_generated
from rnnforecast.data.covariates.checks import covariate_findings
from rnnforecast.data.covariates.future import with_other_future
from rnnforecast.data.covariates.future_files import open_plan, read_plan
from rnnforecast.data.covariates.scenario import parse_change, with_changes
from rnnforecast.data.errors import listed
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import public_path
from rnnforecast.data.windows import FlatSeries
from rnnforecast.data.write import write_table
from rnnforecast.errors import UsageError
from rnnforecast.findings import Finding, plural
from rnnforecast.forecasting import Ensemble, export_attention, last_windows
from rnnforecast.frozen import dataclass
from rnnforecast.members import ENSEMBLE
from rnnforecast.mixture.gains import CovariateGain, covariate_gains, gains_note
from rnnforecast.mixture.zero_shot import ZeroShot
from rnnforecast.model_io.base import BASE
from rnnforecast.options import Engine
from rnnforecast.workflows.forecasts.panel import Forecast
from rnnforecast.workflows.forecasts.parts import Parts, forecast_again, forecast_parts, zero_shot_of
from rnnforecast.workflows.forecasts.predict_result import Preview
from rnnforecast.workflows.forecasts.table import free_name
from rnnforecast.workflows.model_rows import LoadedModel, data_settings


@dataclass(frozen=True)
class Asked:
    """What a forecast is asked besides its numbers; the fields are those of a `ForecastRequest`."""

    components: bool
    changes: tuple[str, ...]
    what_if: str | Path | None
    engine: Engine
    reading: DataSettings | None
    gains: bool = True


@dataclass(frozen=True)
class Explanation:
    """What is known about a forecast besides its numbers."""

    gains: tuple[CovariateGain, ...] = ()
    parts: Parts | None = None
    what_if: Forecast | None = None
    label: str | None = None  # what differs, as it was asked for
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()

    def in_frame(self, frame: pd.DataFrame, forecast: Forecast) -> pd.DataFrame:
        """Return the table of forecasts with columns for the parts, the other forecast and the difference."""
        added = {} if self.parts is None else self.parts.columns()
        if self.what_if is not None:
            other = self.what_if.median.ravel()
            added |= {"what_if": other, "difference": other - forecast.median.ravel()}
        return frame.assign(**{free_name(name, frame.columns): values for name, values in added.items()})

    def in_previews(self, previews: Sequence[Preview], numbers: Sequence[int] | None = None) -> tuple[Preview, ...]:
        """Return the first few series with the same, or those of the numbers."""
        parts = {} if self.parts is None else self.parts.values
        return tuple(
            replace(
                preview,
                parts={name: values[number].copy() for name, values in parts.items()},
                what_if=None if self.what_if is None else self.what_if.median[number].copy(),
            )
            for number, preview in zip(numbers or range(len(previews)), previews, strict=True)
        )


def check_asked(asked: Asked, *, sums: bool) -> None:
    """Raise UsageError for requests that do not go together, and for a change that cannot be read."""
    flags = {"--components": asked.components, "--set": bool(asked.changes), "--what-if": asked.what_if is not None}
    named = [flag for flag, is_given in flags.items() if is_given]
    if sums and named:
        message = f"{' and '.join(named)} explain steps of series, not sums"
        raise UsageError(message, hint="leave out --sum and --total", code="E_RUN_CONFIG")
    for text in asked.changes:
        parse_change(text)


def explain(asked: Asked, loaded: LoadedModel, forecast: Forecast) -> Explanation:
    """Measure gains and make what else the request asks for. Raises UsageError, InputError and DataError."""
    horizon = forecast.median.shape[1]
    gains = gains_of(loaded, horizon) if asked.gains else ()
    said = (
        *gains_note(gains, num_covariates=len(loaded.series.covariate_names)),
        *regression_notes(loaded.zero_shot, horizon, forecast.weights),
    )
    parts = None
    if asked.components:
        parts = forecast_parts(loaded, forecast, horizon=horizon, engine=asked.engine)
    if not asked.changes and asked.what_if is None:
        return Explanation(gains, parts, notes=said)
    found: list[Finding] = []
    changed, labels = loaded.series, []
    if asked.what_if is not None:
        changed = _with_file(asked, loaded, found, horizon=horizon)
        labels.append(public_path(str(asked.what_if)))
    changes = [parse_change(text) for text in asked.changes]
    changed = with_changes(changed, changes)
    labels += [change.text for change in changes]
    far = [one for one in covariate_findings(changed) if one.code == "W_COVARIATE_RANGE"]
    other = forecast_again(loaded, changed, forecast, horizon=horizon, engine=asked.engine)
    same = np.allclose(other.median, forecast.median, rtol=1e-6)  # batches of another size round differently
    notes = (*said, *([_no_effect(loaded, changed)] if same else []))
    return Explanation(gains, parts, other, ", ".join(labels), (*found, *far), notes)


def regression_notes(zero_shot: ZeroShot | None, horizon: int, weights: Mapping[str, float] | None = None) -> list[str]:
    """Say by how much past covariates lead, and which covariates the forecasts without training do not read.

    Where `weights` of their members are given, another note says that none is read.
    """
    if zero_shot is None:
        return []
    series, statics = zero_shot.series, _static_notes(zero_shot, horizon, weights)
    if not series.covariate_names:
        return statics
    used = zero_shot.regressed(last_windows(series), horizon)
    words = [name for name in series.past_names if name in series.categories]
    leads = [f"`{one.name}` by {plural(one.delay, 'step')}" for one in used if one.delay is not None]
    said = [f"past covariates lead the target: {', '.join(leads)}"] if leads and series.num_series == 1 else []
    said += statics
    said += [f"only networks from scratch read {listed(words)}: regressions read numbers"] if words else []
    names = [name for name in series.covariate_names if name not in {*words, *(one.name for one in used)}]
    total, rows = len(series.covariate_names), int(series.lengths[0])
    if not names or (weights and len(names) == total):
        return said
    why = f"they explain no more than chance, or are too many for {rows:,} rows"
    return [*said, f"regressions do not read {len(names)} of {plural(total, 'covariate')} ({why}): {listed(names)}"]


def _static_notes(zero_shot: ZeroShot, horizon: int, weights: Mapping[str, float] | None = None) -> list[str]:
    """Say which static covariates no regression reads, and where the one that does has none of the `weights`."""
    series = zero_shot.series
    found = zero_shot.with_like_series(last_windows(series), horizon).like_series if series.static_names else None
    names = [name for name in series.static_names if found is None or name not in found.names]
    why = "they need series with the same value, and a season or covariates known ahead"
    said = [f"regressions do not read {listed(names)}: {why}"] if names else []
    if found is not None and weights and not weights.get(found.member):
        said.append(f"{listed(found.names)} not used: no past window is forecast better by it")
    return said


def gains_of(loaded: LoadedModel, horizon: int) -> tuple[CovariateGain, ...]:
    """Return what each covariate gains in a forecast of these rows without training."""
    return covariate_gains(loaded.zero_shot or zero_shot_of(loaded.series), horizon)


def _with_file(asked: Asked, loaded: LoadedModel, findings: list[Finding], *, horizon: int) -> SeriesSet:
    """Return the series with the covariates of the second file in the steps ahead."""
    series, path = loaded.series, str(asked.what_if)
    is_base = loaded.manifest.name == BASE
    settings = (asked.reading or DataSettings()) if is_base else data_settings(loaded.manifest)
    files = open_plan(settings.model_copy(update={"future_data": (path,)}))
    known = [name for name in series.future_names if not is_generated(name)]
    if files is None or not set(known) & set(files.names):
        message = f"`{public_path(path)}` has no covariate of this forecast: --what-if would have no effect"
        hint = f"its columns must be among {listed(known)}" if known else "name covariates with --future COLUMN"
        raise UsageError(message, hint=hint, code="E_RUN_CONFIG")
    names = tuple(name for name in known if name in files.names)
    settings = settings.model_copy(update={"future": names, "future_data": (path,)})
    time = tuple((series.time_column or "").split("+")) if series.time_column else ()
    plan = read_plan(files, series, settings, findings, time=time, known=series.categories)
    return with_other_future(series, plan, findings, horizon=horizon)


def _no_effect(loaded: LoadedModel, changed: SeriesSet) -> str:
    served = loaded.manifest.served
    why = "nothing that reads covariates has a weight in it"
    if np.array_equal(changed.future_covariates, loaded.series.future_covariates, equal_nan=True):
        why = "the covariates of its steps are the same"
    if loaded.zero_shot is None and served != ENSEMBLE:
        why = f"`{served}` is served, which reads no covariates"
    return f"the forecast does not change: {why}"


def write_attention(loaded: LoadedModel, output: str | Path) -> None:
    """Write one row a series, decoder segment and encoder segment: `horizon_step`, `lag`, `weight`.

    `horizon_step` is the first step of a forecast segment (1 is the step after the cutoff), `lag` the distance of
    the last step of a window segment from the cutoff (0 is the newest). Weights of one forecast segment sum to 1.
    Raises UsageError when the model has no attention.
    """
    series = loaded.series
    weights, steps, lags = attention_of(loaded.ensemble, series)
    num_series, num_outputs, num_inputs = weights.shape
    columns: dict[str, object] = {
        name: np.repeat(series.id_values[:, place], num_outputs * num_inputs)
        for place, name in enumerate(series.id_columns)
    }
    columns["horizon_step"] = np.tile(np.repeat(steps, num_inputs), num_series)
    columns["lag"] = np.tile(lags, num_series * num_outputs)
    columns["weight"] = weights.ravel()
    write_table(pd.DataFrame(columns), output)


def attention_of(ensemble: Ensemble, series: SeriesSet) -> tuple[Float64Array, Int64Array, Int64Array]:
    """Return the attention after the last rows [S, K, T], and the step of each of K and the lag of each of T segments.

    Raises UsageError when no member has attention.
    """
    weights = export_attention(ensemble, FlatSeries.from_series(series), last_windows(series))
    segment = next(member.segment_length for member in ensemble.members if member.attention is not None)
    return weights, 1 + segment * np.arange(weights.shape[1]), segment * np.arange(weights.shape[2] - 1, -1, -1)
