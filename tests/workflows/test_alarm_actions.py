"""Specification of what follows an alarm: a policy that never hides it, and a command that no shell reads."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

import rnnforecast
from rnnforecast.errors import ExitCode, UsageError
from rnnforecast.options import Policy
from rnnforecast.store.registry import Registry
from rnnforecast.workflows import alarm_actions as alarms
from rnnforecast.workflows.alarm_actions import alarm_facts, apply_policy, call_on_alarm, in_environment, split_command
from rnnforecast.workflows.monitoring.score_result import ScoreResult
from tests.workflows.ledgers import keep_forecasts
from tests.workflows.toy import fit, store_of, write_days


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file whose model made forecasts that the naive ones beat."""
    file = write_days(tmp_path, 120)
    fit(file)
    values = np.array([float(line.partition(",")[2]) for line in file.read_text().splitlines()[1:]])
    keep_forecasts(file, values, cutoffs=range(10, 110), errors=0.9, naive_error=0.3)
    return file


def scored(path: Path) -> ScoreResult:
    return rnnforecast.score(store=store_of(path))


def answered(path: Path, policy: Policy) -> ScoreResult:
    return apply_policy(scored(path), policy=policy, store=store_of(path))


def test_a_warning_changes_nothing(path: Path) -> None:
    result = answered(path, "warn")
    assert (result.action, result.policy, result.alarms) == (None, "warn", ("naive",))
    error = result.alarm()
    assert error is not None
    assert f"`rnnforecast train {path} --name days`" in str(error.hint)


def test_the_baseline_stands_in_until_a_promotion(path: Path) -> None:
    result = answered(path, "serve-baseline")
    assert result.alarms == ("naive",)
    assert result.action is not None
    assert result.action["served"] == "seasonal-naive"
    assert Registry(store_of(path)).resolve("days").stand_in == "seasonal-naive"
    predicted = rnnforecast.predict(store=store_of(path))
    assert set(predicted.frame["method"]) == {"seasonal-naive"}
    assert any("`rnnforecast models promote days@1` ends that" in note for note in predicted.notes)
    assert not any("lost to" in note for note in predicted.notes)


def test_a_baseline_that_stands_in_already_is_left_alone(path: Path) -> None:
    first = scored(path)
    answered(path, "serve-baseline")
    again = apply_policy(first, policy="serve-baseline", store=store_of(path))
    assert again.action is not None
    assert again.action["message"] == "`seasonal-naive` is already served in place of days@1"


def test_retraining_makes_a_version_that_has_to_win_its_place(path: Path) -> None:
    result = answered(path, "retrain")
    assert result.action is not None
    assert result.action["model"] == "days@2"
    assert result.alarm() is not None
    assert [stored.label for stored in Registry(store_of(path)).list()] == ["days@1", "days@2"]
    assert Registry(store_of(path)).resolve("days@2").manifest is not None
    assert "days@2 was trained on" in result.notes[-1]


def test_a_policy_that_cannot_be_carried_out_is_reported_and_the_alarm_stays(path: Path) -> None:
    result = scored(path)
    (store_of(path) / "models" / "days" / "1.safetensors").unlink()
    answer = apply_policy(result, policy="serve-baseline", store=store_of(path))
    assert [finding.code for finding in answer.findings] == ["W_POLICY"]
    assert "the policy `serve-baseline` could not be carried out" in answer.findings[0].message
    assert answer.alarms == ("naive",)
    assert answer.alarm() is not None


def test_without_an_alarm_no_policy_does_anything(tmp_path: Path) -> None:
    file = write_days(tmp_path, 120)
    fit(file)
    values = np.array([float(line.partition(",")[2]) for line in file.read_text().splitlines()[1:]])
    keep_forecasts(file, values, cutoffs=range(10, 110), errors=0.1, naive_error=0.3)
    result = answered(file, "retrain")
    assert (result.action, result.alarm()) == (None, None)
    assert len(Registry(store_of(file)).list()) == 1


def test_the_command_gets_the_facts_and_its_words_as_they_stand(
    path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    script = tmp_path / "notify.py"
    script.write_text(
        "import os, sys; print(sys.argv[1:], os.environ['RNNFORECAST_ALARM'], os.environ['RNNFORECAST_MODEL'])"
    )
    result = scored(path)
    words = split_command(f"{sys.executable} {script} 'two words' $HOME '; echo x'")
    facts = alarm_facts(result, ExitCode.DRIFT, store=store_of(path))
    assert call_on_alarm(words, facts=facts) is None
    streams = capfd.readouterr()
    assert streams.out == ""
    assert streams.err == "['two words', '$HOME', '; echo x'] naive days\n"
    assert facts["RNNFORECAST_EXIT_CODE"] == "21"
    assert facts["RNNFORECAST_DATA"] == str(path)
    assert float(facts["RNNFORECAST_COVERAGE_80"]) == 1.0
    assert facts["RNNFORECAST_STORE"] == str(store_of(path))


def test_a_command_that_fails_is_a_finding_and_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    found = call_on_alarm([sys.executable, "-c", "raise SystemExit(3)"], facts={})
    assert found is not None
    assert found.message.endswith("of the alarm failed: it ended with 3")
    missing = call_on_alarm(["/no/such/program"], facts={})
    assert missing is not None
    assert "`program` of the alarm failed: no such file" in missing.message
    monkeypatch.setattr(alarms, "COMMAND_SECONDS", 0.2)
    slow = call_on_alarm([sys.executable, "-c", "import time; time.sleep(30)"], facts={})
    assert slow is not None
    assert "took longer than 0.2 s and was ended" in slow.message


def test_a_fact_with_a_nul_is_not_a_way_into_the_environment(path: Path) -> None:
    facts = alarm_facts(scored(path), ExitCode.DRIFT)
    assert all("\0" not in value for value in facts.values())


@pytest.mark.parametrize(("command", "words"), [("'open", "cannot be split into words"), ("  ", "names no command")])
def test_a_command_that_is_none_is_rejected_before_anything_is_scored(command: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        split_command(command)


def test_no_command_is_not_a_words() -> None:
    assert split_command(None) == []


def test_no_text_in_the_rows_keeps_the_command_of_an_alarm_from_running(tmp_path: Path) -> None:
    code = f"import os, pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).write_text(os.environ['RNNFORECAST_VALUE'])"
    facts = in_environment({"ID": "x" * 2_000_000, "MESSAGE": "a\0b\ud800", "DATA": "\udcff/x" * 90_000, "VALUE": 1.5})
    assert call_on_alarm([sys.executable, "-c", code], facts=facts) is None
    assert (tmp_path / "ran").read_text() == "1.5"
