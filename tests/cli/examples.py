"""Results made by hand: what the verbs would return, small enough to read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from rnnforecast.findings import Finding, JSONValue
from rnnforecast.workflows.batch.results import BatchPlan, BatchResult, JobError, JobResult, UnitsResult
from rnnforecast.workflows.forecasts.predict_result import PredictResult, Preview
from rnnforecast.workflows.results import (
    Check,
    CompareResult,
    DiagnoseResult,
    DoctorResult,
    EvaluateResult,
    InspectResult,
    ModelResult,
    ModelsResult,
    ReportResult,
    ScriptResult,
    TrainResult,
    TuneResult,
)
from rnnforecast.workflows.shards.results import PartResult, ShardResult

LEVELS = (0.025, 0.1, 0.5, 0.9, 0.975)
ASSUMPTIONS: dict[str, JSONValue] = {
    "time": "date",
    "target": ["close"],
    "id": [],
    "freq": "B",
    "season_length": 5,
    "horizon": 10,
    "num_series": 1,
    "num_rows": 1258,
}
REASONS = {
    "time": "the only column of dates, `--time` overrides",
    "target": "named like a value to forecast; also numeric: open, high, low, volume; `--target` overrides",
    "freq": "weekdays only, `--freq` overrides",
    "season_length": "the default of B, confirmed by autocorrelation; `--season-length` overrides",
    "horizon": "two weeks of B, `--horizon` overrides",
}
FINDING = Finding(
    "W_GAPS",
    "36 business days are missing and were masked",
    file="prices.csv",
    rows=(14, 31),
    column="date",
    value="2019-01-21",
    count=36,
    fix="`--freq D` keeps weekends",
)


def scores(mase: float, *, coverage: float = 0.79) -> dict[str, object]:
    """Return the metrics of one method."""
    return {
        "mase": mase,
        "rmsse": mase * 0.9,
        "smape": mase * 2.1,
        "mae": mase * 12.34,
        "rmse": mase * 15.1,
        "wape": mase * 0.02,
        "wql": mase * 0.013,
        "coverage": {"80": coverage, "95": 0.94},
        "coverage_uncertainty": {"80": 0.04, "95": 0.02},
        "num_scored": 100,
    }


def metrics(*, ensemble: float = 0.934) -> dict[str, dict[str, object]]:
    """Return metrics of a network and three baselines."""
    return {
        "naive": scores(1.21),
        "ensemble": scores(ensemble),
        "seasonal-naive": scores(1.402),
        "drift": scores(1.187),
    }


def verdict(outcome: str = "win", *, skill: float = 21.3) -> dict[str, object]:
    """Return a verdict against drift."""
    return {
        "outcome": outcome,
        "method": "ensemble",
        "against": "drift",
        "p_value": 0.012,
        "skill": skill,
        "skill_interval": [skill - 12.0, skill + 11.5],
        "skill_level": 0.9,
        "test": "Diebold-Mariano",
        "num_windows": 10,
        "num_series": 1,
        "comparisons": [],
        "reason": "Diebold-Mariano over 10 windows: p = 0.012, one-sided",
    }


def untested() -> dict[str, object]:
    """Return a verdict for want of windows."""
    reason = "3 windows are too few to test: at least 5 without overlap are needed (`--num-windows 5`)"
    nothing = {"p_value": 1.0, "skill": None, "skill_interval": [None, None], "test": "none", "num_windows": 3}
    return {**verdict("tie"), **nothing, "reason": reason}


MEMBER: dict[str, JSONValue] = {
    "cell": "gru",
    "num_layers": 2,
    "hidden_size": 64,
    "context_length": 60,
    "mapping": "many-to-many",
}


def train_result(outcome: str | None = "win", *, served: str = "ensemble", target: str = "close") -> TrainResult:
    """Return the result of a training with a given outcome."""
    return TrainResult(
        model="prices@1",
        path=".rnnforecast/models/prices/1.safetensors",
        assumptions={**ASSUMPTIONS, "target": [target]},
        reasons=REASONS,
        findings=(FINDING,),
        settings={"horizon": 10, "cell": "gru"},
        members=(MEMBER,) * 3,
        metrics=metrics(ensemble=1.44 if outcome == "loss" else 0.934) if outcome else {},
        verdict=None if outcome is None else verdict(outcome, skill=-21.3 if outcome == "loss" else 21.3),
        served=served,
        num_windows=10 if outcome else 0,
        seconds=6.24,
    )


def blend_result() -> TrainResult:
    """Return the result of a training whose ensemble has several groups, the Theta method among them."""
    rows = {"networks": scores(0.951), "base": scores(1.002), "theta": scores(1.08)}
    weights = (
        "from scratch 38 %, fine-tuned 41 %, zero-shot 9 %, theta 12 % (validation loss 0.412); alone: from scratch "
        "0.431, fine-tuned 0.42, zero-shot 0.455, theta 0.44 (--theta-weight)"
    )
    start = "fine-tuned the pretrained network and trained others from scratch (1,258 observations; --from)"
    plain = train_result()
    return replace(
        plain, metrics={**plain.metrics, **rows}, reasons={**REASONS, "from": start, "theta_weight": weights}
    )


def preview(label: str = "", *, horizon: int = 10, steps: bool = False) -> Preview:
    """Return a wave with an interval that widens."""
    past = 60
    wave = 100 + 10 * np.sin(np.arange(past + horizon) * 2 * np.pi / 20) + np.arange(past + horizon) * 0.2
    width = np.sqrt(np.arange(1, horizon + 1))
    quantiles = wave[past:, None] + width[:, None] * np.array([-3.0, -2.0, 0.0, 2.0, 3.0])[None, :]  # [H, Q]
    days = (
        np.arange(past + horizon)
        if steps
        else np.datetime64("2024-01-01", "us") + np.arange(past + horizon).astype("timedelta64[D]")
    )
    return Preview(label, "close", days[:past], wave[:past], days[past:], wave[past:], quantiles, mean=wave[past:])


def predict_result(
    labels: Sequence[str] = ("",), *, horizon: int = 10, steps: bool = False, output: str | None = None
) -> PredictResult:
    """Return forecasts of one or several series."""
    previews = tuple(preview(label, horizon=horizon, steps=steps) for label in labels)
    parts = [_frame(each, with_id=len(labels) > 1) for each in previews]
    return PredictResult(
        model="prices@1",
        frame=pd.concat(parts, ignore_index=True),
        freq="step" if steps else "D",
        horizon=horizon,
        quantile_levels=LEVELS,
        cutoffs=(previews[0].past_timestamps[-1],),
        num_series=len(labels),
        previews=previews,
        output=output,
    )


def _frame(shown: Preview, *, with_id: bool) -> pd.DataFrame:
    columns: dict[str, object] = {"item": shown.label} if with_id else {}
    columns |= {"date": shown.timestamps, "cutoff": shown.past_timestamps[-1], "forecast": shown.quantiles[:, 2]}
    columns |= {f"q{level:g}": shown.quantiles[:, i] for i, level in enumerate(LEVELS)}
    return pd.DataFrame({**columns, "method": "ensemble"})


def inspect_result() -> InspectResult:
    """Return what was read in one file."""
    return InspectResult(
        profile=PROFILE,
        suggestions=("`--season-length 261`: the season of a year is the strongest (0.52)",),
        assumptions=ASSUMPTIONS,
        reasons=REASONS,
        findings=(FINDING,),
        paths=("prices.csv",),
        first=np.datetime64("2019-01-02", "us"),
        last=np.datetime64("2023-12-29", "us"),
        columns={"date": "time", "close": "target", "open": "unused", "volume": "unused"},
        seconds=0.05,
    )


def evaluate_result() -> EvaluateResult:
    """Return a backtest of a panel of two series."""
    rows = [("ensemble", 0.9), ("naive", 1.2)]
    return EvaluateResult(
        model="prices@1",
        assumptions={**ASSUMPTIONS, "num_series": 2},
        findings=(),
        num_windows=2,
        window_step=10,
        gap=0,
        refit=False,
        cutoffs=(np.datetime64("2023-01-02", "us"), np.datetime64("2023-01-16", "us")),
        metrics=metrics(),
        num_calibrated=2,
        per_lead=tuple(
            {"method": name, "lead": lead, "mase": value + lead / 10, "mae": 1.0, "coverage": {"80": 0.8, "95": 0.9}}
            for name, value in rows
            for lead in (1, 2, 3)
        ),
        per_series=tuple(
            {
                "method": name,
                "item_id": item,
                "mase": value,
                "smape": 0.1,
                "mae": 1.0,
                "wql": 0.1,
                "coverage": {"80": 0.8, "95": 0.9},
            }
            for name, value in rows
            for item in ("a", "b")
        ),
        verdict=verdict("tie", skill=3.0),
    )


def diagnose_result() -> DiagnoseResult:
    """Return the result of `diagnose`."""
    row: dict[str, JSONValue] = {
        "name": "gru",
        "is_own": False,
        "hidden_size": 32,
        "context_length": 20,
        "memory": 17,
        "norm_at_season": 0.004,
    }
    row |= {"gradient_norm": 0.1, "largest_gradient_norm": 0.3, "clipped_fraction": 0.02, "saturated_gates": 0.4}
    row |= {"saturated_units": 0.1, "first_loss": 0.64, "last_loss": 0.38}
    return DiagnoseResult(
        model="prices@1",
        freq="B",
        season_length=5,
        context_length=20,
        networks=(row, {**row, "name": "rnn", "memory": 4, "saturated_gates": None, "last_loss": None}),
        memory=(
            {"name": "gru", "lags": [1, 2, 3], "norms": [0.9, 0.8, 0.7]},
            {"name": "rnn", "lags": [1, 2, 3], "norms": [0.5, 0.02, 0.0]},
        ),
        occlusion=(
            {"first_lag": 1, "last_lag": 1, "effect": 0.4},
            {"first_lag": 2, "last_lag": 5, "effect": 0.1},
        ),
        correlation_lag=12,
        attention=tuple(
            {"step": step, "lag": lag, "weight": 0.7 if lag == step else 0.1} for step in (1, 3) for lag in (3, 2, 1, 0)
        ),
        advice=("gates help here: a GRU remembers 17 steps where a vanilla RNN of its size remembers 4",),
        seconds=12.0,
    )


def script_result() -> ScriptResult:
    """Return a script of three lines."""
    return ScriptResult("prices@1", "import rnnforecast\n\nprint(1)\n", "train.py", ("note",))


def overview_result(ids: Sequence[str]) -> PredictResult:
    """Return the forecasts of a panel as a first look shows them: total, largest, extreme changes."""
    result = predict_result(ids)
    kinds = ("total", "largest", "rises most", "falls most")
    previews = (replace(result.previews[0], label="all 40"), *result.previews)
    return replace(result, num_series=40, overview=tuple(zip(kinds, previews, strict=True)))


def report_result() -> ReportResult:
    """Return the result of `report`."""
    return ReportResult(
        model="prices@1",
        output="report.html",
        num_bytes=547_716,
        num_series=1,
        horizon=10,
        verdict=verdict(),
        findings=(FINDING,),
        seconds=4.2,
    )


def compare_result() -> CompareResult:
    """Return two cells next to two baselines."""
    return CompareResult(
        assumptions=ASSUMPTIONS,
        reasons=REASONS,
        findings=(),
        settings={"horizon": 10},
        num_windows=2,
        window_step=10,
        gap=0,
        cutoffs=(np.datetime64("2023-01-02", "us"),),
        metrics={"naive": scores(1.2), "lstm": scores(0.95), "gru": scores(0.93), "drift": scores(1.1)},
        per_lead=(),
        per_series=(),
        verdict=verdict("win"),
        networks=("gru", "lstm"),
        seconds_per_method={"gru": 3.2, "lstm": 4.1, "naive": 0.1, "drift": 0.1},
        parameters={"gru": 52_345, "lstm": 68_993},
        ranks={"naive": 3.4, "lstm": 1.9, "gru": 1.7, "drift": 3.0},
        num_ranked=20,
        critical_difference=1.05,
        skills={"naive": 0.0, "lstm": 20.8, "gru": 22.5, "drift": None},
        skill_against="naive",
    )


def shard_result() -> ShardResult:
    """Return a shard of three parts, one of which failed."""
    return ShardResult(
        model="shops@3",
        shard="2/8",
        by="file",
        output="forecasts",
        parts=(
            PartResult("stores_north", "done", 8_400, 1_200, 3, 12.4),
            PartResult("stores_south", "unchanged", 7_000, 1_000, 0, 11.0),
            PartResult(
                "stores_west",
                "failed",
                seconds=0.2,
                exit_code=13,
                error="E_TIME_DUPLICATE",
                message="two rows of series `w17` have the timestamp 2024-03-01",
                hint="drop one, or `--duplicates last`",
            ),
        ),
        num_parts=24,
        num_done=5,
        seconds=12.9,
        notes=("the output holds stores_old of files that are gone",),
    )


PROFILE: dict[str, JSONValue] = {
    "gaps": {"num_missing": 36, "num_gaps": 30, "longest": [
        {"id": "", "first": "2019-01-21", "last": "2019-01-22", "num_steps": 2}]},
    "seasons": [{"length": 5, "name": "week", "strength": 0.31}, {"length": 261, "name": "year", "strength": 0.52}],
    "trend": {"strength": 0.98, "change_percent": 39.2},
    "changes": [{"start": "2020-03-02", "before": 124.5, "after": 98.1}],
    "autocorrelation": [{"lag": 1, "value": 0.99}, {"lag": 5, "value": None}],
    "outliers": {"num_rows": 2, "largest": [{"timestamp": "2020-03-16", "value": 71.2}]},
    "demand": {"zero_fraction": 0.0, "smooth": 1, "erratic": 0, "intermittent": 0, "lumpy": 0},
}  # fmt: skip


def tune_result(outcome: str | None = "tie") -> TuneResult:
    """Return a search of three trials, one of them pruned."""
    settings: dict[str, JSONValue] = {"cell": "gru", "hidden_size": 64, "learning_rate": 0.004}
    return TuneResult(
        study=".rnnforecast/tuning/prices.db",
        assumptions=ASSUMPTIONS,
        reasons=REASONS,
        findings=(),
        settings={"from": "scratch", **settings},
        toml='# found by `rnnforecast tune`\nfrom = "scratch"\ncell = "gru"\nhidden_size = 64\nlearning_rate = 0.004\n',
        output="tuned.toml",
        trials=(
            {"trial": 2, "state": "complete", "loss": 0.31, **settings},
            {"trial": 1, "state": "complete", "loss": 0.35, **settings, "cell": "lstm"},
            {"trial": 3, "state": "pruned", "loss": None, **settings, "cell": "mingru"},
        ),
        num_trials_before=1,
        importance={"hidden_size": 0.2, "cell": 0.8},
        metrics={"naive": scores(1.2), "tuned": scores(0.93), "default": scores(0.95)},
        verdict=None if outcome is None else verdict(outcome),
        num_windows=2,
        seconds=75.0,
    )


def models_result(action: str = "list") -> ModelsResult:
    """Return one sound and one damaged model."""
    sound: dict[str, object] = {
        "model": "prices@1",
        "path": ".rnnforecast/models/prices/1.safetensors",
        "size_bytes": 123456,
        "active": True,
        "ok": True,
        "problem": None,
        "created": "2025-01-02T03:04:05.000000+00:00",
        "freq": "B",
        "horizon": 10,
        "num_series": 1,
        "target": ["close"],
        "mase": 0.934,
        "outcome": "win",
        "served": "ensemble",
    }
    empty = dict.fromkeys(sound)
    damaged = {
        **empty,
        "model": "sales@2",
        "path": "2.safetensors",
        "size_bytes": 7,
        "active": False,
        "ok": False,
        "problem": "cut short",
    }
    return ModelsResult(".rnnforecast", action, (sound, damaged))


def model_result() -> ModelResult:
    """Return a manifest, shortened."""
    return ModelResult(
        "prices@1",
        ".rnnforecast/models/prices/1.safetensors",
        {
            "format": 1,
            "name": "prices",
            "version": 1,
            "created": "2025-01-02T03:04:05.000000+00:00",
            "assumptions": ASSUMPTIONS,
            "metrics": metrics(),
            "verdict": verdict(),
            "served": "ensemble",
            "horizon": 10,
            "members": [{"cell": "gru", "num_layers": 2, "hidden_size": 64, "context_length": 60}],
            "input": {
                "paths": ["/data/prices.csv"],
                "num_rows": 1258,
                "first_timestamp": "2019-01-02",
                "last_timestamp": "2023-12-29",
            },
        },
    )


def doctor_result(*, ok: bool = True) -> DoctorResult:
    """Return a sound or an ill installation."""
    store = Check("store", ok, ".rnnforecast, 2 stored models", None if ok else "name another folder with --store")
    return DoctorResult((Check("python", True, "3.11.7 on Linux x86_64"), store))


def batch_result(*, signal: int | None = None) -> BatchResult:
    """Return a run with every kind of ending; names are hostile, as users' names may be."""
    state = ".rnnforecast/batch/nightly-1a2b3c4d"
    failure = JobError("E_TIME_DUPLICATE", "rows 3, 4 of shops.csv have one timestamp", "drop one of them")
    jobs = [
        JobResult(
            "shops",
            "done",
            0,
            seconds=12.3,
            reason="the model was 7 d 0 h old",
            trained=True,
            model="shops@3",
            verdict="win",
            output="/srv/out/shops.csv",
            num_rows=2_800,
            num_warnings=2,
            notes=("model shops@3",),
            digests={"settings": "00", "data": "01", "model": "02", "output": "03"},
        ),
        JobResult(
            "[red]x[/] \x1b[31m",
            "unchanged",
            0,
            seconds=0.01,
            reason="unchanged since 2024-03-01 03:17 UTC",
            model="a name that is rather long for one column of a table@12",
            num_rows=14,
        ),
        JobResult(
            "broken", "failed", 13, seconds=0.4, error=failure, log=f"{state}/logs/r1/broken.log", alarm="succeeded"
        ),
    ]
    if signal is not None:
        reason = JobError("E_RUN_STOPPED", "the run was ended by SIGTERM while the job ran", "go on: `--resume`")
        jobs.append(JobResult("late", "stopped", 128 + signal, seconds=75.0, error=reason))
    return BatchResult(
        jobs_file="/srv/nightly.toml",
        store="/srv/.rnnforecast",
        run="20240301T031700Z-1a2b3c",
        ledger=f"{state}/ledger.jsonl",
        exit_code=3 if signal is None else 128 + signal,
        jobs=tuple(jobs),
        num_workers=2,
        seconds=88.1,
        warnings=("the alarm of job `broken` ended with code 1",),
        signal=signal,
    )


def batch_plan() -> BatchPlan:
    """Return a checked jobs file."""
    shared = {
        "data": ["/srv/shops/*.csv"],
        "num_files": 12,
        "num_series": 12,
        "num_rows": 8_760,
        "output": "/srv/out/shops.csv",
        "settings": {"horizon": 14},
    }
    jobs = (
        {"job": "shops", "model": None, "retrain": "every 7d", **shared},
        {
            "job": "again",
            **shared,
            "data": [],
            "num_files": 0,
            "num_series": None,
            "num_rows": None,
            "model": "shops",
            "retrain": None,
            "output": "/tmp/x.csv",
        },
        {"job": "weekly", **shared, "model": None, "retrain": "on new data of 30 steps", "output": None},
    )
    return BatchPlan("/srv/nightly.toml", "/srv/.rnnforecast", jobs)


def units_result() -> UnitsResult:
    """Return a crontab entry."""
    return UnitsResult("/srv/nightly.toml", (("crontab", "17 5 * * * rnnforecast batch /srv/nightly.toml --quiet\n"),))
