from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

import rnnforecast
from rnnforecast import errors
from rnnforecast.cli.command import _with_missing_flags
from rnnforecast.data.errors import data_error
from rnnforecast.errors import DataError, ExitCode, RnnForecastError
from rnnforecast.findings import Finding
from tests.cli.conftest import RunCommand
from tests.cli.schemas import problems


def _fail_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setitem(vars(rnnforecast), "inspect", fail)


@pytest.mark.parametrize(
    "kind",
    [
        errors.UsageError,
        errors.InputError,
        errors.LockedError,
        errors.ModelFileError,
        errors.DataError,
        errors.OutputError,
        errors.ResourceError,
        errors.DivergedError,
        errors.LostToBaselineError,
    ],
)
def test_a_rejection_ends_with_the_code_of_its_class(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch, kind: type[RnnForecastError]
) -> None:
    _fail_with(monkeypatch, kind("it is so", hint="do that"))
    ended = run("inspect", "x.csv")
    assert ended.code == kind.exit_code
    assert (ended.out, ended.err) == ("", "error: it is so\nhint: do that\n")


def test_the_first_five_findings_are_listed_and_all_are_counted(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [Finding("E_F", f"problem {i}", file="x.csv", rows=(i,), column="y") for i in range(2, 10)]
    _fail_with(monkeypatch, DataError("8 values are text", findings=findings))
    lines = run("inspect", "x.csv").err.splitlines()
    assert lines[0] == "error: 8 values are text"
    assert lines[1] == "  x.csv, row 2, column y: problem 2"
    assert lines[5:] == ["  x.csv, row 6, column y: problem 6", "  and 3 more"]


def test_a_single_finding_that_the_message_tells_is_not_told_twice(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, DataError("x.csv: row 3 is odd", findings=[Finding("E_F", "row 3 is odd")]))
    assert run("inspect", "x.csv").err == "error: x.csv: row 3 is odd\n"


def test_next_to_what_the_message_tells_only_other_findings_are_listed(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        Finding("E_F", "timestamp occurs twice", "x.csv", (3,), "t", fix="name --id"),
        Finding("N_N", "timestamps are held in UTC", "x.csv", column="t"),
        Finding("E_G", "ids are odd", "x.csv", column="id", fix="name --id"),
    ]
    _fail_with(monkeypatch, DataError("x.csv: timestamp occurs twice", hint="name --id", findings=findings))
    assert run("inspect", "x.csv").err.splitlines() == [
        "error: x.csv: timestamp occurs twice",
        "  x.csv, column t: timestamps are held in UTC",
        "  x.csv, column id: ids are odd",
        "hint: name --id",
    ]


def test_problems_that_the_message_lists_are_not_listed_again(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = [Finding("E_F", f"problem {i}", "x.csv", (i,), "y", fix=f"fix {i}") for i in range(2, 10)]
    _fail_with(monkeypatch, data_error(findings))
    lines = run("inspect", "x.csv").err.splitlines()
    assert lines == [
        "error: x.csv: 8 problems:",
        *(f"  problem {i} (fix {i})" for i in range(2, 7)),
        "  and 3 more",
        "hint: the fix for each problem is in parentheses",
    ]


def test_a_problem_is_listed_without_the_places_and_the_fix_that_are_reported_already(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = Finding("E_F", "column `y`, rows 7, 9: odd", "x.csv", (7, 9), "y", fix="mend it")
    _fail_with(monkeypatch, DataError("x.csv is refused", hint="mend it", findings=[odd]))
    assert run("inspect", "x.csv").err == (
        "error: x.csv is refused\n  x.csv: column `y`, rows 7, 9: odd\nhint: mend it\n"
    )


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2024-01-03,abc", ["column `y`, row 4", "`abc` is not a number", "--missing-values"]),
        ("2024-01-03,1,2,3", ["row 4: 4 cells where the header has 2", "--skip-bad-rows"]),
        ("2024-01-02,9", ["rows 3, 4", "with different values", "--duplicates"]),
        ("soon,9", ["column `date`, row 4", "`soon`"]),
        ("2024-01-03,5 kWh", ["column `y`, row 4", "number with a unit", "--strip-units"]),
    ],
)
def test_a_broken_file_is_told_in_two_lines_each_fact_once(
    run: RunCommand, tmp_path: Path, rows: str, said: list[str]
) -> None:
    path = tmp_path / "broken.csv"
    days = "".join(f"2024-01-{day:02d},{day}\n" for day in range(4, 20))
    path.write_text(f"date,y\n2024-01-01,1\n2024-01-02,2\n{rows}\n{days}", encoding="utf-8")
    ended = run("inspect", str(path))
    lines = ended.err.splitlines()
    assert (ended.code, ended.out) == (13, "")
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"]
    assert {word: ended.err.count(word) for word in (*said, str(path))} == dict.fromkeys((*said, str(path)), 1)


def test_an_error_in_json_is_one_document_on_stderr_and_nothing_on_stdout(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fail_with(monkeypatch, DataError("it is so", hint="do that", code="E_TIME_DUPLICATE"))
    ended = run("inspect", "x.csv", "--format", "json")
    document = json.loads(ended.err)
    assert (ended.code, ended.out, problems(document, "error")) == (13, "", [])
    assert document["error"]["code"] == "E_TIME_DUPLICATE"
    assert document["error"]["exit_code"] == 13


@pytest.mark.parametrize("words", [("train", "x.csv", "--horizon"), ("detect", "x.csv", "--on-alarm")])
def test_an_option_without_its_value_is_answered_with_the_help_of_its_command(
    run: RunCommand, words: tuple[str, ...]
) -> None:
    ended = run(*words)
    assert ended.code == 2
    assert ended.err == f"error: option `{words[-1]}` requires an argument\nhint: see `rnnforecast {words[0]} --help`\n"


@pytest.mark.parametrize(
    ("command", "hint"),
    [
        ("train", "use `--floor 0` instead"),
        ("predict", "use `--floor 0` instead"),
        ("score", "see `rnnforecast score"),
    ],
)
def test_a_flag_of_earlier_versions_is_answered_with_what_does_the_same_now(
    run: RunCommand, command: str, hint: str
) -> None:
    ended = run(command, "x.csv", "--nonneg")
    assert ended.code == 2
    assert ended.err.startswith("error: no such option: --nonneg")
    assert f"hint: {hint}" in ended.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("traim", "x.csv"), "unknown command `traim`, did you mean `train`?"),
        (("models", "lst"), "unknown command `lst`, did you mean `list`?"),
        (("train",), "missing argument `DATA`"),
        (("train", "x.csv", "--horizn", "3"), "no such option: --horizn"),
        (("train", "x.csv", "--cell", "gruu"), "invalid value for `--cell`: `gruu` is not one of `rnn`, `rnn-relu`"),
        (("train", "x.csv", "--horizon", "ten"), "invalid value for `--horizon`"),
        (("train", "x.csv", "--horizon", "0"), "`horizon` = 0: input should be greater than or equal to 1"),
        (("train", "x.csv", "--hidden-size", "-4"), "`hidden_size` = -4"),
        (("predict", "--horizon", "0"), "`horizon` = 0"),
        (("predict", "--quantiles", "0.1,2"), "`quantiles` = '2'"),
        (("predict", "--output", "-", "--format", "csv"), "--output - and --format csv both use stdout"),
    ],
)
def test_a_mistake_in_the_words_of_a_command_ends_with_code_two(
    run: RunCommand, words: tuple[str, ...], message: str
) -> None:
    ended = run(*words)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("error: ")
    assert message in ended.err
    assert "\nhint: " in ended.err


