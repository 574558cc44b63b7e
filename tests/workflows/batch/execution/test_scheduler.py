from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from rnnforecast.workflows.batch.execution import scheduler
from rnnforecast.workflows.batch.execution.outcomes import FailedError, StoppedError, read_document
from rnnforecast.workflows.batch.execution.process import (
    Command,
    Completed,
    as_shell_line,
    child_environment,
    rnnforecast_command,
)
from rnnforecast.workflows.batch.execution.scheduler import Scheduler, SignalHandler, Task
from rnnforecast.workflows.batch.execution.steps import Steps
from rnnforecast.workflows.batch.results import JobResult

SHELL = ("/bin/sh", "-c")


def _work(name: str, scripts: Sequence[str], ends: list[Completed] | None = None) -> Steps:
    """Run shell scripts one after the other, as a job does its steps."""
    try:
        for script in scripts:
            ended = yield Command((*SHELL, script))
            if ends is not None:
                ends.append(ended)
            if ended.returncode or ended.timed_out:
                read_document(ended, command=name)
    except StoppedError as stopped:
        return JobResult(name, "stopped", 128 + stopped.number)
    except FailedError as failure:
        return JobResult(name, "failed", failure.exit_code, error=failure.error)
    return JobResult(name, "done", 0)


def _task(name: str, *scripts: str, ends: list[Completed] | None = None, timeout: float | None = None) -> Task:
    return Task(name, lambda: _work(name, scripts, ends), log=lambda _: None, timeout=timeout)


def _run(
    tasks: Sequence[Task], folder: Path, *, num_workers: int = 2, handler: SignalHandler | None = None
) -> list[JobResult]:
    with handler or SignalHandler() as active:
        return list(Scheduler(num_workers, signals=active, folder=folder).run(tasks, on_start=lambda _: None))


def _codes(results: Sequence[JobResult]) -> dict[str, int]:
    return {result.job: result.exit_code for result in results}


@pytest.mark.parametrize("num_workers", [1, 2, 8])
def test_every_task_is_done_whatever_the_number_of_workers(tmp_path: Path, num_workers: int) -> None:
    tasks = [_task(f"job{number}", f"echo {number} > {number}.txt") for number in range(6)]
    assert set(_codes(_run(tasks, tmp_path, num_workers=num_workers)).values()) == {0}
    assert {path.name: path.read_text().strip() for path in tmp_path.iterdir()} == {
        f"{number}.txt": str(number) for number in range(6)
    }


def test_a_task_that_fails_crashes_or_is_killed_affects_no_other(tmp_path: Path) -> None:
    tasks = [
        _task("fails", "exit 13"),
        _task("crashes", "kill -SEGV $$"),
        _task("killed", "kill -KILL $$"),
        _task("good", "echo fine > good.txt"),
    ]
    assert _codes(_run(tasks, tmp_path, num_workers=1)) == {"fails": 13, "crashes": 139, "killed": 15, "good": 0}
    assert (tmp_path / "good.txt").read_text() == "fine\n"


def test_a_bug_in_one_job_is_its_own_failure_and_its_traceback_is_in_its_log(tmp_path: Path) -> None:
    log: list[bytes] = []

    def broken() -> Steps:
        yield Command(("/bin/true",))
        raise RuntimeError("off by one")

    tasks = [Task("broken", broken, log=log.append), _task("good", "true")]
    results = _run(tasks, tmp_path)
    assert _codes(results) == {"broken": 1, "good": 0}
    assert b"Traceback" in b"".join(log)
    assert "RuntimeError: off by one" in str(results[0].error)


def test_a_program_that_cannot_be_started_is_a_failure_of_its_job(tmp_path: Path) -> None:
    def work() -> Steps:
        try:
            yield Command((str(tmp_path / "nothing"),))
        except FailedError as failure:
            return JobResult("a", "failed", failure.exit_code, error=failure.error)
        return JobResult("a", "done", 0)

    result = _run([Task("a", work, log=lambda _: None)], tmp_path)[0]
    assert result.exit_code == 15
    assert "no process could be started" in str(result.error)


def test_the_output_of_a_process_is_complete(tmp_path: Path) -> None:
    ends: list[Completed] = []
    script = f"{sys.executable} -S -c \"import sys; print('x' * 300000); print('y' * 1000, file=sys.stderr)\""
    _run([_task("a", script, ends=ends)], tmp_path)
    assert (len(ends[0].stdout), len(ends[0].stderr)) == (300_001, 1_001)


def test_a_job_that_exceeds_its_timeout_is_stopped_and_its_error_says_so(tmp_path: Path) -> None:
    result = _run([_task("slow", "sleep 60", timeout=0.2)], tmp_path)[0]
    assert (result.exit_code, result.error and result.error.code) == (15, "E_RUN_TIMEOUT")


def test_a_suspended_job_is_killed_at_its_timeout(tmp_path: Path) -> None:
    result = _run([_task("stopped", "kill -STOP $$", timeout=0.2)], tmp_path)[0]
    assert (result.exit_code, result.error and result.error.code) == (15, "E_RUN_TIMEOUT")


def test_timeouts_do_not_depend_on_the_system_clock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jumps = iter(range(0, 10**9, 10**5))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    assert _run([_task("a", "sleep 0.1", timeout=60.0)], tmp_path)[0].exit_code == 0


def test_a_job_that_ignores_sigterm_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scheduler, "GRACE_SECONDS", 0.1)
    result = _run([_task("deaf", "trap '' TERM; while :; do sleep 0.05; done", timeout=0.2)], tmp_path)[0]
    assert (result.exit_code, result.error and result.error.code) == (15, "E_RUN_TIMEOUT")


