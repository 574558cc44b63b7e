"""Specification of the commands that watch a model at work: `score`, and `predict` and `train` with `--max-age`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.conftest import RunCommand
from tests.cli.schemas import problems
from tests.conftest import GOOD_ROWS
from tests.workflows.ledgers import keep_forecasts

STORE = ".rnnforecast"


def _grow(workplace: Path) -> None:
    """Let ten more days arrive."""
    more = [f"2024-04-{day:02},{100 + day % 7}" for day in range(1, 11)]
    first = [row for row in GOOD_ROWS if row < "2024-03-31"]
    missing = ["2024-03-31,105"] if not any(row.startswith("2024-03-31") for row in GOOD_ROWS) else []
    (workplace / "good.csv").write_text("\n".join(["date,value", *first, *missing, *more]) + "\n", encoding="utf-8")


def _drift(workplace: Path) -> None:
    """Keep forecasts that the naive ones beat."""
    values = np.array([float(row.partition(",")[2]) for row in GOOD_ROWS])
    ledger = keep_forecasts(
        workplace / "good.csv", values, cutoffs=range(5, 85), errors=0.9, naive_error=0.1, model="good"
    )
    target = workplace / STORE / "ledger" / "good"
    target.parent.mkdir(parents=True, exist_ok=True)
    ledger.folder.rename(target)


def test_what_predict_issued_is_scored_when_the_actuals_are_there(run: RunCommand, workplace: Path) -> None:
    predicted = run("predict", "--format", "json")
    assert json.loads(predicted.out)["ledger"].endswith(".parquet")
    pending = run("score", "--format", "json")
    assert (pending.code, json.loads(pending.out)["num_pending"]) == (0, 7)
    _grow(workplace)
    ended = run("score", "good", "--data", "good.csv", "--format", "json")
    document = json.loads(ended.out)
    assert ended.code == 0
    assert problems(document, "score") == []
    assert (document["num_scored"], document["num_pending"]) == (7, 0)
    assert run("score", "--data", "good.csv").out.startswith("Live accuracy of good  1 cutoff")
    lines = run("score", "--data", "good.csv", "--format", "csv").out.splitlines()
    assert lines[0] == "lead,num_scored,mase,baseline_mase,mae,coverage_80,coverage_95"
    assert len(lines) == 8


@pytest.mark.usefixtures("workplace")
def test_no_ledger_keeps_nothing_and_score_says_so(run: RunCommand) -> None:
    assert json.loads(run("predict", "--no-ledger", "--format", "json").out)["ledger"] is None
    ended = run("score")
    assert ended.code == 12
    assert "no logged forecast in `.rnnforecast`" in ended.err


def test_drift_ends_with_code_21_after_the_report(run: RunCommand, workplace: Path) -> None:
    _drift(workplace)
    ended = run("score")
    assert ended.code == 21
    assert ended.out.startswith("Alarm  the naive forecast is better more often than not")
    assert "error: `good`: the naive forecast is better" in ended.err
    quiet = run("score", "--quiet", "--format", "json")
    assert (quiet.code, json.loads(quiet.out)["alarms"]) == (21, ["naive"])
    assert json.loads(quiet.err)["error"]["code"] == "E_DRIFT"


@pytest.mark.usefixtures("workplace")
def test_quiet_is_silent_while_all_is_well(run: RunCommand) -> None:
    issued = run("predict", "--output", "out.csv", "--quiet")
    assert (issued.code, issued.out, issued.err) == (0, "", "")
    calm = run("score", "--quiet")
    assert (calm.code, calm.out, calm.err) == (0, "", "")


def test_quiet_is_not_silent_about_an_alarm(run: RunCommand, workplace: Path) -> None:
    _drift(workplace)
    loud = run("score", "--quiet")
    assert loud.code == 21
    assert loud.out.startswith("Alarm  ")


def test_the_command_of_an_alarm_is_run_and_its_failure_is_reported(run: RunCommand, workplace: Path) -> None:
    _drift(workplace)
    program = "import os; open('alarm.txt', 'w').write(os.environ['RNNFORECAST_EXIT_CODE'])"
    (workplace / "tell.py").write_text(program)
    assert run("score", "--on-alarm", f"{sys.executable} tell.py").code == 21
    assert (workplace / "alarm.txt").read_text() == "21"
    ended = run("score", "--on-alarm", "no-such-program --now")
    assert ended.code == 21
    assert "the command `no-such-program` of the alarm failed" in ended.err
    assert run("score", "--on-alarm", "'open").code == 2


def test_without_an_alarm_the_command_is_not_run(run: RunCommand, workplace: Path) -> None:
    run("predict")
    assert run("score", "--on-alarm", "touch alarm.txt").code == 0
    assert not (workplace / "alarm.txt").exists()


def test_the_policy_lets_the_naive_forecast_stand_in(run: RunCommand, workplace: Path) -> None:
    _drift(workplace)
    ended = run("score", "--policy", "serve-baseline")
    assert ended.code == 21
    assert "`seasonal-naive` is now served in place of the networks of good@1" in ended.out
    assert "serves seasonal-naive" in run("models", "list").out
    assert "served by seasonal-naive" in run("predict").out
    assert run("score").code == 0
    assert run("models", "promote", "good@1").code == 0
    assert run("score").code == 21


@pytest.mark.parametrize(
    "words", [("predict",), ("train", "good.csv", "--num-steps", "2"), ("score",)], ids=["predict", "train", "score"]
)
@pytest.mark.usefixtures("workplace")
def test_rows_that_are_too_old_end_with_code_22(run: RunCommand, words: tuple[str, ...]) -> None:
    run("predict")
    ended = run(*words, "--max-age", "2d")
    assert (ended.code, ended.out) == (22, "")
    assert "ago), older than `--max-age 2d`" in ended.err
    assert run(*words, "--max-age", "soon").code == 2


def test_stale_rows_leave_an_earlier_output_as_it_was(run: RunCommand, workplace: Path) -> None:
    (workplace / "out.csv").write_text("yesterday")
    assert run("predict", "--max-age", "1h", "--output", "out.csv").code == 22
    assert (workplace / "out.csv").read_text() == "yesterday"


@pytest.mark.usefixtures("workplace")
def test_a_retrained_model_says_whether_it_is_active(run: RunCommand) -> None:
    quick = ("--horizon", "7", "--num-steps", "2", "--num-members", "1", "--hidden-size", "4")
    kept = run("train", "good.csv", *quick, "--activate", "never")
    assert "no, good@1 stays active: `--activate never` was asked for" in " ".join(kept.out.split())
    document = json.loads(run("train", "good.csv", *quick, "--activate", "always", "--format", "json").out)
    assert problems(document, "train") == []
    assert document["activation"]["active"] == "good@3"
    assert "good@3  active" in run("models", "list").out
