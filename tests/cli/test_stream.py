"""Specification of the command `stream`: what it rejects, and what it answers to lines on standard input."""

from __future__ import annotations

from pathlib import Path

import pytest

from rnnforecast.store.files import lock
from tests.cli.conftest import RunCommand


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["nobody"], 12, "nobody"),
        (["base"], 2, "name the target, the time column and the frequency"),
        (["base", "--target", "x", "--freq", "h", "--follow"], 2, "`--follow` follows a file"),
        (["base", "--target", "x", "--freq", "h", "--horizon", "999"], 2, "not between 1 and"),
        (["base", "--target", "x", "--freq", "h", "--format", "json"], 2, "leave --format out"),
        (["base", "--target", "x", "--freq", "h", "--input", "none.csv"], 10, "none.csv"),
        (["base", "--target", "x", "--freq", "h", "--input", "a.csv", "--output", "a.csv"], 2, "the input"),
        (["base", "--target", "x", "--freq", "h", "--budget", "often"], 2, "invalid alarm budget"),
    ],
)
def test_what_makes_no_sense_is_rejected(
    run: RunCommand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], code: int, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("time,x\n")
    ended = run("stream", *words)
    assert (ended.code, message in ended.err) == (code, True)


def test_a_second_stream_on_the_same_state_is_rejected(run: RunCommand, tmp_path: Path) -> None:
    state = tmp_path / "x.state"
    with lock(f"{state}.lock"):
        ended = run("stream", "base", "--target", "x", "--freq", "h", "--state", str(state))
    assert (ended.code, "another run holds the lock" in ended.err, state.exists()) == (11, True, False)
