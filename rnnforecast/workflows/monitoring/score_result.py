"""The result of `score`: live accuracy and coverage, pending steps, alarms and actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rnnforecast.errors import CoverageError, DriftError
from rnnforecast.json_values import plain, timestamp_to_json

if TYPE_CHECKING:
    from rnnforecast.errors import RnnForecastError
    from rnnforecast.findings import Finding, JSONValue
    from rnnforecast.workflows.results import Metrics

#: The message of each test's alarm.
SENTENCES = {
    "loss": "the errors have become larger than they were",
    "naive": "the naive forecast is the better one more often than not",
    "inputs": "the newest rows are far from those of the training",
    "coverage_80": "the 80 % interval covers too little",
    "coverage_95": "the 95 % interval covers too little",
}
DRIFT = ("loss", "naive", "inputs")


@dataclass(frozen=True)
class ScoreResult:
    """Logged forecasts compared with the actuals that have arrived.

    `metrics` has the methods `forecast` (what was issued) and the naive forecast for the same cutoffs; `watches` are
    the tests for drift and coverage: name, state (`ok`, `alarm`, `too few`), value, limit, num_units, since.
    """

    name: str
    versions: tuple[int, ...]
    paths: tuple[str, ...]
    freq: str
    baseline: str
    num_issued: int
    num_scored: int
    num_pending: int
    num_missing: int
    num_unknown: int
    num_series: int
    cutoffs: tuple[object, ...]  # distinct cutoffs that have a scored step, in order
    metrics: Metrics
    per_lead: tuple[Mapping[str, object], ...]  # lead, num_scored, mase, baseline_mase, coverage
    verdict: Mapping[str, object] | None
    watches: tuple[Mapping[str, object], ...]
    watched_versions: tuple[int, ...] = ()
    policy: str = "warn"
    action: Mapping[str, object] | None = None  # what the policy did about an alarm
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def alarms(self) -> tuple[str, ...]:
        """The tests that give an alarm, those of drift first."""
        found = [str(watch["name"]) for watch in self.watches if watch["state"] == "alarm"]
        return tuple(sorted(found, key=lambda name: name not in DRIFT))

    def alarm(self) -> RnnForecastError | None:
        """Return the error that a run with an alarm ends with, drift before coverage; None without an alarm."""
        if not self.alarms:
            return None
        reasons = "; ".join(SENTENCES[name] for name in self.alarms)
        kind = DriftError if self.alarms[0] in DRIFT else CoverageError
        hint = f"`rnnforecast train {' '.join(self.paths)} --name {self.name}`, or let `--policy retrain` do it"
        if self.policy != "warn" and self.action is not None:
            hint = str(self.action.get("message"))
        code = "E_DRIFT" if kind is DriftError else "E_COVERAGE"
        return kind(f"`{self.name}`: {reasons}", hint=hint, code=code)

    def raise_alarm(self) -> None:
        """Raise DriftError or CoverageError where a test gives an alarm."""
        error = self.alarm()
        if error is not None:
            raise error

    def to_dict(self) -> dict[str, JSONValue]:
        """Return the JSON document of `rnnforecast score`."""
        fields: dict[str, object] = {
            "name": self.name,
            "versions": self.versions,
            "paths": self.paths,
            "freq": self.freq,
            "baseline": self.baseline,
            "num_issued": self.num_issued,
            "num_scored": self.num_scored,
            "num_pending": self.num_pending,
            "num_missing": self.num_missing,
            "num_unknown": self.num_unknown,
            "num_series": self.num_series,
            "cutoffs": [timestamp_to_json(cutoff, self.freq) for cutoff in self.cutoffs],
            "metrics": self.metrics,
            "per_lead": self.per_lead,
            "verdict": self.verdict,
            "watches": [{**watch, "since": timestamp_to_json(watch["since"], self.freq)} for watch in self.watches],
            "watched_versions": self.watched_versions,
            "alarms": self.alarms,
            "policy": self.policy,
            "action": self.action,
            "findings": self.findings,
            "notes": self.notes,
            "seconds": self.seconds,
        }
        return {key: plain(value) for key, value in fields.items()}
