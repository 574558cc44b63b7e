"""Whole runs with the program itself as the process of every job; `good@1` is a small model that is there already."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rnnforecast.errors import ExitCode, LockedError, OutputError, UsageError
from rnnforecast.store.files import lock
from rnnforecast.store.model_file import write_model
from rnnforecast.store.registry import Registry
from rnnforecast.workflows.batch.check import check_jobs
from rnnforecast.workflows.batch.execution.scheduler import Scheduler
from rnnforecast.workflows.batch.jobs_file.read import read_jobs
from rnnforecast.workflows.batch.records import recorder
from rnnforecast.workflows.batch.records.ledger import Ledger
from rnnforecast.workflows.batch.results import BatchResult, JobResult
from rnnforecast.workflows.batch.run import Options, batch, state_folder
from rnnforecast.workflows.shards.plan import Shard
from tests.workflows.toy import days

#: Settings of a training that takes no longer than its imports.
TINY = "horizon = 7\nnum_steps = 3\nnum_members = 1\nhidden_size = 4\n"


def _forecast(name: str, *, model: str = "good", data: str = "good.csv", more: str = "") -> str:
    return f'[[job]]\nname = "{name}"\nmodel = "{model}"\ndata = "{data}"\noutput = "{name}.csv"\n{more}\n'


def _write(folder: Path, *jobs: str, head: str = "") -> Path:
    path = folder / "nightly.toml"
    path.write_text(head + "".join(jobs), encoding="utf-8")
    return path


def _statuses(result: BatchResult) -> dict[str, str]:
    return {job.job: job.status for job in result.jobs}


def _ledger(result: BatchResult) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(result.ledger).read_text().splitlines()]


def test_a_job_writes_the_same_forecast_as_the_command(workplace: Path) -> None:
    import rnnforecast

    result = batch(_write(workplace, _forecast("a", more="quantiles = [0.1, 0.9]\nhorizon = 3")))
    assert (result.exit_code, _statuses(result), result.jobs[0].num_rows) == (0, {"a": "done"}, 3)
    rnnforecast.predict("good", data=["good.csv"], horizon=3, quantiles=(0.1, 0.9), output="solo.csv")
    assert (workplace / "a.csv").read_bytes() == (workplace / "solo.csv").read_bytes()


def test_a_job_forecasts_with_the_pretrained_model(workplace: Path) -> None:
    import rnnforecast

    path = _write(workplace, _forecast("a", model="base", more="horizon = 3"))
    first = batch(path)
    assert (first.exit_code, first.jobs[0].model, first.jobs[0].num_rows) == (0, "base", 3)
    rnnforecast.predict("base", data=["good.csv"], horizon=3, output="solo.csv")
    assert (workplace / "a.csv").read_bytes() == (workplace / "solo.csv").read_bytes()
    assert _statuses(batch(path)) == {"a": "unchanged"}


def test_a_job_of_the_pretrained_model_reads_columns_as_it_says(workplace: Path) -> None:
    lines = [f"{date};{shop};{number % 7},5" for shop in ("a", "b") for number, date in enumerate(days(40))]
    (workplace / "shops.csv").write_text("\n".join(["day;shop;sold", *lines]) + "\n")
    keys = 'horizon = 3\ntarget = "sold"\nid = ["shop"]\ndecimal = ","\nseason_length = 7'
    result = batch(_write(workplace, _forecast("a", model="base", data="shops.csv", more=keys)))
    assert (result.exit_code, result.jobs[0].error, result.jobs[0].num_rows) == (0, None, 6)
    stored = _write(workplace, _forecast("a", more='decimal = ","'))
    with pytest.raises(UsageError, match="only for training"):
        batch(stored)


def test_failing_jobs_leave_the_outputs_of_others_byte_equal_to_runs_without_them(workplace: Path) -> None:
    (workplace / "bad.csv").write_text("date,value\n2024-01-01,12 EUR\n")
    solo = batch(_write(workplace, _forecast("good1")))
    alone = (workplace / "good1.csv").read_bytes()
    (workplace / "good1.csv").unlink()
    bad = [_forecast("missing", data="nothing.csv"), _forecast("data", data="bad.csv"), _forecast("model", model="no")]
    result = batch(_write(workplace, *bad, _forecast("good1"), head="workers = 2\n"))
    assert (solo.exit_code, result.exit_code) == (0, ExitCode.PARTIAL)
    assert {job.job: job.exit_code for job in result.jobs} == {"missing": 10, "data": 13, "model": 12, "good1": 0}
    assert (workplace / "good1.csv").read_bytes() == alone
    reasons = {event["job"]: event["error"] for event in _ledger(result) if event["event"] == "job_end"}
    assert "12 EUR" in str(reasons["data"])
    assert "nothing.csv does not exist" in str(reasons["missing"])


def test_if_every_job_fails_the_run_exits_with_their_code(workplace: Path) -> None:
    result = batch(_write(workplace, _forecast("a", data="no.csv"), _forecast("b", data="none.csv")))
    assert (result.exit_code, result.ok) == (ExitCode.INPUT, False)


def test_an_unchanged_job_is_skipped(workplace: Path) -> None:
    path = _write(workplace, _forecast("a"))
    batch(path)
    before = (workplace / "a.csv").stat()
    second = batch(path)
    assert (second.exit_code, _statuses(second)) == (0, {"a": "unchanged"})
    assert (workplace / "a.csv").stat().st_mtime_ns == before.st_mtime_ns
    assert "unchanged since 20" in second.jobs[0].reason
    assert batch(path).jobs[0].reason == second.jobs[0].reason  # since it was done, not since it was looked at
    assert second.jobs[0].log is None


@pytest.mark.parametrize("change", ["data", "settings", "model", "output", "no output"])
def test_a_job_runs_again_if_anything_it_depends_on_has_changed(workplace: Path, change: str) -> None:
    path = _write(workplace, _forecast("a"))
    first = batch(path)
    if change == "data":
        with (workplace / "good.csv").open("a") as file:
            file.write("2024-03-31,104\n")
    elif change == "settings":
        _write(workplace, _forecast("a", more="horizon = 2"))
    elif change == "model":
        import rnnforecast
        from rnnforecast.config import Settings

        settings = Settings.from_flat({"horizon": 7, "num_steps": 2, "num_members": 1})
        rnnforecast.train(["good.csv"], settings, activate="always")
    elif change == "output":
        (workplace / "a.csv").write_text("torn")
    else:
        (workplace / "a.csv").unlink()
    again = batch(path, options=Options(resume=True))
    assert _statuses(again) == {"a": "done"}
    assert (workplace / "a.csv").read_text().count("\n") == again.jobs[0].num_rows + 1
    assert again.jobs[0].model == ("good@2" if change == "model" else first.jobs[0].model)


def test_a_job_reads_future_covariates_and_runs_again_if_they_change(workplace: Path) -> None:
    timestamps = np.arange("2023-01-01", "2025-06-19", dtype="datetime64[D]").astype(str)
    plan = workplace / "plan.csv"
    plan.write_text("date,temp\n" + "".join(f"{timestamp},{n % 5}\n" for n, timestamp in enumerate(timestamps)))
    job = f'[[job]]\nname = "a"\ndata = "good.csv"\noutput = "a.csv"\nfuture = "temp"\nfuture_data = "plan.csv"\n{TINY}'
    path = _write(workplace, job)
    assert _statuses(batch(path)) == {"a": "done"}
    assert _statuses(batch(path)) == {"a": "unchanged"}
    plan.write_text(plan.read_text().replace(",4", ",9"))
    assert _statuses(batch(path)) == {"a": "done"}


def test_a_job_that_failed_runs_again(workplace: Path) -> None:
    path = _write(workplace, _forecast("a"), _forecast("b", data="later.csv"))
    assert _statuses(batch(path)) == {"a": "done", "b": "failed"}
    (workplace / "later.csv").write_bytes((workplace / "good.csv").read_bytes())
    result = batch(path, options=Options(resume=True))
    assert (result.exit_code, _statuses(result)) == (0, {"a": "unchanged", "b": "done"})


def test_a_missing_model_is_trained_and_again_if_its_settings_change(workplace: Path) -> None:
    job = '[[job]]\nname = "new"\ndata = "good.csv"\noutput = "new.csv"\n'
    first = batch(_write(workplace, job + TINY))
    assert (first.jobs[0].trained, first.jobs[0].model, first.jobs[0].reason) == (
        True,
        "new@1",
        "no model of this name yet",
    )
    second = batch(_write(workplace, job + TINY + "seed = 5\n"))
    assert (second.jobs[0].trained, second.jobs[0].model) == (True, "new@2")
    assert second.jobs[0].reason == "settings changed: seed"
    third = batch(_write(workplace, job + TINY + "seed = 5\nquantiles = [0.5]\n"))  # no matter of training
    assert (third.jobs[0].status, third.jobs[0].trained, third.jobs[0].model) == ("done", False, "new@2")


def test_a_model_is_trained_again_after_enough_new_steps(workplace: Path) -> None:
    job = f'[[job]]\nname = "good"\ndata = "good.csv"\noutput = "g.csv"\nretrain = "on new data of 2 steps"\n{TINY}'
    path = _write(workplace, job)
    with (workplace / "good.csv").open("a") as file:
        file.write("2024-03-31,104\n")
    assert batch(path).jobs[0].trained is False
    with (workplace / "good.csv").open("a") as file:
        file.write("2024-04-01,105\n")
    third = batch(path).jobs[0]
    assert (third.trained, third.model, third.reason) == (True, "good@2", "2 new steps")


def test_a_job_without_output_only_trains(workplace: Path) -> None:
    result = batch(_write(workplace, f'[[job]]\nname = "good"\ndata = "good.csv"\nretrain = "every 1s"\n{TINY}'))
    assert (result.jobs[0].status, result.jobs[0].model, result.jobs[0].num_rows) == ("done", "good@2", 0)
    assert "the model was 0 h" in result.jobs[0].reason


@pytest.mark.parametrize("rule", ["every 7d", "never"])
def test_a_model_from_a_clock_that_was_ahead_is_noticed_and_counts_as_due(workplace: Path, rule: str) -> None:
    stored = Registry(workplace / ".rnnforecast").resolve("good")
    model = stored.load()
    ahead = model.manifest.model_copy(update={"created": "2999-01-01T00:00:00.000000+00:00"})
    write_model(stored.path, replace(model, manifest=ahead))
    job = batch(_write(workplace, f'[[job]]\nname = "good"\ndata = "good.csv"\nretrain = "{rule}"\n{TINY}')).jobs[0]
    assert any("in the future: the clock of this machine is or was wrong" in note for note in job.notes)
    assert (job.trained, "in the future" in job.reason) == ((True, True) if rule != "never" else (False, False))


def test_a_job_waits_for_the_job_that_trains_its_model(workplace: Path) -> None:
    train = f'[[job]]\nname = "new"\ndata = "good.csv"\n{TINY}'
    result = batch(_write(workplace, _forecast("a", model="new"), train), options=Options(num_workers=2))
    assert {job.job: job.model for job in result.jobs} == {"a": "new@1", "new": "new@1"}
    assert [job.job for job in result.jobs] == ["a", "new"]  # as the file has them


def test_a_forecast_is_never_written_over_its_data_or_among_it(workplace: Path) -> None:
    before = (workplace / "good.csv").read_bytes()
    over = _forecast("over").replace('"over.csv"', '"good.csv"')
    (workplace / "rows").mkdir()
    (workplace / "rows" / "1.csv").write_bytes(before)
    (workplace / "rows" / "out.csv").write_bytes(before)
    among = _forecast("among", data="rows/*.csv").replace('"among.csv"', '"rows/out.csv"')
    with pytest.raises(UsageError, match="2 errors") as caught:
        batch(_write(workplace, over, among))
    assert "would be read as the data of job `among` the next time" in caught.value.message
    assert (workplace / "good.csv").read_bytes() == before


def test_an_unwritable_output_is_found_before_anything_runs(workplace: Path) -> None:
    result = batch(_write(workplace, _forecast("a").replace('"a.csv"', '"nightly.toml/a.csv"')))
    assert result.exit_code == ExitCode.OUTPUT
    assert "nightly.toml` is a file" in str(result.jobs[0].error)
    assert result.jobs[0].log is None


def test_the_alarm_receives_the_failure_as_json_without_a_shell(workplace: Path) -> None:
    script = workplace / "alarm.py"
    script.write_text(
        "import json, os, sys\n"
        "told = json.load(sys.stdin)\n"
        "told['argument'], told['exported'] = sys.argv[1], os.environ['RNNFORECAST_EXIT_CODE']\n"
        f"open({str(workplace / 'told.json')!r}, 'w').write(json.dumps(told))\n"
    )
    alarm = json.dumps([sys.executable, str(script), "$(touch owned); *"])
    result = batch(_write(workplace, _forecast("a", data="no.csv", more=f"on_alarm = {alarm}"), _forecast("b")))
    told = json.loads((workplace / "told.json").read_text())
    assert (told["job"], told["exit_code"], told["exported"]) == ("a", 10, "10")
    assert told["argument"] == "$(touch owned); *"
    assert not (workplace / "owned").exists()
    assert [job.alarm for job in result.jobs] == ["succeeded", None]
    assert result.warnings == ()


def test_a_job_without_its_model_names_the_job_that_should_have_trained_it(workplace: Path) -> None:
    train = f'[[job]]\nname = "new"\ndata = "no.csv"\n{TINY}'
    first, second = batch(_write(workplace, train, _forecast("a", model="new"))).jobs
    assert (first.exit_code, second.exit_code) == (ExitCode.INPUT, ExitCode.MODEL_FILE)
    assert second.error is not None
    assert second.error.hint == "fix job `new`, which trains it and failed"


def test_an_alarm_that_fails_is_a_warning(workplace: Path) -> None:
    result = batch(_write(workplace, _forecast("a", data="no.csv", more='on_alarm = ["false"]')))
    assert result.warnings == ("the alarm of job `a` exited with code 1",)


def test_events_are_the_lines_of_the_ledger_up_to_the_end_of_the_run(workplace: Path) -> None:
    path = _write(workplace, _forecast("a"), _forecast("b", data="no.csv"))
    result = batch(path, options=Options(events=workplace / "events.jsonl"))
    events = [json.loads(line) for line in (workplace / "events.jsonl").read_text().splitlines()]
    assert events == _ledger(result)
    assert [event["event"] for event in events if event.get("job") in (None, "a")] == [
        "run_start",
        "job_start",
        "job_end",
        "run_end",
    ]
    assert {key: events[-1][key] for key in ("exit_code", "jobs_ok", "jobs_failed", "rows_out")} == {
        "exit_code": 3,
        "jobs_ok": 1,
        "jobs_failed": 1,
        "rows_out": 7,
    }
    batch(path, options=Options(events=workplace / "events.jsonl"))
    assert (workplace / "events.jsonl").read_text().count("run_end") == 2  # appended


def test_a_run_stopped_by_a_second_interrupt_still_records_its_end(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> Iterator[JobResult]:
        yield JobResult("a", "done", 0)
        raise KeyboardInterrupt

    monkeypatch.setattr(Scheduler, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        batch(_write(workplace, _forecast("a"), _forecast("b")), options=Options(events=workplace / "events.jsonl"))
    last = json.loads((workplace / "events.jsonl").read_text().splitlines()[-1])
    assert (last["event"], last["exit_code"]) == ("run_end", 130)
    assert (last["jobs_done"], last["jobs_stopped"]) == (1, 1)


def test_metrics_are_written_after_the_run(workplace: Path) -> None:
    batch(_write(workplace, _forecast("a")), options=Options(metrics_file=workplace / "m.prom"))
    assert 'job="a"} 7\n' in (workplace / "m.prom").read_text()


def test_the_log_of_a_job_contains_its_commands_and_their_output(workplace: Path) -> None:
    job = batch(_write(workplace, _forecast("a b"))).jobs[0]
    log = Path(str(job.log)).read_text()
    assert log.startswith("$ rnnforecast predict good --store ")
    assert "# exited with code 0" in log


def test_logs_of_old_runs_are_removed_and_other_files_stay(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorder, "KEPT_RUNS", 2)
    logs = state_folder(read_jobs(_write(workplace, _forecast("a", data="no.csv")))) / "logs"
    (logs / "notes").mkdir(parents=True)
    old = logs / "20200101T000000Z-abcdef"
    old.mkdir()
    (logs / "20210101T000000Z-abcdef").mkdir()
    batch(workplace / "nightly.toml")
    assert not old.exists()
    assert (logs / "notes").is_dir()


def test_a_second_run_of_the_same_file_is_rejected_or_waits(workplace: Path) -> None:
    path = _write(workplace, _forecast("a"))
    folder = state_folder(read_jobs(path))
    folder.mkdir(parents=True)
    with lock(folder / "run.lock"):
        with pytest.raises(LockedError, match="another run holds the lock"):
            batch(path)
        with pytest.raises(LockedError, match=r"waited 0.1 s"):
            batch(path, options=Options(wait_seconds=0.1))
    assert batch(path).exit_code == 0


def test_errors_of_the_file_are_found_before_any_job_starts(workplace: Path) -> None:
    with pytest.raises(UsageError, match=r"2 errors in .*nothing was run"):
        batch(_write(workplace, _forecast("a"), _forecast("b", more="horizn = 3\nhorizon = 0")))
    assert not (workplace / "a.csv").exists()


def test_an_unwritable_log_affects_no_job(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(recorder, "_private", full)
    result = batch(_write(workplace, _forecast("a")))
    assert (result.exit_code, _statuses(result)) == (0, {"a": "done"})
    assert "was not written: no space left" in result.warnings[0]


def test_a_lost_record_makes_the_exit_code_nonzero(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(*_: object) -> None:
        raise OutputError("the ledger was not written: no space left")

    monkeypatch.setattr(Ledger, "append", lost)
    result = batch(_write(workplace, _forecast("a")))
    assert (result.exit_code, _statuses(result)) == (ExitCode.OUTPUT, {"a": "done"})
    assert result.warnings == ("the ledger was not written: no space left",)


def test_an_unwritable_events_file_is_rejected_before_any_job_starts(workplace: Path) -> None:
    path = _write(workplace, _forecast("a"))
    with pytest.raises(OutputError, match="events file"):
        batch(path, options=Options(events=workplace / "no" / "events.jsonl"))
    with pytest.raises(OutputError, match="does not exist"):
        batch(path, options=Options(metrics_file=workplace / "no" / "m.prom"))
    assert not (workplace / "a.csv").exists()


def test_each_jobs_file_has_its_own_state_folder(workplace: Path) -> None:
    found = read_jobs(_write(workplace, _forecast("a")))
    other = replace(found, path=workplace / "elsewhere" / "nightly.toml")
    assert state_folder(found) != state_folder(other)
    assert state_folder(found).name.startswith("nightly-")


def test_a_killed_run_is_resumed(workplace: Path) -> None:
    """The run is killed while its second job runs; the first is not repeated."""
    fifo = workplace / "slow.csv"
    os.mkfifo(fifo)
    path = _write(workplace, _forecast("a"), _forecast("b", data="slow.csv"), head="workers = 1\n")
    process = subprocess.Popen(
        [sys.executable, "-m", "rnnforecast", "batch", str(path), "--events", "events.jsonl"],
        cwd=workplace,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    _wait_for_event(workplace / "events.jsonl", '"job_end"', process)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    fifo.unlink()
    fifo.write_bytes((workplace / "good.csv").read_bytes())
    result = batch(path, options=Options(resume=True, wait_seconds=10.0))
    assert (result.exit_code, _statuses(result)) == (0, {"a": "unchanged", "b": "done"})


def _wait_for_event(path: Path, words: str, process: subprocess.Popen[bytes]) -> None:
    import time

    for _ in range(600):
        if path.exists() and words in path.read_text():
            return
        assert process.poll() is None
        time.sleep(0.05)
    raise AssertionError(f"{words} never came")


def test_stale_rows_are_rejected_and_never_called_unchanged(workplace: Path) -> None:
    path = _write(workplace, _forecast("a", more='max_age = "2d"'))
    for _ in range(2):
        job = batch(path).jobs[0]
        assert (job.status, job.exit_code) == ("failed", ExitCode.STALE)


def test_a_file_that_shrank_fails_its_job_and_trains_no_new_version(workplace: Path) -> None:
    job = f'[[job]]\nname = "good"\ndata = "good.csv"\noutput = "g.csv"\n{TINY}'
    assert batch(_write(workplace, job)).exit_code == 0
    before = (workplace / "g.csv").read_bytes()
    lines = (workplace / "good.csv").read_text().splitlines(keepends=True)
    (workplace / "good.csv").write_text("".join(lines[:80]))
    for more in ("", 'retrain = "every 1s"\n'):
        result = batch(_write(workplace, job + more)).jobs[0]
        assert (result.status, result.exit_code, result.trained) == ("failed", ExitCode.STALE, False)
        assert result.error is not None
        assert "the file shrank: the rows end at 2024-03-19" in result.error.message
    assert (workplace / "g.csv").read_bytes() == before
    accepted = batch(_write(workplace, job + 'refuse_stale = "none"\n')).jobs[0]
    assert (accepted.status, accepted.model) == ("done", "good@1")


def test_stale_rows_are_rejected_before_training(workplace: Path) -> None:
    path = _write(workplace, f'[[job]]\nname = "n"\ndata = "good.csv"\noutput = "n.csv"\nmax_age = "2d"\n{TINY}')
    job = batch(path).jobs[0]
    assert (job.exit_code, job.trained) == (ExitCode.STALE, False)
    assert not list((workplace / ".rnnforecast" / "models" / "n").glob("*.safetensors"))


def test_a_valid_age_is_checked_in_every_run_except_a_resumed_one(workplace: Path) -> None:
    path = _write(workplace, _forecast("a", more='max_age = "90000d"'))
    assert [batch(path).jobs[0].status for _ in range(2)] == ["done", "done"]
    assert batch(path, options=Options(resume=True)).jobs[0].status == "unchanged"


def test_without_a_past_forecast_there_is_no_drift(workplace: Path) -> None:
    job = f'[[job]]\nname = "good"\ndata = "good.csv"\noutput = "g.csv"\nretrain = "on drift"\n{TINY}'
    done = batch(_write(workplace, job)).jobs[0]
    assert (done.status, done.trained) == ("done", False)
    assert "$ rnnforecast score good --store " in Path(str(done.log)).read_text()


def test_series_left_out_by_name_make_a_job_partial_and_the_others_are_written(workplace: Path) -> None:
    rows = (workplace / "good.csv").read_text().splitlines()[1:]
    panel = ["shop,date,value", *(f"long,{row}" for row in rows), *(f"short,{row}" for row in rows[:2])]
    (workplace / "panel.csv").write_text("\n".join(panel) + "\n")
    job = f'[[job]]\nname = "panel"\ndata = "panel.csv"\noutput = "p.csv"\nshort = "refuse"\n{TINY}'
    result = batch(_write(workplace, job))
    done = result.jobs[0]
    assert (done.status, done.exit_code, result.exit_code) == ("partial", 3, 3)
    assert "short" in str(done.error)
    assert {line.split(",")[0] for line in (workplace / "p.csv").read_text().splitlines()[1:]} == {"long"}


def test_an_output_over_the_data_of_another_job_stops_the_run_before_it_begins(workplace: Path) -> None:
    rows = (workplace / "good.csv").read_bytes()
    jobs = _forecast("a").replace('output = "a.csv"', f'output = "{workplace}/./good.csv"'), _forecast("b")
    with pytest.raises(UsageError, match=r"line 5: the `output` of job `a` .* would overwrite the data of job `a`"):
        batch(_write(workplace, *jobs))
    assert (workplace / "good.csv").read_bytes() == rows


@pytest.mark.parametrize("option", ["metrics_file", "events"])
@pytest.mark.parametrize(
    ("name", "what"), [("good.csv", "the data"), ("nightly.toml", "the jobs file"), ("a.csv", "the output of job `a`")]
)
def test_files_of_the_run_touch_nothing_that_a_job_reads_or_writes(
    workplace: Path, option: str, name: str, what: str
) -> None:
    path, target = _write(workplace, _forecast("a")), workplace / name
    (workplace / "a.csv").write_text("kept", encoding="utf-8")
    before = target.read_bytes()
    options = Options(events=target) if option == "events" else Options(metrics_file=target)
    with pytest.raises(UsageError, match=f"would overwrite {what}"):
        batch(path, options=options)
    assert target.read_bytes() == before


def test_no_secret_of_a_job_is_recorded(workplace: Path) -> None:
    """A token in a URL and in the arguments of an alarm: neither plan, log, ledger nor events contain it."""
    url = "https://user:canary1@127.0.0.1:9/rows.csv?token=canary2"
    alarm = f'on_alarm = ["echo", "{url}", "--token", "canary3"]'
    path = _write(workplace, _forecast("a", data=url, more=alarm))
    plan = json.dumps(check_jobs(path).to_dict())
    result = batch(path, options=Options(events=workplace / "events.jsonl"))
    assert result.jobs[0].alarm == "succeeded"
    kept = [plan, json.dumps(result.to_dict()), (workplace / "events.jsonl").read_text()]
    kept += [file.read_text() for file in state_folder(read_jobs(path)).rglob("*") if file.is_file()]
    assert "https://user:***@127.0.0.1:9/rows.csv?***" in plan
    assert [text for text in kept if "canary" in text] == []


def test_an_output_over_the_training_file_of_its_model_fails_the_job(workplace: Path) -> None:
    import rnnforecast

    trained_on = Path(rnnforecast.load_model("good").manifest.input.paths[0])
    rows = trained_on.read_bytes()
    os.link(trained_on, workplace / "hard.csv")
    result = batch(_write(workplace, '[[job]]\nname = "a"\nmodel = "good"\noutput = "hard.csv"\n'))
    assert [(each.status, each.exit_code) for each in result.jobs] == [("failed", ExitCode.USAGE)]
    assert "would overwrite its data" in str(result.jobs[0].error)
    assert trained_on.read_bytes() == rows


def test_workers_run_every_job_once_and_a_job_where_its_model_is_trained(workplace: Path) -> None:
    trainer = f'[[job]]\nname = "sales"\ndata = "good.csv"\n{TINY}\n'
    user = _forecast("after", model="sales")
    path = _write(workplace, _forecast("a"), trainer, _forecast("b"), user)
    results = [batch(path, options=Options(shard=Shard(number, 2))) for number in (1, 2)]
    assert [list(_statuses(result)) for result in results] == [["a", "b"], ["sales", "after"]]
    assert {status for result in results for status in _statuses(result).values()} == {"done"}
    assert results[0].ledger != results[1].ledger
    assert _statuses(batch(path, options=Options(shard=Shard(1, 2)))) == {"a": "unchanged", "b": "unchanged"}


def test_a_worker_without_a_job_ends_well(workplace: Path) -> None:
    result = batch(_write(workplace, _forecast("a")), options=Options(shard=Shard(3, 3)))
    assert (result.exit_code, result.jobs) == (0, ())
