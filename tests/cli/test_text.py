from __future__ import annotations

import io

import pytest

from rnnforecast.cli.text import folded, styled, supports_unicode, wants_colour
from rnnforecast.escaping import visible


class Terminal(io.StringIO):
    """A text stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        ("plain", "plain"),
        ("\x1b[31mred", r"\x1b[31mred"),
        ("bell\x07", r"bell\x07"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\u202eflipped", r"\u202eflipped"),
        ("separator\u2028", r"separator\u2028"),
        ("\x9b2J", r"\x9b2J"),
        ("\ud800 alone", r"\ud800 alone"),
        ("Zürich 東京 ‑ naïve\u00a0café", "Zürich 東京 ‑ naïve\u00a0café"),
        ("[red]markup[/]", "[red]markup[/]"),
    ],
)
def test_what_could_steer_a_terminal_is_shown_as_an_escape(raw: str, shown: str) -> None:
    assert visible(raw) == shown


def test_lines_of_our_own_messages_stay_lines() -> None:
    assert visible("two\nlines", keep="\n") == "two\nlines"


def test_colour_is_for_terminals_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert styled("word", "red", stream=Terminal()) == "\x1b[1;31mword\x1b[0m"
    assert styled("word", "red", stream=io.StringIO()) == "word"


def test_no_color_ends_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert not wants_colour(Terminal())


def test_a_dumb_terminal_gets_no_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "dumb")
    assert not wants_colour(Terminal())


@pytest.mark.parametrize(("encoding", "known"), [("utf-8", True), ("UTF8", True), ("ascii", False), (None, False)])
def test_braille_is_for_unicode_streams(encoding: str | None, known: bool) -> None:
    assert supports_unicode(encoding) is known


def test_prose_is_folded_between_words_on_a_terminal_and_left_alone_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "24")
    text = "note: three well-known words, /a/path/that/is/longer"
    assert folded(text, stream=Terminal()) == "note: three well-known\n  words,\n  /a/path/that/is/longer"
    assert folded(text, stream=io.StringIO()) == text
