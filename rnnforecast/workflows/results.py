"""Result of every command: a frozen dataclass with one JSON document (`to_dict`, schemas in `docs/json.md`).

Fields of several results:
    assumptions   time, target, id, freq, season_length, horizon, num_series, num_rows (`Assumptions.to_dict`)
    reasons       key of the assumptions -> why it was chosen, and the flag that overrides it
    metrics       method -> the names of `evaluation.metrics.METRICS` (`coverage` and `width` by interval),
                  `coverage_uncertainty` and `num_scored` (steps); the served forecast is `ensemble`
    verdict       outcome ("win", "tie", "loss"), method, against, p_value, skill (percent), skill_interval, skill_level
                  ([low, high]), test, num_windows, num_series; None when there are no test rows
    notes         complete sentences for people
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import TYPE_CHECKING, ClassVar

from rnnforecast.errors import LostToBaselineError
from rnnforecast.findings import Finding, JSONValue
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document
from rnnforecast.progress import Progress as Progress

if TYPE_CHECKING:
    from rnnforecast.data.series import SeriesSet
    from rnnforecast.evaluation.backtest import Backtest
    from rnnforecast.mixture.gains import CovariateGain

Metrics = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class InspectResult(Document):
    """How a file is read: the choices a training would make, and every finding."""

    assumptions: Mapping[str, JSONValue]
    reasons: Mapping[str, str]
    findings: tuple[Finding, ...]
    paths: tuple[str, ...]
    first: object = None  # first and last timestamp over all series: datetime64, int or ISO text
    last: object = None
    columns: Mapping[str, str] = field(default_factory=dict)  # column -> role: time, target, id, past, ..., unused
    profile: Mapping[str, JSONValue] = field(default_factory=dict)  # gaps, seasons, trend, changes, outliers, demand
    suggestions: tuple[str, ...] = ()  # settings worth a try, each with its reason
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    series: SeriesSet | None = None  # for a picture

    HIDDEN: ClassVar = ("series",)
    SHOWS_FINDINGS: ClassVar = True


@dataclass(frozen=True)
class TrainResult(Document):
    """A stored model, its test scores, and the assumptions it was trained with."""

    model: str  # `prices@1`
    path: str
    assumptions: Mapping[str, JSONValue]
    reasons: Mapping[str, str]
    findings: tuple[Finding, ...]
    settings: Mapping[str, JSONValue]  # flat, as chosen: no None where the recipe decided
    members: tuple[Mapping[str, JSONValue], ...]  # cell, mapping, hidden_size, num_layers, context_length, ...
    metrics: Metrics
    verdict: Mapping[str, object] | None
    served: str  # `ensemble`, or the baseline served instead
    num_windows: int  # test windows of each series
    seconds: float  # of training and test, imports not counted
    notes: tuple[str, ...] = ()
    activation: Mapping[str, JSONValue] | None = None  # whether it is active, and the version it was compared with
    gains: tuple[CovariateGain, ...] = ()  # of each covariate: the change of the error on past windows

    def require_win(self) -> None:
        """Raise LostToBaselineError unless the verdict is a win; the model is stored in any case."""
        if self.verdict is None or self.verdict["outcome"] != "win":
            found = "there are no test rows" if self.verdict is None else f"the verdict is a {self.verdict['outcome']}"
            message = f"`--require win` was set, but {found} ({self.model} is stored)"
            hint = "leave out `--require win`, or serve the naive forecast with `--on-loss serve-baseline`"
            raise LostToBaselineError(message, hint=hint, code="E_LOST")


@dataclass(frozen=True)
class EvaluateResult(Document):
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
    num_calibrated: int  # windows within the rows that the intervals were calibrated on
    notes: tuple[str, ...] = ()
    seconds: float = 0.0
    gains: tuple[CovariateGain, ...] = ()  # of each covariate: the change of the error on past windows
    series: SeriesSet | None = None  # for a picture or a page
    backtest: Backtest | None = None  # of `series`

    HIDDEN: ClassVar = ("series", "backtest")


@dataclass(frozen=True)
class CategoricalTrainResult(TrainResult):
    """A stored network over the categories of a target; its metrics are `log_loss`, `accuracy` and `num_scored`."""

    categories: tuple[str, ...] = ()


@dataclass(frozen=True)
class CategoricalEvaluateResult(EvaluateResult):
    """A backtest of a network over categories; its metrics are `log_loss`, `accuracy` and `num_scored`.

    `confusion` counts the steps of each actual category, a row, by the most probable one, in the order of `categories`.
    """

    categories: tuple[str, ...] = ()
    confusion: tuple[tuple[int, ...], ...] = ()


@dataclass(frozen=True)
class ReportResult(Document):
    """A written page: its subject and its size."""

    model: str
    output: str
    num_bytes: int
    num_series: int
    horizon: int
    verdict: Mapping[str, object] | None
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class ScriptResult(Document):
    """A Python script that trains and forecasts like a stored model."""

    model: str
    text: str
    output: str | None = None  # where it was written; None: nowhere
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class DiagnoseResult(Document):
    """How far back recurrent networks remember on some rows, how far back the model looks, and advice."""

    model: str
    freq: str
    season_length: int
    context_length: int  # steps that the model reads
    networks: tuple[Mapping[str, JSONValue], ...]  # name, is_own, memory (steps), gradient_norm, saturated_gates, ...
    memory: tuple[Mapping[str, JSONValue], ...]  # name, lags, norms of d h_t / d h_(t-lag)
    occlusion: tuple[Mapping[str, JSONValue], ...]  # first_lag, last_lag, effect (move of the forecast, in spreads)
    correlation_lag: int | None
    attention: tuple[Mapping[str, JSONValue], ...]  # step, lag, weight (mean over series); empty without attention
    advice: tuple[str, ...]
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class CompareResult(Document):
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
    parameters: Mapping[str, int] = field(default_factory=dict)  # of the networks that got a weight
    ranks: Mapping[str, float] = field(default_factory=dict)  # mean rank by error, 1 is best
    num_ranked: int = 0  # series, or windows where there is one series
    critical_difference: float | None = None  # of mean ranks: smaller differences may be chance (Nemenyi, 5 %)
    skills: Mapping[str, float | None] = field(default_factory=dict)  # percent, against `skill_against`
    skill_against: str = ""
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


@dataclass(frozen=True)
class TuneResult(Document):
    """The best settings of a search, compared with the default on the test windows."""

    study: str  # path of the trials, which another run continues
    assumptions: Mapping[str, JSONValue]
    reasons: Mapping[str, str]
    findings: tuple[Finding, ...]
    settings: Mapping[str, JSONValue]  # the best ones, for `--config`
    toml: str  # the same as text
    output: str | None  # where the text was written; None: nowhere
    trials: tuple[Mapping[str, JSONValue], ...]  # trial, state, loss and settings; the best first
    num_trials_before: int  # of earlier runs
    importance: Mapping[str, float]  # setting -> fraction of the differences in loss; empty with few trials
    metrics: Metrics  # of `tuned`, `default` and the naive forecasts
    verdict: Mapping[str, object] | None  # `tuned` against `default`
    num_windows: int
    seconds: float
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelsResult(Document):
    """Stored models, one short mapping each: the result of `models list` and of commands that change models.

    Keys of a model: model, path, size_bytes, active, ok, problem, created, freq, horizon, num_series, target, mase,
    outcome, served.
    """

    store: str
    action: str  # list, verify, export, promote, rollback, prune or remove
    models: tuple[Mapping[str, object], ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class ModelResult(Document):
    """One stored model in full: its manifest and its path."""

    model: str
    path: str
    manifest: Mapping[str, object]


@dataclass(frozen=True)
class Check(Document):
    """One check of `doctor`."""

    name: str
    ok: bool
    detail: str
    hint: str | None = None


@dataclass(frozen=True)
class DoctorResult(Document):
    """Whether this installation can train, predict and store."""

    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        """True when every check passed."""
        return all(check.ok for check in self.checks)

    def _computed(self) -> dict[str, object]:
        return {"ok": self.ok}
