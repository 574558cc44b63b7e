"""Between a trained ensemble and its model file: what goes into the file, and what comes out of it."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from rnnforecast.config import RENAMED_KEYS, Settings
from rnnforecast.data.calendar.frequency import Frequency
from rnnforecast.data.covariates.calendar import is_generated
from rnnforecast.data.series import SeriesSet
from rnnforecast.data.sources import lasting_path
from rnnforecast.data.windows import Windows
from rnnforecast.errors import ModelFileError, UsageError
from rnnforecast.evaluation.baselines import BASELINES, EXTRA_BASELINES, STATISTICAL_BASELINES
from rnnforecast.evaluation.calibration import Calibration
from rnnforecast.findings import JSONValue
from rnnforecast.forecasting import THETA_CONTEXTS, Ensemble
from rnnforecast.frozen import dataclass
from rnnforecast.grammars import find_zone
from rnnforecast.inference.categorical import CATEGORICAL_BASELINES, categorical_shapes
from rnnforecast.inference.engine import expected_shapes
from rnnforecast.inference.season_classes import network_seasons
from rnnforecast.json_values import plain, timestamp_to_json
from rnnforecast.members import ENSEMBLE, CategoricalSettings, PretrainedSettings
from rnnforecast.model_io.train_stats import statistics_tensors
from rnnforecast.store.context import SeriesContext
from rnnforecast.store.manifest import MAX_OWN_SEASONS, InputRecord, Manifest, Roles, TestRecord
from rnnforecast.store.model_file import ModelFile
from rnnforecast.store.record import FitCurve, LeadRecord

if TYPE_CHECKING:
    from rnnforecast.data.read import Assumptions, ReadResult

RECORDED_PACKAGES = ("numpy", "pandas", "pyarrow", "torch")
# the rows kept in the file reach back over this many windows, for horizons forecast without the data file
CONTEXT_WINDOWS = THETA_CONTEXTS
#: Rows kept for the regressions and the windows of a zero-shot group: six years of days.
ZERO_SHOT_ROWS = 2_200
#: Limits of a forecast of one series, and what it costs: measured on one core. The process needs the rest of 1 GiB.
MAX_FORECAST_SECONDS, MAX_FORECAST_BYTES = 60, 3 * 2**28
_STEP_SECONDS, _OPERATIONS_PER_SECOND, _BYTES_PER_LOOK = 20e-6, 5e9, 24
#: Limits of a frequency, so that no timestamp leaves 64 bits: steps of one kind, days and microseconds.
_MAX_MULTIPLE, _MAX_DAY, _MAX_PHASE = 1_000_000, 10_000_000, 2**60
#: Assumptions that screens read as numbers.
_COUNTS = ("season_length", "horizon", "num_series", "num_rows")
#: Where a file keeps tensors that all its networks have in common.
SHARED = "shared."
#: Where a file keeps the network over categories; and where it keeps networks of any kind.
CATEGORICAL = "categorical"
NETWORKS = ("members.", SHARED, f"{CATEGORICAL}.")


@dataclass(frozen=True)
class Record:
    """How a training ended: what the model file says about it."""

    metrics: Mapping[str, object]
    verdict: Mapping[str, object] | None
    served: str
    seconds: float
    fitted_lengths: np.ndarray  # [S] rows of each series that the stored weights were fitted on
    by_lead: LeadRecord
    curves: tuple[FitCurve, ...]
    test: TestRecord


def pack_model(
    read: ReadResult, ensemble: Ensemble, *, assumptions: Assumptions, settings: Settings, name: str, record: Record
) -> ModelFile:
    """Pack an ensemble with all that a forecast from fresh rows needs, and the record of how it came about."""
    manifest = _manifest_of(read, assumptions=assumptions, settings=settings, name=name, record=record).model_copy(
        update={
            "quantile_levels": ensemble.quantile_levels,
            "members": ensemble.members,
            "groups": ensemble.groups,
            "group_weights": ensemble.group_weights,
            "theta_weight": ensemble.theta_weight,
            "zero_shot_group": ensemble.zero_shot_group,
        }
    )
    tensors: dict[str, np.ndarray] = {}
    shared = _shared(ensemble)
    for index, weights in enumerate(ensemble.weights):
        for key, array in weights.items():
            group = SHARED if array is shared.get(key) else f"members.{index}."
            tensors[group + key] = _compact(array)
    if ensemble.calibration is not None:
        tensors["calibration.factors"] = np.ascontiguousarray(ensemble.calibration.factors)
    kept = CONTEXT_WINDOWS * ensemble.context_length
    if ensemble.zero_shot_group is not None:
        kept = max(kept, ZERO_SHOT_ROWS)
    return ModelFile(manifest=manifest, tensors=tensors | _rows_of(read.series, kept))


def pack_categorical(
    read: ReadResult,
    network: CategoricalSettings,
    tensors: Mapping[str, np.ndarray],
    *,
    assumptions: Assumptions,
    settings: Settings,
    name: str,
    record: Record,
) -> ModelFile:
    """Pack a network over categories, as `pack_model` packs an ensemble."""
    manifest = _manifest_of(read, assumptions=assumptions, settings=settings, name=name, record=record)
    packed = {f"{CATEGORICAL}.{key}": np.ascontiguousarray(array) for key, array in tensors.items()}
    return ModelFile(
        manifest=manifest.model_copy(update={"categorical": network}),
        tensors=packed | _rows_of(read.series, network.context_length),
    )


def _rows_of(series: SeriesSet, kept: int) -> dict[str, np.ndarray]:
    return _context(series, kept).to_tensors() | statistics_tensors(series)


def _manifest_of(
    read: ReadResult, *, assumptions: Assumptions, settings: Settings, name: str, record: Record
) -> Manifest:
    return Manifest(
        name=name,
        rnnforecast=metadata.version("rnnforecast"),
        settings=settings.to_flat(),
        assumptions=assumptions.to_dict(),
        roles=roles_of(read.series),
        freq=read.series.freq.to_dict(),
        categories=dict(read.series.categories),
        season_length=read.series.season_length,
        own_seasons=_own_seasons(read.series),
        horizon=assumptions.horizon,
        quantile_levels=(),
        metrics={method: plain(scores) for method, scores in record.metrics.items()},
        verdict=None if record.verdict is None else {key: plain(value) for key, value in record.verdict.items()},
        test=record.test,
        served=record.served,
        by_lead=record.by_lead,
        curves=record.curves,
        findings=tuple(finding.to_dict() for finding in read.findings),
        seed=settings.training.seed,
        versions={"python": platform.python_version()} | {p: metadata.version(p) for p in RECORDED_PACKAGES},
        input=_input_record(read, record.fitted_lengths),
        seconds=record.seconds,
    )


def _shared(ensemble: Ensemble) -> dict[str, np.ndarray]:
    """Return the tensors that the networks of the zero-shot group have in common: the trunk of `base`."""
    groups = ensemble.groups or (0,) * len(ensemble.members)
    found = [one for one, group in zip(ensemble.weights, groups, strict=True) if group == ensemble.zero_shot_group]
    if len(found) < 2:
        return {}
    return {key: array for key, array in found[0].items() if all(other.get(key) is array for other in found)}


def _compact(array: np.ndarray) -> np.ndarray:
    """Return weights in half precision where that is exact, as for the pretrained ones."""
    if array.dtype == np.float32:
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if np.array_equal(half.astype(np.float32), array):
            array = half
    return np.ascontiguousarray(array)


def is_zero_shot(ensemble: Ensemble) -> bool:
    """Return whether no network of an ensemble was fitted: all are pretrained, with the weights of the package.

    Those are exact in half precision; weights after a single gradient step no longer are.
    """
    return all(isinstance(member, PretrainedSettings) for member in ensemble.members) and all(
        _compact(array).dtype == np.float16 for weights in ensemble.weights for array in weights.values()
    )


def _as_float32(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    return {
        name: tensor.astype(np.float32) if tensor.dtype == np.float16 else tensor for name, tensor in tensors.items()
    }


def unpack_ensemble(model: ModelFile) -> Ensemble:
    """Rebuild the ensemble; weights were checked against the shapes their settings ask for (`check_shapes`)."""
    manifest, members = model.manifest, model.manifest.members
    shared = _as_float32(model.group(SHARED.removesuffix(".")))
    groups = manifest.groups if len(manifest.groups) == len(members) else ()
    calibration = model.group("calibration")
    factors = calibration.get("factors")
    return Ensemble(
        members=members,
        weights=tuple(_weights(model, index, shared) for index in range(len(members))),
        groups=groups,
        group_weights=manifest.group_weights if len(manifest.group_weights) == len(set(groups)) else (),
        theta_weight=manifest.theta_weight,
        zero_shot_group=_zero_shot_group(manifest),
        calibration=None
        if factors is None
        else Calibration(factors=factors, quantile_levels=members[0].quantile_levels),
    )


def _weights(model: ModelFile, index: int, shared: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    own = _as_float32(model.member(index))
    common = {name: shared[name] for name in expected_shapes(model.manifest.members[index]) if name in shared}
    return common | own


def unpack_categorical(model: ModelFile) -> tuple[CategoricalSettings, dict[str, np.ndarray]] | None:
    """Return the network over categories and its tensors, None where a model forecasts numbers."""
    network = model.manifest.categorical
    return None if network is None else (network, model.group(CATEGORICAL))


def check_shapes(manifest: Manifest, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare tensors with what the settings ask for. Raises ModelFileError naming the first that differs."""
    if not manifest.members and manifest.categorical is None:
        raise _shape_error(manifest, "it has no network")
    check_cost(manifest)
    wanted: dict[str, tuple[int, ...]] = {}
    if manifest.categorical is not None:
        wanted = {f"{CATEGORICAL}.{name}": shape for name, shape in categorical_shapes(manifest.categorical).items()}
    for index, member in enumerate(manifest.members):
        for name, shape in expected_shapes(member).items():
            # networks of one file may have tensors in common, which it holds once
            own, common = f"members.{index}.{name}", f"{SHARED}{name}"
            wanted[common if own not in shapes and common in shapes else own] = shape
    found = {name: shape for name, shape in shapes.items() if name.startswith(NETWORKS)}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise _shape_error(manifest, f"`{name}` has shape {found.get(name)}, its settings need {wanted.get(name)}")
    factors = shapes.get("calibration.factors")
    if factors is not None and (len(factors) != 2 or factors[1] != len(manifest.members[0].quantile_levels)):
        raise _shape_error(manifest, f"`calibration.factors` has shape {factors}")


