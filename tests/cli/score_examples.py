"""Scores made by hand: a sound model, and one with alarms that a policy answered."""

from __future__ import annotations

import numpy as np

from rnnforecast.workflows.monitoring.score_result import ScoreResult
from tests.cli.examples import FINDING, scores, verdict


def score_result(*, alarms: tuple[str, ...] = (), empty: bool = False) -> ScoreResult:
    """Return the live scores of 40 cutoffs, with the named tests in alarm; `empty`: before the first actual."""
    names = ("loss", "naive", "coverage_80", "coverage_95")
    since = np.datetime64("2024-05-06", "us")
    watches = [
        {
            "name": name,
            "state": "too few" if empty else "alarm" if name in alarms else "ok",
            "value": 13.4 if name in alarms else 0.7,
            "limit": 13.0 if name == "loss" else 4.562292864456475,
            "num_units": 0 if empty else 40,
            "since": since if name in alarms else None,
        }
        for name in names
    ]
    inputs = {"name": "inputs", "state": "ok", "value": 0.0, "limit": 0.1, "num_units": 12, "since": None}
    baseline = {**scores(1.1), "coverage": {"80": None, "95": None}, "coverage_uncertainty": {"80": None, "95": None}}
    leads = [
        {
            "lead": lead,
            "num_scored": 40,
            "mase": 0.8 + lead / 50,
            "baseline_mase": 1.0 + lead / 50,
            "mae": 9.9,
            "coverage": {"80": 0.8 - lead / 100, "95": 0.95},
        }
        for lead in range(1, 11)
    ]
    message = (
        "`seasonal-naive` is now served in place of the networks of prices@2; "
        "`rnnforecast models promote prices@2` ends that"
    )
    action = {"policy": "serve-baseline", "model": "prices@2", "served": "seasonal-naive", "message": message}
    return ScoreResult(
        name="prices",
        versions=(1, 2),
        paths=("/data/prices.csv",),
        freq="B",
        baseline="seasonal-naive",
        num_issued=400,
        num_scored=0 if empty else 355,
        num_pending=400 if empty else 44,
        num_missing=0 if empty else 1,
        num_unknown=0,
        num_series=12,
        cutoffs=() if empty else (np.datetime64("2024-03-11", "us"), np.datetime64("2024-05-10", "us")),
        metrics={} if empty else {"forecast": scores(0.9), "seasonal-naive": baseline},
        per_lead=() if empty else tuple(leads),
        verdict=None if empty else verdict("win"),
        watches=(*watches, inputs),
        tested_versions=(2,),
        policy="serve-baseline" if alarms else "warn",
        action=action if alarms else None,
        findings=(FINDING,),
        notes=("forecasts of `prices`",),
    )
