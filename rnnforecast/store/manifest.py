"""The manifest of a model file: everything about a model except its arrays, as one JSON document.

It is read before any array is, so all it holds is checked here: types, sizes, the closed list of architectures.
Unknown keys are ignored, except within `members`: an unknown key there might change the equations.
"""

from __future__ import annotations

import json
import math
import re
from itertools import pairwise
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError, model_validator

from rnnforecast.config import MAX_CATEGORIES, MAX_HORIZON, MAX_LEVELS
from rnnforecast.errors import ModelFileError
from rnnforecast.members import ENSEMBLE, PRETRAINED, RECURRENT, CategoricalSettings, WrittenMember
from rnnforecast.store.record import FitCurve, LeadRecord

#: Written into every file; readers reject higher numbers and read all lower ones.
FORMAT = 2
#: Keys of files written before they were renamed.
_RENAMED_KEYS = {"shares": "group_weights", "theta_share": "theta_weight"}

#: Names of methods in models of format 1 that were stored before they were renamed.
_RENAMED = {"network": ENSEMBLE, "network-alone": "networks", "pretrained": "base"}

#: Seasons other than that of the panel that are stored.
MAX_OWN_SEASONS = 20
#: Outcomes of a verdict.
OUTCOMES = ("win", "tie", "loss")
_METHOD = re.compile(r"[A-Za-z0-9]+([_-][A-Za-z0-9]+){0,5}")
_MAX_METHODS = 200

#: An empty pair of brackets is two bytes in a file and a hundred in memory.
_MAX_BRACKETS = 200_000


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)


class Roles(_Frozen):
    """Which columns of the input are what; the names are the user's own."""

    time: str | None = None
    target: tuple[str, ...] = ()
    id: tuple[str, ...] = ()
    past: tuple[str, ...] = ()
    future: tuple[str, ...] = ()
    static: tuple[str, ...] = ()
    generated: tuple[str, ...] = ()  # covariates known ahead that the calendar gives, behind those of `future`


class InputRecord(_Frozen):
    """The data a model was trained on: absolute paths, digest, size and span (timestamps as text, steps as numbers).

    `fitted_until` is the last row the stored weights were fitted on; rows after it were held out and stay unseen.
    """

    paths: tuple[str, ...] = ()
    future_paths: tuple[str, ...] = ()  # files of what is known ahead
    digest: str = ""
    num_rows: int = Field(0, ge=0)
    num_series: int = Field(0, ge=0)
    columns: tuple[str, ...] = ()
    first_timestamp: str | int | None = None
    last_timestamp: str | int | None = None
    fitted_until: str | int | None = None


class TestRecord(_Frozen):
    """The test windows of a training; neither number is known of models stored before they were recorded."""

    num_windows: int | None = Field(None, ge=0)
    window_step: int | None = Field(None, ge=1)


class Manifest(_Frozen):
    """Description of a model: its data, settings, members, test metrics, and what it serves.

    `name`, `version` and `created` (UTC, ISO 8601) are given by the store, `payload_sha256` by the writer.
    `served` is `ensemble` or the name of the baseline that is served in its place.
    """

    format: int = Field(FORMAT, ge=1)
    name: str = ""
    version: int = Field(0, ge=0)
    created: str = ""
    rnnforecast: str = ""
    settings: dict[str, JsonValue] = {}
    assumptions: dict[str, JsonValue] = {}
    roles: Roles = Field(default_factory=Roles)
    freq: dict[str, JsonValue] = {}
    #: the words of each column that holds categories, in the order of their codes from 1 on
    categories: dict[str, Annotated[tuple[str, ...], Field(max_length=MAX_CATEGORIES)]] = {}
    season_length: int = Field(1, ge=1, le=100_000)
    #: seasons of plain steps that some series have instead
    own_seasons: tuple[Annotated[int, Field(ge=1, le=100_000)], ...] = Field((), max_length=MAX_OWN_SEASONS)
    horizon: int = Field(ge=1, le=MAX_HORIZON)
    quantile_levels: tuple[float, ...]
    members: tuple[WrittenMember, ...] = Field((), max_length=64)
    #: the network over the categories of the target; then there are no members
    categorical: CategoricalSettings | None = None
    groups: tuple[int, ...] = Field((), max_length=64)
    group_weights: tuple[Annotated[float, Field(gt=0, le=1)], ...] = Field((), max_length=64)
    theta_weight: float = Field(0.0, ge=0, lt=1)
    #: the group whose members are the pretrained network, zero-shot: `mixture/` forecasts by it
    zero_shot_group: int | None = Field(None, ge=0, lt=64)
    metrics: dict[str, JsonValue] = {}
    verdict: dict[str, JsonValue] | None = None
    by_lead: LeadRecord = Field(default_factory=LeadRecord)
    #: one for each network that was fitted, also of those that got no weight
    curves: tuple[FitCurve, ...] = Field((), max_length=64)
    test: TestRecord = Field(default_factory=TestRecord)
    served: str = ENSEMBLE
    findings: tuple[dict[str, JsonValue], ...] = ()
    seed: int = 0
    versions: dict[str, str] = {}
    input: InputRecord = Field(default_factory=InputRecord)
    seconds: float = Field(0.0, ge=0.0)
    payload_sha256: str = ""

    @model_validator(mode="before")
    @classmethod
    def _rename_methods(cls, values: Any) -> Any:
        """Read the names of methods that older versions wrote."""
        if not isinstance(values, dict):
            return values
        values, metrics, verdict = dict(values), values.get("metrics"), values.get("verdict")
        if isinstance(values.get("served"), str):
            values["served"] = _RENAMED.get(values["served"], values["served"])
        if isinstance(metrics, dict):
            values["metrics"] = {_RENAMED.get(name, name): scores for name, scores in metrics.items()}
        if isinstance(verdict, dict) and "network" in verdict:
            values["verdict"] = {"method": _RENAMED.get(str(verdict["network"]), verdict["network"]), **verdict}
        return values

    @property
    def label(self) -> str:
        """`NAME@VERSION`, or the bare name while the store has given no version."""
        return f"{self.name}@{self.version}" if self.version else self.name

    def to_dict(self) -> dict[str, JsonValue]:
        """Return the manifest as JSON values; numbers that are not finite (an undefined metric) become null."""
        return {key: _finite(value) for key, value in self.model_dump(mode="json").items()}

    def to_json(self) -> str:
        """Return the manifest as one line of JSON, the same text for the same manifest."""
        return json.dumps(self.to_dict(), separators=(",", ":"), allow_nan=False)

    @classmethod
    def from_json(cls, text: str, *, source: str) -> Manifest:
        """Rebuild a manifest. Raises ModelFileError for a newer format and for whatever is not a manifest."""
        values = parse_json(text, source=source)
        if not isinstance(values, dict):
            raise _not_a_manifest(source, f"it is a {type(values).__name__}")
        written = values.get("format")
        if isinstance(written, int) and written > FORMAT:
            raise _too_new(source, written, values.get("rnnforecast"))
        try:
            manifest = cls.model_validate({_RENAMED_KEYS.get(key, key): value for key, value in values.items()})
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where = ".".join(str(part) for part in first["loc"] if part not in (RECURRENT, PRETRAINED))
            raise _not_a_manifest(source, f"`{where}`: {first['msg'][:200]}") from error
        problem = _problem_of_levels(manifest) or _problem_of_record(manifest)
        if problem:
            raise _not_a_manifest(source, problem)
        return manifest