def test_a_process_left_in_the_background_does_not_outlive_its_job(tmp_path: Path) -> None:
    result = _run([_task("a", "sleep 300 & echo $! > pid")], tmp_path)[0]
    assert result.exit_code == 0
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_a_task_waits_for_the_task_that_trains_its_model(tmp_path: Path) -> None:
    first = _task("first", "sleep 0.2; echo made > model")
    second = Task("second", lambda: _work("second", ["cat model"]), log=lambda _: None, waits_for="first")
    assert _codes(_run([second, first], tmp_path)) == {"first": 0, "second": 0}


def test_tasks_that_wait_for_themselves_or_each_other_still_run(tmp_path: Path) -> None:
    names = {"a": "b", "b": "a", "c": "c", "d": "nobody"}
    tasks = [
        Task(name, lambda name=name: _work(name, ["true"]), log=lambda _: None, waits_for=other)  # type: ignore[misc]
        for name, other in names.items()
    ]
    assert set(_codes(_run(tasks, tmp_path))) == set(names)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_signal_stops_running_tasks_and_starts_no_others(tmp_path: Path, number: int) -> None:
    tasks = [
        _task("done", "true"),
        _task("running", "echo > begun; exec sleep 60"),
        _task("waiting", "echo > never"),
    ]
    with _when(lambda: (tmp_path / "begun").exists(), lambda: os.kill(os.getpid(), number)):
        results = _run(tasks, tmp_path, num_workers=1)
    assert {result.job: (result.status, result.exit_code) for result in results} == {
        "done": ("done", 0),
        "running": ("stopped", 128 + number),
        "waiting": ("stopped", 128 + number),
    }
    assert not (tmp_path / "never").exists()


def test_a_second_interrupt_does_not_wait(tmp_path: Path) -> None:
    script = "trap '' TERM; echo $$ > pid; while :; do sleep 0.05; done"

    def interrupt_twice() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGINT)

    with _when(lambda: (tmp_path / "pid").exists(), interrupt_twice), pytest.raises(KeyboardInterrupt):
        _run([_task("deaf", script)], tmp_path)
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_a_signal_that_was_ignored_stays_ignored(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with SignalHandler() as handler:
            os.kill(os.getpid(), signal.SIGHUP)
            results = _run([_task("a", "true")], tmp_path)
        assert (handler.received, _codes(results)) == (None, {"a": 0})
    finally:
        signal.signal(signal.SIGHUP, before)


def test_signal_handlers_of_the_caller_are_restored_after_a_run() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    with SignalHandler():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before


def test_outside_the_main_thread_no_signal_is_handled(tmp_path: Path) -> None:
    results: list[JobResult] = []
    thread = threading.Thread(target=lambda: results.extend(_run([_task("a", "true")], tmp_path)))
    thread.start()
    thread.join()
    assert _codes(results) == {"a": 0}


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel is asked in the way of Linux")
def test_a_job_does_not_outlive_a_run_that_was_killed(tmp_path: Path) -> None:
    code = f"""
from pathlib import Path
from rnnforecast.workflows.batch.execution.process import Command, JobProcess
child = JobProcess(Command(("/bin/sleep", "300")), folder=Path({str(tmp_path)!r}), log=print)
Path({str(tmp_path / "pid")!r}).write_text(str(child.popen.pid))
import os, signal
os.kill(os.getpid(), signal.SIGKILL)
"""
    import subprocess

    subprocess.run([sys.executable, "-c", code], check=False)
    assert _is_gone(int((tmp_path / "pid").read_text()))


def test_every_process_uses_one_thread_unless_the_user_sets_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert child_environment({})["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert child_environment({})["OMP_NUM_THREADS"] == "3"


def test_the_store_of_the_environment_is_not_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RNNFORECAST_STORE", "/elsewhere")
    assert "RNNFORECAST_STORE" not in child_environment({})


def test_a_module_in_the_folder_of_the_data_is_not_imported(tmp_path: Path) -> None:
    (tmp_path / "typing.py").write_text("raise SystemExit(99)\n")
    (tmp_path / "typer.py").write_text("raise SystemExit(99)\n")
    ends: list[Completed] = []

    def work() -> Steps:
        ends.append((yield Command(rnnforecast_command("--version"))))
        return JobResult("a", "done", 0)

    _run([Task("a", work, log=lambda _: None)], tmp_path)
    assert ends[0].stdout.startswith(b"rnnforecast ")


def test_the_log_contains_no_secret() -> None:
    line = as_shell_line(rnnforecast_command("train", "s3://user:canary@host/rows.csv?token=canary2", "--seed", "3"))
    assert line == "rnnforecast train 's3://user:***@host/rows.csv?***' --seed 3"
    line = as_shell_line(("curl", "-H", "Authorization: Bearer canary", "--token", "canary", "https://canary@h/x"))
    assert line == "curl -H 'Authorization: Bearer ***' --token *** 'https://***@h/x'"


def _is_gone(pid: int) -> bool:
    """Return whether a process has ended, given a moment to be taken away."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
            return True
        time.sleep(0.05)
    return False


class _when:  # noqa: N801  # reads as a sentence
    """Do something in another thread as soon as something is so."""

    def __init__(self, is_so: Callable[[], bool], act: Callable[[], None]) -> None:
        self._is_so, self._act = is_so, act
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        for _ in range(400):
            if self._is_so():
                time.sleep(0.05)
                self._act()
                return
            time.sleep(0.02)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._thread.join()
