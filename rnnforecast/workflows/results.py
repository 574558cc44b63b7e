"""The result of every command: frozen dataclasses, each with one JSON document (`to_dict`, schemas in `docs/json.md`).

Words shared by all results:
    assumptions   time, target, id, freq, season_length, horizon, num_series, num_rows (`Assumptions.to_dict`)
    reasons       key of the assumptions -> why it was chosen, and the flag that overrides it
    metrics       method -> mase, rmsse, smape, mae, rmse, wape, wql (floats), `coverage`, `coverage_uncertainty` and
                  `width` ({"80": float, "95": float}), `num_scored` (steps); the network's method is `network`
    verdict       outcome ("win", "tie", "loss"), against, p_value, skill (percent), skill_interval ([low, high]),
                  test, num_windows, num_series; None when nothing was held out
    notes         sentences for people, complete on their own
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rnnforecast.errors import LostToBaselineError
from rnnforecast.findings import Finding, JSONValue
from rnnforecast.json_values import plain, timestamp_to_json
from rnnforecast.progress import Progress as Progress

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

Metrics = Mapping[str, Mapping[str, object]]


def _document(**fields: object) -> dict[str, JSONValue]:
    return {key: plain(value) for key, value in fields.items()}


@dataclass(frozen=True)
class InspectResult:
    """The choices of `train` for a file, and every finding."""

    assumptions: Mapping[str, JSONValue]
    reasons: Mapping[str, str]
    findings: tuple[Finding, ...]
    paths: tuple[str, ...]
    first: object = None  # first and last timestamp over all series: datetime64, int or ISO text
    last: object = None
    columns: Mapping[str, str] = field(default_factory=dict)  # column -> role: time, target, id, past, ..., unused
    seconds: float = 0.0
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast inspect`."""
        return _document(
            assumptions=self.assumptions,
            reasons=self.reasons,
            findings=self.findings,
            paths=self.paths,
            first=timestamp_to_json(self.first, self.assumptions.get("freq")),
            last=timestamp_to_json(self.last, self.assumptions.get("freq")),
            columns=self.columns,
            notes=self.notes,
            seconds=self.seconds,
        )


@dataclass(frozen=True)
class TrainResult:
    """A stored model, its test metrics, and the assumptions."""

    model: str  # `prices@1`
    path: str
    assumptions: Mapping[str, JSONValue]
    reasons: Mapping[str, str]
    findings: tuple[Finding, ...]
    settings: Mapping[str, JSONValue]  # flat, as chosen: no None where the recipe decided
    members: tuple[Mapping[str, JSONValue], ...]  # cell, mapping, hidden_size, num_layers, context_length, ...
    metrics: Metrics
    verdict: Mapping[str, object] | None
    served: str  # `network`, or the baseline served instead
    num_windows: int  # test windows of each series
    seconds: float  # of training and testing, without imports
    notes: tuple[str, ...] = ()
    activation: Mapping[str, JSONValue] | None = None  # whether it became active, and the version it was compared with

    def require_win(self) -> None:
        """Raise LostToBaselineError unless the verdict is a win; the model stays stored either way."""
        if self.verdict is None or self.verdict["outcome"] != "win":
            judged = "nothing was held out" if self.verdict is None else f"the verdict is a {self.verdict['outcome']}"
            raise LostToBaselineError(
                f"a win was required, {judged} ({self.model} is stored)",
                hint="leave out `--require win`, or serve the naive forecast with `--on-loss serve-baseline`",
                code="E_LOST",
            )

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast train`."""
        return _document(
            model=self.model,
            path=self.path,
            assumptions=self.assumptions,
            reasons=self.reasons,
            findings=self.findings,
            settings=self.settings,
            members=self.members,
            metrics=self.metrics,
            verdict=self.verdict,
            served=self.served,
            num_windows=self.num_windows,
            activation=self.activation,
            notes=self.notes,
            seconds=self.seconds,
        )


@dataclass(frozen=True)
class Preview:
    """One series as the terminal shows it: the last rows known and the forecast after them."""

    label: str  # item id as people read it; "" for a single series
    target: str
    past_timestamps: np.ndarray  # [C] datetime64 or int64
    past_target: np.ndarray  # [C] float64, NaN where missing
    timestamps: np.ndarray  # [H]
    median: np.ndarray  # [H], whether its level was asked for or not
    quantiles: np.ndarray  # [H, Q] at the levels of the result, original units
    method: str = "network"


@dataclass(frozen=True)
class PredictResult:
    """Forecasts after the last row of every series.

    `frame` keeps the user's names for id and time, then `cutoff`, `forecast`, `q0.1` ..., `method`.
    """

    model: str
    frame: pd.DataFrame
    freq: str
    horizon: int
    quantile_levels: tuple[float, ...]
    cutoffs: tuple[object, ...]  # distinct last timestamps seen, in order
    num_series: int
    previews: tuple[Preview, ...]  # the first few series
    output: str | None = None  # where the frame was written; None: nowhere
    attention_output: str | None = None
    ledger: str | None = None  # the part of the ledger that keeps the forecasts; None: they are not kept
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def columns(self) -> list[str]:
        """Names of the columns of `rows`."""
        return [str(name) for name in self.frame.columns]

    @property
    def rows(self) -> list[list[JSONValue]]:
        """All rows as plain JSON values: integers stay integers, timestamps become ISO text, NaN null."""
        columns = [self._column(self.frame[name]) for name in self.frame.columns]
        return [list(row) for row in zip(*columns, strict=True)]

    def _column(self, column: pd.Series) -> list[JSONValue]:
        if hasattr(column.dtype, "tz") or column.dtype.kind == "M":
            return [timestamp_to_json(timestamp, self.freq) for timestamp in column]
        return [plain(value) for value in column.tolist()]

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast predict`; `rows` is null when they went to `output`."""
        return _document(
            model=self.model,
            freq=self.freq,
            horizon=self.horizon,
            num_series=self.num_series,
            cutoffs=[timestamp_to_json(cutoff, self.freq) for cutoff in self.cutoffs],
            columns=self.columns,
            num_rows=len(self.frame),
            rows=self.rows if self.output is None else None,
            output=self.output,
            attention_output=self.attention_output,
            ledger=self.ledger,
            findings=self.findings,
            notes=self.notes,
            seconds=self.seconds,
        )


@dataclass(frozen=True)
class EvaluateResult:
    """A rolling-origin backtest of one stored model and the baselines."""

    model: str
    assumptions: Mapping[str, JSONValue]
    findings: tuple[Finding, ...]
    num_windows: int
    window_step: int
    gap: int
    refit: bool
    cutoffs: tuple[object, ...]  # distinct, in order
    metrics: Metrics
    per_lead: tuple[Mapping[str, object], ...]  # method, lead (1 ... horizon), mase, mae, coverage
    per_series: tuple[Mapping[str, object], ...]  # method, item_id, mase, smape, mae, wql, coverage
    verdict: Mapping[str, object] | None
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast evaluate`."""
        return _document(
            model=self.model,
            assumptions=self.assumptions,
            findings=self.findings,
            num_windows=self.num_windows,
            window_step=self.window_step,
            gap=self.gap,
            refit=self.refit,
            cutoffs=[timestamp_to_json(cutoff, self.assumptions.get("freq")) for cutoff in self.cutoffs],
            metrics=self.metrics,
            per_lead=self.per_lead,
            per_series=self.per_series,
            verdict=self.verdict,
            notes=self.notes,
            seconds=self.seconds,
        )