def _problem_of_levels(manifest: Manifest) -> str:
    """Return what is wrong with the quantile levels, empty where nothing is; all networks have the same levels."""
    if manifest.categorical is not None:
        return (
            "" if not manifest.quantile_levels and not manifest.members else "`categorical`: it has no other networks"
        )
    named = [("quantile_levels", manifest.quantile_levels)]
    named += [(f"members.{index}", member.quantile_levels) for index, member in enumerate(manifest.members)]
    for name, levels in named:
        is_ascending = all(low < high for low, high in pairwise(levels))
        if not 1 <= len(levels) <= MAX_LEVELS or not is_ascending or not 0 < levels[0] <= levels[-1] < 1:
            return f"`{name}`: quantile levels ascend between 0 and 1, 1 to {MAX_LEVELS} of them"
    for name, levels in named[1:]:
        if 0.5 not in levels or levels != manifest.members[0].quantile_levels:
            return f"`{name}`: all networks have the same quantile levels, 0.5 among them"
    return ""


def _problem_of_record(manifest: Manifest) -> str:
    """Return what is wrong with metrics, verdict and served method, empty where nothing is."""
    if len(manifest.metrics) > _MAX_METHODS or not all(
        isinstance(scores, dict) for scores in manifest.metrics.values()
    ):
        return f"`metrics`: at most {_MAX_METHODS} methods, each with its scores by name"
    if manifest.verdict is not None and manifest.verdict.get("outcome") not in OUTCOMES:
        return f"`verdict.outcome`: it is one of {', '.join(OUTCOMES)}"
    if _METHOD.fullmatch(manifest.served) is None:
        return "`served`: it is not the name of a method"
    return ""


def parse_json(text: str, *, source: str) -> JsonValue:
    """Parse JSON from an untrusted file; reject repeated keys, NaN, deep nesting and excessive brackets.

    Raises ModelFileError.
    """
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise _not_a_manifest(source, f"it has more than {_MAX_BRACKETS:,} brackets")
    try:
        parsed: JsonValue = json.loads(
            text,
            object_pairs_hook=_unique_keys,
            parse_constant=_reject_constant,
            parse_int=_bounded_int,
            parse_float=_finite_float,
        )
    except (ValueError, RecursionError) as error:
        reason = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)[:200]
        raise _not_a_manifest(source, reason) from error
    return parsed


def _unique_keys(pairs: list[tuple[str, JsonValue]]) -> dict[str, JsonValue]:
    unique = dict(pairs)
    if len(unique) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key `{twice[:40]}` occurs twice")
    return unique


def _reject_constant(word: str) -> NoReturn:
    raise ValueError(f"`{word}` is not a JSON number")


def _bounded_int(digits: str) -> int:
    number = int(digits)
    if abs(number) >= 2**63:
        raise ValueError(f"the number {digits[:40]} has more than 64 bits")
    return number


def _finite_float(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError(f"the number {digits[:40]} is too large")
    return number


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_finite(inner) for inner in value]
    return value


def _too_new(source: str, written: int, needed: object) -> ModelFileError:
    version = f"rnnforecast {needed} or newer" if isinstance(needed, str) and needed else "a newer rnnforecast"
    message = f"`{source}` has format {written}, this rnnforecast reads formats up to {FORMAT}: it needs {version}"
    hint = "upgrade with `pip install --upgrade rnnforecast`, or train again"
    return ModelFileError(message, hint=hint, code="E_MODEL_TOO_NEW")


def _not_a_manifest(source: str, reason: str) -> ModelFileError:
    message = f"`{source}` holds no manifest that rnnforecast reads: {reason}"
    hint = "`rnnforecast models list` shows the models that are whole; train again to replace this one"
    return ModelFileError(message, hint=hint, code="E_MODEL_FORMAT")