def check_cost(manifest: Manifest) -> None:
    """Reject networks whose forecast of one series would take too long or too much memory. Raises ModelFileError."""
    seconds, num_bytes = 0.0, 0
    for member in manifest.members:
        if isinstance(member, PretrainedSettings):
            continue  # its settings are bounded together
        segments = -(-member.context_length // member.segment_length)
        steps_ahead = -(-member.horizon // member.segment_length)
        passes = member.horizon if member.mapping == "many-to-one" else 1
        directions = 2 if member.bidirectional else 1
        step = _STEP_SECONDS + 16 * member.hidden_size**2 / _OPERATIONS_PER_SECOND
        looks = segments * steps_ahead if member.attention is not None else 0
        seconds += passes * segments * member.num_layers * directions * step + steps_ahead * step
        seconds += looks * member.hidden_size * 12 / _OPERATIONS_PER_SECOND
        states = segments * member.hidden_size * 4 * 8
        outputs = member.horizon * len(member.quantile_levels) * 8 * 4
        num_bytes = max(num_bytes, states + outputs + _BYTES_PER_LOOK * looks)
    if seconds > MAX_FORECAST_SECONDS or num_bytes > MAX_FORECAST_BYTES:
        reason = f"a forecast would take about {seconds:,.0f} s and {num_bytes / 2**30:,.1f} GiB for each series"
        raise ModelFileError(
            f"the networks of `{manifest.label}` are too large together: {reason}",
            hint=f"at most {MAX_FORECAST_SECONDS} s and 0.75 GiB are allowed: train with a lower `--context-length`, "
            "`--horizon` or `--num-members`, or a longer `--segment-length`",
            code="E_MODEL_SHAPE",
        )


def check_values(model: ModelFile) -> None:
    """Check the values of a model that its forecast uses: its manifest and its tensors. Raises ModelFileError."""
    manifest = model.manifest
    check_manifest(manifest)
    factors = model.group("calibration").get("factors")
    if factors is not None and (not len(factors) or factors.dtype.kind != "f" or not (factors > 0).all()):
        raise _value_error(manifest, "`calibration.factors` are not positive numbers for each step")
    for name, tensor in model.tensors.items():
        if name.startswith(NETWORKS) and tensor.dtype.kind != "f":
            raise _value_error(manifest, f"`{name}` is {tensor.dtype}, not a floating-point number")


def check_manifest(manifest: Manifest) -> None:
    """Check the values of a manifest that commands use: networks, frequency, settings, method. Raises ModelFileError."""
    if not manifest.members and manifest.categorical is None:
        raise _shape_error(manifest, "it has no network")
    check_cost(manifest)
    if manifest.categorical is not None:
        _check_categories(manifest, manifest.categorical)
    frequency_of(manifest)
    if _zero_shot_group(manifest) != manifest.zero_shot_group:
        raise _value_error(
            manifest, "its zero-shot group is not the pretrained network for a season, its means and none"
        )
    assumed = manifest.assumptions
    if any(not isinstance(assumed.get(key, 1), int) or isinstance(assumed.get(key), bool) for key in _COUNTS):
        raise _value_error(manifest, "`assumptions`: season length and horizon are numbers of steps")
    if not isinstance(assumed.get("freq", ""), str) or "horizon" not in assumed:
        raise _value_error(manifest, "`assumptions`: frequency or horizon is missing")
    # unknown settings may be those of another version
    problems = Settings.problems({key: value for key, value in manifest.settings.items() if key in _SETTINGS})
    if problems:
        raise _value_error(manifest, problems[0][1])
    if manifest.served not in (ENSEMBLE, *CATEGORICAL_BASELINES, *BASELINES, *STATISTICAL_BASELINES, *EXTRA_BASELINES):
        raise _value_error(manifest, f"`{manifest.served[:40]}` is not a method that can be served")


def _check_categories(manifest: Manifest, network: CategoricalSettings) -> None:
    words = manifest.categories.get(manifest.roles.target[0], ()) if len(manifest.roles.target) == 1 else ()
    if len(words) != network.num_categories or len(set(words)) != len(words) or manifest.horizon != network.horizon:
        raise _value_error(manifest, "its categories or its horizon are not those of its network")


#: Settings and those of older versions.
_SETTINGS = {*Settings().to_flat(), *RENAMED_KEYS}


def _zero_shot_group(manifest: Manifest) -> int | None:
    """Return the zero-shot group, None where there is none or it is not the pretrained network for its seasons."""
    number, members = manifest.zero_shot_group, manifest.members
    groups = manifest.groups if len(manifest.groups) == len(members) else (0,) * len(members)
    found = [member for member, group in zip(members, groups, strict=True) if group == number]
    seasons = [member.season_length for member in found if isinstance(member, PretrainedSettings)]
    if len(seasons) != len(found) or not seasons or len(set(seasons)) < len(seasons):
        return None
    usual = network_seasons(seasons[0])
    # models of versions without the means of seasons lack the network that reads them; others follow those of the panel
    is_usual = tuple(seasons[: len(usual)]) == usual or tuple(seasons) == (usual[0], 1)[: len(usual)]
    return number if is_usual else None


def frequency_of(manifest: Manifest) -> Frequency:
    """Return the frequency a model was trained on. Raises ModelFileError for what is none."""
    try:
        freq = Frequency.from_dict(dict(manifest.freq))
        if freq.timezone is not None:
            find_zone(freq.timezone)
    except UsageError as error:
        raise _value_error(manifest, error.message) from error
    most = _MAX_PHASE // manifest.horizon if freq.unit == "step" else _MAX_MULTIPLE
    if freq.multiple > most or max(map(abs, freq.closed), default=0) > _MAX_DAY or abs(freq.phase) > _MAX_PHASE:
        raise _value_error(manifest, "its frequency is not on the calendar")
    return freq


def fitted_members(model: Manifest | Ensemble) -> tuple[int, ...]:
    """Return the numbers of the members that were fitted: all but the zero-shot ones."""
    groups = model.groups or (0,) * len(model.members)
    return tuple(number for number, group in enumerate(groups) if group != model.zero_shot_group)


def last_fitted(manifest: Manifest, freq: Frequency) -> int | None:
    """Return the ordinal of the last row that a model was fitted on, on the grid of `freq`; None where it is not kept."""
    return _ordinal(manifest.input.fitted_until, freq)


def num_fitted(manifest: Manifest, series: SeriesSet, windows: Windows) -> int:
    """Return how many windows forecast from within the rows that a model was fitted on; 0 where they are not kept."""
    until = last_fitted(manifest, series.freq)
    last = series.first_ordinals[windows.series] + windows.cutoffs - 1
    return 0 if until is None else int((last < until).sum())


def last_read(manifest: Manifest, freq: Frequency) -> int | None:
    """Return the ordinal of the last row that a model was trained and calibrated on, as `last_fitted`."""
    return _ordinal(manifest.input.last_timestamp, freq)


def _ordinal(until: str | int | None, freq: Frequency) -> int | None:
    if until is None or isinstance(until, int) == freq.is_calendar:
        return None
    timestamp = np.array([until]) if isinstance(until, int) else np.array([np.datetime64(until, "us")])
    return int(freq.floor(timestamp)[0])


def _value_error(manifest: Manifest, reason: str) -> ModelFileError:
    message = f"the model `{manifest.label}` holds a value that no training of rnnforecast writes: {reason}"
    return ModelFileError(message, hint="do not trust this file; train again to replace it", code="E_MODEL_VALUES")


def _shape_error(manifest: Manifest, reason: str) -> ModelFileError:
    message = f"the weights of `{manifest.label}` do not fit its settings: {reason}"
    hint = "train again to replace this model; `rnnforecast models list` shows the others"
    return ModelFileError(message, hint=hint, code="E_MODEL_SHAPE")


def _own_seasons(series: SeriesSet) -> tuple[int, ...]:
    """Return the seasons that series have instead of that of the panel, the commonest first."""
    seasons = () if series.own_seasons is None else series.own_seasons[series.own_seasons != series.season_length]
    return tuple(length for length, _ in Counter(np.asarray(seasons).tolist()).most_common(MAX_OWN_SEASONS))


def roles_of(series: SeriesSet) -> Roles:
    """Return which columns the series were read from."""
    return Roles(
        time=series.time_column,
        target=series.target_names,
        id=series.id_columns,
        past=series.past_names,
        future=tuple(name for name in series.future_names if not is_generated(name)),
        static=series.static_names,
        generated=tuple(name for name in series.future_names if is_generated(name)),
    )


def _input_record(read: ReadResult, fitted_lengths: np.ndarray) -> InputRecord:
    series = read.series
    ends = series.first_ordinals + series.lengths - 1
    fitted = int((series.first_ordinals + fitted_lengths - 1).max())
    first, last, fitted_until = series.freq.to_timestamps(np.array([series.first_ordinals.min(), ends.max(), fitted]))
    return InputRecord(
        paths=tuple(map(lasting_path, read.paths)),
        future_paths=tuple(str(Path(path).resolve()) for path in read.future_paths),
        digest=read.digest,
        num_rows=series.num_rows,
        num_series=series.num_series,
        columns=read.columns,
        first_timestamp=_timestamp(first, series),
        last_timestamp=_timestamp(last, series),
        fitted_until=_timestamp(fitted_until, series),
    )


def _timestamp(timestamp: object, series: SeriesSet) -> str | int | None:
    value: JSONValue = timestamp_to_json(timestamp, series.freq.alias)
    return value if isinstance(value, str | int) else None


def _context(series: SeriesSet, length: int) -> SeriesContext:
    kept = np.minimum(series.lengths, length)
    dropped = series.lengths - kept
    rows = np.arange(kept.sum()) + np.repeat(series.offsets[1:] - np.cumsum(kept), kept)
    future_kept = np.maximum(np.diff(series.future_offsets) - dropped, 0)
    future_rows = np.arange(future_kept.sum()) + np.repeat(
        series.future_offsets[1:] - np.cumsum(future_kept), future_kept
    )
    return SeriesContext(
        id_values=series.id_values,
        target_index=series.target_index,
        values=series.values[rows],
        observed=series.observed[rows],
        offsets=np.concatenate([[0], np.cumsum(kept)]).astype(np.int64),
        first_ordinals=series.first_ordinals + dropped,
        past_covariates=series.past_covariates[rows],
        future_covariates=series.future_covariates[future_rows],
        future_offsets=np.concatenate([[0], np.cumsum(future_kept)]).astype(np.int64),
        static_covariates=series.static_covariates,
    )