@dataclass(frozen=True)
class CompareResult:
    """Networks and baselines on the same windows; nothing is stored."""

    assumptions: Mapping[str, JSONValue]
    reasons: Mapping[str, str]
    findings: tuple[Finding, ...]
    settings: Mapping[str, JSONValue]
    num_windows: int
    window_step: int
    gap: int
    cutoffs: tuple[object, ...]
    metrics: Metrics  # network methods are named by cell or mapping: `gru`, `lstm`, ...
    per_lead: tuple[Mapping[str, object], ...]
    per_series: tuple[Mapping[str, object], ...]
    verdict: Mapping[str, object] | None  # best network against the best baseline
    networks: tuple[str, ...] = ()  # the methods that are networks
    seconds_per_method: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast compare`."""
        return _document(
            assumptions=self.assumptions,
            reasons=self.reasons,
            findings=self.findings,
            settings=self.settings,
            networks=self.networks,
            num_windows=self.num_windows,
            window_step=self.window_step,
            gap=self.gap,
            cutoffs=[timestamp_to_json(cutoff, self.assumptions.get("freq")) for cutoff in self.cutoffs],
            metrics=self.metrics,
            per_lead=self.per_lead,
            per_series=self.per_series,
            verdict=self.verdict,
            seconds_per_method=self.seconds_per_method,
            notes=self.notes,
            seconds=self.seconds,
        )


@dataclass(frozen=True)
class ModelsResult:
    """Stored models, one short mapping each: what `models list` and all that changes models report.

    Keys of a model: model, path, size_bytes, active, ok, problem, created, freq, horizon, num_series, target, mase,
    outcome, served.
    """

    store: str
    action: str  # list, verify, promote, rollback, prune or remove
    models: tuple[Mapping[str, object], ...]
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast models list`, `verify`, `promote` and the others."""
        return _document(store=self.store, action=self.action, models=self.models, notes=self.notes)


@dataclass(frozen=True)
class ModelResult:
    """One stored model in full: its manifest and where it lies."""

    model: str
    path: str
    manifest: Mapping[str, object]

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast models show`."""
        return _document(model=self.model, path=self.path, manifest=self.manifest)


@dataclass(frozen=True)
class Check:
    """One thing `doctor` looked at."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None


@dataclass(frozen=True)
class DoctorResult:
    """Whether this installation can train, predict and store."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True when every check passed."""
        return all(check.ok for check in self.checks)

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast doctor`."""
        checks = [{"name": c.name, "ok": c.ok, "detail": c.detail, "hint": c.hint} for c in self.checks]
        return _document(ok=self.ok, checks=checks)
