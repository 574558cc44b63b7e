from __future__ import annotations

import json
from dataclasses import replace

import pytest
import typer

from rnnforecast.cli.render.progress import BarProgress
from rnnforecast.cli.view import View
from rnnforecast.findings import Finding
from rnnforecast.options import Format
from rnnforecast.progress import NoProgress
from tests.cli import examples
from tests.cli.test_screens import Stream


def _view(format: Format = "table", *, quiet: bool = False, terminal: bool = False) -> tuple[View, Stream, Stream]:
    out, err = Stream(terminal=terminal), Stream(terminal=terminal)
    return View(format=format, quiet=quiet, out=out, err=err), out, err


@pytest.mark.parametrize("format", ["table", "json", "csv"])
def test_findings_go_to_stderr_and_the_result_to_stdout(format: Format) -> None:
    view, out, err = _view(format)
    view.show(examples.train_result())
    assert "36 business days are missing" in err.getvalue()
    assert "ensemble" in out.getvalue()


def test_quiet_leaves_stderr_empty_and_stdout_whole() -> None:
    view, out, err = _view(quiet=True)
    view.show(examples.train_result())
    view.say("anything")
    assert err.getvalue() == ""
    assert "Test" in out.getvalue()


@pytest.mark.parametrize(
    ("quiet", "format", "is_written"), [(True, "table", False), (True, "json", True), (False, "table", True)]
)
def test_a_quiet_run_writes_no_table_unless_asked_to(quiet: bool, format: Format, is_written: bool) -> None:
    view, out, _ = _view(format, quiet=quiet)
    view.show(examples.predict_result(output="forecasts.csv"), if_quiet=False)
    assert ("forecasts.csv" in out.getvalue()) is is_written


def test_quiet_still_names_a_series_that_was_left_out() -> None:
    view, out, err = _view(quiet=True)
    refused = Finding("E_SERIES_SHORT", "series `b` is too short")
    repaired = Finding("W_GAPS", "3 days are missing")
    result = replace(examples.predict_result(output="forecasts.csv"), findings=(repaired, refused), notes=("a note",))
    with pytest.raises(typer.Exit) as ended:
        view.show(result, if_quiet=False)
    assert (ended.value.exit_code, out.getvalue()) == (3, "")
    assert err.getvalue() == "error: series `b` is too short\n"


def test_json_is_one_line_in_a_pipe_and_indented_on_a_terminal() -> None:
    for terminal in (False, True):
        view, out, _ = _view("json", terminal=terminal)
        view.show(examples.doctor_result())
        assert json.loads(out.getvalue())["ok"] is True
        assert (out.getvalue().count("\n") > 1) is terminal


def test_inspect_shows_its_findings_once_and_on_stdout() -> None:
    view, out, err = _view()
    view.show(examples.inspect_result())
    assert "1 finding" in out.getvalue()
    assert err.getvalue() == ""


def test_forecasts_written_to_stdout_are_followed_by_no_screen() -> None:
    view, out, _ = _view()
    view.show(examples.predict_result(output="-"))
    assert out.getvalue() == ""


def test_nobody_watching_means_no_bar() -> None:
    view, _, err = _view(terminal=False)
    with view.progress() as progress:
        assert isinstance(progress, NoProgress)
        progress.start("fit", 10)
        progress.update(3, loss=0.5)
    assert err.getvalue() == ""


def test_a_bar_shows_stage_steps_loss_and_score_and_leaves_the_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    view, _, err = _view(terminal=True)
    with view.progress() as progress:
        assert isinstance(progress, BarProgress)
        progress.start("fit 1 of 3", 100)
        progress.update(40, loss=0.5, score=0.875)
        progress.start("fit 2 of 3", 100)
    shown = err.getvalue()
    for words in ("fit 1 of 3", "40/100", "loss 0.5", "score 0.875", "fit 2 of 3"):
        assert words in shown
    assert shown.rstrip("\r").endswith("\x1b[2K\x1b[?25h")  # line erased, cursor back


def test_a_bar_ends_when_the_work_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    view, _, err = _view(terminal=True)

    def fail() -> None:
        with view.progress() as progress:
            progress.start("fit", 10)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert "\x1b[?25h" in err.getvalue()  # the cursor is shown again


def test_quick_work_shows_no_bar_and_slow_work_shows_the_stage_it_is_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    now = [100.0]
    monkeypatch.setattr("rnnforecast.cli.view.time.monotonic", lambda: now[0])
    view, _, err = _view(terminal=True)
    with view.progress(patience=1.0) as progress:
        progress.start("forecast", 10)
        now[0] = 100.9
        progress.update(3)
        assert err.getvalue() == ""
        now[0] = 101.1
        progress.update(4)
    for words in ("forecast", "4/10"):
        assert words in err.getvalue()
    assert err.getvalue().rstrip("\r").endswith("\x1b[2K\x1b[?25h")  # line erased, cursor back


def test_work_that_ends_before_a_late_bar_leaves_the_screen_alone() -> None:
    view, _, err = _view(terminal=True)
    with view.progress(patience=3_600.0) as progress:
        progress.start("forecast", 10)
        progress.update(10)
        progress.finish()
    assert err.getvalue() == ""


def test_quiet_means_no_late_bar_either() -> None:
    view, _, err = _view(quiet=True, terminal=True)
    with view.progress(patience=1e-9) as progress:
        assert isinstance(progress, NoProgress)
        progress.start("forecast", 10)
        progress.update(10)
    assert err.getvalue() == ""