def test_a_mistake_in_the_words_is_json_too_when_json_is_asked_for(run: RunCommand) -> None:
    ended = run("train", "--format=json")
    assert (ended.code, problems(json.loads(ended.err), "error")) == (2, [])


def test_a_bug_is_one_line_and_its_traceback_a_file(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    _fail_with(monkeypatch, ZeroDivisionError("division by zero"))
    ended = run("inspect", "x.csv")
    (log,) = tmp_path.iterdir()
    assert ended.code == ExitCode.INTERNAL
    assert "Traceback" not in ended.err
    assert f"this is a bug in rnnforecast (ZeroDivisionError: division by zero), the traceback is in {log}" in ended.err
    assert "Traceback" in log.read_text(encoding="utf-8")


def test_debug_shows_tracebacks_on_stderr(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(monkeypatch, DataError("it is so"))
    ended = run("inspect", "x.csv", "--debug")
    assert ended.code == 13
    assert ended.err.startswith("Traceback")
    assert ended.err.endswith("error: it is so\n")


@pytest.mark.parametrize(
    "error", [MemoryError(), ImportError("_csv.so: failed to map segment from shared object")], ids=["rows", "library"]
)
def test_memory_that_ran_out_is_a_matter_of_resources(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    _fail_with(monkeypatch, error)
    ended = run("inspect", "x.csv")
    assert ended.code == ExitCode.RESOURCES
    assert ended.err.startswith("error: memory ran out\nhint: ")


def test_an_interrupt_ends_with_130_and_no_traceback(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    _fail_with(monkeypatch, KeyboardInterrupt())
    ended = run("inspect", "x.csv")
    assert (ended.code, ended.out) == (130, "")
    assert ended.err == "interrupted, nothing that was stored before is changed\n"


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129)])
def test_a_signal_unwinds_the_stack_and_ends_with_a_code_of_its_own(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int
) -> None:
    cleaned = []

    def terminated(*_: object) -> None:
        try:
            os.kill(os.getpid(), number)
            signal.pause()
        finally:
            os.kill(os.getpid(), number)  # a second one does not disturb the way out
            cleaned.append(True)

    monkeypatch.setitem(vars(rnnforecast), "inspect", terminated)
    before = signal.getsignal(number)
    assert run("inspect", "x.csv").code == code
    assert cleaned == [True]
    assert signal.getsignal(number) is before


def test_a_run_that_nohup_started_continues_when_its_terminal_goes(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hung_up(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        raise DataError("went on")

    monkeypatch.setitem(vars(rnnforecast), "inspect", hung_up)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert run("inspect", "x.csv").code == ExitCode.DATA
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_reader_that_leaves_early_is_not_an_error() -> None:
    command = f"{sys.executable} -m rnnforecast train --help | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.splitlines()[-1] in ("0", "141")


def test_text_from_a_file_cannot_steer_the_terminal(run: RunCommand, monkeypatch: pytest.MonkeyPatch) -> None:
    finding = Finding("E_F", "a\x1b[2Jb", column="bell\x07", file="right\u202eleft.csv")
    _fail_with(monkeypatch, DataError("column `x\x1b]0;owned\x07` is text", findings=[finding]))
    ended = run("inspect", "x.csv")
    assert re.search(r"[\x00-\x09\x0b-\x1f\x7f\u202e]", ended.err) is None
    assert r"column `x\x1b]0;owned\x07` is text" in ended.err


def test_remove_needs_yes_where_nobody_can_be_asked(run: RunCommand, tmp_path: Path) -> None:
    ended = run("models", "remove", "prices", "--store", str(tmp_path))
    assert ended.code == ExitCode.MODEL_FILE
    assert "no model named `prices`" in ended.err


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
@pytest.mark.parametrize("format_", ["table", "json", "csv"])
def test_a_stdout_that_is_full_is_output_not_written(tmp_path: Path, format_: str) -> None:
    words = ["models", "list", "--store", str(tmp_path), "--format", format_]
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "rnnforecast", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.OUTPUT
    assert "standard output could not be written: no space left on device" in done.stderr
    assert "Exception ignored" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_stderr_that_is_full_changes_no_exit_code(tmp_path: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "rnnforecast", "models", "show", "prices", "--store", str(tmp_path)]
        done = subprocess.run(command, stderr=full, stdout=subprocess.PIPE, text=True, check=False)
    assert done.returncode == ExitCode.MODEL_FILE


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_note_that_finds_no_space_on_stderr_does_not_end_the_run(workplace: Path) -> None:
    with open("/dev/full", "w") as full:
        command = [sys.executable, "-m", "rnnforecast", "models", "promote", "good@1"]
        done = subprocess.run(command, stderr=full, stdout=subprocess.PIPE, text=True, check=False, cwd=workplace)
    assert done.returncode == 0
    assert "good@1" in done.stdout


@pytest.mark.parametrize(("closed", "code"), [(">&-", ExitCode.OUTPUT), ("2>&-", 0)])
@pytest.mark.parametrize("words", ["models list", "--version", "predict --help"])
def test_a_stream_that_the_caller_closed_is_not_a_bug(tmp_path: Path, words: str, closed: str, code: int) -> None:
    command = f"RNNFORECAST_STORE={tmp_path} {sys.executable} -m rnnforecast {words} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == code
    assert ("standard output could not be written: it is closed" in done.stderr) == (code != 0)
    assert "bug" not in done.stderr
    assert bool(done.stdout) == (code == 0)


@pytest.mark.parametrize("columns", ["0", "00", "1"])
def test_no_width_of_a_terminal_empties_a_screen(
    run: RunCommand, monkeypatch: pytest.MonkeyPatch, workplace: Path, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.chdir(workplace)
    ended = run("models", "list")
    assert ended.code == 0
    assert "good" in ended.out


@pytest.mark.parametrize(("given", "threads"), [(None, "1"), ("3", "3")])
def test_matrix_products_have_one_thread_unless_the_user_says_otherwise(given: str | None, threads: str) -> None:
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    environment.pop("OPENBLAS_NUM_THREADS", None)
    if given is not None:
        environment["OPENBLAS_NUM_THREADS"] = given
    program = (
        "import os, sys; from rnnforecast.cli.main import main; loaded = 'numpy' in sys.modules; main(['--version']); "
        "print(loaded, os.environ['OPENBLAS_NUM_THREADS'], os.environ['OMP_NUM_THREADS'])"
    )
    ended = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    # not too late, since NumPy is not loaded yet; torch counts its threads by the last of them
    assert ended.stdout.splitlines()[-1].split() == ["False", threads, "2"]


def test_a_log_of_both_streams_has_their_lines_in_the_order_they_were_written(tmp_path: Path) -> None:
    """Standard output to a file is written in blocks: what follows on standard error must not overtake it."""
    code = (
        "import sys; from rnnforecast.cli import main as cli; from rnnforecast.errors import DataError\n"
        "def work(words):\n    print('the result'); raise DataError('the error', hint='the hint')\n"
        "cli._invoke = work; sys.exit(cli.main(['inspect', 'x.csv']))"
    )
    with (tmp_path / "log").open("wb") as log:
        subprocess.run([sys.executable, "-c", code], stdout=log, stderr=subprocess.STDOUT, check=False)
    assert (tmp_path / "log").read_text().splitlines() == ["the result", "error: the error", "hint: the hint"]


@pytest.mark.parametrize(
    ("flags", "added"),
    [({"fill"}, ""), (set(), "; `detect` has no `--fill`: give it to `train`, and name that model")],
)
def test_a_flag_that_a_command_lacks_is_said_to_belong_to_another(flags: set[str], added: str) -> None:
    hint = "fill them with `--fill forward`"
    assert _with_missing_flags(hint, "detect", flags) == hint + added
