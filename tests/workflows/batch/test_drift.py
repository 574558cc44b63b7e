"""The round of `retrain = "on drift"`: forecasts are issued, actuals arrive, and the next run acts on them or not."""

from __future__ import annotations

import json
from datetime import date, timedelta
from pathlib import Path

import pytest

from rnnforecast.store.ledger import Ledger
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.batch.results import JobResult
from rnnforecast.workflows.batch.run import batch
from tests.workflows.ledgers import keep_forecasts

JOB = """
[[job]]
name = "good"
data = "good.csv"
output = "out.csv"
retrain = "on drift"
horizon = 7
num_steps = 3
num_members = 1
hidden_size = 4
"""
FIRST = date(2024, 1, 1)


@pytest.fixture
def jobs(workplace: Path) -> Path:
    """Return a file of one job whose model `good@1` is there and has issued its first forecast: 90 days, 7 ahead."""
    path = workplace / "jobs.toml"
    path.write_text(JOB, encoding="utf-8")
    first = _run(path)
    assert (first.status, first.trained, first.model) == ("done", False, "good@1")
    return path


def _run(jobs: Path) -> JobResult:
    return batch(jobs).jobs[0]


def _arrive(jobs: Path, num_rows: int, *, factor: float = 1.0) -> None:
    """Append the actuals of so many days: the week and the trend go on, in another unit where a factor is given."""
    data = jobs.parent / "good.csv"
    known = len(data.read_text().splitlines()) - 1
    with data.open("a") as file:
        for number in range(known, known + num_rows):
            file.write(f"{FIRST + timedelta(number)},{factor * (100 + number % 7 + number / 10):.1f}\n")


def _commands(job: JobResult) -> list[str]:
    lines = Path(str(job.log)).read_text().splitlines()
    return [line.split()[2] for line in lines if line.startswith("$ rnnforecast ")]


def test_actuals_that_continue_as_before_cause_no_training(jobs: Path) -> None:
    _arrive(jobs, 7)
    again = _run(jobs)
    assert (again.status, again.trained, again.model, again.reason) == ("done", False, "good@1", "")
    assert _commands(again) == ["score", "predict"]
    assert (jobs.parent / "out.csv").read_text().splitlines()[1].startswith("2024-04-07")
    assert _run(jobs).status == "unchanged"
    assert len(Ledger(jobs.parent / ".rnnforecast", "good").parts()) == 2  # both forecasts can be scored


def test_actuals_in_another_unit_are_drift_and_the_next_run_trains(jobs: Path) -> None:
    _arrive(jobs, 40, factor=100.0)
    again = _run(jobs)
    assert (again.status, again.trained, again.reason) == ("done", True, "drift")
    assert _commands(again) == ["score", "predict", "train", "predict"]  # the rows are looked at before they teach
    assert len(Registry(jobs.parent / ".rnnforecast").select("good")[1]) == 2
    ends = [json.loads(line) for line in next(jobs.parent.rglob("ledger.jsonl")).read_text().splitlines()]
    assert [(end["trained"], end["reason"]) for end in ends if end["event"] == "job_end"][-1] == (True, "drift")


def test_after_drift_the_tests_start_again_with_the_new_version(jobs: Path) -> None:
    _arrive(jobs, 40, factor=100.0)
    assert _run(jobs).model == "good@2"
    assert _run(jobs).status == "unchanged"
    _arrive(jobs, 7, factor=100.0)
    third = _run(jobs)
    assert (third.status, third.trained, third.model) == ("done", False, "good@2")


def test_forecasts_worse_than_naive_are_drift_and_the_next_run_trains(jobs: Path) -> None:
    import numpy as np

    data = jobs.parent / "good.csv"
    values = np.array([float(line.partition(",")[2]) for line in data.read_text().splitlines()[1:]])
    store = jobs.parent / ".rnnforecast"
    keep_forecasts(
        data, values, cutoffs=range(5, 85), errors=0.9, naive_error=0.3, model="good", half_width=3.0, store=store
    )
    _arrive(jobs, 1)
    again = _run(jobs)
    assert (again.status, again.trained, again.reason) == ("done", True, "drift")


def test_a_warm_rule_trains_from_the_active_version_and_again_from_the_next(jobs: Path) -> None:
    jobs.write_text(JOB.replace("on drift", "warm"), encoding="utf-8")
    _arrive(jobs, 14)
    second = _run(jobs)
    assert (second.status, second.reason, second.model) == ("done", "14 new steps", "good@2")
    manifest = Registry(jobs.parent / ".rnnforecast").resolve("good@2").manifest
    assert manifest is not None
    assert manifest.settings["from"] == "good@1"
    assert _run(jobs).status == "unchanged"
    _arrive(jobs, 6)
    assert not _run(jobs).trained  # fewer than the horizon
    _arrive(jobs, 1)
    assert _run(jobs).reason == "7 new steps"  # and not that settings changed


def test_a_warm_job_trains_from_the_start_where_too_few_rows_are_new(jobs: Path) -> None:
    jobs.write_text(JOB.replace("on drift", "warm on new data of 2 steps") + "refit = true\n", encoding="utf-8")
    _run(jobs)  # other settings: a version that is fitted on all rows
    _arrive(jobs, 3)
    second = _run(jobs)
    assert (second.status, second.model) == ("done", "good@3")
    assert any(note.startswith("trained from the start: 3 rows came after those") for note in second.notes)
