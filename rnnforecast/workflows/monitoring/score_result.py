"""The result of `score`: live accuracy and coverage, pending steps, alarms and actions."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from rnnforecast.errors import CoverageError, DriftError, RnnForecastError
from rnnforecast.findings import Finding
from rnnforecast.frozen import dataclass
from rnnforecast.json_values import Document
from rnnforecast.workflows.results import Metrics

#: The message of each test's alarm.
SENTENCES = {
    "loss": "the forecast errors have grown",
    "naive": "the naive forecast is better more often than not",
    "inputs": "the newest rows differ strongly from the training rows",
    "coverage_80": "the 80 % interval covers too little",
    "coverage_95": "the 95 % interval covers too little",
}
DRIFT = ("loss", "naive", "inputs")


@dataclass(frozen=True)
class ScoreResult(Document):
    """Logged forecasts, compared with the actuals that have arrived.

    `metrics` has the methods `forecast` (the logged one) and the naive forecast for the same cutoffs; `watches` are
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
    tested_versions: tuple[int, ...] = ()
    policy: str = "warn"
    action: Mapping[str, object] | None = None  # what the policy did on an alarm
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def alarms(self) -> tuple[str, ...]:
        """The tests with an alarm, those of drift first."""
        found = [str(watch["name"]) for watch in self.watches if watch["state"] == "alarm"]
        return tuple(sorted(found, key=lambda name: name not in DRIFT))

    def alarm(self) -> RnnForecastError | None:
        """Return the error that a run with an alarm ends with, drift before coverage; None without an alarm."""
        if not self.alarms:
            return None
        reasons = "; ".join(SENTENCES[name] for name in self.alarms)
        kind = DriftError if self.alarms[0] in DRIFT else CoverageError
        hint = f"`rnnforecast train {shlex.join(self.paths)} --name {shlex.quote(self.name)}`, or let `--policy retrain` do it"
        if self.policy != "warn" and self.action is not None:
            hint = str(self.action.get("message"))
        code = "E_DRIFT" if kind is DriftError else "E_COVERAGE"
        return kind(f"`{self.name}`: {reasons}", hint=hint, code=code)

    def raise_alarm(self) -> None:
        """Raise DriftError or CoverageError if a test has an alarm."""
        error = self.alarm()
        if error is not None:
            raise error

    def _computed(self) -> dict[str, object]:
        return {"alarms": self.alarms}
