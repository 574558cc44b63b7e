"""Screens compared with the files in `screens/`; `python -m tests.cli.test_screens` writes them anew, to be read."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from rnnforecast.cli.render import render
from rnnforecast.findings import Finding
from rnnforecast.json_values import Document
from tests.cli import examples
from tests.cli.detect_examples import detect_result
from tests.cli.score_examples import score_result

FOLDER = Path(__file__).parent / "screens"
NAMES = ("a", "b", "[red]c[/] \x1b[31m")
SCREENS: dict[str, Callable[[], Document]] = {
    "train-win": examples.train_result,
    "train-blend": examples.blend_result,
    "train-tie": lambda: examples.train_result("tie"),
    "train-untested": lambda: replace(examples.train_result("tie"), verdict=examples.untested()),
    "train-loss": lambda: examples.train_result("loss"),
    "train-loss-served": lambda: examples.train_result("loss", served="drift"),
    "train-unjudged": lambda: examples.train_result(None),
    "predict": examples.predict_result,
    "predict-steps-long": lambda: examples.predict_result(horizon=30, steps=True),
    "predict-panel": lambda: examples.predict_result(NAMES),
    "predict-overview": lambda: examples.overview_result(NAMES),
    "predict-output": lambda: examples.predict_result(NAMES, output="forecasts.csv"),
    "predict-shard": examples.shard_result,
    "inspect": examples.inspect_result,
    "evaluate": examples.evaluate_result,
    "compare": examples.compare_result,
    "diagnose": examples.diagnose_result,
    "tune": examples.tune_result,
    "models-list": examples.models_result,
    "models-verify": lambda: examples.models_result("verify"),
    "models-show": examples.model_result,
    "detect": detect_result,
    "detect-panel": lambda: detect_result(panel=True),
    "detect-calm": lambda: detect_result(num_alarms=0),
    "score": score_result,
    "score-alarm": lambda: score_result(alarms=("loss", "coverage_80")),
    "score-pending": lambda: score_result(empty=True),
    "batch": examples.batch_result,
    "batch-stopped": lambda: examples.batch_result(signal=15),
    "batch-check": examples.batch_plan,
    "doctor": lambda: examples.doctor_result(ok=False),
}


class Stream(io.StringIO):
    """A stream of an encoding and a kind of our choice; `StringIO` has neither."""

    def __init__(self, encoding: str = "utf-8", *, terminal: bool = False) -> None:
        super().__init__()
        self._encoding, self._terminal = encoding, terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return self._encoding

    def isatty(self) -> bool:
        return self._terminal


@pytest.fixture(autouse=True)
def _default_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RNNFORECAST_STORE", "FORCE_COLOR", "NO_COLOR", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_a_screen_is_the_one_that_was_read_and_kept(name: str, width: int) -> None:
    kept = (FOLDER / f"{name}-{width}.txt").read_text(encoding="utf-8")
    assert render(SCREENS[name](), stream=Stream(), width=width) == kept


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("name", SCREENS)
def test_no_line_is_wider_than_the_screen(name: str, width: int) -> None:
    drawn = render(SCREENS[name](), stream=Stream(), width=width)
    assert max(map(len, drawn.splitlines())) <= width


@pytest.mark.parametrize("name", SCREENS)
def test_off_a_terminal_no_screen_has_colours(name: str) -> None:
    assert "\x1b" not in render(SCREENS[name](), stream=Stream(), width=80)


@pytest.mark.parametrize("name", SCREENS)
def test_a_stream_without_unicode_gets_ascii_alone(name: str) -> None:
    assert render(SCREENS[name](), stream=Stream("ascii"), width=80).isascii()


def test_on_a_terminal_the_best_of_a_column_is_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    drawn = render(examples.train_result(), stream=Stream(terminal=True), width=80)
    assert "\x1b[1m0.934\x1b[0m" in drawn
    assert "\x1b[1m1.187\x1b[0m" not in drawn


def test_no_color_leaves_no_colour_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[32m" not in render(examples.train_result(), stream=Stream(terminal=True), width=80)


def test_a_loss_is_the_first_word_of_the_screen() -> None:
    assert render(examples.train_result("loss"), stream=Stream(), width=80).startswith("Loss  the ensemble loses")


def test_markup_in_a_column_name_is_printed_as_it_stands() -> None:
    drawn = render(examples.train_result(target="[/]close[red"), stream=Stream(), width=80)
    assert "[/]close[red" in drawn


def test_control_characters_in_a_column_name_are_shown_as_escapes() -> None:
    drawn = render(examples.train_result(target="x\x1b]0;owned\x07"), stream=Stream(terminal=True), width=80)
    assert r"x\x1b]0;owned\x07" in drawn


def test_data_in_findings_is_shown_as_escapes_too() -> None:
    finding = Finding("E_F", "value \x1b[2J", column="a\nb", fix="[bold]x")
    result = examples.inspect_result()
    drawn = render(type(result)(**{**vars(result), "findings": (finding,)}), stream=Stream(), width=120)
    assert r"value \x1b[2J" in drawn
    assert r"a\nb" in drawn
    assert "[bold]x" in drawn


def test_a_store_of_ones_own_stands_in_the_next_command() -> None:
    result = examples.train_result()
    moved = type(result)(**{**vars(result), "path": "/my store/models/prices/1.safetensors"})
    assert "rnnforecast predict prices --store '/my store'" in render(moved, stream=Stream(), width=80)


def write_screens() -> None:
    """Write every screen, for a person to read before it is kept."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in SCREENS.items():
        for width in (80, 120):
            (FOLDER / f"{name}-{width}.txt").write_text(render(make(), stream=Stream(), width=width), encoding="utf-8")


if __name__ == "__main__":
    write_screens()
