"""Specification of `detect`: what it prints, how it ends, and what it rejects."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from rnnforecast.workflows.batch.run import batch
from tests.cli.conftest import RunCommand
from tests.cli.schemas import problems

ROWS, SPIKE = 700, 650


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of two sensors by the hour, with a spike in the second one, in an empty working folder."""
    monkeypatch.chdir(tmp_path)
    generator = np.random.default_rng(5)
    first = datetime(2024, 3, 1)
    load, heat = (50 + 5 * np.sin(np.arange(ROWS) / 24 * 2 * np.pi) + generator.normal(size=ROWS) for _ in range(2))
    heat[SPIKE] += 40
    rows = [f"{first + timedelta(hours=row)},{load[row]:.2f},{heat[row]:.2f}" for row in range(ROWS)]
    path = tmp_path / "machine.csv"
    path.write_text("\n".join(["time,load,heat", *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.usefixtures("machine")
def test_a_spike_is_an_alarm_with_its_column_and_exit_code_24(run: RunCommand) -> None:
    ended = run(
        "detect", "machine.csv", "--target", "load", "--target", "heat", "--budget", "1/300 steps", "--format", "json"
    )
    document = json.loads(ended.out)
    assert ended.code == 24
    assert problems(document, "detect") == []
    alarm = next(each for each in document["alarms"] if each["start"] == "2024-03-28T02:00:00")
    assert (alarm["kind"], alarm["direction"], alarm["column"]) == ("point", "above", "heat")
    assert alarm["value"] > alarm["upper"] > alarm["expected"] > alarm["lower"]
    assert alarm["contributions"]["heat"] > 0.6
    assert json.loads(ended.err.splitlines()[-1])["error"]["code"] == "E_ABNORMAL"


@pytest.mark.usefixtures("machine")
def test_a_note_about_other_columns_names_an_option_that_detect_has(run: RunCommand) -> None:
    note = run("detect", "machine.csv", "--target", "load").err
    assert "column not used: `heat` (sensors of the same machine: name each with --target)" in note


def test_a_constant_series_has_no_alarm(run: RunCommand, tmp_path: Path) -> None:
    rows = [f"{datetime(2024, 1, 1) + timedelta(days=row)},7.1" for row in range(200)]
    (tmp_path / "constant.csv").write_text("\n".join(["time,load", *rows]), encoding="utf-8")
    assert run("detect", str(tmp_path / "constant.csv")).code == 0


@pytest.mark.usefixtures("machine")
def test_only_the_newest_rows_matter_with_last(run: RunCommand) -> None:
    words = ("detect", "machine.csv", "--target", "heat", "--budget", "1/300 steps")
    late = run(*words, "--last", "1d", "--quiet")
    assert (late.code, late.out, late.err) == (0, "", "")
    early = run(*words, "--last", "60 steps", "--quiet")
    assert early.code == 24
    assert early.out.startswith("1 alarm")


@pytest.mark.usefixtures("machine")
def test_every_row_is_written_with_score_and_bounds(run: RunCommand, tmp_path: Path) -> None:
    run("detect", "machine.csv", "--target", "heat", "--output", "rows.csv", "--quiet")
    rows = pd.read_csv(tmp_path / "rows.csv")
    assert list(rows.columns) == ["time", "heat", "expected", "lower", "upper", "score", "alarm", "member"]
    assert len(rows) == ROWS
    scored = rows[rows["score"].notna() & rows["lower"].notna()]
    outside = (scored["heat"] < scored["lower"]) | (scored["heat"] > scored["upper"])
    assert scored.loc[outside, "alarm"].all()
    assert bool(rows.loc[SPIKE, "alarm"])


@pytest.mark.usefixtures("machine")
def test_the_command_of_an_alarm_gets_the_facts(run: RunCommand, tmp_path: Path) -> None:
    script = "import os; open('seen', 'w').write(os.environ['RNNFORECAST_START'] + os.environ['RNNFORECAST_ALARM'])"
    call = f'{sys.executable} -c "{script}"'
    run(
        "detect", "machine.csv", "--target", "heat", "--last", "60 steps", "--budget", "1/300 steps", "--on-alarm", call
    )
    assert (tmp_path / "seen").read_text() == "2024-03-28T02:00:00point"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--budget", "often"], 2, "invalid alarm budget `often`"),
        (["--budget", "1/hour"], 2, "allows an alarm in 1 rows"),
        (["--last", "soon"], 2, "invalid duration `soon` for `--last`"),
        (["--model", "nobody"], 12, "nobody"),
        (["--output", "machine.csv"], 2, "the data"),
        (["--output", "-", "--format", "json"], 2, "stdout"),
        (["--config", "extra.toml"], 2, "`num_steps` would have no effect"),
    ],
)
def test_what_makes_no_sense_is_rejected(
    run: RunCommand, machine: Path, words: list[str], code: int, message: str
) -> None:
    (machine.parent / "extra.toml").write_text("num_steps = 3\n")
    ended = run("detect", "machine.csv", "--target", "heat", *words)
    assert ended.code == code
    assert message in ended.err


@pytest.mark.usefixtures("machine")
def test_few_rows_are_rejected_with_the_number_needed(run: RunCommand, tmp_path: Path) -> None:
    lines = (tmp_path / "machine.csv").read_text().splitlines()[:60]
    (tmp_path / "short.csv").write_text("\n".join(lines) + "\n")
    ended = run("detect", "short.csv", "--target", "heat")
    assert ended.code == 13
    assert "at least 120 rows of a series; the longest has 59" in ended.err


def test_a_job_of_kind_detect_fails_with_24_and_needs_no_output(machine: Path) -> None:
    job = '[[job]]\nname = "pump"\nkind = "detect"\ndata = "machine.csv"\ntarget = "heat"\nbudget = "1/300 steps"\n'
    jobs = machine.parent / "jobs.toml"
    jobs.write_text(job)
    result = batch(jobs).jobs[0]
    assert (result.status, result.exit_code, result.error and result.error.code) == ("failed", 24, "E_ABNORMAL")
    jobs.write_text(job + 'last = "1d"\n')
    assert batch(jobs).jobs[0].status == "done"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("retrain = 'never'", "`retrain` has no effect in a job of kind `detect`"),
        ("num_steps = 3", "`num_steps` has no effect in a job of kind `detect`"),
        ("budget = 'often'", "`budget` must be alarms and a period"),
    ],
)
def test_keys_without_effect_are_errors_of_the_jobs_file(
    run: RunCommand, machine: Path, line: str, message: str
) -> None:
    job = f'[[job]]\nname = "pump"\nkind = "detect"\ndata = "machine.csv"\n{line}\n'
    (machine.parent / "jobs.toml").write_text(job)
    ended = run("batch", "jobs.toml", "--check")
    assert ended.code == 2
    assert message in ended.err
